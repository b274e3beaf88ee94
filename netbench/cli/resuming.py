"""`netbench run --resume`: go on with a run that was cut off, or extend one that ended."""

import math
import shlex
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from netbench.cli.differences import differences, option_problems, refuse
from netbench.cli.ground import RunOptions, prepare, taken_down, topology_of
from netbench.cli.journal import Status
from netbench.cli.output import command_line, say
from netbench.cli.reports import write_reports
from netbench.cli.run import carry_on, judge_of, told
from netbench.engines.base import Engine, Owned, EngineOptions
from netbench.engines.choose import open_engine
from netbench.errors import EngineError
from netbench.plan import Extension, Plan, asks_to_extend, read_extension, restore
from netbench.record import FactValue, Redaction, Resumed, RunInfo
from netbench.runner import RunState
from netbench.runner.eta import span
from netbench.spec import Cell
from netbench.store import LoadedRun, RunFolder, load
from netbench.units import duration
from netbench.version import version

_FINISHED: Final = ("complete", "out-of-time")
_NAMED: Final = 6
"""Cells that are named one by one."""
_DEAD: Final = ("process", "cgroup", "container", "network", "bridge", "rules")
"""Kinds of thing that a resumed run makes anew."""


def resume(path: Path, wishes: RunOptions, *, force: bool) -> int:
    """Go on with a run or extend it, report, and return the exit code.

    A finished run that is not extended is only reported.

    Args:
        path: of the run folder.
        wishes: what was asked for beside `--resume`.
        force: go on although the machine is not as it was.

    Raises:
        ConfigurationError: with everything that is not as it was when the run began.
        EngineUnavailable: nothing can be measured.
        RunFolderError: it is no run folder, another netbench measures into it, or it is read-only.
    """
    run = load(path)
    asked = dict(wishes.asked)
    if run.info.status in _FINISHED and not any(asks_to_extend(*one) for one in asked.items()):
        refuse(option_problems(run.info, asked), (), force=force)
        say(f"netbench: nothing is left to measure in {path}: the run is {run.info.status}")
        line = f"netbench run --resume {shlex.quote(str(path))} --blocks +10"
        say(f"  to extend it: `{line}`, or --max-time +600 for ten more minutes")
        return write_reports(path, as_json=wishes.as_json)
    return told(path, go_on(run, wishes, force=force), as_json=wishes.as_json)


def go_on(
    run: LoadedRun,
    wishes: RunOptions,
    *,
    force: bool,
    opener: Callable[[str, str, EngineOptions], Engine] = open_engine,
) -> Status:
    """Measure what is left of a run, and what extends it; return how it ended. Errors as `resume`.

    Args:
        run: the run.
        wishes: what was asked for beside `--resume`; `--blocks +N` and `--max-time +S` extend.
        force: go on although the machine is not as it was.
        opener: returns an engine of a kind, for a run's id; for those who bring their own.
    """
    info, asked = run.info, dict(wishes.asked)
    engine = opener(_engine(info, asked), info.id, _wishes(info, wishes).engine)
    wishes = _wishes(info, wishes)
    with taken_down(engine, info.id, keep=wishes.keep), RunFolder(run.path).held():
        _sweep_dead(engine, info.id)
        plan = restore(info.plan, topology_of(engine))
        ground = prepare(engine, plan, wishes)
        redaction = ground.redaction or Redaction()
        folder = RunFolder(run.path, redaction)
        asked = {name: _as_kept(value, redaction) for name, value in asked.items()}
        facts = {name: _as_kept(value, redaction) for name, value in ground.facts.items()}
        changed = tuple(differences(info, engine.name, plan, replace(ground, facts=facts), asked))
        problems = option_problems(info, asked)
        extension = read_extension(asked, problems)
        refuse(problems, changed, force=force)
        course, set_aside = _recalled(run, plan)
        plan, resumed = _extended(info, plan, course, extension)
        resumed = replace(resumed, set_aside=set_aside, differences=changed)
        folder.mend(course.number)
        say(f"netbench: {_words(resumed)}; {_to_measure(plan, course)}")
        goes_on = replace(
            info,
            plan=plan.summary(),
            status="running",
            finished=None,
            wall=None,
            settled=course.settled,
            notes=(*info.notes, _words(resumed)),
            resumed=(*info.resumed, resumed),
        )
        folder.finish(goes_on)
        return carry_on(engine, plan, folder, goes_on, wishes=wishes, course=course)


def _recalled(run: LoadedRun, plan: Plan) -> tuple[RunState, int]:
    """Return what a run has come to, and how many of its records are set aside."""
    info = run.info
    reopened = frozenset(one.block for one in info.resumed if one.reopened)
    course = RunState(plan, judge_of(plan, info), spent=_spent(run), reopened=reopened)
    return course, course.recall(run.records(), lost=info.status == "engine-lost")


def _extended(
    info: RunInfo, plan: Plan, course: RunState, extension: Extension
) -> tuple[Plan, Resumed]:
    """Return the plan with what extends it, and what is recorded of that.

    Added blocks come after those of the plan. They come after those that are there where the plan
    has no more: every cell has settled, which is then measured again, or time alone limited the
    run.
    """
    resumed = Resumed(
        at=datetime.now(UTC).isoformat(timespec="seconds"),
        command=command_line(),
        version=version(),
        block=course.block + 1,
        number=course.number + 1,
        set_aside=0,
        spent=course.spent,
        extended_blocks=extension.blocks,
        extended_time=extension.seconds,
    )
    if not extension:
        return plan, resumed
    nothing_left = not course.plan(course.block + 1).steps
    if nothing_left:
        course.reopen()
    base = course.block if nothing_left or _limited_by_time_alone(info) else plan.blocks
    plan = extension.of(plan, blocks=base, spent=course.spent)
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


def _wishes(info: RunInfo, wishes: RunOptions) -> RunOptions:
    """Return what is asked for now, over what was asked for when the run began."""
    kept, now = dict(info.options), wishes.engine

    def text(given: str | None, name: str) -> str | None:
        value = kept.get(name)
        return given or (value if isinstance(value, str) else None)

    return replace(
        wishes,
        engine=EngineOptions(
            context=text(now.context, "context"),
            image=text(now.image, "image"),
            parent=text(now.parent, "parent"),
            init_swarm=now.init_swarm or kept.get("init-swarm") is True,
        ),
        parent_in_use=wishes.parent_in_use or kept.get("parent-in-use") is True,
        identify=wishes.identify or kept.get("identify") is True,
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


def _to_measure(plan: Plan, course: RunState) -> str:
    """Return what the next block holds, or why there is none."""
    steps = course.plan(course.block + 1).steps
    cells = dict.fromkeys(
        step.cell for step in steps if len(plan.drivers) == 1 or step.cell.driver != plan.baseline
    )
    every = sum(len(plan.drivers) == 1 or cell.driver != plan.baseline for cell in plan.cells)
    if not cells or course.block >= plan.blocks:
        return "nothing is left to measure"
    block, left = course.pace.longest(steps), (plan.max_time or math.inf) - course.spent
    if left < block and course.block >= plan.unhurried:
        return f"a block takes up to {duration(block)}, and {duration(max(0.0, left))} are left"
    return f"to measure: {'all cells' if len(cells) == every else _named(cells)}"


def _named(cells: Iterable[Cell]) -> str:
    """Return the names of cells, of many the first few."""
    names = [f"{c.driver} {c.probe} {c.placement} {c.path}" for c in cells]
    more = len(names) - _NAMED
    return ", ".join(names[:_NAMED]) + (f" and {more} more" if more > 0 else "")


def _sweep_dead(engine: Engine, run: str) -> None:
    """Remove what the run left on its engine when it was killed."""
    for _ in range(2):
        for thing in _dead(engine, run):
            with suppress(EngineError):
                engine.remove_owned(thing)


def _dead(engine: Engine, run: str) -> list[Owned]:
    """Return what is to be swept; nothing where the engine does not tell."""
    try:
        return [x for x in engine.owned(run) if not x.live and x.kind in _DEAD]
    except EngineError:
        return []
