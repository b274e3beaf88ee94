"""The reader in process: netlink in the namespace itself, for users who may enter it."""

import socket
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, suppress
from functools import partial
from ipaddress import ip_address
from pathlib import Path
from typing import Any, ClassVar, Final, Literal, TypeVar

from pyroute2 import IPRoute
from pyroute2.ethtool.ioctl import IoctlEthtool, NoSuchDevice, NotSupportedError
from pyroute2.netlink.exceptions import NetlinkError
from pyroute2.netlink.rtnl import RTMGRP_LINK, RTMGRP_TC
from pyroute2.netlink.rtnl.marshal import MarshalRtnl

from netbench.errors import FactError
from netbench.facts.base import Heard, LinkEvent, NetnsFacts, Reader, StopListening
from netbench.facts.pair import NamespaceSet, Pair, Where
from netbench.facts.procfs import (
    DEFAULT,
    DEFAULT6,
    in_order,
    leads_on,
    links_and_addresses,
    read_local,
)
from netbench.facts.registry import OFFLOADS
from netbench.record import NAMESPACE_KINDS, Namespaces, PairFacts, Route
from netbench.spec import Role
from netbench.system.setns import in_netns

_T = TypeVar("_T")
_FLAGS: Final = {"UP": 1, "LOWER_UP": 1 << 16}  # IFF_*, include/uapi/linux/if.h
_ATTRIBUTES: Final = {  # what ip(8) calls the attributes of a link, include/uapi/linux/if_link.h
    "ifname": "IFLA_IFNAME",
    "mtu": "IFLA_MTU",
    "qdisc": "IFLA_QDISC",
    "txqlen": "IFLA_TXQLEN",
    "link_netnsid": "IFLA_LINK_NETNSID",
    "gso_max_size": "IFLA_GSO_MAX_SIZE",
    "gro_max_size": "IFLA_GRO_MAX_SIZE",
    "tso_max_size": "IFLA_TSO_MAX_SIZE",
}
_CHANGES: Final = ("RTM_NEWLINK", "RTM_DELLINK")
_QDISCS: Final = {"RTM_NEWQDISC": "it got", "RTM_DELQDISC": "it lost"}
_BUFFER: Final = 4 * 1024**2  # bytes of messages that may wait: more than a thousand of them
_FORCE: Final = 33  # SO_RCVBUFFORCE, beyond the limit for users
_LARGEST: Final = 64 * 1024  # bytes of one message at most
_MAIN_TABLE = 254
_UNICAST = 1
_NO_NSID = 0x7FFFFFFF
_DEFAULTS: Final[Mapping[int, str]] = {socket.AF_INET: DEFAULT, socket.AF_INET6: DEFAULT6}
_IPVLAN_MODES: Final[Mapping[int, str]] = {0: "l2", 1: "l3", 2: "l3s"}
"""include/uapi/linux/if_link.h; macvlan's modes, which are bits, pyroute2 names itself."""


class NetlinkReader(Reader):
    """Reads links, addresses and routes by netlink, namespaces by their inodes in /proc."""

    name: ClassVar[Literal["netlink", "engine"]] = "netlink"

    def namespaces(self, subject: NamespaceSet) -> Namespaces:
        """Return the inodes of a subject's namespaces, None for those we may not see."""

        def inode(kind: str) -> int | None:
            path = f"/proc/{subject.pid}/ns/{kind}"
            try:
                return Path(subject.netns or path if kind == "net" else path).stat().st_ino
            except OSError:
                return None

        return Namespaces(**{kind: inode(kind) for kind in NAMESPACE_KINDS})

    def netns(self, subject: NamespaceSet, others: Sequence[Where]) -> NetnsFacts:
        """Return what the network namespace holds."""
        return _inside(subject, lambda: _read_netns(others))

    def offloads(self, subject: NamespaceSet, name: str) -> tuple[str, ...] | None:
        """Return the offloads of a link that are on."""
        return _inside(subject, lambda: _read_offloads(name))

    def again(self, pair: Pair, seen: PairFacts) -> PairFacts:
        """Return everything once more: it costs a few milliseconds."""
        (now,) = self.read([pair])
        if isinstance(now, FactError):
            raise now
        for old in seen.ends:
            if (new := now.end(old.role)) is None:
                raise FactError(f"the {old.role} is gone: {'; '.join(now.notes)}")
            was, is_now = old.namespaces.net, new.namespaces.net
            if was != is_now:
                raise FactError(f"the {new.role} moved from net:[{was}] to net:[{is_now}]")
        return now

    def listen(self, pair: Pair, seen: PairFacts) -> StopListening:
        """Have link events wait in a socket in every namespace that may be entered."""
        names = {end.role: {link.index: link.name for link in end.links} for end in seen.ends}
        sockets: dict[Role, socket.socket] = {}
        for one in pair.subjects:
            with suppress(FactError, OSError):  # the reading itself reports that
                sockets[one.role] = in_netns(one.where, _listening)
        return partial(_heard, sockets, names)


def _inside(subject: NamespaceSet, work: Callable[[], _T]) -> _T:
    try:
        return in_netns(subject.where, work)
    except (NetlinkError, OSError) as exc:
        raise FactError(f"netlink in the {subject.role}: {exc}") from exc


def _read_netns(others: Iterable[Where]) -> NetnsFacts:
    """Read the calling thread's network namespace, with the ids that it has for others."""
    with IPRoute() as route:
        raw = list(route.get_links())
        names: dict[int, str] = {link["index"]: link.get_attr("IFLA_IFNAME") for link in raw}
        addresses: dict[int, list[dict[str, Any]]] = {index: [] for index in names}
        for one in route.get_addr():
            addresses.setdefault(one["index"], []).append(_address(one))
        routes = [
            found
            for family in (socket.AF_INET, socket.AF_INET6)
            for r in route.get_routes(family=family)
            if (r["family"], r["type"]) == (family, _UNICAST)
            and r.get_attr("RTA_TABLE") == _MAIN_TABLE
            for found in _routes(r, names)
        ]
        nsids = {where: _nsid(route, where) for where in others}
    congestion = read_local("/proc/sys/net/ipv4/tcp_congestion_control")
    return NetnsFacts(
        *links_and_addresses([_row(link, names, addresses[link["index"]]) for link in raw]),
        routes=in_order(routes),
        congestion=congestion.strip() if congestion else None,
        nsids={where: nsid for where, nsid in nsids.items() if nsid is not None},
    )


def _address(one: Any) -> dict[str, Any]:
    """Return an address; IFA_ADDRESS is the other end's on a point-to-point link."""
    own = one.get_attr("IFA_LOCAL") or one.get_attr("IFA_ADDRESS")
    return {"local": own, "prefixlen": one["prefixlen"]}


def _nsid(route: Any, where: int | str) -> int | None:
    """Return the id by which this namespace knows another one; None if it has none."""
    if isinstance(where, int):
        nsid = route.get_netnsid(pid=where)["nsid"]
    else:
        try:
            with Path(where).open("rb") as file:
                nsid = route.get_netnsid(fd=file.fileno())["nsid"]
        except OSError:
            return None  # the reading of that namespace itself says why
    return nsid if isinstance(nsid, int) and 0 <= nsid < _NO_NSID else None


def _routes(route: Any, names: dict[int, str]) -> Iterator[Route]:
    """Return a route, once for each next hop of IPv6's and with IPv4's first, as /proc does."""
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
            destination, str(ip_address(gateway)) if gateway else None, names.get(index, "?")
        )
        if family == socket.AF_INET or leads_on(found):
            yield found


def _row(link: Any, names: dict[int, str], addresses: list[dict[str, Any]]) -> dict[str, Any]:
    """Return a link as ip(8) prints it."""
    info = link.get_attr("IFLA_LINKINFO")
    kind = info.get_attr("IFLA_INFO_KIND") if info else None
    stats, lower = link.get_attr("IFLA_STATS64"), link.get_attr("IFLA_LINK")
    # Its own index there means that it has no lower link, unless that lies elsewhere.
    below = lower != link["index"] or link.get_attr("IFLA_LINK_NETNSID") is not None
    given = {key: link.get_attr(attribute) for key, attribute in _ATTRIBUTES.items()}
    return {
        **{key: value for key, value in given.items() if value is not None},
        "ifindex": link["index"],
        "link_index": lower if below else None,
        "master": names.get(link.get_attr("IFLA_MASTER")),
        "address": link.get_attr("IFLA_ADDRESS") or "",
        "flags": [name for name, bit in _FLAGS.items() if link["flags"] & bit],
        "linkinfo": {"info_kind": kind, "info_data": {"mode": _mode(link, kind)}},
        "stats64": {
            way: {what: stats[f"{way}_{what}"] for what in ("bytes", "packets", "dropped")}
            for way in ("rx", "tx")
        },
        "addr_info": addresses,
    }


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

    def get_stringset(self, *args: Any, **kwargs: Any) -> list[str]:
        """Return the names of the features; nothing else is asked for here."""
        if not self.names:
            self.names.extend(super().get_stringset(*args, **kwargs))
        return self.names


def _read_offloads(name: str) -> tuple[str, ...] | None:
    """Return the offloads of a link that are on, None if its features cannot be read."""
    with closing(_Features()) as tool:
        tool.change_ifname(name)
        try:
            features = tool.get_features()
        except (NotSupportedError, NoSuchDevice, OSError):
            return None
        on = {feature for feature in features.keys() if features.is_active(feature)}  # noqa: SIM118 -- no dictionary
    return tuple(wanted for wanted in OFFLOADS if wanted in on)


def _listening() -> socket.socket:
    """Return a socket that events of the calling thread's network namespace wait in."""
    one = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE)
    try:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER)
        with suppress(OSError):  # only root may
            one.setsockopt(socket.SOL_SOCKET, _FORCE, _BUFFER)
        one.setblocking(False)
        one.bind((0, RTMGRP_LINK | RTMGRP_TC))
    except BaseException:
        one.close()
        raise
    return one


def _heard(sockets: Mapping[Role, socket.socket], names: Mapping[Role, Mapping[int, str]]) -> Heard:
    """Close the sockets and return the events in them; `names` are those of links, by index."""
    events: list[LinkEvent] = []
    lost = False
    for role, one in sockets.items():
        with one:
            messages, missed = _drained(one)
        lost = lost or missed
        events += _events(messages, role, names.get(role, {}))
    more = "; more came than were kept" if lost else ""
    return Heard(tuple(events), f"netlink events of links and qdiscs of {', '.join(sockets)}{more}")


def _drained(one: socket.socket) -> tuple[list[bytes], bool]:
    """Return the messages that wait, and whether some were dropped (ENOBUFS)."""
    found: list[bytes] = []
    lost = False
    while True:
        try:
            found.append(one.recv(_LARGEST))
        except BlockingIOError:
            return found, lost
        except OSError:
            if lost:
                return found, lost
            lost = True


def _events(messages: Iterable[bytes], role: Role, names: Mapping[int, str]) -> Iterator[LinkEvent]:
    """Yield the events of a namespace; `names` are those of its links, as far as they are known."""
    parser = MarshalRtnl()
    told = [one for data in messages for one in parser.parse(data)]
    for one in told:
        if what := _QDISCS.get(one["event"]):
            yield LinkEvent(role, one["index"], qdisc=f"{what} qdisc {one.get_attr('TCA_KIND')}")
    links = [one for one in told if one["event"] in _CHANGES]
    new = {one["index"]: name for one in links if (name := one.get_attr("IFLA_IFNAME"))}
    for one in links:
        master = one.get_attr("IFLA_MASTER")
        # A bridge reports itself as one of its own ports.
        port = master and master != one["index"]
        yield LinkEvent(
            role,
            one["index"],
            one["event"] == "RTM_DELLINK",
            up=bool(one["flags"] & _FLAGS["UP"]),
            carrier=bool(one["flags"] & _FLAGS["LOWER_UP"]),
            mtu=one.get_attr("IFLA_MTU"),
            master={**names, **new}.get(master, f"link {master}") if port else None,
        )
