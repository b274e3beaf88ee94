"""Macvlan and ipvlan alike: links beneath a wire to the LAN that is made for the network."""

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import replace
from typing import Any, Final

from netbench.engines.base import Endpoint, Network
from netbench.engines.netns import wiring
from netbench.engines.netns.host_namespace import World
from netbench.engines.netns.port_publishing import Publication
from netbench.spec import NetworkSpec

_LINK: Final = "eth0"
_MODES: Final[Mapping[str, Mapping[str | None, str | int]]] = {
    "macvlan": {mode: mode for mode in ("bridge", "private", "vepa", "passthru")},
    "ipvlan": {"l2": 0, "l3": 1, "l3s": 2},
}
"""As netlink calls them: those of ipvlan are IPVLAN_MODE_*, linux/if_link.h."""
_ROUTED: Final = ("l3", "l3s")
"""Modes whose endpoints are in subnets of their own, behind the parent."""


def unsupported(world: World, spec: NetworkSpec) -> str | None:
    """Return why such links cannot be made here, or None if they can; found by trying, once."""
    if spec.mode not in _MODES[spec.driver]:
        return f"there is no {spec.driver} mode {spec.mode}"
    return world.lacks(spec.driver, **_mode(spec))


def _mode(spec: NetworkSpec) -> dict[str, str | int]:
    return {f"{spec.driver}_mode": _MODES[spec.driver][spec.mode]}


class ChildNetwork:
    """A network whose endpoints have links beneath a parent. It publishes nothing.

    Its endpoints have addresses on the LAN. What there is of the network itself is a wire to the
    LAN, and in a routed mode a route to the subnets behind it.
    """

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
        ipam = self._subnets.ipam(name, shown, parent=wire.lan.link)
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
