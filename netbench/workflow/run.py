"""A run: from options to a run folder, whatever happens in between."""

import secrets
import time
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from netbench.drivers import DRIVERS
from netbench.engines.base import Engine, EngineOptions
from netbench.engines.choose import open_engine
from netbench.errors import EngineLost, Interrupted
from netbench.plan import Options, Plan, build, parse
from netbench.probes import PROBES
from netbench.record import SCHEMA, Ending, FactValue, OtherRun, RunInfo
from netbench.record.redaction import NOTE
from netbench.runner.ceiling import ceiling
from netbench.runner.node_meter import meter_of
from netbench.runner.recording import Recorder
from netbench.runner.run import Runner
from netbench.runner.run_state import (
    BlockFinished,
    BlockJudged,
    Ended,
    Event,
    Judge,
    RunState,
    TrialFinished,
)
from netbench.spec import CpuTopology
from netbench.store import RunFolder, check_writable
from netbench.system.interrupts import deferred_signals
from netbench.topology.paths import choose_reader, choose_sentinel
from netbench.version import version
from netbench.workflow.options import SILENT, Observer, RunOptions
from netbench.workflow.preflight import (
    Kept,
    PreparedEngine,
    needed,
    prepare,
    taken_down,
    topology_of,
)

Opener = Callable[[str, str, EngineOptions], Engine]  # of a kind, for the id of a run


@dataclass(slots=True)
class Journal:
    """Writes every event of a run to its folder."""

    folder: RunFolder
    info: RunInfo
    observer: Observer
    status: Ending = "interrupted"

    def take(self, event: Event) -> None:
        """Store what an event brings."""
        match event:
            case TrialFinished(record):
                with deferred_signals():
                    self.folder.append(record)
            case BlockFinished(number, _, left, others):
                if left:
                    self.note(f"block {number}: not removed at once: {'; '.join(left)}")
                for run in others:
                    self._beside(run, number)
            case BlockJudged(_, ruling) if ruling.settled:
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

    def _beside(self, run: str, block: int) -> None:
        seen = {other.id: other.blocks for other in self.info.others}
        if run not in seen:
            here = f"another netbench (run {run}) is at work here"
            self.observer.say(f"netbench: {here}: each disturbs the other")
        seen[run] = (*seen.get(run, ()), block)
        others = tuple(OtherRun(run, blocks) for run, blocks in seen.items())
        self.info = replace(self.info, others=others)

    def close(self, wall: float) -> None:
        """Write how it ended."""
        finished = datetime.now(UTC).isoformat(timespec="seconds")
        self.folder.finish(replace(self.info, status=self.status, finished=finished, wall=wall))


def measure(
    plan_options: Options,
    options: RunOptions,
    observer: Observer = SILENT,
    opener: Opener = open_engine,
) -> tuple[Path, Ending]:
    """Run; return the run folder and how the run ended. Errors before it are raised."""
    unwritable = check_writable(options.output)
    problems = [*options.engine.problems(), *([f"--output: {unwritable}"] if unwritable else [])]
    request = parse(plan_options, *problems)
    planned = partial(build, request)
    return measure_plan(request.engine, planned, options, observer, opener=opener)


def measure_plan(
    kind: str,
    planned: Callable[[CpuTopology], Plan],
    options: RunOptions,
    observer: Observer = SILENT,
    *,
    opener: Opener = open_engine,
    check: Callable[[Engine, Plan, PreparedEngine], None] | None = None,
    begun: Callable[[RunFolder, RunInfo], None] | None = None,
) -> tuple[Path, Ending]:
    """Run the plan that is `planned` for the CPUs of an engine of that kind; return as `measure`.

    `check` raises where the engine, once it was read, is not to be measured on; `begun` takes the
    new folder before anything is measured into it.
    """
    run = f"{datetime.now(UTC):%H%M%S}{secrets.token_hex(3)}"
    engine = opener(kind, run, replace(options.engine, keep=options.keep))
    kept = Kept(options.keep, options.engine)
    with taken_down(engine, run, observer, kept):
        plan = planned(topology_of(engine))
        prepared = prepare(engine, plan, options, observer)
        if check is not None:
            check(engine, plan, prepared)
        folder, info = _begin(engine, plan, run, options, prepared)
        if begun is not None:
            begun(folder, info)
        state = RunState(plan, judge_of(plan, info))
        with folder.held():
            status = carry_on(engine, plan, folder, info, observer=observer, state=state, kept=kept)
            return folder.path, status


def _begin(
    engine: Engine, plan: Plan, run: str, options: RunOptions, prepared: PreparedEngine
) -> tuple[RunFolder, RunInfo]:
    with needed(), choose_sentinel(engine) as sentinel:
        limits = ceiling(engine, choose_reader(engine), plan, sentinel)
    info = RunInfo(
        schema=SCHEMA,
        id=run,
        version=version(),
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        command=options.command,
        engine=engine.name,
        engine_why=engine.why,
        plan=plan.summary(),
        tools=tuple(sorted(prepared.tools.items())),
        facts=tuple(sorted({**prepared.facts, **limits, **_third_party(plan)}.items())),
        helpers=prepared.helpers,
        notes=(*options.notes, *(() if options.identify else (NOTE,))),
        options=options.asked,
        confirms=options.confirms,
    )
    drivers = tuple(driver.name for driver in plan.drivers)
    return RunFolder.create(options.output, drivers, info, prepared.redaction), info


def _third_party(plan: Plan) -> Mapping[str, FactValue]:
    """Return what other distributions a run's drivers and probes come from, if any."""
    drivers = DRIVERS.added(driver.name.partition("@")[0] for driver in plan.drivers)
    probes = PROBES.added(plan.probes[name].name for name, _, _ in plan.kinds)
    origins = dict.fromkeys(map(str, (*drivers, *probes)))
    return {"netbench.third_party": ", ".join(origins)} if origins else {}


def carry_on(
    engine: Engine,
    plan: Plan,
    folder: RunFolder,
    info: RunInfo,
    *,
    observer: Observer,
    state: RunState,
    kept: Kept,
) -> Ending:
    """Run what is left of the plan; return how it ended. `kept` gets the pairs that stay up."""
    began = time.monotonic()
    journal = Journal(folder, info, observer)
    reader, sentinel = choose_reader(engine), choose_sentinel(engine)
    recorder = Recorder(engine, reader, folder.save_raw, meter_of(engine), sentinel)
    runner = Runner(plan, recorder, state, info.id, kept.wanted)
    try:
        with observer.progress(plan, state.done) as show, closing(iter(runner)) as events:
            for event in events:
                journal.take(event)
                show(event)
        kept.block = runner.kept
    except Interrupted as exc:
        kept.block = runner.kept
        journal.note(exc.message)
        removed = "" if kept.block else "everything made is removed, "
        observer.say(f"netbench: {exc.message}; {removed}what was measured is kept")
    except EngineLost as exc:
        journal.status = "engine-lost"
        journal.note(f"the engine went away: {exc.message}")
        observer.say(f"netbench: the engine went away: {exc.message}")
        observer.say("  fix: once it is back, `netbench clean` removes what it still holds")
    finally:
        with deferred_signals():
            journal.close(state.spent + time.monotonic() - began)
    return journal.status


def judge_of(plan: Plan, info: RunInfo) -> Judge | None:
    """Return what says which cells leave; None if all of them stay."""
    if not plan.adaptive:
        return None
    from netbench.analysis.stopping import RunningJudge  # noqa: PLC0415 -- scipy is slow to import

    return RunningJudge(info.plan)
