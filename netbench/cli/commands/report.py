"""The commands of run folders, `report`, `export` and `compare`, and the result of a run."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from netbench import api
from netbench import report as reports
from netbench.cli import commands as shared
from netbench.cli.completion import of
from netbench.cli.output import print_json, print_rich, say
from netbench.cli.progress import TerminalObserver
from netbench.errors import INCOMPLETE, ConfigurationError
from netbench.report import compare as comparisons
from netbench.store import file_problem, json_text, write_whole
from netbench.workflow.compare import compare_folders
from netbench.workflow.reporting import ReportedRun, report_run

if TYPE_CHECKING:
    import pandas as pd

TRACKERS: Final = ("bencher", "customBiggerIsBetter", "customSmallerIsBetter")
FORMATS: Final = ("csv", "parquet", "json", "openmetrics", *TRACKERS, "md", "adr")
TABLED: Final = {
    **dict.fromkeys(("csv", "parquet"), ("trials", "contrasts", "cells")),
    **dict.fromkeys(TRACKERS, ("contrasts", "cells")),
}
"""Tables that a format holds one of, the one that it holds by default first."""
FRAMES: Final[dict[str, Callable[[api.Run], "pd.DataFrame"]]] = {
    "trials": api.Run.frame,
    "contrasts": api.Run.contrasts,
    "cells": api.Run.cells,
}
"""Tables that CSV and Parquet hold, one a file."""


def show_run(
    path: Path, reported: ReportedRun, *, as_json: bool, verbose: bool = False, engine: bool = True
) -> int:
    """Print a run's result, with the engine's name or not, and return the exit code."""
    info, analysis = reported.info, reported.analysis
    for note in reported.notes:
        say(f"netbench: {note}")
    if as_json:
        print_json(reported.document | {"folder": str(path)})
    else:
        digest = reported.digest
        shown = reports.terminal(info, analysis, digest, str(path), verbose=verbose, engine=engine)
        print_rich(shown)
        for one in info.confirmed_by:
            print_rich(f"confirmation: {path.parent / one.folder / 'report.html'}")
        print_rich(f"report: {reported.page}")
    if analysis.budgets_kept and any(one.again for one in analysis.budgets):
        say(f"netbench: budgets are kept. {reports.budgets_told(info, analysis)}")
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


def export(
    folder: Annotated[Path, typer.Argument(help="A run folder.", parser=shared.place)],
    kind: Annotated[
        str,
        typer.Option(
            "--format",
            metavar="NAME",
            help="csv, parquet, json, openmetrics, bencher, customBiggerIsBetter, "
            "customSmallerIsBetter, md or adr.",
            autocompletion=of(*FORMATS),
        ),
    ] = "csv",
    table: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Of csv and parquet: trials, contrasts or cells; default: trials. Of bencher and "
            "custom...: contrasts or cells; default: contrasts.",
            autocompletion=of(*FRAMES),
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="File to write; default: standard output.", parser=shared.place
        ),
    ] = None,
) -> int:
    """Write a run as CSV, Parquet, JSON, OpenMetrics or for a tracker.

    Exit code 3 if records are missing that the run was to have.

    bencher is Bencher Metric Format. customBiggerIsBetter and customSmallerIsBetter are what
    github-action-benchmark takes for a `tool` of that name: the metrics of which more, or less, is
    better.

    md is the text of summary.md, adr that of decision.md without its figure and links.

    Parquet needs pyarrow: pip install 'netbench[parquet]'.
    """
    _check(kind, table, output)
    run = api.load(folder)
    content = _content(run, kind, table or TABLED.get(kind, ("",))[0])
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
    elif table is not None and kind in FORMATS and kind not in TABLED:
        problems.append(f"--table: {kind} has none; only {', '.join(TABLED)} have tables")
    elif table is not None and table not in TABLED.get(kind, FRAMES):
        problems.append(f"--table: {kind} has {' or '.join(TABLED[kind])}, not {table}")
    if kind == "parquet" and output is None and sys.stdout.isatty():
        problems.append("--format parquet is no text: name a file with --output")
    if output is not None and (problem := file_problem(output)):
        problems.append(f"--output: {problem}")
    if problems:
        raise ConfigurationError(*problems)


def _content(run: api.Run, kind: str, table: str) -> bytes:
    if kind == "parquet":
        return reports.parquet_of(FRAMES[table](run))
    if kind == "csv":
        return reports.csv_of(FRAMES[table](run)).encode("utf-8", "replace")
    info, analysis = run.info, run.analysis
    if kind == "openmetrics":
        from netbench.report.openmetrics_text import openmetrics  # few ask for it

        return openmetrics(info, analysis).encode()
    if kind in TRACKERS:
        return _tracked(run, kind, table).encode()
    digest = reports.digest(analysis, run.records())
    if kind == "json":
        code = analysis.exit_code
        text = json_text(reports.json_document(info, analysis, digest, str(run.path), code))
    elif kind == "md":
        text = reports.markdown(info, analysis, digest, run.path.absolute().name)
    else:
        text = reports.decision_text(info, analysis, digest, beside=False)
    return text.encode("utf-8", "replace")


def _tracked(run: api.Run, kind: str, table: str) -> str:
    from netbench.report.benchmark_trackers import bencher, custom  # few ask for it

    if kind == "bencher":
        return json_text(bencher(run.info, run.analysis, table))
    found = custom(run.info, run.analysis, table, kind)
    if not found:
        say(f"netbench: no metric of the run is for {kind}, and the Action refuses an empty list")
    return json_text(found)


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
    history: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="DIR",
            help="Add the scatter between runs below this directory to the intervals; repeat.",
            parser=shared.place,
        ),
    ] = None,
    require: shared.Require = None,
    confirm: Annotated[
        str | None,
        typer.Option(
            metavar="FOLDER",
            help="Another run of the last one: what misses its budget is judged again by it; only "
            "what misses twice fails.",
        ),
    ] = None,
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
    idle = "" if require else "without --require"
    shared.refuse_idle(ctx, dict.fromkeys(("confirm", "allow_undecided"), idle))
    result, page, code = compare_folders(
        folders,
        accept=accept or (),
        require=require or (),
        allow_undecided=allow_undecided,
        output=output,
        observer=TerminalObserver(),
        confirm=confirm,
        history=history or (),
    )
    if as_json:
        print_json(comparisons.json_document(result, str(page), code))
    else:
        print_rich(comparisons.terminal(result))
        accept_all = comparisons.accept_line(result)
        if accept_all:
            print_rich(f"\n{accept_all}")
        print_rich(f"\nreport: {page}")
    if result.budgets_kept and any(one.again for one in result.budgets):
        say(f"netbench: budgets are kept. {comparisons.budgets_told(result)}")
    if not result.budgets_kept:
        say(f"netbench: budgets are not kept. {comparisons.budgets_told(result)}")
    return code
