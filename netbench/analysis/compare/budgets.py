"""Budgets between runs: is the whole interval on the bound's safe side, or wholly beyond it?

With x of the run that is bounded, y of the run that it is bounded by, a factor a and a quantity b,
the interval is Welch's of mean ln x - mean ln y against ln a, or of mean x - a mean y against b, at
0.05 / m, where m counts the cells that budgets stand for.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from netbench.analysis.budget_gates import BudgetCriteria
from netbench.analysis.compare import gates
from netbench.analysis.compare.differences import accepted, confounders, differences
from netbench.analysis.compare.model import Basis
from netbench.analysis.compare.samples import Drawn, Measured, absent, drawn
from netbench.analysis.compare.welch import shift, welch
from netbench.analysis.contrasts import Key
from netbench.analysis.gates import clearance, group_gap, opposed, reach
from netbench.analysis.model import BudgetResult, Standing
from netbench.analysis.stats import ALPHA, Floats, Interval
from netbench.plan.budget_scope import BudgetSubject, RunsOffer
from netbench.record import METRICS, Budget
from netbench.spec import Cell
from netbench.units import percent


@dataclass(frozen=True, slots=True)
class _Owed:
    """One budget in one of the cells that it stands for."""

    budget: Budget
    subject: BudgetSubject
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
    baseline = owed.right.run.info.plan.baseline
    terms = BudgetCriteria(owed.budget, owed.cell, baseline, alpha, margin)
    left, right = (
        drawn(side, owed.key, owed.cell.driver, owed.basis) for side in (owed.left, owed.right)
    )
    own, other, factor = _samples(terms, left, right)
    interval = welch(own, other, alpha, factor=factor, day=gates.DAYS[owed.basis])
    stated = terms.stand(interval.bounds)
    reason = (
        _missing(owed, left, right)
        or _withheld(owed, accept)
        or gates.too_few(left, right)
        or _undecided(stated, interval)
        or _conditions(owed, terms, left, right, interval)
        or _spread(terms, left, right, interval)
        or _ranks(terms, left, right, interval)
    )
    measured, low, high = _shown(terms, interval)
    cell = owed.cell
    return BudgetResult(
        budget=owed.budget,
        path=cell.path.value,
        probe=cell.probe,
        placement=cell.placement,
        standing=Standing.UNDECIDED if reason else stated,
        blocks=min(left.blocks, right.blocks),
        unit=terms.unit,
        measured=measured,
        low=low,
        high=high,
        bound=terms.bound,
        reason=reason,
    )


def _samples(terms: BudgetCriteria, left: Drawn, right: Drawn) -> tuple[Floats, Floats, float]:
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


def _undecided(stated: Standing, interval: Interval) -> str:
    if stated is not Standing.UNDECIDED:
        return ""
    if interval.bounds is None:
        return "too few blocks for an interval: run more with --blocks"
    return "the interval holds the bound: run more blocks with --blocks"


def _conditions(
    owed: _Owed, terms: BudgetCriteria, left: Drawn, right: Drawn, interval: Interval
) -> str:
    """Return that the machine, or the baseline's two arms, differ by as much as the budget does."""
    metric, labels = METRICS[terms.budget.metric], (owed.left.run.label, owed.right.run.label)
    judged = gates.RunContrastCriteria(terms.alpha, terms.margin)
    evidence = gates.evidence_of(
        metric, owed.basis, labels, (left, right), judged, baseline=terms.baseline
    )
    clear = clearance(interval.bounds, terms.limit)
    if evidence.moved and clear <= _scaled(evidence.moved, terms, left):
        return f"the machine itself differs: the sentinel reads {percent(evidence.machine or 1.0)}"
    far = max(reach(null.bounds) for _, null in evidence.nulls)
    if far and clear <= (_scaled(far, terms, left) if metric.compared else far):
        return f"{terms.baseline} against its own second arm differs by as much: measure again"
    return ""


def _scaled(size: float, terms: BudgetCriteria, left: Drawn) -> float:
    """Return the size of a log ratio on the scale that is judged."""
    if terms.logarithmic:
        return size
    level = abs(float(np.mean(left.values))) * max(1.0, terms.budget.factor)
    return math.expm1(size) * level


def _spread(terms: BudgetCriteria, left: Drawn, right: Drawn, interval: Interval) -> str:
    """Return that a run's values fall in groups, unless any two blocks say the same."""
    own, other, factor = _samples(terms, left, right)
    whole = np.subtract.outer(other, factor * own)
    ends = float(whole.min()), float(whole.max())
    distance = abs((interval.mean or 0.0) - terms.limit)
    gap = _gap(terms, left, right)
    if not gap or gap < distance or terms.stand(ends) is not Standing.UNDECIDED:
        return ""
    return f"the values of a run fall in two groups {terms.told(gap)} apart"


def _gap(terms: BudgetCriteria, left: Drawn, right: Drawn) -> float:
    """Return the gap between groups of a run's values on the scale that is judged; 0 for none."""
    least = math.log1p(terms.margin)
    if terms.logarithmic:
        return gates.split_gap(left, right, least)
    positive = [one.values for one in (left, right) if (one.values > 0).all()]
    return max((group_gap(values, (np.log(values),), least) for values in positive), default=0.0)


def _ranks(terms: BudgetCriteria, left: Drawn, right: Drawn, interval: Interval) -> str:
    own, other, factor = _samples(terms, left, right)
    if not opposed(interval.bounds, shift(own, other, factor), terms.limit):
        return ""
    return "means and ranks lie on different sides of the bound"


def _shown(
    terms: BudgetCriteria, interval: Interval
) -> tuple[float | None, float | None, float | None]:
    """Return mean and both ends on the scale that is shown."""

    def scaled(value: float | None) -> float | None:
        return math.exp(value) if value is not None and terms.logarithmic else value

    low, high = interval.bounds or (None, None)
    return scaled(interval.mean), scaled(low), scaled(high)
