"""Published comparisons beside measured ones: which way each points. Pure.

There is no verdict on a published number: other machines, other kernels, other tools. All that is
judged is the direction, and it only where this run has decided one.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from netbench.analysis.model import Analysis, CellSummary, Contrast, Verdict
from netbench.record import Direction, PlanSummary, PublishedComparison


class Agreement(StrEnum):
    """What a run says of a published direction."""

    AGREES = "agrees"
    DISAGREES = "disagrees"
    UNDECIDED = "undecided"
    """The run has decided no direction."""
    MISSING = "not measured"
    """The run has no such contrast."""
    INCOMPARABLE = "cannot be compared"


@dataclass(frozen=True, slots=True)
class Beside:
    """One published comparison with its counterpart."""

    published: PublishedComparison
    agreement: Agreement
    contrast: Contrast | None
    """The counterpart; None where there is none."""
    reason: str
    """Why there is no direction to compare; empty where there is one."""


def beside(plan: PlanSummary, analysis: Analysis) -> tuple[Beside, ...]:
    """Return every published comparison of the plan's suite with what the run says of it."""
    return tuple(_beside(one, plan, analysis) for one in plan.published)


def tally(found: Iterable[Beside]) -> tuple[tuple[Agreement, int], ...]:
    """Return how often each agreement occurs, of those that do, in their order."""
    seen = [one.agreement for one in found]
    return tuple((kind, seen.count(kind)) for kind in Agreement if kind in seen)


def measured(contrast: Contrast) -> Direction | None:
    """Return the direction of a contrast's raw metric, None where none is decided."""
    match contrast.verdict:
        case Verdict.UNDECIDED:
            return None
        case Verdict.EQUIVALENT:
            return "same"
        case Verdict.FASTER | Verdict.SLOWER:
            return "more" if (contrast.ratio or 0.0) > 1 else "less"


def _beside(one: PublishedComparison, plan: PlanSummary, analysis: Analysis) -> Beside:
    if one.incomparable:
        return Beside(one, Agreement.INCOMPARABLE, None, one.incomparable)
    contrast = next((c for c in analysis.contrasts if _is_of(c, one)), None)
    if contrast is None or contrast.ratio is None:
        return Beside(one, Agreement.MISSING, None, _why_missing(one, plan, analysis))
    found = measured(contrast)
    if found is None:
        return Beside(one, Agreement.UNDECIDED, contrast, "this run decides no direction")
    agreement = Agreement.AGREES if found == one.direction else Agreement.DISAGREES
    return Beside(one, agreement, contrast, "")


def _is_of(contrast: Contrast, one: PublishedComparison) -> bool:
    return (contrast.driver, contrast.baseline, contrast.metric) == (
        one.driver,
        one.baseline,
        one.metric,
    ) and _place(contrast) == (one.path, one.probe, one.placement)


def _place(thing: Contrast | CellSummary) -> tuple[str, str, str]:
    return thing.path, thing.probe, thing.placement.value


_AGAINST: Final = "the run compares with {0}, the source with {1}: --baseline {1}"


def _why_missing(one: PublishedComparison, plan: PlanSummary, analysis: Analysis) -> str:
    """Return why a run has no counterpart, with the option that would give one."""
    for name in (one.driver, one.baseline):
        if name not in plan.drivers:
            return f"{name} is not among the run's drivers: add it to --drivers"
    if plan.baseline != one.baseline:
        return _AGAINST.format(plan.baseline, one.baseline)
    place = (one.path, one.probe, one.placement)
    if one.path not in {cell.path.value for cell in plan.cells}:
        return f"the path {one.path} was not asked for: add it to --paths"
    if place not in {(c.path.value, c.probe, c.placement.value) for c in plan.cells}:
        return "the run has no such cell: --pin takes the suite's placements away"
    reasons = [
        f"{cell.driver}: {reason}"
        for cell in analysis.cells
        if _place(cell) == place and cell.metric == one.metric and not cell.replica
        for reason in cell.reasons
        if cell.driver in (one.driver, one.baseline)
    ]
    return "; ".join(dict.fromkeys(reasons)) or "no block has a value of both"
