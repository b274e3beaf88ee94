"""Budgets judged: is the whole interval on the bound's safe side, or wholly beyond it?

Values are paired as contrasts pair them: in one block and one state, the headline's. With x the
driver's value, y the reference's, a factor a and a quantity b, the interval is that of the mean of

    ln x - ln y      against ln a     for a bound `a DRIVER`
    x - a y          against b        for a bound `a DRIVER + b`
    ln x             against ln b     for a bound `b`

and of x - a y or x where 0 is one of the metric's ordinary values. It is the t-mixture sequence of
METHOD §2 at 0.05 / m, where m counts the cells that budgets stand for: a family of its own beside
the contrasts. Latency enters by each trial's own percentile. What takes a verdict back takes a
budget's standing back too.
"""

import math
from collections.abc import Iterable
from dataclasses import replace
from typing import Final

import numpy as np

from netbench.analysis.budgetgates import GATES, Evidence, Terms
from netbench.analysis.cells import NOT_REACHED
from netbench.analysis.family import declared
from netbench.analysis.ground import Ground
from netbench.analysis.model import BudgetResult, Standing
from netbench.analysis.pairing import Observed, Pairs, arms, either, headline, joined, judged
from netbench.analysis.stats import ALPHA, Interval, blocks_needed, t_mixture
from netbench.record import Budget, PlanSummary
from netbench.spec import Cell, Path

NONE: Final = np.zeros(0, np.int32)
"""The states of no trial."""


def judge_budgets(plan: PlanSummary, ground: Ground) -> tuple[BudgetResult, ...]:
    """Return every budget of a plan in every cell that it stands for, in the plan's order.

    A cell that a driver's design closes is none of them, unless there is no other.
    """
    owed = [
        (budget, cell) for budget in plan.require for cell in _cells(budget, plan, ground.closed)
    ]
    alpha = ALPHA / max(len(owed), 1)
    return tuple(
        _judge(Terms(budget, cell, plan.baseline, alpha, plan.margin), ground)
        for budget, cell in owed
    )


def kept(results: Iterable[BudgetResult], *, allow_undecided: bool) -> bool:
    """Tell whether every budget is met; those that are not decided only count where not allowed."""
    good = {Standing.MET, Standing.UNDECIDED} if allow_undecided else {Standing.MET}
    return all(result.standing in good for result in results)


def awaited(results: Iterable[BudgetResult], baseline: str) -> frozenset[Cell]:
    """Return the cells that budgets still need: driver's, reference's, and the baseline's for A/A.

    For an adaptive run: empty once every budget is decided.
    """
    return frozenset(
        Cell(driver, Path(result.path), result.probe, result.placement)
        for result in results
        if result.standing is Standing.UNDECIDED
        for driver in (result.budget.driver, result.budget.reference, baseline)
        if driver is not None
    )


def _cells(budget: Budget, plan: PlanSummary, closed: frozenset[tuple[str, str]]) -> list[Cell]:
    """Return the cells that a budget stands for."""
    metrics = declared(plan)
    covered = [cell for cell in plan.cells if budget.covers(cell)]
    measured = [cell for cell in covered if budget.metric in metrics.get(cell.probe, ())]
    needed = [budget.driver]
    needed += [budget.reference, plan.baseline] if budget.reference else []
    open_ = [
        cell
        for cell in measured
        if not any((driver, cell.path.value) in closed for driver in needed)
    ]
    return open_ or measured


def _judge(terms: Terms, ground: Ground) -> BudgetResult:
    budget, cell = terms.budget, terms.cell
    seen = ground.numbers.get((cell.path.value, cell.probe, cell.placement.value, budget.metric))
    state = headline(_pairs(terms, seen).state, NONE if seen is None else seen.state)
    evidence = _evidence(terms, seen, state)
    stated = terms.stand(evidence.interval.bounds)
    reason = _absent(terms, ground, seen) if not len(evidence.effects) else None
    reason = reason or next((r for gate in GATES if (r := gate(terms, evidence, stated))), None)
    measured, low, high = _shown(terms, evidence.interval)
    return BudgetResult(
        budget=budget,
        path=cell.path.value,
        probe=cell.probe,
        placement=cell.placement,
        standing=Standing.UNDECIDED if reason else stated,
        state=state,
        blocks=evidence.interval.n,
        unit=terms.unit,
        measured=measured,
        low=low,
        high=high,
        bound=terms.bound,
        reason=reason or "",
    )


def _pairs(terms: Terms, seen: Observed | None) -> Pairs:
    """Return the driver's values with the reference's, or with themselves where there is none."""
    positive = terms.logarithmic
    own = arms(seen, terms.budget.driver, positive=positive)
    if terms.budget.reference is None:
        whole = either(*own)
        return joined((whole,), (whole,))
    return joined(own, arms(seen, terms.budget.reference, positive=positive))


def _evidence(terms: Terms, seen: Observed | None, state: str) -> Evidence:
    budget, needed = terms.budget, blocks_needed(terms.alpha)
    pairs = judged(_pairs(terms, seen), state, needed)
    own, other = pairs.driver, pairs.baseline
    named = [(budget.driver, own)]
    if budget.reference is None:
        effects = np.log(own) if terms.logarithmic else own
    else:
        named.append((budget.reference, other))
        effects = np.log(own / other) if terms.logarithmic else own - budget.factor * other
    first, second = arms(seen, terms.baseline, positive=terms.logarithmic)
    nulls = judged(joined((second,), (first,)), state, needed)
    again, once = nulls.driver, nulls.baseline
    nothing = np.log(again / once) if terms.logarithmic else again - once
    return Evidence(
        effects=effects,
        interval=t_mixture(effects, terms.alpha),
        arms=tuple(named),
        null=t_mixture(nothing, terms.alpha),
    )


def _shown(terms: Terms, interval: Interval) -> tuple[float | None, float | None, float | None]:
    """Return mean and both ends on the scale that is shown."""

    def scaled(value: float | None) -> float | None:
        return math.exp(value) if value is not None and terms.logarithmic else value

    low, high = interval.bounds or (None, None)
    return scaled(interval.mean), scaled(low), scaled(high)


def _absent(terms: Terms, ground: Ground, seen: Observed | None) -> str:
    """Return why there is no block to judge by."""
    metric, having = terms.budget.metric, set() if seen is None else set(seen.driver.seen)
    drivers = (terms.budget.driver, terms.budget.reference)
    for driver in (d for d in drivers if d is not None):
        cell = replace(terms.cell, driver=driver)
        if cell not in ground.sampled:
            reasons = ground.reasons.get(cell) or (NOT_REACHED,)
            return f"{driver} has no sample here: {'; '.join(reasons)}"
        if driver not in having:
            return f"{driver} gives no {metric} here"
    return f"no block has {metric} of all drivers in one state of the machine"
