"""What leaves a budget undecided: the doubts of METHOD §2 that take a verdict back, and its own."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from netbench.analysis.model import Standing
from netbench.analysis.stats import Floats, Interval, blocks_needed, order_statistics, strata
from netbench.record import METRICS, Budget
from netbench.spec import Cell
from netbench.units import RATIO, quantity, share


@dataclass(frozen=True, slots=True)
class Terms:
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
class Evidence:
    """What the gates look at, in one state; arrays are in block order."""

    effects: Floats
    interval: Interval
    arms: tuple[tuple[str, Floats], ...]
    """Each driver with its values."""
    null: Interval
    """The baseline's second arm against its first, on the scale of the effects."""


def _too_few_blocks(terms: Terms, evidence: Evidence, _: Standing) -> str | None:
    needed = blocks_needed(terms.alpha)
    if evidence.interval.n >= needed:
        return None
    found = f"{evidence.interval.n} complete block{'' if evidence.interval.n == 1 else 's'}"
    return f"{found}; {needed} are needed: run more with --blocks"


def _null_differs(terms: Terms, evidence: Evidence, _: Standing) -> str | None:
    bounds = evidence.null.bounds
    if bounds is None or bounds[0] <= 0 <= bounds[1]:
        return None
    return (
        f"the baseline, {terms.baseline}, differs from its own second pair: something beside "
        "the driver differs between pairs"
    )


def _split_values(terms: Terms, evidence: Evidence, stated: Standing) -> str | None:
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


def _undecided(_: Terms, __: Evidence, stated: Standing) -> str | None:
    if stated is not Standing.UNDECIDED:
        return None
    return "the interval reaches across the bound: run more blocks with --blocks"


def _within_noise(terms: Terms, evidence: Evidence, _: Standing) -> str | None:
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
        told, room = share(math.expm1(floor)), share(math.expm1(distance))
    else:
        floor *= max(1.0, budget.factor)
        told, room = quantity(floor, terms.unit), quantity(distance, terms.unit)
    if distance > floor:
        return None
    return f"it lies {room} from its bound, within the noise floor of {told}"


def _median_disagrees(terms: Terms, evidence: Evidence, stated: Standing) -> str | None:
    twin = order_statistics(evidence.effects)
    if twin is None or terms.stand(twin) is stated:
        return None
    return f"the mean says {stated}, the median says {terms.stand(twin)}: a few blocks carry it"


Gate = Callable[[Terms, Evidence, Standing], str | None]

GATES: Final[tuple[Gate, ...]] = (
    _too_few_blocks,
    _null_differs,
    _split_values,
    _undecided,
    _within_noise,
    _median_disagrees,
)
"""What leaves a budget undecided, the first that speaks up is told."""
