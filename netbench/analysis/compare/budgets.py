"""Budgets between runs: is the whole interval on the bound's safe side, or wholly beyond it?

With x of the run that is bounded, y of the run that it is bounded by, a factor a and a quantity b,
the interval is Welch's of mean ln x - mean ln y against ln a, or of mean x - a mean y against b, at
0.05 / m, where m counts the cells that budgets stand for.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np

from netbench.analysis.block_pairs import Key
from netbench.analysis.budgets import BudgetCriteria
from netbench.analysis.compare.differences import accepted, differences, fact_of
from netbench.analysis.compare.model import Basis
from netbench.analysis.compare.samples import DAYS, Drawn, Matched, Measured
from netbench.analysis.gates import Evidence, group_gap
from netbench.analysis.model import BudgetResult, Standing
from netbench.analysis.stats import ALPHA, extremes, shift, welch
from netbench.plan.budget_scope import RunsScope
from netbench.record import METRICS, Budget


def judge_between(
    budgets: Sequence[Budget],
    scope: RunsScope,
    runs: Sequence[Measured],
    accept: Sequence[str],
    margin: float,
) -> tuple[BudgetResult, ...]:
    """Return every budget in every cell that it stands for."""
    named = {measured.run.label: measured for measured in runs}
    owed = [(budget, one) for budget in budgets for one in _owed(budget, scope, named)]
    alpha = ALPHA / max(len(owed), 1)
    return tuple(
        _judge(one, BudgetCriteria(budget, one.cell, one.baseline, alpha, margin), accept)
        for budget, one in owed
    )


def _owed(budget: Budget, scope: RunsScope, runs: Mapping[str, Measured]) -> Iterator[Matched]:
    """Yield what a budget stands for; the left run is the one that the bound is taken from."""
    subject = scope.subjects[budget.driver]
    basis = Basis.RELATIVE if subject.relative else Basis.ABSOLUTE
    for cell in scope.cells:
        if budget.covers(cell) and budget.metric in scope.metrics.get(cell.probe, ()):
            own = replace(cell, driver=subject.driver)
            left, right = runs[str(budget.reference)], runs[subject.run]
            yield Matched(left, right, own, Key.of(own, budget.metric), basis)


def _judge(owed: Matched, terms: BudgetCriteria, accept: Sequence[str]) -> BudgetResult:
    missing = "; ".join(
        f"{sample.label} has no sample of {owed.cell.driver} here: {sample.absent}"
        for sample in owed.samples
        if sample.absent
    )
    return terms.result(_evidence(owed, terms), missing or _withheld(owed, accept))


def _withheld(owed: Matched, accept: Sequence[str]) -> str:
    found = accepted(differences(owed.left.conditions, owed.right.conditions), accept)
    names = dict.fromkeys(fact_of(one) for one in owed.withheld(found))
    said = ", ".join(names)
    return said and f"the runs differ in {said}: --accept compares them all the same"


def _evidence(owed: Matched, terms: BudgetCriteria) -> Evidence:
    """Return what both samples show on the scale that is judged."""
    left, right = owed.samples
    own, other, factor = left.effects, right.effects, 1.0
    if not terms.logarithmic:
        own, other, factor = left.values, right.values, terms.budget.factor
    logs = owed.evidence(terms.alpha, terms.margin)
    machine, compared = logs.machine, METRICS[owed.key.metric].compared
    return Evidence(
        baseline=terms.baseline,
        interval=welch(own, other, terms.alpha, factor=factor, day=DAYS[owed.basis]),
        limit=terms.limit,
        twin=shift(own, other, factor),
        gap=_gap(terms, left, right),
        agreed=terms.stand(extremes(factor * own, other)) is not Standing.UNDECIDED,
        null=logs.null,
        null_reach=_scaled(logs.null_reach, terms, left) if compared else logs.null_reach,
        counts=logs.counts,
        needed=logs.needed,
        machine=machine and replace(machine, size=_scaled(machine.size, terms, left)),
    )


def _scaled(size: float, terms: BudgetCriteria, left: Drawn) -> float:
    """Return the size of a log ratio on the scale that is judged."""
    if terms.logarithmic or not left.blocks:
        return size
    level = abs(float(np.mean(left.values))) * max(1.0, terms.budget.factor)
    return math.expm1(size) * level


def _gap(terms: BudgetCriteria, left: Drawn, right: Drawn) -> float:
    """Return the gap between groups of a run's values on the scale that is judged; 0 for none."""
    least = math.log1p(terms.margin)
    if terms.logarithmic:
        return max(group_gap(side.effects, (side.effects,), least) for side in (left, right))
    positive = [side.values for side in (left, right) if (side.values > 0).all()]
    return max((group_gap(values, (np.log(values),), least) for values in positive), default=0.0)
