"""Pair trials of one block in one state, and compare each driver with the baseline (METHOD §2)."""

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, cast

import numpy as np
import pandas as pd

from netbench.analysis.family import is_primary
from netbench.analysis.frame import CELL
from netbench.analysis.model import BlockDelta, Contrast, NullContrast, QualityWarning
from netbench.analysis.pairing import (
    Observed,
    Pair,
    arm,
    arms,
    deltas,
    headline,
    in_state,
    joined,
    judged,
    sides,
    whatever_state,
)
from netbench.analysis.saturation import METRIC, Name, saturated
from netbench.analysis.states import PREFERENCE
from netbench.analysis.stats import MIN_BLOCKS, Floats, Interval, blocks_needed, spread, t_mixture
from netbench.analysis.verdicts import Evidence, contains_one, judge, noise_floor, unsteady
from netbench.record import METRICS, Metric, PlanSummary
from netbench.spec import Placement


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
    primary: bool
    """Whether the run is judged by it."""

    @property
    def metric(self) -> Metric:
        """The metric's declaration."""
        return METRICS[self.key.metric]


def targets(trials: pd.DataFrame, values: pd.DataFrame, plan: PlanSummary) -> tuple[Target, ...]:
    """Return every contrast the run owes, whether or not it has pairs.

    Drivers that gave a sample somewhere, times the cells that neither they nor the baseline skip,
    times the metrics that any arm gave there and that have a ratio. A metric that an arm never
    gives beside its others does not apply to it, as no network of its own can be made for `host`.
    """
    baseline = plan.baseline
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
        Target(
            driver,
            Key(path, probe, placement, metric),
            is_primary(plan, probe, placement, metric),
        )
        for driver, path, probe, placement, metric in owed.itertuples(index=False)
        if metric in METRICS
        and METRICS[metric].compared
        and all(
            metric in gives.get((arm, path, probe, placement), {metric})
            for arm in (driver, baseline)
        )
    ]
    return tuple(sorted(found, key=lambda target: (target.key, target.driver)))


class Comparison:
    """All pairs of one cell and metric."""

    def __init__(self, key: Key, observed: Sequence[Observed], terms: Terms) -> None:
        """`observed` holds every value of this key."""
        self.key = key
        self._terms = terms
        self._observed = observed
        self._baselines = arms(observed, terms.baseline)
        first, second = self._baselines
        self._null_pairs = joined((second,), (first,))
        self._needed = blocks_needed(terms.alpha)

    def contrasts(self, target: Target, missing: tuple[QualityWarning, ...]) -> Iterator[Contrast]:
        """Yield the headline contrast, then every other state with enough pairs."""
        pairs = self._pairs(target.driver)
        head = headline(pairs, self._observed)
        for state in (head, *_others(pairs, head)):
            yield self._contrast(target, pairs, state, headline=state == head, missing=missing)

    def nulls(self, wanted: frozenset[str]) -> Iterator[NullContrast]:
        """Yield A/A in its headline state, then in other full or `wanted` states."""
        pairs = self._null_pairs
        head = headline(pairs, self._observed)
        extra = [s for s in PREFERENCE if s in wanted and s != head]
        pooled = self._pooled_deviation()
        for state in dict.fromkeys((head, *_others(pairs, head), *extra)):
            rows = judged(pairs, state, self._needed)
            interval = t_mixture(deltas(rows), self._terms.alpha)
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
                pooled_deviation=pooled,
                contains_one=contains_one(interval),
                deltas=_deltas(rows),
            )

    def _contrast(
        self,
        target: Target,
        pairs: Sequence[Pair],
        state: str,
        *,
        headline: bool,
        missing: tuple[QualityWarning, ...],
    ) -> Contrast:
        rows, alpha = judged(pairs, state, self._needed), self._terms.alpha
        driver, baseline = sides(rows)
        logs = deltas(rows)
        interval = t_mixture(logs, alpha)
        null = t_mixture(deltas(judged(self._null_pairs, state, self._needed)), alpha)
        verdict, warnings = judge(
            Evidence(
                metric=target.metric,
                interval=interval,
                deltas=logs,
                driver=driver,
                baseline=baseline,
                shifts=np.array([pair.shift for pair in rows], np.float64),
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
            primary=target.primary,
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
            warnings=(
                *warnings,
                *unsteady(in_state(pairs, state), rows, self._needed),
                *saturated(used, baselines),
                *missing,
            ),
            deltas=_deltas(rows),
            saturated=used,
        )

    def paired_blocks(self, driver: str) -> frozenset[int]:
        """Return the blocks that give a pair in any state."""
        return frozenset(pair.block for pair in self._pairs(driver))

    def _pairs(self, driver: str) -> list[Pair]:
        return joined((arm(self._observed, driver, 0),), self._baselines)

    def _pooled_deviation(self) -> float | None:
        """Return the A/A deviation over first attempts, whatever their state."""
        second, first = (whatever_state(self._observed, self._terms.baseline, n) for n in (1, 0))
        return spread(deltas(joined((second,), (first,))))


def _others(pairs: Sequence[Pair], head: str) -> list[str]:
    counts = Counter(pair.state for pair in pairs)
    return [s for s in PREFERENCE if s != head and counts[s] >= MIN_BLOCKS]


def _median(values: Floats) -> float | None:
    return float(np.median(values)) if len(values) else None


def _ratios(interval: Interval) -> tuple[float | None, float | None, float | None]:
    """Return ratio, low and high of an interval of the log ratio."""
    ratio = None if interval.mean is None else float(np.exp(interval.mean))
    if interval.bounds is None:
        return ratio, None, None
    low, high = interval.bounds
    return ratio, float(np.exp(low)), float(np.exp(high))


def _deltas(rows: Sequence[Pair]) -> tuple[BlockDelta, ...]:
    return tuple(BlockDelta(pair.block, pair.delta) for pair in rows)


def by_key(values: pd.DataFrame) -> dict[Key, list[Observed]]:
    """Return a frame's numbers by cell and metric."""
    groups = values.groupby(list(Key._fields), sort=False)
    return {
        Key(*map(str, cast("tuple[str, ...]", name))): observed_in(rows) for name, rows in groups
    }


def observed_in(rows: pd.DataFrame) -> list[Observed]:
    """Return a frame's rows, which carry the states, as plain values."""
    columns = [rows[name].tolist() for name in Observed._fields]
    found = (Observed(*row) for row in zip(*columns, strict=True))
    return [one._replace(before=_read(one.before), after=_read(one.after)) for one in found]


def _read(reading: float | None) -> float | None:
    return None if reading is None or math.isnan(reading) else reading
