"""Links, addresses and routes of the netns engine, by netlink."""

import os
from collections.abc import Callable, Mapping
from errno import EOPNOTSUPP
from typing import Any, Final, TypeVar

from pyroute2 import IPRoute
from pyroute2.netlink.exceptions import NetlinkError

from netbench.engines.netns.allocator import PREFIX, PREFIX6, Addresses, SubnetPair
from netbench.engines.netns.settings import (
    BRIDGE_NF,
    FORWARDING,
    READY,
    enabled,
    without_ipv6,
    write_settings,
)
from netbench.errors import EngineError, FactError, Unsupported
from netbench.spec import Family
from netbench.system.setns import in_netns

_T = TypeVar("_T")
_NODAD: Final = 0x02
"""IFA_F_NODAD: the address is ours alone, so it serves at once instead of after a second."""
_ENOTSUPP: Final = 524
"""The kernel's own, include/linux/errno.h: a mode that it was built without."""
_LOOPBACK: Final = 1
"""LOOPBACK_IFINDEX: `lo` is the first link of every network namespace."""
_ANYWHERE: Final = {Family.V4: "0.0.0.0/0", Family.V6: "::/0"}
QUEUE: Final = 0
"""Packets in the queue of a link, as a Docker Engine has it; no such link has a queue anyway."""


def netlink(pid: int, what: str, work: Callable[[Any], _T]) -> _T:
    """Do some netlink work in the network namespace of a process.

    Args:
        pid: whose namespace.
        what: is done, for errors: "add a bridge".
        work: gets an open `IPRoute`.

    Raises:
        EngineError: the kernel refused; `Unsupported` where it knows nothing of the kind.
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


def kernel_lacks(kind: str, refused: Unsupported) -> str:
    """Return that the kernel has no such links, in its own words and with what may bring them."""
    words = refused.message.rpartition(": ")[2]
    return f"the kernel has no {kind} (modprobe {kind}): {words}"


def index_of(route: Any, name: str) -> int:
    """Return the index of a link.

    Raises:
        EngineError: there is none of that name.
    """
    found = route.link_lookup(ifname=name)
    if not found:
        raise EngineError(f"link {name} is gone")
    return int(found[0])


def make_ready(pid: int, wanted: Mapping[str, str]) -> None:
    """Prepare a new namespace: `lo` up, and links to come ready as soon as they are up.

    Args:
        pid: of the process whose namespace it is.
        wanted: its settings: `SWITCH`, `HOST` or `CONTAINER` of settings.py.

    Raises:
        EngineError: the kernel refused.
    """

    def work(route: Any) -> None:
        write_settings({**READY, **wanted})
        route.link("set", index=_LOOPBACK, state="up")

    netlink(pid, "prepare a network namespace", work)


def add_addresses(route: Any, index: int, own: Addresses) -> None:
    """Give a link its addresses."""
    route.addr("add", index=index, address=own.v4, prefixlen=PREFIX)
    if own.v6:
        route.addr("add", index=index, address=own.v6, prefixlen=PREFIX6, flags=_NODAD)


def add_default(route: Any, gateway: Addresses) -> None:
    """Add the default routes by a gateway."""
    route.route("add", dst=_ANYWHERE[Family.V4], gateway=gateway.v4)
    if gateway.v6:
        route.route("add", dst=_ANYWHERE[Family.V6], gateway=gateway.v6)


def add_default_by_link(route: Any, index: int, *, ipv6: bool) -> None:
    """Add default routes that are a link itself."""
    route.route("add", dst=_ANYWHERE[Family.V4], oif=index)
    if ipv6:
        route.route("add", dst=_ANYWHERE[Family.V6], oif=index)


def add_bridge(
    pid: int, name: str, *, addresses: Addresses | None = None, mtu: int | None = None
) -> None:
    """Make a bridge, with its gateway addresses where it has some."""

    def work(route: Any) -> None:
        route.link("add", ifname=name, kind="bridge", txqlen=QUEUE, **_mtu(mtu))
        index = index_of(route, name)
        if addresses:
            add_addresses(route, index, addresses)
        route.link("set", index=index, state="up")

    netlink(pid, f"add the bridge {name}", work)


def add_port(
    bridge: tuple[int, str],
    port: str,
    far: tuple[int, str],
    *,
    mtu: int | None = None,
    isolated: bool = False,
) -> None:
    """Join a namespace to a bridge by a veth pair; the far end is left down.

    Args:
        bridge: a process in its namespace, and its name.
        port: name of the near end.
        far: a process in the namespace of the far end, and its name there.
        mtu: of both ends, None for the kernel's.
        isolated: whether the port exchanges no frames with others that are isolated too.
    """
    place, master = bridge
    holder, link = far

    def work(route: Any) -> None:
        peer = {"ifname": link, "net_ns_pid": holder, "txqlen": QUEUE, **_mtu(mtu)}
        route.link("add", ifname=port, kind="veth", peer=peer, txqlen=QUEUE, **_mtu(mtu))
        index = index_of(route, port)
        route.link("set", index=index, master=index_of(route, master), state="up")
        if isolated:
            route.brport("set", index=index, isolated=1)

    netlink(place, f"join {link} to the bridge {master}", work)


def reflect(pid: int, port: str) -> None:
    """Let a bridge's port send frames back where they came from ("hairpin mode").

    An endpoint needs it to reach a port of its own that is published by translation.
    """
    netlink(
        pid,
        f"set hairpin mode of {port}",
        lambda route: route.brport("set", index=index_of(route, port), mode=1),
    )


def bring_up(
    pid: int, link: str, own: Addresses, gateway: Addresses | None, *, by_link: bool = False
) -> None:
    """Give an endpoint's link its addresses, and its default route.

    Args:
        pid: of the endpoint.
        link: its name.
        own: its addresses.
        gateway: of the default route, None for no such route.
        by_link: whether the default route is the link itself instead.
    """

    def work(route: Any) -> None:
        index = index_of(route, link)
        if own.v6 is None:
            write_settings(without_ipv6(link))
        add_addresses(route, index, own)
        route.link("set", index=index, state="up")
        if by_link:
            add_default_by_link(route, index, ipv6=own.v6 is not None)
        elif gateway:
            add_default(route, gateway)

    netlink(pid, f"bring up {link}", work)


def add_wire(
    near: tuple[int, str], far: tuple[int, str], subnets: SubnetPair, *, mtu: int | None
) -> None:
    """Join two namespaces by a veth pair: the near one has the gateway's addresses.

    Args:
        near: a process in the one namespace, and the link's name there.
        far: the same of the other.
        subnets: of the addresses.
        mtu: of both ends, None for the kernel's.
    """
    place, link = near
    other, far_link = far

    def here(route: Any) -> None:
        peer = {"ifname": far_link, "net_ns_pid": other, **_mtu(mtu)}
        route.link("add", ifname=link, kind="veth", peer=peer, **_mtu(mtu))
        index = index_of(route, link)
        add_addresses(route, index, subnets.gateway)
        route.link("set", index=index, state="up")

    netlink(place, f"add the veth pair {link}", here)
    bring_up(other, far_link, subnets.outside, None)


def forward(pid: int, *, ipv6: bool) -> None:
    """Have a namespace forward packets between its links.

    Args:
        pid: of the process whose namespace it is.
        ipv6: whether those of IPv6 too.

    Raises:
        EngineError: the namespace is gone.
    """
    settings = {FORWARDING[family]: "1" for family in (Family if ipv6 else (Family.V4,))}
    netlink(pid, "forward", lambda _: write_settings(settings))


def passes_firewall(pid: int) -> bool:
    """Tell whether bridged frames pass iptables in the namespace of a process.

    Raises:
        EngineError: the namespace is gone.
    """
    return netlink(pid, f"read {BRIDGE_NF.name}", lambda _: enabled(BRIDGE_NF))


def delete_link(pid: int, name: str) -> None:
    """Remove a link of a namespace with its peer; nothing where link or namespace are gone."""

    def work() -> None:
        with IPRoute() as route:
            for index in route.link_lookup(ifname=name):
                route.link("del", index=index)

    try:
        in_netns(pid, work)
    except FactError:
        return
    except NetlinkError as exc:
        raise EngineError(f"remove the link {name}: {os.strerror(exc.code)}") from exc


def _mtu(mtu: int | None) -> dict[str, int]:
    return {} if mtu is None else {"mtu": mtu}
