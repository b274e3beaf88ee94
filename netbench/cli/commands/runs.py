"""`netbench runs` and its options."""

from pathlib import Path
from typing import Annotated

import typer

from netbench.cli.commands.options import Json, Output


def runs(
    output: Output = Path("reports"),
    html: Annotated[
        bool,
        typer.Option("--html", help="Write index.html into that folder too; later runs renew it."),
    ] = False,
    as_json: Json = False,
) -> None:
    """List the run folders, the newest first.

    The page has date, host, engine, drivers and outcome of each run, with a link to its report.
    Once it is there, each run and each report renews it.
    """
    from netbench.cli.listing import list_runs

    raise typer.Exit(list_runs(output, html=html, as_json=as_json))
