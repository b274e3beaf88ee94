"""`netbench drivers` and `netbench runs`: what can run here, and what has run."""

import secrets
from pathlib import Path

from netbench.cli.output import print_json, print_rich, say
from netbench.cli.tables import table
from netbench.drivers import DRIVERS
from netbench.engines.choose import open_engine
from netbench.store import ListedRun
from netbench.store import list_runs as listed_runs


def list_drivers(engine_name: str, *, as_json: bool) -> int:
    """Show every driver with what it is, what it isolates, and whether it can run here.

    Raises:
        EngineUnavailable: there is no engine to ask.
    """
    engine = open_engine(engine_name, f"list{secrets.token_hex(3)}", None)
    try:
        reasons = {d.name: engine.unsupported(d.recipe) for d in DRIVERS.values()}
        name, why = engine.name, engine.why
    finally:
        engine.close()
    rows = [
        {
            "name": driver.name,
            "possible": reasons[driver.name] is None,
            "reason": reasons[driver.name] or "",
            "summary": driver.summary,
            "isolates": driver.isolates,
        }
        for driver in DRIVERS.values()
    ]
    if as_json:
        print_json({"schema": 1, "engine": name, "drivers": rows})
        return 0
    say(f"engine: {name} ({why})")
    shown = table("driver", "here", "what it is", "what it isolates")
    for row in rows:
        here = "yes" if row["possible"] else f"no: {row['reason']}"
        shown.add_row(str(row["name"]), here, str(row["summary"]), str(row["isolates"]))
    print_rich(shown)
    return 0


def list_runs(parent: Path, *, as_json: bool) -> int:
    """Show the run folders of a folder, newest first."""
    found = listed_runs(parent)
    if as_json:
        print_json({"schema": 1, "runs": [_run(run) for run in found]})
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


def _run(run: ListedRun) -> dict[str, object]:
    row: dict[str, object] = {
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
        }
    return row
