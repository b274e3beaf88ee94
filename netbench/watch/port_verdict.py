"""Which way a published port was served: what shows it, and the verdict.

Sockets, which every user may read: a proxy accepts the connection in the host's namespace, DNAT
leaves no socket there, and a server that is reached straight has one at the very address that the
client connected to. Conntrack: where the answers come from. The proxy's CPU time: whether bytes
went through it.
"""

import errno
import re
import socket
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any, Final, Literal

from netbench.errors import FactError
from netbench.facts.cpu_time import TICK
from netbench.facts.procfs import Connection, SocketAddress
from netbench.record import Absent

_TUPLE: Final = r"src=(\S+) dst=(\S+) sport=(\d+) dport=(\d+)"
_LINE: Final = re.compile(rf"^ipv[46]\s+\d+\s+tcp\s.*?{_TUPLE}\s.*?{_TUPLE}", re.MULTILINE)


@dataclass(frozen=True, slots=True, order=True)
class Tracked:
    """A tracked TCP connection."""

    source: SocketAddress  # who opened it
    target: SocketAddress  # what it was opened to
    answers: SocketAddress  # where answers come from: not `target` if translated
    answered: SocketAddress  # where they go to; another than `source` where that was translated


def parse_conntrack(text: str) -> tuple[Tracked, ...]:
    """Return the TCP connections of /proc/net/nf_conntrack; raises `FactError`."""
    found = (match.groups() for match in _LINE.finditer(text))
    order = ((0, 2), (1, 3), (4, 6), (5, 7))
    return tuple(Tracked(*(_end(words[at], words[port]) for at, port in order)) for words in found)


def _end(address: str, port: str | int) -> SocketAddress:
    try:
        return SocketAddress(str(ip_address(address)), int(port))
    except ValueError as exc:
        raise FactError(f"unreadable entry of conntrack: {address!r}, {port!r}") from exc


def look_up(connections: Iterable[Connection]) -> tuple[Tracked, ...]:
    """Return conntrack's entries of connections, here; raises `FactError`, as for no right."""
    # Heavy, and of use only where we may enter the engine's namespaces.
    from pyroute2.netlink.exceptions import NetlinkError  # noqa: PLC0415
    from pyroute2.netlink.nfnetlink.nfctsocket import NFCTAttrTuple, NFCTSocket  # noqa: PLC0415

    found: list[Tracked] = []
    for one in connections:
        family = socket.AF_INET6 if ":" in one.local.address else socket.AF_INET
        ends = {"saddr": one.local.address, "daddr": one.remote.address}
        ports = {"sport": one.local.port, "dport": one.remote.port}
        reply = NFCTAttrTuple(family=family, proto=socket.IPPROTO_TCP, **ends, **ports)
        try:
            with NFCTSocket(nfgen_family=family) as tool:
                entries = tool.entry("get", tuple_reply=reply)
                # The last message is but the kernel's acknowledgement.
                found += [_from_netlink(e) for e in entries if e.get_attr("CTA_TUPLE_ORIG")]
        except (NetlinkError, OSError) as exc:
            if not (isinstance(exc, NetlinkError) and exc.code == errno.ENOENT):
                raise FactError(f"conntrack by netlink: {exc}") from exc
    return tuple(found)


def _from_netlink(entry: Any) -> Tracked:
    ends = []
    for name in ("CTA_TUPLE_ORIG", "CTA_TUPLE_REPLY"):
        addresses = dict(entry.get_nested(name, "CTA_TUPLE_IP")["attrs"])
        ports = entry.get_nested(name, "CTA_TUPLE_PROTO")
        for side in ("SRC", "DST"):
            address = addresses.get(f"CTA_IP_V4_{side}") or addresses.get(f"CTA_IP_V6_{side}")
            ends.append(_end(str(address), ports.get_attr(f"CTA_PROTO_{side}_PORT")))
    return Tracked(*ends)


ServedBy = Literal["nat", "proxy", "straight"]
FEW: Final = 4  # connections that are looked up, and quoted
WORKED: Final = 5 * TICK  # seconds of CPU time that a proxy uses only where bytes go through it


@dataclass(slots=True)
class PortReading:
    """What was seen of a published port during one trial; a text says why something was not."""

    target: SocketAddress  # what the client connected to
    at_server: tuple[Connection, ...] | str = "not looked at"  # as its own namespace sees them
    at_host: tuple[Connection, ...] | str = "not looked at"  # those that end at `target` there
    tracked: tuple[Tracked, ...] | str = "not looked at"  # entries of conntrack of these
    proxy: float | str = "not looked at"  # CPU time, in seconds, that the proxy process used

    @property
    def straight(self) -> bool:
        """Tell whether the server has its socket where the client connected to."""
        return not isinstance(self.at_server, str) and any(
            one.local == self.target for one in self.at_server
        )


def judge(seen: PortReading) -> tuple[ServedBy | Absent, str]:
    """Return which way the port was served, `Absent` if unclear, and the evidence in words."""
    opinions = {source: ask(seen) for source, ask in _SOURCES.items()}
    evidence = "; ".join(words for _, words in opinions.values())
    votes = {source: ways for source, (ways, _) in opinions.items() if ways}
    ways = frozenset().union(*votes.values())
    if not ways:
        return Absent("nothing shows which way the port was served"), evidence
    if len(ways) > 1:
        each = ", ".join(f"{' and '.join(sorted(found))} by {s}" for s, found in votes.items())
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
    if within := all(one.remote.address == one.local.address for one in seen.at_server):
        theirs += ", made by a process in its own namespace"
    if seen.at_host or within:
        of_host = f", the host itself {_quoted(seen.at_host)}" if seen.at_host else ""
        return frozenset({"proxy"}), f"{theirs}{of_host}"
    return frozenset({"nat"}), f"{theirs}, the host no socket of {seen.target}"


def _conntrack(seen: PortReading) -> _Opinion:
    if isinstance(seen.tracked, str):
        return _NONE, f"conntrack was not read: {seen.tracked}"
    if not seen.tracked:
        return _NONE, "conntrack has no entry of it"
    untranslated: ServedBy = "straight" if seen.straight else "proxy"
    ways = (untranslated if one.answers == seen.target else "nat" for one in seen.tracked)
    return frozenset[ServedBy](ways), f"conntrack has {_quoted(seen.tracked)}"


def _cpu(seen: PortReading) -> _Opinion:
    if isinstance(seen.proxy, str):
        return _NONE, seen.proxy
    ways: frozenset[ServedBy] = frozenset({"proxy"}) if seen.proxy >= WORKED else _NONE
    return ways, f"the proxy process used {seen.proxy:.2f} s of CPU time"


_SOURCES: Final[Mapping[str, Callable[[PortReading], _Opinion]]] = {
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
