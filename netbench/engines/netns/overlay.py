"""Overlay networks: two nodes, the world's and the LAN client's, joined by VXLAN over the LAN.

Frames really cross the tunnel: the server sits on the world's node, the client on the other.
Each node has a bridge with the tunnel's end in it; the world's keeps both in a namespace of their
own, as a Docker Engine does, and gives its endpoint a second link, to the default bridge.
"""

import threading
import time
from dataclasses import dataclass, field
from typing import Any, Final

from netbench.engines.base import Endpoint, Lan, Network, Published
from netbench.engines.netns import wiring
from netbench.engines.netns.allocator import HOSTS, NumberPool, SubnetPair
from netbench.engines.netns.bridge import BridgeKind
from netbench.engines.netns.holder import Holder
from netbench.engines.netns.host_namespace import World
from netbench.engines.netns.kinds import Attached, Publication
from netbench.engines.netns.settings import SWITCH
from netbench.engines.netns.vxlan import VxlanTunnel, add_tunnel
from netbench.errors import EngineError, Unsupported
from netbench.record import Ipam
from netbench.spec import USUAL_MTU, VXLAN_HEADERS, NetworkSpec, Role

_PORT: Final = 4789
"""RFC 7348 §5."""
_ROOM: Final = USUAL_MTU - VXLAN_HEADERS
"""Bytes of the LAN's frames that are left."""
_BRIDGE, _TUNNEL = "br0", "vxlan0"
"""What they are called in the sandbox."""
_TRIED: Final = 1
"""A VXLAN identifier that no network gets."""


@dataclass(frozen=True, slots=True)
class _Node:
    """One of the two, with its bridge and its end of the tunnel."""

    place: int
    """Process in whose namespace they are."""
    bridge: str
    tunnel: str


@dataclass(frozen=True, slots=True)
class Overlay:
    """An overlay that exists."""

    sandbox: Holder
    near: _Node
    far: _Node
    spec: NetworkSpec
    mtu: int
    subnets: SubnetPair
    ipam: Ipam
    hosts: NumberPool = field(default_factory=lambda: NumberPool(HOSTS, "addresses of the overlay"))


@dataclass(frozen=True, slots=True)
class _Port:
    link: str
    node: _Node
    overlay: Overlay
    host: int


class OverlayKind:
    """Overlays of two nodes."""

    def __init__(self, world: World, bridges: BridgeKind) -> None:
        """Make nothing yet."""
        self._world = world
        self._bridges = bridges
        self._lock = threading.Lock()
        self._ids = NumberPool(range(_TRIED + 1, 1 << 12), "VXLAN identifiers")
        self._tried = False
        self._lacking: str | None = None
        self._overlays: dict[str, Overlay] = {}
        self._ports: dict[str, _Port] = {}

    def unsupported(self, spec: NetworkSpec) -> str | None:
        """Try a VXLAN link, and see that the frames fit the LAN."""
        if spec.mtu is not None and spec.mtu > _ROOM:
            return f"an overlay's MTU of {spec.mtu} does not fit: the LAN leaves room for {_ROOM}"
        with self._lock:
            if not self._tried:
                self._lacking = self._try()
                self._tried = True
            return self._lacking

    def _try(self) -> str | None:
        name = f"nbt{self._world.number()}"

        def work(route: Any) -> None:
            route.link("add", ifname=name, kind="vxlan", vxlan_id=_TRIED, vxlan_port=_PORT)

        try:
            wiring.netlink(self._world.pid, "try a VXLAN link", work)
        except Unsupported as exc:
            return wiring.kernel_lacks("vxlan", exc)
        except EngineError as exc:
            return exc.message
        finally:
            wiring.delete_link(self._world.pid, name)
        return None

    def publishes(self, spec: NetworkSpec) -> bool:
        """Tell whether there is a way in, by the default bridge."""
        return not spec.internal

    def create(self, name: str, spec: NetworkSpec) -> Network:
        """Make both nodes."""
        lan, other = self._world.lan_link(), self._world.outside()
        started = time.monotonic()
        sandbox = self._world.hold()
        number = self._world.number()
        near = _Node(sandbox.pid, _BRIDGE, _TUNNEL)
        far = _Node(other, f"nbo{number}", f"nbx{number}")
        subnets = self._world.subnets.take(ipv6=spec.ipv6)
        vxlan = self._ids.take()
        ipam = Ipam(
            network=name,
            subnet=str(subnets.v4),
            gateway=None,
            bridge=None,
            subnet6=subnets.text6,
            vxlan=vxlan,
        )
        made = Overlay(sandbox, near, far, spec, spec.mtu or _ROOM, subnets, ipam)
        try:
            wiring.make_ready(sandbox.pid, SWITCH)
            self._join_nodes(made, lan, vxlan)
        except BaseException:
            self._drop(made)
            raise
        with self._lock:
            self._overlays[far.bridge] = made
        end = Endpoint(far.bridge, f"{name}-sandbox", Role.SANDBOX, sandbox.pid, None, None)
        return Network(far.bridge, ipam, lan, end, time.monotonic() - started)

    def _join_nodes(self, made: Overlay, lan: Lan, vxlan: int) -> None:
        inner, outer = lan.host, lan.client.address or ""
        for node, under, place, local, remote in (
            (made.near, lan.link, self._world.pid, inner, outer),
            (made.far, self._world.lan_end, made.far.place, outer, inner),
        ):
            wiring.add_bridge(node.place, node.bridge, mtu=made.mtu)
            add_tunnel(
                place,
                VxlanTunnel(node.tunnel, vxlan, _PORT, under, local, remote, made.mtu),
                into=node.place,
                bridge=node.bridge,
            )

    def _drop(self, made: Overlay) -> None:
        for node in (made.near, made.far):
            # The kernel lets go of a tunnel late where only its namespace is ended.
            wiring.delete_link(node.place, node.tunnel)
            wiring.delete_link(node.place, node.bridge)
        self._world.release(made.sandbox)
        self._world.subnets.give_back(made.subnets)
        if made.ipam.vxlan is not None:
            self._ids.give_back(made.ipam.vxlan)

    def attach(
        self, network: Network, holder: int, name: str, role: Role, publish: Publication
    ) -> Attached:
        """Join an endpoint to its node's bridge: a client to the LAN's, others to the world's."""
        overlay = self._overlays.get(network.id)
        if overlay is None:
            raise EngineError(f"the overlay {network.id} is gone")
        node = overlay.far if role is Role.CLIENT else overlay.near
        port = _Port(f"nbv{self._world.number()}", node, overlay, overlay.hosts.take())
        with self._lock:
            self._ports[name] = port
        own = overlay.subnets.at(port.host)
        try:
            wiring.add_port((node.place, node.bridge), port.link, (holder, "eth0"), mtu=overlay.mtu)
            wiring.bring_up(holder, "eth0", own, None)
            published: tuple[Published, ...] = ()
            if node is overlay.near and not overlay.spec.internal:
                outer, bridge = self._bridges.join(self._bridges.default, holder, name, "eth1")
                published = self._bridges.publish(name, outer, bridge, publish)
            self._world.firewall.resolve(holder)
        except BaseException:
            self.detach(name)
            raise
        return Attached(own.v4, own.v6, overlay.ipam, published)

    def detach(self, name: str) -> None:
        """Remove an endpoint's links."""
        self._bridges.detach(name)
        with self._lock:
            port = self._ports.pop(name, None)
        if port:
            wiring.delete_link(port.node.place, port.link)
            port.overlay.hosts.give_back(port.host)

    def remove(self, network: Network) -> float | None:
        """Remove both nodes."""
        with self._lock:
            made = self._overlays.pop(network.id, None)
        if made is None:
            return None
        started = time.monotonic()
        self._drop(made)
        return time.monotonic() - started

    def close(self) -> None:
        """Nothing of it outlives the world."""
