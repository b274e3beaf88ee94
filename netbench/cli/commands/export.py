"""`netbench export` and its options."""

from pathlib import Path
from typing import Annotated

import typer


def export(
    folder: Annotated[Path, typer.Argument(help="A run folder.")],
    kind: Annotated[
        str,
        typer.Option("--format", metavar="NAME", help="csv, parquet, json or openmetrics."),
    ] = "csv",
    table: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="Of csv and parquet: trials, contrasts or cells; default: trials."
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="File to write; default: standard output."),
    ] = None,
) -> None:
    """Write a run for other programs, as CSV, Parquet, JSON or OpenMetrics.

    Parquet needs pyarrow: pip install 'netbench[parquet]'.
    """
    from netbench.cli.exporting import export as write

    raise typer.Exit(write(folder, kind, table, output))
