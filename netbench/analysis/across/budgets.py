"""Budgets between runs: is the whole interval on the bound's safe side, or wholly beyond it?

With x of the run that is bounded, y of the run that it is bounded by, a factor a and a quantity b,
the interval is Welch's of mean ln x - mean ln y against ln a, or of mean x - a mean y against b, at
0.05 / m, where m counts the cells that budgets stand for. What takes a verdict between runs back
takes a budget's standing back too.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from netbench.analysis.across import gates
from netbench.analysis.across.differences import accepted, confounders, differences
from netbench.analysis.across.model import Basis
from netbench.analysis.across.samples import Drawn, Measured, absent, drawn, matched
from netbench.analysis.across.welch import shift, welch
from netbench.analysis.budgetgates import Terms
from netbench.analysis.contrasts import Key
from netbench.analysis.model import BudgetResult, Standing
from netbench.analysis.stats import ALPHA, Floats, Interval, strata
from netbench.plan.runoffer import RunsOffer, Subject
from netbench.record import METRICS, Budget
from netbench.spec import Cell
from netbench.units import quantity, share


@dataclass(frozen=True, slots=True)
class _Owed:
    """One budget in one of the cells that it stands for."""

    budget: Budget
    subject: Subject
    cell: Cell
    """With the driver's own name."""
    left: Measured
    """The run that the bound is taken from."""
    right: Measured

    @property
    def key(self) -> Key:
        """Where a run keeps its numbers."""
        cell = self.cell
        return Key(cell.path.value, cell.probe, cell.placement.value, self.budget.metric)

    @property
    def basis(self) -> Basis:
        """What is held against the bound."""
        return Basis.RELATIVE if self.subject.relative else Basis.ABSOLUTE


def judge_between(
    budgets: Sequence[Budget],
    offer: RunsOffer,
    runs: Sequence[Measured],
    accept: Sequence[str],
    margin: float,
) -> tuple[BudgetResult, ...]:
    """Return every budget in every cell that it stands for."""
    named = {measured.run.label: measured for measured in runs}
    owed = [one for budget in budgets for one in _owed(budget, offer, named)]
    alpha = ALPHA / max(len(owed), 1)
    return tuple(_judge(one, accept, alpha, margin) for one in owed)


def _owed(budget: Budget, offer: RunsOffer, runs: Mapping[str, Measured]) -> Iterator[_Owed]:
    subject = offer.subjects[budget.driver]
    for cell in offer.cells:
        if budget.covers(cell) and budget.metric in offer.metrics.get(cell.probe, ()):
            own = replace(cell, driver=subject.driver)
            yield _Owed(budget, subject, own, runs[str(budget.reference)], runs[subject.run])


def _judge(owed: _Owed, accept: Sequence[str], alpha: float, margin: float) -> BudgetResult:
    terms = Terms(owed.budget, owed.cell, owed.right.run.info.plan.baseline, alpha, margin)
    left, right = matched(
        *(drawn(side, owed.key, owed.cell.driver, owed.basis) for side in (owed.left, owed.right))
    )
    own, other, factor = _samples(terms, left, right)
    interval = welch(own, other, alpha, factor=factor, day=gates.DAYS[owed.basis])
    stated = terms.stand(interval.bounds)
    reason = (
        _missing(owed, left, right)
        or _withheld(owed, accept)
        or _doubt(owed, terms, left, right)
        or _spread(owed, terms, left, right, stated)
        or _undecided(stated, interval)
        or _within_noise(terms, left, right, interval)
        or _ranks(terms, left, right, stated)
    )
    measured, low, high = _shown(terms, interval)
    cell = owed.cell
    return BudgetResult(
        budget=owed.budget,
        path=cell.path.value,
        probe=cell.probe,
        placement=cell.placement,
        standing=Standing.UNDECIDED if reason else stated,
        state=right.state,
        blocks=min(left.blocks, right.blocks),
        unit=terms.unit,
        measured=measured,
        low=low,
        high=high,
        bound=terms.bound,
        reason=reason,
    )


def _samples(terms: Terms, left: Drawn, right: Drawn) -> tuple[Floats, Floats, float]:
    """Return both samples on the scale that is judged, and what the left one is multiplied by."""
    if terms.logarithmic:
        return left.effects, right.effects, 1.0
    return left.values, right.values, terms.budget.factor


def _missing(owed: _Owed, left: Drawn, right: Drawn) -> str:
    return "; ".join(
        f"{side.run.label} has no sample of {owed.cell.driver} here: "
        f"{absent(side, owed.cell, owed.key)}"
        for side, sample in ((owed.left, left), (owed.right, right))
        if not sample.blocks
    )


def _withheld(owed: _Owed, accept: Sequence[str]) -> str:
    found = accepted(differences(owed.left.conditions, owed.right.conditions), accept)
    drivers = {owed.cell.driver}
    if owed.subject.relative:
        drivers.add(owed.right.run.info.plan.baseline)
    cell = owed.cell
    facts = confounders(found, drivers, cell.path.value, cell.probe, cell.placement.value)
    if not facts:
        return ""
    named = ", ".join(dict.fromkeys(str(one) for one in facts))
    return f"the runs differ in {named}: --accept compares them all the same"


def _doubt(owed: _Owed, terms: Terms, left: Drawn, right: Drawn) -> str:
    metric, labels = METRICS[terms.budget.metric], (owed.left.run.label, owed.right.run.label)
    judged = gates.Terms(terms.alpha, terms.margin)
    doubt = gates.instrument(gates.evidence_of(metric, owed.basis, labels, (left, right), judged))
    return f"{doubt.message}: {doubt.advice}" if doubt else ""


def _spread(owed: _Owed, terms: Terms, left: Drawn, right: Drawn, stated: Standing) -> str:
    """Strata leave no single figure, and none is needed where every two blocks say the same."""
    own, other, factor = _samples(terms, left, right)
    whole = np.subtract.outer(other, factor * own)
    if stated is terms.stand((float(whole.min()), float(whole.max()))):
        return ""
    unit = METRICS[terms.budget.metric].unit
    for side, sample in ((owed.left, left), (owed.right, right)):
        gap = strata(sample.values, math.log1p(terms.margin)) if (sample.values > 0).all() else None
        if gap is not None:
            return (
                f"in {side.run.label} the values fall apart between {quantity(gap[0], unit)} and "
                f"{quantity(gap[1], unit)}: no single figure describes them"
            )
    return ""


def _undecided(stated: Standing, interval: Interval) -> str:
    if stated is not Standing.UNDECIDED:
        return ""
    if interval.bounds is None:
        return "too few blocks for an interval: run more with --blocks"
    return "the interval reaches across the bound: run more blocks with --blocks"


def _within_noise(terms: Terms, left: Drawn, right: Drawn, interval: Interval) -> str:
    """The baseline's own two pairs differ between the runs by as much as the noise floor."""
    floor, mean = welch(left.nulls, right.nulls, terms.alpha).half_width, interval.mean
    if floor is None or mean is None:
        return "a run has fewer than two A/A pairs in this state: the noise floor is unbounded"
    distance = abs(mean - terms.limit)
    told, room = share(math.expm1(floor)), share(math.expm1(min(distance, 50.0)))
    if not terms.logarithmic:
        if METRICS[terms.budget.metric].compared:
            floor = math.expm1(floor) * float(np.mean(left.values))
        floor *= max(1.0, terms.budget.factor)
        told, room = quantity(floor, terms.unit), quantity(distance, terms.unit)
    if distance > floor:
        return ""
    return f"it lies {room} from its bound, within the noise floor of {told}"


def _ranks(terms: Terms, left: Drawn, right: Drawn, stated: Standing) -> str:
    own, other, factor = _samples(terms, left, right)
    twin = shift(own, other, factor)
    if twin is None or terms.stand(twin) is stated:
        return ""
    return f"the means say {stated}, the ranks say {terms.stand(twin)}: a few blocks carry it"


def _shown(terms: Terms, interval: Interval) -> tuple[float | None, float | None, float | None]:
    """Return mean and both ends on the scale that is shown."""

    def scaled(value: float | None) -> float | None:
        return math.exp(value) if value is not None and terms.logarithmic else value

    low, high = interval.bounds or (None, None)
    return scaled(interval.mean), scaled(low), scaled(high)
