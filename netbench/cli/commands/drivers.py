"""`netbench drivers`: what can run here."""

import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Final

import typer

from netbench.cli.commands.options import Context, EngineName, Json
from netbench.cli.output import print_json, print_rich, say
from netbench.cli.tables import table
from netbench.documents.lists import DriverRow, DriversDocument
from netbench.drivers import DRIVERS, Driver, cni, plugin
from netbench.engines.base import Engine, EngineOptions
from netbench.engines.choose import open_engine
from netbench.errors import ENGINE_FAILURES, EngineError
from netbench.spec import Path
from netbench.system.interrupts import deferred_signals


def list_drivers(engine_name: str, options: EngineOptions, *, as_json: bool) -> int:
    """Show every driver with what it is, what it isolates, and whether it can run here.

    Raises:
        EngineUnavailable: there is no engine to ask.
        EngineLost: it went away meanwhile.
    """
    run = f"list{secrets.token_hex(3)}"
    engine = open_engine(engine_name, run, options)
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
        accepted = ", ".join(_options(row.options))
        shown.add_row(row.name, here, row.summary, row.isolates, accepted)
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
                    with suppress(*ENGINE_FAILURES):  # another netbench may use it by now
                        engine.remove_owned(thing)


def drivers(engine: EngineName = "auto", context: Context = None, as_json: Json = False) -> None:
    """List the drivers: which can run here, and why not.

    It finds out by trying, and removes what it makes.
    """
    raise typer.Exit(list_drivers(engine, EngineOptions(context=context), as_json=as_json))
