"""The `--json` document of `compare`, schema 2."""

from typing import Any, Final

from netbench.analysis.compare.differences import RunDifference
from netbench.analysis.compare.model import MachineState, Pairing, RunComparison, RunContrast, Side
from netbench.documents import plain
from netbench.documents.compare import (
    CompareDocument,
    DifferenceRow,
    MachineRow,
    RunContrastRow,
    SideRow,
    Value,
)
from netbench.documents.run import BudgetRow
from netbench.record import Absent, FactValue
from netbench.spec import Path

SCHEMA: Final = 2


def document(comparison: RunComparison, page: str, exit_code: int) -> dict[str, Any]:
    """Return the document; fields may be added to it, never renamed."""
    return plain(_document(comparison, page, exit_code))


def _document(comparison: RunComparison, page: str, exit_code: int) -> CompareDocument:
    first, second, *_ = comparison.runs
    return {
        "schema": SCHEMA,
        "left": first.folder,
        "right": second.folder,
        "runs": [
            {"label": run.label, "folder": run.folder, "engine": run.info.engine}
            for run in comparison.runs
        ],
        "page": page,
        "exit": exit_code,
        "accepted": list(comparison.accept),
        "alpha": comparison.alpha,
        "margin": comparison.margin,
        "differences": [
            _difference(one, pairing)
            for pairing in comparison.pairings
            for one in pairing.differences
        ],
        "contrasts": [
            _contrast(one) for pairing in comparison.pairings for one in pairing.contrasts
        ],
        "machine": [
            _machine(state, pairing) for pairing in comparison.pairings for state in pairing.machine
        ],
        "verdict_withheld": any(pairing.withheld for pairing in comparison.pairings),
        "withheld_by": list(
            dict.fromkeys(
                fact
                for pairing in comparison.pairings
                for one in pairing.contrasts
                for fact in one.withheld
            )
        ),
        "budgets": [BudgetRow.of(result) for result in comparison.budgets],
    }


def _difference(one: RunDifference, pairing: Pairing) -> DifferenceRow:
    scope = one.scope
    return {
        "fact": one.fact,
        "left": _value(one.left),
        "right": _value(one.right),
        "confounder": one.confounder,
        "accepted": one.accepted,
        "meaning": one.meaning,
        "run": pairing.right.label,
        "driver": scope.driver,
        "path": scope.path,
        "probe": scope.probe,
        "placement": scope.placement,
        "link": scope.detail,
    }


def _value(value: FactValue | None) -> Value:
    """Return a fact's value; None where the run does not have it, be it recorded as absent."""
    match value:
        case None | Absent():
            return None
        case tuple():
            return list(value)
        case _:
            return value


def _contrast(one: RunContrast) -> RunContrastRow:
    return {
        "driver": one.driver,
        "baseline": one.baseline,
        "path": Path(one.path),
        "probe": one.probe,
        "placement": one.placement,
        "metric": one.metric,
        "unit": one.unit,
        "primary": one.primary,
        "basis": one.basis,
        "left": _side(one.left),
        "right": _side(one.right),
        "ratio": one.ratio,
        "low": one.low,
        "high": one.high,
        "difference": one.difference,
        "verdict": one.verdict,
        "reason": one.reason,
        "blocks": min(one.left.blocks, one.right.blocks),
        "noise_floor": one.noise_floor,
        "machine": one.machine,
        "withheld": list(one.withheld),
        "warnings": list(one.warnings),
    }


def _side(side: Side) -> SideRow:
    return {
        "run": side.run,
        "blocks": side.blocks,
        "level": side.level,
        "median": side.median,
        "reason": side.reason,
    }


def _machine(state: MachineState, pairing: Pairing) -> MachineRow:
    return {
        "run": pairing.right.label,
        "placement": state.placement,
        "left": state.left,
        "right": state.right,
        "ratio": state.ratio,
        "unit": state.unit,
    }
