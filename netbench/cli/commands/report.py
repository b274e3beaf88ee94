"""`netbench report` and its options."""

from pathlib import Path
from typing import Annotated

import typer

from netbench.cli.commands.options import AllowUndecided, Json, Require, expressions
from netbench.cli.output import say
from netbench.cli.result import show_run
from netbench.report import DECISION
from netbench.workflow.reporting import report_run


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
    reported = report_run(
        folder,
        require=expressions(ctx, require),
        allow_undecided=allow_undecided,
        adr=adr,
    )
    if adr:
        say(f"netbench: decision record: {folder / DECISION}; its outcome is yours to write")
    raise typer.Exit(show_run(folder, reported, as_json=as_json))
