"""Budgets judged: is the whole interval on the bound's safe side, or wholly beyond it?

With x the driver's value in a block, y the reference's (of the baseline the mean of both arms), a
factor a and a quantity b, the interval is that of the mean of

    ln x - ln y      against ln a     for a bound `a DRIVER`
    x - a y          against b        for a bound `a DRIVER + b`
    ln x             against ln b     for a bound `b`

and of x - a y or x where 0 is one of the metric's ordinary values: METHOD §2's at 0.05 / m, where m
counts the cells that budgets stand for. Latency enters by each session's own percentile.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from netbench.analysis.block_pairs import Key, Observed, arm, both, joined
from netbench.analysis.boundary import first_decision, interval
from netbench.analysis.frame import NOT_REACHED, Frames
from netbench.analysis.gates import Evidence, budget_reason, group_gap, reach
from netbench.analysis.model import Analysis, BudgetResult, Confirmation, Standing
from netbench.analysis.multiplicity import looks
from netbench.analysis.stats import ALPHA, Bounds, order_statistics
from netbench.plan.budget_scope import declared
from netbench.record import METRICS, Budget, PlanSummary
from netbench.spec import Cell, Path
from netbench.units import RATIO, quantity, share

_LARGE: Final = 50.0  # largest logarithm that is shown as a percentage


@dataclass(frozen=True, slots=True)
class BudgetCriteria:
    """What one budget is judged by in one cell."""

    budget: Budget
    cell: Cell
    baseline: str
    alpha: float
    margin: float

    @property
    def logarithmic(self) -> bool:
        """Whether effects are differences of logarithms."""
        budget = self.budget
        return METRICS[budget.metric].compared and (budget.reference is None or budget.proportional)

    @property
    def limit(self) -> float:
        """The bound on the scale of the effects."""
        return math.log(self.bound) if self.logarithmic else self.bound

    @property
    def bound(self) -> float:
        """The bound on the scale that is shown."""
        budget = self.budget
        return budget.factor if self.logarithmic and budget.proportional else budget.offset

    @property
    def unit(self) -> str:
        """The unit that the bound is shown in."""
        proportional = self.logarithmic and self.budget.proportional
        return RATIO if proportional else METRICS[self.budget.metric].unit

    def stand(self, bounds: Bounds | None) -> Standing:
        """Return what an interval on the scale of the effects says, gates aside."""
        if bounds is None:
            return Standing.UNDECIDED
        low, high = bounds if self.budget.relation == "<=" else (-bounds[1], -bounds[0])
        limit = self.limit if self.budget.relation == "<=" else -self.limit
        if high <= limit:
            return Standing.MET
        return Standing.NOT_MET if low > limit else Standing.UNDECIDED

    def result(self, evidence: Evidence, absent: str) -> BudgetResult:
        """Return what the evidence says; `absent` tells why there is none, where there is none."""
        stated = self.stand(evidence.interval.bounds)
        reason = absent or budget_reason(evidence, stated, self._told)
        low, high = evidence.interval.bounds or (None, None)
        return BudgetResult(
            budget=self.budget,
            path=self.cell.path.value,
            probe=self.cell.probe,
            placement=self.cell.placement,
            standing=Standing.UNDECIDED if reason else stated,
            blocks=evidence.blocks,
            unit=self.unit,
            measured=self._shown(evidence.interval.mean),
            low=self._shown(low),
            high=self._shown(high),
            bound=self.bound,
            reason=reason,
        )

    def _shown(self, value: float | None) -> float | None:
        return math.exp(value) if value is not None and self.logarithmic else value

    def _told(self, size: float) -> str:
        if self.logarithmic:
            return share(math.expm1(min(size, _LARGE)))
        return quantity(size, METRICS[self.budget.metric].unit)


def judge_budgets(plan: PlanSummary, frames: Frames) -> tuple[BudgetResult, ...]:
    """Return every budget of a plan in every cell that it stands for, in the plan's order.

    A cell that a driver's design closes is none of them, unless there is no other.
    """
    closed = frames.closed
    owed = [(budget, cell) for budget in plan.require for cell in _cells(budget, plan, closed)]
    alpha = ALPHA / max(len(owed), 1)
    return tuple(
        _judge(BudgetCriteria(budget, cell, plan.baseline, alpha, plan.margin), plan, frames)
        for budget, cell in owed
    )


def kept(results: Iterable[BudgetResult], *, allow_undecided: bool) -> bool:
    """Tell whether every budget is met; those that are not decided only count where not allowed."""
    return all(result.kept(allow_undecided=allow_undecided) for result in results)


def missed(analysis: Analysis, *, allow_undecided: bool) -> tuple[BudgetResult, ...]:
    """Return the budgets that are not kept and may be measured again: of possible cells."""
    tried = {
        (cell.driver, cell.path, cell.probe, cell.placement)
        for cell in analysis.cells
        if cell.trials or cell.failures
    }
    return tuple(
        one
        for one in analysis.budgets
        if not one.kept(allow_undecided=allow_undecided)
        and all(
            (driver, one.path, one.probe, one.placement) in tried
            for driver in {one.budget.driver, one.budget.reference or one.budget.driver}
        )
    )


def confirmed(
    results: Iterable[BudgetResult],
    again: Iterable[Confirmation],
    *,
    allow_undecided: bool,
) -> tuple[BudgetResult, ...]:
    """Return budgets with what became of the missed ones when they were measured again, if so.

    Of several confirmations of one budget the first counts.
    """
    found: dict[tuple[Budget, str, str, str], Confirmation] = {}
    for one in again:
        found.setdefault(one.result.place, one)
    return tuple(
        result
        if result.kept(allow_undecided=allow_undecided)
        else replace(result, again=found.get(result.place))
        for result in results
    )


def awaited(results: Iterable[BudgetResult], baseline: str) -> frozenset[Cell]:
    """Return the cells that budgets still need, of driver, reference, and baseline for A/A."""
    return frozenset(
        Cell(driver, Path(result.path), result.probe, result.placement)
        for result in results
        if result.standing is Standing.UNDECIDED
        for driver in (result.budget.driver, result.budget.reference, baseline)
        if driver is not None
    )


def _cells(budget: Budget, plan: PlanSummary, closed: set[tuple[str, str]]) -> list[Cell]:
    metrics = declared(plan)
    measured = [
        cell
        for cell in plan.cells
        if budget.covers(cell) and budget.metric in metrics.get(cell.probe, ())
    ]
    needed = {budget.driver, *((budget.reference, plan.baseline) if budget.reference else ())}
    ruled_out = {path for driver, path in closed if driver in needed}
    return [cell for cell in measured if cell.path.value not in ruled_out] or measured


def _judge(terms: BudgetCriteria, plan: PlanSummary, frames: Frames) -> BudgetResult:
    seen = frames.values.get(Key.of(terms.cell, terms.budget.metric))
    evidence = _evidence(terms, plan, seen)
    absent = "" if evidence.blocks else _absent(terms, frames, seen)
    return terms.result(evidence, absent)


def _evidence(terms: BudgetCriteria, plan: PlanSummary, seen: Observed | None) -> Evidence:
    budget, positive = terms.budget, terms.logarithmic
    own = both(seen, budget.driver, positive=positive)
    other = own if budget.reference is None else both(seen, budget.reference, positive=positive)
    pairs = joined(own, other)
    if budget.reference is None:
        arms = [pairs.driver]
        effects = np.log(pairs.driver) if positive else pairs.driver
    else:
        arms = [pairs.driver, pairs.baseline]
        effects = pairs.logs if positive else pairs.driver - budget.factor * pairs.baseline
    logs = [np.log(values) for values in arms if (values > 0).all()]
    logs += [effects] if positive else []
    second, first = (arm(seen, terms.baseline, n, positive=positive) for n in (1, 0))
    nulls = joined(second, first)
    nothing = nulls.logs if positive else nulls.driver - nulls.baseline
    null = interval(nothing, looks(plan, len(nothing)), terms.alpha)
    found = interval(effects, looks(plan, len(effects)), terms.alpha)
    stated = terms.stand(found.bounds)
    return Evidence(
        baseline=terms.baseline,
        interval=found,
        limit=terms.limit,
        twin=order_statistics(effects),
        gap=group_gap(effects, logs, math.log1p(terms.margin)),
        agreed=all(terms.stand((effect, effect)) is stated for effect in effects),
        null=null,
        null_reach=reach(null.bounds) * (1 if positive else max(1.0, budget.factor)),
        counts=(len(effects),),
        needed=first_decision(looks(plan, len(effects)), terms.alpha),
    )


def _absent(terms: BudgetCriteria, frames: Frames, seen: Observed | None) -> str:
    metric, having = terms.budget.metric, {driver for driver, _ in seen or ()}
    sampled = {trial.cell for trial in frames.samples}
    for driver in (terms.budget.driver, terms.budget.reference):
        if driver is None:
            continue
        cell = replace(terms.cell, driver=driver)
        if cell not in sampled:
            return f"{driver} has no sample here: {frames.reasons(cell) or NOT_REACHED}"
        if driver not in having:
            return f"{driver} gives no {metric} here"
    return f"no block has {metric} of all drivers"
