"""`netbench compare` and its options."""

from pathlib import Path
from typing import Annotated

import typer

from netbench.cli.commands.options import AllowUndecided, Json, Require, expressions


def compare(
    ctx: typer.Context,
    folders: Annotated[
        list[str],
        typer.Argument(help="Run folders, the one to compare with first; or LABEL=FOLDER."),
    ],
    accept: Annotated[
        list[str] | None,
        typer.Option(
            metavar="FACT",
            help="Compare although this fact differs, as in kernel.release or `kernel.*`; repeat.",
        ),
    ] = None,
    require: Require = None,
    allow_undecided: AllowUndecided = False,
    output: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="The page; default: compare-*.html beside the newest run."
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Say what differs between runs, and what changed, regressions first."""
    from netbench.cli.comparing import CompareOptions, compare_runs

    options = CompareOptions(
        accept=tuple(accept or ()),
        require=expressions(ctx, require),
        allow_undecided=allow_undecided,
        output=output,
        as_json=as_json,
    )
    raise typer.Exit(compare_runs(folders, options))
