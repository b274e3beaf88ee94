"""Compare each driver with the baseline, block by block (METHOD §2)."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from netbench.analysis.block_pairs import Observed, Pairs, arm, both, joined
from netbench.analysis.boundary import interval
from netbench.analysis.columns import Floats, Rows, Wholes, groups
from netbench.analysis.frame import Frames
from netbench.analysis.model import Contrast, NullContrast, QualityWarning
from netbench.analysis.multiplicity import is_primary, looks
from netbench.analysis.saturation import METRIC, Name, saturated
from netbench.analysis.series import BlockDelta
from netbench.analysis.stats import ALPHA, Interval
from netbench.analysis.verdicts import ContrastEvidence, contains_one, judge, noise_floor
from netbench.record import METRICS, Metric, PlanSummary
from netbench.spec import Placement


class Key(NamedTuple):
    """One comparison's place: a cell and a metric."""

    path: str
    probe: str
    placement: str
    metric: str


@dataclass(frozen=True, slots=True)
class ContrastCriteria:
    """What all contrasts of a run are judged by."""

    plan: PlanSummary
    alpha: float
    """Each contrast's share of the error rate."""
    used_up: Mapping[Name, str] = field(default_factory=dict)
    """By arm and cell of a throughput."""

    @property
    def baseline(self) -> str:
        """The driver that the others are compared with."""
        return self.plan.baseline

    def interval(self, effects: Floats) -> Interval:
        """Return the interval of the mean effect at this share of the error rate."""
        return interval(effects, looks(self.plan, len(effects)), self.alpha)

    def saturated(self, driver: str, key: "Key") -> str:
        """Return what a driver's first arm used up; empty where the metric is none to use up."""
        place = (driver, 0, key.path, key.probe, key.placement)
        return self.used_up.get(place, "") if key.metric == METRIC else ""


@dataclass(frozen=True, slots=True)
class ContrastTarget:
    """One contrast that the run owes: a driver, and where it is compared."""

    driver: str
    key: Key
    primary: bool
    """Whether the run is judged by it."""

    @property
    def metric(self) -> Metric:
        """The metric's declaration."""
        return METRICS[self.key.metric]


def targets(frames: Frames, plan: PlanSummary) -> tuple[ContrastTarget, ...]:
    """Return every contrast the run owes, whether or not it has blocks.

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
        ContrastTarget(driver, Key(path, probe, at, metric), is_primary(plan, probe, at, metric))
        for driver, path, probe, at in tried
        if driver in sampling and (baseline, path, probe, at) in tried
        for metric in given[path, probe, at]
        if metric in METRICS
        and METRICS[metric].compared
        and all(metric in gives.get((one, path, probe, at), {metric}) for one in (driver, baseline))
    ]
    return tuple(sorted(found, key=lambda target: (target.key, target.driver)))


class CellComparison:
    """All blocks of one cell and metric."""

    def __init__(self, key: Key, observed: Observed, terms: ContrastCriteria) -> None:
        """`observed` holds every value of this key."""
        self.key = key
        self._terms = terms
        self._of = observed.by_driver()
        self._found: dict[str, Pairs] = {}
        own = self._of.get(terms.baseline)
        self._baseline = both(own, terms.baseline)
        first, second = (arm(own, terms.baseline, replica) for replica in (0, 1))
        self._nulls = _deltas(joined(second, first))
        self._null = terms.interval(self._nulls.numbers("log_ratio"))

    def joins(self, driver: str) -> bool:
        """Tell whether both a driver and the baseline, if it is another, have given a number."""
        baseline = self._terms.baseline
        return driver != baseline and {driver, baseline} <= self._of.keys()

    def null(self) -> NullContrast:
        """Return the baseline's second arm against its first (A/A)."""
        ratio, low, high = _ratios(self._null)
        return NullContrast(
            path=self.key.path,
            probe=self.key.probe,
            placement=Placement(self.key.placement),
            metric=self.key.metric,
            blocks=self._null.n,
            ratio=ratio,
            low=low,
            high=high,
            deviation=self._null.deviation,
            contains_one=contains_one(self._null),
            deltas=self._nulls,
        )

    def contrast(
        self, target: ContrastTarget, missing: tuple[QualityWarning, ...] = ()
    ) -> Contrast:
        """Return a driver's contrast; `missing` tells of blocks that it has no value of."""
        pairs = self.pairs(target.driver)
        evidence = self._evidence(target, pairs)
        judged = judge(evidence)
        used, baselines = (
            self._terms.saturated(name, self.key) for name in (target.driver, self._terms.baseline)
        )
        ratio, low, high = _ratios(evidence.interval)
        _, *alone = _ratios(interval(evidence.deltas, evidence.looks, ALPHA))
        apart = pairs.driver - pairs.baseline
        difference = self._terms.interval(apart).bounds or (None, None)
        return Contrast(
            driver=target.driver,
            baseline=self._terms.baseline,
            path=self.key.path,
            probe=self.key.probe,
            placement=Placement(self.key.placement),
            metric=self.key.metric,
            unit=target.metric.unit,
            primary=target.primary,
            blocks=evidence.interval.n,
            ratio=ratio,
            low=low,
            high=high,
            difference=_median(apart),
            driver_median=_median(pairs.driver),
            baseline_median=_median(pairs.baseline),
            verdict=judged.verdict,
            noise_floor=noise_floor(self._null),
            warnings=(*judged.warnings, *saturated(used, baselines), *missing),
            deltas=_deltas(pairs),
            saturated=used,
            difference_low=difference[0],
            difference_high=difference[1],
            reason=judged.reason,
            by_sign=judged.by_sign,
            median_ratio=_exp(_median(evidence.deltas)),
            unshared=None if alone[0] is None or alone[1] is None else (alone[0], alone[1]),
        )

    def _evidence(self, target: ContrastTarget, pairs: Pairs) -> ContrastEvidence:
        deltas = pairs.deltas
        return ContrastEvidence(
            metric=target.metric,
            baseline=self._terms.baseline,
            interval=self._terms.interval(deltas),
            null=self._null,
            margin=self._terms.plan.margin,
            deltas=deltas,
            driver=pairs.driver,
            baselines=pairs.baseline,
            looks=looks(self._terms.plan, len(pairs)),
            share=self._terms.alpha,
        )

    def blocks(self, driver: str) -> Wholes:
        """Return the blocks with a value of both this driver and the baseline."""
        return self.pairs(driver).block

    def pairs(self, driver: str) -> Pairs:
        """Return this driver's values beside the baseline's."""
        if driver not in self._found:
            own = arm(self._of.get(driver), driver, 0)
            self._found[driver] = joined(own, self._baseline)
        return self._found[driver]


def _median(values: Floats) -> float | None:
    return float(np.median(values)) if len(values) else None


def _exp(log: float | None) -> float | None:
    return None if log is None else float(np.exp(log))


def _ratios(found: Interval) -> tuple[float | None, float | None, float | None]:
    """Return ratio, low and high of an interval of the log ratio."""
    low, high = found.bounds or (None, None)
    return _exp(found.mean), _exp(low), _exp(high)


def _deltas(pairs: Pairs) -> Rows[BlockDelta]:
    return Rows(BlockDelta, {"block": pairs.block, "log_ratio": pairs.deltas})


def by_key(frames: Frames) -> dict[Key, Observed]:
    """Return the numbers by cell and metric, in the order in which those first occur."""
    found = groups(*frames.cells(frames.numbers), frames.numbers.metric)
    return {
        Key(*name): observed_in(frames, rows) for name, rows in sorted(found, key=lambda g: g[1][0])
    }


def observed_in(frames: Frames, rows: NDArray[np.intp]) -> Observed:
    """Return some of the numbers of frames."""
    trials = frames.trials
    own = frames.numbers.row[rows]
    return Observed(
        driver=trials.driver[own],
        replica=trials.replica[own],
        block=trials.block[own],
        attempt=trials.attempt[own],
        record=trials.record[own],
        value=frames.numbers.value[rows],
    )
