"""The world of one engine: a host's network namespace, and the emulated LAN outside of it."""

import itertools
import os
import threading
from contextlib import ExitStack
from dataclasses import dataclass, replace
from errno import EOPNOTSUPP
from functools import partial
from typing import Any, Final

from netbench.engines.base import Endpoint, Lan
from netbench.engines.netns import wiring
from netbench.engines.netns.firewall import Firewall
from netbench.engines.netns.rules import LAN_LINK
from netbench.engines.netns.spawner import Spawner
from netbench.engines.subnets import NumberPool, Subnet, SubnetPair, SubnetPool
from netbench.errors import EngineError, Unsupported
from netbench.spec import HOST_PORTS, Family, Role

_FAR: Final = "lan"  # start of the name of the client's end of every link from the world to the LAN
LAN_END: Final = f"{_FAR}0"  # the one that is routed
_SOME_ADDRESS6: Final = "2001:2:0:ffff::1"
_FORWARDED: Final = "the world forwards to it and from it by the engine's firewall rules"


@dataclass(frozen=True, slots=True)
class NetnsLanVeth:
    """A veth pair from the world to the LAN's client: .1 is the world's, .254 the client's."""

    lan: Lan
    subnets: SubnetPair


class World:
    """A host's namespace with what was made in it and around it; all ends when `spawner` closes.

    What networks and endpoints make in it they undo by an `ExitStack` of their own.
    """

    def __init__(self, run: str, *, keep: bool = False) -> None:
        """Make the namespace, or raise EngineError; with `keep` all may outlive netbench."""
        self.run = run
        self.spawner = Spawner(run, keep=keep)
        self.taken_subnets: set[Subnet] = set()  # which others number from
        self.subnets = SubnetPool(lambda: self.taken_subnets)
        self.ports = NumberPool(HOST_PORTS, "ports of the host's")
        self.vxlans = NumberPool(range(2, 1 << 12), "VXLAN identifiers")
        self._numbers = itertools.count(1)
        self._lock = threading.RLock()
        self._lacking: dict[tuple[str | int, ...], str | None] = {}  # by kind and settings
        self._client: int | None = None
        self._first_wire: NetnsLanVeth | None = None
        self._wire_numbers = itertools.count(1)
        self._forwards = False
        try:
            self.pid = self.spawner.hold()
            wiring.make_ready(self.pid, wiring.HOST)
            self.firewall = Firewall(self.pid, self.spawner.command)
            has_rules = self.firewall.lacking is None
            if has_rules:
                wiring.forward(self.pid, Family.V4)
            # Whether the firewall's rules decide what passes within a bridge.
            self.filters_bridges = has_rules and wiring.passes_firewall(self.pid)
            self.no_ipv6 = _lacks_ipv6(self.pid)  # why; None if the kernel has IPv6
        except BaseException:
            self.spawner.close()
            raise

    def number(self) -> int:
        """Return a number that no other name of a link has in it."""
        return next(self._numbers)

    def lacks(self, kind: str, **settings: str | int) -> str | None:
        """Return why the kernel makes no such links, or None if it does; found by trying, once.

        `settings` are in the words of pyroute2. EngineError if what was tried cannot be removed.
        """
        key = (kind, *settings.values())
        with self._lock:
            if key not in self._lacking:
                self._lacking[key] = _try(self.pid, f"nbt{self.number()}", kind, settings)
            return self._lacking[key]

    def outside(self) -> int:
        """Return the process that holds the namespace of the LAN's client; errors as `lan`."""
        with self._lock:
            if self._client is None:
                client = self.spawner.hold()
                wiring.make_ready(client, wiring.SWITCH)
                self._client = client
            return self._client

    def lan_link(self) -> Lan:
        """Return the LAN as a link with routes over it, before anything is forwarded."""
        with self._lock:
            if self._first_wire is None:
                with ExitStack() as undo:
                    wire = self._connect(0, undo, ipv6=self.no_ipv6 is None, mtu=None)
                    inner, outer = wire.subnets.gateway, wire.subnets.outside
                    for pid, gateway in ((self.outside(), inner), (self.pid, outer)):
                        add_routes = partial(wiring.add_routes, gateway=gateway)
                        wiring.netlink(pid, "route the LAN", add_routes)
                    undo.pop_all()
                self._first_wire = wire
            return self._first_wire.lan

    def lan(self) -> Lan:
        """Return the LAN, with the world forwarding to it and from it; EngineError if refused."""
        with self._lock:
            linked = self.lan_link()
            if self.firewall.lacking is not None:
                return linked
            if not self._forwards:
                wiring.forward(self.pid, *Family)
                if self.no_ipv6 is None:
                    self.firewall.open_ipv6()
                self._forwards = True
            return replace(linked, done=f"{linked.done}; {_FORWARDED}")

    def wire(self, undo: ExitStack, *, ipv6: bool, mtu: int | None) -> NetnsLanVeth:
        """Make one more veth pair to the LAN's client, with subnets of its own; errors as `lan`.

        The world's end is for being a parent; nothing is routed over it.
        """
        return self._connect(next(self._wire_numbers), undo, ipv6=ipv6, mtu=mtu)

    def _connect(
        self, number: int, undo: ExitStack, *, ipv6: bool, mtu: int | None
    ) -> NetnsLanVeth:
        client = self.outside()
        subnets = self.subnets.take(undo, ipv6=ipv6)
        near, far = f"{LAN_LINK}{number}", f"{_FAR}{number}"
        inner, outer = subnets.gateway, subnets.outside
        undo.callback(wiring.delete_link, self.pid, near)
        wiring.add_veth((self.pid, near), (client, far), mtu=mtu, own=inner)
        wiring.bring_up(client, far, outer, None)
        end = Endpoint("lan", "lan", Role.LAN, client, outer.v4, None, address6=outer.v6)
        done = f"emulated LAN: a namespace with the outside client and the veth pair {near}-{far}"
        return NetnsLanVeth(Lan(end, near, inner.v4, inner.v6, done), subnets)


def _lacks_ipv6(pid: int) -> str | None:
    def work(route: Any) -> None:
        for command in ("add", "del"):
            wiring.change_address(route, command, wiring.LOOPBACK, _SOME_ADDRESS6, 128)

    try:
        wiring.netlink(pid, "the kernel has no IPv6 (modprobe ipv6)", work)
    except EngineError as exc:
        return exc.message
    return None


def _try(pid: int, name: str, kind: str, settings: dict[str, str | int]) -> str | None:
    parent, child = f"{name}p", f"{name}c"

    def work(route: Any) -> None:
        route.link("add", ifname=parent, kind="veth", peer={"ifname": f"{name}q"})
        beneath = wiring.index_of(route, parent)
        route.link("add", ifname=child, kind=kind, link=beneath, **settings)

    try:
        wiring.netlink(pid, f"try a link of kind {kind}", work)
    except Unsupported:
        return f"the kernel has no {kind} (modprobe {kind}): {os.strerror(EOPNOTSUPP)}"
    except EngineError as exc:
        return exc.message
    finally:
        wiring.delete_link(pid, child)
        wiring.delete_link(pid, parent)
    return None
