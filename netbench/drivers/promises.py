"""Promises of namespaces and links, each checked on facts alone."""

from collections.abc import Iterable, Mapping, Sequence

from netbench.drivers.base import Promise, host_end, other_end
from netbench.drivers.links import parent_of
from netbench.record import EndpointFacts, Link, PairFacts
from netbench.spec import VXLAN_HEADERS


def both_ends(facts: PairFacts, *, alone: bool = False) -> tuple[EndpointFacts, ...]:
    """Return client and server; the server alone, where it has no pair on its network."""
    return (facts.server,) if alone else (facts.client, facts.server)


def _inodes(*ends: EndpointFacts) -> str:
    return ", ".join(f"{end.role} net:[{end.namespaces.net}]" for end in ends)


def listed(found: Mapping[str, Sequence[str | None]]) -> str:
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
    names = {end.role.value: [link.name for link in end.links] for end in both_ends(facts)}
    return all(links == ["lo"] for links in names.values()), f"links: {listed(names)}"


def _host_links(facts: PairFacts) -> tuple[bool, str]:
    def identity(end: EndpointFacts) -> list[tuple[int, str]]:
        return sorted((link.index, link.name) for link in end.links)

    expected = identity(facts.host)
    held = bool(expected) and all(identity(end) == expected for end in both_ends(facts))
    return held, f"{len(expected)} links: {', '.join(name for _, name in expected[:12])}"


def _veth_into_bridge(facts: PairFacts) -> tuple[bool, str]:
    seen = []
    masters = set()
    held = True
    for end in both_ends(facts):
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


def child_of_parent(kind: str, mode: str, *, alone: bool = False) -> Promise:
    """eth0 is a link of that kind and mode, and its parent is the host's link that was meant."""

    def check(facts: PairFacts) -> tuple[bool, str]:
        wanted = facts.ipam.parent if facts.ipam else None
        held = True
        seen = []
        parents = set()
        for end in both_ends(facts, alone=alone):
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


def own_mac(*, alone: bool = False) -> Promise:
    """eth0 has a MAC address that neither its parent nor the other end has; not in passthru."""

    def check(facts: PairFacts) -> tuple[bool, str]:
        macs = _macs(both_ends(facts, alone=alone), facts)
        held = None not in macs.values() and len(set(macs.values())) == len(macs)
        if alone:
            held = len(set(macs.values())) == 1 and None not in macs.values()
        return held, listed({name: [mac] for name, mac in macs.items()})

    return Promise(
        "it has its parent's MAC address" if alone else "each has a MAC address of its own", check
    )


def _parent_mac(facts: PairFacts) -> tuple[bool, str]:
    macs = _macs(both_ends(facts), facts)
    held = None not in macs.values() and len(set(macs.values())) == 1
    return held, listed({name: [mac] for name, mac in macs.items()})


def _macs(ends: Iterable[EndpointFacts], facts: PairFacts) -> dict[str, str | None]:
    found: dict[str, str | None] = {}
    for end in ends:
        child, parent = end.link("eth0"), parent_of(end, facts)
        found[end.role.value] = child.mac if child else None
        found["parent"] = parent.mac if parent else None
    return found


def _veth_into_sandbox(facts: PairFacts) -> tuple[bool, str]:
    if facts.sandbox is None:
        return _sandbox_from_outside(facts)
    seen = []
    masters = set()
    for end in both_ends(facts):
        place, port = _sandbox_end(end, facts)
        seen.append(f"{end.role} {_veth(end.link('eth0'))} -> {place} {_port(port)}")
        master = port.master if port else None
        masters.add((place, master))
        seen.append(f"in {master}" if master else "in no bridge")
    held = len({place for place, _ in masters}) == len(masters)
    for place, master in sorted(masters, key=str):
        space = facts.sandbox if place == "sandbox" else facts.lan
        links = [x for x in space.links if x.kind == "vxlan"] if space and master else []
        tunnel = next((x for x in links if x.master == master), None)
        held = held and tunnel is not None
        seen.append(f"{place} {tunnel.name} is a vxlan in {master}" if tunnel else "no vxlan there")
    return held, "; ".join(seen)


def _sandbox_end(end: EndpointFacts, facts: PairFacts) -> tuple[str, Link | None]:
    """Return where an overlay endpoint's veth ends: in the sandbox, or on the other node."""
    link = end.link("eth0")
    for place in (facts.sandbox, facts.lan):
        found = other_end(end, place, link) if place and link else None
        if place and found:
            return place.role.value, found
    return "sandbox", None


def _sandbox_from_outside(facts: PairFacts) -> tuple[bool, str]:
    """Judge by what shows without the right to enter the sandbox."""
    held = facts.ipam is not None and facts.ipam.vxlan is not None
    seen = []
    for end in both_ends(facts):
        link = end.link("eth0")
        veth = link is not None and link.kind == "veth" and link.peer_nsid is not None
        held = held and veth and link is not None and host_end(end, facts, link) is None
        seen.append(f"{end.role} {_veth(link)}, whose peer is not in the host's namespace")
    number = facts.ipam.vxlan if facts.ipam else None
    seen.append(f"the engine gives the network VXLAN id {number}; its sandbox is for root to read")
    return held, "; ".join(seen)


def _overlay_mtu(facts: PairFacts) -> tuple[bool, str]:
    uplinks = [x for x in facts.host.links if facts.uplink in (None, x.name) and x.name != "lo"]
    largest = max((x.mtu for x in uplinks), default=0)
    mtus = {
        end.role.value: [x.mtu for x in end.links if x.name == "eth0"] for end in both_ends(facts)
    }
    room = largest - VXLAN_HEADERS
    held = all(found and found[0] <= room for found in mtus.values())
    text = "; ".join(f"{role} {found[0] if found else 'none'}" for role, found in mtus.items())
    return held, f"MTU {text}; the host's links carry {largest}, less {VXLAN_HEADERS} for VXLAN"


def _link_appears(facts: PairFacts) -> tuple[bool, str]:
    found = {
        end.role.value: [
            f"{x.name} ({x.kind or 'no kind'}, {x.mac})" for x in end.links if x.name != "lo"
        ]
        for end in both_ends(facts)
    }
    held = all(any(x.name == "eth0" for x in end.links) for end in both_ends(facts))
    return held, f"links: {listed(found)}"


def mtu_is(wanted: int) -> Promise:
    """eth0 of both ends has the MTU that was asked for."""

    def check(facts: PairFacts) -> tuple[bool, str]:
        found = {
            end.role.value: [str(x.mtu) for x in end.links if x.name == "eth0"]
            for end in both_ends(facts)
        }
        held = all(own in ([str(wanted)], []) for own in found.values()) and any(found.values())
        return held, f"MTU of eth0: {listed(found)}; asked for: {wanted}"

    return Promise(f"eth0 has MTU {wanted}", check)


OWN_NETNS = Promise("client, server and host have three network namespaces", _own_netns)
HOST_NETNS = Promise("both ends are in the engine host's network namespace", _host_netns)
PAIR_NETNS = Promise("client and server share one network namespace, not the host's", _pair_netns)
OWN_OTHERS = Promise("ipc, mnt, pid and uts namespaces are not shared in the pair", _own_others)
ONLY_LOOPBACK = Promise("the only interface is lo", _only_loopback)
HOST_LINKS = Promise("the interfaces are the host's", _host_links)
VETH_INTO_BRIDGE = Promise(
    "eth0 is a veth whose peer is in the host's namespace, a port of one bridge", _veth_into_bridge
)
PARENT_MAC = Promise("each has its parent's MAC address", _parent_mac)
VETH_INTO_SANDBOX = Promise(
    "eth0 is a veth into a namespace that holds the network's VXLAN link", _veth_into_sandbox
)
OVERLAY_MTU = Promise("the MTU leaves room for VXLAN's headers", _overlay_mtu)
LINK_APPEARS = Promise("a link appears: eth0", _link_appears)
