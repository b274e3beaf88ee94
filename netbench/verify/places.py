"""The places of one driver's reach matrix, and the connects between them as a script. Pure.

The tool is socat: it speaks TCP and UDP over both versions of IP, and prints the system's own
words for what went wrong.
"""

import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from itertools import product
from typing import Final

from netbench.drivers import Closed, PathClaim, ReachPlace
from netbench.engines.base import Endpoint
from netbench.probes import strerror_name
from netbench.spec import REACH_PORTS, Attach, Family, Path, Protocol, Via
from netbench.topology.pairs import LivePair
from netbench.topology.paths import LOOPBACK

PROTOCOLS: Final[tuple[Protocol, ...]] = ("tcp", "udp")
FAMILIES: Final = tuple(Family)

_WORD: Final = "netbench-"  # start of the word that must come back, then its number
_NOT_FOUND: Final = (126, 127)  # exit codes by which a shell says that it could not run a tool
_CLOSED: Final = frozenset(
    {
        *("ECONNREFUSED", "ECONNRESET", "EPIPE", "EHOSTUNREACH", "ENETUNREACH", "EHOSTDOWN"),
        *("ENETDOWN", "ETIMEDOUT", "EACCES", "EPERM", "EADDRNOTAVAIL", "EAFNOSUPPORT"),
    }
)
"""What the kernel says where there is no way; any other error is the tool's, and shows nothing."""
_CLOCK: Final = "netbench-clock"  # then the seconds since boot at begin and end
_HEAD: Final = """\
set -f
read began rest </proc/uptime
try() {
  said=$(echo "$1" | socat -t"$3" -T"$3" - "$2" 2>&1)
  echo "$1 $?" $said
}
"""
_TAIL: Final = f"""\
wait
read ended rest </proc/uptime
echo "{_CLOCK} $began $ended"
"""


@dataclass(frozen=True, slots=True)
class ConnectAttempt:
    """One connect."""

    protocol: Protocol
    family: Family
    address: str
    port: int
    note: str = ""  # what is special about it, for the evidence

    def __str__(self) -> str:
        """Return `tcp 198.18.0.2:20001`."""
        return f"{self.protocol} {self._bracketed}:{self.port}"

    @property
    def _bracketed(self) -> str:
        return f"[{self.address}]" if ":" in self.address else self.address

    def target(self, patience: int) -> str:
        """Return it as socat writes addresses; `patience` in seconds."""
        bound = f",connect-timeout={patience}" if self.protocol == "tcp" else ""
        return f"{self.protocol.upper()}{self.family}:{self._bracketed}:{self.port}{bound}"


@dataclass(frozen=True, slots=True)
class ConnectResult:
    """What became of a connect."""

    reached: bool | None  # none if the tool itself failed: then nothing is known
    said: str
    silent: bool = False  # whether nothing came back at all, not even an error
    client: str | None = None  # the address that the server saw the client at


def script(attempts: Sequence[ConnectAttempt], patience: int) -> str:
    """Return a shell script that makes every connect in the background and waits for all.

    It prints a line for each: its word, the exit code, what socat printed; then how long they took.
    """
    calls = [
        f"try {_WORD}{number} {shlex.quote(attempt.target(patience))} {patience} &"
        for number, attempt in enumerate(attempts)
    ]
    return "\n".join([_HEAD, *calls, _TAIL])


def answers(
    text: str, attempts: Sequence[ConnectAttempt], patience: int
) -> tuple[ConnectResult, ...]:
    """Return what became of each connect of a script, from its output."""
    lines = re.findall(rf"^({_WORD}\d+) (\d+)(?: (.*))?$", text, re.MULTILINE)
    found = {word: (int(code), said) for word, code, said in lines}
    return tuple(
        _answer(attempt, f"{_WORD}{number}", found.get(f"{_WORD}{number}"), patience)
        for number, attempt in enumerate(attempts)
    )


def took(text: str) -> float | None:
    """Return the seconds from a script's first connect to its last answer; None if it broke off."""
    found = re.search(rf"^{_CLOCK} ([\d.]+) ([\d.]+)$", text, re.MULTILINE)
    return float(found[2]) - float(found[1]) if found else None


def _answer(
    attempt: ConnectAttempt, word: str, line: tuple[int, str] | None, patience: int
) -> ConnectResult:
    if line is None:
        return ConnectResult(None, "the script ended without a word of it")
    code, said = line
    if word in (words := said.split()):
        client = _address(words[words.index(word) + 1 :])
        told = f"answered, to {client}" if client else "answered"
        return ConnectResult(reached=True, said=told, client=client)
    if "Connection timed out" in said:  # of our own bound; socat names EINPROGRESS after it
        return ConnectResult(reached=False, said=f"no answer within {patience} s", silent=True)
    if code == 0 and not said:
        connected = "connected, but " if attempt.protocol == "tcp" else ""
        said = f"{connected}no answer within {patience} s"
        return ConnectResult(reached=False, said=said, silent=True)
    errno = strerror_name(said)
    if errno in _CLOSED and code not in _NOT_FOUND:
        return ConnectResult(reached=False, said=str(errno))
    return ConnectResult(None, f"socat failed: {said[:200]}")


def _address(words: Sequence[str]) -> str | None:
    """Return the address that a server saw, from `[::ffff:192.0.2.1]` or the like in its answer."""
    try:
        found = ip_address(words[0].strip("[]"))
    except (IndexError, ValueError):
        return None
    return str(getattr(found, "ipv4_mapped", None) or found)


SOURCES: Final = (
    *(ReachPlace.CONTAINER, ReachPlace.PAIR, ReachPlace.OTHER, ReachPlace.HOST, ReachPlace.LAN),
)
"""Where connects start, in the order they are shown."""
TARGETS: Final = (
    *(ReachPlace.PAIR, ReachPlace.OTHER, ReachPlace.HOST),
    *(ReachPlace.GATEWAY, ReachPlace.LAN, ReachPlace.PUBLISHED),
)
"""Where connects end, in the order they are shown."""

Goals = Mapping[tuple[Protocol, Family], ConnectAttempt | str]
"""By protocol and family: the connect to make, or why there is none."""


@dataclass(frozen=True, slots=True)
class ReachScene:
    """A live pair with all that is around it."""

    live: LivePair
    host: Endpoint
    other: Endpoint | None
    ports: Mapping[ReachPlace, int]  # of the echo servers, for TCP and UDP alike
    missing: Mapping[ReachPlace, str]  # why somebody is not there, in words
    no_ipv6: str = ""  # why the pair's network was made without IPv6, where it was tried with it

    def endpoint(self, place: ReachPlace) -> Endpoint | None:
        """Return whose namespaces a place is; None if there is none."""
        return {
            ReachPlace.CONTAINER: self.live.client,
            ReachPlace.PAIR: self.live.server,
            ReachPlace.OTHER: self.other,
            ReachPlace.HOST: self.host,
            ReachPlace.LAN: self.live.lan.client if self.live.lan else None,
        }.get(place)

    def in_host(self, place: ReachPlace) -> bool:
        """Tell whether a place is in the network namespace of the engine's host."""
        return place is ReachPlace.HOST or self._attach(place) is Attach.HOST

    def _attach(self, place: ReachPlace) -> Attach | None:
        recipe = self.live.driver.recipe
        return {ReachPlace.CONTAINER: recipe.client, ReachPlace.PAIR: recipe.server}.get(place)

    def addresses(self, place: ReachPlace) -> Mapping[Family, str]:
        """Return the addresses at which somebody listens, as others know them."""
        if self.in_host(place):
            return self._of_host()
        if place is ReachPlace.CONTAINER and self._attach(place) is Attach.PEER:
            return self.addresses(ReachPlace.PAIR)
        found = self.endpoint(place)
        return _known(found.address, found.address6) if found else {}

    def _of_host(self) -> Mapping[Family, str]:
        """Return the host's addresses on the LAN, or on the real parent that stands for it."""
        if self.live.lan is not None:
            return _known(self.live.lan.host, self.live.lan.host6)
        facts = self.live.facts
        parent = facts.ipam.parent if facts.ipam else None
        own = [a.address for a in facts.host.addresses if a.link == parent]
        return {Family.V6 if ":" in address else Family.V4: address for address in reversed(own)}

    def gateway(self, family: Family) -> tuple[ReachPlace, str] | str:
        """Return whose address the network's gateway is, with it; or why none answers there."""
        facts = self.live.facts
        ipam = facts.ipam
        gateways = {Family.V4: ipam.gateway, Family.V6: ipam.gateway6} if ipam else {}
        address = gateways.get(family)
        if address is None:
            return f"the network has no IPv{family} gateway"
        for place, end in ((ReachPlace.HOST, facts.host), (ReachPlace.LAN, facts.lan)):
            if end is not None and any(known.address == address for known in end.addresses):
                return place, address
        return f"{address} is no address of the host's or the LAN's: netbench has no server there"

    def listens(self, place: ReachPlace) -> frozenset[str]:
        """Return every address that connects to a place may use: its own, and the gateway's."""
        gateways = (self.gateway(family) for family in FAMILIES)
        held = {found[1] for found in gateways if not isinstance(found, str) and found[0] is place}
        return frozenset({*self.addresses(place).values(), *held})

    def goals(self, source: ReachPlace, target: ReachPlace) -> Goals | None:
        """Return the connects from one place to another; None from a place to itself."""
        if source is target and source is not ReachPlace.PAIR:
            return None
        # What is beside the pair's server is the other container.
        called = ReachPlace.CONTAINER if source is target else target
        wanted = product(PROTOCOLS, FAMILIES)
        return {(how, family): self._goal(source, called, how, family) for how, family in wanted}

    def _goal(
        self, source: ReachPlace, target: ReachPlace, protocol: Protocol, family: Family
    ) -> ConnectAttempt | str:
        absent = self.missing.get(source) or self.missing.get(target)
        if absent is not None:
            return absent
        if target is ReachPlace.PUBLISHED:
            return self._published(protocol, family)
        whose: ReachPlace = target
        address, note = self.addresses(target).get(family), ""
        if target is ReachPlace.GATEWAY:
            found = self.gateway(family)
            if isinstance(found, str):
                return found
            whose, address = found
        elif address is None and self._attach(target) is Attach.NONE:
            address, note = LOOPBACK[family], "it has no address, so by loopback"
        if address is None:
            return self._without(target, family)
        return ConnectAttempt(protocol, family, address, self.ports[whose], note)

    def _without(self, target: ReachPlace, family: Family) -> str:
        why = f"; with IPv6 it did not come up: {self.no_ipv6}" if self.no_ipv6 else ""
        return f"the {target} has no IPv{family} address{why}"

    def _published(self, protocol: Protocol, family: Family) -> ConnectAttempt | str:
        server, way = self.live.server, self.live.driver.ways[Path.NORTH_SOUTH]
        routed = isinstance(way, PathClaim) and way.via is Via.ROUTED
        outside = (self.addresses(ReachPlace.PAIR) if routed else self._of_host()).get(family)
        found = [p.host_port for p in server.published if protocol in p.port.protocols]
        if not found:
            beside = self.live.driver.ways[Path.HAIRPIN]
            return beside.reason if isinstance(beside, Closed) else "no port of it is published"
        if family not in self.addresses(ReachPlace.PAIR):
            return self._without(ReachPlace.PAIR, family)
        if outside is None:
            return f"the host has no IPv{family} address on the LAN"
        return ConnectAttempt(protocol, family, outside, found[0])


def choose_ports(live: LivePair, used: frozenset[int]) -> Mapping[ReachPlace, int]:
    """Return a port, not in `used`, for each place's servers, and the one published already."""
    free = (port for port in REACH_PORTS if port not in used)
    chosen = {place: next(free) for place in SOURCES}
    if live.server.published:
        chosen[ReachPlace.PUBLISHED] = live.server.published[0].port.number
    return chosen


def _known(address: str | None, address6: str | None) -> Mapping[Family, str]:
    given = {Family.V4: address, Family.V6: address6}
    return {family: found for family, found in given.items() if found is not None}
