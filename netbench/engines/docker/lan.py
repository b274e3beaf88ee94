"""The emulated LAN, an outside client joined to the host by veth pairs; and ports published on it.

The engine's socket is enough to make it, on another host too: the client is a container without a
network, and short-lived containers with CAP_NET_ADMIN make the wires and cut them.
"""

import itertools
import re
import secrets
import threading
from contextlib import ExitStack
from dataclasses import replace
from typing import Final

from docker.errors import NotFound

from netbench.engines.base import Endpoint, Lan, Network, Published
from netbench.engines.docker.endpoints import (
    HOSTS_LINKS,
    NET_ADMIN,
    ROOT,
    Bindings,
    Maker,
    Order,
    Sharing,
)
from netbench.engines.subnets import Addresses, LanVeth, SubnetPair, SubnetPool
from netbench.errors import EngineError, Unsupported
from netbench.spec import PUBLISHED_PORTS, Port, Role

WIRES: Final = "netbench.wires"  # label: start of the names of a LAN client's wires
STEM: Final = re.compile(r"nb[0-9a-f]{6}l")  # a label of any image may have this name
_CUT: Final = """
ip -br link | while read -r name rest
do case $name in "$0"*) ip link del "${name%%@*}" ;; esac
done
"""
_NO_IPV6: Final = "no IPv6"  # printed by our own script if an end of a wire takes no IPv6 address
_NO_ROUTER: Final = {"net.ipv4.ip_forward": "0"}  # the LAN client is no router
_TRIES: Final = 10  # others may publish on the same engine meanwhile
_ANY: Final = Port(PUBLISHED_PORTS[0])
_NO_ADDRESS: Final = "cannot assign requested address"
LOOPBACK: Final = "127.0.0.1"  # of the machine: where a rootless engine publishes ports
_ELSEWHERE: Final = (
    "the engine publishes ports at the machine's addresses, not at those of its own host, whose "
    "network is a namespace of its own (rootless): the emulated LAN does not reach them"
)


class EmulatedLan:
    """Makes the LAN at its first use; safe to use from several threads."""

    def __init__(self, maker: Maker, subnets: SubnetPool) -> None:
        """Nothing is made yet; names of the host's links are unique to this object."""
        self._maker = maker
        self._subnets = subnets
        self._stem = f"nb{secrets.token_hex(3)}l"
        self._numbers = itertools.count()
        self._lock = threading.Lock()
        self._client: Endpoint | None = None
        self._first: Lan | None = None

    def get(self) -> Lan:
        """Return the LAN by its first wire; nothing half-made is left."""
        with self._lock:
            if self._first is None:
                try:
                    self._first = self._begin()
                except BaseException:
                    self._remove_client()
                    raise
            return self._first

    def _begin(self) -> Lan:
        order = self._maker.order("lan", Sharing("none", users=True))
        # The first process is root's, without any capability, so that root's `ip` may open the
        # namespace to move a link into it: for another user's it would need CAP_SYS_PTRACE too.
        labels = {**order.labels, WIRES: self._stem}
        order = replace(order, role=Role.LAN, user=ROOT, sysctls=_NO_ROUTER, labels=labels)
        self._client = self._maker.create(order)
        with ExitStack() as undo:
            wire = self._join(self._client, undo, None, default=True)
            undo.pop_all()
        return replace(wire.lan, done=_done(wire))

    def wire(self, undo: ExitStack, mtu: int | None) -> LanVeth:
        """Make one more wire, with an MTU in bytes or the kernel's usual one."""
        self.get()
        client = self._client
        assert client is not None  # noqa: S101 -- `get` has made it
        return self._join(client, undo, mtu, default=False)

    def _join(
        self, client: Endpoint, undo: ExitStack, mtu: int | None, *, default: bool
    ) -> LanVeth:
        number = next(self._numbers)
        subnet = self._subnets.take(undo, ipv6=True)
        inner, outer = subnet.gateway, subnet.outside
        link, outside = f"{self._stem}{number}", f"lan{number}"
        size = f"mtu {mtu} " if mtu else ""
        pair = f"{link} {size}type veth peer name {outside} {size}netns {client.pid}"
        ways = (
            f"ip route add default via {inner.v4}",
            f"ip -6 route add default via {inner.v6} || echo {_NO_IPV6}",
        )
        undo.callback(self._cut, link)
        made = (f"ip link add {pair}", *_addressed(link, inner))
        printed = self._maker.links(f"wire{number}", HOSTS_LINKS, made)
        printed += self._inside(client, *_addressed(outside, outer), *(ways if default else ()))
        if _NO_IPV6 in printed:
            inner, outer = replace(inner, v6=None), replace(outer, v6=None)
        end = replace(client, address=outer.v4, address6=outer.v6)
        return LanVeth(Lan(end, link, inner.v4, inner.v6), subnet, outside)

    def _inside(self, client: Endpoint, *commands: str) -> str:
        sharing = Sharing(f"container:{client.id}", users=True)
        return self._maker.links("lan-links", sharing, commands)

    def lead(self, wire: LanVeth, subnet: SubnetPair) -> None:
        """Route the LAN client's packets for a subnet over a wire to the host."""
        commands = [f"ip route add {subnet.v4} via {wire.lan.host} dev {wire.outside}"]
        if wire.lan.host6:
            commands.append(f"ip -6 route add {subnet.v6} via {wire.lan.host6} dev {wire.outside}")
        if self._client is not None:
            self._inside(self._client, *commands)

    def _cut(self, link: str) -> None:
        """Remove a wire by the host's end of it; does nothing if it is gone already."""
        if self._client is not None:
            script = (f"ip link show dev {link} >/dev/null 2>&1 || exit 0", f"ip link del {link}")
            self._maker.links("cut", HOSTS_LINKS, script)

    def close(self) -> None:
        """Remove the LAN client, and with it every wire."""
        with self._lock:
            self._first = None
            self._remove_client()

    def _remove_client(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            try:
                cut_wires(self._maker, client.id)
            finally:
                self._maker.remove(client.id)


def _addressed(link: str, addresses: Addresses) -> tuple[str, ...]:
    """Return commands that give a link its addresses and set it up."""
    return (
        f"ip addr add {addresses.v4}/24 dev {link}",
        f"ip link set {link} up",
        # Without `nodad` it would not be usable for a second.
        f"ip addr add {addresses.v6}/64 dev {link} nodad || echo {_NO_IPV6}",
    )


def _done(wire: LanVeth) -> str:
    lan = wire.lan
    addresses = " and ".join(filter(None, (lan.host, lan.host6)))
    also = "" if lan.host6 else "; the host takes no IPv6 address"
    return (
        f"made the emulated LAN: the container {lan.client.name}, without capabilities or a "
        f"network of its own, joined to the host by the veth pair {lan.link} ({addresses}) and "
        f"{wire.outside} ({lan.client.address}){also}. A short-lived container with "
        f"CAP_{NET_ADMIN} alone, in the host's network and pid namespaces, made the pair, another "
        "in the LAN container's network set its addresses. It is removed with the run"
    )


def cut_wires(maker: Maker, container: str) -> None:
    """Remove every wire of a LAN client by name; does nothing if the container is none, or gone.

    Its network namespace may outlive it for minutes, while a connection of it is being closed.
    """
    with maker.clients.lend("look at a container") as api:
        try:
            config = api.inspect_container(container)["Config"]
        except NotFound:
            return
    stem = (config["Labels"] or {}).get(WIRES)
    if stem is None or not STEM.fullmatch(stem):
        return
    order = Order(
        name=f"netbench-cut-{stem}",
        image=config["Image"],
        labels={k: v for k, v in config["Labels"].items() if k != WIRES},
        sharing=Sharing("host", users=True),
        command=("sh", "-ec", _CUT, stem),
        user=ROOT,
        capabilities=(NET_ADMIN,),
    )
    maker.once(order)


class PortPublishing:
    """Makes containers with published ports; safe to use from several threads."""

    def __init__(self, maker: Maker, lan: EmulatedLan, *, rootful: bool) -> None:
        """Nothing is tried yet, nor has to be for an engine with the rights of root."""
        self._maker = maker
        self._lan = lan
        self._lock = threading.RLock()  # numbers of ports are chosen one at a time
        self.at: str | None = None  # the host's address towards another machine, instead of a LAN
        self._tried = rootful  # its host is where its daemon binds ports
        self._refusal: str | None = None

    def unavailable(self) -> str | None:
        """Return why no port is published on the emulated LAN, found by trying; None if one is."""
        with self._lock:
            if not self._tried:
                order = self._maker.order("publish", Sharing("bridge"))
                try:
                    host = self._on_lan(None)
                    self._maker.remove(self._published(order, (_ANY,), host).id)
                except EngineError as error:
                    elsewhere = _NO_ADDRESS in error.message
                    self._refusal = _ELSEWHERE if elsewhere else error.message
                self._tried = True
            return self._refusal

    def create(self, order: Order, ports: tuple[Port, ...]) -> Endpoint:
        """Create a container whose ports are published, each at one number on every address."""
        if not ports:
            return self._maker.create(order)
        if order.network is not None and order.network.routed:
            return self._opened(order, ports)
        with self._lock:
            return self._published(order, ports, self._addresses(order.network))

    def _opened(self, order: Order, ports: tuple[Port, ...]) -> Endpoint:
        """Create a container whose ports are opened at its own addresses, and nowhere else."""
        wanted = {name: (("", None),) for port in ports for name in _names(port)}
        made = self._maker.create(replace(order, publish=wanted))
        return replace(made, published=tuple(Published(port, port.number) for port in ports))

    def _addresses(self, network: Network | None) -> tuple[str, ...]:
        if self.at is not None:
            return (self.at,)
        return self._on_lan(network) if self.unavailable() is None else (LOOPBACK,)

    def _on_lan(self, network: Network | None) -> tuple[str, ...]:
        lan = self._lan.get()
        has_ipv6 = network is not None and network.ipam is not None and network.ipam.subnet6
        return (lan.host, lan.host6) if has_ipv6 and lan.host6 else (lan.host,)

    def _published(
        self, order: Order, ports: tuple[Port, ...], addresses: tuple[str, ...]
    ) -> Endpoint:
        """Create the container; the engine chooses the numbers, one for all protocols of a port.

        Engines count for each protocol or address on its own: if the numbers differ, the container
        is made again with ones that come after all of them.
        """
        first: int | None = None
        for _ in range(_TRIES):
            try:
                wanted = replace(order, publish=_wanted(ports, addresses, first))
                made, bindings = self._maker.create_published(wanted)
            except EngineError as error:
                if first is None or "already" not in error.message:
                    raise
                first += len(ports)
                continue
            try:
                published = _same_numbers(bindings, ports, addresses)
            except BaseException:
                self._maker.remove(made.id)
                raise
            if len(published) == len(ports):
                return replace(made, published=published)
            fixed = {port.number for port in ports if port.fixed}
            taken = {number for places in bindings.values() for _, number in places}
            first = 1 + max(taken - fixed)
            self._maker.remove(made.id)
        raise EngineError(
            f"no {len(ports)} ports in a row are free on all of {', '.join(addresses)}",
            hint="see what listens on the engine's host: ss -tulpn",
        )


def _names(port: Port) -> tuple[str, ...]:
    return tuple(f"{port.number}/{protocol}" for protocol in port.protocols)


def _wanted(
    ports: tuple[Port, ...], addresses: tuple[str, ...], first: int | None
) -> dict[str, tuple[tuple[str, int | None], ...]]:
    return {
        name: tuple((address, _number(port, i, first)) for address in addresses)
        for i, port in enumerate(ports)
        for name in _names(port)
    }


def _number(port: Port, at: int, first: int | None) -> int | None:
    """Return the host's number for a port; None leaves it to the engine."""
    if port.fixed:
        return port.number
    return None if first is None else first + at


def _same_numbers(
    bindings: Bindings, ports: tuple[Port, ...], addresses: tuple[str, ...]
) -> tuple[Published, ...]:
    """Return the ports that have the same number on every address and for every protocol."""
    found = []
    for port in ports:
        places = [dict(bindings.get(name, ())) for name in _names(port)]
        missing = [one for one in addresses if not all(one in numbers for numbers in places)]
        if missing:
            where = " and ".join(missing)
            raise Unsupported(f"the engine publishes no port of this network at {where}")
        numbers = {number for one in places for number in one.values()}
        if len(numbers) == 1:
            found.append(Published(port, numbers.pop()))
    return tuple(found)
