"""The reader in process: netlink in the namespace itself, for whoever may enter it."""

import socket
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from pyroute2 import IPRoute
from pyroute2.ethtool import Ethtool
from pyroute2.netlink.exceptions import NetlinkError

from netbench.errors import FactError
from netbench.facts.base import Pair, Subject
from netbench.facts.procfs import read_local
from netbench.facts.registry import ENDPOINT_LINKS, OFFLOADS
from netbench.record import (
    NAMESPACE_KINDS,
    Address,
    Counters,
    EndpointFacts,
    Link,
    Namespaces,
    PairFacts,
    Route,
)
from netbench.setns import in_netns

_IFF_UP = 1
_MAIN_TABLE = 254
_UNICAST = 1
_NO_NSID = 0x7FFFFFFF
_MODES = ("macvlan", "ipvlan")


class NetlinkReader:
    """Reads links, addresses and routes by netlink, namespaces by their inodes in /proc."""

    def read(self, pairs: Sequence[Pair]) -> list[PairFacts | FactError]:
        """Return everything of each pair."""
        return [self._tried(pair) for pair in pairs]

    def _tried(self, pair: Pair) -> PairFacts | FactError:
        try:
            return self._read(pair)
        except FactError as exc:
            return exc

    def _read(self, pair: Pair) -> PairFacts:
        client, server = read_endpoint(pair.client), read_endpoint(pair.server)
        near = {(x.peer, x.index) for end in (client, server) for x in end.links if x.peer}
        host = read_endpoint(
            pair.host,
            near=frozenset(near),
            others=(
                (pair.client.role.value, pair.client.pid),
                (pair.server.role.value, pair.server.pid),
            ),
        )
        return PairFacts(client, server, host, pair.target, pair.ipam, reader="netlink")

    def again(self, pair: Pair, seen: PairFacts) -> PairFacts:
        """Return everything once more: it costs a few milliseconds."""
        now = self._read(pair)
        for old, new in ((seen.client, now.client), (seen.server, now.server)):
            if old.namespaces.net != new.namespaces.net:
                raise FactError(
                    f"the {new.role} moved from net:[{old.namespaces.net}] to "
                    f"net:[{new.namespaces.net}]"
                )
        return now


def read_endpoint(
    subject: Subject,
    *,
    near: frozenset[tuple[int | None, int]] = frozenset(),
    others: tuple[tuple[str, int], ...] = (),
) -> EndpointFacts:
    """Return the facts of one set of namespaces.

    Args:
        subject: whose they are.
        near: (index, index of the peer) of veths whose offloads are read beside those of
            `ENDPOINT_LINKS`.
        others: (role, pid) of processes whose namespace ids, relative to this one, are wanted.
    """
    links, addresses, routes, nsids, congestion = in_netns(
        subject.pid, lambda: _read_netns(near, others)
    )
    return EndpointFacts(
        role=subject.role,
        pid=subject.pid,
        namespaces=replace(read_namespaces(subject.pid), **dict(subject.stands_in)),
        links=tuple(sorted(links, key=lambda link: link.index)),
        addresses=tuple(sorted(addresses)),
        routes=tuple(sorted(routes, key=lambda route: route.destination)),
        nsids=nsids,
        congestion_control=congestion,
    )


def read_namespaces(pid: int) -> Namespaces:
    """Return the inodes of a process's namespaces, None for those we may not see."""

    def inode(kind: str) -> int | None:
        try:
            return Path(f"/proc/{pid}/ns/{kind}").stat().st_ino
        except OSError:
            return None

    return Namespaces(**{kind: inode(kind) for kind in NAMESPACE_KINDS})


_Netns = tuple[
    tuple[Link, ...],
    tuple[Address, ...],
    tuple[Route, ...],
    tuple[tuple[str, int], ...],
    str | None,
]


def _read_netns(
    near: frozenset[tuple[int | None, int]], others: tuple[tuple[str, int], ...]
) -> _Netns:
    """Read the calling thread's network namespace."""
    with IPRoute() as route:
        raw = list(route.get_links())
        names: dict[int, str] = {link["index"]: link.get_attr("IFLA_IFNAME") for link in raw}
        addresses = tuple(
            Address(names[a["index"]], a.get_attr("IFA_ADDRESS"), a["prefixlen"])
            for a in route.get_addr()
            if a["index"] in names
        )
        routes = tuple(
            _route(r, names) for r in route.get_routes(family=socket.AF_INET) if _is_plain(r)
        )
        nsids = tuple((role, _nsid(route, pid)) for role, pid in others)
    wanted = [
        link
        for link in raw
        if (link["index"], link.get_attr("IFLA_LINK")) in near
        or names[link["index"]] in ENDPOINT_LINKS
    ]
    offloads = _offloads([names[link["index"]] for link in wanted])
    links = tuple(_link(link, names, offloads.get(names[link["index"]])) for link in raw)
    congestion = read_local("/proc/sys/net/ipv4/tcp_congestion_control")
    return (
        links,
        addresses,
        routes,
        tuple((role, nsid) for role, nsid in nsids if nsid is not None),
        congestion.strip() if congestion else None,
    )


def _nsid(route: Any, pid: int) -> int | None:
    """Return the id by which this namespace knows a process's; None where it has none."""
    nsid = route.get_netnsid(pid=pid)["nsid"]
    return nsid if isinstance(nsid, int) and 0 <= nsid < _NO_NSID else None


def _is_plain(route: Any) -> bool:
    return bool(route["type"] == _UNICAST and route.get_attr("RTA_TABLE") == _MAIN_TABLE)


def _route(route: Any, names: dict[int, str]) -> Route:
    destination = route.get_attr("RTA_DST")
    return Route(
        destination=f"{destination}/{route['dst_len']}" if destination else "default",
        gateway=route.get_attr("RTA_GATEWAY"),
        link=names.get(route.get_attr("RTA_OIF"), "?"),
    )


def _link(link: Any, names: dict[int, str], offloads: tuple[str, ...] | None) -> Link:
    info = link.get_attr("IFLA_LINKINFO")
    kind = info.get_attr("IFLA_INFO_KIND") if info else None
    lower = link.get_attr("IFLA_LINK")
    lower = lower if lower and lower != link["index"] else None
    stats = link.get_attr("IFLA_STATS64")
    return Link(
        name=names[link["index"]],
        index=link["index"],
        kind=kind,
        mode=link.get(("linkinfo", "data", f"{kind}_mode")) if kind in _MODES else None,
        parent=None if kind == "veth" else lower,
        peer=lower if kind == "veth" else None,
        peer_nsid=link.get_attr("IFLA_LINK_NETNSID"),
        master=names.get(link.get_attr("IFLA_MASTER")),
        mtu=link.get_attr("IFLA_MTU"),
        mac=link.get_attr("IFLA_ADDRESS") or "",
        up=bool(link["flags"] & _IFF_UP),
        qdisc=link.get_attr("IFLA_QDISC"),
        txqlen=link.get_attr("IFLA_TXQLEN"),
        gso_max_size=link.get_attr("IFLA_GSO_MAX_SIZE"),
        gro_max_size=link.get_attr("IFLA_GRO_MAX_SIZE"),
        tso_max_size=link.get_attr("IFLA_TSO_MAX_SIZE"),
        offloads=offloads,
        counters=Counters(
            stats["rx_bytes"],
            stats["tx_bytes"],
            stats["rx_packets"],
            stats["tx_packets"],
            stats["rx_dropped"],
            stats["tx_dropped"],
        ),
    )


def _offloads(names: list[str]) -> dict[str, tuple[str, ...]]:
    """Return the offloads that are on, by link, without links whose features are unreadable."""
    found = {}
    tool = Ethtool()
    try:
        for name in names:
            try:
                features = tool.get_features(name).features
            except (NetlinkError, OSError):
                continue
            found[name] = tuple(
                wanted for wanted in OFFLOADS if wanted in features and features[wanted].enable
            )
    finally:
        tool.close()
    return found
