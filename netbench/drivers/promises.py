"""The promises drivers make of themselves, each checked on facts alone."""

from collections.abc import Mapping, Sequence
from ipaddress import ip_address, ip_network

from netbench.drivers.base import Promise, host_end
from netbench.record import EndpointFacts, Link, PairFacts


def _ends(facts: PairFacts) -> tuple[EndpointFacts, EndpointFacts]:
    return facts.client, facts.server


def _inodes(*ends: EndpointFacts) -> str:
    return ", ".join(f"{end.role} net:[{end.namespaces.net}]" for end in ends)


def _listed(found: Mapping[str, Sequence[str | None]]) -> str:
    """Return `client lo, eth0; server none` for people."""
    return "; ".join(
        f"{role} {', '.join(map(str, names)) or 'none'}" for role, names in found.items()
    )


def _own_netns(facts: PairFacts) -> tuple[bool, str]:
    ends = (facts.client, facts.server, facts.host)
    inodes = [end.namespaces.net for end in ends]
    return None not in inodes and len(set(inodes)) == len(inodes), _inodes(*ends)


def _host_netns(facts: PairFacts) -> tuple[bool, str]:
    inodes = {end.namespaces.net for end in (facts.client, facts.server, facts.host)}
    held = len(inodes) == 1 and None not in inodes
    return held, _inodes(facts.client, facts.server, facts.host)


def _pair_netns(facts: PairFacts) -> tuple[bool, str]:
    client, server, host = (end.namespaces.net for end in (facts.client, facts.server, facts.host))
    held = client is not None and client == server != host
    return held, _inodes(facts.client, facts.server, facts.host)


def _own_others(facts: PairFacts) -> tuple[bool, str]:
    pairs = {
        kind: (facts.client.namespaces.inode(kind), facts.server.namespaces.inode(kind))
        for kind in ("ipc", "mnt", "pid", "uts")
    }
    held = all(None not in pair and pair[0] != pair[1] for pair in pairs.values())
    return held, ", ".join(f"{kind} {a} and {b}" for kind, (a, b) in pairs.items())


def _only_loopback(facts: PairFacts) -> tuple[bool, str]:
    names = {end.role.value: [link.name for link in end.links] for end in _ends(facts)}
    return all(links == ["lo"] for links in names.values()), f"links: {_listed(names)}"


def _no_routes(facts: PairFacts) -> tuple[bool, str]:
    routes = {end.role.value: [r.destination for r in end.routes] for end in _ends(facts)}
    return not any(routes.values()), f"routes: {_listed(routes)}"


def _host_links(facts: PairFacts) -> tuple[bool, str]:
    def identity(end: EndpointFacts) -> list[tuple[int, str]]:
        return sorted((link.index, link.name) for link in end.links)

    expected = identity(facts.host)
    held = bool(expected) and all(identity(end) == expected for end in _ends(facts))
    return held, f"{len(expected)} links: {', '.join(name for _, name in expected[:12])}"


def _veth_into_bridge(facts: PairFacts) -> tuple[bool, str]:
    seen = []
    masters = set()
    held = True
    for end in _ends(facts):
        link = end.link("eth0")
        other = host_end(end, facts, link) if link and link.kind == "veth" else None
        master = facts.host.link(other.master) if other and other.master else None
        held = held and master is not None and master.kind == "bridge"
        masters.add(master.name if master else None)
        seen.append(
            f"{end.role} {_veth(link)} -> {_port(other)} -> {master.name if master else '?'}"
        )
    if facts.ipam and facts.ipam.bridge:
        held = held and masters == {facts.ipam.bridge}
        seen.append(f"the engine names the bridge {facts.ipam.bridge}")
    return held and len(masters) == 1, "; ".join(seen)


def _veth(link: Link | None) -> str:
    return f"eth0@if{link.peer} ({link.kind}, index {link.index})" if link else "no eth0"


def _port(link: Link | None) -> str:
    if link is None:
        return "no such veth in the host's namespace"
    return f"{link.name} (index {link.index}, netnsid {link.peer_nsid})"


def _address_in_subnet(facts: PairFacts) -> tuple[bool, str]:
    if facts.ipam is None:
        return False, "the engine reports no subnet"
    subnet = ip_network(facts.ipam.subnet)
    found = {
        end.role.value: [
            a.address for a in end.addresses if a.link == "eth0" and ":" not in a.address
        ]
        for end in _ends(facts)
    }
    held = all(
        bool(own) and all(ip_address(address) in subnet for address in own)
        for own in found.values()
    )
    return held, f"{_listed(found)}; the subnet is {subnet}"


def _default_route(facts: PairFacts) -> tuple[bool, str]:
    wanted = facts.ipam.gateway if facts.ipam else None
    gateways = {
        end.role.value: [r.gateway for r in end.routes if r.destination == "default"]
        for end in _ends(facts)
    }
    held = wanted is not None and all(found == [wanted] for found in gateways.values())
    return held, f"default by {_listed(gateways)}; the network's gateway is {wanted}"


OWN_NETNS = Promise("client, server and host have three network namespaces", _own_netns)
HOST_NETNS = Promise("both ends are in the engine host's network namespace", _host_netns)
PAIR_NETNS = Promise("client and server share one network namespace, not the host's", _pair_netns)
OWN_OTHERS = Promise("ipc, mnt, pid and uts namespaces are not shared in the pair", _own_others)
ONLY_LOOPBACK = Promise("the only interface is lo", _only_loopback)
NO_ROUTES = Promise("there is no route", _no_routes)
HOST_LINKS = Promise("the interfaces are the host's", _host_links)
VETH_INTO_BRIDGE = Promise(
    "eth0 is a veth whose peer is in the host's namespace, a port of one bridge", _veth_into_bridge
)
ADDRESS_IN_SUBNET = Promise("addresses lie in the network's IPAM subnet", _address_in_subnet)
DEFAULT_ROUTE = Promise("the default route is the network's gateway", _default_route)
