"""summary.csv, one row a contrast or cell, and frames as files; no field is a formula."""

import csv
import io
from typing import TYPE_CHECKING, Final

from netbench.analysis.cell_key import plain
from netbench.analysis.model import Analysis, CellSummary, Contrast
from netbench.errors import ConfigurationError

if TYPE_CHECKING:
    import pandas as pd

FIELDS: Final = (
    *("driver", "baseline", "path", "probe", "placement", "metric", "unit", "primary", "blocks"),
    *("ratio", "low", "high", "unshared_low", "unshared_high", "median_ratio", "difference"),
    *("driver_median", "baseline_median", "p25", "p75", "trials", "failures", "skips"),
    *("verdict", "by_sign", "reason", "noise_floor", "warnings", "reasons", "saturated"),
)
"""Most are fields of a contrast, or else of a cell."""
_FORMULA: Final = ("=", "+", "-", "@", "\uff1d", "\uff0b", "\uff0d", "\uff20")
"""Beginnings that spreadsheets take for a formula, in both widths."""
Field = str | int | float | bool | None


def csv_text(analysis: Analysis) -> str:
    """Return summary.csv; an empty field is an absent value, never a zero."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(FIELDS)
    cells = {_key(cell): cell for cell in analysis.cells if not cell.replica}
    contrasts = {_key(contrast): contrast for contrast in analysis.contrasts}
    for key in dict.fromkeys((*contrasts, *cells)):
        writer.writerow(_row(contrasts.get(key), cells.get(key), analysis.baseline))
    return stream.getvalue()


def safe(text: str) -> str:
    """Return `text` on one line, and so that a spreadsheet takes it for text, not a formula."""
    clean = plain(text)
    return f"'{clean}" if clean.startswith(_FORMULA) else clean


def _key(thing: Contrast | CellSummary) -> tuple[str, ...]:
    return thing.driver, thing.path, thing.probe, thing.placement.value, thing.metric


def _row(contrast: Contrast | None, cell: CellSummary | None, baseline: str) -> list[Field]:
    named: dict[str, Field] = {"baseline": baseline}
    for thing in (cell, contrast):
        named |= {name: getattr(thing, name) for name in FIELDS if hasattr(thing, name)}
    if cell:
        named |= {
            "driver_median": contrast.driver_median if contrast else cell.median,
            "saturated": cell.saturated,
            "reasons": "; ".join(cell.reasons),
        }
    if contrast:
        named["unshared_low"], named["unshared_high"] = contrast.unshared or (None, None)
        named["warnings"] = "; ".join(f"{w.kind}: {w.message}" for w in contrast.warnings)
    values = (named.get(field) for field in FIELDS)
    return [safe(value) if isinstance(value, str) else value for value in values]


def csv_of(frame: "pd.DataFrame") -> str:
    """Return a frame as CSV, moments in ISO 8601; an empty field is an absent value."""
    shown = frame.copy()
    for name in shown.columns:
        if shown[name].dtype == object:
            texts = {value: safe(value) for value in shown[name].dropna().unique()}
            shown[name] = shown[name].map(texts)
        elif shown[name].dtype.kind == "M":
            shown[name] = shown[name].dt.strftime("%Y-%m-%dT%H:%M:%SZ")
    return str(shown.to_csv(index=False, lineterminator="\n"))


def parquet_of(frame: "pd.DataFrame") -> bytes:
    """Return a frame as a Parquet file.

    Raises:
        ConfigurationError: pyarrow is not installed.
    """
    try:
        content = frame.to_parquet(None, engine="pyarrow", index=False)
    except ImportError as exc:
        raise ConfigurationError(
            "--format parquet needs pyarrow, which is not installed",
            hint="pip install 'netbench[parquet]'",
        ) from exc
    return bytes(content)
