"""The `--json` document of `compare`, schema 2."""

from dataclasses import replace
from typing import Any, Final

from msgspec import convert
from msgspec.structs import replace as changed

from netbench.analysis.compare.model import ComparedSide, RunComparison, RunContrast
from netbench.documents import plain
from netbench.documents.run import (
    BudgetRow,
    CompareDocument,
    ComparedRun,
    DifferenceRow,
    HistoryRow,
    MachineRow,
    RunContrastRow,
    Value,
)
from netbench.documents.trend import ScatterRow
from netbench.record import Absent, FactValue
from netbench.report.compare.differences import to_accept
from netbench.report.compare.labels import answer

SCHEMA: Final = 2


def document(comparison: RunComparison, page: str, exit_code: int) -> dict[str, Any]:
    """Return a `CompareDocument`; fields may be added to it, never renamed."""
    runs, pairings = comparison.runs, comparison.pairings
    contrasts = [one for pairing in pairings for one in pairing.contrasts]
    return plain(
        CompareDocument(
            schema=SCHEMA,
            left=runs[0].folder,
            right=runs[1].folder,
            runs=list(map(_run, runs)),
            confirmation=_run(comparison.confirmation) if comparison.confirmation else None,
            page=page,
            exit=exit_code,
            accepted=list(comparison.accept),
            alpha=comparison.alpha,
            margin=comparison.margin,
            differences=_differences(comparison),
            contrasts=[_contrast(one) for one in contrasts],
            machine=[
                MachineRow(pairing.right.label, x.placement, x.left, x.right, x.ratio, x.unit)
                for pairing in pairings
                for x in pairing.machine
            ],
            verdict_withheld=any(pairing.withheld for pairing in pairings),
            withheld_by=list(dict.fromkeys(fact for one in contrasts for fact in one.withheld)),
            to_accept=list(to_accept(comparison)),
            answer=[answer(pairing) for pairing in pairings],
            budgets=[BudgetRow.of(result) for result in comparison.budgets],
            history=_history(comparison),
        )
    )


def _run(run: ComparedSide) -> ComparedRun:
    return ComparedRun(run.label, run.folder, run.info.engine, run.analysis.warnings)


def _history(comparison: RunComparison) -> HistoryRow | None:
    read = comparison.history
    return None if read is None else HistoryRow(list(read.directories), read.runs)


def _contrast(one: RunContrast) -> RunContrastRow:
    """Return a row; a field of the same name is taken over, a scatter is one of its own."""
    row = convert(replace(one, history=None), RunContrastRow, from_attributes=True)
    return changed(row, history=ScatterRow.of(one.history))


def _differences(comparison: RunComparison) -> list[DifferenceRow]:
    return [
        DifferenceRow(
            fact=one.fact,
            left=_value(one.left),
            right=_value(one.right),
            confounder=one.confounder,
            unknown=one.unknown,
            accepted=one.accepted,
            meaning=one.meaning,
            run=pairing.right.label,
            driver=one.scope.driver,
            path=one.scope.path,
            probe=one.scope.probe,
            placement=one.scope.placement,
            link=one.scope.detail,
        )
        for pairing in comparison.pairings
        for one in pairing.differences
    ]


def _value(value: FactValue | None) -> Value:
    """Return a fact's value; None if the run does not have it, be it recorded as absent."""
    if isinstance(value, tuple):
        return list(value)
    return None if isinstance(value, Absent) else value
