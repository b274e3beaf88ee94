"""Flows that connection tracking remembers, forgotten where a port of theirs is published anew.

Docker does the same for UDP (moby#44752): else a client that goes on from the same port is led to
the container that had the port before, or to none, for as long as it goes on.
"""

import errno
import re
import socket
from collections.abc import Collection, Iterator
from typing import Final

from netbench.errors import EngineError
from netbench.system.files import LOCAL, text
from netbench.system.setns import in_netns

_UDP: Final = re.compile(
    r"^ipv([46])\s+\d+\s+udp\s+.*?src=(\S+) dst=(\S+) sport=(\d+) dport=(\d+)", re.MULTILINE
)
_Flow = tuple[int, str, str, int, int]  # family of sockets, addresses and ports of who began it


def forget_datagrams(place: int, ports: Collection[int]) -> None:
    """Forget the UDP flows to ports of a process's network namespace; errors as `EngineError`."""
    listed = (text(LOCAL, f"/proc/{place}/net/nf_conntrack") or "") if ports else ""
    flows = [flow for flow in _flows(listed) if flow[-1] in ports]
    if flows:
        in_netns(f"/proc/{place}/ns/net", lambda: _delete(flows))


def _flows(listed: str) -> Iterator[_Flow]:
    for family, source, target, sport, dport in _UDP.findall(listed):
        kind = socket.AF_INET6 if family == "6" else socket.AF_INET
        yield kind, source, target, int(sport), int(dport)


def _delete(flows: Collection[_Flow]) -> None:
    # Heavy, and of use for few runs.
    from pyroute2.netlink.exceptions import NetlinkError  # noqa: PLC0415
    from pyroute2.netlink.nfnetlink.nfctsocket import NFCTAttrTuple, NFCTSocket  # noqa: PLC0415

    for family, source, target, sport, dport in flows:
        ends = {"saddr": source, "daddr": target, "sport": sport, "dport": dport}
        began = NFCTAttrTuple(family=family, proto=socket.IPPROTO_UDP, **ends)
        try:
            with NFCTSocket(nfgen_family=family) as tool:
                tool.entry("del", tuple_orig=began)
        except (NetlinkError, OSError) as exc:
            if not (isinstance(exc, NetlinkError) and exc.code == errno.ENOENT):
                raise EngineError(f"connection tracking forgets no flow: {exc}") from exc
