"""From an interval to a word (METHOD §2); `netbench.analysis.gates` may take the word back."""

import math
from dataclasses import dataclass
from typing import Final

import numpy as np

from netbench.analysis.block_pairs import Pairs
from netbench.analysis.boundary import Looks, decided_sign, first_decision, interval
from netbench.analysis.gates import GATES, ContrastEvidence, group_gap, reach
from netbench.analysis.model import QualityWarning, Verdict
from netbench.analysis.stats import Bounds, Interval, order_statistics, serial_correlation
from netbench.record import Metric

_CLOSE: Final = 0.005
"""Distance of an end of an interval from 1 below which two decimals do not show it."""


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
    """Return what the blocks of one run say of a driver beside the baseline.

    `null` is the A/A interval, `share` that of the error rate.
    """
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
    """Return in words that an interval of a log ratio does not tell on which side of 1 it lies."""
    low, high = (math.exp(end) for end in bounds)
    digits = 2 if min(abs(low - 1), abs(high - 1)) >= _CLOSE else 4
    return f"interval {low:.{digits}f} to {high:.{digits}f} holds 1"
