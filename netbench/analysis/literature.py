"""Published comparisons beside measured ones: only the directions, for all else differs."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from netbench.analysis.model import Analysis, Contrast, Verdict
from netbench.record import Direction, PlanSummary, PublishedComparison


class Agreement(StrEnum):
    """What a run says of a published direction."""

    AGREES = "agrees"
    DISAGREES = "disagrees"
    UNDECIDED = "undecided"  # the run has decided no direction
    MISSING = "not measured"  # the run has no such contrast
    INCOMPARABLE = "cannot be compared"


@dataclass(frozen=True, slots=True)
class Beside:
    """One published comparison with the run's contrast of the same name, if it has one."""

    published: PublishedComparison
    agreement: Agreement
    contrast: Contrast | None
    reason: str  # why there is no direction to compare; empty if there is one


def beside(plan: PlanSummary, analysis: Analysis) -> tuple[Beside, ...]:
    """Return every published comparison of the plan's suite with what the run says of it."""
    return tuple(_beside(one, plan, analysis) for one in plan.published)


def tally(found: Iterable[Beside]) -> tuple[tuple[Agreement, int], ...]:
    """Return how often each agreement occurs, of those that do, in their order."""
    seen = [one.agreement for one in found]
    return tuple((kind, seen.count(kind)) for kind in Agreement if kind in seen)


def measured(contrast: Contrast) -> Direction | None:
    """Return the direction of a contrast's raw metric, None if none is decided."""
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
    contrast = next((c for c in analysis.contrasts if _names(c) == _names(one)), None)
    if contrast is None or contrast.ratio is None:
        return Beside(one, Agreement.MISSING, None, _why_missing(one, plan, analysis))
    found = measured(contrast)
    if found is None:
        return Beside(one, Agreement.UNDECIDED, contrast, "this run decides no direction")
    agreement = Agreement.AGREES if found == one.direction else Agreement.DISAGREES
    return Beside(one, agreement, contrast, "")


def _names(one: Contrast | PublishedComparison) -> tuple[str, ...]:
    return one.driver, one.baseline, one.metric, one.path, one.probe, one.placement


def _why_missing(one: PublishedComparison, plan: PlanSummary, analysis: Analysis) -> str:
    for name in (one.driver, one.baseline):
        if name not in plan.drivers:
            return f"{name} is not among the run's drivers: add it to --drivers"
    if plan.baseline != one.baseline:
        compared = f"the run compares with {plan.baseline}, the source with {one.baseline}"
        return f"{compared}: --baseline {one.baseline}"
    place = (one.path, one.probe, one.placement)
    if one.path not in {cell.path.value for cell in plan.cells}:
        return f"the path {one.path} was not asked for: add it to --paths"
    if place not in {(c.path.value, c.probe, c.placement.value) for c in plan.cells}:
        return "the run has no such cell: --pin takes the suite's placements away"
    reasons = [
        f"{cell.driver}: {reason}"
        for cell in analysis.cells
        if (cell.path, cell.probe, cell.placement) == place
        and (cell.metric, cell.replica) == (one.metric, 0)
        for reason in cell.reasons
        if cell.driver in (one.driver, one.baseline)
    ]
    return "; ".join(dict.fromkeys(reasons)) or "no block has a value of both"
