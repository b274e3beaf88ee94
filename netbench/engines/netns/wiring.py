"""Links, addresses, routes and settings of network namespaces, by netlink and /proc/sys."""

import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from errno import EACCES, EINVAL, ENOENT, EOPNOTSUPP, EPERM
from pathlib import Path
from typing import Any, Final, TypeVar

from pyroute2 import IPRoute
from pyroute2.netlink.exceptions import NetlinkError

from netbench.engines.netns import netkit
from netbench.engines.subnets import PREFIX, Addresses, SubnetPair
from netbench.errors import EngineError, FactError, Unsupported
from netbench.spec import Family
from netbench.system.files import LOCAL, text
from netbench.system.setns import in_netns

_T = TypeVar("_T")
_NODAD: Final = 0x02  # IFA_F_NODAD: no other host has it, so it serves at once
_ENOTSUPP: Final = 524  # the kernel's own, include/linux/errno.h: a mode that it was built without
LOOPBACK: Final = 1  # LOOPBACK_IFINDEX: `lo` is the first link of every network namespace
_ANYWHERE: Final = {Family.V4: "0.0.0.0/0", Family.V6: "::/0"}
QUEUE: Final = 0  # packets in a link's queue, as with Docker; no such link has a queue anyway
_READY: Final = {"net/ipv6/conf/default/accept_dad": "0"}
"""A link forwards no IPv6 while its link-local address is tried for duplicates, for seconds."""
SWITCH: Final = {
    "net/ipv4/conf/all/send_redirects": "0",
    "net/ipv4/conf/default/send_redirects": "0",
}
"""Settings of a namespace with bridges: no redirect straight to the endpoint from its neighbour
that calls a published port, as the endpoint expects nothing from there."""
HOST: Final = {
    **SWITCH,
    "net/bridge/bridge-nf-call-iptables": "1",
    "net/bridge/bridge-nf-call-ip6tables": "1",
}
"""Settings of the host: as a Docker Engine does, have bridged frames pass its firewall."""
BARE: Final = {**HOST, **{name: "0" for name in HOST if name not in SWITCH}}
"""Settings of a host without firewall rules: bridged frames pass no hook."""
CONTAINER: Final = {
    "net/ipv4/ip_unprivileged_port_start": "0",
    "net/ipv4/ping_group_range": "0 2147483647",
}
"""Settings of an endpoint, as a Docker Engine makes them."""
_FORWARDING: Final = {Family.V4: "net/ipv4/ip_forward", Family.V6: "net/ipv6/conf/all/forwarding"}


def netlink(pid: int, what: str, work: Callable[[Any], _T]) -> _T:
    """Do work with an open `IPRoute` in a process's network namespace; `what`, for errors.

    EngineError if the kernel refuses; `Unsupported` if it has no such kind of link.
    """

    def inside() -> _T:
        with IPRoute() as route:
            return work(route)

    try:
        return in_netns(pid, inside)
    except NetlinkError as exc:
        if exc.code in {EOPNOTSUPP, _ENOTSUPP}:
            raise Unsupported(f"{what}: {os.strerror(EOPNOTSUPP)}") from exc
        raise EngineError(f"{what}: {os.strerror(exc.code)}") from exc
    except (FactError, OSError) as exc:
        raise EngineError(f"{what}: {exc}") from exc


def index_of(route: Any, name: str) -> int:
    """Return the index of a link; raises EngineError if there is none of that name."""
    found = route.link_lookup(ifname=name)
    if not found:
        raise EngineError(f"link {name} is gone")
    return int(found[0])


def make_ready(pid: int, settings: Mapping[str, str]) -> None:
    """Set up `lo` and `SWITCH`, `HOST` or `CONTAINER` in a new namespace; errors as `netlink`."""

    def work(route: Any) -> None:
        _write_settings({**_READY, **settings})
        route.link("set", index=LOOPBACK, state="up")

    netlink(pid, "prepare a network namespace", work)


def forward(pid: int, *families: Family) -> None:
    """Make the namespace of a process a router; errors as `netlink`."""
    settings = {_FORWARDING[family]: "1" for family in families}
    netlink(pid, "forward", lambda _: _write_settings(settings))


def _write_settings(settings: Mapping[str, str]) -> None:
    """Write /proc/sys of the calling thread's network namespace, where it may and has it."""
    for name, value in settings.items():
        try:
            Path("/proc/sys", name).write_text(value)
        except OSError as exc:
            if exc.errno not in {EACCES, EINVAL, ENOENT, EPERM}:
                raise


def passes_firewall(pid: int) -> bool:
    """Tell whether bridged frames pass iptables in the namespace of a process; errors as above."""
    name = "/proc/sys/net/bridge/bridge-nf-call-iptables"
    return netlink(pid, f"read {name}", lambda _: (text(LOCAL, name) or "").strip() == "1")


def change_address(route: Any, command: str, index: int, address: str, prefix: int) -> None:
    """Add an address to a link, or delete it from there."""
    flags = {"flags": _NODAD} if ":" in address else {}
    route.addr(command, index=index, address=address, prefixlen=prefix, **flags)


def _raise_link(route: Any, index: int, own: Addresses | None = None, master: str = "") -> None:
    for family, prefix in PREFIX.items():
        address = own.of(family) if own else None
        if address:
            change_address(route, "add", index, address, prefix)
    port = {"master": index_of(route, master)} if master else {}
    route.link("set", index=index, state="up", **port)


def add_routes(route: Any, gateway: Addresses, to: SubnetPair | None = None) -> None:
    """Add the routes to subnets by a gateway, or the default ones, for each family of both."""
    for family, anywhere in _ANYWHERE.items():
        subnet = to.of(family) if to else anywhere
        if subnet and gateway.of(family):
            route.route("add", dst=subnet, gateway=gateway.of(family))


def add_bridge(pid: int, name: str, own: Addresses | None = None, mtu: int | None = None) -> None:
    """Make a bridge with its own addresses, if any, and bring it up; errors as `netlink`."""

    def work(route: Any) -> None:
        route.link("add", ifname=name, kind="bridge", txqlen=QUEUE, mtu=mtu)
        _raise_link(route, index_of(route, name), own)

    netlink(pid, f"add the bridge {name}", work)


def add_pair(
    near: tuple[int, str],
    far: tuple[int, str],
    *,
    kind: str = "veth",
    mtu: int | None,
    own: Addresses | None = None,
    master: str = "",
    isolated: bool = False,
) -> None:
    """Join two namespaces by a pair of veth or netkit links, bring up its near end; as `netlink`.

    Each end is a process and the link's name in its namespace. The near end gets the addresses
    `own`, or is a port of the bridge `master`; `isolated` ports exchange no frames with each other.
    """
    place, name = near
    holder, link = far
    wanted = {"mtu": mtu, "txqlen": QUEUE if master else None}
    both = {setting: value for setting, value in wanted.items() if value is not None}

    def work(route: Any) -> None:
        peer: dict[str, Any] = {"ifname": link, "net_ns_pid": holder, **both}
        options = netkit.pair_options(peer) if kind == netkit.KIND else {"peer": peer}
        route.link("add", ifname=name, kind=kind, **options, **both)
        index = index_of(route, name)
        _raise_link(route, index, own, master)
        if isolated:
            route.brport("set", index=index, isolated=1)

    netlink(place, f"add the {kind} pair {name}", work)


def join(pid: int, name: str, master: str) -> None:
    """Make a link a port of a bridge and bring it up; errors as `netlink`."""
    what = f"join {name} to the bridge {master}"
    netlink(pid, what, lambda route: _raise_link(route, index_of(route, name), master=master))


def reflect(pid: int, port: str) -> None:
    """Set a bridge port's hairpin mode: its endpoint reaches itself at a published port."""
    what = f"set hairpin mode of {port}"
    netlink(pid, what, lambda route: route.brport("set", index=index_of(route, port), mode=1))


def bring_up(
    pid: int, name: str, own: Addresses, gateway: Addresses | None, *, by_link: bool = False
) -> None:
    """Give an endpoint's link its addresses and default route, by a gateway or by the link itself.

    Without an address of IPv6 the link gets not even a link-local one. Errors as `netlink`.
    """

    def work(route: Any) -> None:
        index = index_of(route, name)
        if own.v6 is None:
            _write_settings({f"net/ipv6/conf/{name}/disable_ipv6": "1"})
        _raise_link(route, index, own)
        for family, anywhere in _ANYWHERE.items():
            if by_link and own.of(family):
                route.route("add", dst=anywhere, oif=index)
        if gateway:
            add_routes(route, gateway)

    netlink(pid, f"bring up {name}", work)


def delete_link(pid: int, name: str) -> None:
    """Remove a link of a namespace with its peer, if it is there; EngineError if refused."""

    def work() -> None:
        with IPRoute() as route:
            for index in route.link_lookup(ifname=name):
                route.link("del", index=index)

    with suppress(FactError):
        try:
            in_netns(pid, work)
        except NetlinkError as exc:
            raise EngineError(f"remove the link {name}: {os.strerror(exc.code)}") from exc
