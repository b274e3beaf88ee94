"""What can take a verdict or a budget's standing back, within a run and between two (METHOD §2).

A gate takes back only where what it found could have made the decision. All figures are on the
scale of the effects: logarithms of ratios, or differences in the metric's unit.
"""

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np

from netbench.analysis.model import QualityWarning, Standing, Verdict
from netbench.analysis.stats import Bounds, Floats, Interval, strata
from netbench.record import Metric
from netbench.units import interval as shown
from netbench.units import percent, ratio, share

DECIDED: Final = (Verdict.FASTER, Verdict.SLOWER)


def reach(null: Bounds | None) -> float:
    """Return how far an A/A interval that leaves out 0 reaches from 0; else 0."""
    if null is None or null[0] <= 0 <= null[1]:
        return 0.0
    return max(abs(null[0]), abs(null[1]))


def group_gap(effects: Floats, values: Iterable[Floats], least: float) -> float:
    """Return by how much the mean effects of two groups of blocks differ; 0 if there are no groups.

    What may fall into groups are `values`, logarithms in the blocks of the effects, split by a gap
    of at least `least`. A gap that all arms share, because the machine changed its state, cancels
    in the effects and counts for nothing.
    """
    found = [0.0]
    for logs in values:
        above = strata(logs, least)
        if above is not None:
            found.append(abs(float(np.mean(effects[above]) - np.mean(effects[~above]))))
    return max(found)


@dataclass(frozen=True, slots=True)
class MachineChange:
    """How the machine differs between two runs, by the sentinel."""

    ratio: float | None  # its median reading, right over left; None without one
    size: float  # by how much it differs, on the scale of the effects; 0 where it shows no change
    absolute: bool  # whether the machine does not cancel in the effects
    labels: tuple[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What a contrast or a budget is judged by, within one run and between two."""

    baseline: str
    interval: Interval
    limit: float = 0.0  # what the effect is said to lie beyond: 0, or a budget's bound
    twin: Bounds | None  # the rank-based interval
    gap: float  # by how much the effects of two groups of blocks differ; 0 if there are no groups
    agreed: bool  # whether every block by itself says the same
    null: Interval  # of the baseline's second arm against its first (A/A), or of its change
    null_reach: float  # `reach` of the A/A interval that reaches farthest
    counts: tuple[int, ...]
    needed: int  # blocks without which nothing is decided
    machine: MachineChange | None = None  # between two runs alone

    @property
    def blocks(self) -> int:
        """Blocks of the smaller sample."""
        return min(self.counts)

    @property
    def clear(self) -> float:
        """Distance from the limit to the nearest end of the interval; 0 if it holds it."""
        low, high = self.interval.bounds or (self.limit, self.limit)
        return max(low - self.limit, self.limit - high, 0.0)

    @property
    def split(self) -> bool:
        """Whether groups are as far apart as the effect is from the limit, and blocks disagree."""
        distance = abs((self.interval.mean or 0.0) - self.limit)
        return self.gap > 0 and self.gap >= distance and not self.agreed

    @property
    def opposed(self) -> bool:
        """Whether the rank-based interval lies wholly on the other side of the limit."""
        bounds, twin = self.interval.bounds, self.twin
        if bounds is None or twin is None:
            return False
        return (bounds[0] > self.limit > twin[1]) or (bounds[1] < self.limit < twin[0])


@dataclass(frozen=True, slots=True, kw_only=True)
class ContrastEvidence(Evidence):
    """What a contrast is judged by; effects are logarithms of ratios."""

    metric: Metric
    margin: float
    sign: int = 0  # 1 or -1 where every block lies on one side, and they are enough for a verdict
    correlation: float | None = None  # of neighbouring blocks, where it is too large for chance
    farthest: Interval  # the A/A interval that reaches farthest
    seen: str  # where that was seen, in words


GateFinding = tuple[QualityWarning, str]  # a doubt, and why it takes the verdict back, if it does


def _too_few_blocks(evidence: ContrastEvidence, _: Verdict) -> GateFinding | None:
    blocks, needed, machine = evidence.blocks, evidence.needed, evidence.machine
    if blocks >= needed:
        return None
    message = reason = _few(evidence)
    advice = "run more blocks: `netbench run --resume DIR --blocks +N`"
    if machine is not None:
        counts = zip(machine.labels, evidence.counts, strict=True)
        few = " and ".join(f"{label} has {count}" for label, count in counts if count < needed)
        message = f"{few} of the {needed} blocks that a verdict needs of each run"
        advice = "run more blocks with --blocks"
    warning = QualityWarning("too-few-blocks", message, advice)
    return warning, reason


def _few(evidence: Evidence) -> str:
    """Return `5 usable blocks, at least 6 needed`."""
    blocks = evidence.blocks
    return f"{blocks} usable block{'' if blocks == 1 else 's'}, at least {evidence.needed} needed"


def _machine_moved(evidence: ContrastEvidence, stated: Verdict) -> GateFinding | None:
    machine = evidence.machine
    if machine is None:
        return None
    cancels = "go by the ratio to the baseline, in which the machine cancels"
    if machine.ratio is None and machine.absolute:
        message = "no sentinel reading shows whether the machine was the same in both runs"
        return QualityWarning("machine-unknown", message, cancels), ""
    if machine.ratio is None or not machine.size:
        return None
    near = evidence.clear <= machine.size
    made = stated is Verdict.EQUIVALENT or (stated in DECIDED and near)
    size_text = percent(machine.ratio)
    warning = QualityWarning(
        "machine-moved",
        f"the machine itself differs: the sentinel reads {size_text} in {machine.labels[1]}",
        cancels if machine.absolute else "measure both runs again, one soon after the other",
    )
    return warning, f"the machine differs by {size_text}" if made else ""


def _null_differs(evidence: ContrastEvidence, stated: Verdict) -> GateFinding | None:
    """Take back a difference as close to 1 as A/A reaches; `equivalent` if it leaves the margin."""
    far, null = evidence.null_reach, evidence.farthest
    if not far or null.bounds is None:
        return None
    beyond = far > math.log1p(evidence.margin)
    near = evidence.clear <= far
    made = (stated in DECIDED and near) or (stated is Verdict.EQUIVALENT and beyond)
    low, high = map(math.exp, null.bounds)
    warning = QualityWarning(
        "null-differs",
        f"{evidence.seen} {ratio(math.exp(null.mean or 0.0))} {shown(low, high)}, where it should "
        "hold 1",
        "something beside the driver differs between pairs: quiet the machine, check the pins "
        "and run again",
    )
    size = math.expm1(abs(evidence.null.mean or 0.0))
    size_text = share(size, 0 if size >= 0.01 else 1)  # noqa: PLR2004 -- 1 %
    name = evidence.baseline
    return warning, f"{name}-vs-{name} differs by {size_text}" if made else ""


def _split_values(evidence: ContrastEvidence, stated: Verdict) -> GateFinding | None:
    """Take back a difference if the gap is as large and blocks disagree; `equivalent` always."""
    if evidence.gap <= math.log1p(evidence.margin):
        return None
    made = stated is Verdict.EQUIVALENT or (stated in DECIDED and evidence.split)
    gap = share(math.expm1(evidence.gap))
    groups, what, whose = "two groups whose ratios", "ratio", "the"
    blocks = "the blocks"
    if evidence.machine is not None:
        groups, what, whose = "two groups that", "figure", "that run's"
        blocks = "the blocks of a run"
    warning = QualityWarning(
        "split-values",
        f"{blocks} fall into {groups} differ by {gap}: one {what} does not describe both",
        f"look at {whose} values by block for what changed between them",
    )
    return warning, "values fall in two groups" if made else ""


def _median_disagrees(evidence: ContrastEvidence, stated: Verdict) -> GateFinding | None:
    if evidence.twin is None or not evidence.opposed or stated not in DECIDED:
        return None
    what, where = "mean and median", "the median's interval"
    if evidence.machine is not None:
        what, where = "means and ranks", "the interval by ranks"
    low, high = map(math.exp, evidence.twin)
    warning = QualityWarning(
        "median-disagrees",
        f"{what} lie on different sides of 1: {where} is {shown(low, high)}",
        "look for outlying blocks, and run more blocks",
    )
    return warning, "mean and median disagree"


def _serial_correlation(evidence: ContrastEvidence, _: Verdict) -> GateFinding | None:
    if evidence.correlation is None:
        return None
    return (
        QualityWarning(
            "autocorrelation",
            "neighbouring blocks resemble each other: lag-1 autocorrelation "
            f"{evidence.correlation:+.2f}",
            "the interval may be too narrow: run longer, or let the machine settle first",
        ),
        "",
    )


GATES: Final[tuple[Callable[[ContrastEvidence, Verdict], GateFinding | None], ...]] = (
    _too_few_blocks,
    _machine_moved,
    _null_differs,
    _split_values,
    _median_disagrees,
    _serial_correlation,
)
"""Of contrasts; the first reason is the one that is shown."""


def budget_reason(evidence: Evidence, stated: Standing, phrase: Callable[[float], str]) -> str:
    """Return why a budget is not decided, empty if it is; `phrase` puts an effect into words."""
    return next(_budget_doubts(evidence, stated, phrase), "")


def _budget_doubts(
    evidence: Evidence, stated: Standing, phrase: Callable[[float], str]
) -> Iterator[str]:
    machine, name, close = evidence.machine, evidence.baseline, evidence.clear
    between = machine is not None
    if evidence.blocks < evidence.needed:
        yield _few(evidence) if between else f"{_few(evidence)}: run more with --blocks"
    if stated is Standing.UNDECIDED:
        yield "the interval holds the bound: run more blocks with --blocks"
    if machine and machine.size and close <= machine.size:
        moved = percent(machine.ratio or 1.0)
        yield f"the machine itself differs: the sentinel reads {moved}"
    if evidence.null_reach and close <= evidence.null_reach:
        yield (
            f"{name} against its own second arm differs by as much: measure again"
            if between
            else f"{name}-vs-{name} differs by {phrase(abs(evidence.null.mean or 0.0))}, and the "
            "interval comes as close to the bound as that"
        )
    if evidence.split:
        gap = f"two groups {phrase(evidence.gap)} apart"
        yield (
            f"the values of a run fall in {gap}"
            if between
            else f"the values fall in {gap}: no single figure describes both"
        )
    if evidence.opposed:
        what = "means and ranks" if between else "mean and median"
        yield f"{what} lie on different sides of the bound"
