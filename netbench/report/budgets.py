"""Budgets in words: how each stands, by which figures, and what became of all of them."""

from typing import Final

from netbench import units
from netbench.analysis.cell_key import plain
from netbench.analysis.compare.model import RunComparison
from netbench.analysis.model import Analysis, BudgetResult, Standing
from netbench.record import RunInfo
from netbench.report.labels import counted, interval, joined, key_of

SIGNS: Final[dict[Standing, str]] = {
    Standing.NOT_MET: "✗",
    Standing.UNDECIDED: "?",
    Standing.MET: "✓",
}
"""In the order in which budgets are listed."""


def ordered(analysis: Analysis | RunComparison) -> tuple[BudgetResult, ...]:
    """Return the budgets that are not met first, then those not decided."""
    return tuple(
        result for standing in SIGNS for result in analysis.budgets if result.standing is standing
    )


def outcome(info: RunInfo, analysis: Analysis) -> str:
    """Return what became of all budgets in one or two sentences; empty where there are none."""
    return summed(analysis.budgets, allow_undecided=info.plan.allow_undecided)


def summed(results: tuple[BudgetResult, ...], *, allow_undecided: bool) -> str:
    """Return what became of budgets in one or two sentences; empty where there are none."""
    counts = {
        standing: sum(result.standing is standing for result in results) for standing in SIGNS
    }
    parts = [f"{number} {standing}" for standing, number in counts.items() if number]
    if not parts:
        return ""
    cells = counted(len(results), "budgeted cell")
    said = f"Of {cells}: {joined(parts)}."
    if not counts[Standing.UNDECIDED]:
        return said
    if allow_undecided:
        return f"{said} What is not decided is let pass, by --allow-undecided."
    return f"{said} What is not decided is not kept; --allow-undecided lets it pass."


def figures(result: BudgetResult) -> str:
    """Return `difference from host 3.30 µs [3.10 µs, 3.50 µs]`, against which the bound stands."""
    if result.measured is None:
        return "nothing measured"
    budget = result.budget
    what = ""
    if budget.reference is not None and result.unit == units.RATIO and budget.proportional:
        what = f"ratio to {budget.reference} "
    elif budget.reference is not None:
        factor = "" if budget.factor == 1 else f"{units.digits(budget.factor)} "
        what = f"difference from {factor}{budget.reference} "
    ends = (
        interval(None, None)
        if result.low is None or result.high is None
        else f"[{_shown(result.low, result)}, {_shown(result.high, result)}]"
    )
    return f"{what}{_shown(result.measured, result)} {ends}"


def bound(result: BudgetResult) -> str:
    """Return what the figures are held against: `at most 20.0 µs`."""
    word = "at most" if result.budget.relation == "<=" else "at least"
    return f"{word} {_shown(result.bound, result)}"


def line(result: BudgetResult) -> str:
    """Return one budget in one cell on one line."""
    blocks = counted(result.blocks, "block")
    reason = f": {result.reason}" if result.reason else ""
    return plain(
        f"{SIGNS[result.standing]} {result.standing}: {result.budget} in {key_of(result).words} "
        f"({figures(result)}; {blocks}){reason}"
    )


def _shown(value: float, result: BudgetResult) -> str:
    if result.unit != units.RATIO:
        return units.quantity(value, result.unit)
    proportional = result.budget.proportional
    return units.ratio(value) if proportional else f"{units.significant(value * 100)} %"
