"""Bridge networks: a veth pair from each endpoint into a bridge of the host's namespace."""

import time
from contextlib import ExitStack
from dataclasses import replace
from typing import Final

from netbench.engines.base import Endpoint, Network
from netbench.engines.netns import wiring
from netbench.engines.netns.allocator import Addresses
from netbench.engines.netns.host_namespace import World
from netbench.engines.netns.port_publishing import Publication, publish
from netbench.engines.netns.rules import bridge_rules
from netbench.spec import Family, NetworkSpec

DEFAULT: Final = "nb0"  # the bridge that is always there


class BridgeNetwork:
    """A bridge that exists."""

    def __init__(
        self, world: World, name: str, spec: NetworkSpec, undo: ExitStack, *, link: str = ""
    ) -> None:
        """Make a bridge called `link` with a Docker Engine's rules; EngineError if refused."""
        self._world = world
        self._spec = spec
        self._isolated = not (spec.icc or world.filters_bridges)
        """Whether its ports are kept apart, because no rule can do it."""
        self._subnets = world.subnets.take(undo, ipv6=spec.ipv6)
        link = link or f"nb{world.number()}"
        gateway = self._subnets.gateway
        started = time.monotonic()
        undo.callback(wiring.delete_link, world.pid, link)
        wiring.add_bridge(world.pid, link, own=gateway, mtu=spec.mtu)
        self._install_rules(link, undo)
        took = time.monotonic() - started
        self.network = Network(link, self._subnets.ipam(name, gateway, bridge=link), took=took)

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
        own, port = self.join(endpoint.pid, "eth0", undo)
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
        """Give a namespace a link on the bridge, with the default route where there is a way out.

        Args:
            holder: process whose namespace it is.
            link: what it is called in there.
            undo: gets the steps that undo it.

        Returns:
            The addresses of the link, and the bridge's port that it is joined to.
        """
        port = f"nbv{self._world.number()}"
        own = self._subnets.host(undo)
        undo.callback(wiring.delete_link, self._world.pid, port)
        wiring.add_veth(
            (self._world.pid, port),
            (holder, link),
            mtu=self._spec.mtu,
            master=self.network.id,
            isolated=self._isolated,
        )
        gateway = None if self._spec.internal else self._subnets.gateway
        wiring.bring_up(holder, link, own, gateway)
        return own, port
