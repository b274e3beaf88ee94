"""`netbench run`: from options to a run folder with its report, whatever happens between."""

import secrets
import time
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

from netbench.cli.ground import RunOptions, needed, prepare, taken_down, topology_of
from netbench.cli.journal import Journal, Status
from netbench.cli.output import command_line, say
from netbench.cli.progress import open_progress
from netbench.cli.reports import write_reports
from netbench.engines.base import Engine, EngineOptions
from netbench.engines.choose import open_engine
from netbench.errors import EngineLost, Interrupted
from netbench.interrupts import deferred_signals
from netbench.plan import Options, Plan, build, parse
from netbench.record import NOTE, SCHEMA, RunInfo
from netbench.runner import RunState, Judge, Runner, ceiling
from netbench.store import RunFolder, check_writable
from netbench.topology import choose_reader, choose_sentinel
from netbench.version import version


def execute(options: Options, wishes: RunOptions) -> int:
    """Run, report and return the exit code; errors as `measure`."""
    return told(*measure(options, wishes), as_json=wishes.as_json)


def told(path: Path, status: Status, *, as_json: bool) -> int:
    """Write a run's reports, show the result and return the exit code."""
    fixed = {"interrupted": Interrupted.exit_code, "engine-lost": EngineLost.exit_code}
    return write_reports(path, as_json=as_json, exit_code=fixed.get(status))


def measure(
    options: Options, wishes: RunOptions, opener: Callable[[str, str, EngineOptions], Engine] = open_engine
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
    with taken_down(engine, run, keep=wishes.keep):
        plan = build(request, topology_of(engine))
        folder, info = _begin(engine, plan, run, wishes)
        course = RunState(plan, judge_of(plan, info))
        with folder.held():
            status = carry_on(engine, plan, folder, info, wishes=wishes, course=course)
            return folder.path, status


def _begin(engine: Engine, plan: Plan, run: str, wishes: RunOptions) -> tuple[RunFolder, RunInfo]:
    """Prepare everything and open the run folder; errors as `prepare`."""
    ground = prepare(engine, plan, wishes)
    with needed(), choose_sentinel(engine) as sentinel:
        limits = ceiling(engine, choose_reader(engine), plan, sentinel)
    info = RunInfo(
        schema=SCHEMA,
        id=run,
        version=version(),
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        command=command_line(),
        engine=engine.name,
        engine_why=engine.why,
        plan=plan.summary(),
        tools=tuple(sorted(ground.tools.items())),
        facts=tuple(sorted({**ground.facts, **limits}.items())),
        helpers=ground.helpers,
        notes=() if wishes.identify else (NOTE,),
        options=wishes.asked,
    )
    drivers = tuple(driver.name for driver in plan.drivers)
    return RunFolder.create(wishes.output, drivers, info, ground.redaction), info


def carry_on(
    engine: Engine,
    plan: Plan,
    folder: RunFolder,
    info: RunInfo,
    *,
    wishes: RunOptions,
    course: RunState,
) -> Status:
    """Run what is left of the plan, store every record, return how it ended."""
    began = time.monotonic()
    journal = Journal(folder, info)
    runner = Runner(
        plan,
        engine,
        choose_reader(engine),
        save_raw=folder.save_raw,
        run=info.id,
        keep=wishes.keep,
        course=course,
    )
    try:
        with (
            open_progress(plan, course.done, quiet=wishes.quiet) as progress,
            closing(iter(runner)) as events,
        ):
            for event in events:
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
            journal.close(course.spent + time.monotonic() - began)
    return journal.status


def judge_of(plan: Plan, info: RunInfo) -> Judge | None:
    """Return who says which cells leave; None where all of them stay."""
    if not plan.adaptive:
        return None
    from netbench.analysis.stopping import RunningJudge  # noqa: PLC0415 -- scipy is slow to import

    return RunningJudge(info.plan)
