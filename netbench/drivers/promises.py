"""What drivers promise of namespaces, links, addresses and routes, each checked on facts alone."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from ipaddress import ip_address, ip_network
from typing import TypeVar

from netbench.drivers.base import Promise, other_end
from netbench.drivers.links import parent_of
from netbench.record import EndpointFacts, Link, PairFacts, Route
from netbench.spec import VXLAN_HEADERS, FirewallRules, Role

T = TypeVar("T")
Evidence = tuple[bool, str]  # whether a promise holds, and what shows it
_DEFAULT, _DEFAULT6 = "default", "::/0"  # destinations of the default routes of IPv4 and IPv6


def both_ends(facts: PairFacts) -> tuple[EndpointFacts, ...]:
    """Return client and server, once where one end stands for both."""
    return (facts.server,) if facts.client is facts.server else (facts.client, facts.server)


def by_end(facts: PairFacts, read: Callable[[EndpointFacts], T]) -> dict[str, T]:
    """Return what is read of client and server, by role."""
    return {end.role.value: read(end) for end in both_ends(facts)}


def listed(found: Mapping[str, Sequence[str | None]]) -> str:
    """Return `client lo, eth0; server none` for people."""
    return "; ".join(
        f"{role} {', '.join(map(str, names)) or 'none'}" for role, names in found.items()
    )


def _namespaces(text: str, right: Callable[[int | None, int | None, int | None], bool]) -> Promise:
    """Return a promise of the network namespaces of client, server and host, by their inodes."""

    def check(facts: PairFacts) -> Evidence:
        ends = (facts.client, facts.server, facts.host)
        client, server, host = (end.namespaces.net for end in ends)
        # Where the two are on two machines, each is judged by itself (`Promise.judge`).
        other = None if facts.client is facts.server else server
        held = None not in (client, server) and right(client, other, host)
        return held, ", ".join(f"{end.role} net:[{end.namespaces.net}]" for end in ends)

    return Promise(text, check)


def _own_others(facts: PairFacts) -> Evidence:
    pairs = {
        kind: (facts.client.namespaces.inode(kind), facts.server.namespaces.inode(kind))
        for kind in ("ipc", "mnt", "pid", "uts")
    }
    held = all(None not in pair and pair[0] != pair[1] for pair in pairs.values())
    return held, ", ".join(f"{kind} {a} and {b}" for kind, (a, b) in pairs.items())


def _only_loopback(facts: PairFacts) -> Evidence:
    names = by_end(facts, lambda end: [link.name for link in end.links])
    return all(own == ["lo"] for own in names.values()), f"links: {listed(names)}"


def _link_appears(facts: PairFacts) -> Evidence:
    seen = {
        end.role.value: [
            f"{x.name} ({x.kind or 'no kind'}, {x.mac})" for x in end.links if x.name != "lo"
        ]
        for end in both_ends(facts)
    }
    return all(end.link("eth0") for end in both_ends(facts)), f"links: {listed(seen)}"


def _host_links(facts: PairFacts) -> Evidence:
    found = {end.role: _numbered(end) for end in (facts.host, *both_ends(facts))}
    hosts = found[facts.host.role]
    others = {role: own for role, own in found.items() if own != hosts}
    seen = [f"{len(hosts)} links: {_named(hosts)}"]
    seen += [f"{role} has {len(own)}: {_named(own)}" for role, own in others.items()]
    return bool(hosts) and not others, "; ".join(seen)


def _numbered(end: EndpointFacts) -> list[tuple[int, str]]:
    return sorted((link.index, link.name) for link in end.links)


def _named(links: list[tuple[int, str]]) -> str:
    return ", ".join(name for _, name in links[:12])


def into_bridge(kind: str) -> Promise:
    """eth0 is a link of that kind, one of a pair whose other end is a port of the host's bridge."""

    def check(facts: PairFacts) -> Evidence:
        seen = []
        bridges = set()
        for end in both_ends(facts):
            link = end.link("eth0")
            port = other_end(end, facts.host, link) if link and link.kind == kind else None
            master = facts.host.link(port.master) if port and port.master else None
            bridges.add(master.name if master and master.kind == "bridge" else None)
            name = master.name if master else "?"
            seen.append(f"{end.role} {_one_end(link)} -> {_port(port, kind)} -> {name}")
        wanted = facts.ipam.bridge if facts.ipam else None
        seen += [f"the engine names the bridge {wanted}"] if wanted else []
        held = len(bridges) == 1 and None not in bridges and (not wanted or wanted in bridges)
        return held, "; ".join(seen)

    text = f"eth0 is a {kind} whose peer is in the host's namespace, a port of one bridge"
    return Promise(text, check)


def _one_end(link: Link | None) -> str:
    return f"eth0@if{link.peer} ({link.kind}, index {link.index})" if link else "no eth0"


def _port(link: Link | None, kind: str = "veth") -> str:
    if link is None:
        return f"no such {kind} in the host's namespace"
    return f"{link.name} (index {link.index}, netnsid {link.peer_nsid})"


def child_of_parent(kind: str, mode: str) -> Promise:
    """eth0 is a link of that kind and mode, and its parent is the host's link that was meant."""

    def check(facts: PairFacts) -> Evidence:
        wanted = facts.ipam.parent if facts.ipam else None
        held = True
        seen = []
        parents = set()
        for end in both_ends(facts):
            child, parent = end.link("eth0"), parent_of(end, facts)
            right = child is not None and (child.kind, child.mode) == (kind, mode)
            held = held and right and parent is not None and wanted in (None, parent.name)
            parents.add(parent.index if parent else None)
            is_a = f"{child.kind} {child.mode}@if{child.parent}" if child else "none"
            name = f"the host's {parent.name}" if parent else "no such link of the host's"
            seen.append(f"{end.role} eth0 is {is_a}: {name}")
        seen += [f"the network's parent is {wanted}"] if wanted else []
        return held and len(parents) == 1, "; ".join(seen)

    return Promise(f"eth0 is a {kind} in mode {mode}, child of the host's parent link", check)


def _macs(text: str, *, shared: bool) -> Promise:
    """Return a promise of the MAC addresses of eth0 and of its parent: one, or each its own."""

    def check(facts: PairFacts) -> Evidence:
        found: dict[str, str | None] = {}
        for end in both_ends(facts):
            child, parent = end.link("eth0"), parent_of(end, facts)
            found[end.role.value] = child.mac if child else None
            found["parent"] = parent.mac if parent else None
        held = None not in found.values()
        held = held and len(set(found.values())) == (1 if shared else len(found))
        return held, listed({name: [mac] for name, mac in found.items()})

    return Promise(text, check)


def _veth_into_sandbox(facts: PairFacts) -> Evidence:
    if facts.sandbox is None:
        return _sandbox_from_outside(facts)
    seen = []
    bridges = set()
    for end in both_ends(facts):
        place, port = _sandbox_end(end, facts)
        bridge = port.master if port else None
        bridges.add((place, bridge))
        seen.append(f"{end.role} {_one_end(end.link('eth0'))} -> {place} {_port(port)}")
        seen.append(f"in {bridge}" if bridge else "in no bridge")
    held = len({place for place, _ in bridges}) == len(bridges)
    for place, bridge in sorted(bridges, key=str):
        space = facts.end(place)
        links = space.links if space and bridge else ()
        tunnel = next((x for x in links if (x.kind, x.master) == ("vxlan", bridge)), None)
        held = held and tunnel is not None
        seen.append(f"{place} {tunnel.name} is a vxlan in {bridge}" if tunnel else "no vxlan there")
    nodes = facts.ipam.nodes if facts.ipam else ()
    seen += [f"the network's nodes: {', '.join(nodes)}"] if nodes else []
    return held and len(nodes) != 1, "; ".join(seen)


def _sandbox_end(end: EndpointFacts, facts: PairFacts) -> tuple[Role, Link | None]:
    """Return where an overlay endpoint's veth ends: in the sandbox, or on the other node."""
    link = end.link("eth0")
    for place in (facts.sandbox, facts.lan):
        if place and link and (found := other_end(end, place, link)):
            return place.role, found
    return Role.SANDBOX, None


def _sandbox_from_outside(facts: PairFacts) -> Evidence:
    """Judge by what shows without the right to enter the sandbox."""
    held = facts.ipam is not None and facts.ipam.vxlan is not None
    seen = []
    for end in both_ends(facts):
        link = end.link("eth0")
        veth = link is not None and link.kind == "veth" and link.peer_nsid is not None
        held = held and veth and link is not None and other_end(end, facts.host, link) is None
        seen.append(f"{end.role} {_one_end(link)}, whose peer is not in the host's namespace")
    number = facts.ipam.vxlan if facts.ipam else None
    seen.append(f"the engine gives the network VXLAN id {number}; its sandbox is for root to read")
    nodes = facts.ipam.nodes if facts.ipam else ()
    seen += [f"the network's nodes: {', '.join(nodes)}"] if nodes else []
    return held and len(nodes) != 1, "; ".join(seen)


def _overlay_mtu(facts: PairFacts) -> Evidence:
    uplinks = [x for x in facts.host.links if facts.uplink in (None, x.name) and x.name != "lo"]
    largest = max((x.mtu for x in uplinks), default=0)
    found = _mtus(facts)
    held = all(own and int(own[0]) <= largest - VXLAN_HEADERS for own in found.values())
    room = f"the host's links carry {largest}, less {VXLAN_HEADERS} for VXLAN"
    return held, f"MTU {listed(found)}; {room}"


def _mtus(facts: PairFacts) -> dict[str, list[str]]:
    return by_end(facts, lambda end: [str(x.mtu) for x in end.links if x.name == "eth0"])


def mtu_is(wanted: int) -> Promise:
    """eth0 of both ends has the MTU that was asked for."""

    def check(facts: PairFacts) -> Evidence:
        found = _mtus(facts)
        held = all(own in ([str(wanted)], []) for own in found.values()) and any(found.values())
        return held, f"MTU of eth0: {listed(found)}; asked for: {wanted}"

    return Promise(f"eth0 has MTU {wanted}", check)


def rules_are(backend: FirewallRules) -> Promise:
    """The host's firewall rules were made by that program, or it has none at all."""

    def check(facts: PairFacts) -> Evidence:
        found = facts.host.rules
        if found is None:
            return False, "the host's rules were not read"
        held = found.backend == backend and bool(found.count) == (backend != "none")
        return held, f"{found.count} rules, read back by {found.by}"

    none = "the host has no firewall rules"
    return Promise(none if backend == "none" else f"the host's rules are of {backend}", check)


def eth0_addresses(end: EndpointFacts) -> list[str]:
    """Return the addresses of an endpoint's eth0."""
    return [a.address for a in end.addresses if a.link == "eth0"]


def within(address: str, subnet: str) -> bool:
    """Tell whether an address lies in a subnet; one of the other family does not."""
    return ip_address(address) in ip_network(subnet)


def _given(addresses: Iterable[str]) -> list[str]:
    """Return addresses without those that links give themselves, fe80::."""
    return [address for address in addresses if not ip_address(address).is_link_local]


def _address_in_subnet(facts: PairFacts) -> Evidence:
    if facts.ipam is None:
        return False, "the engine reports no subnet"
    subnets = [s for s in (facts.ipam.subnet, facts.ipam.subnet6) if s]
    found = by_end(facts, lambda end: _given(eth0_addresses(end)))
    held = all(any(within(a, s) for s in subnets) for own in found.values() for a in own)
    held = held and all(any(within(a, s) for a in own) for own in found.values() for s in subnets)
    noun = "subnet is" if len(subnets) == 1 else "subnets are"
    return held, f"{listed(found)}; the {noun} {' and '.join(subnets)}"


def _bare_bridge(facts: PairFacts) -> Evidence:
    name = facts.ipam.bridge if facts.ipam else None
    own = _given(a.address for a in facts.host.addresses if a.link == name)
    there = name is not None and facts.host.link(name) is not None
    return there and not own, f"{name or 'no bridge'} has {', '.join(own) or 'no address'}"


def _default_route(facts: PairFacts) -> Evidence:
    """Judge the one default route of each family that has a gateway."""
    ipam = facts.ipam
    wanted = {_DEFAULT: ipam.gateway if ipam else None}
    if ipam and ipam.gateway6:
        wanted[_DEFAULT6] = ipam.gateway6
    found = by_end(facts, lambda end: _routes(end, wanted))
    seen = {role: [route.gateway for route in own] for role, own in found.items()}
    held = None not in wanted.values() and all(
        [(route.destination, route.gateway) for route in own] == [*wanted.items()]
        for own in found.values()
    )
    gateways = " and ".join(map(str, wanted.values()))
    return held, f"default by {listed(seen)}; the network's gateway is {gateways}"


def _routes(end: EndpointFacts, destinations: Iterable[str]) -> list[Route]:
    return [route for to in destinations for route in end.routes if route.destination == to]


def _routed_by_device(facts: PairFacts) -> Evidence:
    both = facts.ipam is not None and facts.ipam.subnet6 is not None
    wanted = (_DEFAULT, _DEFAULT6) if both else (_DEFAULT,)
    found = by_end(facts, lambda end: [_told(route) for route in _routes(end, wanted)])
    return all(own == [f"{to} dev eth0" for to in wanted] for own in found.values()), listed(found)


def _told(route: Route) -> str:
    via = f"via {route.gateway} " if route.gateway else ""
    return f"{route.destination} {via}dev {route.link}"


def _no_default_route(facts: PairFacts) -> Evidence:
    found = by_end(facts, lambda end: [x.destination for x in _routes(end, (_DEFAULT, _DEFAULT6))])
    return not any(found.values()), f"default routes: {listed(found)}"


def _no_routes(facts: PairFacts) -> Evidence:
    found = by_end(facts, lambda end: [route.destination for route in end.routes])
    return not any(found.values()), f"routes: {listed(found)}"


OWN_NETNS = _namespaces(
    "client, server and host have three network namespaces",
    lambda client, server, host: client != server and host not in (client, server) and bool(host),
)
HOST_NETNS = _namespaces(
    "both ends are in the engine host's network namespace",
    lambda client, server, host: client == host and server in (host, None),
)
PAIR_NETNS = _namespaces(
    "client and server share one network namespace, not the host's",
    lambda client, server, host: client == server != host,
)
OWN_OTHERS = Promise("ipc, mnt, pid and uts namespaces are not shared in the pair", _own_others)
ONLY_LOOPBACK = Promise("the only interface is lo", _only_loopback)
HOST_LINKS = Promise("the interfaces are the host's", _host_links)
LINK_APPEARS = Promise("a link appears: eth0", _link_appears)
VETH_INTO_SANDBOX = Promise(
    "eth0 is a veth into a namespace that holds the network's VXLAN link", _veth_into_sandbox
)
OWN_MAC = _macs("each has a MAC address of its own", shared=False)
PARENT_MAC = _macs("each has its parent's MAC address", shared=True)
OVERLAY_MTU = Promise("the MTU leaves room for VXLAN's headers", _overlay_mtu)
ADDRESS_IN_SUBNET = Promise("addresses lie in the network's IPAM subnet", _address_in_subnet)
DEFAULT_ROUTE = Promise("the default route is the network's gateway", _default_route)
ROUTED_BY_DEVICE = Promise("the default route is eth0 itself, by no gateway", _routed_by_device)
BARE_BRIDGE = Promise("the bridge has no address of the host's", _bare_bridge)
NO_ROUTES = Promise("there is no route", _no_routes)
NO_DEFAULT_ROUTE = Promise("there is no default route", _no_default_route)
