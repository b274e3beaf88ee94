"""Before the first trial: the engine prepared and its host read; afterwards: all of it removed."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from netbench.drivers import Driver
from netbench.engines.base import Engine, EngineOptions
from netbench.errors import ENGINE_FAILURES, EngineError, EngineUnavailable
from netbench.plan import Plan
from netbench.record import FactValue, Redaction
from netbench.spec import CpuTopology
from netbench.spec import Path as TrafficPath
from netbench.system.interrupts import deferred_signals
from netbench.topology.paths import choose_reader
from netbench.workflow.host_facts import read_host_facts
from netbench.workflow.identity import identity
from netbench.workflow.options import Observer, RunOptions
from netbench.workflow.parent import check_parent


@dataclass(frozen=True, slots=True)
class PreparedEngine:
    """What was read of an engine before the first trial."""

    helpers: tuple[str, ...]
    tools: Mapping[str, str]
    facts: Mapping[str, FactValue]
    redaction: Redaction | None
    """What hides names and addresses of the site; None with `--identify`."""


@contextmanager
def taken_down(
    engine: Engine, run: str, observer: Observer, *, keep: bool = False
) -> Iterator[None]:
    """Leave nothing of a run on its engine, whatever happens, unless asked to."""
    try:
        yield
    finally:
        with deferred_signals():
            _remove_leftovers(engine, run, observer, keep=keep)
            if not keep:
                engine.close()


@contextmanager
def needed() -> Iterator[None]:
    """Say of an engine that fails before the first trial that nothing can be measured on it.

    Raises:
        EngineUnavailable: in place of its error.
        EngineLost: it went away, which is another matter.
    """
    try:
        yield
    except EngineError as exc:
        raise EngineUnavailable(exc.message, hint=exc.hint) from exc


def topology_of(engine: Engine) -> CpuTopology:
    """Return the CPUs of an engine.

    Raises:
        EngineUnavailable: it cannot run anything; the message says what is missing.
        EngineLost: it went away.
    """
    with needed():
        try:
            return engine.cpu_topology()
        except EngineError:
            engine.prepare()  # knows better what is missing
            raise


def prepare(engine: Engine, plan: Plan, options: RunOptions, observer: Observer) -> PreparedEngine:
    """Prepare the engine and read its host.

    Raises:
        EngineUnavailable: nothing can be measured on it.
        EngineLost: it went away meanwhile.
    """
    observer.inform(f"engine: {engine.name} ({engine.why})")
    with needed():
        helpers = engine.prepare()
        check_parent(engine, options.engine.parent, in_use=options.parent_in_use)
        if _needs_lan(engine, plan, options.engine):
            helpers = (*helpers, engine.lan().done)
        return PreparedEngine(
            helpers,
            engine.tools(),
            read_host_facts(engine, identify=options.identify),
            None if options.identify else identity(engine, choose_reader(engine)),
        )


def _needs_lan(engine: Engine, plan: Plan, options: EngineOptions) -> bool:
    """Tell whether an emulated LAN is made: for a client on it, or for links beneath its wire."""

    def here(driver: Driver, path: TrafficPath) -> bool:
        return engine.unsupported(driver.recipe, path) is None

    east_west = TrafficPath.EAST_WEST
    outer = [path for path in plan.paths if path is not east_west]
    beneath = [d for d in plan.drivers if d.recipe.network and d.recipe.network.on_lan]
    return any(here(driver, path) for driver in plan.drivers for path in outer) or (
        options.parent is None and any(here(driver, east_west) for driver in beneath)
    )


def _remove_leftovers(engine: Engine, run: str, observer: Observer, *, keep: bool) -> None:
    """Remove whatever still carries this run's label."""
    if keep:
        observer.say(
            f"netbench: --keep: left as it is; `netbench clean` removes what carries run {run}"
        )
        return
    try:
        for thing in engine.owned(run):
            if thing.kind in ("container", "network"):
                engine.remove_owned(thing)
    except ENGINE_FAILURES as exc:
        observer.say(f"netbench: leftovers could not be removed: {exc.message}")
        observer.say("  fix: `netbench clean` once the engine is back")
