"""`netbench run --resume`: the rest of a run that ended too early."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from netbench.cli.ground import Ground, RunOptions, prepare, taken_down, topology_of
from netbench.cli.journal import Status
from netbench.cli.output import command_line, say
from netbench.cli.reports import write_reports
from netbench.cli.run import carry_on, judge_of, told
from netbench.engines.base import PROBE_IMAGE, Engine, Owned, Wishes
from netbench.engines.choose import open_engine
from netbench.errors import ConfigurationError, EngineError
from netbench.facts.registry import FACTS
from netbench.plan import Plan, restore
from netbench.record import Absent, Difference, FactValue, Record, Redaction, Resumed, RunInfo
from netbench.runner import Course
from netbench.store import LoadedRun, RunFolder, load
from netbench.version import version

_FINISHED: Final = ("complete", "out-of-time")
_MAY_CHANGE: Final = ("engine", "context", "image", "parent")
"""Options that `--force` may change. All others make the plan, which stays as it is."""
_NOT_COMPARED: Final = ("init-swarm", "parent-in-use", "identify")
"""Permissions, which the run keeps or is given now."""
_UNKNOWN: Final = "not given"
_DEAD: Final = ("process", "cgroup", "container", "network", "bridge", "rules")
"""Kinds of thing that a run which goes on would make anew."""


def resume(path: Path, wishes: RunOptions, *, force: bool) -> int:
    """Go on with a run, report and return the exit code; of a finished run only report.

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
    if run.info.status in _FINISHED:
        say(f"netbench: nothing is left to measure in {path}: the run is {run.info.status}")
        return write_reports(path, as_json=wishes.as_json)
    return told(path, go_on(run, wishes, force=force), as_json=wishes.as_json)


def go_on(
    run: LoadedRun,
    wishes: RunOptions,
    *,
    force: bool,
    opener: Callable[[str, str, Wishes], Engine] = open_engine,
) -> Status:
    """Measure what is left of a run; return how it ended. Errors as `resume`."""
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
        ground = replace(ground, facts=facts)
        changed = tuple(_changed(info, engine.name, plan, ground, asked))
        _refuse(info, asked, changed, force=force)
        course = Course(plan, judge_of(plan, info), spent=_spent(info, run))
        set_aside = course.recall(run.records(), lost=info.status == "engine-lost")
        folder.mend(course.number)
        resumed = Resumed(
            at=datetime.now(UTC).isoformat(timespec="seconds"),
            command=command_line(),
            version=version(),
            block=course.block + 1,
            number=course.number + 1,
            set_aside=set_aside,
            spent=course.spent,
            differences=changed,
        )
        say(f"netbench: {_words(resumed)}")
        goes_on = replace(
            info,
            status="running",
            finished=None,
            wall=None,
            settled=course.settled,
            notes=(*info.notes, _words(resumed)),
            resumed=(*info.resumed, resumed),
        )
        folder.finish(goes_on)
        return carry_on(engine, plan, folder, goes_on, wishes=wishes, course=course)


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
        engine=Wishes(
            context=text(now.context, "context"),
            image=text(now.image, "image"),
            parent=text(now.parent, "parent"),
            init_swarm=now.init_swarm or kept.get("init-swarm") is True,
        ),
        parent_in_use=wishes.parent_in_use or kept.get("parent-in-use") is True,
        identify=wishes.identify or kept.get("identify") is True,
    )


def _refuse(
    info: RunInfo,
    asked: Mapping[str, FactValue],
    changed: tuple[Difference, ...],
    *,
    force: bool,
) -> None:
    """Raise where the plan would be another one, or, unless forced, the machine is."""
    options = [
        f"--{d.what}: {d.before} when the run began, {d.now} now" for d in _replanned(info, asked)
    ]
    if options or (changed and not force):
        hint = "leave the options out: the plan is that of the run folder" if options else ""
        if changed and not force:
            hint = f"{hint}; " * bool(hint) + (
                "a new run measures all of it as it is now; --force goes on, and the report says so"
            )
        raise ConfigurationError(*options, *map(str, changed), hint=hint)


def _replanned(info: RunInfo, asked: Mapping[str, FactValue]) -> Iterator[Difference]:
    """Yield the options that would make another plan."""
    plan = info.plan
    known: dict[str, FactValue] = {
        "drivers": ",".join(plan.drivers),
        "baseline": plan.baseline,
        "suite": plan.suite,
        "seed": str(plan.seed),
    }
    known |= dict(info.options)
    for name, now in asked.items():
        if name in (*_MAY_CHANGE, *_NOT_COMPARED):
            continue
        before = known.get(name, _UNKNOWN)
        same = name == "drivers" and _plain(now) == ",".join(plan.drivers)
        if _plain(now) != _plain(before) and not same:
            yield Difference(name, _plain(before), _plain(now))


def _changed(
    info: RunInfo,
    engine: str,
    plan: Plan,
    ground: Ground,
    asked: Mapping[str, FactValue],
) -> Iterator[Difference]:
    """Yield what must be equal in one run and is not."""
    kept = dict(info.options)
    if engine != info.engine:
        yield Difference("engine", info.engine, engine)
    for name in ("context", "image", "parent"):
        if name in asked and asked[name] != kept.get(name):
            yield Difference(f"--{name}", _plain(kept.get(name, _UNKNOWN)), _plain(asked[name]))
    if version() != info.version:
        yield Difference("netbench", info.version, version())
    yield from _confounders(dict(info.facts), ground.facts)
    tools = dict(info.tools)
    for name in sorted({*tools, *ground.tools}):
        if tools.get(name) != ground.tools.get(name):
            yield Difference(name, tools.get(name, "none"), ground.tools.get(name, "none"))
    lists = dict(info.plan.conflists)
    for name, digest in plan.summary().conflists:
        if lists.get(name, digest) != digest:
            yield Difference(name, f"sha256 {lists[name][:12]}", f"sha256 {digest[:12]}")


def _confounders(
    before: Mapping[str, FactValue], now: Mapping[str, FactValue]
) -> Iterator[Difference]:
    """Yield the registry's confounders that are known both times, and differ."""
    same_image = _same_probe_image(before, now)
    for name in sorted({*before} & {*now} & {*FACTS}):
        if FACTS[name].match != "confounder" or (name == "engine.image_id" and same_image):
            continue
        pair = before[name], now[name]
        if pair[0] != pair[1] and not any(isinstance(value, Absent) for value in pair):
            yield Difference(name, _plain(pair[0]), _plain(pair[1]))


def _same_probe_image(before: Mapping[str, FactValue], now: Mapping[str, FactValue]) -> bool:
    """Tell whether netbench's own image has the same content; made anew it has another id."""
    reference = str(now.get("engine.image"))
    return reference.startswith(f"{PROBE_IMAGE}:") and reference == before.get("engine.image")


def _plain(value: FactValue) -> str:
    if isinstance(value, tuple):
        return ",".join(value)
    return str(value).replace(", ", ",")


def _spent(info: RunInfo, run: LoadedRun) -> float:
    """Return the seconds that a run has taken; of a killed one, as far as its records show."""
    if info.wall is not None:
        return info.wall
    before = info.resumed[-1].spent if info.resumed else 0.0
    since = info.resumed[-1].number if info.resumed else 0
    first: Record | None = None
    last: Record | None = None
    for record in run.records():
        if record.number >= since:
            first, last = first or record, record
    if first is None or last is None:
        return before
    span = last.clock.started_monotonic + last.clock.seconds - first.clock.started_monotonic
    return before + max(0.0, span)


def _words(resumed: Resumed) -> str:
    """Return in one sentence from where a run goes on."""
    aside = (
        f"; its {resumed.set_aside} records from before it was cut off are set aside"
        if resumed.set_aside
        else ""
    )
    forced = (
        f"; by --force, although changed: {'; '.join(map(str, resumed.differences))}"
        if resumed.differences
        else ""
    )
    return f"resumed at {resumed.at} with block {resumed.block}{aside}{forced}"


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
