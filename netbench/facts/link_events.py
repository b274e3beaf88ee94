"""Events of links between two readings: they show a change that was undone again.

rtnetlink(7) sends a message for each change of a link's master, MTU or state to whoever listens in
its network namespace, root or not. They wait in a socket or a pipe, so that nothing works while
something is measured.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from netbench.errors import FactError
from netbench.record import Link
from netbench.spec import Role

MONITOR: Final = ("ip", "-o", "monitor", "link")
_LINE: Final = re.compile(
    r"^(Deleted )?(\d+): ([^\s:@]+)(?:@\S+)?: <(\S*)> mtu (\d+)(?: qdisc \S+)?(?: master (\S+))?"
)


@dataclass(frozen=True, slots=True)
class LinkEvent:
    """The state of a link after a change, as the event gives it."""

    role: Role  # of its namespace
    index: int
    gone: bool  # or no port of its master any more
    up: bool
    carrier: bool
    mtu: int | None  # bytes; None if the event does not say
    master: str | None

    def differs(self, link: Link) -> str | None:
        """Return in words how it was not as a reading has it, or None."""
        if self.gone:
            return f"it left {self.master}" if self.master else "it was gone"
        now: dict[str, object] = {
            "up": self.up,
            "carrier": None if link.carrier is None else self.carrier,
            "master": self.master,
            "mtu": link.mtu if self.mtu is None else self.mtu,
        }
        words = [f"{name} {value}" for name, value in now.items() if value != getattr(link, name)]
        return ", ".join(words) or None


@dataclass(frozen=True, slots=True)
class Heard:
    """The events, and in words what listened to them, or why nothing did."""

    events: tuple[LinkEvent, ...]
    by: str


StopListening = Callable[[], Heard]  # is called once; raises `EngineLost`


def monitor(follow: Callable[[tuple[str, ...]], Callable[[], str]]) -> StopListening:
    """Listen by `ip monitor` on the engine's host, where the ends of most paths meet.

    `follow` is `NamespaceSet.follow` of the host.
    """
    try:
        end = follow(MONITOR)
    except FactError as exc:
        reason = str(exc)
        return lambda: Heard((), f"nobody: {reason}")

    def stop() -> Heard:
        try:
            return Heard(tuple(monitored(end())), "ip monitor link on the host")
        except FactError as exc:
            return Heard((), f"nobody: {exc}")

    return stop


def monitored(text: str) -> Iterator[LinkEvent]:
    """Parse what `ip -o monitor link` printed on the engine's host."""
    for line in text.splitlines():
        found = _LINE.match(line.removeprefix("[LINK]"))
        if found:
            gone, index, name, flags, mtu, master = found.groups()
            words = flags.split(",")
            yield LinkEvent(
                Role.HOST,
                int(index),
                gone is not None,
                up="UP" in words,
                carrier="LOWER_UP" in words,
                mtu=int(mtu),
                master=None if master == name else master,
            )
