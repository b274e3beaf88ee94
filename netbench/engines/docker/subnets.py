"""Subnets of a run: from the benchmarking blocks, where they collide with nothing."""

import json
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Any, Final

from netbench.engines.docker.client import Clients
from netbench.errors import EngineError

BLOCK: Final = IPv4Network("198.18.0.0/15")
"""RFC 2544's block for benchmarks."""
BLOCK6: Final = IPv6Network("2001:2::/48")
"""RFC 5180's block for benchmarks."""
_PREFIX: Final = 24
_PREFIX6: Final = 64
_HOST: Final = 1
_OUTSIDE: Final = 254


@dataclass(frozen=True, slots=True)
class Subnet:
    """An IPv4 and an IPv6 subnet that belong together."""

    v4: IPv4Network
    v6: IPv6Network

    @property
    def host(self) -> str:
        """The host's address: that of a bridge, or of the host's end of a wire."""
        return str(self.v4[_HOST])

    @property
    def host6(self) -> str:
        """The same in IPv6."""
        return str(self.v6[_HOST])

    @property
    def outside(self) -> str:
        """The address of the LAN client on a wire."""
        return str(self.v4[_OUTSIDE])

    @property
    def outside6(self) -> str:
        """The same in IPv6."""
        return str(self.v6[_OUTSIDE])


def free_subnets(taken: Iterable[IPv4Network]) -> Iterator[IPv4Network]:
    """Yield the /24s of the benchmarking block that overlap none of `taken`."""
    busy = tuple(taken)
    for subnet in BLOCK.subnets(new_prefix=_PREFIX):
        if not any(subnet.overlaps(other) for other in busy):
            yield subnet


def free_subnets6(taken: Iterable[IPv6Network]) -> Iterator[IPv6Network]:
    """Yield the /64s of the IPv6 benchmarking block that overlap none of `taken`."""
    busy = tuple(taken)
    for subnet in BLOCK6.subnets(new_prefix=_PREFIX6):
        if not any(subnet.overlaps(other) for other in busy):
            yield subnet


def routed(printed: str) -> tuple[IPv4Network | IPv6Network, ...]:
    """Return the destinations in the output of `ip -j route`, the default route aside.

    Raises:
        EngineError: it is not that.
    """
    try:
        found = [str(route["dst"]) for route in json.loads(printed)]
        return tuple(ip_network(dst, strict=False) for dst in found if dst != "default")
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise EngineError(
            f"the host's routes are unreadable: {error!r}: {printed[:200]}"
        ) from error


def pools(networks: Iterable[Mapping[str, Any]]) -> Iterator[IPv4Network | IPv6Network]:
    """Yield the subnets of the engine's networks, as it lists them."""
    for network in networks:
        for pool in network["IPAM"]["Config"] or ():
            yield ip_network(pool["Subnet"], strict=False)


class SubnetAllocator:
    """Hands subnets out, each to one at a time; safe to use from several threads."""

    def __init__(self, clients: Clients, host_routes: Callable[[], Iterable[str]]) -> None:
        """`host_routes` returns what `ip -j route` prints on the engine's host, by IP version."""
        self._clients = clients
        self._host_routes = host_routes
        self._lock = threading.Lock()
        self._held: set[Subnet] = set()

    def take(self) -> Subnet:
        """Return subnets that no route, network, or taker has.

        Raises:
            EngineError: none is free.
        """
        taken = [subnet for printed in self._host_routes() for subnet in routed(printed)]
        with self._lock:
            with self._clients.lend("list networks") as api:
                taken += pools(api.networks())
            taken += [subnet for held in self._held for subnet in (held.v4, held.v6)]
            v4 = next(free_subnets(s for s in taken if isinstance(s, IPv4Network)), None)
            v6 = next(free_subnets6(s for s in taken if isinstance(s, IPv6Network)), None)
            if v4 is None or v6 is None:
                block, prefix = (BLOCK, _PREFIX) if v4 is None else (BLOCK6, _PREFIX6)
                raise EngineError(
                    f"no /{prefix} of {block} is free",
                    hint="list networks: docker network ls; remove netbench's: netbench clean",
                )
            found = Subnet(v4, v6)
            self._held.add(found)
            return found

    def give_back(self, subnet: Subnet) -> None:
        """Let others have it."""
        with self._lock:
            self._held.discard(subnet)
