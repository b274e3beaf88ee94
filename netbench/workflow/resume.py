"""Resuming: go on with a run that was cut off, or extend one that ended."""

import math
import shlex
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from typing import Final

from netbench.analysis.missing import missing
from netbench.engines.base import Engine, EngineOptions
from netbench.engines.choose import open_engine
from netbench.errors import ENGINE_FAILURES
from netbench.plan import Extension, Plan, asks_to_extend, read_extension, restore
from netbench.record import (
    Ending,
    FactValue,
    Redaction,
    Resumed,
    ResumeDifference,
    RunInfo,
)
from netbench.runner.run_state import RunState, span
from netbench.store import LoadedRun, RunFolder
from netbench.units import duration, some
from netbench.version import version
from netbench.workflow.options import SILENT, Observer, RunOptions
from netbench.workflow.preflight import Kept, PreparedEngine, prepare, taken_down, topology_of
from netbench.workflow.resume_checks import differences, option_problems, refuse
from netbench.workflow.run import carry_on, judge_of

FINISHED: Final = ("complete", "out-of-time")
_DEAD: Final = ("process", "cgroup", "container", "network", "bridge", "rules")
"""Kinds of thing that a resumed run makes anew."""


def resume(
    run: LoadedRun, options: RunOptions, observer: Observer = SILENT, *, force: bool = False
) -> Ending | None:
    """Measure what is left of a run, and what extends it: `blocks` of `+N`, `max-time` of `+S`.

    Returns how it ended; None if it had ended before, no record of it is missing, and nothing that
    is asked for extends it. Blocks of which records got lost are measured anew as a whole.
    Raises ConfigurationError with all that is not as it was when the run began, unless `force`.
    """
    info, asked = run.info, dict(options.asked)
    extended = any(asks_to_extend(*one) for one in asked.items())
    if info.status in FINISHED and not extended and not missing(info, run.records()):
        refuse(option_problems(info, asked), (), force=False)
        observer.say(
            f"netbench: nothing is left to measure in {run.path}: the run is {info.status}"
        )
        line = f"netbench run --resume {shlex.quote(str(run.path))} --blocks +10"
        observer.say(f"  to extend it: `{line}`, or --max-time +600 for ten more minutes")
        return None
    options = remembered(info, options)
    kind = str(asked.get("engine", "auto"))
    wishes = replace(options.engine, keep=options.keep)
    engine = open_engine(info.engine if kind == "auto" else kind, info.id, wishes)
    kept = Kept(options.keep, options.engine)
    with taken_down(engine, info.id, observer, kept), RunFolder(run.path).held():
        _remove_dead(engine, info.id)
        return _go_on(run, engine, options, observer, kept, force=force)


def _go_on(
    run: LoadedRun,
    engine: Engine,
    options: RunOptions,
    observer: Observer,
    kept: Kept,
    *,
    force: bool,
) -> Ending:
    info = run.info
    plan = restore(info.plan, topology_of(engine))
    prepared = prepare(engine, plan, options, observer)
    redaction = prepared.redaction or Redaction()
    folder = RunFolder(run.path, redaction)
    asked = {name: _as_kept(value, redaction) for name, value in options.asked}
    changed = changed_since(info, engine, plan, prepared, asked)
    problems = option_problems(info, asked)
    extension = read_extension(asked, problems)
    refuse(problems, changed, force=force)
    state, set_aside = _recalled(run, plan)
    plan, resumed = _extended(info, plan, state, extension, options.command)
    resumed = replace(resumed, set_aside=set_aside, differences=changed)
    folder.mend(state.number)
    observer.say(f"netbench: {_words(resumed)}; {_to_measure(plan, state)}")
    goes_on = replace(
        info,
        plan=plan.summary(),
        status="running",
        finished=None,
        wall=None,
        settled=state.settled,
        notes=(*info.notes, _words(resumed)),
        resumed=(*info.resumed, resumed),
    )
    folder.finish(goes_on)
    return carry_on(engine, plan, folder, goes_on, observer=observer, state=state, kept=kept)


def changed_since(
    info: RunInfo,
    engine: Engine,
    plan: Plan,
    prepared: PreparedEngine,
    asked: Mapping[str, FactValue],
) -> tuple[ResumeDifference, ...]:
    """Return what is not as it was when a run began, and must be; `asked` are options as kept."""
    redaction = prepared.redaction or Redaction()
    facts = {name: _as_kept(value, redaction) for name, value in prepared.facts.items()}
    return differences(info, engine.name, plan, replace(prepared, facts=facts), asked)


def _recalled(run: LoadedRun, plan: Plan) -> tuple[RunState, int]:
    info = run.info
    reopened = frozenset(one.block for one in info.resumed if one.reopened)
    state = RunState(plan, judge_of(plan, info), spent=_spent(run), reopened=reopened)
    found = missing(info, run.records())
    begun = max(found.begun, found.last) if info.status in FINISHED else found.begun
    absent = found.blocks(begun)  # blocks of which records are missing
    damaged = len(run.damage.lines) > run.reading.torn or bool(absent - {begun})
    lost = info.status == "engine-lost"
    if not absent or not (damaged or info.status in FINISHED):
        aside = state.recall(run.in_order(), lost=lost)
    else:
        aside = state.recall(run.in_order(), lost=lost, incomplete=absent)
        state.restore(info, absent)
        state.owed = begun
        # What is damaged may be mended yet: its numbers and its raw output are not used again.
        state.number = max(state.number, run.reading.last, RunFolder(run.path).last_raw())
    state.follow(info.resumed)
    return state, aside


def _extended(
    info: RunInfo, plan: Plan, state: RunState, extension: Extension, command: tuple[str, ...]
) -> tuple[Plan, Resumed]:
    """Return the plan with what extends it, and what is recorded of that.

    Added blocks come after those of the plan, or after those that are there where it has no more.
    """
    resumed = Resumed(
        at=datetime.now(UTC).isoformat(timespec="seconds"),
        command=command,
        version=version(),
        block=state.block + 1,
        number=state.number + 1,
        set_aside=0,
        spent=state.spent,
        again=state.measured_anew,
        extended_blocks=extension.blocks,
        extended_time=extension.seconds,
    )
    if not extension:
        return plan, resumed
    nothing_left = not state.plan(state.block + 1).steps
    if nothing_left:
        state.reopen()
    before = [one for one in info.resumed if one.extends]
    by_time_alone = before and not before[-1].extended_blocks
    base = state.block if nothing_left or by_time_alone else plan.blocks
    plan = extension.of(plan, blocks=base, spent=state.spent)
    return plan, replace(resumed, reopened=nothing_left)


def _as_kept(value: FactValue, redaction: Redaction) -> FactValue:
    """Return a value as the run folder has it, without what identifies a site."""
    if isinstance(value, tuple):
        return tuple(map(redaction.text, value))
    return redaction.text(value) if isinstance(value, str) else value


def remembered(info: RunInfo, options: RunOptions) -> RunOptions:
    """Return what is asked for now, over what was asked for when the run began."""
    kept, now = dict(info.options), options.engine

    def text(given: str | None, name: str) -> str | None:
        value = kept.get(name)
        return given or (value if isinstance(value, str) else None)

    return replace(
        options,
        engine=EngineOptions(
            context=text(now.context, "context"),
            image=text(now.image, "image"),
            parent=text(now.parent, "parent"),
            init_swarm=now.init_swarm or kept.get("init-swarm") is True,
            peer_context=text(now.peer_context, "peer-context"),
            peer_address=now.peer_address,
            peer_parent=text(now.peer_parent, "peer-parent"),
        ),
        parent_in_use=options.parent_in_use or kept.get("parent-in-use") is True,
        identify=options.identify or kept.get("identify") is True,
    )


def _spent(run: LoadedRun) -> float:
    """Return the seconds that a run has taken; of a killed one, as far as its records show."""
    info = run.info
    if info.wall is not None:
        return info.wall
    before = info.resumed[-1].spent if info.resumed else 0.0
    since = info.resumed[-1].number if info.resumed else 0
    return before + span(record for record in run.records() if record.number >= since)


def _words(resumed: Resumed) -> str:
    blocks, seconds = resumed.extended_blocks, resumed.extended_time
    added = [f"{blocks} block{'s' * (blocks > 1)}"] if blocks else []
    added += [duration(seconds)] if seconds else []
    parts = [f"resumed at {resumed.at} with block {resumed.block}"]
    if added:
        parts.append(f"extended by {' and '.join(added)}")
    if resumed.reopened:
        parts.append("settled cells are measured again, for nothing else is left")
    if resumed.again:
        parts.append(f"measured anew, for records are missing: {_blocks(resumed.again)}")
    if resumed.set_aside:
        parts.append(f"{resumed.set_aside} records of blocks that were not whole are set aside")
    if resumed.differences:
        changed = "; ".join(map(str, resumed.differences))
        parts.append(f"by --force, although changed: {changed}")
    return "; ".join(parts)


def _to_measure(plan: Plan, state: RunState) -> str:
    steps = state.plan(state.block + 1).steps
    cells = dict.fromkeys(
        step.cell for step in steps if len(plan.drivers) == 1 or step.cell.driver != plan.baseline
    )
    every = sum(len(plan.drivers) == 1 or cell.driver != plan.baseline for cell in plan.cells)
    if state.again:
        return f"to measure: {_blocks(tuple(state.again))}, then what is left"
    if not cells or state.block >= plan.blocks:
        return "nothing is left to measure"
    block, left = state.eta.longest(steps), (plan.max_time or math.inf) - state.spent
    if left < block and state.block >= max(plan.unhurried, state.owed):
        return f"a block takes up to {duration(block)}, and {duration(max(0.0, left))} are left"
    named = some([f"{c.driver} {c.probe} {c.placement} {c.path}" for c in cells])
    return f"to measure: {'all cells' if len(cells) == every else named}"


def _blocks(numbers: tuple[int, ...]) -> str:
    return f"block{'s' * (len(numbers) > 1)} {some(list(map(str, numbers)))}"


def _remove_dead(engine: Engine, run: str) -> None:
    """Remove what the run left on its engine when it was killed, as far as the engine can."""
    for _ in range(2):
        with suppress(*ENGINE_FAILURES):
            for thing in engine.owned(run):
                if not thing.live and thing.kind in _DEAD:
                    with suppress(*ENGINE_FAILURES):
                        engine.remove_owned(thing)
