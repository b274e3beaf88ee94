"""What a run stands on: its engine, prepared and read before the first trial, and given back."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from netbench.cli.output import say
from netbench.cli.parent import check_parent
from netbench.drivers import Driver
from netbench.engines.base import Engine, EngineOptions
from netbench.errors import EngineError, EngineLost, EngineUnavailable
from netbench.interrupts import deferred_signals
from netbench.plan import Plan
from netbench.record import FactValue, Redaction
from netbench.spec import CpuTopology
from netbench.spec import Path as TrafficPath
from netbench.topology import choose_reader, identity, host_facts


@dataclass(frozen=True, slots=True)
class RunOptions:
    """Options of `run` that are no part of the plan."""

    output: Path
    engine: EngineOptions
    parent_in_use: bool
    """Whether `--parent` may be a link that the machine needs."""
    as_json: bool
    quiet: bool
    keep: bool
    identify: bool
    asked: tuple[tuple[str, FactValue], ...] = ()
    """Everything that was asked for, by the option's name: what `--resume` must find again."""


@dataclass(frozen=True, slots=True)
class PreparedEngine:
    """What a run stands on, read before its first trial."""

    helpers: tuple[str, ...]
    tools: Mapping[str, str]
    facts: Mapping[str, FactValue]
    redaction: Redaction | None
    """What hides names and addresses of the site; None with `--identify`."""


@contextmanager
def taken_down(engine: Engine, run: str, *, keep: bool = False) -> Iterator[None]:
    """Leave nothing of a run on its engine, whatever happens, unless asked to."""
    try:
        yield
    finally:
        with deferred_signals():
            _sweep(engine, run, keep=keep)
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
    except EngineLost:
        raise
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
        except EngineLost:
            raise
        except EngineError:
            engine.prepare()  # knows better what is missing
            raise


def prepare(engine: Engine, plan: Plan, wishes: RunOptions) -> PreparedEngine:
    """Prepare the engine and read the surroundings.

    Raises:
        EngineUnavailable: nothing can be measured on it.
        EngineLost: it went away meanwhile.
    """
    if not wishes.quiet:
        say(f"engine: {engine.name} ({engine.why})")
    with needed():
        helpers = engine.prepare()
        check_parent(engine, wishes.engine.parent, in_use=wishes.parent_in_use)
        if _needs_lan(engine, plan, wishes.engine):
            helpers = (*helpers, engine.lan().done)
        return PreparedEngine(
            helpers,
            engine.tools(),
            host_facts(engine, identify=wishes.identify),
            None if wishes.identify else identity(engine, choose_reader(engine)),
        )


def _needs_lan(engine: Engine, plan: Plan, wishes: EngineOptions) -> bool:
    """Tell whether an emulated LAN is made: for a client on it, or for links beneath its wire."""

    def here(driver: Driver, path: TrafficPath) -> bool:
        return engine.unsupported(driver.recipe, path) is None

    east_west = TrafficPath.EAST_WEST
    outer = [path for path in plan.paths if path is not east_west]
    beneath = [d for d in plan.drivers if d.recipe.network and d.recipe.network.on_lan]
    return any(here(driver, path) for driver in plan.drivers for path in outer) or (
        wishes.parent is None and any(here(driver, east_west) for driver in beneath)
    )


def _sweep(engine: Engine, run: str, *, keep: bool) -> None:
    """Remove whatever still carries this run's label."""
    if keep:
        say(f"netbench: --keep: left as it is; `netbench clean` removes what carries run {run}")
        return
    try:
        for thing in engine.owned(run):
            if thing.kind in ("container", "network"):
                engine.remove_owned(thing)
    except EngineError as exc:
        say(f"netbench: leftovers could not be removed: {exc.message}")
        say("  fix: `netbench clean` once the engine is back")
