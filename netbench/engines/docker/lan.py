"""The emulated LAN: an outside client, joined to the engine's host by veth pairs.

It is made through the engine alone, so that it works for a user with nothing but the socket, and
where the engine's host is not our own network namespace: the client is a container without a
network, short-lived containers with CAP_NET_ADMIN make the wires and cut them.
"""

import itertools
import secrets
import threading
from dataclasses import dataclass, replace
from typing import Final

from netbench.engines.base import Endpoint, Lan
from netbench.engines.docker.container_factory import HOSTS_LINKS, NET_ADMIN, Maker
from netbench.engines.docker.endpoints import ROOT, EndpointContainer, Sharing, main_process
from netbench.engines.docker.subnets import Subnet, SubnetAllocator
from netbench.engines.docker.veth import WIRES
from netbench.spec import Role

_NO_IPV6: Final = "no IPv6"
"""What our own script prints where an end of a wire takes no IPv6 address."""
_NO_ROUTER: Final = {"net.ipv4.ip_forward": "0"}
"""The LAN client is no router, whatever the host's settings are that it begins with."""


@dataclass(frozen=True, slots=True)
class LanVeth:
    """A veth pair between the host and the LAN client, with an address at each end."""

    lan: Lan
    subnet: Subnet
    outside: str
    """The LAN client's end."""


class EmulatedLan:
    """Makes the LAN at its first use; safe to use from several threads."""

    def __init__(self, maker: Maker, subnets: SubnetAllocator) -> None:
        """Nothing is made yet; names of the host's links are unique to this object."""
        self._maker = maker
        self._subnets = subnets
        self._stem = f"nb{secrets.token_hex(3)}l"
        self._numbers = itertools.count()
        self._lock = threading.Lock()
        self._client: EndpointContainer | None = None
        self._first: LanVeth | None = None

    def get(self) -> Lan:
        """Return the LAN by its first wire.

        Raises:
            EngineError: it cannot be made; nothing half-made is left.
        """
        with self._lock:
            if self._first is None:
                try:
                    self._first = self._begin()
                except BaseException:
                    self._remove_client()
                    raise
            return self._first.lan

    def _begin(self) -> LanVeth:
        order = self._maker.order("lan", Sharing("none", users=True), main_process())
        # The first process is root's, without any capability, so that root's `ip` may open the
        # namespace to move a link into it: for another user's it would need CAP_SYS_PTRACE too.
        labels = {**order.labels, WIRES: self._stem}
        order = replace(order, user=ROOT, sysctls=_NO_ROUTER, labels=labels)
        self._client = self._maker.create(order)
        wire = self._join(self._client, None, default=True)
        return replace(wire, lan=replace(wire.lan, done=_done(self._client, wire)))

    def wire(self, mtu: int | None) -> LanVeth:
        """Make one more wire; errors as `get`.

        Args:
            mtu: of both its ends, bytes; None for the kernel's usual one.
        """
        self.get()
        client = self._client
        assert client is not None  # noqa: S101 -- `get` has made it
        return self._join(client, mtu, default=False)

    def _join(self, client: EndpointContainer, mtu: int | None, *, default: bool) -> LanVeth:
        number = next(self._numbers)
        subnet = self._subnets.take()
        link, outside = f"{self._stem}{number}", f"lan{number}"
        size = f"mtu {mtu} " if mtu else ""
        pair = f"{link} {size}type veth peer name {outside} {size}netns {client.pid}"
        ways = (
            f"ip route add default via {subnet.host}",
            f"ip -6 route add default via {subnet.host6} || echo {_NO_IPV6}",
        )
        try:
            said = self._maker.links(
                f"wire{number}",
                HOSTS_LINKS,
                (f"ip link add {pair}", *_addressed(link, subnet.host, subnet.host6)),
            )
            said += self._inside(
                client,
                *_addressed(outside, subnet.outside, subnet.outside6),
                *(ways if default else ()),
            )
        except BaseException:
            self.cut(link)
            self._subnets.give_back(subnet)
            raise
        return _wire(client, link, outside, subnet, ipv6=_NO_IPV6 not in said)

    def _inside(self, client: EndpointContainer, *commands: str) -> str:
        """Change links and routes in the LAN client's network namespace."""
        return self._maker.links(
            "lan-links", Sharing(f"container:{client.id}", users=True), commands
        )

    def lead(self, wire: LanVeth, subnet: Subnet) -> None:
        """Lead the LAN client's packets for a subnet over a wire to the host."""
        commands = [f"ip route add {subnet.v4} via {wire.lan.host} dev {wire.outside}"]
        if wire.lan.host6:
            commands.append(f"ip -6 route add {subnet.v6} via {wire.lan.host6} dev {wire.outside}")
        client = self._client
        if client is not None:
            self._inside(client, *commands)

    def cut(self, link: str) -> None:
        """Remove a wire by the host's end of it; quietly nothing where it is gone already."""
        if self._client is not None:
            script = (f"ip link show dev {link} >/dev/null 2>&1 || exit 0", f"ip link del {link}")
            self._maker.links("cut", HOSTS_LINKS, script)

    def drop(self, wire: LanVeth) -> None:
        """Remove a wire and give its subnet back."""
        self.cut(wire.lan.link)
        self._subnets.give_back(wire.subnet)

    def close(self) -> None:
        """Remove the LAN client, and with it every wire."""
        with self._lock:
            self._first = None
            self._remove_client()

    def _remove_client(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            self._maker.remove_lan(client.id)


def _wire(
    client: EndpointContainer, link: str, outside: str, subnet: Subnet, *, ipv6: bool
) -> LanVeth:
    end = Endpoint(
        id=client.id,
        name=client.name,
        role=Role.LAN,
        pid=client.pid,
        address=subnet.outside,
        ipam=None,
        address6=subnet.outside6 if ipv6 else None,
        sandbox_key=client.sandbox_key,
    )
    return LanVeth(Lan(end, link, subnet.host, subnet.host6 if ipv6 else None), subnet, outside)


def _addressed(link: str, address: str, address6: str) -> tuple[str, ...]:
    """Return commands that give a link its addresses and set it up.

    Without `nodad` an IPv6 address would not be usable for a second.
    """
    return (
        f"ip addr add {address}/24 dev {link}",
        f"ip link set {link} up",
        f"ip addr add {address6}/64 dev {link} nodad || echo {_NO_IPV6}",
    )


def _done(client: EndpointContainer, wire: LanVeth) -> str:
    lan = wire.lan
    addresses = " and ".join(filter(None, (lan.host, lan.host6)))
    also = "" if lan.host6 else "; the host takes no IPv6 address"
    return (
        f"made the emulated LAN: the container {client.name}, without capabilities or a network "
        f"of its own, joined to the host by the veth pair {lan.link} ({addresses}) and "
        f"{wire.outside} ({lan.client.address}){also}. A short-lived container with "
        f"CAP_{NET_ADMIN} alone, in the host's network and pid namespaces, made the pair, another "
        "in the LAN container's network set its addresses. It is removed with the run"
    )
