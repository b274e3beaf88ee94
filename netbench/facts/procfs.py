"""Parsers of what every user may read: files of /proc, and links in the shape of ip(8)'s JSON."""

import struct
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Any, Final

from msgspec import Struct, convert, field

from netbench.errors import FactError
from netbench.record import PAIRED, Address, Link, LinkCounters, Route
from netbench.system.files import LOCAL, Files
from netbench.system.files import text as text_of

Ip = IPv4Address | IPv6Address
DEFAULT: Final = "default"  # IPv4's default route
DEFAULT6: Final = "::/0"
_OF_EVERY_LINK: Final = ("fe80::/64", "ff00::/8")  # link-local and multicast addresses
ReadText = Callable[[str], str | None]  # return a file's text, None if it cannot be read
_DEV_FIELDS, _ROUTE_FIELDS, _ROUTE6_FIELDS, _TCP_FIELDS = 16, 11, 10, 4
"""Fields of a line of /proc/net/dev (after the name), route, ipv6_route, and (the least) tcp."""
_RTF_UP = 0x1
_RTF_NO_ROUTE = 0x200 | 0x100000 | 0x1000000 | 0x80000000
"""RTF_REJECT, RTF_ANYCAST, RTF_CACHE and RTF_LOCAL, include/uapi/linux/{route,ipv6_route}.h."""


def leads_on(route: Route) -> bool:
    """Tell whether an IPv6 route says something of the network, not of IPv6 alone."""
    named = route.gateway is not None or route.destination not in _OF_EVERY_LINK
    return route.link != "lo" and named


def in_order(routes: Iterable[Route]) -> tuple[Route, ...]:
    """Return routes by destination; those to the same one stay in the kernel's order, by metric."""
    return tuple(sorted(routes, key=lambda route: route.destination))


def read_local(path: str) -> str | None:
    """Return the text of one of this machine's files; None if it may not be read."""
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
    """Parse /proc/<pid>/net/dev by link name; raises `FactError`, as all parsers here."""
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
    """Parse /proc/<pid>/net/route, without those that lead nowhere (`blackhole`)."""
    routes = []
    for line in text.splitlines()[1:]:
        fields = line.split()
        if len(fields) < _ROUTE_FIELDS or fields[0] == "*":
            continue
        destination, gateway, mask = (_host_order(fields[i]) for i in (1, 2, 7))
        prefix = f"{int(mask):032b}".count("1")
        routes.append(_route(DEFAULT, destination, prefix, gateway, fields[0]))
    return tuple(routes)


def net_ipv6_route(text: str) -> tuple[Route, ...]:
    """Parse ipv6_route, of all tables, without what every IPv6 link has by itself."""
    routes = []
    for line in text.splitlines():
        fields = line.split()
        if len(fields) < _ROUTE6_FIELDS:
            continue
        prefix, flags, *words = _numbers([fields[i] for i in (1, 8, 0, 4)], 16)
        if not flags & _RTF_UP or flags & _RTF_NO_ROUTE:
            continue
        try:
            destination, gateway = map(IPv6Address, words)
        except ValueError as exc:
            raise FactError(f"unreadable address in /proc/net/ipv6_route: {line!r}") from exc
        routes.append(_route(DEFAULT6, destination, prefix, gateway, fields[9]))
    return tuple(filter(leads_on, routes))


def _route(default: str, destination: Ip, prefix: int, gateway: Ip, link: str) -> Route:
    where = default if prefix == 0 else f"{destination}/{prefix}"
    return Route(where, None if int(gateway) == 0 else str(gateway), link)


def _host_order(digits: str) -> Ip:
    """Parse an address in hexadecimal 32-bit words in host byte order, such as `0100007F`."""
    words = _numbers((digits[at : at + 8] for at in range(0, len(digits), 8)), 16)
    try:
        return ip_address(struct.pack(f"={len(words)}I", *words))
    except (struct.error, ValueError) as exc:
        raise FactError(f"unreadable address in /proc/net: {digits!r}") from exc


LISTEN, ESTABLISHED = "0A", "01"  # TCP states in /proc/net/tcp, include/net/tcp_states.h
BOUND = "07"  # state of a UDP socket that takes datagrams from anybody


def tcp_ports(text: str, state: str | None = None) -> frozenset[int]:
    """Parse /proc/<pid>/net/{tcp,udp}[6] into local ports, of one state or any."""
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
    """Parse established connections of a local port out of tcp[6]; mapped IPv4 becomes IPv4."""
    wanted = f":{port:04X}"
    found = []
    for line in text.splitlines()[1:]:
        fields = line.split(None, _TCP_FIELDS)
        if len(fields) >= _TCP_FIELDS and fields[3] == ESTABLISHED and fields[1].endswith(wanted):
            found.append(Connection(_socket(fields[1]), _socket(fields[2])))
    # The kernel may list a socket twice where others come and go meanwhile.
    return tuple(dict.fromkeys(found))


def _socket(word: str) -> SocketAddress:
    """Parse `0100007F:1F90`: an address, then the port."""
    digits, _, port = word.partition(":")
    (number,) = _numbers([port], 16)
    address = _host_order(digits)
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return SocketAddress(str(mapped or address), number)


def cpu_ticks(pid: int, files: Files = LOCAL) -> int | None:
    """Return the CPU time a process has used, in clock ticks; None if it is gone."""
    found = _stat(pid, files)
    return sum(_numbers(found[11:13])) if found else None


def start_ticks(pid: int, files: Files) -> int | None:
    """Return a process's start in clock ticks since boot; with the pid it names a process."""
    found = _stat(pid, files)
    return int(found[19]) if found else None


def at_work(pids: Iterable[int], files: Files) -> bool:
    """Return whether a thread of these processes runs, or waits for a CPU; proc(5) state R."""
    found = files.read(*(f"/proc/{pid}/task/*/stat" for pid in pids))
    return any(line.rpartition(b")")[2].split()[:1] == [b"R"] for line in found.values())


def _stat(pid: int, files: Files) -> list[str]:
    """Return the fields of /proc/<pid>/stat after the command's name."""
    return (text_of(files, f"/proc/{pid}/stat") or "").rpartition(")")[2].split()


_MODES: Final = ("macvlan", "ipvlan")  # kinds of link that have a mode


class _Info(Struct):
    info_kind: str | None = None
    info_data: dict[str, Any] = {}


class _Addr(Struct):
    prefixlen: int
    local: str = ""


class _Row(Struct):
    ifname: str
    ifindex: int
    mtu: int
    flags: list[str]
    qdisc: str
    stats64: dict[str, dict[str, int]]
    link: str | None = None
    link_index: int | None = None
    link_netnsid: int | None = None
    master: str | None = None
    address: str = ""
    txqlen: int = 0
    gso_max_size: int | None = None
    gro_max_size: int | None = None
    tso_max_size: int | None = None
    linkinfo: _Info = field(default_factory=_Info)
    addr_info: list[_Addr] = []


def links_and_addresses(
    given: Sequence[Mapping[str, Any]],
) -> tuple[tuple[Link, ...], tuple[Address, ...]]:
    """Return links and addresses of ip(8)'s rows, `{}` for none; raises `FactError`."""
    try:
        rows = convert([row for row in given if "ifname" in row], list[_Row])
        addresses = [
            Address(row.ifname, str(ip_address(one.local)), one.prefixlen)
            for row in rows
            for one in row.addr_info
            if one.local
        ]
        indices = {row.ifname: row.ifindex for row in rows}
        links = sorted((_link(row, indices) for row in rows), key=lambda link: link.index)
    except (ValueError, KeyError) as exc:
        raise FactError(f"unreadable link: {exc!r} in {str(given)[:200]}") from exc
    return tuple(links), tuple(sorted(addresses))


def _link(row: _Row, indices: Mapping[str, int]) -> Link:
    kind, mode = row.linkinfo.info_kind, row.linkinfo.info_data.get("mode")
    # A lower link elsewhere is given by index and netnsid, one in the same namespace by name.
    lower = row.link_index or indices.get(row.link or "")
    return Link(
        name=row.ifname,
        index=row.ifindex,
        kind=kind,
        mode=mode if kind in _MODES and isinstance(mode, str) else None,
        parent=None if kind in PAIRED else lower,
        peer=lower if kind in PAIRED else None,
        peer_nsid=row.link_netnsid,
        master=row.master,
        mtu=row.mtu,
        mac=row.address,
        up="UP" in row.flags,
        carrier="LOWER_UP" in row.flags,
        qdisc=row.qdisc,
        txqlen=row.txqlen,
        gso_max_size=row.gso_max_size,
        gro_max_size=row.gro_max_size,
        tso_max_size=row.tso_max_size,
        offloads=None,
        counters=LinkCounters(
            *(row.stats64[way][f] for f in ("bytes", "packets", "dropped") for way in ("rx", "tx"))
        ),
    )
