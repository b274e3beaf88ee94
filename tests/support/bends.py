"""Ways in which a pair can be other than its driver promises, and the promise that each breaks."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Final

from support.facts import (
    CLIENT_NSID,
    GATEWAY,
    HOST_NET,
    HOST_NSID,
    SERVER,
    SERVER_NET,
    link,
    with_end,
    with_link,
    with_links,
    with_namespaces,
    without_link,
)
from support.pairs import PARENT_MAC

from netbench.drivers import DRIVERS
from netbench.record import Address, EndpointFacts, PairFacts, Route

Bend = Callable[[PairFacts], PairFacts]
Bends = dict[str, tuple[Bend, str]]
"""By what is wrong: how it comes about, and the promise that it breaks."""

OWN: Final = "client, server and host have three network namespaces"
VETH: Final = "eth0 is a veth whose peer is in the host's namespace, a port of one bridge"
SUBNET: Final = "addresses lie in the network's IPAM subnet"
ROUTE: Final = "the default route is the network's gateway"
HOSTS: Final = "both ends are in the engine host's network namespace"
LINKS: Final = "the interfaces are the host's"
ONLY_LO: Final = "the only interface is lo"
NO_ROUTE: Final = "there is no route"
PAIRS_NET: Final = "client and server share one network namespace, not the host's"
OTHERS: Final = "ipc, mnt, pid and uts namespaces are not shared in the pair"
OWN_MAC: Final = "each has a MAC address of its own"
BY_DEVICE: Final = "the default route is eth0 itself, by no gateway"
PARENTS_MAC: Final = "each has its parent's MAC address"
SANDBOX: Final = "eth0 is a veth into a namespace that holds the network's VXLAN link"
ROOM: Final = "the MTU leaves room for VXLAN's headers"


def broken(driver: str, facts: PairFacts) -> list[str]:
    """Return the promises that facts do not show, by their words."""
    checks = [promise.judge(facts) for promise in DRIVERS[driver].promises]
    assert all(check.evidence for check in checks)
    return [check.promise for check in checks if not check.held]


def net(facts: PairFacts, role: str, inode: int | None) -> PairFacts:
    return with_namespaces(facts, role, net=inode)


def other_bridge(facts: PairFacts) -> PairFacts:
    """The host has another bridge beside the one in use."""
    return with_links(facts, "host", link("br9", 9, kind="bridge"))


def address(facts: PairFacts, role: str, *addresses: str) -> PairFacts:
    """Nothing but these addresses on eth0."""
    return with_end(facts, role, addresses=tuple(Address("eth0", a, 24) for a in addresses))


def route(facts: PairFacts, role: str, *gateways: str | None) -> PairFacts:
    """Nothing but these default routes."""
    return with_end(facts, role, routes=tuple(Route("default", g, "eth0") for g in gateways))


def ipam(facts: PairFacts, **changes: str | int | None) -> PairFacts:
    """The engine tells something else of the network."""
    assert facts.ipam
    return replace(facts, ipam=replace(facts.ipam, **changes))


def _sandbox(facts: PairFacts, name: str, **changes: object) -> PairFacts:
    return with_link(facts, "sandbox", name, **changes)


_OWN: Final[Bends] = {
    "the client is in the host's netns": (lambda f: net(f, "client", HOST_NET), OWN),
    "the server is in the host's netns": (lambda f: net(f, "server", HOST_NET), OWN),
    "the ends share a netns": (lambda f: net(f, "client", SERVER_NET), OWN),
    "the client's netns is unreadable": (lambda f: net(f, "client", None), OWN),
    "the host's netns is unreadable": (lambda f: net(f, "host", None), OWN),
}
_SUBNET: Final[Bends] = {
    "an address outside": (lambda f: address(f, "server", "198.19.0.2"), SUBNET),
    "a second address outside": (lambda f: address(f, "server", SERVER, "10.0.0.1"), SUBNET),
    "no address": (lambda f: address(f, "server"), SUBNET),
    "only an IPv6 address": (lambda f: address(f, "server", "2001:2::1"), SUBNET),
    "an unknown subnet": (lambda f: replace(f, ipam=None), SUBNET),
    "no IPv6 address": (lambda f: ipam(f, subnet6="2001:2::/64"), SUBNET),
}
_ROUTE: Final[Bends] = {
    "another gateway": (lambda f: route(f, "server", "198.18.0.254"), ROUTE),
    "two default routes": (lambda f: route(f, "server", GATEWAY, GATEWAY), ROUTE),
    "no default route": (lambda f: route(f, "server"), ROUTE),
    "a default route by the link": (lambda f: route(f, "server", None), ROUTE),
    "an unknown gateway": (lambda f: replace(f, ipam=None), ROUTE),
    "no IPv6 default route": (lambda f: ipam(f, gateway6="2001:2::1"), ROUTE),
}


def _bridged(kind: str, pair: str) -> Bends:
    """Return bends of a pair on a bridge by links of that kind; `pair` is their promise."""
    return {
        **_OWN,
        "no eth0": (lambda f: without_link(f, "client", "eth0"), pair),
        f"eth0 is no {kind}": (lambda f: with_link(f, "server", "eth0", kind="macvlan"), pair),
        "eth0 has no peer": (lambda f: with_link(f, "client", "eth0", peer=None), pair),
        "the peer is not in the host": (lambda f: without_link(f, "host", "veths"), pair),
        "the peer does not name eth0": (lambda f: with_link(f, "host", "vethc", peer=99), pair),
        f"the peer's peer is no {kind}": (
            lambda f: with_link(f, "host", "vethc", kind="tap"),
            pair,
        ),
        "the peer's peer is local": (lambda f: with_link(f, "host", "vethc", peer_nsid=None), pair),
        "the peer is in another netns": (
            lambda f: with_link(f, "host", "vethc", peer_nsid=7),
            pair,
        ),
        "the port has no master": (lambda f: with_link(f, "host", "veths", master=None), pair),
        "the master is not there": (lambda f: with_link(f, "host", "veths", master="gone"), pair),
        "the master is no bridge": (lambda f: with_link(f, "host", "docker0", kind="bond"), pair),
        "the ends are on two bridges": (
            lambda f: other_bridge(with_link(f, "host", "vethc", master="br9")),
            pair,
        ),
        "both are on another bridge than the engine says": (
            lambda f: other_bridge(
                with_link(
                    with_link(f, "host", "vethc", master="br9"), "host", "veths", master="br9"
                )
            ),
            pair,
        ),
        **_SUBNET,
        "the client's address is outside": (lambda f: address(f, "client", "198.19.0.2"), SUBNET),
        "the client has no address": (lambda f: address(f, "client"), SUBNET),
        **_ROUTE,
        "the client has another gateway": (lambda f: route(f, "client", "198.18.0.254"), ROUTE),
    }


_NONE: Final[Bends] = {
    "the client is in the host's netns": (lambda f: net(f, "client", HOST_NET), OWN),
    "the server is in the host's netns": (lambda f: net(f, "server", HOST_NET), OWN),
    "the client has an eth0": (lambda f: with_links(f, "client", link("eth0", 2)), ONLY_LO),
    "the server has a dummy": (lambda f: with_links(f, "server", link("dummy0", 2)), ONLY_LO),
    "the server has not even lo": (lambda f: with_end(f, "server", links=()), ONLY_LO),
    "a default route": (lambda f: route(f, "client", GATEWAY), NO_ROUTE),
    "a route": (
        lambda f: with_end(f, "server", routes=(Route("10.0.0.0/8", None, "lo"),)),
        NO_ROUTE,
    ),
    "an IPv6 route": (
        lambda f: with_end(f, "server", routes=(Route("::/0", "2001:2::1", "eth0"),)),
        NO_ROUTE,
    ),
}
_HOST: Final[Bends] = {
    "the client is elsewhere": (lambda f: net(f, "client", SERVER_NET), HOSTS),
    "nobody's netns is readable": (
        lambda f: net(net(net(f, "client", None), "server", None), "host", None),
        HOSTS,
    ),
    "one link more": (lambda f: with_links(f, "server", link("eth1", 3)), LINKS),
    "one link less": (lambda f: without_link(f, "client", "eth0"), LINKS),
    "a link of another index": (lambda f: with_link(f, "client", "eth0", index=7), LINKS),
}
_CONTAINER: Final[Bends] = {
    "the client is elsewhere": (lambda f: net(f, "client", 4026539999), PAIRS_NET),
    "both are in the host's netns": (
        lambda f: net(net(f, "client", HOST_NET), "server", HOST_NET),
        PAIRS_NET,
    ),
    "neither netns is readable": (
        lambda f: net(net(f, "client", None), "server", None),
        PAIRS_NET,
    ),
    **{
        f"the ends share {kind}": (
            lambda f, kind=kind: with_namespaces(
                f, "client", **{kind: f.server.namespaces.inode(kind)}
            ),
            OTHERS,
        )
        for kind in ("ipc", "mnt", "pid", "uts")
    },
    "mnt is unreadable": (lambda f: with_namespaces(f, "server", mnt=None), OTHERS),
}


def _child(kind: str, mode: str) -> Bends:
    """What can be wrong with the server's link, child of the host's parent."""
    words = f"eth0 is a {kind} in mode {mode}, child of the host's parent link"
    another = {"bridge": "private", "l2": "l3"}.get(mode, "bridge" if kind == "macvlan" else "l2")

    def bend(**changes: object) -> tuple[Bend, str]:
        return lambda f: with_link(f, "server", "eth0", **changes), words

    return {
        "eth0 is of another kind": bend(kind="macvtap"),
        "eth0 is of another mode": bend(mode=another),
        "eth0 has no parent": bend(parent=None),
        "the parent is not in the host": bend(parent=99),
        "the parent is in its own netns": bend(peer_nsid=None),
        "the parent is in another netns": bend(peer_nsid=HOST_NSID + 7),
        "eth0 is a child of another link": bend(parent=2),
        "the engine names another parent": (lambda f: ipam(f, parent="eth9"), words),
        "no eth0": (lambda f: without_link(f, "server", "eth0"), words),
    }


def _macvlan(mode: str) -> Bends:
    both = "eth0 is a macvlan in mode " + mode + ", child of the host's parent link"
    return {
        **_OWN,
        **_child("macvlan", mode),
        "they are children of two links, and the engine names none": (
            lambda f: ipam(with_link(f, "server", "eth0", parent=2), parent=None),
            both,
        ),
        "one has its parent's MAC": (
            lambda f: with_link(f, "server", "eth0", mac=PARENT_MAC),
            OWN_MAC,
        ),
        "both have one MAC": (_one_mac, OWN_MAC),
        **_SUBNET,
        **_ROUTE,
    }


def _one_mac(facts: PairFacts) -> PairFacts:
    facts = with_link(facts, "server", "eth0", mac="02:00:00:00:00:99")
    return with_link(facts, "client", "eth0", mac="02:00:00:00:00:99")


_PASSTHRU: Final[Bends] = {
    **_OWN,
    **_child("macvlan", "passthru"),
    "it has another MAC than its parent": (
        lambda f: with_link(f, "server", "eth0", mac="02:00:00:00:00:99"),
        "it has its parent's MAC address",
    ),
    **_SUBNET,
    **_ROUTE,
}


def _ipvlan(mode: str) -> Bends:
    by_device: Bends = {
        "a gateway": (lambda f: route(f, "server", GATEWAY), BY_DEVICE),
        "no default route": (lambda f: route(f, "client"), BY_DEVICE),
        "a default route by another link": (
            lambda f: with_end(f, "server", routes=(Route("default", None, "eth1"),)),
            BY_DEVICE,
        ),
        "no IPv6 default route": (lambda f: ipam(f, subnet6="2001:2::/64"), BY_DEVICE),
    }
    return {
        **_OWN,
        **_child("ipvlan", mode),
        "one has a MAC of its own": (
            lambda f: with_link(f, "client", "eth0", mac="02:00:00:00:00:99"),
            PARENTS_MAC,
        ),
        **_SUBNET,
        **(_ROUTE if mode == "l2" else by_device),
    }


def _two_overlays(facts: PairFacts) -> PairFacts:
    more = (
        link("br1", 12, kind="bridge"),
        link("vxlan1", 13, kind="vxlan", master="br1"),
    )
    return with_link(with_links(facts, "sandbox", *more), "sandbox", "veths0", master="br1")


_OVERLAY: Final[Bends] = {
    **_OWN,
    "no eth0": (lambda f: without_link(f, "client", "eth0"), SANDBOX),
    "the peer is not in the sandbox": (lambda f: without_link(f, "sandbox", "veths0"), SANDBOX),
    "the peer is in another netns": (lambda f: _sandbox(f, "vethc0", peer_nsid=9), SANDBOX),
    "the peer does not name eth0": (lambda f: _sandbox(f, "veths0", peer=99), SANDBOX),
    "the port has no master": (lambda f: _sandbox(f, "vethc0", master=None), SANDBOX),
    "there is no VXLAN link": (lambda f: without_link(f, "sandbox", "vxlan0"), SANDBOX),
    "the VXLAN link is another kind": (lambda f: _sandbox(f, "vxlan0", kind="gre"), SANDBOX),
    "the VXLAN link is no port": (lambda f: _sandbox(f, "vxlan0", master=None), SANDBOX),
    "the ends are on two bridges": (_two_overlays, SANDBOX),
    "the MTU leaves no room": (lambda f: with_link(f, "client", "eth0", mtu=1451), ROOM),
    "the underlay has a smaller MTU": (lambda f: with_link(f, "host", "nblan0", mtu=1400), ROOM),
    **_SUBNET,
}


TAP = "the only link beside lo is a tap, which a process serves"
SLIRP = "it is in 10.0.2.0/24, and the default route is 10.0.2.2, slirp4netns itself"
_PASTA: Final[Bends] = {
    **_OWN,
    "the tap is a veth": (lambda f: with_link(f, "server", "tap0", kind="veth"), TAP),
    "no link": (lambda f: without_link(f, "client", "tap0"), TAP),
    "a second tap": (lambda f: with_links(f, "client", link("tap1", 3, kind="tun")), TAP),
}
_SLIRP: Final[Bends] = {
    **_PASTA,
    "another gateway": (
        lambda f: with_end(f, "server", routes=(Route("default", "10.0.2.1", "tap0"),)),
        SLIRP,
    ),
    "no route to its network": (
        lambda f: with_end(f, "client", routes=(Route("default", "10.0.2.2", "tap0"),)),
        SLIRP,
    ),
    "no route": (lambda f: with_end(f, "client", routes=()), SLIRP),
}

BENDS: Final[Mapping[str, Bends]] = {
    "none": _NONE,
    "host": _HOST,
    "bridge": _bridged("veth", VETH),
    "bridge:user": _bridged("veth", VETH),
    "container": _CONTAINER,
    "macvlan:bridge": _macvlan("bridge"),
    "macvlan:private": _macvlan("private"),
    "macvlan:vepa": _macvlan("vepa"),
    "macvlan:passthru": _PASSTHRU,
    "ipvlan:l2": _ipvlan("l2"),
    "ipvlan:l3": _ipvlan("l3"),
    "ipvlan:l3s": _ipvlan("l3s"),
    "overlay": _OVERLAY,
    "netkit": _bridged("netkit", VETH.replace("veth", "netkit")),
    "pasta": _PASTA,
    "slirp4netns": _SLIRP,
}
OVERLAY_UNSEEN: Final[Bends] = {
    "the engine tells no VXLAN id": (lambda f: ipam(f, vxlan=None), SANDBOX),
    "no eth0": (lambda f: without_link(f, "server", "eth0"), SANDBOX),
    "eth0 is no veth": (lambda f: with_link(f, "client", "eth0", kind="macvlan"), SANDBOX),
    "its peer is beside it": (lambda f: with_link(f, "client", "eth0", peer_nsid=None), SANDBOX),
    "its peer is in the host": (
        lambda f: with_links(
            f, "host", link("vethx", 51, kind="veth", peer=50, peer_nsid=CLIENT_NSID)
        ),
        SANDBOX,
    ),
}
"""For an overlay whose sandbox may not be entered."""


def both_ends(facts: PairFacts, change: Callable[[EndpointFacts], EndpointFacts]) -> PairFacts:
    """The same pair with one change made to client and server."""
    return replace(facts, client=change(facts.client), server=change(facts.server))
