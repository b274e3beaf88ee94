"""Networks of a run, each with what it takes: free subnets, a wire to the LAN, a swarm."""

import threading
import time
from collections import Counter
from collections.abc import Collection, Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from ipaddress import IPv4Network, IPv6Network
from typing import Any, Final

from docker import APIClient
from docker.errors import APIError
from docker.types import IPAMConfig, IPAMPool

from netbench.engines.base import Network
from netbench.engines.docker.client import Dialect
from netbench.engines.docker.endpoints import RUN, Maker
from netbench.engines.docker.facts import LinkKinds
from netbench.engines.docker.lan import EmulatedLan
from netbench.engines.docker.ownership import BRIDGE, bridge_names
from netbench.engines.docker.swarm import NO_IPV6, Swarm, remove_network
from netbench.engines.docker.swarm_nodes import JointSwarm
from netbench.engines.local_process import attempts
from netbench.engines.subnets import LanVeth, SubnetPair, SubnetPool
from netbench.errors import EngineError, Unsupported
from netbench.record import Ipam
from netbench.spec import USER_MODE, VXLAN_HEADERS, Family, NetworkSpec

OVERLAY: Final = "overlay"
_VXLAN: Final = "com.docker.network.driver.overlay.vxlanid_list"
_ICC: Final = "com.docker.network.bridge.enable_icc"
_GATEWAY: Final = "com.docker.network.bridge.gateway_mode_ipv{}"
_MTU: Final = "com.docker.network.driver.mtu"
_IGNORED: Final = "is not a recognized option"  # Podman's warning about an option that it ignores
_ALLOCATE: Final = 10.0  # seconds that a swarm's manager may take to give a network its subnet
_HEARS: Final = 30.0  # seconds that it may take to hear of what another node does
_BY_TASK: Final = "is in use by task"
_POLL: Final = 0.02


@dataclass(frozen=True, slots=True)
class _Plan:
    """A network that is to be tried with one choice of subnets."""

    name: str
    spec: NetworkSpec
    subnet: SubnetPair
    parent: str | None = None
    wire: LanVeth | None = None
    part: int | None = None  # which half of the addresses this engine gives out, if another has one

    @property
    def routed(self) -> bool:
        """Whether the host routes for the containers' own subnet."""
        return self.spec.driver == "ipvlan" and self.spec.mode in ("l3", "l3s")

    def options(self, dialect: Dialect, bridge: str) -> dict[str, str]:
        """Return the options of the network; `bridge` is the name of its bridge."""
        spec = self.spec
        found = {}
        if spec.driver == "bridge" and dialect.bridge:
            found[BRIDGE] = bridge
        if self.parent:
            found["parent"] = self.parent
        if spec.on_lan and spec.mode:
            found[dialect.mode.format(spec.driver)] = spec.mode
        if spec.mtu is not None:
            # An overlay takes the MTU of what lies below it, and leaves room for VXLAN's headers.
            found[_MTU] = str(spec.mtu + (VXLAN_HEADERS if spec.driver == OVERLAY else 0))
        if not spec.icc:
            found[_ICC] = "false"
        if spec.gateway:
            families = Family if spec.ipv6 else (Family.V4,)
            found |= {_GATEWAY.format(family): spec.gateway for family in families}
        return found | dict(spec.options)

    def pools(self, dialect: Dialect) -> list[IPAMPool]:
        """Return the network's subnets, with gateways and addresses reserved for the host."""
        subnet, hosts = self.subnet, self.subnet.gateway
        gateways = subnet.outside if self.spec.on_lan and not self.routed else hosts
        reserved = self.wire is not None and not self.routed
        pools: tuple[IPv4Network | IPv6Network | None, ...] = (subnet.v4, subnet.v6)
        taken = {
            one: {"host": str(hosts.of(one))} for one in Family if reserved and dialect.reserves
        }
        return [
            IPAMPool(
                subnet=str(pool),
                # Without the first address, the host's; a gateway is kept anyway.
                iprange=self._range(pool, reserved=reserved and not dialect.reserves),
                gateway=gateways.of(family),
                aux_addresses=taken.get(family),
            )
            for family, pool in zip(Family, pools, strict=True)
            if pool and (family == Family.V4 or self.spec.ipv6)
        ]

    def _range(self, pool: IPv4Network | IPv6Network, *, reserved: bool) -> str | None:
        if self.part is None and not reserved:
            return None
        return str([*pool.subnets()][1 if self.part is None else self.part])


class Networks:
    """Makes the run's networks; safe to use from several threads."""

    def __init__(
        self,
        maker: Maker,
        subnets: SubnetPool,
        lan: EmulatedLan,
        swarm: Swarm | JointSwarm,
        *,
        drivers: Collection[str],
        parent: str | None,
    ) -> None:
        """Take the engine's network drivers, and `EngineOptions.parent`."""
        self._clients = maker.clients
        self._labels = maker.labels
        self._bridges = bridge_names(maker.labels[RUN])
        self._kinds = LinkKinds(maker)
        self._subnets = subnets
        self._lan = lan
        self._swarm: Swarm | JointSwarm = swarm
        self._drivers = drivers
        self._parent = parent
        self._lock = threading.Lock()
        self._shared: dict[NetworkSpec, Network] = {}  # on a real parent, which takes one alone
        self._users: Counter[str] = Counter()
        self._undo: dict[str, ExitStack] = {}  # what releases the subnet and wire of a network

    def join(self, swarm: JointSwarm, subnets: SubnetPool) -> None:
        """Use what is shared with another engine."""
        self._swarm, self._subnets = swarm, subnets

    @property
    def dialect(self) -> Dialect:
        """How the engine names things."""
        return self._clients.dialect

    def default(self) -> Network | None:
        """Return the engine's default bridge network, None if it has none."""
        with self._clients.lend("list networks") as api:
            found = api.networks(filters={"driver": "bridge"})
        dialect = self._clients.dialect
        return next((describe(one, dialect) for one in found if one["Name"] == "bridge"), None)

    def refusal(self, spec: NetworkSpec) -> str | None:
        """Return why there can be no such network; None if there can."""
        if spec.rules:
            return (
                "rules= is for the netns engine (--engine netns): the firewall backend of a Docker "
                "Engine is chosen when it starts"
            )
        if spec.driver in ("cni", "netkit"):
            name = "cni:" if spec.driver == "cni" else spec.driver
            return f"{name} is for the netns engine: --engine netns"
        if spec.driver not in (*self._drivers, *USER_MODE):
            has = ", ".join(self._drivers) or "none"
            return f"the engine has no network driver {spec.driver}; it has {has}"
        if spec.on_lan:
            lacking = self._kinds.lacks(spec.driver, spec.mode)
            return lacking or (self._kinds.lacks("dummy") if spec.internal else None)
        if spec.driver == OVERLAY:
            no_ipv6 = NO_IPV6 if spec.ipv6 else None
            return no_ipv6 or self._swarm.unavailable() or self._kinds.lacks("vxlan")
        return None

    def create(
        self, name: str, spec: NetworkSpec, halved: tuple[SubnetPair, int] | None = None
    ) -> Network:
        """Make a network, one at a time: of two at once a rule is left twice (moby#43585).

        One on a real parent may share its subnet with another engine, of which each has a half.
        """
        with self._lock:
            if why := self.refusal(spec):
                raise Unsupported(why)
            if spec.driver in USER_MODE:  # there is nothing to make: each container gets its own
                return Network(spec.driver, ipam=None)
            if spec.driver == OVERLAY:
                self._swarm.ensure()
            known = self._shared.get(spec)
            made = replace(known, took=None) if known else self._make(name, spec, halved)
            if spec.on_lan and self._parent and not spec.internal:
                self._shared[spec] = made
                self._users[made.id] += 1
            return made

    def _make(self, name: str, spec: NetworkSpec, halved: tuple[SubnetPair, int] | None) -> Network:
        if halved is not None:
            subnet, part = halved
            return self._ask(_Plan(name, spec, subnet, self._parent, part=part))
        with ExitStack() as refused:  # kept until the end, so that the next choice is another
            while True:
                with ExitStack() as undo:
                    try:
                        network = self._ask(self._plan(name, spec, undo))
                    except EngineError as error:
                        if "overlap" not in error.message:
                            raise
                        refused.push(undo.pop_all())
                        continue
                    self._undo[network.id] = undo.pop_all()
                    return network

    def _plan(self, name: str, spec: NetworkSpec, undo: ExitStack) -> _Plan:
        if not spec.on_lan or spec.internal or self._parent:
            # An internal macvlan or ipvlan has a link as parent that the engine makes for it.
            parent = self._parent if spec.on_lan and not spec.internal else None
            return _Plan(name, spec, self._subnets.take(undo, ipv6=spec.ipv6), parent)
        wire = self._lan.wire(undo, spec.mtu)
        plan = _Plan(name, spec, wire.subnets, wire.lan.link, wire)
        if plan.routed:
            plan = replace(plan, subnet=self._subnets.take(undo, ipv6=True))
            self._lan.lead(wire, plan.subnet)
        return plan

    def _ask(self, plan: _Plan) -> Network:
        spec, dialect = plan.spec, self._clients.dialect
        with self._clients.lend(f"create network {plan.name}") as api:
            started = time.monotonic()
            answer = api.create_network(
                plan.name,
                driver=spec.driver,
                options=plan.options(dialect, next(self._bridges)),
                ipam=IPAMConfig(pool_configs=plan.pools(dialect)),
                internal=spec.internal,
                labels=dict(self._labels),
                enable_ipv6=spec.ipv6,
                attachable=True if spec.driver == OVERLAY else None,
            )
            try:
                network = _allocated(api, answer, spec.driver, dialect)
                took = time.monotonic() - started
            except BaseException:
                with suppress(APIError, OSError):
                    api.remove_network(answer["Id"])
                raise
        lan = plan.wire.lan if plan.wire else None
        return replace(network, lan=lan, took=took, routed=spec.gateway == "routed")

    def remove(self, network: Network) -> float | None:
        """Remove a network with its wire, and return the seconds; None if others still use it."""
        if network.id in USER_MODE:
            return None
        with self._lock:
            if self._users[network.id] > 1:
                self._users[network.id] -= 1
                return None
            del self._users[network.id]
            for spec in [spec for spec, one in self._shared.items() if one.id == network.id]:
                del self._shared[spec]
            name = network.ipam.network if network.ipam else network.id
            with self._clients.lend(f"remove network {name}") as api:
                started = time.monotonic()
                _let_go(api, network.id)
                took = time.monotonic() - started
            self._undo.pop(network.id, ExitStack()).close()
            return took


def _let_go(api: APIClient, network: str) -> None:
    """Remove a network; a swarm's manager hears a moment later that another node has left it."""
    for _ in attempts(_HEARS, _POLL):
        try:
            remove_network(api, network)
        except APIError as error:
            if _BY_TASK not in str(error.explanation):
                raise
            continue
        return
    remove_network(api, network)


def describe(seen: Mapping[str, Any], dialect: Dialect) -> Network:
    """Return a network from the engine's inspection, with the first pool of each family."""
    options: Mapping[str, str] = seen["Options"] or {}
    configured = seen["IPAM"]["Config"] or ()
    pool = next((pool for pool in configured if ":" not in pool["Subnet"]), None)
    six = [pool for pool in configured if ":" in pool["Subnet"] and seen.get("EnableIPv6")]
    pool6: Mapping[str, Any] = six[0] if six else {}
    if pool is None:
        return Network(id=str(seen["Id"]), ipam=None)
    named = seen["Driver"] == "bridge" and dialect.bridge
    bridge = named.format(seen["Id"][:12]) if named else None
    vxlan = options.get(_VXLAN, "").partition(",")[0]
    return Network(
        id=str(seen["Id"]),
        ipam=Ipam(
            network=str(seen["Name"]),
            subnet=str(pool["Subnet"]),
            gateway=pool.get("Gateway"),
            bridge=options.get(BRIDGE, bridge),
            subnet6=pool6.get("Subnet"),
            gateway6=pool6.get("Gateway"),
            parent=options.get("parent"),
            vxlan=int(vxlan) if vxlan.isdecimal() else None,
            encrypted="encrypted" in options,
        ),
    )


def _allocated(api: APIClient, made: Mapping[str, Any], driver: str, dialect: Dialect) -> Network:
    """Return a network that was made: a swarm's manager gives out its subnet a moment later."""
    warning = str(made.get("Warning") or "")
    if _IGNORED in warning:
        raise Unsupported(f"the engine ignores an option of the network: {warning}")
    for _ in attempts(_ALLOCATE, _POLL):
        network = describe(api.inspect_network(made["Id"]), dialect)
        if driver != OVERLAY or (network.ipam and network.ipam.vxlan is not None):
            return network
    raise EngineError(
        f"the swarm's manager gave the network no VXLAN id within {_ALLOCATE:.0f} s",
        hint="see its log: journalctl -u docker",
    )
