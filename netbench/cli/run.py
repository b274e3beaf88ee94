"""`netbench run`: from options to a run folder with its report, whatever happens between."""

import secrets
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from netbench import __version__
from netbench.cli.output import say
from netbench.cli.parent import check_parent
from netbench.cli.progress import open_progress
from netbench.cli.reports import write_reports
from netbench.drivers import Driver
from netbench.engines.base import Engine, Wishes
from netbench.engines.choose import open_engine
from netbench.errors import EngineError, EngineLost, EngineUnavailable, Interrupted
from netbench.plan import Options, Plan, build, parse
from netbench.record import SCHEMA, RunInfo
from netbench.runner import (
    BlockFinished,
    Ended,
    Event,
    Judge,
    Judged,
    Runner,
    TrialFinished,
    ceiling,
)
from netbench.sentinel.measure import Sentinel
from netbench.spec import Path as TrafficPath
from netbench.store import RunFolder, check_writable
from netbench.topology import choose_reader, deferred_signals, surroundings

Status = Literal["complete", "out-of-time", "interrupted", "engine-lost"]


@dataclass(frozen=True, slots=True)
class RunOptions:
    """Options of `run` that are no part of the plan."""

    output: Path
    engine: Wishes
    parent_in_use: bool
    """Whether `--parent` may be a link that the machine needs."""
    as_json: bool
    quiet: bool
    keep: bool
    identify: bool


def execute(options: Options, wishes: RunOptions) -> int:
    """Run, report and return the exit code; errors as `measure`."""
    path, status = measure(options, wishes)
    fixed = {"interrupted": Interrupted.exit_code, "engine-lost": EngineLost.exit_code}
    return write_reports(path, as_json=wishes.as_json, exit_code=fixed.get(status))


def measure(
    options: Options, wishes: RunOptions, opener: Callable[[str, str, Wishes], Engine] = open_engine
) -> tuple[Path, Status]:
    """Run; return the run folder and how the run ended. Errors before it are raised.

    Args:
        options: of the plan.
        wishes: all others.
        opener: returns an engine of a kind, for a run's id; for those who bring their own.

    Raises:
        ConfigurationError: with every mistake.
        EngineUnavailable: nothing can be measured.
        RunFolderError: the run folder cannot be written any more.
    """
    unwritable = check_writable(wishes.output)
    request = parse(options, *([f"--output: {unwritable}"] if unwritable else []))
    run = f"{datetime.now(UTC):%H%M%S}{secrets.token_hex(3)}"
    engine = opener(request.engine, run, wishes.engine)
    try:
        plan = build(request, engine.cpu_topology())
        folder, info = _begin(engine, plan, run, wishes)
        status = _measure(engine, plan, folder, info, wishes)
    finally:
        with deferred_signals():
            _sweep(engine, run, keep=wishes.keep)
            if not wishes.keep:
                engine.close()
    return folder.path, status


def _begin(engine: Engine, plan: Plan, run: str, wishes: RunOptions) -> tuple[RunFolder, RunInfo]:
    """Prepare the engine, read the surroundings, open the run folder."""
    if not wishes.quiet:
        say(f"engine: {engine.name} ({engine.why})")
    try:
        helpers = engine.prepare()
        check_parent(engine, wishes.engine.parent, in_use=wishes.parent_in_use)
        if _needs_lan(engine, plan, wishes.engine):
            helpers = (*helpers, engine.lan().done)
        tools = engine.tools()
        facts = dict(surroundings(engine, identify=wishes.identify))
        with Sentinel() as sentinel:
            facts |= ceiling(engine, choose_reader(engine), plan, sentinel)
    except EngineLost:
        raise
    except EngineError as exc:
        raise EngineUnavailable(exc.message, hint=exc.hint) from exc
    info = RunInfo(
        schema=SCHEMA,
        id=run,
        version=__version__,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        command=("netbench", *sys.argv[1:]),
        engine=engine.name,
        engine_why=engine.why,
        plan=plan.summary(),
        tools=tuple(sorted(tools.items())),
        facts=tuple(sorted(facts.items())),
        helpers=helpers,
    )
    drivers = tuple(driver.name for driver in plan.drivers)
    return RunFolder.create(wishes.output, drivers, info), info


def _needs_lan(engine: Engine, plan: Plan, wishes: Wishes) -> bool:
    """Tell whether an emulated LAN is made: for a client on it, or for links beneath its wire."""

    def here(driver: Driver, path: TrafficPath) -> bool:
        return engine.unsupported(driver.recipe, path) is None

    east_west = TrafficPath.EAST_WEST
    outer = [path for path in plan.paths if path is not east_west]
    beneath = [d for d in plan.drivers if d.recipe.network and d.recipe.network.on_lan]
    return any(here(driver, path) for driver in plan.drivers for path in outer) or (
        wishes.parent is None and any(here(driver, east_west) for driver in beneath)
    )


def _measure(
    engine: Engine, plan: Plan, folder: RunFolder, info: RunInfo, wishes: RunOptions
) -> Status:
    """Run the plan, store every record, return how it ended."""
    began = time.monotonic()
    journal = _Journal(folder, info)
    runner = Runner(
        plan,
        engine,
        choose_reader(engine),
        save_raw=folder.save_raw,
        keep=wishes.keep,
        judge=_judge(info) if plan.adaptive else None,
    )
    try:
        with open_progress(plan, quiet=wishes.quiet) as progress:
            for event in runner:
                journal.take(event)
                progress.show(event)
    except Interrupted as exc:
        journal.note(exc.message)
        say(f"netbench: {exc.message}; everything made is removed, what was measured is kept")
    except EngineLost as exc:
        journal.status = "engine-lost"
        journal.note(f"the engine went away: {exc.message}")
        say(f"netbench: the engine went away: {exc.message}")
        say("  fix: once it is back, `netbench clean` removes what it still holds")
    finally:
        with deferred_signals():
            journal.close(time.monotonic() - began)
    return journal.status


@dataclass(slots=True)
class _Journal:
    """What a run has come to, in its folder as it comes."""

    folder: RunFolder
    info: RunInfo
    status: Status = "interrupted"

    def take(self, event: Event) -> None:
        """Store what an event brings."""
        match event:
            case TrialFinished(record):
                with deferred_signals():
                    self.folder.append(record)
            case BlockFinished(number, _, left) if left:
                self.note(f"block {number}: not removed at once: {'; '.join(left)}")
            case Judged(_, ruling) if ruling.settled:
                self.info = replace(self.info, settled=(*self.info.settled, *ruling.settled))
                with deferred_signals():
                    self.folder.finish(self.info)
            case Ended(status):
                self.status = status
            case _:
                pass

    def note(self, text: str) -> None:
        """Add what a reader must know."""
        self.info = replace(self.info, notes=(*self.info.notes, text))

    def close(self, wall: float) -> None:
        """Write how it ended."""
        finished = datetime.now(UTC).isoformat(timespec="seconds")
        self.folder.finish(replace(self.info, status=self.status, finished=finished, wall=wall))


def _judge(info: RunInfo) -> Judge:
    from netbench.analysis.stopping import RunningJudge  # noqa: PLC0415 -- scipy is slow to import

    return RunningJudge(info.plan)


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
