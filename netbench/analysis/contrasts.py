"""Compare each driver with the baseline, block by block (METHOD §2)."""

from collections import defaultdict
from dataclasses import replace

import numpy as np

from netbench.analysis.block_pairs import (
    Key,
    Observed,
    Pairs,
    arm,
    both,
    joined,
    position,
)
from netbench.analysis.boundary import interval
from netbench.analysis.frame import Frames
from netbench.analysis.gates import ContrastEvidence, reach
from netbench.analysis.model import Contrast, NullContrast
from netbench.analysis.multiplicity import is_primary, looks
from netbench.analysis.stats import ALPHA, Floats, Interval
from netbench.analysis.verdicts import evidence_of, judge, noise_floor
from netbench.record import METRICS, PlanSummary
from netbench.spec import Place


def owed(frames: Frames, plan: PlanSummary) -> dict[Key, list[str]]:
    """Return the drivers that the run owes a contrast of, by key, whether or not it has blocks.

    Drivers that gave a sample somewhere, times the cells that neither they nor the baseline skip,
    times the metrics that any arm gave there and that have a ratio. A metric that an arm never
    gives beside its others does not apply to it, as no network of its own can be made for `host`.
    Drivers stand in the plan's order.
    """
    baseline = plan.baseline
    sampling = {trial.cell.driver for trial in frames.samples} - {baseline}
    tried = frames.tried
    given: defaultdict[Place, set[str]] = defaultdict(set)
    gives: defaultdict[tuple[str, Place], set[str]] = defaultdict(set)
    for key, observed in frames.values.items():
        given[key.place].add(key.metric)
        for driver, _ in observed:
            gives[driver, key.place].add(key.metric)
    found: defaultdict[Key, list[str]] = defaultdict(list)
    for cell in sorted(tried, key=lambda c: (position(c.driver, plan.drivers), c.driver)):
        if cell.driver not in sampling or replace(cell, driver=baseline) not in tried:
            continue
        sides = [side for name in (cell.driver, baseline) if (side := gives[name, cell.place])]
        for metric in given[cell.place]:
            known = metric in METRICS and METRICS[metric].compared
            if known and all(metric in side for side in sides):
                found[Key.of(cell, metric)].append(cell.driver)
    return found


class CellComparison:
    """All blocks of one cell and metric."""

    def __init__(self, key: Key, observed: Observed, plan: PlanSummary, alpha: float) -> None:
        """`observed` holds every value of this key; `alpha` is each contrast's error rate."""
        self.key = key
        self._observed = observed
        self._plan = plan
        self.alpha = alpha
        self._baseline = both(observed, plan.baseline)
        second, first = (arm(observed, plan.baseline, replica) for replica in (1, 0))
        self._nulls = joined(second, first)
        self._null = self._interval(self._nulls.logs)

    def joins(self, driver: str) -> bool:
        """Tell whether both a driver and the baseline, if it is another, have given a number."""
        baseline = self._plan.baseline
        return driver != baseline and {driver, baseline} <= {name for name, _ in self._observed}

    def null(self) -> NullContrast:
        """Return the baseline's second arm against its first (A/A)."""
        ratio, low, high = _ratios(self._null)
        return NullContrast(
            *self.key,
            blocks=self._null.n,
            ratio=ratio,
            low=low,
            high=high,
            deviation=self._null.deviation,
            contains_one=not reach(self._null.bounds),
            deltas=self._nulls.deltas,
        )

    def contrast(self, driver: str) -> Contrast:
        """Return a driver's contrast by its blocks alone."""
        key, plan = self.key, self._plan
        pairs = joined(arm(self._observed, driver, 0), self._baseline)
        evidence = self._evidence(pairs)
        judged = judge(evidence)
        ratio, low, high = _ratios(evidence.interval)
        _, *alone = _ratios(interval(pairs.logs, looks(plan, len(pairs)), ALPHA))
        apart = pairs.driver - pairs.baseline
        difference = self._interval(apart).bounds or (None, None)
        return Contrast(
            driver,
            plan.baseline,
            *key,
            unit=evidence.metric.unit,
            primary=is_primary(plan, key.probe, key.placement, key.metric),
            blocks=len(pairs),
            ratio=ratio,
            low=low,
            high=high,
            difference=_median(apart),
            driver_median=_median(pairs.driver),
            baseline_median=_median(pairs.baseline),
            verdict=judged.verdict,
            noise_floor=noise_floor(self._null),
            warnings=judged.warnings,
            deltas=pairs.deltas,
            difference_low=difference[0],
            difference_high=difference[1],
            reason=judged.reason,
            by_sign=judged.by_sign,
            median_ratio=_exp(_median(pairs.logs)),
            unshared=None if alone[0] is None or alone[1] is None else (alone[0], alone[1]),
        )

    def _evidence(self, pairs: Pairs) -> ContrastEvidence:
        return evidence_of(
            METRICS[self.key.metric],
            self._plan.baseline,
            pairs,
            self._null,
            margin=self._plan.margin,
            looks=looks(self._plan, len(pairs)),
            share=self.alpha,
        )

    def _interval(self, effects: Floats) -> Interval:
        return interval(effects, looks(self._plan, len(effects)), self.alpha)


def _median(values: Floats) -> float | None:
    return float(np.median(values)) if len(values) else None


def _exp(log: float | None) -> float | None:
    return None if log is None else float(np.exp(log))


def _ratios(found: Interval) -> tuple[float | None, float | None, float | None]:
    """Return ratio, low and high of an interval of the log ratio."""
    low, high = found.bounds or (None, None)
    return _exp(found.mean), _exp(low), _exp(high)
