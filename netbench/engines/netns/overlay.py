"""Overlay networks: two nodes, the world's and the LAN client's, joined by VXLAN over the LAN.

Frames really cross the tunnel: the server sits on the world's node, the client on the other.
Each node has a bridge with the tunnel's end in it; the world's keeps both in a namespace of their
own, as a Docker Engine does, and gives its endpoint a second link, to the default bridge.
"""

import time
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import Any, Final

from netbench.engines.base import Endpoint, Network
from netbench.engines.netns import wiring
from netbench.engines.netns.bridge import BridgeNetwork
from netbench.engines.netns.host_namespace import LAN_END, World
from netbench.engines.netns.port_publishing import Publication
from netbench.spec import USUAL_MTU, VXLAN_HEADERS, NetworkSpec, Role

_PORT: Final = 4789  # RFC 7348 §5
_ROOM: Final = USUAL_MTU - VXLAN_HEADERS  # bytes of the LAN's frames that are left
_TRIED: Final = 1  # a VXLAN identifier that `World.vxlans` does not have


@dataclass(frozen=True, slots=True)
class _Node:
    """One of the two, with its bridge and its end of the tunnel."""

    place: int  # process in whose namespace they are
    bridge: str
    tunnel: str
    outer: int
    """Process in whose namespace the tunnel's packets are sent and received."""
    carrier: str  # link that carries them
    local: str
    remote: str


def unsupported(world: World, spec: NetworkSpec) -> str | None:
    """Return why an overlay cannot be made here, or None if it can; found by trying, once."""
    if spec.mtu is not None and spec.mtu > _ROOM:
        return f"an overlay's MTU of {spec.mtu} does not fit: the LAN leaves room for {_ROOM}"
    return world.lacks("vxlan", vxlan_id=_TRIED, vxlan_port=_PORT)


class OverlayNetwork:
    """An overlay that exists."""

    def __init__(
        self, world: World, name: str, spec: NetworkSpec, undo: ExitStack, default: BridgeNetwork
    ) -> None:
        """Make both nodes; the near one's endpoints have their way out by the default bridge."""
        lan, other = world.lan_link(), world.outside()
        started = time.monotonic()
        self._world, self._spec, self._default = world, spec, default
        self._mtu = spec.mtu or _ROOM
        sandbox = world.spawner.hold()
        undo.callback(world.spawner.release, sandbox)
        number = world.number()
        inner, outer = lan.host, lan.client.address or ""
        self._near = _Node(sandbox, "br0", "vxlan0", world.pid, lan.link, inner, outer)
        self._far = _Node(other, f"nbo{number}", f"nbx{number}", other, LAN_END, outer, inner)
        self._subnets = world.subnets.take(undo, ipv6=spec.ipv6)
        vxlan = world.vxlans.take(undo)
        ipam = self._subnets.ipam(name, None, vxlan=vxlan)
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
                vxlan_port=_PORT,
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
        port = f"nbv{self._world.number()}"
        own = self._subnets.host(undo)
        undo.callback(wiring.delete_link, node.place, port)
        holder = endpoint.pid
        wiring.add_veth((node.place, port), (holder, "eth0"), mtu=self._mtu, master=node.bridge)
        wiring.bring_up(holder, "eth0", own, None)
        if node is self._near and not self._spec.internal:
            outer, outer_port = self._default.join(holder, "eth1", undo)
            endpoint = self._default.publish(endpoint, outer, outer_port, publication, undo)
        self._world.firewall.resolve(holder)
        return replace(endpoint, address=own.v4, address6=own.v6, ipam=self.network.ipam)
