"""What leaves a budget undecided: its interval, or a gate that takes its standing back."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np

from netbench.analysis.gates import Bounds, clearance, group_gap, median_opposes, reach
from netbench.analysis.model import Standing
from netbench.analysis.stats import Floats, Interval
from netbench.record import METRICS, Budget
from netbench.spec import Cell
from netbench.units import RATIO, quantity, share


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

    def stand(self, bounds: Bounds | None) -> Standing:
        """Return what an interval on the scale of the effects says, gates aside."""
        if bounds is None:
            return Standing.UNDECIDED
        low, high = bounds if self.budget.relation == "<=" else (-bounds[1], -bounds[0])
        limit = self.limit if self.budget.relation == "<=" else -self.limit
        if high <= limit:
            return Standing.MET
        return Standing.NOT_MET if low > limit else Standing.UNDECIDED

    def told(self, size: float) -> str:
        """Return the size of an effect in words."""
        if self.logarithmic:
            return share(math.expm1(min(size, _LARGE)))
        return quantity(size, METRICS[self.budget.metric].unit)


_LARGE: Final = 50.0
"""A logarithm that is told as a percentage; a larger one says no more."""


@dataclass(frozen=True, slots=True)
class BudgetEvidence:
    """What a budget's standing is judged by; arrays are in block order."""

    effects: Floats
    interval: Interval
    arms: tuple[tuple[str, Floats], ...]
    """Each driver with its values."""
    null: Interval
    """The baseline's second arm against its first, on the scale of the effects."""
    needed: int
    """Blocks without which nothing is decided."""


def _too_few_blocks(_: BudgetCriteria, evidence: BudgetEvidence, __: Standing) -> str | None:
    n = evidence.interval.n
    if n >= evidence.needed:
        return None
    return f"only {n} of {evidence.needed} needed blocks: run more with --blocks"


def _undecided(_: BudgetCriteria, __: BudgetEvidence, stated: Standing) -> str | None:
    if stated is not Standing.UNDECIDED:
        return None
    return "the interval holds the bound: run more blocks with --blocks"


def _null_differs(terms: BudgetCriteria, evidence: BudgetEvidence, _: Standing) -> str | None:
    """The interval comes as close to the bound as the baseline differs from itself."""
    far = reach(evidence.null.bounds) * (1 if terms.logarithmic else max(1.0, terms.budget.factor))
    clear = clearance(evidence.interval.bounds, terms.limit)
    if not far or clear > far:
        return None
    size = terms.told(abs(evidence.null.mean or 0.0))
    return (
        f"{terms.baseline}-vs-{terms.baseline} differs by {size}, and the interval comes as close "
        "to the bound as that"
    )


def _split_values(terms: BudgetCriteria, evidence: BudgetEvidence, stated: Standing) -> str | None:
    """Two groups of blocks as far apart as the bound, unless every block says the same."""
    if agreed(terms, evidence.effects, stated):
        return None
    logs = [np.log(values) for _, values in evidence.arms if (values > 0).all()]
    if terms.logarithmic:
        logs.append(evidence.effects)
    gap = group_gap(evidence.effects, logs, math.log1p(terms.margin))
    if not gap or gap < abs((evidence.interval.mean or 0.0) - terms.limit):
        return None
    return f"the values fall in two groups {terms.told(gap)} apart: no single figure describes both"


def _median_disagrees(terms: BudgetCriteria, evidence: BudgetEvidence, _: Standing) -> str | None:
    if median_opposes(evidence.effects, evidence.interval.bounds, terms.limit) is None:
        return None
    return "mean and median lie on different sides of the bound"


def agreed(terms: BudgetCriteria, effects: Floats, stated: Standing) -> bool:
    """Tell whether every block by itself says what the interval does."""
    return all(terms.stand((effect, effect)) is stated for effect in effects)


Gate = Callable[[BudgetCriteria, BudgetEvidence, Standing], str | None]

GATES: Final[tuple[Gate, ...]] = (
    _too_few_blocks,
    _undecided,
    _null_differs,
    _split_values,
    _median_disagrees,
)
"""What leaves a budget undecided; the first that finds something is told."""
