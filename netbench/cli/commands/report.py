"""`netbench report`, and the result of a run on the terminal."""

from pathlib import Path
from typing import Annotated

import typer

from netbench import report as reports
from netbench.cli import commands as shared
from netbench.cli.output import print_json, print_rich, say
from netbench.workflow.reporting import ReportedRun, report_run


def show_run(
    path: Path,
    reported: ReportedRun,
    *,
    as_json: bool,
    verbose: bool = False,
    engine: bool = True,
) -> int:
    """Print a run's result, as text or as the JSON document, and return the exit code.

    The text says everything where `verbose`, and names the engine where `engine`.
    """
    info, analysis = reported.info, reported.analysis
    for note in reported.notes:
        say(f"netbench: {note}")
    if as_json:
        print_json(reported.document | {"folder": str(path)})
    else:
        digest = reported.digest
        shown = reports.terminal(info, analysis, digest, str(path), verbose=verbose, engine=engine)
        print_rich(shown)
        print_rich(f"report: {reported.page}")
    if not analysis.budgets_kept:
        say(f"netbench: budgets are not kept. {reports.budgets_told(info, analysis)}")
    return reported.exit_code


def report(
    folder: Annotated[Path, typer.Argument(help="A run folder.", parser=shared.place)],
    require: shared.Require = None,
    allow_undecided: shared.AllowUndecided = False,
    adr: Annotated[
        bool, typer.Option("--adr", help="Write a decision record too: decision.md, decision.svg.")
    ] = False,
    picture: Annotated[
        bool,
        typer.Option(
            "--picture", help="Write the answer as a picture too: answer.svg and answer.png."
        ),
    ] = False,
    verbose: shared.Verbose = False,
    as_json: shared.Json = False,
) -> int:
    """Write the report and the summaries of a run folder anew.

    report.html, summary.md, summary.csv and summary.json are made from what is in the folder alone.
    A decision record has MADR's sections, with its outcome left to its author; one that is there is
    never overwritten.

    A PNG needs resvg: pip install 'netbench[picture]'.
    """
    reported = report_run(
        folder,
        require=tuple(require or ()),
        allow_undecided=allow_undecided,
        adr=adr,
        picture=picture,
    )
    if picture:
        say(f"netbench: picture: {' and '.join(map(str, reported.pictures))}")
    if adr:
        say(
            f"netbench: decision record: {folder / reports.DECISION}; its outcome is yours to write"
        )
    return show_run(folder, reported, as_json=as_json, verbose=verbose)
