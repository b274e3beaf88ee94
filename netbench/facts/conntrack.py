"""The kernel's connection tracking: what a connection's answers come from."""

import errno
import re
import socket
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any, Final

from netbench.errors import FactError
from netbench.facts.procfs import Connection, SocketAddress

_TUPLE: Final = r"src=(\S+) dst=(\S+) sport=(\d+) dport=(\d+)"
_NO_ENTRY: Final = errno.ENOENT
_LINE: Final = re.compile(rf"^ipv[46]\s+\d+\s+tcp\s.*?{_TUPLE}\s.*?{_TUPLE}", re.MULTILINE)


@dataclass(frozen=True, slots=True, order=True)
class Tracked:
    """A tracked TCP connection."""

    source: SocketAddress
    """Who opened it."""
    target: SocketAddress
    """What it was opened to."""
    answers: SocketAddress
    """Where the answers come from; another than `target` where that was translated."""
    answered: SocketAddress
    """Where they go to; another than `source` where that was translated."""


def parse_conntrack(text: str) -> tuple[Tracked, ...]:
    """Return the TCP connections of /proc/net/nf_conntrack.

    Raises:
        FactError: an address there is none.
    """
    return tuple(_tracked(*match.groups()) for match in _LINE.finditer(text))


def _tracked(*words: str) -> Tracked:
    source, target, sport, dport, answers, answered, from_port, to_port = words
    return Tracked(
        _end(source, sport), _end(target, dport), _end(answers, from_port), _end(answered, to_port)
    )


def _end(address: str, port: str | int) -> SocketAddress:
    try:
        return SocketAddress(str(ip_address(address)), int(port))
    except ValueError as exc:
        raise FactError(f"unreadable entry of conntrack: {address!r}, {port!r}") from exc


def look_up(connections: Iterable[Connection]) -> tuple[Tracked, ...]:
    """Return the entries, in the calling thread's network namespace, of connections.

    Each is looked up by its two ends, which takes the kernel no longer in a full table.

    Args:
        connections: as seen by who answers: `local` is where the answers come from.

    Raises:
        FactError: the kernel does not tell: no right, or no connection tracking.
    """
    # Heavy, and of use only where we may enter the engine's namespaces.
    from pyroute2.netlink.exceptions import NetlinkError  # noqa: PLC0415
    from pyroute2.netlink.nfnetlink.nfctsocket import NFCTSocket  # noqa: PLC0415

    found = []
    try:
        for connection in connections:
            family = socket.AF_INET6 if ":" in connection.local.address else socket.AF_INET
            with NFCTSocket(nfgen_family=family) as tool:
                found += _get(tool, connection, family)
    except (NetlinkError, OSError) as exc:
        raise FactError(f"conntrack by netlink: {exc}") from exc
    return tuple(found)


def _get(tool: Any, connection: Connection, family: int) -> list[Tracked]:
    from pyroute2.netlink.exceptions import NetlinkError  # noqa: PLC0415
    from pyroute2.netlink.nfnetlink.nfctsocket import NFCTAttrTuple  # noqa: PLC0415

    reply = NFCTAttrTuple(
        family=family,
        saddr=connection.local.address,
        daddr=connection.remote.address,
        proto=socket.IPPROTO_TCP,
        sport=connection.local.port,
        dport=connection.remote.port,
    )
    try:
        entries = tool.entry("get", tuple_reply=reply)
    except NetlinkError as exc:
        if exc.code == _NO_ENTRY:
            return []
        raise
    # The last message is but the kernel's acknowledgement.
    return [_from_netlink(entry) for entry in entries if entry.get_attr("CTA_TUPLE_ORIG")]


def _from_netlink(entry: Any) -> Tracked:
    ends = []
    for name in ("CTA_TUPLE_ORIG", "CTA_TUPLE_REPLY"):
        addresses = dict(entry.get_nested(name, "CTA_TUPLE_IP")["attrs"])
        ports = entry.get_nested(name, "CTA_TUPLE_PROTO")
        for side in ("SRC", "DST"):
            address = addresses.get(f"CTA_IP_V4_{side}") or addresses.get(f"CTA_IP_V6_{side}")
            ends.append(_end(str(address), ports.get_attr(f"CTA_PROTO_{side}_PORT")))
    return Tracked(*ends)
