"""`netbench compare`: run folders in, what changed and what differs out."""

from pathlib import Path
from typing import Annotated

import typer

from netbench.cli import commands as shared
from netbench.cli.output import print_json, print_rich, say
from netbench.cli.progress import TerminalObserver
from netbench.report.compare import accept_line, budgets_told, json_document, terminal
from netbench.workflow.compare import compare_folders


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
    require: shared.Require = None,
    allow_undecided: shared.AllowUndecided = False,
    output: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="The page; default: compare-*.html beside the newest run.",
            parser=shared.place,
        ),
    ] = None,
    as_json: shared.Json = False,
) -> int:
    """Say what changed between runs, slower first, and what else differs."""
    shared.refuse_idle(ctx, {"allow_undecided": "" if require else "without --require"})
    result, page, code = compare_folders(
        folders,
        accept=accept or (),
        require=require or (),
        allow_undecided=allow_undecided,
        output=output,
        observer=TerminalObserver(),
    )
    if as_json:
        print_json(json_document(result, str(page), code))
    else:
        print_rich(terminal(result))
        accept_all = accept_line(result)
        if accept_all:
            print_rich(f"\n{accept_all}")
        print_rich(f"\nreport: {page}")
    if not result.budgets_kept:
        say(f"netbench: budgets are not kept. {budgets_told(result)}")
    return code
