"""A run as pandas frames with a fixed set of columns, for whoever computes on.

A number that is not there is missing (NaN), never a zero.
"""

from collections.abc import Iterable, Iterator
from typing import Final

import numpy as np
import pandas as pd

from netbench.analysis.derived import with_buffer_delay
from netbench.analysis.frame import collect
from netbench.analysis.model import Analysis, CellSummary, Contrast
from netbench.record import Record, RunInfo

TEXT, NUMBER, WHOLE, FLAG = "object", "float64", "int64", "bool"

TRIALS: Final = {
    "run": TEXT,
    "record": WHOLE,
    "block": WHOLE,
    "position": WHOLE,
    "attempt": WHOLE,
    "started": "datetime64[ns, UTC]",
    "driver": TEXT,
    "replica": WHOLE,
    "path": TEXT,
    "probe": TEXT,
    "placement": TEXT,
    "outcome": TEXT,
    "reason": TEXT,
    "metric": TEXT,
    "unit": TEXT,
    "value": NUMBER,
    "sentinel_before": NUMBER,
    "sentinel_after": NUMBER,
    "steal": NUMBER,
}
"""Columns of `trials`, with their types."""
_OF_TRIALS: Final = {
    name: {"sentinel_before": "before", "sentinel_after": "after"}.get(name, name)
    for name in TRIALS
    if name not in {"run", "started", "metric", "unit", "value"}
}
"""Columns of `trials` that each trial has once, by their name there."""
CONTRASTS: Final = {
    "run": TEXT,
    "driver": TEXT,
    "baseline": TEXT,
    "path": TEXT,
    "probe": TEXT,
    "placement": TEXT,
    "metric": TEXT,
    "unit": TEXT,
    "primary": FLAG,
    "blocks": WHOLE,
    "ratio": NUMBER,
    "low": NUMBER,
    "high": NUMBER,
    "difference": NUMBER,
    "driver_median": NUMBER,
    "baseline_median": NUMBER,
    "verdict": TEXT,
    "reason": TEXT,
    "by_sign": FLAG,
    "median_ratio": NUMBER,
    "unshared_low": NUMBER,
    "unshared_high": NUMBER,
    "noise_floor": NUMBER,
    "saturated": TEXT,
    "stopped": TEXT,
    "warnings": TEXT,
}
"""Columns of `contrasts`, with their types."""
CELLS: Final = {
    "run": TEXT,
    "driver": TEXT,
    "replica": WHOLE,
    "path": TEXT,
    "probe": TEXT,
    "placement": TEXT,
    "metric": TEXT,
    "unit": TEXT,
    "median": NUMBER,
    "p25": NUMBER,
    "p75": NUMBER,
    "trials": WHOLE,
    "failures": WHOLE,
    "skips": WHOLE,
    "reasons": TEXT,
    "saturated": TEXT,
}
"""Columns of `cells`, with their types."""


def trials(info: RunInfo, records: Iterable[Record]) -> pd.DataFrame:
    """Return one row for each session or trial and metric, in the order of the records.

    A record that gave no number has one row: `metric`, `unit` and `value` are missing, and `reason`
    says why.
    """
    started: dict[int, str] = {}

    def noting() -> Iterator[Record]:
        for record in records:
            started[record.number] = record.clock.started
            yield record

    frames = collect(noting())
    frames = with_buffer_delay(frames, info.plan)
    numbers = frames.numbers
    none = np.setdiff1d(np.arange(len(frames.trials)), numbers.row)
    row = np.concatenate((numbers.row, none))
    lost = [None] * len(none)
    every = frames.trials.at(row)
    whole = pd.DataFrame(
        {
            "run": info.id,
            **{name: getattr(every, field).tolist() for name, field in _OF_TRIALS.items()},
            "metric": [*numbers.metric.tolist(), *lost],
            "unit": [*numbers.unit.tolist(), *lost],
            "value": np.concatenate((numbers.value, np.full(len(none), np.nan))),
            "started": pd.to_datetime(
                [started[number] for number in every.record.tolist()], utc=True, format="ISO8601"
            ),
        }
    )
    order = ["record", "block", "position", "metric"]
    whole = whole.sort_values(order, kind="stable", ignore_index=True)
    return whole[list(TRIALS)].astype(TRIALS)


def contrasts(info: RunInfo, analysis: Analysis) -> pd.DataFrame:
    """Return one row for each contrast."""
    return _frame(info, [_contrast(contrast) for contrast in analysis.contrasts], CONTRASTS)


def cells(info: RunInfo, analysis: Analysis) -> pd.DataFrame:
    """Return one row for each arm, cell and metric: medians and quartiles of all its values."""
    return _frame(info, [_cell(cell) for cell in analysis.cells], CELLS)


def _frame(info: RunInfo, rows: list[dict[str, object]], columns: dict[str, str]) -> pd.DataFrame:
    found = pd.DataFrame(rows, columns=[name for name in columns if name != "run"])
    return found.assign(run=info.id)[list(columns)].astype(columns)


def _contrast(contrast: Contrast) -> dict[str, object]:
    row = {name: getattr(contrast, name) for name in CONTRASTS if hasattr(contrast, name)}
    low, high = contrast.unshared or (None, None)
    return row | {
        "placement": contrast.placement.value,
        "unshared_low": low,
        "unshared_high": high,
        "verdict": contrast.verdict.value,
        "stopped": contrast.stopped.value,
        "warnings": "; ".join(dict.fromkeys(warning.kind for warning in contrast.warnings)),
    }


def _cell(cell: CellSummary) -> dict[str, object]:
    row = {name: getattr(cell, name) for name in CELLS if hasattr(cell, name)}
    return row | {"placement": cell.placement.value, "reasons": "; ".join(cell.reasons)}
