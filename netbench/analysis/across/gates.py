"""What takes a verdict between two runs back: METHOD's doubts, for samples that are no pairs."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from netbench.analysis.across.model import Basis
from netbench.analysis.across.samples import Drawn
from netbench.analysis.across.welch import shift, welch
from netbench.analysis.model import QualityWarning, Verdict
from netbench.analysis.stats import MIN_BLOCKS, strata, t_mixture
from netbench.analysis.verdicts import (
    Weighed,
    below_noise_floor,
    coarse_noise_floor,
    contains_one,
    no_noise_floor,
    read,
)
from netbench.record import Metric
from netbench.sentinel.rule import agree
from netbench.units import interval as shown
from netbench.units import percent, quantity, ratio

DAYS: Final = {Basis.RELATIVE: 0.0, Basis.ABSOLUTE: 1.0}
"""Variance between runs that is taken for granted, as a share of that between blocks.

Pairs within a block cancel the machine's day, a figure of its own has it; docs/method.md has what
was measured of both.
"""
NULL_CHANCE: Final = 0.01
"""How often two runs with nothing wrong may differ in their A/A."""


@dataclass(frozen=True, slots=True)
class Terms:
    """What contrasts between runs are judged by."""

    alpha: float
    """Each one's share of the error rate."""
    margin: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence(Weighed):
    """All that the gates look at for one contrast of two runs; its effect is right over left."""

    basis: Basis
    labels: tuple[str, str]
    left: Drawn
    right: Drawn

    @property
    def machine(self) -> float | None:
        """The sentinel's reading, right over left; None without one."""
        left, right = self.left.reading, self.right.reading
        return None if left is None or right is None else right / left


def evidence_of(
    metric: Metric,
    basis: Basis,
    labels: tuple[str, str],
    samples: tuple[Drawn, Drawn],
    terms: Terms,
) -> Evidence:
    """Return what two samples show, with their intervals on logarithms."""
    left, right = samples
    return Evidence(
        metric=metric,
        basis=basis,
        labels=labels,
        left=left,
        right=right,
        interval=welch(left.effects, right.effects, terms.alpha, day=DAYS[basis]),
        null=welch(left.nulls, right.nulls, terms.alpha),
        alpha=terms.alpha,
        margin=terms.margin,
    )


def instrument(evidence: Evidence) -> QualityWarning | None:
    """Return the first doubt that leaves nothing to judge by; None without one."""
    doubts = (gate(evidence, Verdict.UNDECIDED) for gate in INSTRUMENT)
    return next((doubt for doubt in doubts if doubt is not None), None)


def judge(evidence: Evidence) -> tuple[Verdict, tuple[QualityWarning, ...]]:
    """Return the verdict with every doubt that took one back."""
    stated = read(evidence.interval.bounds, evidence.margin, evidence.metric)
    doubts = tuple(doubt for gate in GATES if (doubt := gate(evidence, stated)))
    return Verdict.UNDECIDED if doubts else stated, doubts


def _too_few_blocks(evidence: Evidence, _: Verdict) -> QualityWarning | None:
    few = [
        f"{label} has {sample.blocks}"
        for label, sample in zip(evidence.labels, _sides(evidence), strict=True)
        if sample.blocks < MIN_BLOCKS
    ]
    if not few:
        return None
    return QualityWarning(
        "too-few-blocks",
        f"{' and '.join(few)} of the {MIN_BLOCKS} blocks in one state that a verdict needs of each",
        "run more blocks with --blocks",
    )


def _states_differ(evidence: Evidence, _: Verdict) -> QualityWarning | None:
    """METHOD §1b: a machine in another state is another machine."""
    machine = evidence.machine
    if machine is None or agree((evidence.left.reading, evidence.right.reading)):
        return None
    return QualityWarning(
        "states-differ",
        f"the machine was in two states: the sentinel read {ratio(machine)} times as much in "
        f"{evidence.labels[1]}",
        "measure both runs again, one soon after the other",
    )


def _machine_moved(evidence: Evidence, _: Verdict) -> QualityWarning | None:
    """A figure of its own is the machine's too: it counts only if the machine was the same."""
    if evidence.basis is Basis.RELATIVE:
        return None
    machine = evidence.machine
    if machine is not None and abs(math.log(machine)) <= math.log1p(evidence.margin):
        return None
    seen = (
        "no sentinel tells whether the machine was the same"
        if machine is None
        else f"the machine itself moved: the sentinel reads {percent(machine)}"
    )
    return QualityWarning(
        "machine-moved",
        seen,
        "go by the ratio to the baseline, in which the machine cancels out",
    )


def _null_differs(evidence: Evidence, _: Verdict) -> QualityWarning | None:
    """The baseline's A/A must show nothing in either run, nor between them."""
    for label, sample in zip(evidence.labels, _sides(evidence), strict=True):
        own = t_mixture(sample.nulls, evidence.alpha)
        if own.bounds is not None and not contains_one(own):
            return QualityWarning(
                "null-differs",
                f"in {label} the baseline differs from its own second pair"
                f"{_ends(evidence, own.bounds)}",
                "something beside the driver differs between pairs: measure that run again",
            )
    chance = min(evidence.alpha, NULL_CHANCE)
    between = welch(evidence.left.nulls, evidence.right.nulls, chance)
    bounds = between.bounds
    if bounds is None or contains_one(between):
        return None
    return QualityWarning(
        "null-differs",
        "the baseline's second pair is to its first otherwise in one run than in the other"
        f"{_ends(evidence, bounds)}",
        "something beside the driver differs between pairs: measure both runs again",
    )


def _ends(evidence: Evidence, bounds: tuple[float, float]) -> str:
    """Return an A/A interval of ratios in words; nothing for a metric without a ratio."""
    if not evidence.metric.compared:
        return ""
    return f": {shown(math.exp(bounds[0]), math.exp(bounds[1]))} leaves out 1"


def _split_values(evidence: Evidence, _: Verdict) -> QualityWarning | None:
    unit = evidence.metric.unit
    for label, sample in zip(evidence.labels, _sides(evidence), strict=True):
        gap = strata(sample.values, math.log1p(evidence.margin))
        if gap is not None:
            return QualityWarning(
                "split-values",
                f"in {label} the driver's values fall apart between {quantity(gap[0], unit)} and "
                f"{quantity(gap[1], unit)}: no single figure describes them",
                "look at that run's trials by time for a state that the sentinel did not see",
            )
    return None


def _median_disagrees(evidence: Evidence, stated: Verdict) -> QualityWarning | None:
    twin = shift(evidence.left.effects, evidence.right.effects)
    if stated is Verdict.UNDECIDED or twin is None:
        return None
    robust = read(twin, evidence.margin, evidence.metric)
    if robust is stated:
        return None
    return QualityWarning(
        "median-disagrees",
        f"the means say {stated}, the ranks say {robust}: "
        f"{shown(math.exp(twin[0]), math.exp(twin[1]))}",
        "look for outlying blocks; run more of them",
    )


def _sides(evidence: Evidence) -> tuple[Drawn, Drawn]:
    return evidence.left, evidence.right


Gate = Callable[[Evidence, Verdict], QualityWarning | None]

INSTRUMENT: Final[tuple[Gate, ...]] = (
    _too_few_blocks,
    _states_differ,
    _machine_moved,
    _null_differs,
)
"""Those that ask whether there is anything to judge by, whatever the interval says."""
GATES: Final[tuple[Gate, ...]] = (
    *INSTRUMENT,
    no_noise_floor,
    below_noise_floor,
    coarse_noise_floor,
    _split_values,
    _median_disagrees,
)
