"""Budgets between runs: judged as two independent samples, and confirmed by another run."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from netbench.analysis.block_pairs import Key
from netbench.analysis.budgets import BudgetCriteria
from netbench.analysis.compare.differences import accepted, differences, fact_of
from netbench.analysis.compare.model import DAYS, Basis, Drawn, Matched, Measured, ScatterOf
from netbench.analysis.gates import Evidence, group_gap
from netbench.analysis.model import BudgetResult, Confirmation, Standing
from netbench.analysis.stats import ALPHA, extremes, shift, welch
from netbench.plan.budget_scope import RunsScope
from netbench.record import METRICS, Budget

Owed = tuple[Budget, Matched]  # a budget, and what it stands for in one cell


@dataclass(frozen=True, slots=True)
class RunsJudge:
    """Judges budgets between runs."""

    budgets: tuple[Budget, ...]
    scope: RunsScope
    accept: tuple[str, ...]
    margin: float
    scatter_of: ScatterOf | None = None  # how far runs lie apart in which nothing changed

    def results(self, runs: Sequence[Measured]) -> tuple[BudgetResult, ...]:
        """Return every budget in every cell that it stands for."""
        return tuple(_judged(list(self._owed(runs)), self.accept, self.margin))

    def confirmed(
        self, runs: Sequence[Measured], again: Measured, *, allow_undecided: bool
    ) -> tuple[BudgetResult, ...]:
        """Return the same, those that are missed judged once more with `again` as the last run.

        Those alone share the error rate then. A budget that does not name the last run stays.
        """
        *others, last = runs
        label, first = last.run.label, list(self._owed(runs))
        found = list(_judged(first, self.accept, self.margin))
        second = list(self._owed([*others, again], {label: again}))
        missed = [
            at
            for at, ((budget, _), result) in enumerate(zip(first, found, strict=True))
            if not result.kept(allow_undecided=allow_undecided)
            and label in {budget.reference, self.scope.subjects[budget.driver].run}
        ]
        judged = _judged([second[at] for at in missed], self.accept, self.margin)
        for at, result in zip(missed, judged, strict=True):
            confirmation = Confirmation(again.run.label, again.run.info.plan.seed, result)
            found[at] = replace(found[at], again=confirmation)
        return tuple(found)

    def _owed(
        self, runs: Sequence[Measured], instead: Mapping[str, Measured] | None = None
    ) -> Iterator[Owed]:
        named = {measured.run.label: measured for measured in runs} | dict(instead or {})
        for budget in self.budgets:
            for one in _owed(budget, self.scope, named):
                yield budget, one.scattered(self.scatter_of)


def _judged(owed: Sequence[Owed], accept: Sequence[str], margin: float) -> Iterator[BudgetResult]:
    alpha = ALPHA / max(len(owed), 1)
    for budget, one in owed:
        terms = BudgetCriteria(budget, one.cell, one.baseline, alpha, margin)
        yield _judge(one, terms, accept)


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
    left, right = owed.samples
    own, other, factor, units = left.effects, right.effects, 1.0, (1.0, 1.0)
    if not terms.logarithmic:
        own, other, factor = left.values, right.values, terms.budget.factor
        if left.blocks and right.blocks:
            units = float(np.mean(own)), float(np.mean(other))
    logs = owed.evidence(terms.alpha, terms.margin)
    machine, compared = logs.machine, METRICS[owed.key.metric].compared
    return Evidence(
        baseline=terms.baseline,
        interval=welch(
            own,
            other,
            terms.alpha,
            factor=factor,
            day=DAYS[owed.basis],
            scatter=owed.scatter if compared else None,
            units=units,
        ),
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
    least = math.log1p(terms.margin)
    if terms.logarithmic:
        return max(group_gap(side.effects, (side.effects,), least) for side in (left, right))
    positive = [side.values for side in (left, right) if (side.values > 0).all()]
    return max((group_gap(values, (np.log(values),), least) for values in positive), default=0.0)
