"""Compare each driver with the baseline, block by block (METHOD §2)."""

import math
from collections import defaultdict
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from netbench.analysis.block_pairs import Key, Observed, Pairs, arm, both, joined, position
from netbench.analysis.boundary import Looks, decided_sign, first_decision, interval
from netbench.analysis.frame import Frames
from netbench.analysis.gates import GATES, ContrastEvidence, group_gap, reach
from netbench.analysis.model import Contrast, NullContrast, QualityWarning, Verdict
from netbench.analysis.multiplicity import is_primary, looks
from netbench.analysis.stats import (
    ALPHA,
    Bounds,
    Floats,
    Interval,
    order_statistics,
    serial_correlation,
)
from netbench.record import METRICS, Metric, PlanSummary
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
    low, high = found.bounds or (None, None)
    return _exp(found.mean), _exp(low), _exp(high)


_CLOSE: Final = 0.005  # distance of an interval's end from 1 that two decimals do not show


@dataclass(frozen=True, slots=True)
class Judgement:
    """A contrast's verdict with all that is said beside it."""

    verdict: Verdict
    reason: str
    by_sign: bool  # whether only the common sign of all blocks decides it
    warnings: tuple[QualityWarning, ...]


def noise_floor(null: Interval) -> float | None:
    """Return the half-width of the A/A interval on the ratio scale, None if unbounded."""
    return None if null.half_width is None else math.expm1(null.half_width)


def read(bounds: Bounds | None, margin: float, metric: Metric) -> Verdict:
    """Return what an interval of the log ratio says, gates aside.

    Within 1 / (1 + margin) and 1 + margin: `equivalent`. Else, if it leaves out 1, `faster` or
    `slower` by the metric's good direction. Anything else: `undecided`.
    """
    if bounds is None:
        return Verdict.UNDECIDED
    low, high = bounds
    limit = math.log1p(margin)
    if -limit <= low and high <= limit:
        return Verdict.EQUIVALENT
    if low > 0:
        return directed(1, metric)
    return directed(-1, metric) if high < 0 else Verdict.UNDECIDED


def directed(sign: int, metric: Metric) -> Verdict:
    """Return the verdict of a log ratio of this sign; 0 is undecided."""
    if not sign:
        return Verdict.UNDECIDED
    return Verdict.FASTER if (sign > 0) == (metric.better == "higher") else Verdict.SLOWER


def evidence_of(
    metric: Metric,
    baseline: str,
    pairs: Pairs,
    null: Interval,
    *,
    margin: float,
    looks: Looks,
    share: float,
) -> ContrastEvidence:
    """Return what one run's blocks say; `null` is its A/A interval, `share` of the error rate."""
    deltas = pairs.logs
    sign = decided_sign(deltas, looks, share)
    logs = deltas, np.log(pairs.driver), np.log(pairs.baseline)
    return ContrastEvidence(
        metric=metric,
        baseline=baseline,
        margin=margin,
        interval=interval(deltas, looks, share),
        twin=order_statistics(deltas),
        gap=group_gap(deltas, logs, math.log1p(margin)),
        agreed=bool(sign),
        sign=sign,
        null=null,
        null_reach=reach(null.bounds),
        farthest=null,
        seen=f"{baseline} against its own second pair (A/A):",
        counts=(len(deltas),),
        needed=first_decision(looks, share),
        correlation=serial_correlation(deltas),
    )


def judge(evidence: ContrastEvidence) -> Judgement:
    """Return the verdict of a contrast with every doubt about it."""
    bounds = evidence.interval.bounds
    stated = read(bounds, evidence.margin, evidence.metric)
    by_sign = stated is Verdict.UNDECIDED and bool(evidence.sign)
    if by_sign:
        stated = directed(evidence.sign, evidence.metric)
    found = [finding for gate in GATES if (finding := gate(evidence, stated))]
    reason = next((why for _, why in found if why), "")
    if stated is Verdict.UNDECIDED and not reason:
        reason = "interval is unbounded" if bounds is None else _holds_one(bounds)
    return Judgement(
        verdict=Verdict.UNDECIDED if reason else stated,
        reason=reason,
        by_sign=by_sign and not reason,
        warnings=tuple(warning for warning, _ in found),
    )


def _holds_one(bounds: Bounds) -> str:
    low, high = (math.exp(end) for end in bounds)
    digits = 2 if min(abs(low - 1), abs(high - 1)) >= _CLOSE else 4
    return f"interval {low:.{digits}f} to {high:.{digits}f} holds 1"
