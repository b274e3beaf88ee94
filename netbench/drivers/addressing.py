"""Promises of addresses and routes, each checked on facts alone."""

from ipaddress import ip_address, ip_network

from netbench.drivers.base import Promise
from netbench.drivers.promises import both_ends, listed
from netbench.record import EndpointFacts, PairFacts
from netbench.spec import Family

_DEFAULTS = {Family.V4: "default", Family.V6: "::/0"}


def address_in_subnet(*, alone: bool = False) -> Promise:
    """Every address of eth0 lies in the network's IPAM subnet of its family, and there is one."""

    def check(facts: PairFacts) -> tuple[bool, str]:
        if facts.ipam is None:
            return False, "the engine reports no subnet"
        subnets = [s for s in (facts.ipam.subnet, facts.ipam.subnet6) if s]
        held = True
        found = {}
        for end in both_ends(facts, alone=alone):
            own = [a.address for a in end.addresses if a.link == "eth0" and _routable(a.address)]
            found[end.role.value] = own
            held = held and all(any(_within(a, s) for s in subnets) for a in own)
            held = held and all(any(_within(a, s) for a in own) for s in subnets)
        noun = "subnet is" if len(subnets) == 1 else "subnets are"
        return held, f"{listed(found)}; the {noun} {' and '.join(subnets)}"

    return Promise("addresses lie in the network's IPAM subnet", check)


def _routable(address: str) -> bool:
    """Tell whether it is an address that somebody gave: each link makes its own fe80:: one."""
    return not ip_address(address).is_link_local


def _within(address: str, subnet: str) -> bool:
    return ip_address(address) in ip_network(subnet)


def default_route(*, alone: bool = False) -> Promise:
    """The one default route of each family that has a gateway is by that gateway."""

    def check(facts: PairFacts) -> tuple[bool, str]:
        ipam = facts.ipam
        wanted: dict[Family, str | None] = {Family.V4: ipam.gateway if ipam else None}
        if ipam and ipam.gateway6:
            wanted[Family.V6] = ipam.gateway6
        held = None not in wanted.values()
        seen = {}
        for end in both_ends(facts, alone=alone):
            found = {family: _default_gateways(end, family) for family in wanted}
            seen[end.role.value] = [gateway for own in found.values() for gateway in own]
            held = held and all(found[family] == [wanted[family]] for family in wanted)
        gateways = " and ".join(map(str, wanted.values()))
        return held, f"default by {listed(seen)}; the network's gateway is {gateways}"

    return Promise("the default route is the network's gateway", check)


def _default_gateways(end: EndpointFacts, family: Family) -> list[str | None]:
    return [r.gateway for r in end.routes if r.destination == _DEFAULTS[family]]


def _routed_by_device(facts: PairFacts) -> tuple[bool, str]:
    both = facts.ipam is not None and facts.ipam.subnet6 is not None
    defaults = tuple(_DEFAULTS.values()) if both else (_DEFAULTS[Family.V4],)
    seen = {
        end.role.value: [
            f"{r.destination} {f'via {r.gateway} ' if r.gateway else ''}dev {r.link}"
            for wanted in defaults
            for r in end.routes
            if r.destination == wanted
        ]
        for end in both_ends(facts)
    }
    by_eth0 = [f"{wanted} dev eth0" for wanted in defaults]
    return all(own == by_eth0 for own in seen.values()), listed(seen)


def _no_default_route(facts: PairFacts) -> tuple[bool, str]:
    found = {
        end.role.value: [r.destination for r in end.routes if r.destination in _DEFAULTS.values()]
        for end in both_ends(facts)
    }
    return not any(found.values()), f"default routes: {listed(found)}"


def _no_routes(facts: PairFacts) -> tuple[bool, str]:
    routes = {end.role.value: [r.destination for r in end.routes] for end in both_ends(facts)}
    return not any(routes.values()), f"routes: {listed(routes)}"


NO_ROUTES = Promise("there is no route", _no_routes)
NO_DEFAULT_ROUTE = Promise("there is no default route", _no_default_route)
ADDRESS_IN_SUBNET = address_in_subnet()
DEFAULT_ROUTE = default_route()
ROUTED_BY_DEVICE = Promise("the default route is eth0 itself, by no gateway", _routed_by_device)
