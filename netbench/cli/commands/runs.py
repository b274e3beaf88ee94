"""`netbench runs`: what has run."""

from pathlib import Path
from typing import Annotated, Any

import typer

from netbench.cli import commands as shared
from netbench.cli.output import print_json, print_rich, say, table
from netbench.documents import RunRow, RunsDocument
from netbench.store import ListedRun, list_runs
from netbench.workflow.reporting import write_index


def runs(
    output: shared.Output = Path("reports"),
    html: Annotated[
        bool,
        typer.Option("--html", help="Write index.html into that folder too; later runs renew it."),
    ] = False,
    as_json: shared.Json = False,
) -> None:
    """List the run folders, the newest first.

    The page has date, host, engine, drivers and outcome of each run, with a link to its report.
    Once it is there, each run and each report renews it.
    """
    found = list_runs(output)
    if html:
        say(f"netbench: index: {write_index(output, found)}")
    if as_json:
        print_json(RunsDocument(1, [_row(run) for run in found]))
        return
    if not found:
        say(f"netbench: no runs in {output}; `netbench run` makes one")
        return
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


def _row(run: ListedRun) -> RunRow:
    info, readable = run.info, dict[str, Any]()
    if info is not None:
        readable = {
            "created": info.created,
            "engine": info.engine,
            "drivers": list(info.plan.drivers),
            "baseline": info.plan.baseline,
            "suite": info.plan.suite,
            "blocks": info.plan.blocks,
            "status": info.status,
            "lead": run.lead,
        }
    return RunRow(str(run.path), run.records, run.problem, **readable)
