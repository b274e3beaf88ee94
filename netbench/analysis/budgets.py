"""Budgets judged: is the whole interval on the bound's safe side, or wholly beyond it?

Values stand beside each other block by block, as in contrasts. With x the driver's value, y the
reference's (of the baseline the mean of both arms), a factor a and a quantity b, the interval is
that of the mean of

    ln x - ln y      against ln a     for a bound `a DRIVER`
    x - a y          against b        for a bound `a DRIVER + b`
    ln x             against ln b     for a bound `b`

and of x - a y or x where 0 is one of the metric's ordinary values. It is the interval of METHOD §2
at 0.05 / m, where m counts the cells that budgets stand for: a family of its own beside the
contrasts. Latency enters by each session's own percentile.
"""

import math
from collections.abc import Iterable
from dataclasses import replace

import numpy as np

from netbench.analysis.block_pairs import Observed, arm, both, joined
from netbench.analysis.boundary import first_decision, interval
from netbench.analysis.budget_gates import GATES, BudgetCriteria, BudgetEvidence
from netbench.analysis.cells import NOT_REACHED
from netbench.analysis.model import BudgetResult, Standing
from netbench.analysis.multiplicity import declared, looks
from netbench.analysis.observations import Observations, place_of
from netbench.analysis.stats import ALPHA, Interval
from netbench.record import Budget, PlanSummary
from netbench.spec import Cell, Path


def judge_budgets(plan: PlanSummary, observations: Observations) -> tuple[BudgetResult, ...]:
    """Return every budget of a plan in every cell that it stands for, in the plan's order.

    A cell that a driver's design closes is none of them, unless there is no other.
    """
    owed = [
        (budget, cell)
        for budget in plan.require
        for cell in _cells(budget, plan, observations.closed)
    ]
    alpha = ALPHA / max(len(owed), 1)
    return tuple(
        _judge(BudgetCriteria(budget, cell, plan.baseline, alpha, plan.margin), plan, observations)
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


def _judge(terms: BudgetCriteria, plan: PlanSummary, observations: Observations) -> BudgetResult:
    budget, cell = terms.budget, terms.cell
    seen = observations.numbers.get(place_of(cell, budget.metric))
    evidence = _evidence(terms, plan, seen)
    stated = terms.stand(evidence.interval.bounds)
    reason = _absent(terms, observations, seen) if not len(evidence.effects) else None
    reason = reason or next((r for gate in GATES if (r := gate(terms, evidence, stated))), None)
    measured, low, high = _shown(terms, evidence.interval)
    return BudgetResult(
        budget=budget,
        path=cell.path.value,
        probe=cell.probe,
        placement=cell.placement,
        standing=Standing.UNDECIDED if reason else stated,
        blocks=evidence.interval.n,
        unit=terms.unit,
        measured=measured,
        low=low,
        high=high,
        bound=terms.bound,
        reason=reason or "",
    )


def _evidence(terms: BudgetCriteria, plan: PlanSummary, seen: Observed | None) -> BudgetEvidence:
    budget, positive = terms.budget, terms.logarithmic
    own = both(seen, budget.driver, positive=positive)
    other = own if budget.reference is None else both(seen, budget.reference, positive=positive)
    pairs = joined(own, other)
    named = [(budget.driver, pairs.driver)]
    if budget.reference is None:
        effects = np.log(pairs.driver) if positive else pairs.driver
    else:
        named.append((budget.reference, pairs.baseline))
        effects = pairs.deltas if positive else pairs.driver - budget.factor * pairs.baseline
    first, second = (arm(seen, terms.baseline, n, positive=positive) for n in (0, 1))
    nulls = joined(second, first)
    nothing = nulls.deltas if positive else nulls.driver - nulls.baseline
    return BudgetEvidence(
        effects=effects,
        interval=interval(effects, looks(plan, len(effects)), terms.alpha),
        arms=tuple(named),
        null=interval(nothing, looks(plan, len(nothing)), terms.alpha),
        needed=first_decision(looks(plan, len(effects)), terms.alpha),
    )


def _shown(
    terms: BudgetCriteria, found: Interval
) -> tuple[float | None, float | None, float | None]:
    """Return mean and both ends on the scale that is shown."""

    def scaled(value: float | None) -> float | None:
        return math.exp(value) if value is not None and terms.logarithmic else value

    low, high = found.bounds or (None, None)
    return scaled(found.mean), scaled(low), scaled(high)


def _absent(terms: BudgetCriteria, observations: Observations, seen: Observed | None) -> str:
    """Return why there is no block to judge by."""
    metric, having = terms.budget.metric, set() if seen is None else set(seen.driver.seen)
    drivers = (terms.budget.driver, terms.budget.reference)
    for driver in (d for d in drivers if d is not None):
        cell = replace(terms.cell, driver=driver)
        if cell not in observations.sampled:
            reasons = observations.reasons.get(cell) or (NOT_REACHED,)
            return f"{driver} has no sample here: {'; '.join(reasons)}"
        if driver not in having:
            return f"{driver} gives no {metric} here"
    return f"no block has {metric} of all drivers"
