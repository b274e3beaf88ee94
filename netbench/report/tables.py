"""summary.csv: one row for each contrast, then one for each cell without a contrast."""

import csv
import io
from typing import Final

from netbench.analysis.cell_key import plain
from netbench.analysis.model import Analysis, CellSummary, Contrast

FIELDS: Final = (
    "driver",
    "baseline",
    "path",
    "probe",
    "placement",
    "metric",
    "unit",
    "primary",
    "blocks",
    "ratio",
    "low",
    "high",
    "unshared_low",
    "unshared_high",
    "median_ratio",
    "difference",
    "driver_median",
    "baseline_median",
    "p25",
    "p75",
    "trials",
    "failures",
    "skips",
    "verdict",
    "by_sign",
    "reason",
    "noise_floor",
    "warnings",
    "reasons",
    "saturated",
)
_FORMULA: Final = ("=", "+", "-", "@", "\uff1d", "\uff0b", "\uff0d", "\uff20")
"""Beginnings that spreadsheets take for a formula, in both widths."""
Field = str | int | float | bool | None


def csv_text(analysis: Analysis) -> str:
    """Return the table; an empty field is an absent value, never a zero."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(FIELDS)
    summaries = {_key(cell): cell for cell in analysis.cells if not cell.replica}
    compared = set()
    for contrast in analysis.contrasts:
        compared.add(_key(contrast))
        writer.writerow(_row(contrast, summaries.get(_key(contrast)), analysis.baseline))
    for key, cell in summaries.items():
        if key not in compared:
            writer.writerow(_row(None, cell, analysis.baseline))
    return stream.getvalue()


def safe(text: str) -> str:
    """Return `text` on one line, and so that a spreadsheet takes it for text, not a formula."""
    clean = plain(text)
    return f"'{clean}" if clean.startswith(_FORMULA) else clean


def _key(thing: Contrast | CellSummary) -> tuple[str, ...]:
    return thing.driver, thing.path, thing.probe, thing.placement.value, thing.metric


def _row(contrast: Contrast | None, cell: CellSummary | None, baseline: str) -> list[Field]:
    named: dict[str, Field] = {"baseline": baseline}
    named |= _of_cell(cell) if cell else {}
    named |= _of_contrast(contrast) if contrast else {}
    values = (named.get(field) for field in FIELDS)
    return [safe(value) if isinstance(value, str) else value for value in values]


def _of_cell(cell: CellSummary) -> dict[str, Field]:
    return {
        "driver": cell.driver,
        "path": cell.path,
        "probe": cell.probe,
        "placement": cell.placement.value,
        "metric": cell.metric,
        "unit": cell.unit,
        "driver_median": cell.median,
        "p25": cell.p25,
        "p75": cell.p75,
        "trials": cell.trials,
        "failures": cell.failures,
        "skips": cell.skips,
        "reasons": "; ".join(cell.reasons),
        "saturated": cell.saturated,
    }


def _of_contrast(contrast: Contrast) -> dict[str, Field]:
    alone = contrast.unshared or (None, None)
    return {
        "driver": contrast.driver,
        "path": contrast.path,
        "probe": contrast.probe,
        "placement": contrast.placement.value,
        "metric": contrast.metric,
        "unit": contrast.unit,
        "primary": contrast.primary,
        "blocks": contrast.blocks,
        "ratio": contrast.ratio,
        "low": contrast.low,
        "high": contrast.high,
        "unshared_low": alone[0],
        "unshared_high": alone[1],
        "median_ratio": contrast.median_ratio,
        "difference": contrast.difference,
        "driver_median": contrast.driver_median,
        "baseline_median": contrast.baseline_median,
        "verdict": contrast.verdict.value,
        "by_sign": contrast.by_sign,
        "reason": contrast.reason,
        "noise_floor": contrast.noise_floor,
        "warnings": "; ".join(f"{w.kind}: {w.message}" for w in contrast.warnings),
    }
