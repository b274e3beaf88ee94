"""`netbench export`: a run elsewhere, as tables, JSON, OpenMetrics or a text for people."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from netbench import api, report
from netbench.cli import commands as shared
from netbench.cli.output import say
from netbench.errors import INCOMPLETE, ConfigurationError
from netbench.store import file_problem, json_text, write_whole

if TYPE_CHECKING:
    import pandas as pd

FORMATS: Final = ("csv", "parquet", "json", "openmetrics", "md", "adr")
TABLED: Final = ("csv", "parquet")
FRAMES: Final[dict[str, Callable[[api.Run], "pd.DataFrame"]]] = {
    "trials": api.Run.frame,
    "contrasts": api.Run.contrasts,
    "cells": api.Run.cells,
}
"""Tables that CSV and Parquet hold, one a file."""


def export(
    folder: Annotated[Path, typer.Argument(help="A run folder.", parser=shared.place)],
    kind: Annotated[
        str,
        typer.Option(
            "--format", metavar="NAME", help="csv, parquet, json, openmetrics, md or adr."
        ),
    ] = "csv",
    table: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="Of csv and parquet: trials, contrasts or cells; default: trials."
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="File to write; default: standard output.", parser=shared.place
        ),
    ] = None,
) -> int:
    """Write a run as CSV, Parquet, JSON, OpenMetrics, summary or ADR.

    Exit code 3 if records are missing that the run was to have.

    md is the text of summary.md, adr that of decision.md without its figure and links.

    Parquet needs pyarrow: pip install 'netbench[parquet]'.
    """
    _check(kind, table, output)
    run = api.load(folder)
    content = _content(run, kind, table or "trials")
    for note in run.notes:
        say(f"netbench: {note}")
    if run.missing:
        say(f"netbench: {run.missing.words}")
    if output is not None:
        write_whole(output, content)
        say(f"netbench: {kind} written to {output}")
    else:
        sys.stdout.buffer.write(content)
        sys.stdout.flush()
    return INCOMPLETE if run.missing else 0


def _check(kind: str, table: str | None, output: Path | None) -> None:
    """Raise `ConfigurationError` with everything that is wrong with the request."""
    problems = []
    if kind not in FORMATS:
        problems.append(f"--format: {kind!r} is none of {', '.join(FORMATS)}")
    if table is not None and table not in FRAMES:
        problems.append(f"--table: {table!r} is none of {', '.join(FRAMES)}")
    if table is not None and kind in FORMATS and kind not in TABLED:
        problems.append(f"--table: {kind} has none; only csv and parquet have tables")
    if kind == "parquet" and output is None and sys.stdout.isatty():
        problems.append("--format parquet is no text: name a file with --output")
    if output is not None and (problem := file_problem(output)):
        problems.append(f"--output: {problem}")
    if problems:
        raise ConfigurationError(*problems)


def _content(run: api.Run, kind: str, table: str) -> bytes:
    match kind:
        case "csv":
            return report.csv_of(FRAMES[table](run)).encode("utf-8", "replace")
        case "parquet":
            return report.parquet_of(FRAMES[table](run))
        case "openmetrics":
            return report.openmetrics(run.info, run.analysis).encode()
        case _:
            return _report(run, kind).encode("utf-8", "replace")


def _report(run: api.Run, kind: str) -> str:
    """Return what is made of a run's records as well: JSON, the summary, the decision record."""
    info, analysis = run.info, run.analysis
    digest = report.digest(analysis, run.records())
    match kind:
        case "json":
            code = analysis.exit_code
            return json_text(report.json_document(info, analysis, digest, str(run.path), code))
        case "md":
            return report.markdown(info, analysis, digest, run.path.absolute().name)
        case _:
            return report.decision_text(info, analysis, digest, beside=False)
