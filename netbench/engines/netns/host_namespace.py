"""What the kinds of network of one engine share: the host's namespace, numbers, LAN and ports."""

import itertools
import threading
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

from netbench.engines.base import Lan, Published
from netbench.engines.netns import wiring
from netbench.engines.netns.allocator import Addresses, SubnetPair, SubnetPool
from netbench.engines.netns.firewall import Firewall
from netbench.engines.netns.groups import Groups
from netbench.engines.netns.holder import Holder, NamespaceProcess
from netbench.engines.netns.kinds import Publication
from netbench.engines.netns.lan import LanSide, NetnsLanVeth
from netbench.engines.netns.port_publishing import Publisher
from netbench.engines.netns.settings import HOST
from netbench.engines.netns.spawner import Spawner
from netbench.errors import EngineError
from netbench.record import Completed

_NOTHING: Final[Mapping[str, str]] = MappingProxyType({})
_SOME_ADDRESS6: Final = "2001:2:0:ffff::1"


class World:
    """The network namespace of a host, with what was made in it and around it."""

    def __init__(self, run: str, owner: str) -> None:
        """Make the namespace.

        Raises:
            EngineError: the kernel refuses namespaces to this user.
        """
        self.run = run
        self.owner = owner
        self.spawner = Spawner(run, owner)
        self._groups = Groups(run, owner)
        self.subnets = SubnetPool()
        self._numbers = itertools.count(1)
        self._lock = threading.Lock()
        self._holders: dict[int, Holder] = {}
        self._no_ipv6: str | None = None
        self._ipv6_tried = False
        try:
            self.pid = self.hold().pid
            wiring.make_ready(self.pid, HOST)
            self.firewall = Firewall(self.pid, self._fed)
            if self.firewall.unavailable() is None:
                wiring.forward(self.pid, ipv6=False)
            self.filters_bridges = self.firewall.unavailable() is None and wiring.passes_firewall(
                self.pid
            )
            """Whether the firewall's rules decide what passes within a bridge."""
        except BaseException:
            self._end_processes()
            raise
        self._lan = LanSide(
            self.pid,
            self.hold,
            self.subnets,
            self.firewall,
            ipv6=lambda: self.no_ipv6 is None,
        )
        self._publisher = Publisher(
            self.lan, self.firewall, lambda argv: self.spawner.program(self.pid, argv)
        )

    @property
    def no_ipv6(self) -> str | None:
        """Why the kernel has no IPv6, None where it has; found by trying, once."""
        with self._lock:
            if not self._ipv6_tried:
                self._no_ipv6 = _try_ipv6(self.pid)
                self._ipv6_tried = True
            return self._no_ipv6

    def number(self) -> int:
        """Return a number that no other name of a link has in it."""
        return next(self._numbers)

    def hold(self, network_of: int | None = None) -> Holder:
        """Make namespaces that end with the world at the latest, net being that of `network_of`.

        Raises:
            EngineError: the kernel refused.
        """
        holder = self.spawner.hold(network_of)
        self._groups.make(holder.pid)
        with self._lock:
            self._holders[holder.pid] = holder
        return holder

    def release(self, holder: Holder) -> None:
        """End a holder with everything in it."""
        with self._lock:
            self._holders.pop(holder.pid, None)
        holder.close()
        self._groups.remove(holder.pid)

    def tool(self, holder: int, argv: tuple[str, ...], cpu: int | None) -> NamespaceProcess:
        """Start a tool in all namespaces of a holder, and in its cgroup where it has one."""
        return self.spawner.tool(holder, argv, cpu, self._groups.of(holder))

    def command(
        self,
        argv: tuple[str, ...],
        *,
        stdin: str = "",
        environment: Mapping[str, str] = _NOTHING,
        timeout: float = 10.0,
    ) -> Completed:
        """Run a program of the host's in the world's network namespace to its end.

        Mounts and process numbers are ours, so a path like /proc/PID/ns/net means to it what it
        means to us. `environment` adds to ours. A program that is missing ends with code 127, one
        that takes longer than `timeout` seconds is killed.
        """
        return self.spawner.command(
            self.pid, argv, stdin=stdin, environment=environment, timeout=timeout
        )

    def _fed(self, place: int, argv: tuple[str, ...], text: str) -> Completed:
        return self.spawner.command(place, argv, stdin=text)

    def lan_link(self) -> Lan:
        """Return the emulated LAN for whoever needs no more than the link to it; errors as `lan`.

        Nothing is forwarded to it or from it before somebody asks for `lan`.
        """
        return self._lan.link()

    def lan(self) -> Lan:
        """Return the emulated LAN, with the world forwarding to it; made at the first call.

        Raises:
            EngineError: it cannot be made.
        """
        return self._lan.lan()

    def outside(self) -> int:
        """Return the process that holds the namespace of the LAN's client; errors as `lan`."""
        return self._lan.client()

    @property
    def lan_end(self) -> str:
        """Name of the LAN client's end of the veth pair that `lan_link` made."""
        return self._lan.far

    def wire(self, *, ipv6: bool, mtu: int | None) -> NetnsLanVeth:
        """Return one more veth pair to the LAN's client, with subnets of its own; errors as `lan`.

        The world's end is for being a parent: .1 is the world's address, .254 the client's.
        """
        return self._lan.wire(ipv6=ipv6, mtu=mtu)

    def unwire(self, wire: NetnsLanVeth) -> None:
        """Undo `wire`."""
        self._lan.remove(wire)

    def publish(
        self, name: str, to: Addresses, within: SubnetPair, publication: Publication
    ) -> tuple[Published, ...]:
        """Publish an endpoint's ports at the host's addresses on the LAN, until `withdraw`.

        Args:
            name: of the endpoint.
            to: its addresses.
            within: the subnets of its network.
            publication: what is wanted.

        Raises:
            EngineError: something refused; `Unsupported` where the means are missing.
        """
        return self._publisher.publish(name, to, within, publication)

    def withdraw(self, name: str) -> None:
        """Undo `publish`; nothing where nothing was published."""
        self._publisher.withdraw(name)

    def take_host_port(self) -> int:
        """Return a port of the host's that nothing else is published at."""
        return self._publisher.numbers.take()

    def give_back_host_port(self, number: int) -> None:
        """Return it."""
        self._publisher.numbers.give_back(number)

    def allow(self, network: str, *subnets: str) -> None:
        """Let the LAN and all others reach subnets of a network, until `disallow`.

        Without it the world forwards from outside what it translated, and answers, alone.
        """
        self.firewall.allow(network, subnets)

    def disallow(self, network: str) -> None:
        """Undo `allow`; nothing where nothing was allowed."""
        self.firewall.disallow(network)

    def close(self) -> None:
        """End every process, and with them all namespaces and links."""
        self._publisher.close()
        self._end_processes()

    def _end_processes(self) -> None:
        with self._lock:
            holders = list(self._holders.values())
            self._holders.clear()
        for holder in reversed(holders):
            holder.close()
        self.spawner.close()
        self._groups.close()


def _try_ipv6(pid: int) -> str | None:
    def work(route: Any) -> None:
        address = {"index": wiring.index_of(route, "lo"), "address": _SOME_ADDRESS6}
        route.addr("add", **address, prefixlen=128)
        route.addr("del", **address, prefixlen=128)

    try:
        wiring.netlink(pid, "the kernel has no IPv6 (modprobe ipv6)", work)
    except EngineError as exc:
        return exc.message
    return None
