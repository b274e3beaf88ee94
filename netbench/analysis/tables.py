"""A run as pandas frames with fixed columns; a number that is not there is NaN, never 0."""

from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Final

import pandas as pd

from netbench.analysis.block_pairs import grouped
from netbench.analysis.frame import Trial, framed
from netbench.analysis.model import Analysis, Contrast
from netbench.record import Record, RunInfo

TEXT, NUMBER, WHOLE, FLAG = "object", "float64", "int64", "bool"

TRIALS: Final = {
    "run": TEXT,
    **dict.fromkeys(("record", "block", "position", "attempt"), WHOLE),
    "started": "datetime64[ns, UTC]",
    "driver": TEXT,
    "replica": WHOLE,
    **dict.fromkeys(("path", "probe", "placement", "outcome", "reason", "metric", "unit"), TEXT),
    **dict.fromkeys(("value", "sentinel_before", "sentinel_after", "steal"), NUMBER),
}
CONTRASTS: Final = {
    **dict.fromkeys(("run", "driver", "baseline", "path", "probe", "placement"), TEXT),
    **dict.fromkeys(("metric", "unit"), TEXT),
    "primary": FLAG,
    "blocks": WHOLE,
    **dict.fromkeys(("ratio", "low", "high", "difference"), NUMBER),
    **dict.fromkeys(("driver_median", "baseline_median"), NUMBER),
    **dict.fromkeys(("verdict", "reason"), TEXT),
    "by_sign": FLAG,
    **dict.fromkeys(("median_ratio", "unshared_low", "unshared_high", "noise_floor"), NUMBER),
    **dict.fromkeys(("saturated", "stopped", "warnings"), TEXT),
}
CELLS: Final = {
    **dict.fromkeys(("run", "driver"), TEXT),
    "replica": WHOLE,
    **dict.fromkeys(("path", "probe", "placement", "metric", "unit"), TEXT),
    **dict.fromkeys(("median", "p25", "p75"), NUMBER),
    **dict.fromkeys(("trials", "failures", "skips"), WHOLE),
    **dict.fromkeys(("reasons", "saturated"), TEXT),
}
"""Each frame's columns with their types."""


def trials(info: RunInfo, records: Iterable[Record]) -> pd.DataFrame:
    """Return one row for each record and metric; for one without numbers one with `reason`."""
    frames = framed(info.plan, records)
    points = grouped((point.record, point) for point in frames.points)
    rows = [
        row | {name: getattr(point, name, None) for name in ("metric", "unit", "value")}
        for trial in frames.trials
        for row in [_trial(trial)]
        for point in points.get(trial.record, [None])
    ]
    return _frame(info, rows, TRIALS)


def contrasts(info: RunInfo, analysis: Analysis) -> pd.DataFrame:
    """Return one row for each contrast."""
    return _frame(info, [_contrast(contrast) for contrast in analysis.contrasts], CONTRASTS)


def cells(info: RunInfo, analysis: Analysis) -> pd.DataFrame:
    """Return one row for each arm, cell and metric: medians and quartiles of all its values."""
    return _frame(info, [_fields(cell, CELLS) for cell in analysis.cells], CELLS)


def _frame(
    info: RunInfo, rows: list[dict[str, object]], columns: Mapping[str, str]
) -> pd.DataFrame:
    found = pd.DataFrame(rows, columns=[name for name in columns if name != "run"])
    if "started" in columns:
        found["started"] = pd.to_datetime(found["started"], utc=True, format="ISO8601")
    return found.assign(run=info.id)[list(columns)].astype(columns)


def _fields(value: object, columns: Iterable[str]) -> dict[str, object]:
    return {name: _plain(getattr(value, name)) for name in columns if hasattr(value, name)}


def _plain(value: object) -> object:
    if isinstance(value, StrEnum):
        return value.value
    return "; ".join(value) if isinstance(value, tuple) else value


def _trial(trial: Trial) -> dict[str, object]:
    return {
        **_fields(trial, TRIALS),
        **_fields(trial.cell, TRIALS),
        "sentinel_before": trial.before.value if trial.before else None,
        "sentinel_after": trial.after.value if trial.after else None,
    }


def _contrast(contrast: Contrast) -> dict[str, object]:
    low, high = contrast.unshared or (None, None)
    kinds = tuple(dict.fromkeys(warning.kind for warning in contrast.warnings))
    shown = {"unshared_low": low, "unshared_high": high, "warnings": _plain(kinds)}
    return _fields(contrast, {*CONTRASTS} - {*shown}) | shown
