"""Parsers of /proc files that every user may read, and the local file reads behind them."""

import struct
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address
from pathlib import Path

from netbench.errors import FactError
from netbench.record import Counters, Route

ReadText = Callable[[str], str | None]
"""Return a file's text, None where it cannot be read."""

_DEV_FIELDS, _ROUTE_FIELDS, _TCP_FIELDS, _STAT_FIELDS = 16, 11, 4, 8
"""Fields of a line of /proc/net/dev (after the name), route, (the least) tcp, and stat."""


def read_local(path: str) -> str | None:
    """Return a local file's text, None where it is absent or not ours to read."""
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None


def _numbers(words: Iterable[str], base: int = 10) -> list[int]:
    try:
        return [int(word, base) for word in words]
    except ValueError as exc:
        raise FactError(f"unreadable number in /proc: {exc}") from exc


def net_dev(text: str) -> dict[str, Counters]:
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
        found[name.strip()] = Counters(
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
                destination="default" if prefix == 0 else f"{destination}/{prefix}",
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


LISTEN, ESTABLISHED = "0A", "01"
"""TCP states as /proc/net/tcp prints them, include/net/tcp_states.h."""


def tcp_ports(text: str, state: str | None = None) -> frozenset[int]:
    """Parse /proc/<pid>/net/tcp or tcp6 into local ports, of one state or of any."""
    ports = set()
    for line in text.splitlines()[1:]:
        fields = line.split()
        if len(fields) >= _TCP_FIELDS and state in (None, fields[3]):
            ports.update(_numbers([fields[1].rpartition(":")[2]], 16))
    return frozenset(ports)


def start_ticks(pid: int) -> int | None:
    """Return a process's start in clock ticks since boot; with the pid it names a process."""
    text = read_local(f"/proc/{pid}/stat")
    return int(text.rpartition(")")[2].split()[19]) if text else None


@dataclass(frozen=True, slots=True)
class CpuTimes:
    """Line `cpu` of /proc/stat, in ticks."""

    total: int
    idle: int
    steal: int

    @classmethod
    def parse(cls, text: str) -> "CpuTimes":
        """Read user nice system idle iowait irq softirq steal; guest times lie within user."""
        values = _numbers(text.partition("\n")[0].split()[1 : 1 + _STAT_FIELDS])
        if len(values) < _STAT_FIELDS:
            raise FactError(f"unreadable first line of /proc/stat: {text[:80]!r}")
        return cls(total=sum(values), idle=values[3] + values[4], steal=values[7])

    def since(self, earlier: "CpuTimes") -> tuple[float, float] | None:
        """Return the shares (busy, stolen) of the time since; None where no tick passed."""
        total = self.total - earlier.total
        if total <= 0:
            return None
        return 1 - (self.idle - earlier.idle) / total, (self.steal - earlier.steal) / total
