"""Pairs of every driver as a reader would return them, built by hand, and their variants.

A wire of the emulated LAN is a veth pair `nblan0` (host) and `lan0` (outside client); a network of
macvlan or ipvlan has one of its own, `nblan1` and `lan1`, whose host's end is the parent.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Final

from support.facts import (
    CLIENT,
    CLIENT_NET,
    CLIENT_NSID,
    GATEWAY,
    HOST_NET,
    HOST_NSID,
    LAN_NET,
    SANDBOX_NET,
    SERVER,
    SERVER_NET,
    SERVER_NSID,
    bridge_pair,
    container_pair,
    end,
    host_end,
    host_pair,
    in_network,
    link,
    none_pair,
    with_end,
    with_link,
    with_links,
)

from netbench.record import Address, EndpointFacts, Ipam, PairFacts, Route
from netbench.spec import Role

MACHINE_NET = 4026532005
LAN_NSID, SANDBOX_NSID = 2, 3
"""By which the host knows them."""
HOST_ON_LAN, OUTSIDE = "198.18.9.1", "198.18.9.254"
HOST_ON_LAN6, OUTSIDE6 = "2001:2:0:9::1", "2001:2:0:9::fe"
CLIENT6, SERVER6, GATEWAY6, SUBNET6 = "2001:2::3", "2001:2::2", "2001:2::1", "2001:2::/64"
PARENT_MAC = "02:00:00:00:00:20"
"""Of the parent, whose index is 0x20."""
VXLAN = 4097

Pair = Callable[[], PairFacts]


def on_lan(facts: PairFacts) -> PairFacts:
    """The same pair, of a host with an emulated LAN."""
    return _with_wire(facts, 0, 30)


def _with_wire(facts: PairFacts, number: int, index: int) -> PairFacts:
    """Add a wire whose ends have the indices `index` and one more."""
    inner, outer = f"nblan{number}", f"lan{number}"
    host = with_links(
        facts, "host", link(inner, index, kind="veth", peer=index + 1, peer_nsid=LAN_NSID)
    ).host
    own = link(outer, index + 1, kind="veth", peer=index, peer_nsid=HOST_NSID)
    for role in ("client", "server"):
        if getattr(facts, role).namespaces.net == HOST_NET:
            facts = with_links(facts, role, *host.links[-1:])
    return replace(
        facts,
        host=replace(host, nsids=(*host.nsids, ("lan", LAN_NSID))),
        lan=end(
            Role.LAN,
            LAN_NET,
            links=(own,),
            addresses=(Address(outer, OUTSIDE, 24), Address(outer, OUTSIDE6, 64)),
            routes=(
                Route("default", HOST_ON_LAN, outer),
                Route("198.18.9.0/24", None, outer),
                Route("::/0", HOST_ON_LAN6, outer),
            ),
            nsids=(("host", HOST_NSID), ("client", CLIENT_NSID)),
        ),
        uplink=inner,
    )


def children_pair(kind: str, mode: str) -> PairFacts:
    """Two children of the wire's end in the host, of that kind and mode."""
    shares = kind == "ipvlan"
    client, server = (
        in_network(
            role,
            net,
            link(
                "eth0",
                index,
                kind=kind,
                mode=mode,
                parent=0x20,
                **({"mac": PARENT_MAC} if shares else {}),
            ),
            address,
        )
        for role, net, index, address in (
            (Role.CLIENT, CLIENT_NET, 40, CLIENT),
            (Role.SERVER, SERVER_NET, 41, SERVER),
        )
    )
    facts = PairFacts(
        client=client,
        server=server,
        host=host_end(),
        target=SERVER,
        ipam=Ipam("lan", "198.18.0.0/24", GATEWAY, None, parent="nblan1"),
        reader="netlink",
    )
    facts = _with_wire(facts, 1, 0x20)
    if kind == "ipvlan" and mode != "l2":
        facts = _routed_by_device(facts, "default")
    return facts


def _routed_by_device(facts: PairFacts, default: str) -> PairFacts:
    for role in ("client", "server"):
        old: EndpointFacts = getattr(facts, role)
        routes = tuple(r for r in old.routes if r.destination != default)
        facts = with_end(facts, role, routes=(*routes, Route(default, None, "eth0")))
    return facts


def tap_pair(*, slirp: bool) -> PairFacts:
    """Two ends with a tap each, in slirp4netns's network or with addresses of pasta's own."""
    own, gateway, to = ("10.0.2.100", "10.0.2.2", "10.0.2.0/24")
    if not slirp:
        own, gateway, to = ("169.254.2.1", "169.254.2.2", "169.254.0.0/16")
    client, server = (
        end(
            role,
            net,
            links=(link("tap0", 2, kind="tun"),),
            addresses=(Address("tap0", own, 24),),
            routes=(Route("default", gateway, "tap0"), Route(to, None, "tap0")),
        )
        for role, net in ((Role.CLIENT, CLIENT_NET), (Role.SERVER, SERVER_NET))
    )
    return replace(none_pair(), client=client, server=server)


def passthru_pair() -> PairFacts:
    """One child that took its parent's MAC address; the client has nothing but `lo`."""
    facts = children_pair("macvlan", "passthru")
    facts = with_link(facts, "server", "eth0", mac=PARENT_MAC)
    return replace(facts, client=end(Role.CLIENT, CLIENT_NET))


def overlay_pair() -> PairFacts:
    """Both ends on one node: their `eth0` end in the sandbox, their `eth1` in `docker_gwbridge`."""
    facts = overlay_seen_from_outside()
    sandbox = end(
        Role.SANDBOX,
        SANDBOX_NET,
        links=(
            link("br0", 2, kind="bridge", mtu=1450),
            link("vxlan0", 3, kind="vxlan", master="br0", mtu=1450),
            link("vethc0", 51, kind="veth", peer=50, peer_nsid=CLIENT_NSID, master="br0"),
            link("veths0", 61, kind="veth", peer=60, peer_nsid=SERVER_NSID, master="br0"),
        ),
        nsids=(("host", 7), ("client", CLIENT_NSID), ("server", SERVER_NSID)),
    )
    return replace(facts, sandbox=sandbox)


def overlay_seen_from_outside() -> PairFacts:
    """The same for a user who may not enter the sandbox."""
    pair = bridge_pair()
    ends: dict[str, EndpointFacts] = {}
    for role, net, index, address in (
        (Role.CLIENT, CLIENT_NET, 50, CLIENT),
        (Role.SERVER, SERVER_NET, 60, SERVER),
    ):
        overlay = link("eth0", index, kind="veth", peer=index + 1, peer_nsid=SANDBOX_NSID, mtu=1450)
        port = link("eth1", index + 5, kind="veth", peer=index + 6, peer_nsid=HOST_NSID)
        ends[role.value] = end(
            role,
            net,
            links=(overlay, port),
            addresses=(Address("eth0", address, 24), Address("eth1", f"172.18.0.{index}", 16)),
            routes=(
                Route("198.18.0.0/24", None, "eth0"),
                Route("default", "172.18.0.1", "eth1"),
            ),
            nsids=(("host", HOST_NSID),),
        )
    gateways = (
        link("docker_gwbridge", 5, kind="bridge"),
        link("vethgc", 56, kind="veth", peer=55, peer_nsid=CLIENT_NSID, master="docker_gwbridge"),
        link("vethgs", 66, kind="veth", peer=65, peer_nsid=SERVER_NSID, master="docker_gwbridge"),
    )
    return on_lan(
        replace(
            pair,
            client=ends["client"],
            server=ends["server"],
            host=host_end(*gateways),
            ipam=Ipam("over", "198.18.0.0/24", GATEWAY, None, vxlan=VXLAN),
        )
    )


def overlay_across_pair() -> PairFacts:
    """The client on another node, which is the LAN's namespace: VXLAN runs over the wire."""
    facts = overlay_pair()
    assert facts.sandbox
    assert facts.lan
    far = (
        link("br0", 35, kind="bridge", mtu=1450),
        link("vxlan0", 34, kind="vxlan", master="br0", mtu=1450),
        link("vethc0", 51, kind="veth", peer=50, peer_nsid=CLIENT_NSID, master="br0"),
    )
    near = tuple(x for x in facts.sandbox.links if x.name != "vethc0")
    facts = with_end(facts, "sandbox", links=near, nsids=(("server", SERVER_NSID),))
    return with_links(facts, "lan", *far)


def plain_pair() -> PairFacts:
    """Two ends of which nothing is known but that each has an `eth0`, of a kind of its own."""
    facts = on_lan(none_pair())
    for role, index in (("client", 70), ("server", 71)):
        facts = with_links(facts, role, link("eth0", index, kind="wireguard"))
    return facts


def with_ipv6(facts: PairFacts) -> PairFacts:
    """The same pair on a network that has IPv6 addresses too; the client uses them."""
    assert facts.ipam
    by_device = facts.ipam.parent is not None and _by_device(facts.server)
    gateway = None if by_device else GATEWAY6
    for role, own in (("client", CLIENT6), ("server", SERVER6)):
        old: EndpointFacts = getattr(facts, role)
        if old.link("eth0") is None:
            continue
        more = (Address("eth0", own, 64), Address("eth0", "fe80::42:c6ff:fe12:2", 64))
        facts = with_end(
            facts,
            role,
            addresses=(*old.addresses, *more),
            routes=(*old.routes, Route(SUBNET6, None, "eth0"), Route("::/0", gateway, "eth0")),
        )
    ipam = replace(facts.ipam, subnet6=SUBNET6, gateway6=GATEWAY6)
    return replace(facts, ipam=ipam, target=SERVER6)


def _by_device(server: EndpointFacts) -> bool:
    return any(r.destination == "default" and r.gateway is None for r in server.routes)


PAIRS: Final[Mapping[str, Pair]] = {
    "none": none_pair,
    "host": host_pair,
    "bridge": bridge_pair,
    "bridge:user": bridge_pair,
    "container": container_pair,
    "macvlan:bridge": lambda: children_pair("macvlan", "bridge"),
    "macvlan:private": lambda: children_pair("macvlan", "private"),
    "macvlan:vepa": lambda: children_pair("macvlan", "vepa"),
    "macvlan:passthru": passthru_pair,
    "ipvlan:l2": lambda: children_pair("ipvlan", "l2"),
    "ipvlan:l3": lambda: children_pair("ipvlan", "l3"),
    "ipvlan:l3s": lambda: children_pair("ipvlan", "l3s"),
    "overlay": overlay_pair,
    "netkit": lambda: bridge_pair("netkit"),
    "pasta": lambda: tap_pair(slirp=False),
    "slirp4netns": lambda: tap_pair(slirp=True),
}
"""One of each driver; none has a LAN that need not."""


def with_machine(facts: PairFacts, *, apart: bool = True) -> PairFacts:
    """The same pair with the machine: outside of the host, behind `tap0`, or the host itself."""
    if not apart:
        return replace(facts, machine=end(Role.MACHINE, HOST_NET))
    host = with_links(facts, "host", link("tap0", 90, kind="tun", mtu=65520)).host
    host = replace(host, routes=(Route("default", "10.0.2.2", "tap0"),))
    return replace(facts, host=host, machine=end(Role.MACHINE, MACHINE_NET))


def with_lan(facts: PairFacts) -> PairFacts:
    """The same pair with an emulated LAN, where it has none yet."""
    return facts if facts.lan else on_lan(facts)
