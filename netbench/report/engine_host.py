"""Where the engine of a run was, as far as that bears on its figures, in words."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from netbench.analysis.cell_key import plain
from netbench.record import Absent, RunInfo
from netbench.report.labels import joined
from netbench.report.sentences import fact

_NO_NETWORK: Final = "a user-mode network that the engine does not name"


@dataclass(frozen=True, slots=True)
class Condition:
    """One thing about the engine that a reader must know."""

    short: str
    """A few words, for the stamp."""
    long: str
    """A sentence or two, for the limits."""


def conditions(info: RunInfo) -> tuple[Condition, ...]:
    """Return what is special about the engine of a run."""
    return tuple(_conditions(info))


def _conditions(info: RunInfo) -> Iterator[Condition]:
    desktop = fact(info, "engine.desktop")
    if isinstance(desktop, str):
        yield Condition(
            f"the engine's host is a VM ({plain(desktop)})",
            f"The engine's host is a VM of {plain(desktop)}: its host namespace, its links and its "
            "CPUs are those of that machine, and a published port passes the product's own proxy "
            "before it reaches this one.",
        )
    if fact(info, "engine.rootless") is True and fact(info, "engine.name") == "docker":
        named = fact(info, "engine.rootless_network")
        network = plain(named) if isinstance(named, str) else _NO_NETWORK
        yield Condition(
            f"the engine is rootless, behind {network}",
            "The engine is rootless: its host, and so the driver host, is a network namespace of "
            f"its own, not the machine's. Between the two lies {network}; no path that was "
            "measured crosses it.",
        )
    if fact(info, "engine.local") is False:
        yield Condition(
            "the engine's processes are not this machine's",
            "The engine's processes are not those of the machine that netbench ran on: facts, "
            "counters, CPU time and the sentinel are those of the engine's machine, read there "
            "through the engine. The sentinel there is two `dd` and a pipe: compare its readings "
            "with none of another machine.",
        )


def unread(info: RunInfo) -> Sequence[tuple[str, str]]:
    """Return why facts of the run are absent, each reason once with the names of its facts."""
    found: Mapping[str, list[str]] = defaultdict(list)
    for name, value in info.facts:
        if isinstance(value, Absent):
            found[value.reason].append(name)
    return tuple((plain(reason), plain(joined(names))) for reason, names in found.items())
