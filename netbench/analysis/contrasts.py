"""Pair trials of one block in one state, and compare each driver with the baseline (METHOD §2)."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple, cast

import numpy as np
import pandas as pd

from netbench.analysis.frame import ARM, CELL
from netbench.analysis.model import BlockDelta, Contrast, NullContrast, QualityWarning
from netbench.analysis.saturation import METRIC, Name, saturated
from netbench.analysis.states import PREFERENCE
from netbench.analysis.stats import MIN_BLOCKS, Floats, Interval, spread, t_mixture
from netbench.analysis.verdicts import Evidence, contains_one, judge, noise_floor
from netbench.record import METRICS, Metric
from netbench.spec import Placement

PAIR: Final = ["block", "state"]
"""Columns that two trials must share to be a pair."""


class Key(NamedTuple):
    """One comparison's place: a cell and a metric."""

    path: str
    probe: str
    placement: str
    metric: str


@dataclass(frozen=True, slots=True)
class Terms:
    """What all contrasts of a run are judged by."""

    baseline: str
    alpha: float
    """Each contrast's share of the error rate."""
    margin: float
    used_up: Mapping[Name, str] = field(default_factory=dict)
    """By arm and cell of a throughput."""

    def saturated(self, driver: str, key: "Key") -> str:
        """Return what a driver's first arm used up; empty where the metric is none to use up."""
        place = (driver, 0, key.path, key.probe, key.placement)
        return self.used_up.get(place, "") if key.metric == METRIC else ""


@dataclass(frozen=True, slots=True)
class Target:
    """One contrast that the run owes: a driver, and where it is compared."""

    driver: str
    key: Key

    @property
    def metric(self) -> Metric:
        """The metric's declaration."""
        return METRICS[self.key.metric]


def targets(trials: pd.DataFrame, values: pd.DataFrame, baseline: str) -> tuple[Target, ...]:
    """Return every contrast the run owes, whether or not it has pairs.

    Drivers that gave a sample somewhere, times the cells that neither they nor the baseline skip,
    times the metrics that any arm gave there and that have a ratio. A metric that an arm never
    gives beside its others does not apply to it, as no network of its own can be made for `host`.
    """
    sampling = set(trials.loc[trials["outcome"] == "sample", "driver"]) - {baseline}
    ran = trials[trials["outcome"] != "skip"]
    tried = ran[ran["driver"].isin(sampling)].merge(
        ran.loc[ran["driver"] == baseline, CELL].drop_duplicates(), on=CELL
    )
    given = values[[*CELL, "metric"]].drop_duplicates()
    owed = tried[["driver", *CELL]].drop_duplicates().merge(given, on=CELL)
    gives: dict[tuple[str, ...], set[str]] = {}
    for name, rows in values.groupby(["driver", *CELL]):
        gives[cast("tuple[str, ...]", name)] = set(rows["metric"])
    found = [
        Target(driver, Key(path, probe, placement, metric))
        for driver, path, probe, placement, metric in owed.itertuples(index=False)
        if metric in METRICS
        and METRICS[metric].compared
        and all(
            metric in gives.get((arm, path, probe, placement), {metric})
            for arm in (driver, baseline)
        )
    ]
    return tuple(sorted(found, key=lambda target: (target.key, target.driver)))


def usable(values: pd.DataFrame) -> pd.DataFrame:
    """Return the values that can be paired: one for each arm, block and state.

    A mixed trial belongs to no state, and a value that is not positive has no logarithm. Of
    several attempts the earliest counts.
    """
    fit = values[values["state"].isin(PREFERENCE) & (values["value"] > 0)]
    fit = fit.sort_values(["attempt", "record"], kind="stable")
    return fit.drop_duplicates([*CELL, "metric", *ARM, *PAIR])


class Comparison:
    """All pairs of one cell and metric."""

    def __init__(self, key: Key, fit: pd.DataFrame, every: pd.DataFrame, terms: Terms) -> None:
        """`fit` holds the usable values of this key, `every` all its values."""
        self.key = key
        self._terms = terms
        self._fit = fit
        self._seen = frozenset(every["state"])
        first, second = (_arm(fit, terms.baseline, replica) for replica in (0, 1))
        self._baseline = pd.concat([first, second[~second.index.isin(first.index)]])
        self._null_pairs = _join(second, first)
        self._pooled = _pooled_deviation(every, terms.baseline)

    def contrasts(self, target: Target, missing: tuple[QualityWarning, ...]) -> Iterator[Contrast]:
        """Yield the headline contrast, then every other state with enough pairs."""
        pairs = _join(_arm(self._fit, target.driver, 0), self._baseline)
        head = self._headline(pairs)
        for state in (head, *_others(pairs, head)):
            yield self._contrast(target, pairs, state, headline=state == head, missing=missing)

    def nulls(self, wanted: frozenset[str]) -> Iterator[NullContrast]:
        """Yield A/A in its headline state, then in other full or `wanted` states."""
        pairs = self._null_pairs
        head = self._headline(pairs)
        extra = [s for s in PREFERENCE if s in wanted and s != head]
        for state in dict.fromkeys((head, *_others(pairs, head), *extra)):
            rows = _in_state(pairs, state)
            interval = t_mixture(_floats(rows, "delta"), self._terms.alpha)
            ratio, low, high = _ratios(interval)
            yield NullContrast(
                path=self.key.path,
                probe=self.key.probe,
                placement=Placement(self.key.placement),
                metric=self.key.metric,
                state=state,
                headline=state == head,
                blocks=interval.n,
                ratio=ratio,
                low=low,
                high=high,
                deviation=interval.deviation,
                pooled_deviation=self._pooled,
                contains_one=contains_one(interval),
                deltas=_deltas(rows),
            )

    def _headline(self, pairs: pd.DataFrame) -> str:
        """Return the closest state with enough pairs, else the fullest one (METHOD §1b).

        Without any pair: the closest state that any trial was in.
        """
        counts = pairs.groupby("state").size()
        full = [s for s in PREFERENCE if counts.get(s, 0) >= MIN_BLOCKS]
        if full:
            return full[0]
        if not counts.empty:
            return max(PREFERENCE, key=lambda s: counts.get(s, 0))
        return next((s for s in (*PREFERENCE, "mixed") if s in self._seen), "unknown")

    def _contrast(
        self,
        target: Target,
        pairs: pd.DataFrame,
        state: str,
        *,
        headline: bool,
        missing: tuple[QualityWarning, ...],
    ) -> Contrast:
        rows = _in_state(pairs, state)
        driver, baseline = _floats(rows, "value"), _floats(rows, "baseline_value")
        deltas, alpha = _floats(rows, "delta"), self._terms.alpha
        interval = t_mixture(deltas, alpha)
        null = t_mixture(_floats(_in_state(self._null_pairs, state), "delta"), alpha)
        shifts = _floats(rows, "position") - _floats(rows, "baseline_position")
        verdict, warnings = judge(
            Evidence(
                metric=target.metric,
                interval=interval,
                deltas=deltas,
                driver=driver,
                baseline=baseline,
                shifts=shifts,
                null=null,
                alpha=alpha,
                margin=self._terms.margin,
            )
        )
        used, baselines = (
            self._terms.saturated(name, self.key) for name in (target.driver, self._terms.baseline)
        )
        ratio, low, high = _ratios(interval)
        return Contrast(
            driver=target.driver,
            baseline=self._terms.baseline,
            path=self.key.path,
            probe=self.key.probe,
            placement=Placement(self.key.placement),
            metric=self.key.metric,
            unit=target.metric.unit,
            primary=target.metric.primary,
            headline=headline,
            state=state,
            blocks=interval.n,
            ratio=ratio,
            low=low,
            high=high,
            difference=_median(driver - baseline),
            driver_median=_median(driver),
            baseline_median=_median(baseline),
            verdict=verdict,
            noise_floor=noise_floor(null),
            warnings=(*warnings, *saturated(used, baselines), *missing),
            deltas=_deltas(rows),
            saturated=used,
        )

    def paired_blocks(self, driver: str) -> frozenset[int]:
        """Return the blocks that give a pair in any state."""
        pairs = _join(_arm(self._fit, driver, 0), self._baseline)
        return frozenset(int(block) for block in pairs["block"])


def _arm(frame: pd.DataFrame, driver: str, replica: int) -> pd.DataFrame:
    """Return one arm's values and positions, by block and state."""
    rows = frame[(frame["driver"] == driver) & (frame["replica"] == replica)]
    return rows.set_index(PAIR)[["value", "position"]]


def _join(driver: pd.DataFrame, baseline: pd.DataFrame) -> pd.DataFrame:
    """Return complete pairs in block order, with `delta`, the log ratio."""
    pairs = driver.join(baseline.add_prefix("baseline_"), how="inner").sort_index().reset_index()
    ratio = pairs["value"].to_numpy(np.float64) / pairs["baseline_value"].to_numpy(np.float64)
    return pairs.assign(delta=np.log(ratio))


def _pooled_deviation(values: pd.DataFrame, baseline: str) -> float | None:
    """Return the A/A deviation over first attempts, whatever their state."""
    fit = values[(values["driver"] == baseline) & (values["value"] > 0)]
    fit = fit.sort_values(["attempt", "record"], kind="stable")
    fit = fit.drop_duplicates(["replica", "block"]).assign(state="any")
    return spread(_floats(_join(_arm(fit, baseline, 1), _arm(fit, baseline, 0)), "delta"))


def _others(pairs: pd.DataFrame, head: str) -> list[str]:
    counts = pairs.groupby("state").size()
    return [s for s in PREFERENCE if s != head and counts.get(s, 0) >= MIN_BLOCKS]


def _in_state(pairs: pd.DataFrame, state: str) -> pd.DataFrame:
    return pairs[pairs["state"] == state]


def _floats(frame: pd.DataFrame, column: str) -> Floats:
    return frame[column].to_numpy(np.float64)


def _median(values: Floats) -> float | None:
    return float(np.median(values)) if len(values) else None


def _ratios(interval: Interval) -> tuple[float | None, float | None, float | None]:
    """Return ratio, low and high of an interval of the log ratio."""
    ratio = None if interval.mean is None else float(np.exp(interval.mean))
    if interval.bounds is None:
        return ratio, None, None
    low, high = interval.bounds
    return ratio, float(np.exp(low)), float(np.exp(high))


def _deltas(rows: pd.DataFrame) -> tuple[BlockDelta, ...]:
    pairs = zip(rows["block"], rows["delta"], strict=True)
    return tuple(BlockDelta(int(block), float(delta)) for block, delta in pairs)


def by_key(frame: pd.DataFrame) -> dict[Key, pd.DataFrame]:
    """Return a frame's rows by cell and metric."""
    groups = frame.groupby([*CELL, "metric"])
    return {Key(*cast("tuple[str, str, str, str]", name)): rows for name, rows in groups}
