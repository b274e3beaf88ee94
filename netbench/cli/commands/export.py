"""`netbench export`: a run for other programs, as CSV, Parquet, JSON or OpenMetrics."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from netbench import api, report
from netbench.cli.output import say
from netbench.errors import ConfigurationError
from netbench.store import json_text, write_whole

if TYPE_CHECKING:
    import pandas as pd

FORMATS: Final = ("csv", "parquet", "json", "openmetrics")
FRAMES: Final[dict[str, Callable[[api.Run], "pd.DataFrame"]]] = {
    "trials": api.Run.frame,
    "contrasts": api.Run.contrasts,
    "cells": api.Run.cells,
}
"""Tables that CSV and Parquet hold, one a file."""


def export(
    folder: Annotated[Path, typer.Argument(help="A run folder.")],
    kind: Annotated[
        str, typer.Option("--format", metavar="NAME", help="csv, parquet, json or openmetrics.")
    ] = "csv",
    table: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="Of csv and parquet: trials, contrasts or cells; default: trials."
        ),
    ] = None,
    output: Annotated[
        Path | None, typer.Option(metavar="FILE", help="File to write; default: standard output.")
    ] = None,
) -> None:
    """Write a run as CSV, Parquet, JSON or OpenMetrics.

    Parquet needs pyarrow: pip install 'netbench[parquet]'.
    """
    _check(kind, table, output)
    run = api.load(folder)
    content = _content(run, kind, table or "trials")
    for note in run.notes:
        say(f"netbench: {note}")
    if output is not None:
        write_whole(output, content)
        say(f"netbench: {kind} written to {output}")
    else:
        sys.stdout.buffer.write(content)
        sys.stdout.flush()


def _check(kind: str, table: str | None, output: Path | None) -> None:
    """Raise `ConfigurationError` with everything that is wrong with the request."""
    problems = []
    if kind not in FORMATS:
        problems.append(f"--format: {kind!r} is none of {', '.join(FORMATS)}")
    if table is not None and table not in FRAMES:
        problems.append(f"--table: {table!r} is none of {', '.join(FRAMES)}")
    if table is not None and kind in {"json", "openmetrics"}:
        problems.append(f"--table: {kind} holds everything; only csv and parquet have tables")
    if kind == "parquet" and output is None and sys.stdout.isatty():
        problems.append("--format parquet is no text: name a file with --output")
    if problems:
        raise ConfigurationError(*problems)


def _content(run: api.Run, kind: str, table: str) -> bytes:
    match kind:
        case "csv":
            return report.csv_of(FRAMES[table](run)).encode("utf-8", "replace")
        case "parquet":
            return report.parquet_of(FRAMES[table](run))
        case "json":
            digest = report.digest(run.analysis, run.records())
            code = run.analysis.exit_code
            document = report.json_document(run.info, run.analysis, digest, str(run.path), code)
            return json_text(document).encode("utf-8", "replace")
        case _:
            return report.openmetrics(run.info, run.analysis).encode()
