"""`netbench report` and its options."""

from pathlib import Path
from typing import Annotated

import typer

from netbench.cli.commands.options import AllowUndecided, Json, Require, expressions


def report(
    ctx: typer.Context,
    folder: Annotated[Path, typer.Argument(help="A run folder.")],
    require: Require = None,
    allow_undecided: AllowUndecided = False,
    adr: Annotated[
        bool, typer.Option("--adr", help="Write a decision record too: decision.md, decision.svg.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Write report.html and summary.md, .csv and .json anew from a run folder alone.

    A decision record has MADR's sections, with its outcome left to its author; one that is there is
    never overwritten.
    """
    from netbench.cli.reports import write_reports

    raise typer.Exit(
        write_reports(
            folder,
            as_json=as_json,
            require=expressions(ctx, require),
            allow_undecided=allow_undecided,
            adr=adr,
        )
    )
