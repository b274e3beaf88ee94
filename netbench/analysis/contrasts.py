"""Pair trials of one block in one state, and compare each driver with the baseline (METHOD §2)."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from netbench.analysis.columns import Floats, Rows, Wholes, groups
from netbench.analysis.family import is_primary
from netbench.analysis.frame import Frames
from netbench.analysis.model import Contrast, NullContrast, QualityWarning
from netbench.analysis.pairing import (
    Observed,
    Pairs,
    arm,
    arms,
    counted,
    headline,
    in_state,
    joined,
    judged,
    whatever_state,
)
from netbench.analysis.points import BlockDelta
from netbench.analysis.saturation import METRIC, Name, saturated
from netbench.analysis.states import PREFERENCE
from netbench.analysis.stats import MIN_BLOCKS, Interval, blocks_needed, spread, t_mixture
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


def targets(frames: Frames, plan: PlanSummary) -> tuple[Target, ...]:
    """Return every contrast the run owes, whether or not it has pairs.

    Drivers that gave a sample somewhere, times the cells that neither they nor the baseline skip,
    times the metrics that any arm gave there and that have a ratio. A metric that an arm never
    gives beside its others does not apply to it, as no network of its own can be made for `host`.
    """
    trials, baseline = frames.trials, plan.baseline
    sampling = set(trials.driver[trials.outcome.equal("sample")].seen) - {baseline}
    ran = ~trials.outcome.equal("skip")
    columns = (trials.driver, trials.path, trials.probe, trials.placement)
    tried = {name for name, _ in groups(*(column[ran] for column in columns))}
    gives: defaultdict[tuple[str, ...], set[str]] = defaultdict(set)
    drivers, _ = frames.arms(frames.numbers)
    for name, _ in groups(drivers, *frames.cells(frames.numbers), frames.numbers.metric):
        gives[name[:4]].add(name[4])
    given: defaultdict[tuple[str, ...], set[str]] = defaultdict(set)
    for arm_, metrics in gives.items():
        given[arm_[1:]] |= metrics
    found = [
        Target(driver, Key(path, probe, at, metric), is_primary(plan, probe, at, metric))
        for driver, path, probe, at in tried
        if driver in sampling and (baseline, path, probe, at) in tried
        for metric in given[path, probe, at]
        if metric in METRICS
        and METRICS[metric].compared
        and all(metric in gives.get((one, path, probe, at), {metric}) for one in (driver, baseline))
    ]
    return tuple(sorted(found, key=lambda target: (target.key, target.driver)))


class Comparison:
    """All pairs of one cell and metric."""

    def __init__(self, key: Key, observed: Observed, terms: Terms) -> None:
        """`observed` holds every value of this key."""
        self.key = key
        self._terms = terms
        self._states = observed.state
        self._of = observed.by_driver()
        self._found: dict[str, Pairs] = {}
        self._baselines = arms(self._of.get(terms.baseline), terms.baseline)
        first, second = self._baselines
        self._null_pairs = joined((second,), (first,))
        self._needed = blocks_needed(terms.alpha)

    def joins(self, driver: str) -> bool:
        """Tell whether both a driver and the baseline, if it is another, have given a number."""
        baseline = self._terms.baseline
        return driver != baseline and {driver, baseline} <= self._of.keys()

    def contrasts(self, target: Target, missing: tuple[QualityWarning, ...]) -> Iterator[Contrast]:
        """Yield the headline contrast, then every other state with enough pairs."""
        pairs = self._pairs(target.driver)
        head = headline(pairs.state, self._states)
        for state in (head, *_others(pairs, head)):
            yield self._contrast(target, pairs, state, headline=state == head, missing=missing)

    def nulls(self, wanted: frozenset[str]) -> Iterator[NullContrast]:
        """Yield A/A in its headline state, then in other full or `wanted` states."""
        pairs = self._null_pairs
        head = headline(pairs.state, self._states)
        extra = [s for s in PREFERENCE if s in wanted and s != head]
        pooled = self._pooled_deviation()
        for state in dict.fromkeys((head, *_others(pairs, head), *extra)):
            rows = judged(pairs, state, self._needed)
            interval = t_mixture(rows.deltas, self._terms.alpha)
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
        pairs: Pairs,
        state: str,
        *,
        headline: bool,
        missing: tuple[QualityWarning, ...],
    ) -> Contrast:
        rows, alpha = judged(pairs, state, self._needed), self._terms.alpha
        driver, baseline, logs = rows.driver, rows.baseline, rows.deltas
        interval = t_mixture(logs, alpha)
        null = t_mixture(judged(self._null_pairs, state, self._needed).deltas, alpha)
        verdict, warnings = judge(
            Evidence(
                metric=target.metric,
                interval=interval,
                deltas=logs,
                driver=driver,
                baseline=baseline,
                shifts=rows.shift.astype(np.float64),
                null=null,
                alpha=alpha,
                margin=self._terms.margin,
            )
        )
        used, baselines = (
            self._terms.saturated(name, self.key) for name in (target.driver, self._terms.baseline)
        )
        ratio, low, high = _ratios(interval)
        apart = t_mixture(driver - baseline, alpha).bounds or (None, None)
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
            difference_low=apart[0],
            difference_high=apart[1],
        )

    def paired_blocks(self, driver: str) -> Wholes:
        """Return the blocks that give a pair in any state."""
        return self._pairs(driver).block

    def _pairs(self, driver: str) -> Pairs:
        if driver not in self._found:
            self._found[driver] = joined((arm(self._of.get(driver), driver, 0),), self._baselines)
        return self._found[driver]

    def _pooled_deviation(self) -> float | None:
        """Return the A/A deviation over first attempts, whatever their state."""
        baseline = self._terms.baseline
        second, first = (whatever_state(self._of.get(baseline), baseline, n) for n in (1, 0))
        return spread(joined((second,), (first,)).deltas)


def _others(pairs: Pairs, head: str) -> list[str]:
    counts = counted(pairs.state)
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


def _deltas(rows: Pairs) -> Rows[BlockDelta]:
    return Rows(BlockDelta, {"block": rows.block, "log_ratio": rows.deltas})


def by_key(frames: Frames) -> dict[Key, Observed]:
    """Return the numbers by cell and metric, in the order in which those first occur."""
    found = groups(*frames.cells(frames.numbers), frames.numbers.metric)
    return {
        Key(*name): observed_in(frames, rows) for name, rows in sorted(found, key=lambda g: g[1][0])
    }


def observed_in(frames: Frames, rows: NDArray[np.intp]) -> Observed:
    """Return some of the numbers of frames, which carry the states."""
    trials = frames.trials
    own = frames.numbers.row[rows]
    return Observed(
        driver=trials.driver[own],
        replica=trials.replica[own],
        block=trials.block[own],
        attempt=trials.attempt[own],
        record=trials.record[own],
        position=trials.position[own],
        state=trials.state.codes[own],
        value=frames.numbers.value[rows],
        before=trials.before[own],
        after=trials.after[own],
    )
