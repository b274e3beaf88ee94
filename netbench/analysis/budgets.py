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
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

import numpy as np
import pandas as pd

from netbench.analysis.cells import NOT_REACHED, declared
from netbench.analysis.contrasts import arm, either_arm, headline_state, usable
from netbench.analysis.frame import Frames
from netbench.analysis.model import BudgetResult, Standing
from netbench.analysis.stats import (
    ALPHA,
    Floats,
    Interval,
    blocks_needed,
    order_statistics,
    strata,
    t_mixture,
)
from netbench.record import METRICS, Budget, PlanSummary, with_costs
from netbench.spec import Cell, Path
from netbench.units import RATIO, quantity


@dataclass(frozen=True, slots=True)
class _Terms:
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
        bound = self.bound
        return math.log(bound) if self.logarithmic else bound

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

    def stand(self, bounds: tuple[float, float] | None) -> Standing:
        """Return what an interval on the scale of the effects says, gates aside."""
        if bounds is None:
            return Standing.UNDECIDED
        low, high = bounds if self.budget.relation == "<=" else (-bounds[1], -bounds[0])
        limit = self.limit if self.budget.relation == "<=" else -self.limit
        if high <= limit:
            return Standing.MET
        return Standing.NOT_MET if low > limit else Standing.UNDECIDED


@dataclass(frozen=True, slots=True)
class _Evidence:
    """What the gates look at, in one state; arrays are in block order."""

    effects: Floats
    interval: Interval
    arms: tuple[tuple[str, Floats], ...]
    """Each driver with its values."""
    null: Interval
    """The baseline's second arm against its first, on the scale of the effects."""


def judge_budgets(plan: PlanSummary, frames: Frames) -> tuple[BudgetResult, ...]:
    """Return every budget of a plan in every cell that it stands for, in the plan's order.

    `frames` carry the states. A cell that a driver's design closes is none of them, unless there
    is no other.
    """
    owed = [pair for budget in plan.require for pair in _cells(budget, plan, frames.trials)]
    alpha = ALPHA / max(len(owed), 1)
    return tuple(
        _judge(_Terms(budget, cell, plan.baseline, alpha, plan.margin), frames)
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


def _cells(budget: Budget, plan: PlanSummary, trials: pd.DataFrame) -> list[tuple[Budget, Cell]]:
    """Return the cells that a budget stands for."""
    metrics = {probe: with_costs(given) for probe, given in declared(plan).items()}
    covered = [cell for cell in plan.cells if budget.covers(cell)]
    measured = [cell for cell in covered if budget.metric in metrics.get(cell.probe, ())]
    needed = [budget.driver]
    needed += [budget.reference, plan.baseline] if budget.reference else []
    closed = trials[trials["by_design"].astype(bool)]
    ways = set(zip(closed["driver"], closed["path"], strict=True))
    open_ = [c for c in measured if not any((driver, c.path.value) in ways for driver in needed)]
    return [(budget, cell) for cell in open_ or measured]


def _judge(terms: _Terms, frames: Frames) -> BudgetResult:
    budget, cell = terms.budget, terms.cell
    here = _of_cell(frames.numbers, cell)
    here = here[here["metric"] == budget.metric]
    fit = usable(here, positive=terms.logarithmic)
    rows = _rows(fit, budget)
    state = headline_state(rows, frozenset(here["state"]))
    evidence = _evidence(terms, fit, rows[rows["state"] == state], state)
    stated = terms.stand(evidence.interval.bounds)
    reason = _absent(terms, frames.trials, here) if not len(evidence.effects) else None
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


def _of_cell(frame: pd.DataFrame, cell: Cell) -> pd.DataFrame:
    """Return the rows of all drivers in a cell's place."""
    place = (frame["path"] == cell.path.value) & (frame["probe"] == cell.probe)
    return frame[place & (frame["placement"] == cell.placement.value)]


def _rows(fit: pd.DataFrame, budget: Budget) -> pd.DataFrame:
    """Return a row for each block and state with a value, or with a pair, in block order."""
    rows = either_arm(fit, budget.driver)
    if budget.reference is not None:
        other = either_arm(fit, budget.reference)
        rows = rows.join(other.add_prefix("reference_"), how="inner")
    return rows.sort_index().reset_index()


def _evidence(terms: _Terms, fit: pd.DataFrame, rows: pd.DataFrame, state: str) -> _Evidence:
    budget = terms.budget
    own = rows["value"].to_numpy(np.float64)
    arms = [(budget.driver, own)]
    if budget.reference is None:
        effects = np.log(own) if terms.logarithmic else own
    else:
        other = rows["reference_value"].to_numpy(np.float64)
        arms.append((budget.reference, other))
        effects = np.log(own / other) if terms.logarithmic else own - budget.factor * other
    first, second = (arm(fit, terms.baseline, replica) for replica in (0, 1))
    both = second.join(first.add_prefix("first_"), how="inner").sort_index().reset_index()
    both = both[both["state"] == state]
    again, once = (both[name].to_numpy(np.float64) for name in ("value", "first_value"))
    nothing = np.log(again / once) if terms.logarithmic else again - once
    return _Evidence(
        effects=effects,
        interval=t_mixture(effects, terms.alpha),
        arms=tuple(arms),
        null=t_mixture(nothing, terms.alpha),
    )


def _shown(terms: _Terms, interval: Interval) -> tuple[float | None, float | None, float | None]:
    """Return mean and both ends on the scale that is shown."""

    def scaled(value: float | None) -> float | None:
        return math.exp(value) if value is not None and terms.logarithmic else value

    low, high = interval.bounds or (None, None)
    return scaled(interval.mean), scaled(low), scaled(high)


def _absent(terms: _Terms, trials: pd.DataFrame, values: pd.DataFrame) -> str:
    """Return why there is no block to judge by; `values` are the metric's in this place."""
    here, metric = _of_cell(trials, terms.cell), terms.budget.metric
    drivers = [terms.budget.driver, terms.budget.reference]
    for driver in (d for d in drivers if d is not None):
        own = here[here["driver"] == driver]
        if not (own["outcome"] == "sample").any():
            reasons = list(dict.fromkeys(own["reason"].dropna())) or [NOT_REACHED]
            return f"{driver} has no sample here: {'; '.join(reasons)}"
        if not (values["driver"] == driver).any():
            return f"{driver} gives no {metric} here"
    return f"no block has {metric} of all drivers in one state of the machine"


def _too_few_blocks(terms: _Terms, evidence: _Evidence, _: Standing) -> str | None:
    needed = blocks_needed(terms.alpha)
    if evidence.interval.n >= needed:
        return None
    found = f"{evidence.interval.n} complete block{'' if evidence.interval.n == 1 else 's'}"
    return f"{found}; {needed} are needed: run more with --blocks"


def _null_differs(terms: _Terms, evidence: _Evidence, _: Standing) -> str | None:
    bounds = evidence.null.bounds
    if bounds is None or bounds[0] <= 0 <= bounds[1]:
        return None
    return (
        f"the baseline, {terms.baseline}, differs from its own second pair: something beside "
        "the driver differs between pairs"
    )


def _split_values(terms: _Terms, evidence: _Evidence, stated: Standing) -> str | None:
    """Strata leave no single figure, and none is needed where every block says the same."""
    if stated is not Standing.UNDECIDED and all(
        terms.stand((effect, effect)) is stated for effect in evidence.effects
    ):
        return None
    unit = METRICS[terms.budget.metric].unit
    for driver, values in evidence.arms:
        gap = strata(values, math.log1p(terms.margin)) if (values > 0).all() else None
        if gap is not None:
            return (
                f"the values of {driver} fall apart between {quantity(gap[0], unit)} and "
                f"{quantity(gap[1], unit)}: no single figure describes them"
            )
    return None


def _undecided(_: _Terms, __: _Evidence, stated: Standing) -> str | None:
    if stated is not Standing.UNDECIDED:
        return None
    return "the interval reaches across the bound: run more blocks with --blocks"


def _within_noise(terms: _Terms, evidence: _Evidence, _: Standing) -> str | None:
    """Two pairs of one driver differ by as much as the noise floor, the half-width of A/A."""
    mean, floor, budget = evidence.interval.mean, evidence.null.half_width, terms.budget
    if budget.reference is None or mean is None:
        return None
    if floor is None:
        return (
            f"{evidence.null.n} blocks have both pairs of the baseline, {terms.baseline}, in this "
            "state: the noise floor is unbounded"
        )
    distance = abs(mean - terms.limit)
    if terms.logarithmic:
        told, room = f"{math.expm1(floor):.1%}", f"{math.expm1(distance):.1%}"
    else:
        floor *= max(1.0, budget.factor)
        told, room = quantity(floor, terms.unit), quantity(distance, terms.unit)
    if distance > floor:
        return None
    return f"it lies {room} from its bound, within the noise floor of {told}"


def _median_disagrees(terms: _Terms, evidence: _Evidence, stated: Standing) -> str | None:
    twin = order_statistics(evidence.effects)
    if twin is None or terms.stand(twin) is stated:
        return None
    return f"the mean says {stated}, the median says {terms.stand(twin)}: a few blocks carry it"


Gate = Callable[[_Terms, _Evidence, Standing], str | None]

GATES: Final[tuple[Gate, ...]] = (
    _too_few_blocks,
    _null_differs,
    _split_values,
    _undecided,
    _within_noise,
    _median_disagrees,
)
"""What leaves a budget undecided, the first that speaks up is told."""
