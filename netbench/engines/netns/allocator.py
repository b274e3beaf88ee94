"""Numbers that are given out and come back: subnets, hosts in them, ports of the host."""

import threading
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network
from typing import Final

from netbench.errors import EngineError

_POOL: Final = IPv4Network("198.18.0.0/15")
"""RFC 2544's block for benchmarks."""
_POOL6: Final = IPv6Network("2001:2::/48")
"""RFC 5180's block for benchmarks."""
PREFIX, PREFIX6 = 24, 64
"""Lengths of every subnet's prefix."""
GATEWAY: Final = 1
"""Number of the world's own address in a subnet."""
OUTSIDE: Final = 254
"""Number of the LAN client's address in a subnet that it is on."""
HOSTS: Final = range(2, OUTSIDE)
"""Numbers that endpoints get."""


class NumberPool:
    """Free numbers; those unused for longest are given out first, so that no cache knows them."""

    def __init__(self, numbers: Iterable[int], what: str) -> None:
        """Take the numbers, and what they stand for, in the plural."""
        self._free = deque(numbers)
        self._count = len(self._free)
        self._what = what
        self._lock = threading.Lock()

    def take(self) -> int:
        """Return a free number.

        Raises:
            EngineError: none is free.
        """
        with self._lock:
            if not self._free:
                raise EngineError(f"all {self._count} {self._what} are in use")
            return self._free.popleft()

    def give_back(self, number: int) -> None:
        """Take one back."""
        with self._lock:
            self._free.append(number)


@dataclass(frozen=True, slots=True)
class Addresses:
    """One host's addresses in a subnet."""

    v4: str
    v6: str | None


@dataclass(frozen=True, slots=True)
class SubnetPair:
    """An IPv4 subnet and, where the network has IPv6, one of that; hosts are numbered alike."""

    index: int
    v4: IPv4Network
    v6: IPv6Network | None

    def at(self, number: int) -> Addresses:
        """Return the addresses of a host by its number."""
        return Addresses(str(self.v4[number]), str(self.v6[number]) if self.v6 else None)

    @property
    def gateway(self) -> Addresses:
        """The world's own addresses."""
        return self.at(GATEWAY)

    @property
    def outside(self) -> Addresses:
        """The LAN client's addresses."""
        return self.at(OUTSIDE)

    @property
    def text6(self) -> str | None:
        """The IPv6 subnet as CIDR."""
        return str(self.v6) if self.v6 else None


class SubnetPool:
    """The subnets of one engine; its world has no other routes but what plug-ins make."""

    def __init__(self) -> None:
        """Take the whole of both blocks."""
        self._numbers = NumberPool(
            range(2 ** (PREFIX - _POOL.prefixlen)), "subnets of 198.18.0.0/15"
        )
        self._avoided: frozenset[IPv4Network | IPv6Network] = frozenset()

    def take(self, *, ipv6: bool) -> SubnetPair:
        """Return a free subnet of each family that is wanted; errors as `NumberPool.take`."""
        while True:
            index = self._numbers.take()
            v4 = IPv4Network((_POOL[index << (32 - PREFIX)], PREFIX))
            v6 = IPv6Network((_POOL6[index << (128 - PREFIX6)], PREFIX6))
            if not any(v4.overlaps(other) or v6.overlaps(other) for other in self._avoided):
                return SubnetPair(index, v4, v6 if ipv6 else None)

    def avoid(self, networks: Iterable[IPv4Network | IPv6Network]) -> None:
        """Give out nothing from now on that overlaps these, which others number from."""
        self._avoided |= frozenset(networks)

    def give_back(self, subnets: SubnetPair) -> None:
        """Take them back."""
        self._numbers.give_back(subnets.index)
