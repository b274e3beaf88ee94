"""Subnets of a run: from the benchmarking blocks, where they collide with nothing."""

import json
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Final, TypeVar

from netbench.engines.docker.client import Clients
from netbench.errors import EngineError

BLOCK: Final = IPv4Network("198.18.0.0/15")  # RFC 2544's block for benchmarks
BLOCK6: Final = IPv6Network("2001:2::/48")  # RFC 5180's block for benchmarks
_PREFIX: Final = {4: 24, 6: 64}  # length of a subnet's prefix by IP version
_Block = TypeVar("_Block", IPv4Network, IPv6Network)


@dataclass(frozen=True, slots=True)
class Subnet:
    """An IPv4 and an IPv6 subnet that belong together."""

    v4: IPv4Network
    v6: IPv6Network

    @property
    def host(self) -> tuple[str, str]:
        """The host's addresses in IPv4 and IPv6: of a bridge, or of the host's end of a wire."""
        return str(self.v4[1]), str(self.v6[1])

    @property
    def outside(self) -> tuple[str, str]:
        """The addresses of the LAN client on a wire."""
        return str(self.v4[254]), str(self.v6[254])


def free_subnets(block: _Block, taken: Iterable[IPv4Network | IPv6Network]) -> Iterator[_Block]:
    """Yield the subnets of a benchmarking block that overlap none of `taken`."""
    busy = [other for other in taken if isinstance(other, type(block))]
    for subnet in block.subnets(new_prefix=_PREFIX[block.version]):
        if not any(subnet.overlaps(other) for other in busy):
            yield subnet


def routed(printed: str) -> tuple[IPv4Network | IPv6Network, ...]:
    """Return the destinations in the output of `ip -j route`, except the default."""
    try:
        found = [str(route["dst"]) for route in json.loads(printed)]
        return tuple(ip_network(dst, strict=False) for dst in found if dst != "default")
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise EngineError(
            f"the host's routes are unreadable: {error!r}: {printed[:200]}"
        ) from error


class SubnetAllocator:
    """Hands subnets out, each to one at a time; safe to use from several threads."""

    def __init__(self, clients: Clients, host_routes: Callable[[], Iterable[str]]) -> None:
        """`host_routes` returns what `ip -j route` prints on the engine's host, by IP version."""
        self._clients = clients
        self._host_routes = host_routes
        self._lock = threading.Lock()
        self._held: set[Subnet] = set()

    def take(self) -> Subnet:
        """Return subnets that no route, network, or other holder has."""
        taken = [subnet for printed in self._host_routes() for subnet in routed(printed)]
        with self._lock:
            with self._clients.lend("list networks") as api:
                configured = [network["IPAM"]["Config"] or () for network in api.networks()]
            pools = [pool["Subnet"] for several in configured for pool in several]
            taken += [ip_network(pool, strict=False) for pool in pools]
            taken += [subnet for held in self._held for subnet in (held.v4, held.v6)]
            v4 = next(free_subnets(BLOCK, taken), None)
            v6 = next(free_subnets(BLOCK6, taken), None)
            if v4 is None or v6 is None:
                block = BLOCK if v4 is None else BLOCK6
                raise EngineError(
                    f"no /{_PREFIX[block.version]} of {block} is free",
                    hint="list networks: docker network ls; remove netbench's: netbench clean",
                )
            found = Subnet(v4, v6)
            self._held.add(found)
            return found

    def give_back(self, subnet: Subnet) -> None:
        """Let others have it."""
        with self._lock:
            self._held.discard(subnet)
