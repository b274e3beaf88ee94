"""The commands that list: `drivers`, `doctor`, `runs` and `clean`."""

from pathlib import Path
from typing import Annotated

import typer
from msgspec.structs import replace

from netbench.cli import commands as shared
from netbench.cli.output import one_line, print_json, print_rich, say, table
from netbench.cli.progress import TerminalObserver
from netbench.documents import CleanDocument, RunRow, RunsDocument
from netbench.engines.base import EngineOptions
from netbench.errors import ConfigurationError, EngineUnavailable
from netbench.store import ListedRun, folder_problem, list_runs
from netbench.workflow.checks import examine, possible_drivers


def drivers(
    engine: shared.EngineName = "auto", context: shared.Context = None, as_json: shared.Json = False
) -> None:
    """List the drivers: which can run here, and why not.

    It finds out by trying, and removes what it makes. The probes follow. The origin of each is the
    distribution that has it: other packages add drivers and probes by entry points.
    """
    observer = TerminalObserver(quiet=as_json)
    document = possible_drivers(engine, EngineOptions(context=context), observer)
    if as_json:
        print_json(document)
        return
    head = ("driver", "here", "what it is", "what it isolates", "options (@key=value)", "origin")
    shown = table(*head)
    for row in document.drivers:
        here = {True: "yes", False: f"no: {row.reason}", None: row.reason}[row.possible]
        known = [option for option in row.options if option != "-o"]
        accepted = known + ["the engine's own"] * ("-o" in row.options)
        cells = (row.name, here, row.summary, row.isolates, ", ".join(accepted))
        shown.add_row(*cells, _origin(row.distribution, row.version))
    print_rich(shown)
    listed = table("probe", "what it measures", "origin")
    for probe in document.probes:
        listed.add_row(probe.name, probe.summary, _origin(probe.distribution, probe.version))
    print_rich(listed)


def _origin(distribution: str, version: str) -> str:
    return distribution if distribution == "netbench" else f"{distribution} {version}"


def doctor(
    ctx: typer.Context,
    context: shared.Context = None,
    peer_context: shared.PeerContext = None,
    peer_address: shared.PeerAddress = None,
    as_json: shared.Json = False,
) -> int:
    """Say what is missing here, and the command that fixes it.

    With --peer-context also what two machines lack: a way, open ports, room in frames, like clocks.
    Exit code 4 if nothing can be measured.
    """
    lonely = "without --peer-context" if peer_context is None else ""
    shared.refuse_idle(ctx, {"peer_address": lonely})
    options = EngineOptions(context=context, peer_context=peer_context, peer_address=peer_address)
    if problems := options.problems():
        raise ConfigurationError(*problems)
    document = examine(options)
    if as_json:
        print_json(document)
    else:
        shown = table("", "check", "found", "fix")
        for check in document.doctor:
            mark = "ok" if check.ok else "MISSING" if check.needed else "optional"
            shown.add_row(mark, check.name, check.found, check.fix)
        print_rich(shown)
        print_rich(
            "netbench can measure here" if document.measurable else "nothing can be measured here"
        )
    return 0 if document.measurable else EngineUnavailable.exit_code


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
    if problem := folder_problem(output):
        raise ConfigurationError(f"--output: {problem}")
    found = list_runs(output)
    if html:
        from netbench.workflow.reporting import write_index

        say(f"netbench: index: {write_index(output)}")
    if as_json:
        print_json(RunsDocument(1, [_row(run) for run in found]))
        return
    if not found:
        say(f"netbench: no runs in {output}; `netbench run` makes one")
        return
    from netbench.report.console_text import FittingTable

    columns = ("folder", "created", "engine", "drivers", "blocks", "records", "status")
    print_rich(FittingTable("", columns, [_cells(run) for run in found], keys=4))


def index(
    folder: Annotated[
        Path, typer.Argument(metavar="DIR", help="A folder of run folders.", parser=shared.place)
    ],
) -> None:
    """Write a page of all runs below a folder, by machine.

    DIR/index.html is one file that can be published beside the run folders: the runs of each
    machine, the answer of each, how its budgets stand, and links to its report. Run folders lie in
    DIR, or in folders of it, at most two levels down. Each run and each report in DIR renews it.
    """
    from netbench.report.labels import counted
    from netbench.workflow.reporting import index_runs

    page, number = index_runs(folder)
    print_rich(f"index of {counted(number, 'run')}: {page}")


def _cells(run: ListedRun) -> tuple[str, ...]:
    info = run.info
    if info is None:
        return (run.path.name, "", "", "", "", "", run.problem)
    drivers = ", ".join(info.plan.drivers)
    counts = (str(info.plan.blocks), str(run.records))
    return (run.path.name, info.created, info.engine, drivers, *counts, info.status)


def _row(run: ListedRun) -> RunRow:
    row, info = RunRow(str(run.path), run.records, run.problem), run.info
    if info is None:
        return row
    plan = info.plan
    return replace(
        row,
        created=info.created,
        engine=info.engine,
        drivers=list(plan.drivers),
        baseline=plan.baseline,
        suite=plan.suite,
        blocks=plan.blocks,
        status=info.status,
        lead=run.lead,
    )


def clean(
    context: shared.Context = None,
    peer_context: shared.PeerContext = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only list.")] = False,
    images: Annotated[bool, typer.Option("--images", help="Remove probe images too.")] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Also what a netbench that still runs has made.")
    ] = False,
    as_json: shared.Json = False,
) -> int:
    """List, then remove, what netbench left: only what carries its label.

    What a netbench that still runs has made, and the cached probe images, stay. Exit code 3 if
    anything is left that is still in use or could not be removed.
    """
    from netbench.workflow.clean import clean_up, used_by_others  # docker is slow to import

    if problems := EngineOptions(context=context, peer_context=peer_context).problems():
        raise ConfigurationError(*problems)
    # A swarm's worker leaves it before its manager ends it.
    both = (peer_context, context) if peer_context is not None else (context,)
    seen = TerminalObserver()
    found = {
        (row.kind, row.id): row
        for one in both
        for row in clean_up(one, seen, dry_run=dry_run, images=images, force=force)
    }
    rows = [*found.values()]
    if as_json:
        print_json(CleanDocument(1, rows))
    else:
        for row in rows:
            print(one_line(f"{row.action:<9} {row.kind:<9} {row.name}  run {row.run or '-'}"))
        say(f"{len(rows)} found" if rows else "nothing of netbench's is left")
    used = None if dry_run else used_by_others(rows)
    if used:
        say(f"netbench: {used}")
    return 3 if used or any(row.action.startswith("failed") for row in rows) else 0
