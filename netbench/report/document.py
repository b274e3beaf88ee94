"""The `--json` document of `run` and `report`, schema 2."""

import math
from collections.abc import Sequence
from typing import Final

from netbench.analysis.model import (
    Analysis,
    BudgetResult,
    Ceiling,
    CellSummary,
    Contrast,
    NullContrast,
    QualityWarning,
)
from netbench.analysis.series import BlockDelta, in_columns
from netbench.analysis.literature import Beside, beside
from netbench.documents.run import (
    BudgetRow,
    CeilingRow,
    CellRow,
    ContrastRow,
    DeltaRow,
    NullRow,
    PublishedRow,
    RunDocument,
    WarningRow,
)
from netbench.record import RunInfo
from netbench.report.stopping import ending
from netbench.spec import Path

SCHEMA: Final = 2

Json = str | int | float | bool | None | list["Json"] | dict[str, "Json"]


def document(
    info: RunInfo, analysis: Analysis, folder: str, exit_code: int, lead: str | None = None
) -> RunDocument:
    """Return the document; fields may be added to it, never renamed."""
    return {
        "schema": SCHEMA,
        "folder": folder,
        "engine": info.engine,
        "engine_why": info.engine_why,
        "baseline": analysis.baseline,
        "seed": info.plan.seed,
        "exit": exit_code,
        "status": info.status,
        "lead": lead,
        "ending": ending(info, analysis),
        "precision": info.plan.precision,
        "margin": analysis.margin,
        "alpha": _number(analysis.alpha),
        "measuring_share": _number(analysis.measuring_share),
        "contrasts": [_contrast(contrast) for contrast in analysis.contrasts],
        "cells": [_cell(cell) for cell in analysis.cells if not cell.replica],
        "baseline_again": [_cell(cell) for cell in analysis.cells if cell.replica],
        "nulls": [_null(null) for null in analysis.nulls],
        "budgets": [budget_row(result) for result in analysis.budgets],
        "ceilings": [_ceiling(ceiling) for ceiling in analysis.ceilings],
        "warnings": _warnings(analysis.warnings),
        "published": [_published(one) for one in beside(info.plan, analysis)],
    }


def _published(one: Beside) -> PublishedRow:
    told, contrast = one.published, one.contrast
    return {
        "source": told.source,
        "url": told.url,
        "driver": told.driver,
        "baseline": told.baseline,
        "path": told.path,
        "probe": told.probe,
        "placement": told.placement,
        "metric": told.metric,
        "direction": told.direction,
        "published_ratio": told.ratio,
        "conditions": told.conditions,
        "agreement": one.agreement,
        "reason": one.reason,
        "ratio": _number(contrast.ratio) if contrast else None,
        "low": _number(contrast.low) if contrast else None,
        "high": _number(contrast.high) if contrast else None,
    }


def _number(value: float | None) -> float | None:
    """Return the value where JSON has a number for it."""
    return value if value is not None and math.isfinite(value) else None


def _warnings(warnings: tuple[QualityWarning, ...]) -> list[WarningRow]:
    return [{"kind": w.kind, "message": w.message, "advice": w.advice} for w in warnings]


def _deltas(deltas: Sequence[BlockDelta]) -> Sequence[DeltaRow]:
    """Return the rows, each made when it is written: there may be a great many."""
    return in_columns(deltas, BlockDelta).made(_delta)


def _delta(block: int, log_ratio: float) -> DeltaRow:
    return {"block": block, "log_ratio": _number(log_ratio)}


def _contrast(contrast: Contrast) -> ContrastRow:
    return {
        "driver": contrast.driver,
        "baseline": contrast.baseline,
        "path": Path(contrast.path),
        "probe": contrast.probe,
        "placement": contrast.placement,
        "metric": contrast.metric,
        "unit": contrast.unit,
        "primary": contrast.primary,
        "ratio": _number(contrast.ratio),
        "low": _number(contrast.low),
        "high": _number(contrast.high),
        "unshared": [_number(end) for end in contrast.unshared] if contrast.unshared else None,
        "median_ratio": _number(contrast.median_ratio),
        "difference": _number(contrast.difference),
        "difference_low": _number(contrast.difference_low),
        "difference_high": _number(contrast.difference_high),
        "driver_median": _number(contrast.driver_median),
        "baseline_median": _number(contrast.baseline_median),
        "verdict": contrast.verdict,
        "reason": contrast.reason,
        "by_sign": contrast.by_sign,
        "blocks": contrast.blocks,
        "noise_floor": _number(contrast.noise_floor),
        "saturated": contrast.saturated,
        "warnings": _warnings(contrast.warnings),
        "deltas": _deltas(contrast.deltas),
        "stopped": contrast.stopped,
        "stopped_after": contrast.stopped_after,
        "forecast": contrast.forecast,
        "forecast_verdict": contrast.forecast_verdict,
    }


def budget_row(result: BudgetResult) -> BudgetRow:
    """Return one budget in one cell, as `run`, `report` and `compare` have it."""
    bounded = result.low is not None and result.high is not None
    return {
        "expression": str(result.budget),
        "cell": {
            "driver": result.budget.driver,
            "path": Path(result.path),
            "probe": result.probe,
            "placement": result.placement,
        },
        "metric": result.budget.metric,
        "unit": result.unit,
        "status": result.standing,
        "measured": _number(result.measured),
        "interval": [_number(result.low), _number(result.high)] if bounded else None,
        "bound": _number(result.bound),
        "blocks": result.blocks,
        "reason": result.reason,
    }


def _cell(cell: CellSummary) -> CellRow:
    return {
        "driver": cell.driver,
        "path": Path(cell.path),
        "probe": cell.probe,
        "placement": cell.placement,
        "metric": cell.metric,
        "unit": cell.unit,
        "median": _number(cell.median),
        "p25": _number(cell.p25),
        "p75": _number(cell.p75),
        "trials": cell.trials,
        "failures": cell.failures,
        "skips": cell.skips,
        "reasons": list(cell.reasons),
        "saturated": cell.saturated,
    }


def _null(null: NullContrast) -> NullRow:
    return {
        "path": Path(null.path),
        "probe": null.probe,
        "placement": null.placement,
        "metric": null.metric,
        "blocks": null.blocks,
        "ratio": _number(null.ratio),
        "low": _number(null.low),
        "high": _number(null.high),
        "deviation": _number(null.deviation),
        "contains_one": null.contains_one,
        "deltas": _deltas(null.deltas),
    }


def _ceiling(ceiling: Ceiling) -> CeilingRow:
    return {
        "placement": ceiling.placement,
        "copy": _number(ceiling.copy),
        "copy_memory": _number(ceiling.copy_memory),
        "why": ceiling.why,
        "loopbacks": [
            {
                "probe": loopback.probe,
                "value": _number(loopback.value),
                "source": loopback.source,
                "efficiencies": [
                    {"driver": driver, "efficiency": _number(share)}
                    for driver, share in loopback.efficiencies
                ],
            }
            for loopback in ceiling.loopbacks
        ],
    }
