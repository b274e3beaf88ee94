"""The places of one driver's reach matrix: who is there, at which addresses and ports. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from netbench.drivers import Closed, ReachPlace
from netbench.engines.base import Endpoint
from netbench.record import EndpointFacts
from netbench.spec import REACH_PORTS, Attach, Family, Path
from netbench.topology import LivePair
from netbench.verify.connects import FAMILIES, PROTOCOLS, ConnectAttempt, Protocol

SOURCES: Final = (
    ReachPlace.CONTAINER,
    ReachPlace.PAIR,
    ReachPlace.OTHER,
    ReachPlace.HOST,
    ReachPlace.LAN,
)
"""Where connects start, in the order they are shown."""
TARGETS: Final = (
    *(ReachPlace.PAIR, ReachPlace.OTHER, ReachPlace.HOST),
    *(ReachPlace.GATEWAY, ReachPlace.LAN, ReachPlace.PUBLISHED),
)
"""Where connects end, in the order they are shown."""
_LOOPBACK: Final[Mapping[Family, str]] = {Family.V4: "127.0.0.1", Family.V6: "::1"}

Wanted = tuple[Protocol, Family]
Goals = Mapping[Wanted, ConnectAttempt | str]
"""By protocol and family: the connect to make, or why there is none."""


@dataclass(frozen=True, slots=True)
class ReachScene:
    """A live pair with everybody around it."""

    live: LivePair
    host: Endpoint
    other: Endpoint | None
    ports: Mapping[ReachPlace, int]
    """Of the echo servers, one number for TCP and UDP; of the pair's server two, where it
    publishes one."""
    missing: Mapping[ReachPlace, str]
    """Why somebody is not there, in words."""
    no_ipv6: str = ""
    """Why the pair's network was made without IPv6, where it was tried with it."""

    def endpoint(self, place: ReachPlace) -> Endpoint | None:
        """Return whose namespaces a place is; None where nobody is there."""
        live = self.live
        return {
            ReachPlace.CONTAINER: live.client,
            ReachPlace.PAIR: live.server,
            ReachPlace.OTHER: self.other,
            ReachPlace.HOST: self.host,
            ReachPlace.LAN: live.lan.client if live.lan else None,
        }.get(place)

    def in_host(self, place: ReachPlace) -> bool:
        """Tell whether a place is in the network namespace of the engine's host."""
        recipe = self.live.driver.recipe
        attach = {ReachPlace.CONTAINER: recipe.client, ReachPlace.PAIR: recipe.server}.get(place)
        return place is ReachPlace.HOST or attach is Attach.HOST

    def addresses(self, place: ReachPlace) -> Mapping[Family, str]:
        """Return the addresses at which somebody listens, as others know them."""
        live = self.live
        if self.in_host(place):
            return self._of_host()
        if place is ReachPlace.CONTAINER and live.driver.recipe.client is Attach.PEER:
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
        found = {(6 if ":" in address else 4): address for address in reversed(own)}
        return _known(found.get(4), found.get(6))

    def gateway(self, family: Family) -> tuple[ReachPlace, str] | str:
        """Return whose address the network's gateway is, with it; or why nobody answers there."""
        facts = self.live.facts
        ipam = facts.ipam
        address = (
            None if ipam is None else {Family.V4: ipam.gateway, Family.V6: ipam.gateway6}[family]
        )
        if address is None:
            return f"the network has no IPv{family} gateway"
        for place, end in ((ReachPlace.HOST, facts.host), (ReachPlace.LAN, facts.lan)):
            if end is not None and _has(end, address):
                return place, address
        return f"{address} is no address of the host's or the LAN's: no server of ours is there"

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
        whom = ReachPlace.CONTAINER if source is target else target
        return {
            (protocol, family): self._goal(source, whom, protocol, family)
            for protocol in PROTOCOLS
            for family in FAMILIES
        }

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
        elif address is None and self._has_nothing(target):
            address, note = _LOOPBACK[family], "it has no address, so by loopback"
        if address is None:
            return self._without(target, family)
        return ConnectAttempt(protocol, family, address, self.ports[whose], note)

    def _without(self, target: ReachPlace, family: Family) -> str:
        why = f"; with IPv6 it did not come up: {self.no_ipv6}" if self.no_ipv6 else ""
        return f"the {target} has no IPv{family} address{why}"

    def _has_nothing(self, place: ReachPlace) -> bool:
        """Tell whether a place is by design without addresses but its own loopback's."""
        recipe = self.live.driver.recipe
        attach = {ReachPlace.CONTAINER: recipe.client, ReachPlace.PAIR: recipe.server}.get(place)
        return attach is Attach.NONE

    def _published(self, protocol: Protocol, family: Family) -> ConnectAttempt | str:
        server, outside = self.live.server, self._of_host().get(family)
        found = [p.host_port for p in server.published if protocol in p.port.protocols]
        if not found:
            way = self.live.driver.ways[Path.HAIRPIN]
            return way.reason if isinstance(way, Closed) else "no port of it is published"
        if outside is None:
            return f"the host has no IPv{family} address on the LAN"
        if family not in self.addresses(ReachPlace.PAIR):
            return self._without(ReachPlace.PAIR, family)
        return ConnectAttempt(protocol, family, outside, found[0])


def choose_ports(live: LivePair, used: frozenset[int]) -> Mapping[ReachPlace, int]:
    """Return a port for the echo servers of every place: no two alike, the host's own free ones.

    What is published is a port more: engines let others through to it than to the rest.

    Args:
        live: the pair; what its server publishes is fixed already.
        used: ports that the host's namespace has in use.
    """
    free = (port for port in REACH_PORTS if port not in used)
    chosen = {place: next(free) for place in SOURCES}
    if live.server.published:
        chosen[ReachPlace.PUBLISHED] = live.server.published[0].port.number
    return chosen


def _known(address: str | None, address6: str | None) -> Mapping[Family, str]:
    found: dict[Family, str] = {}
    if address is not None:
        found[Family.V4] = address
    if address6 is not None:
        found[Family.V6] = address6
    return found


def _has(end: EndpointFacts, address: str) -> bool:
    return any(known.address == address for known in end.addresses)
