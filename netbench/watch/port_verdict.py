"""Which way a published port was served, judged from what was seen of it. Pure.

There are three witnesses. Sockets are open to every user: a proxy accepts the connection in the
host's namespace, DNAT leaves no socket there, and a server that is reached straight has one at
the very address that the client connected to. Conntrack tells where the answers come from. The
CPU time of the proxy process tells whether bytes went through it.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Final, Literal

from netbench.facts.conntrack import Tracked
from netbench.facts.cpu_time import TICK
from netbench.facts.procfs import Connection, SocketAddress
from netbench.record import Absent

ServedBy = Literal["nat", "proxy", "straight"]
FEW: Final = 4
"""Connections that are looked up, and quoted."""
_WORKED: Final = 5 * TICK
"""Seconds of CPU time that a proxy uses only where bytes go through it."""


@dataclass(frozen=True, slots=True)
class PortReading:
    """What was seen of a published port during one trial; a text says why something was not."""

    target: SocketAddress
    """What the client connected to."""
    at_server: tuple[Connection, ...] | str
    """The server's connections, as its own namespace sees them."""
    at_host: tuple[Connection, ...] | str
    """Connections that end at `target` in the host's namespace."""
    tracked: tuple[Tracked, ...] | str
    """Entries of conntrack of these connections."""
    proxy: float | str
    """CPU time, in seconds, that the proxy process used."""

    @property
    def straight(self) -> bool:
        """Tell whether the server has its socket where the client connected to."""
        return not isinstance(self.at_server, str) and any(
            one.local == self.target for one in self.at_server
        )


def judge(seen: PortReading) -> tuple[ServedBy | Absent, str]:
    """Return which way the port was served, and the evidence in words.

    Returns:
        `Absent` as the way, where evidence is missing or contradicts itself.
    """
    opinions = {watch: ask(seen) for watch, ask in _WITNESSES.items()}
    evidence = "; ".join(words for _, words in opinions.values())
    votes = {watch: ways for watch, (ways, _) in opinions.items() if ways}
    ways = frozenset().union(*votes.values())
    if not ways:
        return Absent("nothing shows which way the port was served"), evidence
    if len(ways) > 1:
        each = ", ".join(f"{' and '.join(sorted(found))} by {w}" for w, found in votes.items())
        return Absent(f"the evidence contradicts itself: {each}"), evidence
    return next(iter(ways)), evidence


_Opinion = tuple[frozenset[ServedBy], str]
_NONE: Final[frozenset[ServedBy]] = frozenset()


def _sockets(seen: PortReading) -> _Opinion:
    if isinstance(seen.at_server, str):
        return _NONE, f"the server's sockets were not read: {seen.at_server}"
    if not seen.at_server:
        return _NONE, "the server had no connection of it"
    theirs = f"the server has {_quoted(seen.at_server)}"
    if seen.straight:
        return frozenset({"straight"}), f"{theirs}, which is what the client connected to"
    if isinstance(seen.at_host, str):
        return _NONE, f"{theirs}; the host's sockets were not read: {seen.at_host}"
    if seen.at_host:
        return frozenset({"proxy"}), f"{theirs}, the host itself {_quoted(seen.at_host)}"
    return frozenset({"nat"}), f"{theirs}, the host no socket of {seen.target}"


def _conntrack(seen: PortReading) -> _Opinion:
    if isinstance(seen.tracked, str):
        return _NONE, f"conntrack was not read: {seen.tracked}"
    if not seen.tracked:
        return _NONE, "conntrack has no entry of it"
    ways: set[ServedBy] = set()
    for one in seen.tracked:
        if one.answers != seen.target:
            ways.add("nat")
        else:
            ways.add("straight" if seen.straight else "proxy")
    return frozenset(ways), f"conntrack has {_quoted(seen.tracked)}"


def _cpu(seen: PortReading) -> _Opinion:
    if isinstance(seen.proxy, str):
        return _NONE, seen.proxy
    ways: frozenset[ServedBy] = frozenset({"proxy"}) if seen.proxy >= _WORKED else _NONE
    return ways, f"the proxy process used {seen.proxy:.2f} s of CPU time"


_WITNESSES: Final[Mapping[str, Callable[[PortReading], _Opinion]]] = {
    "sockets": _sockets,
    "conntrack": _conntrack,
    "CPU time": _cpu,
}


def _quoted(found: Iterable[Connection | Tracked]) -> str:
    texts = [_words(one) for one in found]
    more = f" and {len(texts) - FEW} more" if len(texts) > FEW else ""
    return ", ".join(texts[:FEW]) + more


def _words(one: Connection | Tracked) -> str:
    if isinstance(one, Connection):
        return f"{one.local} from {one.remote}"
    return f"{one.source} to {one.target}, answered by {one.answers}"
