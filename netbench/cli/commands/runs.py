"""`netbench runs`: what has run."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from netbench.cli.commands.options import Json, Output
from netbench.cli.output import print_json, print_rich, say
from netbench.cli.tables import table
from netbench.documents.lists import RunRow, RunsDocument
from netbench.store import ListedRun
from netbench.store import list_runs as listed_runs
from netbench.workflow.reporting import write_index


def show_runs(parent: Path, *, as_json: bool, html: bool = False) -> int:
    """Show the run folders of a folder, newest first; with `html` on a page in that folder too.

    Raises:
        ConfigurationError: there is a page of that name that is not netbench's.
        RunFolderError: the page cannot be written.
    """
    found = listed_runs(parent)
    if html:
        say(f"netbench: index: {write_index(parent, found)}")
    if as_json:
        print_json(runs_document(found))
        return 0
    if not found:
        say(f"netbench: no runs in {parent}; `netbench run` makes one")
        return 0
    shown = table("folder", "created", "engine", "drivers", "blocks", "records", "status")
    for run in found:
        info = run.info
        if info is None:
            shown.add_row(run.path.name, "", "", "", "", "", run.problem)
            continue
        drivers = ",".join(info.plan.drivers)
        cells = (info.created, info.engine, drivers, str(info.plan.blocks), str(run.records))
        shown.add_row(run.path.name, *cells, info.status)
    print_rich(shown)
    return 0


def runs_document(found: Sequence[ListedRun]) -> RunsDocument:
    """Return what `runs --json` prints."""
    return {"schema": 1, "runs": [_run(run) for run in found]}


def _run(run: ListedRun) -> RunRow:
    row: RunRow = {
        "folder": str(run.path),
        "records": run.records,
        "problem": run.problem,
    }
    if run.info is not None:
        row |= {
            "created": run.info.created,
            "engine": run.info.engine,
            "drivers": list(run.info.plan.drivers),
            "baseline": run.info.plan.baseline,
            "suite": run.info.plan.suite,
            "blocks": run.info.plan.blocks,
            "status": run.info.status,
            "lead": run.lead,
        }
    return row


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
    raise typer.Exit(show_runs(output, html=html, as_json=as_json))
