"""The emulated LAN: a namespace with the outside client, and veth pairs from the world to it."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from netbench.engines.base import Endpoint, Lan
from netbench.engines.netns import wiring
from netbench.engines.netns.allocator import SubnetPair, SubnetPool
from netbench.engines.netns.firewall import Firewall
from netbench.engines.netns.holder import Holder
from netbench.engines.netns.rules import LAN_LINK
from netbench.engines.netns.settings import SWITCH
from netbench.spec import Role

_FAR: Final = "lan"
"""Start of the name of the client's end of a wire."""

_FORWARDED: Final = "the world forwards to it and from it by the engine's firewall rules"


@dataclass(frozen=True, slots=True)
class NetnsLanVeth:
    """A veth pair from the world to the LAN's client: .1 is the world's, .254 the client's."""

    lan: Lan
    subnets: SubnetPair
    far: str
    """Name of the client's end."""


class LanSide:
    """The LAN of one world, made as far as it is asked for."""

    def __init__(
        self,
        world: int,
        hold: Callable[[], Holder],
        subnets: SubnetPool,
        firewall: Firewall,
        *,
        ipv6: Callable[[], bool],
    ) -> None:
        """Take what it is made with.

        Args:
            world: process that holds the world's namespace.
            hold: makes one more namespace.
            subnets: of the world.
            firewall: of the world, opened with the LAN.
            ipv6: tells whether the kernel has IPv6.
        """
        self._world = world
        self._hold = hold
        self._subnets = subnets
        self._firewall = firewall
        self._ipv6 = ipv6
        self._lock = threading.RLock()
        self._client: Holder | None = None
        self._first: NetnsLanVeth | None = None
        self._wires = 0
        self._forwards = False

    def client(self) -> int:
        """Return the process that holds the client's namespace."""
        with self._lock:
            if self._client is None:
                holder = self._hold()
                wiring.make_ready(holder.pid, SWITCH)
                self._client = holder
            return self._client.pid

    def link(self) -> Lan:
        """Return the LAN as a link with routes over it, on which nothing is forwarded yet."""
        with self._lock:
            if self._first is None:
                wire = self._connect(0, ipv6=self._ipv6(), mtu=None)
                try:
                    self._route(wire)
                except BaseException:
                    self.remove(wire)
                    raise
                self._first = wire
            return self._first.lan

    def lan(self) -> Lan:
        """Return the LAN, with the world forwarding to it and from it; made once."""
        with self._lock:
            linked = self.link()
            if self._firewall.unavailable() is not None:
                return linked
            if not self._forwards:
                wiring.forward(self._world, ipv6=True)
                if self._ipv6():
                    self._firewall.open_ipv6()
                self._forwards = True
            return replace(linked, done=f"{linked.done}; {_FORWARDED}")

    @property
    def far(self) -> str:
        """Name of the client's end of the veth pair that is routed."""
        return f"{_FAR}0"

    def wire(self, *, ipv6: bool, mtu: int | None) -> NetnsLanVeth:
        """Return one more wire, on which nothing is routed."""
        with self._lock:
            self._wires += 1
            number = self._wires
        return self._connect(number, ipv6=ipv6, mtu=mtu)

    def remove(self, wire: NetnsLanVeth) -> None:
        """Remove a wire; nothing where it is gone."""
        wiring.delete_link(self._world, wire.lan.link)
        self._subnets.give_back(wire.subnets)

    def _connect(self, number: int, *, ipv6: bool, mtu: int | None) -> NetnsLanVeth:
        client = self.client()
        subnets = self._subnets.take(ipv6=ipv6)
        near, far = f"{LAN_LINK}{number}", f"{_FAR}{number}"
        try:
            wiring.add_wire((self._world, near), (client, far), subnets, mtu=mtu)
        except BaseException:
            wiring.delete_link(self._world, near)
            self._subnets.give_back(subnets)
            raise
        inner, outer = subnets.gateway, subnets.outside
        end = Endpoint("lan", "lan", Role.LAN, client, outer.v4, None, address6=outer.v6)
        done = f"emulated LAN: a namespace with the outside client and the veth pair {near}-{far}"
        return NetnsLanVeth(Lan(end, near, inner.v4, inner.v6, done), subnets, far)

    def _route(self, wire: NetnsLanVeth) -> None:
        inner, outer = wire.subnets.gateway, wire.subnets.outside
        wiring.netlink(self.client(), "route the LAN", lambda r: wiring.add_default(r, inner))
        wiring.netlink(self._world, "route to the LAN", lambda r: wiring.add_default(r, outer))
