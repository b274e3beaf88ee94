"""Before the first trial: the engine prepared and its host read; afterwards: all of it removed."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from netbench.engines.base import Engine, EngineOptions
from netbench.errors import ENGINE_FAILURES, EngineError, EngineUnavailable
from netbench.plan import Plan
from netbench.record import FactValue, Redaction
from netbench.spec import CpuTopology, Path
from netbench.system.interrupts import deferred_signals
from netbench.workflow.host_facts import identity, read_host_facts
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
    """Raise `EngineUnavailable` for an engine that fails before the first trial.

    `EngineLost` stays what it is.
    """
    try:
        yield
    except EngineError as exc:
        raise EngineUnavailable(exc.message, hint=exc.hint) from exc


def topology_of(engine: Engine) -> CpuTopology:
    """Return the CPUs of an engine; raise as `needed` if it cannot run anything."""
    with needed():
        try:
            return engine.cpu_topology()
        except EngineError:
            engine.prepare()  # knows better what is missing
            raise


def prepare(engine: Engine, plan: Plan, options: RunOptions, observer: Observer) -> PreparedEngine:
    """Prepare the engine and read its host; errors as `needed`."""
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
            None if options.identify else identity(engine),
        )


def _needs_lan(engine: Engine, plan: Plan, options: EngineOptions) -> bool:
    """Tell whether an emulated LAN is made: for a client on it, or for links beneath its wire."""
    outer = [path for path in plan.paths if path is not Path.EAST_WEST]
    wanted = [(driver, path) for driver in plan.drivers for path in outer]
    if options.parent is None:
        beneath = (d for d in plan.drivers if d.recipe.network and d.recipe.network.on_lan)
        wanted += [(driver, Path.EAST_WEST) for driver in beneath]
    return any(engine.unsupported(driver.recipe, path) is None for driver, path in wanted)


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
