"""What can take a verdict between two runs back (METHOD §2, "Gates"), for independent samples."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from netbench.analysis.boundary import Looks, interval
from netbench.analysis.compare.model import Basis
from netbench.analysis.compare.samples import Drawn
from netbench.analysis.compare.welch import shift, welch
from netbench.analysis.gates import clearance, group_gap, opposed, reach
from netbench.analysis.model import QualityWarning, Verdict
from netbench.analysis.stats import MIN_BLOCKS, Floats, Interval
from netbench.analysis.verdicts import (
    DECIDED,
    Evidence,
    GateFinding,
    Judgement,
    holds_one,
    null_differs,
    read,
)
from netbench.record import Metric
from netbench.units import interval as shown
from netbench.units import percent, share

DAYS: Final = {Basis.RELATIVE: 0.0, Basis.ABSOLUTE: 1.0}
"""Variance between runs that is assumed, as a share of that between blocks.

The ratio to the baseline of one block cancels what differs between days, a figure of its own does
not; docs/method.md has what was measured of both.
"""
SPLIT_RATIO: Final = 1.5
"""Median sentinel readings that differ by more show a machine in two different conditions."""
NULL_CHANCE: Final = 0.01
"""How often two runs with nothing wrong may differ in their A/A."""


@dataclass(frozen=True, slots=True)
class RunContrastCriteria:
    """What contrasts between runs are judged by."""

    alpha: float
    """Each one's share of the error rate."""
    margin: float


@dataclass(frozen=True, slots=True, kw_only=True)
class RunContrastEvidence(Evidence):
    """All that one contrast of two runs is judged by; its effect is right over left."""

    basis: Basis
    labels: tuple[str, str]
    left: Drawn
    right: Drawn
    alpha: float
    """This contrast's share of the error rate."""

    @property
    def machine(self) -> float | None:
        """The sentinel's median reading, right over left; None without one."""
        left, right = self.left.reading, self.right.reading
        return None if left is None or right is None else right / left

    @property
    def moved(self) -> float:
        """By how much the machine differs, as a logarithm; 0 where the sentinel shows no change.

        A figure of its own changes with the machine; a ratio to the baseline only where the
        sentinel shows a machine in another condition altogether.
        """
        allowed = SPLIT_RATIO if self.basis is Basis.RELATIVE else 1 + self.margin
        size = abs(math.log(self.machine or 1.0))
        return size if size > math.log(allowed) else 0.0

    @property
    def sides(self) -> tuple[tuple[str, Drawn], tuple[str, Drawn]]:
        """Both runs' labels with their samples."""
        return (self.labels[0], self.left), (self.labels[1], self.right)

    @property
    def nulls(self) -> tuple[tuple[str, Interval], ...]:
        """The A/A interval of each run, and of their difference, with where it was seen."""
        own = [(f"in {label}, A/A is", _alone(s.nulls, self.alpha)) for label, s in self.sides]
        between = welch(self.left.nulls, self.right.nulls, min(self.alpha, NULL_CHANCE))
        return (*own, ("A/A of one run over that of the other is", between))


def evidence_of(
    metric: Metric,
    basis: Basis,
    labels: tuple[str, str],
    samples: tuple[Drawn, Drawn],
    terms: RunContrastCriteria,
    *,
    baseline: str,
) -> RunContrastEvidence:
    """Return what two samples show, with their intervals on logarithms."""
    left, right = samples
    return RunContrastEvidence(
        metric=metric,
        baseline=baseline,
        basis=basis,
        labels=labels,
        left=left,
        right=right,
        interval=welch(left.effects, right.effects, terms.alpha, day=DAYS[basis]),
        null=welch(left.nulls, right.nulls, terms.alpha),
        alpha=terms.alpha,
        margin=terms.margin,
    )


def judge(evidence: RunContrastEvidence) -> Judgement:
    """Return the verdict of a contrast of two runs with every doubt about it."""
    stated = read(evidence.interval.bounds, evidence.margin, evidence.metric)
    doubts = [doubt for gate in GATES if (doubt := gate(evidence, stated))]
    reason = next((doubt.reason for doubt in doubts if doubt.reason), "")
    if not reason and stated is Verdict.UNDECIDED:
        bounds = evidence.interval.bounds
        reason = "interval is unbounded" if bounds is None else holds_one(bounds)
    return Judgement(
        verdict=Verdict.UNDECIDED if reason else stated,
        reason=reason,
        by_sign=False,
        warnings=tuple(doubt.warning for doubt in doubts),
    )


def too_few(left: Drawn, right: Drawn) -> str:
    """Return in words that a sample is too small for a verdict; empty where none is."""
    fewest = min(left.blocks, right.blocks)
    return "" if fewest >= MIN_BLOCKS else f"only {fewest} of {MIN_BLOCKS} needed blocks"


def split_gap(left: Drawn, right: Drawn, least: float) -> float:
    """Return by how much the groups differ that the effects of a run fall in; 0 without groups."""
    return max(group_gap(s.effects, (s.effects,), least) for s in (left, right))


def apart(left: Floats, right: Floats) -> bool:
    """Tell whether all values of one run lie beyond all of the other."""
    if not len(left) or not len(right):
        return False
    return bool(min(right) > max(left) or max(right) < min(left))


def _alone(nulls: Floats, alpha: float) -> Interval:
    only = max(len(nulls), MIN_BLOCKS)
    return interval(nulls, Looks(only, only), alpha)


def _too_few_blocks(evidence: RunContrastEvidence, _: Verdict) -> GateFinding | None:
    reason = too_few(evidence.left, evidence.right)
    if not reason:
        return None
    found = " and ".join(
        f"{label} has {sample.blocks}"
        for label, sample in evidence.sides
        if sample.blocks < MIN_BLOCKS
    )
    warning = QualityWarning(
        "too-few-blocks",
        f"{found} of the {MIN_BLOCKS} blocks that a verdict needs of each run",
        "run more blocks with --blocks",
    )
    return GateFinding(warning, reason)


def _machine_moved(evidence: RunContrastEvidence, stated: Verdict) -> GateFinding | None:
    """The machine differs by as much as the contrast does."""
    machine, moved = evidence.machine, evidence.moved
    if machine is None and evidence.basis is Basis.ABSOLUTE:
        return GateFinding(
            QualityWarning(
                "machine-unknown",
                "no sentinel reading shows whether the machine was the same in both runs",
                "go by the ratio to the baseline, in which the machine cancels",
            )
        )
    if machine is None or not moved:
        return None
    near = clearance(evidence.interval.bounds) <= moved
    made = stated is Verdict.EQUIVALENT or (stated in DECIDED and near)
    warning = QualityWarning(
        "machine-moved",
        f"the machine itself differs: the sentinel reads {percent(machine)} in "
        f"{evidence.labels[1]}",
        "go by the ratio to the baseline, in which the machine cancels"
        if evidence.basis is Basis.ABSOLUTE
        else "measure both runs again, one soon after the other",
    )
    return GateFinding(warning, f"the machine differs by {percent(machine)}" if made else "")


def _null_differs(evidence: RunContrastEvidence, stated: Verdict) -> GateFinding | None:
    """The A/A interval that reaches farthest of those that leave out 1."""
    found, null = max(evidence.nulls, key=lambda one: reach(one[1].bounds))
    return null_differs(evidence, stated, null, found, clearance(evidence.interval.bounds))


def _split_values(evidence: RunContrastEvidence, stated: Verdict) -> GateFinding | None:
    limit = math.log1p(evidence.margin)
    gap = split_gap(evidence.left, evidence.right, limit)
    if gap <= limit:
        return None
    agreed = apart(evidence.left.effects, evidence.right.effects)
    large = gap >= abs(evidence.interval.mean or 0.0)
    made = stated is Verdict.EQUIVALENT or (stated in DECIDED and large and not agreed)
    warning = QualityWarning(
        "split-values",
        f"the blocks of a run fall into two groups that differ by {share(math.expm1(gap))}: one "
        "figure does not describe both",
        "look at that run's values by block for what changed between them",
    )
    return GateFinding(warning, "values fall in two groups" if made else "")


def _ranks_oppose(evidence: RunContrastEvidence, stated: Verdict) -> GateFinding | None:
    twin = shift(evidence.left.effects, evidence.right.effects)
    if twin is None or stated not in DECIDED or not opposed(evidence.interval.bounds, twin):
        return None
    warning = QualityWarning(
        "median-disagrees",
        "means and ranks lie on different sides of 1: the interval by ranks is "
        f"{shown(math.exp(twin[0]), math.exp(twin[1]))}",
        "look for outlying blocks, and run more blocks",
    )
    return GateFinding(warning, "mean and median disagree")


Gate = Callable[[RunContrastEvidence, Verdict], GateFinding | None]

GATES: Final[tuple[Gate, ...]] = (
    _too_few_blocks,
    _machine_moved,
    _null_differs,
    _split_values,
    _ranks_oppose,
)
