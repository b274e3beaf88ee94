"""What has changed since a run began: its options, its engine, its machine, its tools."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from netbench.engines.base import PROBE_IMAGE
from netbench.errors import ConfigurationError
from netbench.facts.registry import declared
from netbench.plan import Plan, asks_to_extend
from netbench.record import Absent, FactValue, ResumeDifference, RunInfo
from netbench.version import version
from netbench.workflow.preflight import PreparedEngine

_MAY_CHANGE: Final = (
    *("engine", "context", "image", "parent"),
    *("peer-context", "peer-parent"),
)  # by --force; others make the plan
_NOT_COMPARED: Final = ("init-swarm", "parent-in-use", "identify", "confirm")
"""Permissions, and what follows a run."""
_UNKNOWN: Final = "not given"
_Compared = tuple[str, str, str]  # what it is, and its value before and now
_EXTENDED_BY: Final = {
    "blocks": "--blocks +N adds N blocks to the run",
    "max-time": "--max-time +S adds S seconds to it",
}


def option_problems(info: RunInfo, asked: Mapping[str, FactValue]) -> list[str]:
    """Return a problem for each option, by name without dashes, that would make another plan."""
    plan = info.plan
    known: dict[str, FactValue] = {
        "drivers": ",".join(plan.drivers),
        "paths": ",".join(dict.fromkeys(cell.path for cell in plan.cells)),
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
    """Raise `ConfigurationError` if options are wrong or, unless forced, something has changed."""
    changed = () if force else changed
    if not problems and not changed:
        return
    hints = ["leave out the options that are not the run's: its plan stays"] if problems else []
    if changed:
        hints += ["a new run measures everything as it is now; --force resumes, and reports say so"]
    raise ConfigurationError(*problems, *map(str, changed), hint="; ".join(hints))


def differences(
    info: RunInfo, engine: str, plan: Plan, prepared: PreparedEngine, asked: Mapping[str, FactValue]
) -> tuple[ResumeDifference, ...]:
    """Return what must be equal in one run and is not."""
    kept, tools, lists = dict(info.options), dict(info.tools), dict(info.plan.conflists)
    compared: list[_Compared] = [("engine", info.engine, engine)]
    compared += [
        (f"--{name}", _plain(kept.get(name, _UNKNOWN)), _plain(asked[name]))
        for name in _MAY_CHANGE[1:]
        if name in asked
    ]
    compared += [("netbench", info.version, version())]
    compared += _confounders(dict(info.facts), prepared.facts)
    compared += [
        (name, tools.get(name, "none"), prepared.tools.get(name, "none"))
        for name in sorted({*tools, *prepared.tools})
    ]
    compared += [
        (name, f"sha256 {lists[name][:12]}", f"sha256 {digest[:12]}")
        for name, digest in plan.summary().conflists
        if name in lists
    ]
    return tuple(ResumeDifference(*one) for one in compared if one[1] != one[2])


def _confounders(
    before: Mapping[str, FactValue], now: Mapping[str, FactValue]
) -> Iterator[_Compared]:
    """Yield the registry's confounders that are known both times."""
    same_image = _same_probe_image(before, now)
    for name in sorted({*before} & {*now}):
        known = declared(name)
        if known is None or not known.confounds or (name == "engine.image_id" and same_image):
            continue
        if not isinstance(before[name], Absent) and not isinstance(now[name], Absent):
            yield name, _plain(before[name]), _plain(now[name])


def _same_probe_image(before: Mapping[str, FactValue], now: Mapping[str, FactValue]) -> bool:
    """Tell whether netbench's own image has the same content; made anew it has another id."""
    reference = str(now.get("engine.image"))
    return reference.startswith(f"{PROBE_IMAGE}:") and reference == before.get("engine.image")


def _plain(value: FactValue) -> str:
    if isinstance(value, tuple):
        return ",".join(value)
    return str(value).replace(", ", ",")
