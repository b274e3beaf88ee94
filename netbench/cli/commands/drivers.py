"""`netbench drivers`: what can run here."""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Final

from netbench.cli import commands as shared
from netbench.cli.output import print_json, print_rich, say, table
from netbench.documents import DriverRow, DriversDocument
from netbench.drivers import DRIVERS, Driver, cni, plugin
from netbench.engines.base import Engine, EngineOptions
from netbench.engines.choose import open_engine
from netbench.errors import ENGINE_FAILURES, EngineError
from netbench.spec import Path
from netbench.system.interrupts import deferred_signals

_OPEN: Final = (
    ("plugin:NAME", "docker", plugin("NAME"), "where the engine lists NAME"),
    (
        "cni:CONFLIST",
        "netns",
        cni("CONFLIST", "", publishes=True),
        "where the plug-ins that CONFLIST names are installed",
    ),
)
"""Drivers whose name the user completes, each with the one engine that makes it."""


def drivers(
    engine: shared.EngineName = "auto", context: shared.Context = None, as_json: shared.Json = False
) -> None:
    """List the drivers: which can run here, and why not.

    It finds out by trying, and removes what it makes.
    """
    run = f"list{secrets.token_hex(3)}"
    live = open_engine(engine, run, EngineOptions(context=context))
    try:
        with _undone(live, run):
            rows = [_tried(live, driver) for driver in DRIVERS.values()]
        name, why = live.name, live.why
    finally:
        live.close()
    rows += _open(name)
    if as_json:
        print_json(DriversDocument(1, name, rows))
        return
    say(f"engine: {name} ({why})")
    shown = table("driver", "here", "what it is", "what it isolates", "options (@key=value)")
    for row in rows:
        here = {True: "yes", False: f"no: {row.reason}", None: row.reason}[row.possible]
        known = [option for option in row.options if option != "-o"]
        accepted = known + ["the engine's own"] * ("-o" in row.options)
        shown.add_row(row.name, here, row.summary, row.isolates, ", ".join(accepted))
    print_rich(shown)


def _open(engine: str) -> Iterator[DriverRow]:
    for name, made_by, driver, depends in _OPEN:
        elsewhere = f"for the {made_by} engine: --engine {made_by}"
        possible, reason = (None, depends) if engine == made_by else (False, elsewhere)
        yield _row(driver, name, possible=possible, reason=reason)


def _tried(engine: Engine, driver: Driver) -> DriverRow:
    """Return a driver's row; whether it can run is found by trying."""
    try:
        reason = engine.unsupported(driver.recipe, Path.EAST_WEST)
    except EngineError as exc:
        reason = exc.message
    return _row(driver, driver.name, possible=reason is None, reason=reason or "")


def _row(driver: Driver, name: str, *, possible: bool | None, reason: str) -> DriverRow:
    options = sorted(driver.options)
    return DriverRow(name, possible, reason, driver.summary, driver.isolates, options)


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
