"""Bridges of the world's: a veth pair from each endpoint into the host's namespace."""

import threading
import time
from dataclasses import dataclass, field
from typing import Final

from netbench.engines.base import Network, Published
from netbench.engines.netns import wiring
from netbench.engines.netns.allocator import HOSTS, Addresses, NumberPool, SubnetPair
from netbench.engines.netns.host_namespace import World
from netbench.engines.netns.kinds import Attached, Publication
from netbench.errors import EngineError
from netbench.record import Ipam
from netbench.spec import NetworkSpec, Role

DEFAULT: Final = "nb0"
"""The bridge that is always there."""


@dataclass(frozen=True, slots=True)
class Bridge:
    """A bridge that exists."""

    link: str
    subnets: SubnetPair
    ipam: Ipam
    mtu: int | None
    internal: bool
    isolated: bool
    """Whether its ports are kept apart, because no rule can do it."""
    hosts: NumberPool = field(default_factory=lambda: NumberPool(HOSTS, "addresses of the bridge"))


@dataclass(frozen=True, slots=True)
class _Port:
    link: str
    bridge: Bridge
    host: int


class BridgeKind:
    """Bridges, the default one among them."""

    def __init__(self, world: World) -> None:
        """Make the default bridge; it has IPv6 wherever the kernel has."""
        self._world = world
        self._lock = threading.Lock()
        self._bridges: dict[str, Bridge] = {}
        self._ports: dict[str, _Port] = {}
        spec = NetworkSpec("bridge", ipv6=world.no_ipv6 is None)
        self.default = self._make(DEFAULT, "bridge", spec)

    def unsupported(self, spec: NetworkSpec) -> str | None:
        """Every kernel that has bridges, as the default one shows, can make them."""
        del spec
        return None

    def publishes(self, spec: NetworkSpec) -> bool:
        """Tell whether there is a way in."""
        return not spec.internal

    def create(self, name: str, spec: NetworkSpec) -> Network:
        """Make a bridge."""
        return self._make(f"nb{self._world.number()}", name, spec)

    def _make(self, link: str, name: str, spec: NetworkSpec) -> Network:
        subnets = self._world.subnets.take(ipv6=spec.ipv6)
        gateway = subnets.gateway
        ipam = Ipam(
            network=name,
            subnet=str(subnets.v4),
            gateway=gateway.v4,
            bridge=link,
            subnet6=subnets.text6,
            gateway6=gateway.v6,
        )
        started = time.monotonic()
        try:
            wiring.add_bridge(self._world.pid, link, addresses=gateway, mtu=spec.mtu)
            self._world.firewall.add_bridge(link, subnets, internal=spec.internal, icc=spec.icc)
        except BaseException:
            wiring.delete_link(self._world.pid, link)
            self._world.subnets.give_back(subnets)
            raise
        took = time.monotonic() - started
        isolated = not (spec.icc or self._world.filters_bridges)
        made = Bridge(link, subnets, ipam, spec.mtu, spec.internal, isolated)
        with self._lock:
            self._bridges[link] = made
        return Network(link, ipam, took=took)

    def attach(
        self, network: Network, holder: int, name: str, role: Role, publish: Publication
    ) -> Attached:
        """Join an endpoint to a bridge by a veth pair."""
        del role
        own, bridge = self.join(network, holder, name, "eth0")
        try:
            published = self.publish(name, own, bridge, publish)
            if bridge.link != DEFAULT:
                self._world.firewall.resolve(holder)
        except BaseException:
            self.detach(name)
            raise
        return Attached(own.v4, own.v6, bridge.ipam, published)

    def publish(
        self, name: str, own: Addresses, bridge: Bridge, publish: Publication
    ) -> tuple[Published, ...]:
        """Publish ports of an endpoint that has joined a bridge; errors as `attach`."""
        published = self._world.publish(name, own, bridge.subnets, publish)
        if published and publish.served != "proxy":
            wiring.reflect(self._world.pid, self._ports[name].link)
        return published

    def join(self, network: Network, holder: int, name: str, link: str) -> tuple[Addresses, Bridge]:
        """Give a namespace a link on a bridge, with the default route where there is a way out.

        Args:
            network: the bridge's.
            holder: process whose namespace it is.
            name: under which `detach` undoes it.
            link: what it is called in there.
        """
        bridge = self._bridges.get(network.id)
        if bridge is None:
            raise EngineError(f"the bridge {network.id} is gone")
        port = _Port(f"nbv{self._world.number()}", bridge, bridge.hosts.take())
        with self._lock:
            self._ports[name] = port
        own = bridge.subnets.at(port.host)
        try:
            wiring.add_port(
                (self._world.pid, bridge.link),
                port.link,
                (holder, link),
                mtu=bridge.mtu,
                isolated=bridge.isolated,
            )
            gateway = None if bridge.internal else bridge.subnets.gateway
            wiring.bring_up(holder, link, own, gateway)
        except BaseException:
            self.detach(name)
            raise
        return own, bridge

    def detach(self, name: str) -> None:
        """Remove an endpoint's veth pair and what was published for it."""
        self._world.withdraw(name)
        with self._lock:
            port = self._ports.pop(name, None)
        if port:
            wiring.delete_link(self._world.pid, port.link)
            port.bridge.hosts.give_back(port.host)

    def remove(self, network: Network) -> float | None:
        """Remove a bridge."""
        with self._lock:
            bridge = self._bridges.pop(network.id, None)
        if bridge is None:
            return None
        started = time.monotonic()
        wiring.delete_link(self._world.pid, bridge.link)
        self._world.firewall.remove_bridge(bridge.link)
        took = time.monotonic() - started
        self._world.subnets.give_back(bridge.subnets)
        return took

    def close(self) -> None:
        """Nothing of it outlives the world."""
