"""Networks of a run: subnets that collide with nothing, and what the engine says of them."""

import ipaddress
import json
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from ipaddress import IPv4Network
from typing import Any, Final

from docker import APIClient
from docker.errors import APIError, NotFound
from docker.types import IPAMConfig, IPAMPool

from netbench.engines.base import Network
from netbench.engines.docker.client import Clients
from netbench.errors import EngineError
from netbench.record import Ipam
from netbench.spec import NetworkSpec

BLOCK: Final = IPv4Network("198.18.0.0/15")
"""RFC 2544's block for benchmarks."""
_PREFIX: Final = 24
_BRIDGE: Final = "com.docker.network.bridge.name"
_DEFAULT: Final = "com.docker.network.bridge.default_bridge"


def free_subnets(taken: Iterable[IPv4Network]) -> Iterator[IPv4Network]:
    """Yield the /24s of the benchmarking block that overlap none of `taken`."""
    busy = tuple(taken)
    for subnet in BLOCK.subnets(new_prefix=_PREFIX):
        if not any(subnet.overlaps(other) for other in busy):
            yield subnet


def routed(printed: str) -> tuple[IPv4Network, ...]:
    """Return the destinations in the output of `ip -j -4 route`, the default route aside.

    Raises:
        EngineError: it is not that.
    """
    try:
        found = [str(route["dst"]) for route in json.loads(printed)]
        return tuple(IPv4Network(dst, strict=False) for dst in found if dst != "default")
    except (ValueError, KeyError, TypeError) as error:
        raise EngineError(
            f"the host's routes are unreadable: {error!r}: {printed[:200]}"
        ) from error


class Networks:
    """Makes the run's networks; safe to use from several threads."""

    def __init__(
        self, clients: Clients, labels: Mapping[str, str], host_routes: Callable[[], str]
    ) -> None:
        """`host_routes` returns the output of `ip -j -4 route` on the engine's host."""
        self._clients = clients
        self._labels = labels
        self._host_routes = host_routes
        self._lock = threading.Lock()

    def create(self, name: str, spec: NetworkSpec) -> Network:
        """Make a network; errors as `Engine.create_network`."""
        routes = routed(self._host_routes())
        # One at a time: the next look at the engine's networks must see this one.
        with self._lock, self._clients.lend(f"create network {name}") as api:
            taken = (*routes, *_subnets(api.networks()))
            for subnet in free_subnets(taken):
                made = self._try(api, name, spec, subnet)
                if made is not None:
                    return describe(api.inspect_network(made))
        raise EngineError(
            f"create network {name}: no /{_PREFIX} of {BLOCK} is free",
            hint="list networks: docker network ls; remove netbench's own: netbench clean",
        )

    def _try(self, api: APIClient, name: str, spec: NetworkSpec, subnet: IPv4Network) -> str | None:
        """Return the id, None where the engine holds the subnet for taken."""
        pool = IPAMPool(subnet=str(subnet), gateway=str(subnet[1]))
        try:
            made = api.create_network(
                name,
                driver=spec.driver,
                options=dict(spec.options),
                ipam=IPAMConfig(pool_configs=[pool]),
                labels=dict(self._labels),
            )
        except APIError as error:
            if "overlap" in str(error.explanation):
                return None
            raise
        return str(made["Id"])

    def remove(self, network: Network) -> None:
        """Remove a network; quietly nothing where it is gone already."""
        name = network.ipam.network if network.ipam else network.id
        with self._clients.lend(f"remove network {name}") as api:
            try:
                api.remove_network(network.id)
            except NotFound:
                return


def default(clients: Clients) -> Network | None:
    """Return the engine's default bridge network, None where it has none."""
    with clients.lend("list networks") as api:
        found = api.networks(filters={"driver": "bridge"})
    return next(
        (describe(n) for n in found if (n["Options"] or {}).get(_DEFAULT) == "true"),
        None,
    )


def _subnets(networks: Iterable[Mapping[str, Any]]) -> Iterator[IPv4Network]:
    for network in networks:
        for pool in network["IPAM"]["Config"] or ():
            subnet = ipaddress.ip_network(pool["Subnet"], strict=False)
            if isinstance(subnet, IPv4Network):
                yield subnet


def describe(seen: Mapping[str, Any]) -> Network:
    """Return a network as the engine's inspection shows it, with its first IPv4 pool."""
    pools = [pool for pool in seen["IPAM"]["Config"] or () if ":" not in pool["Subnet"]]
    if not pools:
        return Network(id=str(seen["Id"]), ipam=None)
    bridge = f"br-{seen['Id'][:12]}" if seen["Driver"] == "bridge" else None
    return Network(
        id=str(seen["Id"]),
        ipam=Ipam(
            network=str(seen["Name"]),
            subnet=str(pools[0]["Subnet"]),
            gateway=pools[0].get("Gateway"),
            bridge=(seen["Options"] or {}).get(_BRIDGE, bridge),
        ),
    )
