"""Links, addresses and routes of the calling thread's network namespace, by rtnetlink."""

import os
import socket
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any, ClassVar, Final

from pyroute2 import IPRoute
from pyroute2.ethtool.ioctl import IoctlEthtool, NoSuchDevice, NotSupportedError

from netbench.facts.procfs import DEFAULT, DEFAULT6, in_order, leads_on, read_local
from netbench.facts.registry import OFFLOADS
from netbench.record import Address, Link, LinkCounters, Route

_IFF_UP = 1
_IFF_LOWER_UP = 1 << 16
_MAIN_TABLE = 254
_UNICAST = 1
_NO_NSID = 0x7FFFFFFF
_DEFAULTS: Final[Mapping[int, str]] = {socket.AF_INET: DEFAULT, socket.AF_INET6: DEFAULT6}
_IPVLAN_MODES: Final[Mapping[int, str]] = {0: "l2", 1: "l3", 2: "l3s"}
"""include/uapi/linux/if_link.h; macvlan's modes, which are bits, pyroute2 names itself."""


@dataclass(frozen=True, slots=True)
class Found:
    """What a network namespace holds."""

    links: tuple[Link, ...]
    """By index; offloads are not read yet."""
    addresses: tuple[Address, ...]
    routes: tuple[Route, ...]
    nsids: tuple[tuple[str, int], ...]
    congestion: str | None


def read_netns(others: Iterable[tuple[str, int | str]]) -> Found:
    """Read the calling thread's network namespace.

    Args:
        others: (role, process or file) of namespaces whose ids, relative to this one, are wanted.

    Raises:
        NetlinkError: the kernel refuses.
    """
    with IPRoute() as route:
        raw = list(route.get_links())
        names: dict[int, str] = {link["index"]: link.get_attr("IFLA_IFNAME") for link in raw}
        addresses = tuple(
            Address(names[a["index"]], _own(a), a["prefixlen"])
            for a in route.get_addr()
            if a["index"] in names
        )
        routes = [
            found
            for family in (socket.AF_INET, socket.AF_INET6)
            for r in route.get_routes(family=family)
            if r["family"] == family and _is_plain(r)
            for found in _routes(r, names)
        ]
        nsids = [(role, _nsid(route, where)) for role, where in others]
    congestion = read_local("/proc/sys/net/ipv4/tcp_congestion_control")
    return Found(
        links=tuple(sorted((_link(link, names) for link in raw), key=lambda link: link.index)),
        addresses=tuple(sorted(addresses)),
        routes=in_order(routes),
        nsids=tuple((role, nsid) for role, nsid in nsids if nsid is not None),
        congestion=congestion.strip() if congestion else None,
    )


def _own(address: Any) -> str:
    """Return the address itself; IFA_ADDRESS is the other end's on a point-to-point link."""
    text: str = address.get_attr("IFA_LOCAL") or address.get_attr("IFA_ADDRESS")
    return text


def _nsid(route: Any, where: int | str) -> int | None:
    """Return the id by which this namespace knows another one; None where it has none."""
    if isinstance(where, int):
        nsid = route.get_netnsid(pid=where)["nsid"]
    else:
        try:
            fd = os.open(where, os.O_RDONLY)
        except OSError:
            return None  # whoever reads that namespace itself says why
        try:
            nsid = route.get_netnsid(fd=fd)["nsid"]
        finally:
            os.close(fd)
    return nsid if isinstance(nsid, int) and 0 <= nsid < _NO_NSID else None


def _is_plain(route: Any) -> bool:
    return bool(route["type"] == _UNICAST and route.get_attr("RTA_TABLE") == _MAIN_TABLE)


def _routes(route: Any, names: dict[int, str]) -> Iterator[Route]:
    """Return a route, once for each next hop of IPv6's, as /proc lists them.

    Of IPv4's next hops /proc/net/route knows the first alone.
    """
    family = route["family"]
    hops = route.get_attr("RTA_MULTIPATH")
    ways = (
        [(hop.get_attr("RTA_GATEWAY"), hop["oif"]) for hop in hops]
        if hops
        else [(route.get_attr("RTA_GATEWAY"), route.get_attr("RTA_OIF"))]
    )
    prefix = route.get_attr("RTA_DST")
    destination = f"{ip_address(prefix)}/{route['dst_len']}" if prefix else _DEFAULTS[family]
    for gateway, index in ways[:1] if family == socket.AF_INET else ways:
        found = Route(
            destination,
            str(ip_address(gateway)) if gateway else None,
            names.get(index, "?"),
        )
        if family == socket.AF_INET or leads_on(found):
            yield found


def _link(link: Any, names: dict[int, str]) -> Link:
    info = link.get_attr("IFLA_LINKINFO")
    kind = info.get_attr("IFLA_INFO_KIND") if info else None
    nsid = link.get_attr("IFLA_LINK_NETNSID")
    lower = link.get_attr("IFLA_LINK")
    # Its own index there means that it has no lower link, unless that lies elsewhere.
    lower = lower if lower and (lower != link["index"] or nsid is not None) else None
    stats = link.get_attr("IFLA_STATS64")
    return Link(
        name=names[link["index"]],
        index=link["index"],
        kind=kind,
        mode=_mode(link, kind),
        parent=None if kind == "veth" else lower,
        peer=lower if kind == "veth" else None,
        peer_nsid=nsid,
        master=names.get(link.get_attr("IFLA_MASTER")),
        mtu=link.get_attr("IFLA_MTU"),
        mac=link.get_attr("IFLA_ADDRESS") or "",
        up=bool(link["flags"] & _IFF_UP),
        carrier=bool(link["flags"] & _IFF_LOWER_UP),
        qdisc=link.get_attr("IFLA_QDISC"),
        txqlen=link.get_attr("IFLA_TXQLEN"),
        gso_max_size=link.get_attr("IFLA_GSO_MAX_SIZE"),
        gro_max_size=link.get_attr("IFLA_GRO_MAX_SIZE"),
        tso_max_size=link.get_attr("IFLA_TSO_MAX_SIZE"),
        offloads=None,
        counters=LinkCounters(
            stats["rx_bytes"],
            stats["tx_bytes"],
            stats["rx_packets"],
            stats["tx_packets"],
            stats["rx_dropped"],
            stats["tx_dropped"],
        ),
    )


def _mode(link: Any, kind: str | None) -> str | None:
    """Return the mode of a macvlan or ipvlan by the name that ip(8) gives it."""
    if kind == "macvlan":
        name: str | None = link.get(("linkinfo", "data", "macvlan_mode"))
        return name
    if kind == "ipvlan":
        number = link.get(("linkinfo", "data", "ipvlan_mode"))
        return _IPVLAN_MODES.get(number, "unknown") if number is not None else None
    return None


class _Features(IoctlEthtool):  # type: ignore[misc] # it has no types
    """Reads features without asking for their names each time: the kernel has one list of them."""

    names: ClassVar[list[str]] = []

    def get_features(self) -> Any:
        """Return what is on of the link that was named last."""
        if not self.names:
            self.names.extend(self.get_stringset())
        return super().get_features()

    def get_stringset(self, *args: Any, **kwargs: Any) -> list[str]:
        """Return the names of the features; nothing else is asked for here."""
        return self.names or super().get_stringset(*args, **kwargs)


def read_offloads(names: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """Return the offloads that are on, by link, without links whose features are unreadable."""
    found = {}
    tool = _Features()
    try:
        for name in names:
            tool.change_ifname(name)
            try:
                features = tool.get_features()
            except (NotSupportedError, NoSuchDevice, OSError):
                continue
            on = {feature for feature in features.keys() if features.is_active(feature)}  # noqa: SIM118 -- no dictionary
            found[name] = tuple(wanted for wanted in OFFLOADS if wanted in on)
    finally:
        tool.close()
    return found
