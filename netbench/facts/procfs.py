"""Parsers of /proc files that every user may read."""

import struct
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Final

from netbench.errors import FactError
from netbench.record import LinkCounters, Route
from netbench.system.files import LOCAL, Files
from netbench.system.files import text as text_of

DEFAULT: Final = "default"
"""IPv4's default route."""
DEFAULT6: Final = "::/0"
_OF_EVERY_LINK: Final = ("fe80::/64", "ff00::/8")
"""What IPv6 routes by each of its links by itself: link-local and multicast addresses."""


def leads_on(route: Route) -> bool:
    """Tell whether an IPv6 route says something of the network, not of IPv6 alone."""
    if route.link == "lo":
        return False
    return route.gateway is not None or route.destination not in _OF_EVERY_LINK


def in_order(routes: Iterable[Route]) -> tuple[Route, ...]:
    """Return routes by destination, as text; those to the same one in the kernel's order.

    That order is by metric, and both netlink and /proc keep to it.
    """
    return tuple(sorted(routes, key=lambda route: route.destination))


ReadText = Callable[[str], str | None]
"""Return a file's text, None where it cannot be read."""

_DEV_FIELDS, _ROUTE_FIELDS, _ROUTE6_FIELDS, _TCP_FIELDS = 16, 11, 10, 4
"""Fields of a line of /proc/net/dev (after the name), route, ipv6_route, and (the least) tcp."""
_RTF_UP = 0x1
_RTF_NO_ROUTE = 0x200 | 0x100000 | 0x1000000 | 0x80000000
"""RTF_REJECT, RTF_ANYCAST, RTF_CACHE and RTF_LOCAL, include/uapi/linux/{route,ipv6_route}.h."""


def read_local(path: str) -> str | None:
    """Return the text of one of this machine's files; None where it is not ours to read."""
    return text_of(LOCAL, path)


def _numbers(words: Iterable[str], base: int = 10) -> list[int]:
    given = list(words)
    try:
        # int() alone would read `1_0`, `+1` and the digits of every script.
        if all(word.isascii() and word.isalnum() for word in given):
            return [int(word, base) for word in given]
    except ValueError as exc:
        raise FactError(f"unreadable number in /proc: {exc}") from exc
    raise FactError(f"unreadable number in /proc: {' '.join(given)[:80]!r}")


def net_dev(text: str) -> dict[str, LinkCounters]:
    """Parse /proc/<pid>/net/dev into counters by link name.

    Raises:
        FactError: it is not that file's text; so do all parsers here.
    """
    found = {}
    for line in text.splitlines()[2:]:
        name, _, rest = line.partition(":")
        fields = rest.split()
        if len(fields) < _DEV_FIELDS:
            raise FactError(f"unreadable line of /proc/net/dev: {line!r}")
        rx_bytes, rx_packets, _, rx_dropped = _numbers(fields[:4])
        tx_bytes, tx_packets, _, tx_dropped = _numbers(fields[8:12])
        found[name.strip()] = LinkCounters(
            rx_bytes, tx_bytes, rx_packets, tx_packets, rx_dropped, tx_dropped
        )
    return found


def net_route(text: str) -> tuple[Route, ...]:
    """Parse /proc/<pid>/net/route; addresses there are in host byte order, hexadecimal.

    Routes without a device (`blackhole`, `unreachable`) are left out: they lead nowhere.
    """
    routes = []
    for line in text.splitlines()[1:]:
        fields = line.split()
        if len(fields) < _ROUTE_FIELDS or fields[0] == "*":
            continue
        destination, gateway, mask = (_address(fields[i]) for i in (1, 2, 7))
        prefix = f"{int(mask):032b}".count("1")
        routes.append(
            Route(
                destination=DEFAULT if prefix == 0 else f"{destination}/{prefix}",
                gateway=None if int(gateway) == 0 else str(gateway),
                link=fields[0],
            )
        )
    return tuple(routes)


def _address(word: str) -> IPv4Address:
    try:
        return IPv4Address(struct.pack("=I", *_numbers([word], 16)))
    except struct.error as exc:
        raise FactError(f"unreadable address in /proc/net/route: {word!r}") from exc


def net_ipv6_route(text: str) -> tuple[Route, ...]:
    """Parse /proc/<pid>/net/ipv6_route, without what every IPv6 link has by itself.

    The file does not tell tables apart: what a host keeps in tables of its own is listed too.
    """
    routes = []
    for line in text.splitlines():
        fields = line.split()
        if len(fields) < _ROUTE6_FIELDS:
            continue
        prefix, flags = _numbers([fields[1], fields[8]], 16)
        if not flags & _RTF_UP or flags & _RTF_NO_ROUTE:
            continue
        destination, gateway = _address6(fields[0]), _address6(fields[4])
        route = Route(
            destination=DEFAULT6 if prefix == 0 else f"{destination}/{prefix}",
            gateway=None if int(gateway) == 0 else str(gateway),
            link=fields[9],
        )
        if leads_on(route):
            routes.append(route)
    return tuple(routes)


def _address6(word: str) -> IPv6Address:
    (number,) = _numbers([word], 16)
    try:
        return IPv6Address(number)
    except ValueError as exc:
        raise FactError(f"unreadable address in /proc/net/ipv6_route: {word!r}") from exc


LISTEN, ESTABLISHED = "0A", "01"
"""TCP states as /proc/net/tcp prints them, include/net/tcp_states.h."""
BOUND = "07"
"""State of a UDP socket that takes datagrams from anybody."""


def tcp_ports(text: str, state: str | None = None) -> frozenset[int]:
    """Parse /proc/<pid>/net/tcp, udp or their IPv6 twins into local ports, of one state or any.

    Of connections that wait for their time to be over there are ten thousand lines and more.
    """
    lines = [
        line.split(":", 3)  # number: address:port address:port state ...
        for line in text.splitlines()[1:]
        if state is None or f" {state}" in line
    ]
    own = {line[2][:4] for line in lines if len(line) == 4 and state in (None, line[3][5:7])}  # noqa: PLR2004 -- as above
    return frozenset(_numbers(own, 16))


@dataclass(frozen=True, slots=True, order=True)
class SocketAddress:
    """One end of a connection."""

    address: str
    port: int

    def __str__(self) -> str:
        """Return `address:port`, an IPv6 address in brackets."""
        host = f"[{self.address}]" if ":" in self.address else self.address
        return f"{host}:{self.port}"


@dataclass(frozen=True, slots=True, order=True)
class Connection:
    """A TCP connection as one of its ends sees it."""

    local: SocketAddress
    remote: SocketAddress


def tcp_connections(text: str, port: int) -> tuple[Connection, ...]:
    """Parse the established connections of a local port out of /proc/<pid>/net/tcp or tcp6.

    An IPv4 address that a socket of IPv6 uses is given as IPv4's.
    """
    wanted = f":{port:04X}"
    found = []
    for line in text.splitlines()[1:]:
        fields = line.split(None, _TCP_FIELDS)
        if len(fields) >= _TCP_FIELDS and fields[3] == ESTABLISHED and fields[1].endswith(wanted):
            found.append(Connection(_socket(fields[1]), _socket(fields[2])))
    # The kernel may list a socket twice where others come and go meanwhile.
    return tuple(dict.fromkeys(found))


def _socket(word: str) -> SocketAddress:
    """Parse `0100007F:1F90`: 32-bit words in host byte order, then the port."""
    digits, _, port = word.partition(":")
    (number,) = _numbers([port], 16)
    words = _numbers((digits[at : at + 8] for at in range(0, len(digits), 8)), 16)
    try:
        address = ip_address(struct.pack(f"={len(words)}I", *words))
    except (struct.error, ValueError) as exc:
        raise FactError(f"unreadable address in /proc/net/tcp: {word!r}") from exc
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return SocketAddress(str(mapped or address), number)


def cpu_ticks(pid: int, files: Files = LOCAL) -> int | None:
    """Return the CPU time a process has used, in clock ticks; None where it is gone."""
    text = text_of(files, f"/proc/{pid}/stat")
    return sum(_numbers(text.rpartition(")")[2].split()[11:13])) if text else None


def start_ticks(pid: int, files: Files = LOCAL) -> int | None:
    """Return a process's start in clock ticks since boot; with the pid it names a process."""
    text = text_of(files, f"/proc/{pid}/stat")
    return int(text.rpartition(")")[2].split()[19]) if text else None
