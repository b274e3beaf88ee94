"""Frames as files for other programs: CSV that no spreadsheet takes for formulas, and Parquet."""

from typing import TYPE_CHECKING

from netbench.errors import ConfigurationError
from netbench.report.tables import safe

if TYPE_CHECKING:
    import pandas as pd


def csv_of(frame: "pd.DataFrame") -> str:
    """Return a frame as CSV; an empty field is an absent value, never a zero.

    Moments are ISO 8601 in UTC, numbers have every digit.
    """
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
