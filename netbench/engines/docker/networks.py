"""Networks of a run, each with what it takes: free subnets, a wire to the LAN, a swarm."""

import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from ipaddress import IPv4Network, IPv6Network
from typing import Any, Final

from docker.errors import APIError
from docker.types import IPAMConfig, IPAMPool

from netbench.engines.base import Network
from netbench.engines.docker.bridges import BridgeNames
from netbench.engines.docker.client import Clients, Dialect
from netbench.engines.docker.lan import EmulatedLan, LanVeth
from netbench.engines.docker.link_kinds import LinkKinds
from netbench.engines.docker.network_info import BRIDGE, OVERLAY, allocated, remove
from netbench.engines.docker.subnets import Subnet, SubnetAllocator
from netbench.engines.docker.swarm import NO_IPV6, Swarm
from netbench.errors import EngineError, Unsupported
from netbench.spec import VXLAN_HEADERS, NetworkSpec

_ICC: Final = "com.docker.network.bridge.enable_icc"
_MTU: Final = "com.docker.network.driver.mtu"
_IGNORED: Final = "is not a recognized option"
"""What Podman says of an option that it passes over."""
_ROUTED: Final = ("l3", "l3s")
"""Modes of ipvlan in which the host routes for the containers' own subnet."""


@dataclass(slots=True)
class _Shared:
    """A network on a real parent: an engine refuses a second one there."""

    network: Network
    users: int


@dataclass(frozen=True, slots=True)
class _Plan:
    """A network that is to be tried with one choice of subnets."""

    name: str
    spec: NetworkSpec
    subnet: Subnet
    parent: str | None = None
    wire: LanVeth | None = None
    """Which holds the subnet, too, unless the network is routed."""

    @property
    def gateway(self) -> tuple[str, str]:
        """The gateway's address in IPv4 and IPv6: the LAN client on a wire, else the first."""
        if self.spec.on_lan and not _is_routed(self.spec):
            return self.subnet.outside, self.subnet.outside6
        return self.subnet.host, self.subnet.host6

    @property
    def reserved(self) -> tuple[dict[str, str] | None, dict[str, str] | None]:
        """Addresses that the engine must give to nobody: the host's on the wire."""
        if self.wire is None or _is_routed(self.spec):
            return None, None
        return {"host": self.subnet.host}, {"host": self.subnet.host6}


class Networks:
    """Makes the run's networks; safe to use from several threads."""

    def __init__(
        self,
        clients: Clients,
        labels: Mapping[str, str],
        *,
        bridges: BridgeNames,
        subnets: SubnetAllocator,
        lan: EmulatedLan,
        kinds: LinkKinds,
        swarm: Swarm,
        parent: str | None,
    ) -> None:
        """`parent` is the real link that the user named for macvlan and ipvlan, if any."""
        self._clients = clients
        self._labels = labels
        self._bridges = bridges
        self._subnets = subnets
        self._lan = lan
        self._kinds = kinds
        self._swarm = swarm
        self._parent = parent
        self._lock = threading.Lock()
        self._making = threading.Lock()
        self._shared: dict[NetworkSpec, _Shared] = {}
        self._plans: dict[str, _Plan] = {}

    def create(self, name: str, spec: NetworkSpec) -> Network:
        """Make a network; errors as `Engine.create_network`.

        One at a time: for each the engine takes a rule out of its firewall and puts it back, and
        of two that do so at once the rule is left twice (moby#43585).
        """
        with self._making:
            return self._create(name, spec)

    def _create(self, name: str, spec: NetworkSpec) -> Network:
        if spec.driver == OVERLAY:
            if spec.ipv6:
                raise Unsupported(NO_IPV6)
            self._swarm.ensure()
        if spec.on_lan:
            lacking = self._kinds.lacks(spec.driver, spec.mode)
            if lacking is None and spec.internal:
                lacking = self._kinds.lacks("dummy")
            if lacking:
                raise Unsupported(lacking)
        if spec.on_lan and self._parent and not spec.internal:
            return self._share(name, spec)
        return self._make(name, spec)

    def _share(self, name: str, spec: NetworkSpec) -> Network:
        with self._lock:
            shared = self._shared.get(spec)
            if shared is None:
                shared = self._shared[spec] = _Shared(self._make(name, spec), 0)
            shared.users += 1
            first = shared.users == 1
            return shared.network if first else replace(shared.network, took=None)

    def _make(self, name: str, spec: NetworkSpec) -> Network:
        refused: list[_Plan] = []
        try:
            while True:
                plan = self._plan(name, spec)
                made = self._try(plan)
                if made is not None:
                    return made
                refused.append(plan)  # kept until the end, so that the next choice is another
        finally:
            for plan in refused:
                self._give_up(plan)

    def _plan(self, name: str, spec: NetworkSpec) -> _Plan:
        if not spec.on_lan or spec.internal or self._parent:
            # An internal macvlan or ipvlan has a link as parent that the engine makes for it.
            parent = self._parent if spec.on_lan and not spec.internal else None
            return _Plan(name, spec, self._subnets.take(), parent)
        wire = self._lan.wire(spec.mtu)
        plan = _Plan(name, spec, wire.subnet, wire.lan.link, wire)
        if not _is_routed(spec):
            return plan
        try:
            plan = replace(plan, subnet=self._subnets.take())
            self._lan.lead(wire, plan.subnet)
        except BaseException:
            self._give_up(plan)
            raise
        return plan

    def _try(self, plan: _Plan) -> Network | None:
        """Return the network, None where the engine holds the subnet for taken."""
        spec, dialect = plan.spec, self._clients.dialect
        try:
            with self._clients.lend(f"create network {plan.name}") as api:
                started = time.monotonic()
                answer = api.create_network(
                    plan.name,
                    driver=spec.driver,
                    options=_options(plan, dialect, self._bridges.next()),
                    ipam=IPAMConfig(pool_configs=_pools(plan, dialect)),
                    internal=spec.internal,
                    labels=dict(self._labels),
                    enable_ipv6=spec.ipv6,
                    attachable=True if spec.driver == OVERLAY else None,
                )
                made = answer["Id"]
                try:
                    _refuse_ignored(answer)
                    network = allocated(api, made, spec.driver, dialect)
                    took = time.monotonic() - started
                except BaseException:
                    with suppress(APIError, OSError):
                        api.remove_network(made)
                    raise
        except EngineError as error:
            if "overlap" in error.message:
                return None
            self._give_up(plan)
            raise
        except BaseException:
            self._give_up(plan)
            raise
        self._plans[network.id] = plan
        return replace(network, lan=plan.wire.lan if plan.wire else None, took=took)

    def _give_up(self, plan: _Plan) -> None:
        """Let go of what a network that is gone, or never came to be, had to itself."""
        self._subnets.give_back(plan.subnet)
        if plan.wire is not None:
            self._lan.drop(plan.wire)

    def remove(self, network: Network) -> float | None:
        """Remove a network with its wire; quietly nothing where it is gone already.

        Returns:
            Seconds that the network's own removal took, None where others still use it.
        """
        with self._lock:
            for spec, shared in list(self._shared.items()):
                if shared.network.id == network.id:
                    shared.users -= 1
                    if shared.users > 0:
                        return None
                    del self._shared[spec]
            return self._remove(network)

    def _remove(self, network: Network) -> float:
        name = network.ipam.network if network.ipam else network.id
        with self._clients.lend(f"remove network {name}") as api:
            started = time.monotonic()
            remove(api, network.id)
            took = time.monotonic() - started
        plan = self._plans.pop(network.id, None)
        if plan is not None:
            self._give_up(plan)
        return took


def _is_routed(spec: NetworkSpec) -> bool:
    return spec.driver == "ipvlan" and spec.mode in _ROUTED


def _refuse_ignored(answer: Mapping[str, Any]) -> None:
    """Refuse a network without an option that was asked for: some engines only warn of that."""
    warning = str(answer.get("Warning") or "")
    if _IGNORED in warning:
        raise Unsupported(f"the engine ignores an option of the network: {warning}")


def _pools(plan: _Plan, dialect: Dialect) -> list[IPAMPool]:
    gateways, reserved = plan.gateway, plan.reserved
    subnets = (plan.subnet.v4, plan.subnet.v6)
    return [
        IPAMPool(
            subnet=str(subnets[i]),
            iprange=None if dialect.reserves or reserved[i] is None else _upper_half(subnets[i]),
            gateway=gateways[i],
            aux_addresses=reserved[i] if dialect.reserves else None,
        )
        for i in range(2 if plan.spec.ipv6 else 1)
    ]


def _upper_half(subnet: IPv4Network | IPv6Network) -> str:
    """Return a range without the host's address, which is the first; a gateway is kept anyway."""
    return str(list(subnet.subnets())[1])


def _options(plan: _Plan, dialect: Dialect, bridge: str) -> dict[str, str]:
    spec = plan.spec
    found = {}
    if spec.driver == "bridge" and dialect.bridge:
        found[BRIDGE] = bridge
    if plan.parent:
        found["parent"] = plan.parent
    if spec.on_lan and spec.mode:
        found[dialect.mode.format(spec.driver)] = spec.mode
    if spec.mtu is not None:
        # An overlay takes the MTU of what lies below it, and leaves room for VXLAN's headers.
        found[_MTU] = str(spec.mtu + (VXLAN_HEADERS if spec.driver == OVERLAY else 0))
    if not spec.icc:
        found[_ICC] = "false"
    return found | dict(spec.options)
