"""The networks of the world: bridges, links beneath a parent (macvlan, ipvlan), and overlays.

`attach` gives an endpoint without addresses `eth0` in a network and publishes its ports; its `undo`
gets the steps that undo it, to be taken before the endpoint's holder ends. It raises `EngineError`
if the kernel refuses, `Unsupported` if it lacks the means. Threads may attach at the same time.
"""

import time
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import Any, Final

from netbench.engines.base import Endpoint, Network
from netbench.engines.netns import netkit, wiring
from netbench.engines.netns.host_namespace import LAN_END, Publication, World, publish
from netbench.engines.netns.rules import bridge_rules
from netbench.engines.subnets import Addresses
from netbench.spec import USUAL_MTU, VXLAN_HEADERS, Family, NetworkSpec, Role

DEFAULT: Final = "nb0"  # the bridge that is always there
_LINK: Final = "eth0"
_MODES: Final[Mapping[str, Mapping[str | None, str | int]]] = {
    "macvlan": {mode: mode for mode in ("bridge", "private", "vepa", "passthru")},
    "ipvlan": {"l2": 0, "l3": 1, "l3s": 2},
}
"""As netlink calls them: those of ipvlan are IPVLAN_MODE_*, linux/if_link.h."""
_ROUTED: Final = ("l3", "l3s")  # modes whose endpoints are in subnets of their own, behind a parent
_VXLAN_PORT: Final = 4789  # RFC 7348 §5
_ROOM: Final = USUAL_MTU - VXLAN_HEADERS  # bytes of the LAN's frames that are left
_TRIED: Final = 1  # a VXLAN identifier that `World.vxlans` does not have


def unsupported(world: World, spec: NetworkSpec) -> str | None:
    """Return why a network cannot be made, or None if it can; found by trying, once."""
    return world.lacks_rules() or _lacking(world, spec)


def _lacking(world: World, spec: NetworkSpec) -> str | None:
    if spec.on_lan:
        if spec.mode not in _MODES[spec.driver]:
            return f"there is no {spec.driver} mode {spec.mode}"
        return world.lacks(spec.driver, **_mode(spec))
    if spec.driver == netkit.KIND:
        return world.lacks(spec.driver)
    if spec.driver != "overlay":
        return None
    if spec.mtu is not None and spec.mtu > _ROOM:
        return f"an overlay's MTU of {spec.mtu} does not fit: the LAN leaves room for {_ROOM}"
    return world.lacks("vxlan", vxlan_id=_TRIED, vxlan_port=_VXLAN_PORT)


def _mode(spec: NetworkSpec) -> dict[str, str | int]:
    return {f"{spec.driver}_mode": _MODES[spec.driver][spec.mode]}


class BridgeNetwork:
    """A pair of links, veth or netkit, from each endpoint into a bridge of the host's namespace."""

    def __init__(
        self, world: World, name: str, spec: NetworkSpec, undo: ExitStack, *, link: str = ""
    ) -> None:
        """Make a bridge called `link` with a Docker Engine's rules; EngineError if refused."""
        self._world = world
        self._spec = spec
        # Where no rule can keep its containers apart, its ports do.
        self._isolated = not (spec.icc or world.filters_bridges)
        self._subnets = world.subnets.take(undo, ipv6=spec.ipv6)
        link = link or f"nb{next(world.numbers)}"
        gateway = self._subnets.gateway
        started = time.monotonic()
        undo.callback(wiring.delete_link, world.pid, link)
        wiring.add_bridge(world.pid, link, own=gateway, mtu=spec.mtu)
        self._install_rules(link, undo)
        took = time.monotonic() - started
        ipam = replace(self._subnets.ipam(name, gateway, link), rules=world.rules)
        self.network = Network(link, ipam, took=took)
        if world.rules:
            self.network = replace(self.network, host=world.host, lan=world.lan())

    def _install_rules(self, link: str, undo: ExitStack) -> None:
        subnets = {family: self._subnets.of(family) for family in Family}
        rules = {
            family: bridge_rules(link, subnet, internal=self._spec.internal, icc=self._spec.icc)
            for family, subnet in subnets.items()
            if subnet
        }
        if Family.V6 in rules and not self._spec.icc:
            self._world.firewall.open_ipv6()
        undo.callback(self._world.firewall.drop, f"bridge {link}")
        self._world.firewall.add(f"bridge {link}", rules)

    def attach(self, endpoint: Endpoint, publication: Publication, undo: ExitStack) -> Endpoint:
        """Join an endpoint to the bridge and publish its ports."""
        own, port = self.join(endpoint.pid, _LINK, undo)
        joined = self.publish(endpoint, own, port, publication, undo)
        if self.network.id != DEFAULT:
            self._world.firewall.resolve(endpoint.pid)
        return replace(joined, address=own.v4, address6=own.v6, ipam=self.network.ipam)

    def publish(
        self, endpoint: Endpoint, own: Addresses, port: str, wanted: Publication, undo: ExitStack
    ) -> Endpoint:
        """Publish ports of an endpoint that has joined the bridge; errors as `attach`."""
        published = publish(self._world, own, self._subnets, wanted, undo)
        if published and wanted.served != "proxy":
            wiring.reflect(self._world.pid, port)
        return replace(endpoint, published=published)

    def join(self, holder: int, link: str, undo: ExitStack) -> tuple[Addresses, str]:
        """Give a namespace a link on the bridge, and a route out; return its addresses and port."""
        port = f"nbv{next(self._world.numbers)}"
        own = self._subnets.host(undo)
        undo.callback(wiring.delete_link, self._world.pid, port)
        wiring.add_pair(
            (self._world.pid, port),
            (holder, link),
            kind=netkit.KIND if self._spec.driver == netkit.KIND else "veth",
            mtu=self._spec.mtu,
            master=self.network.id,
            isolated=self._isolated,
        )
        gateway = None if self._spec.internal else self._subnets.gateway
        wiring.bring_up(holder, link, own, gateway)
        return own, port


class ChildNetwork:
    """Links of kind macvlan or ipvlan beneath a wire to the LAN. It publishes nothing."""

    def __init__(self, world: World, name: str, spec: NetworkSpec, undo: ExitStack) -> None:
        """Make the wire; EngineError if refused."""
        self._world = world
        self._spec = spec
        self._routed = spec.mode in _ROUTED
        wire = world.wire(undo, ipv6=spec.ipv6, mtu=spec.mtu)
        gateway = wire.subnets.outside
        self._gateway = None if spec.internal or self._routed else gateway
        self._subnets = wire.subnets
        if self._routed:
            subnets = world.subnets.take(undo, ipv6=spec.ipv6)
            wiring.netlink(
                world.outside(),
                f"route to {subnets.v4}",
                lambda route: wiring.add_routes(route, wire.subnets.gateway, subnets),
            )
            self._subnets = subnets
        shown = None if self._routed else gateway
        ipam = replace(self._subnets.ipam(name, shown), parent=wire.lan.link)
        self.network = Network(wire.lan.link, ipam, wire.lan)

    def attach(self, endpoint: Endpoint, publication: Publication, undo: ExitStack) -> Endpoint:
        """Make a link beneath the parent, in the endpoint's namespace."""
        del publication
        spec, parent, holder = self._spec, self.network.id, endpoint.pid
        own = self._subnets.host(undo)

        def add(route: Any) -> None:
            beneath = wiring.index_of(route, parent)
            where = {"link": beneath, "net_ns_pid": holder}
            size = {"mtu": spec.mtu, "txqlen": wiring.QUEUE}
            route.link("add", ifname=_LINK, kind=spec.driver, **where, **size, **_mode(spec))

        # With the namespace alone the link would hold its parent for a while yet.
        undo.callback(wiring.delete_link, holder, _LINK)
        what = f"add a {spec.driver} in mode {spec.mode} beneath {parent}"
        wiring.netlink(self._world.pid, what, add)
        by_link = self._routed and not spec.internal
        wiring.bring_up(holder, _LINK, own, self._gateway, by_link=by_link)
        self._world.firewall.resolve(holder)
        return replace(endpoint, address=own.v4, address6=own.v6, ipam=self.network.ipam)


@dataclass(frozen=True, slots=True)
class _Node:
    """A node of an overlay, with its bridge and its end of the tunnel."""

    place: int  # process in whose namespace they are
    bridge: str
    tunnel: str
    outer: int  # process in whose namespace the tunnel's packets are sent and received
    carrier: str  # link that carries them
    local: str
    remote: str


class OverlayNetwork:
    """Two nodes, the world's for the server and the LAN client's, joined by VXLAN over the LAN.

    Each node has a bridge with the tunnel's end in it; the world's keeps both in a namespace of
    their own, as a Docker Engine does, and gives its endpoint a second link, to the default bridge.
    """

    def __init__(
        self, world: World, name: str, spec: NetworkSpec, undo: ExitStack, default: BridgeNetwork
    ) -> None:
        """Make both nodes; the world's endpoints have their way out by the default bridge."""
        lan, other = world.lan_link(), world.outside()
        started = time.monotonic()
        self._world, self._spec, self._default = world, spec, default
        self._mtu = spec.mtu or _ROOM
        sandbox = world.spawner.hold()
        undo.callback(world.spawner.release, sandbox)
        number = next(world.numbers)
        inner, outer = lan.host, lan.client.address or ""
        self._near = _Node(sandbox, "br0", "vxlan0", world.pid, lan.link, inner, outer)
        self._far = _Node(other, f"nbo{number}", f"nbx{number}", other, LAN_END, outer, inner)
        self._subnets = world.subnets.take(undo, ipv6=spec.ipv6)
        vxlan = world.vxlans.take(undo)
        ipam = replace(self._subnets.ipam(name, None), vxlan=vxlan)
        wiring.make_ready(sandbox, wiring.SWITCH)
        for node in (self._near, self._far):
            self._make(node, vxlan, undo)
        end = Endpoint(self._far.bridge, f"{name}-sandbox", Role.SANDBOX, sandbox, None, None)
        self.network = Network(self._far.bridge, ipam, lan, end, time.monotonic() - started)

    def _make(self, node: _Node, vxlan: int, undo: ExitStack) -> None:
        undo.callback(wiring.delete_link, node.place, node.bridge)
        wiring.add_bridge(node.place, node.bridge, mtu=self._mtu)

        def add_tunnel(route: Any) -> None:
            route.link(
                "add",
                ifname=node.tunnel,
                kind="vxlan",
                mtu=self._mtu,
                vxlan_id=vxlan,
                vxlan_port=_VXLAN_PORT,
                vxlan_link=wiring.index_of(route, node.carrier),
                vxlan_local=node.local,
                vxlan_group=node.remote,
                net_ns_pid=node.place,
            )

        # The kernel removes a tunnel late if only its namespace is ended.
        undo.callback(wiring.delete_link, node.place, node.tunnel)
        wiring.netlink(node.outer, f"add the tunnel {node.tunnel}", add_tunnel)
        wiring.join(node.place, node.tunnel, node.bridge)

    def attach(self, endpoint: Endpoint, publication: Publication, undo: ExitStack) -> Endpoint:
        """Join an endpoint to its node's bridge: a client to the LAN's, others to the world's."""
        node = self._far if endpoint.role is Role.CLIENT else self._near
        port = f"nbv{next(self._world.numbers)}"
        own = self._subnets.host(undo)
        undo.callback(wiring.delete_link, node.place, port)
        holder = endpoint.pid
        wiring.add_pair((node.place, port), (holder, _LINK), mtu=self._mtu, master=node.bridge)
        wiring.bring_up(holder, _LINK, own, None)
        if node is self._near and not self._spec.internal:
            outer, outer_port = self._default.join(holder, "eth1", undo)
            endpoint = self._default.publish(endpoint, outer, outer_port, publication, undo)
        self._world.firewall.resolve(holder)
        return replace(endpoint, address=own.v4, address6=own.v6, ipam=self.network.ipam)
