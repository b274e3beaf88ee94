"""Subnets, hosts in them and other numbers, lent until a stack of undo steps unwinds."""

from collections import deque
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network
from typing import Final

from netbench.engines.base import Lan
from netbench.errors import EngineError
from netbench.record import Ipam
from netbench.spec import Family

BLOCK: Final = IPv4Network("198.18.0.0/15")  # RFC 2544's block for benchmarks
BLOCK6: Final = IPv6Network("2001:2::/48")  # RFC 5180's block for benchmarks
PREFIX: Final = {Family.V4: 24, Family.V6: 64}  # prefix lengths of every subnet
_GATEWAY: Final = 1  # host number of the host's own address in a subnet
_OUTSIDE: Final = 254  # host number of the LAN client's address in a subnet that it is on
Subnet = IPv4Network | IPv6Network


class NumberPool:
    """Free numbers; those unused for longest are lent first, so that no cache knows them."""

    def __init__(self, numbers: Iterable[int], what: str, *, reuse: bool = False) -> None:
        """Take the numbers, and what they stand for; with `reuse`, the last is lent again first."""
        self._free = deque(numbers)
        self._count = len(self._free)
        self._what = what
        self._return = self._free.appendleft if reuse else self._free.append

    def take(self, undo: ExitStack) -> int:
        """Lend a number until `undo` unwinds; raises EngineError if none is free."""
        try:
            number = self._free.popleft()
        except IndexError:
            raise EngineError(f"all {self._count} {self._what} are in use") from None
        undo.callback(self._return, number)
        return number


@dataclass(frozen=True, slots=True)
class Addresses:
    """One host's addresses in a subnet."""

    v4: str
    v6: str | None

    def of(self, family: Family) -> str | None:
        """Return the address of a family."""
        return self.v4 if family == Family.V4 else self.v6


@dataclass(frozen=True, slots=True)
class SubnetPair:
    """An IPv4 subnet and, where the network has IPv6, one of that; hosts are numbered alike."""

    v4: IPv4Network
    v6: IPv6Network | None
    hosts: NumberPool

    def at(self, number: int) -> Addresses:
        """Return the addresses of a host by its number."""
        return Addresses(str(self.v4[number]), str(self.v6[number]) if self.v6 else None)

    def host(self, undo: ExitStack) -> Addresses:
        """Lend a host's addresses until `undo` unwinds; errors as `NumberPool.take`."""
        return self.at(self.hosts.take(undo))

    def of(self, family: Family) -> str | None:
        """Return the subnet of a family as CIDR."""
        found = self.v4 if family == Family.V4 else self.v6
        return str(found) if found else None

    @property
    def gateway(self) -> Addresses:
        """The host's own addresses: of a bridge, or of the host's end of a wire."""
        return self.at(_GATEWAY)

    @property
    def outside(self) -> Addresses:
        """The addresses of the LAN client on a wire."""
        return self.at(_OUTSIDE)

    def ipam(self, network: str, gateway: Addresses | None, bridge: str | None = None) -> Ipam:
        """Return what is known of a network that is numbered from this pair."""
        v4, v6 = (gateway.v4, gateway.v6) if gateway else (None, None)
        return Ipam(network, str(self.v4), v4, bridge, self.of(Family.V6), v6)


@dataclass(frozen=True, slots=True)
class LanVeth:
    """A veth pair between the host and the LAN's client, whose end is `outside`."""

    lan: Lan
    subnets: SubnetPair
    outside: str


class SubnetPool:
    """The subnets of one engine, from the benchmarking blocks; safe for several threads."""

    def __init__(self, taken: Callable[[], Iterable[Subnet]], *, reuse: bool = False) -> None:
        """`taken` returns what others have; `reuse` as in `NumberPool`."""
        count = 2 ** (PREFIX[Family.V4] - BLOCK.prefixlen)
        self._numbers = NumberPool(range(count), f"subnets of {BLOCK}", reuse=reuse)
        self._taken = taken

    def take(self, undo: ExitStack, *, ipv6: bool) -> SubnetPair:
        """Lend a subnet of each family wanted, which overlap nothing taken; or EngineError."""
        prefix, prefix6 = PREFIX[Family.V4], PREFIX[Family.V6]
        taken = tuple(self._taken())
        while True:
            index = self._numbers.take(undo)
            v4 = IPv4Network((BLOCK[index << (32 - prefix)], prefix))
            v6 = IPv6Network((BLOCK6[index << (128 - prefix6)], prefix6))
            if not any(v4.overlaps(other) or v6.overlaps(other) for other in taken):
                hosts = NumberPool(range(_GATEWAY + 1, _OUTSIDE), f"addresses of {v4}")
                return SubnetPair(v4, v6 if ipv6 else None, hosts)
