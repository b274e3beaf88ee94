"""Macvlan and ipvlan alike: links beneath a wire to the LAN that is made for the network."""

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from netbench.engines.base import Network
from netbench.engines.netns import wiring
from netbench.engines.netns.allocator import HOSTS, NumberPool, SubnetPair
from netbench.engines.netns.host_namespace import World
from netbench.engines.netns.kinds import Attached, Publication
from netbench.engines.netns.lan import NetnsLanVeth
from netbench.errors import EngineError, Unsupported
from netbench.record import Ipam
from netbench.spec import NetworkSpec, Role

_LINK: Final = "eth0"


@dataclass(frozen=True, slots=True)
class Flavour:
    """What distinguishes one kind of child from the other."""

    kind: str
    """What the kernel calls such links."""
    modes: Mapping[str, str | int]
    """By name, as netlink wants them."""
    routed: frozenset[str] = frozenset()
    """Modes whose endpoints are in subnets of their own, behind the parent."""


MACVLAN: Final = Flavour(
    "macvlan", {mode: mode for mode in ("bridge", "private", "vepa", "passthru")}
)
IPVLAN: Final = Flavour("ipvlan", {"l2": 0, "l3": 1, "l3s": 2}, frozenset({"l3", "l3s"}))
"""IPVLAN_MODE_*, linux/if_link.h."""


@dataclass(frozen=True, slots=True)
class Parent:
    """A network: the wire that its links are children of."""

    wire: NetnsLanVeth
    spec: NetworkSpec
    subnets: SubnetPair
    """Of the endpoints."""
    routed: bool
    """Whether the endpoints' default route is their own link."""
    ipam: Ipam
    hosts: NumberPool = field(default_factory=lambda: NumberPool(HOSTS, "addresses of the network"))


@dataclass(frozen=True, slots=True)
class _Child:
    holder: int
    parent: Parent
    host: int


class ChildKind:
    """Networks whose endpoints have a link beneath a parent. They publish nothing."""

    def __init__(self, world: World, flavour: Flavour) -> None:
        """Make nothing yet."""
        self._world = world
        self._flavour = flavour
        self._lock = threading.Lock()
        self._tried: dict[str | None, str | None] = {}
        self._parents: dict[str, Parent] = {}
        self._children: dict[str, _Child] = {}

    def unsupported(self, spec: NetworkSpec) -> str | None:
        """Try such a link beneath a veth pair made for it."""
        with self._lock:
            if spec.mode not in self._tried:
                self._tried[spec.mode] = self._try(spec)
            return self._tried[spec.mode]

    def _try(self, spec: NetworkSpec) -> str | None:
        if spec.mode not in self._flavour.modes:
            return f"there is no {self._flavour.kind} mode {spec.mode}"
        number = self._world.number()
        near = f"nbt{number}"

        def work(route: Any) -> None:
            route.link("add", ifname=near, kind="veth", peer={"ifname": f"nbu{number}"})
            self._add(route, near, replace(spec, mtu=None), ifname=f"nbc{number}")

        kind = self._flavour.kind
        try:
            wiring.netlink(self._world.pid, f"try a {kind} in mode {spec.mode}", work)
        except Unsupported as exc:
            return wiring.kernel_lacks(kind, exc)
        except EngineError as exc:
            return exc.message
        finally:
            wiring.delete_link(self._world.pid, near)
        return None

    def _add(
        self, route: Any, parent: str, spec: NetworkSpec, *, ifname: str, **where: int
    ) -> None:
        """Make a child of a parent."""
        kind = self._flavour.kind
        mode = {f"{kind}_mode": self._flavour.modes[spec.mode or ""]}
        mtu = {} if spec.mtu is None else {"mtu": spec.mtu}
        index = wiring.index_of(route, parent)
        settings = {**mode, **mtu, **where, "txqlen": wiring.QUEUE}
        route.link("add", ifname=ifname, kind=kind, link=index, **settings)

    def publishes(self, spec: NetworkSpec) -> bool:
        """Tell that there is no port to publish: the endpoints have addresses on the LAN."""
        del spec
        return False

    def create(self, name: str, spec: NetworkSpec) -> Network:
        """Make a wire for it, and a way to subnets behind it."""
        routed = spec.mode in self._flavour.routed
        wire = self._world.wire(ipv6=spec.ipv6, mtu=spec.mtu)
        subnets = wire.subnets
        try:
            if routed:
                subnets = self._world.subnets.take(ipv6=spec.ipv6)
                self._route(wire, subnets)
        except BaseException:
            self._drop(wire, subnets)
            raise
        gateway = None if routed else wire.subnets.outside
        ipam = Ipam(
            network=name,
            subnet=str(subnets.v4),
            gateway=gateway.v4 if gateway else None,
            bridge=None,
            subnet6=subnets.text6,
            gateway6=gateway.v6 if gateway else None,
            parent=wire.lan.link,
        )
        with self._lock:
            self._parents[wire.lan.link] = Parent(wire, spec, subnets, routed, ipam)
        return Network(wire.lan.link, ipam, wire.lan)

    def _route(self, wire: NetnsLanVeth, subnets: SubnetPair) -> None:
        """Tell the LAN's client that these subnets are behind the world's address on the wire."""
        near = wire.subnets.gateway

        def work(route: Any) -> None:
            route.route("add", dst=str(subnets.v4), gateway=near.v4)
            if subnets.text6 and near.v6:
                route.route("add", dst=subnets.text6, gateway=near.v6)

        wiring.netlink(self._world.outside(), f"route to {subnets.v4}", work)

    def _drop(self, wire: NetnsLanVeth, subnets: SubnetPair) -> None:
        self._world.unwire(wire)
        if subnets is not wire.subnets:
            self._world.subnets.give_back(subnets)

    def attach(
        self, network: Network, holder: int, name: str, role: Role, publish: Publication
    ) -> Attached:
        """Make a link beneath the parent, in the endpoint's namespace."""
        del role, publish
        parent = self._parents.get(network.id)
        if parent is None:
            raise EngineError(f"the parent link {network.id} is gone")
        child = _Child(holder, parent, parent.hosts.take())
        with self._lock:
            self._children[name] = child
        own = parent.subnets.at(child.host)
        what = f"add a {parent.spec.driver} in mode {parent.spec.mode} beneath {network.id}"
        try:
            wiring.netlink(
                self._world.pid,
                what,
                lambda route: self._add(
                    route, network.id, parent.spec, ifname=_LINK, net_ns_pid=holder
                ),
            )
            way_out = not parent.spec.internal
            gateway = parent.wire.subnets.outside if way_out else None
            by_link = parent.routed and way_out
            wiring.bring_up(holder, _LINK, own, gateway, by_link=by_link)
            self._world.firewall.resolve(holder)
        except BaseException:
            self.detach(name)
            raise
        return Attached(own.v4, own.v6, parent.ipam)

    def detach(self, name: str) -> None:
        """Remove the link: with the namespace alone it would hold its parent for a while yet."""
        with self._lock:
            child = self._children.pop(name, None)
        if child:
            wiring.delete_link(child.holder, _LINK)
            child.parent.hosts.give_back(child.host)

    def remove(self, network: Network) -> None:
        """Remove the wire, which is all that there is of the network itself."""
        with self._lock:
            parent = self._parents.pop(network.id, None)
        if parent:
            self._drop(parent.wire, parent.subnets)

    def close(self) -> None:
        """Nothing of it outlives the world."""
