"""Budgets in words: how each stands, by which figures, and what became of all of them."""

from collections import Counter
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
        result for standing in SIGNS for result in analysis.budgets if result.final is standing
    )


def outcome(info: RunInfo, analysis: Analysis) -> str:
    """Return what became of all budgets in one or two sentences; empty where there are none."""
    return summed(analysis.budgets, allow_undecided=info.plan.allow_undecided)


def summed(results: tuple[BudgetResult, ...], *, allow_undecided: bool) -> str:
    """Return what became of budgets in one or two sentences; empty where there are none."""
    found = sorted(results, key=lambda one: [*SIGNS].index(one.final))
    counts = Counter(map(words, found))
    if not counts:
        return ""
    parts = [f"{number} {said}" for said, number in counts.items()]
    again = any(one.again for one in results)
    listed = "; ".join(parts) if again else joined(parts)
    said = f"Of {counted(len(results), 'budgeted cell')}: {listed}."
    if all(one.final is not Standing.UNDECIDED for one in results):
        return said
    if allow_undecided:
        return f"{said} What is not decided is let pass, by --allow-undecided."
    return f"{said} What is not decided is not kept; --allow-undecided lets it pass."


def words(result: BudgetResult) -> str:
    """Return how a budget stands: `met`, or `missed once, met when measured again`."""
    if result.again is None:
        return result.standing.value
    second = result.again.result.standing
    missed = result.standing is Standing.NOT_MET
    if missed and second is Standing.NOT_MET:
        return "missed twice"
    return f"{'missed' if missed else 'not decided'} once, {second} when measured again"


def measurements(result: BudgetResult) -> tuple[str, ...]:
    """Return the figures of a budget with their blocks, and those of its confirmation, if any."""
    both = (result, *([result.again.result] if result.again else []))
    said = [f"{figures(one)}; {counted(one.blocks, 'block')}" for one in both]
    return (said[0], *(f"measured again: {one}" for one in said[1:]))


def reasons(result: BudgetResult) -> tuple[str, ...]:
    """Return why a budget is not decided, each measurement's reason; none where it is."""
    again = result.again.result.reason if result.again else ""
    return tuple(filter(None, (result.reason, again and f"measured again: {again}")))


def confirmed_in(result: BudgetResult) -> str:
    """Return the run that measured a budget again, with its seed; empty where none did."""
    return f"{result.again.run}, seed {result.again.seed}" if result.again else ""


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
    said = "; ".join(measurements(result))
    reason = "".join(f": {one}" for one in reasons(result))
    where = f", in {confirmed_in(result)}" if result.again else ""
    return plain(
        f"{SIGNS[result.final]} {words(result)}: {result.budget} in {key_of(result).words} "
        f"({said}{where}){reason}"
    )


def _shown(value: float, result: BudgetResult) -> str:
    if result.unit != units.RATIO:
        return units.quantity(value, result.unit)
    proportional = result.budget.proportional
    return units.ratio(value) if proportional else f"{units.significant(value * 100)} %"
