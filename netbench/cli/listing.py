"""`netbench drivers` and `netbench runs`: what can run here, and what has run."""

import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path as File
from typing import Final

from netbench.cli.output import print_json, print_rich, say
from netbench.cli.tables import table
from netbench.documents.lists import DriverRow, DriversDocument, RunRow, RunsDocument
from netbench.drivers import DRIVERS, Driver, cni, plugin
from netbench.engines.base import Engine, EngineOptions
from netbench.engines.choose import open_engine
from netbench.errors import EngineError, EngineLost
from netbench.interrupts import deferred_signals
from netbench.spec import Path
from netbench.store import ListedRun
from netbench.store import list_runs as listed_runs


def list_drivers(engine_name: str, wishes: EngineOptions, *, as_json: bool) -> int:
    """Show every driver with what it is, what it isolates, and whether it can run here.

    Raises:
        EngineUnavailable: there is no engine to ask.
        EngineLost: it went away meanwhile.
    """
    run = f"list{secrets.token_hex(3)}"
    engine = open_engine(engine_name, run, wishes)
    try:
        with _undone(engine, run):
            rows = [_tried(engine, driver) for driver in DRIVERS.values()]
        name, why = engine.name, engine.why
    finally:
        engine.close()
    rows += [_by_name(open_driver, name) for open_driver in _OPEN]
    if as_json:
        print_json(_drivers_document(name, rows))
        return 0
    say(f"engine: {name} ({why})")
    shown = table("driver", "here", "what it is", "what it isolates", "options (@key=value)")
    for row in rows:
        here = {True: "yes", False: f"no: {row.reason}", None: row.reason}[row.possible]
        options = ", ".join(_options(row.options))
        shown.add_row(row.name, here, row.summary, row.isolates, options)
    print_rich(shown)
    return 0


def _drivers_document(engine: str, rows: Sequence["_Row"]) -> DriversDocument:
    found: list[DriverRow] = [
        {
            "name": row.name,
            "possible": row.possible,
            "reason": row.reason,
            "summary": row.summary,
            "isolates": row.isolates,
            "options": list(row.options),
        }
        for row in rows
    ]
    return {"schema": 1, "engine": engine, "drivers": found}


@dataclass(frozen=True, slots=True)
class _Row:
    """One line of the list."""

    name: str
    possible: bool | None
    """None where that depends on what the user puts into the name."""
    reason: str
    summary: str
    isolates: str
    options: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _OpenDriver:
    """A driver whose name the user completes."""

    name: str
    engine: str
    """The one engine that makes it."""
    example: Driver
    depends: str


_OPEN: Final = (
    _OpenDriver("plugin:NAME", "docker", plugin("NAME"), "where the engine lists NAME"),
    _OpenDriver(
        "cni:CONFLIST",
        "netns",
        cni("CONFLIST", "", publishes=True),
        "where the plug-ins that CONFLIST names are installed",
    ),
)


def _tried(engine: Engine, driver: Driver) -> _Row:
    """Return a driver's row; whether it can run is found by trying."""
    try:
        reason = engine.unsupported(driver.recipe, Path.EAST_WEST)
    except EngineLost:
        raise
    except EngineError as exc:
        reason = exc.message
    return _row(driver, driver.name, possible=reason is None, reason=reason or "")


def _by_name(given: _OpenDriver, engine: str) -> _Row:
    if engine == given.engine:
        return _row(given.example, given.name, possible=None, reason=given.depends)
    reason = f"for the {given.engine} engine: --engine {given.engine}"
    return _row(given.example, given.name, possible=False, reason=reason)


def _row(driver: Driver, name: str, *, possible: bool | None, reason: str) -> _Row:
    options = tuple(sorted(driver.options))
    return _Row(name, possible, reason, driver.summary, driver.isolates, options)


def _options(names: tuple[str, ...]) -> tuple[str, ...]:
    """Return options as people read them, those of the engine's own at the end."""
    known = tuple(name for name in names if name != "-o")
    return known if len(known) == len(names) else (*known, "the engine's own")


@contextmanager
def _undone(engine: Engine, run: str) -> Iterator[None]:
    """Remove what the engine makes to try things with, the probe image included."""
    before = {thing.id for thing in engine.owned() if thing.kind == "image"}
    try:
        yield
    finally:
        with deferred_signals():
            for thing in engine.owned(run):
                engine.remove_owned(thing)
            for thing in engine.owned():
                if thing.kind == "image" and thing.id not in before:
                    with suppress(EngineError):  # another netbench may use it by now
                        engine.remove_owned(thing)


def list_runs(parent: File, *, as_json: bool, html: bool = False) -> int:
    """Show the run folders of a folder, newest first; with `html` on a page in that folder too.

    Raises:
        ConfigurationError: there is a page of that name that is not netbench's.
        RunFolderError: the page cannot be written.
    """
    found = listed_runs(parent)
    if html:
        from netbench.cli.index import write_index  # noqa: PLC0415 -- jinja2 is slow to import

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
