"""Resuming: go on with a run that was cut off, or extend one that ended."""

import math
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from typing import Final

from netbench.engines.base import Engine, EngineOptions, Owned
from netbench.engines.choose import open_engine
from netbench.errors import ENGINE_FAILURES
from netbench.plan import Extension, Plan, asks_to_extend, read_extension, restore
from netbench.record import FactValue, Redaction, Resumed, RunInfo
from netbench.runner.run_state import RunState, span
from netbench.spec import Cell
from netbench.store import LoadedRun, RunFolder
from netbench.units import duration
from netbench.version import version
from netbench.workflow.journal import Status
from netbench.workflow.options import Observer, RunOptions, SilentObserver
from netbench.workflow.preflight import prepare, taken_down, topology_of
from netbench.workflow.resume_checks import differences, option_problems, refuse
from netbench.workflow.run import Opener, carry_on, judge_of

_FINISHED: Final = ("complete", "out-of-time")
_NAMED: Final = 6
"""Cells that are named one by one."""
_DEAD: Final = ("process", "cgroup", "container", "network", "bridge", "rules")
"""Kinds of thing that a resumed run makes anew."""


def nothing_to_do(run: LoadedRun, asked: Mapping[str, FactValue]) -> bool:
    """Tell whether a run has ended and nothing that was asked for extends it.

    Raises:
        ConfigurationError: it has, and options were given that are not the run's.
    """
    if run.info.status not in _FINISHED or any(asks_to_extend(*one) for one in asked.items()):
        return False
    refuse(option_problems(run.info, asked), (), force=False)
    return True


def resume(
    run: LoadedRun,
    options: RunOptions,
    observer: Observer | None = None,
    *,
    force: bool = False,
    opener: Opener = open_engine,
) -> Status:
    """Measure what is left of a run, and what extends it; return how it ended.

    Args:
        run: as it was read.
        options: `asked` holds what was given beside the folder: `blocks` of `+N` and `max-time`
            of `+S` extend the run.
        observer: follows it.
        force: go on although the machine is not as it was.
        opener: opens the engine; for callers with an engine of their own.

    Raises:
        ConfigurationError: with everything that is not as it was when the run began.
        EngineUnavailable: nothing can be measured.
        RunFolderError: another netbench measures into it, or it is read-only.
    """
    observer = observer or SilentObserver()
    info, asked = run.info, dict(options.asked)
    options = _merged(info, options)
    engine = opener(_engine(info, asked), info.id, options.engine)
    with taken_down(engine, info.id, observer, keep=options.keep), RunFolder(run.path).held():
        _remove_dead(engine, info.id)
        plan = restore(info.plan, topology_of(engine))
        prepared = prepare(engine, plan, options, observer)
        redaction = prepared.redaction or Redaction()
        folder = RunFolder(run.path, redaction)
        asked = {name: _as_kept(value, redaction) for name, value in asked.items()}
        facts = {name: _as_kept(value, redaction) for name, value in prepared.facts.items()}
        changed = tuple(differences(info, engine.name, plan, replace(prepared, facts=facts), asked))
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
        return carry_on(
            engine, plan, folder, goes_on, observer=observer, state=state, keep=options.keep
        )


def _recalled(run: LoadedRun, plan: Plan) -> tuple[RunState, int]:
    """Return what a run has come to, and how many of its records are set aside."""
    info = run.info
    reopened = frozenset(one.block for one in info.resumed if one.reopened)
    state = RunState(plan, judge_of(plan, info), spent=_spent(run), reopened=reopened)
    return state, state.recall(run.records(), lost=info.status == "engine-lost")


def _extended(
    info: RunInfo,
    plan: Plan,
    state: RunState,
    extension: Extension,
    command: tuple[str, ...],
) -> tuple[Plan, Resumed]:
    """Return the plan with what extends it, and what is recorded of that.

    Added blocks come after those of the plan. They come after those that are there where the plan
    has no more: every cell has settled, which is then measured again, or time alone limited the
    run.
    """
    resumed = Resumed(
        at=datetime.now(UTC).isoformat(timespec="seconds"),
        command=command,
        version=version(),
        block=state.block + 1,
        number=state.number + 1,
        set_aside=0,
        spent=state.spent,
        extended_blocks=extension.blocks,
        extended_time=extension.seconds,
    )
    if not extension:
        return plan, resumed
    nothing_left = not state.plan(state.block + 1).steps
    if nothing_left:
        state.reopen()
    base = state.block if nothing_left or _limited_by_time_alone(info) else plan.blocks
    plan = extension.of(plan, blocks=base, spent=state.spent)
    return plan, replace(resumed, reopened=nothing_left)


def _limited_by_time_alone(info: RunInfo) -> bool:
    """Tell whether the last extension set no number of blocks."""
    last = next((one for one in reversed(info.resumed) if one.extends), None)
    return last is not None and not last.extended_blocks


def _as_kept(value: FactValue, redaction: Redaction) -> FactValue:
    """Return a value as the run folder has it, without what identifies a site."""
    if isinstance(value, tuple):
        return tuple(map(redaction.text, value))
    return redaction.text(value) if isinstance(value, str) else value


def _engine(info: RunInfo, asked: Mapping[str, FactValue]) -> str:
    wanted = str(asked.get("engine", "auto"))
    return info.engine if wanted == "auto" else wanted


def _merged(info: RunInfo, options: RunOptions) -> RunOptions:
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
    """Return in one sentence how a run goes on."""
    blocks, seconds = resumed.extended_blocks, resumed.extended_time
    added = [f"{blocks} block{'s' * (blocks > 1)}"] if blocks else []
    added += [duration(seconds)] if seconds else []
    parts = [f"resumed at {resumed.at} with block {resumed.block}"]
    if added:
        parts.append(f"extended by {' and '.join(added)}")
    if resumed.reopened:
        parts.append("settled cells are measured again, for nothing else is left")
    if resumed.set_aside:
        parts.append(f"its {resumed.set_aside} records from before it was cut off are set aside")
    if resumed.differences:
        changed = "; ".join(map(str, resumed.differences))
        parts.append(f"by --force, although changed: {changed}")
    return "; ".join(parts)


def _to_measure(plan: Plan, state: RunState) -> str:
    """Return what the next block holds, or why there is none."""
    steps = state.plan(state.block + 1).steps
    cells = dict.fromkeys(
        step.cell for step in steps if len(plan.drivers) == 1 or step.cell.driver != plan.baseline
    )
    every = sum(len(plan.drivers) == 1 or cell.driver != plan.baseline for cell in plan.cells)
    if not cells or state.block >= plan.blocks:
        return "nothing is left to measure"
    block, left = state.eta.longest(steps), (plan.max_time or math.inf) - state.spent
    if left < block and state.block >= plan.unhurried:
        return f"a block takes up to {duration(block)}, and {duration(max(0.0, left))} are left"
    return f"to measure: {'all cells' if len(cells) == every else _named(cells)}"


def _named(cells: Iterable[Cell]) -> str:
    """Return the names of cells, of many the first few."""
    names = [f"{c.driver} {c.probe} {c.placement} {c.path}" for c in cells]
    more = len(names) - _NAMED
    return ", ".join(names[:_NAMED]) + (f" and {more} more" if more > 0 else "")


def _remove_dead(engine: Engine, run: str) -> None:
    """Remove what the run left on its engine when it was killed."""
    for _ in range(2):
        for thing in _dead(engine, run):
            with suppress(*ENGINE_FAILURES):
                engine.remove_owned(thing)


def _dead(engine: Engine, run: str) -> list[Owned]:
    """Return what is to be swept; nothing where the engine does not tell."""
    try:
        return [x for x in engine.owned(run) if not x.live and x.kind in _DEAD]
    except ENGINE_FAILURES:
        return []
