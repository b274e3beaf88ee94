"""The world of one engine: a host's network namespace, the emulated LAN, ports published on it."""

import itertools
import os
import select
import subprocess
import threading
from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import dataclass, replace
from errno import EOPNOTSUPP
from functools import partial
from itertools import product
from typing import Any, Final, Literal

from netbench.engines.base import Endpoint, Lan, Published
from netbench.engines.local_process import find_program
from netbench.engines.netns import netkit, wiring
from netbench.engines.netns.conntrack import forget_datagrams
from netbench.engines.netns.firewall import Firewall
from netbench.engines.netns.rules import LAN_LINK, Forward, forward_rules
from netbench.engines.netns.spawner import Spawner
from netbench.engines.subnets import Addresses, LanVeth, NumberPool, Subnet, SubnetPair, SubnetPool
from netbench.errors import EngineError, Unsupported
from netbench.spec import HOST_PORTS, Family, FirewallRules, Port, Role

_FAR: Final = "lan"  # start of the name of the client's end of every link from the world to the LAN
LAN_END: Final = f"{_FAR}0"  # the one that is routed
_SOME_ADDRESS6: Final = "2001:2:0:ffff::1"
_FORWARDED: Final = "the world forwards to it and from it by the engine's firewall rules"
_PROXY: Final = "docker-proxy"
_FOLDERS: Final = ("/usr/bin", "/usr/sbin", "/usr/libexec/docker", "/usr/lib/docker")
"""Where distributions keep it; few of these are on everybody's PATH."""
_WITHIN: Final = 5.0  # seconds a proxy may take to listen
_REPORT_ON_OUTPUT: Final = ("sh", "-c", 'exec "$0" "$@" 3>&1')
"""docker-proxy writes to file descriptor 3 whether it listens: `0`, or `1` and why not."""


class World:
    """A host's namespace with all that is made in and around it, until `spawner` closes."""

    def __init__(
        self,
        run: str,
        *,
        keep: bool = False,
        beside: "World | None" = None,
        rules: FirewallRules | None = None,
    ) -> None:
        """Make the namespace, or raise EngineError; with `keep` all may outlive netbench.

        One `beside` another ends with that one's spawner, and has the firewall rules `rules`.
        """
        self.run = run
        self.rules = rules
        self.spawner: Spawner = beside.spawner if beside else Spawner(run, keep=keep)
        self.taken_subnets: set[Subnet] = set()  # which others number from
        self.subnets = SubnetPool(lambda: self.taken_subnets)
        self.ports = NumberPool(HOST_PORTS, "ports of the host's")
        self.vxlans = NumberPool(range(2, 1 << 12), "VXLAN identifiers")
        # Each for the name of one link; a network is known by its bridge's.
        self.numbers: itertools.count[int] = beside.numbers if beside else itertools.count(1)
        self._lock = threading.RLock()
        self._lacking: dict[tuple[str | int, ...], str | None] = {}  # by kind and settings
        self._client: int | None = None
        self._first_wire: LanVeth | None = None
        self._wire_numbers = itertools.count(1)
        self._forwards = False
        try:
            self.pid = self.spawner.hold()
            wiring.make_ready(self.pid, wiring.BARE if rules == "none" else wiring.HOST)
            self.firewall = Firewall(self.pid, self.spawner.command, rules)
            has_rules = self.firewall.lacking is None
            if has_rules:
                wiring.forward(self.pid, Family.V4)
            # Whether the firewall's rules decide what passes within a bridge.
            self.filters_bridges = has_rules and wiring.passes_firewall(self.pid)
            self.no_ipv6 = _lacks_ipv6(self.pid)  # why; None if the kernel has IPv6
        except BaseException:
            if beside is None:
                self.spawner.close()
            raise

    @property
    def host(self) -> Endpoint:
        """The host's namespace."""
        return Endpoint("world", "world", Role.HOST, self.pid, None, None)

    def lacks_rules(self) -> str | None:
        """Return why the rules asked for are not in the traffic's way; None if they are."""
        if self.rules in (None, "none"):
            return None
        if self.firewall.lacking is not None:
            return f"rules={self.rules}: {self.firewall.lacking}"
        if not self.filters_bridges:
            return f"rules={self.rules}: bridged frames pass no rules here (modprobe br_netfilter)"
        return None

    def lacks(self, kind: str, **settings: str | int) -> str | None:
        """Return why the kernel makes no such links, or None if it does; found by trying, once."""
        key = (kind, *settings.values())
        with self._lock:
            if key not in self._lacking:
                self._lacking[key] = _try(self.pid, f"nbt{next(self.numbers)}", kind, settings)
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

    def wire(self, undo: ExitStack, *, ipv6: bool, mtu: int | None) -> LanVeth:
        """Make one more veth pair to the LAN's client, without routes; errors as `lan`."""
        return self._connect(next(self._wire_numbers), undo, ipv6=ipv6, mtu=mtu)

    def _connect(self, number: int, undo: ExitStack, *, ipv6: bool, mtu: int | None) -> LanVeth:
        client = self.outside()
        subnets = self.subnets.take(undo, ipv6=ipv6)
        near, far = f"{LAN_LINK}{number}", f"{_FAR}{number}"
        inner, outer = subnets.gateway, subnets.outside
        undo.callback(wiring.delete_link, self.pid, near)
        wiring.add_pair((self.pid, near), (client, far), mtu=mtu, own=inner)
        wiring.bring_up(client, far, outer, None)
        end = Endpoint("lan", "lan", Role.LAN, client, outer.v4, None, address6=outer.v6)
        done = f"emulated LAN: a namespace with the outside client and the veth pair {near}-{far}"
        return LanVeth(Lan(end, near, inner.v4, inner.v6, done), subnets, far)


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
        needs = netkit.NEEDED if kind == netkit.KIND else f"modprobe {kind}"
        return f"the kernel has no {kind} ({needs}): {os.strerror(EOPNOTSUPP)}"
    except EngineError as exc:
        return exc.message
    finally:
        wiring.delete_link(pid, child)
        wiring.delete_link(pid, parent)
    return None


@dataclass(frozen=True, slots=True)
class Publication:
    """Ports of an endpoint's own to publish at the host's addresses on the LAN."""

    ports: tuple[Port, ...] = ()
    served: Literal["proxy", "nat"] | None = None  # how they must be served; None for DNAT

    def at(self, numbers: NumberPool, undo: ExitStack) -> tuple[Published, ...]:
        """Return the ports with their numbers at the host; `undo` gives those back."""
        return tuple(
            Published(port, port.number if port.fixed else numbers.take(undo))
            for port in self.ports
        )


def unpublished(firewall: Firewall, served: Literal["proxy", "nat"] | None) -> str | None:
    """Return why ports cannot be published in this way, or None if they can."""
    return proxy_unavailable() if served == "proxy" else firewall.lacking


def proxy_unavailable() -> str | None:
    """Return why there can be no proxies, or None if there can."""
    found = find_program(_PROXY, *_FOLDERS)
    return None if found else f"published=proxy needs {_PROXY} (package docker.io)"


def publish(
    world: World, own: Addresses, within: SubnetPair, publication: Publication, undo: ExitStack
) -> tuple[Published, ...]:
    """Publish ports of the endpoint with addresses `own` over TCP and UDP; errors as `attach`."""
    if not publication.ports:
        return ()
    lan = world.lan()
    lacking = unpublished(world.firewall, publication.served)
    if lacking:
        raise Unsupported(lacking)
    host = Addresses(lan.host, lan.host6)
    published = publication.at(world.ports, undo)
    forwards = [Forward(host, one.host_port, own, one.port.number, within) for one in published]
    if publication.served == "proxy":
        _start_proxies(world, forwards, undo)
    else:
        name = f"ports {own.v4}"
        undo.callback(world.firewall.drop, name)
        rules = {x: [rule for one in forwards for rule in forward_rules(one, x)] for x in Family}
        world.firewall.add(name, rules)
        fixed = [one.port for one in published if one.port.fixed and "udp" in one.port.protocols]
        forget_datagrams(world.pid, [port.number for port in fixed])
    return published


def _start_proxies(world: World, forwards: Iterable[Forward], undo: ExitStack) -> None:
    """Start a proxy for each port, protocol and family; EngineError if one does not listen."""
    program = find_program(_PROXY, *_FOLDERS) or _PROXY
    started = []
    for one, family, protocol in product(forwards, Family, ("tcp", "udp")):
        host, address = one.host.of(family), one.to.of(family)
        if host and address:
            argv = (
                *("-proto", protocol, "-host-ip", host, "-host-port", str(one.host_port)),
                *("-container-ip", address, "-container-port", str(one.port)),
            )
            process = world.spawner.program(world.pid, (*_REPORT_ON_OUTPUT, program, *argv))
            undo.callback(world.spawner.end, process)
            started.append(process)
    for process in started:
        _await_listening(process)


def _await_listening(process: subprocess.Popen[str]) -> None:
    said, output = "", process.stdout
    if output is not None:
        answered, _, _ = select.select([output], [], [], _WITHIN)
        said = output.readline().strip() if answered else "no answer"
        if said == "0":
            return
        said = output.readline().strip() if said == "1" else said
    raise EngineError(f"{_PROXY} does not serve the port: {said or 'it ended'}")
