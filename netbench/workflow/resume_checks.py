"""What has changed since a run began: its options, its engine, its machine, its tools."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from netbench.engines.base import PROBE_IMAGE
from netbench.errors import ConfigurationError
from netbench.facts.registry import FACTS
from netbench.plan import Plan, asks_to_extend
from netbench.record import Absent, FactValue, ResumeDifference, RunInfo
from netbench.version import version
from netbench.workflow.preflight import PreparedEngine

_MAY_CHANGE: Final = ("engine", "context", "image", "parent")
"""Options that `--force` may change. All others make the plan, which stays as it is."""
_NOT_COMPARED: Final = ("init-swarm", "parent-in-use", "identify")
"""Permissions, which the run keeps or is given now."""
_UNKNOWN: Final = "not given"
_EXTENDED_BY: Final = {
    "blocks": "--blocks +N adds N blocks to the run",
    "max-time": "--max-time +S adds S seconds to it",
}


def option_problems(info: RunInfo, asked: Mapping[str, FactValue]) -> list[str]:
    """Return a problem for each option that would make another plan.

    Args:
        info: of the run.
        asked: options as the user gave them beside `--resume`, by name without dashes.
    """
    plan = info.plan
    known: dict[str, FactValue] = {
        "drivers": ",".join(plan.drivers),
        "baseline": plan.baseline,
        "suite": plan.suite,
        "seed": str(plan.seed),
    }
    known |= dict(info.options)
    found = []
    for name, now in asked.items():
        if name in (*_MAY_CHANGE, *_NOT_COMPARED) or asks_to_extend(name, now):
            continue
        before = known.get(name, _UNKNOWN)
        same = name == "drivers" and _plain(now) == ",".join(plan.drivers)
        if _plain(now) != _plain(before) and not same:
            advice = f"; {_EXTENDED_BY[name]}" if name in _EXTENDED_BY else ""
            found.append(f"--{ResumeDifference(name, _plain(before), _plain(now))}{advice}")
    return found


def refuse(problems: Sequence[str], changed: Sequence[ResumeDifference], *, force: bool) -> None:
    """Raise where options are wrong or, unless forced, something has changed.

    Raises:
        ConfigurationError: with all of it.
    """
    changed = () if force else changed
    if not problems and not changed:
        return
    hints = ["leave out the options that are not the run's: its plan stays"] if problems else []
    if changed:
        hints += ["a new run measures everything as it is now; --force resumes, and reports say so"]
    raise ConfigurationError(*problems, *map(str, changed), hint="; ".join(hints))


def differences(
    info: RunInfo,
    engine: str,
    plan: Plan,
    prepared: PreparedEngine,
    asked: Mapping[str, FactValue],
) -> Iterator[ResumeDifference]:
    """Yield what must be equal in one run and is not."""
    kept = dict(info.options)
    if engine != info.engine:
        yield ResumeDifference("engine", info.engine, engine)
    for name in ("context", "image", "parent"):
        if name in asked and asked[name] != kept.get(name):
            yield ResumeDifference(
                f"--{name}", _plain(kept.get(name, _UNKNOWN)), _plain(asked[name])
            )
    if version() != info.version:
        yield ResumeDifference("netbench", info.version, version())
    yield from _confounders(dict(info.facts), prepared.facts)
    tools = dict(info.tools)
    for name in sorted({*tools, *prepared.tools}):
        if tools.get(name) != prepared.tools.get(name):
            yield ResumeDifference(name, tools.get(name, "none"), prepared.tools.get(name, "none"))
    lists = dict(info.plan.conflists)
    for name, digest in plan.summary().conflists:
        if lists.get(name, digest) != digest:
            yield ResumeDifference(name, f"sha256 {lists[name][:12]}", f"sha256 {digest[:12]}")


def _confounders(
    before: Mapping[str, FactValue], now: Mapping[str, FactValue]
) -> Iterator[ResumeDifference]:
    """Yield the registry's confounders that are known both times, and differ."""
    same_image = _same_probe_image(before, now)
    for name in sorted({*before} & {*now} & {*FACTS}):
        if FACTS[name].match != "confounder" or (name == "engine.image_id" and same_image):
            continue
        pair = before[name], now[name]
        if pair[0] != pair[1] and not any(isinstance(value, Absent) for value in pair):
            yield ResumeDifference(name, _plain(pair[0]), _plain(pair[1]))


def _same_probe_image(before: Mapping[str, FactValue], now: Mapping[str, FactValue]) -> bool:
    """Tell whether netbench's own image has the same content; made anew it has another id."""
    reference = str(now.get("engine.image"))
    return reference.startswith(f"{PROBE_IMAGE}:") and reference == before.get("engine.image")


def _plain(value: FactValue) -> str:
    if isinstance(value, tuple):
        return ",".join(value)
    return str(value).replace(", ", ",")
