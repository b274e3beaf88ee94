"""From an interval to a word, and what takes the word back or is said beside it (METHOD §2)."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np

from netbench.analysis.boundary import Looks, decided_sign, first_decision
from netbench.analysis.gates import Bounds, clearance, group_gap, median_opposes, reach
from netbench.analysis.model import QualityWarning, Verdict
from netbench.analysis.stats import Floats, Interval, serial_correlation
from netbench.record import Metric
from netbench.units import interval as shown
from netbench.units import ratio, share

DECIDED: Final = (Verdict.FASTER, Verdict.SLOWER)
_CLOSE: Final = 0.005
"""Distance of an end of an interval from 1 below which two decimals do not show it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What every contrast is judged by, within one run and between two."""

    metric: Metric
    baseline: str
    """Name of the baseline driver."""
    interval: Interval
    """Of the effect, on logarithms."""
    null: Interval
    """The same of the baseline's second arm against its first (A/A)."""
    margin: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ContrastEvidence(Evidence):
    """All that one contrast is judged by; arrays are in block order."""

    deltas: Floats
    """ln(driver) less the mean of both baseline arms' ln, of each block."""
    driver: Floats
    """The driver's values."""
    baselines: Floats
    """The baseline's, the mean of its arms."""
    looks: Looks
    share: float
    """This contrast's share of the error rate."""


@dataclass(frozen=True, slots=True)
class GateFinding:
    """What a gate found."""

    warning: QualityWarning
    reason: str = ""
    """Why it takes the verdict back, in about five words; empty where it only warns."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """A contrast's verdict with all that is said beside it."""

    verdict: Verdict
    reason: str
    """Why it is undecided; empty where it is not."""
    by_sign: bool
    """Whether only the common sign of all blocks decides it."""
    warnings: tuple[QualityWarning, ...]


def noise_floor(null: Interval) -> float | None:
    """Return the half-width of the A/A interval on the ratio scale, None where unbounded."""
    return None if null.half_width is None else math.expm1(null.half_width)


def contains_one(null: Interval) -> bool:
    """Tell whether the A/A interval contains the ratio 1; an unbounded one does."""
    bounds = null.bounds
    return bounds is None or bounds[0] <= 0 <= bounds[1]


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


def judge(evidence: ContrastEvidence) -> Judgement:
    """Return the verdict of a contrast with every doubt about it."""
    stated = read(evidence.interval.bounds, evidence.margin, evidence.metric)
    by_sign = False
    if stated is Verdict.UNDECIDED:
        sign = decided_sign(evidence.deltas, evidence.looks, evidence.share)
        stated, by_sign = directed(sign, evidence.metric), bool(sign)
    doubts = [doubt for gate in GATES if (doubt := gate(evidence, stated))]
    reason = next((doubt.reason for doubt in doubts if doubt.reason), "")
    if stated is Verdict.UNDECIDED:
        reason = _open(evidence)
    return Judgement(
        verdict=Verdict.UNDECIDED if reason else stated,
        reason=reason,
        by_sign=by_sign and not reason,
        warnings=tuple(doubt.warning for doubt in doubts),
    )


def holds_one(bounds: Bounds) -> str:
    """Return in words that an interval of a log ratio does not tell on which side of 1 it lies."""
    low, high = (math.exp(end) for end in bounds)
    digits = 2 if min(abs(low - 1), abs(high - 1)) >= _CLOSE else 4
    return f"interval {low:.{digits}f} to {high:.{digits}f} holds 1"


def differs(evidence: Evidence) -> str:
    """Return in words by how much the baseline's two arms differ."""
    size = math.expm1(abs(evidence.null.mean or 0.0))
    told = share(size, 0 if size >= 0.01 else 1)  # noqa: PLR2004 -- 1 %
    return f"{evidence.baseline}-vs-{evidence.baseline} differs by {told}"


def null_differs(
    evidence: Evidence, stated: Verdict, null: Interval, found: str, clear: float
) -> GateFinding | None:
    """Return the doubt of an A/A interval that leaves out 1, None where it holds 1.

    It takes back what is not clear of it: a difference whose interval comes as close to 1 as the
    A/A interval reaches, and `equivalent` where that reaches beyond the margin.

    Args:
        evidence: of the contrast.
        stated: its verdict so far.
        null: the A/A interval.
        found: where it was seen, in words.
        clear: distance of the contrast's interval from 1.
    """
    far, bounds = reach(null.bounds), null.bounds
    if not far or bounds is None:
        return None
    limit = math.log1p(evidence.margin)
    made = (stated in DECIDED and clear <= far) or (stated is Verdict.EQUIVALENT and far > limit)
    told = shown(math.exp(bounds[0]), math.exp(bounds[1]))
    warning = QualityWarning(
        "null-differs",
        f"{found} {ratio(math.exp(null.mean or 0.0))} {told}, where it should hold 1",
        "something beside the driver differs between pairs: quiet the machine, check the pins "
        "and run again",
    )
    return GateFinding(warning, differs(evidence) if made else "")


def _open(evidence: ContrastEvidence) -> str:
    """Return why a contrast that no gate took back is undecided."""
    needed, n = first_decision(evidence.looks, evidence.share), evidence.interval.n
    if n < needed:
        return f"only {n} of {needed} needed blocks"
    bounds = evidence.interval.bounds
    return "interval is unbounded" if bounds is None else holds_one(bounds)


def _too_few_blocks(evidence: ContrastEvidence, _: Verdict) -> GateFinding | None:
    needed = first_decision(evidence.looks, evidence.share)
    if evidence.interval.n >= needed:
        return None
    return GateFinding(
        QualityWarning(
            "too-few-blocks",
            f"{evidence.interval.n} blocks with a value of both; a verdict needs {needed}",
            "run more blocks: `netbench run --resume DIR --blocks +N`",
        )
    )


def _null_differs(evidence: ContrastEvidence, stated: Verdict) -> GateFinding | None:
    found = f"{evidence.baseline} against its own second pair (A/A):"
    return null_differs(evidence, stated, evidence.null, found, clearance(evidence.interval.bounds))


def _split_values(evidence: ContrastEvidence, stated: Verdict) -> GateFinding | None:
    """Blocks in two groups, by the ratio or by an arm's values, whose ratios differ.

    The gap takes a difference back if it is as large as the effect, unless all blocks agree on
    the sign; `equivalent` if it is larger than the margin.
    """
    limit = math.log1p(evidence.margin)
    logs = evidence.deltas, np.log(evidence.driver), np.log(evidence.baselines)
    gap = group_gap(evidence.deltas, logs, limit)
    if gap <= limit:
        return None
    agreed = decided_sign(evidence.deltas, evidence.looks, evidence.share)
    effect = abs(evidence.interval.mean or 0.0)
    made = stated is Verdict.EQUIVALENT or (stated in DECIDED and gap >= effect and not agreed)
    warning = QualityWarning(
        "split-values",
        f"the blocks fall into two groups whose ratios differ by {share(math.expm1(gap))}: one "
        "ratio does not describe both",
        "look at the values by block for what changed between them",
    )
    return GateFinding(warning, "values fall in two groups" if made else "")


def _median_disagrees(evidence: ContrastEvidence, stated: Verdict) -> GateFinding | None:
    twin = median_opposes(evidence.deltas, evidence.interval.bounds)
    if twin is None or stated not in DECIDED:
        return None
    warning = QualityWarning(
        "median-disagrees",
        f"mean and median lie on different sides of 1: the median's interval is "
        f"{shown(math.exp(twin[0]), math.exp(twin[1]))}",
        "look for outlying blocks, and run more blocks",
    )
    return GateFinding(warning, "mean and median disagree")


def _serial_correlation(evidence: ContrastEvidence, _: Verdict) -> GateFinding | None:
    r = serial_correlation(evidence.deltas)
    if r is None:
        return None
    return GateFinding(
        QualityWarning(
            "autocorrelation",
            f"neighbouring blocks resemble each other: lag-1 autocorrelation {r:+.2f}",
            "the interval may be too narrow: run longer, or let the machine settle first",
        )
    )


Gate = Callable[[ContrastEvidence, Verdict], GateFinding | None]

GATES: Final[tuple[Gate, ...]] = (
    _too_few_blocks,
    _null_differs,
    _split_values,
    _median_disagrees,
    _serial_correlation,
)
