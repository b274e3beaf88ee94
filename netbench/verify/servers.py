"""Echo servers in every place of a reach matrix: started, seen to listen, ended."""

import re
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from ipaddress import ip_address
from typing import Final

from netbench.drivers import ReachPlace
from netbench.engines.base import Endpoint, Engine, Process
from netbench.errors import ENGINE_FAILURES, EngineError, EngineUnavailable
from netbench.facts.procfs import LISTEN, tcp_ports
from netbench.system.interrupts import Pool, deferred_signals
from netbench.verify.connects import PROTOCOLS, Protocol
from netbench.verify.places import SOURCES, ReachScene

_WITHIN: Final = 20.0
"""Seconds in which every server must listen, and every IPv6 address have passed its check."""
_POLL: Final = 0.02
_LIMIT: Final = 300.0
"""Seconds after which a server ends even if nobody ends it."""
_IDLE: Final = 10
"""Seconds after which the server's share of a connection ends."""
_SOCKETS: Final = ("tcp", "tcp6", "udp", "udp6")
_STATE: Final = 3
"""Column of a socket's state."""
_TENTATIVE: Final = 0x40
"""IFA_F_TENTATIVE: duplicate address detection still runs, RFC 4862 §5.4."""
_WORKERS: Final = 4


@dataclass(frozen=True, slots=True)
class Socket:
    """A socket that an echo server listens on."""

    protocol: Protocol
    port: int
    bind: str | None
    """The one address it listens on, None for all."""
    dual: bool = False
    """Whether, without `bind`, it serves IPv6 beside IPv4."""

    @property
    def six(self) -> bool:
        """Whether it is a socket of IPv6, if perhaps for IPv4 as well."""
        return self.dual or (self.bind is not None and ":" in self.bind)

    @property
    def table(self) -> str:
        """Return the file under /proc/net that lists it."""
        return f"{self.protocol}6" if self.six else self.protocol

    @property
    def argv(self) -> tuple[str, ...]:
        """Return the server's command."""
        kind = "LISTEN" if self.protocol == "tcp" else "RECVFROM"
        options = ["fork"]
        if self.protocol == "tcp":
            options.append("reuseaddr")
        if self.bind is not None:
            options.append(f"bind=[{self.bind}]" if self.six else f"bind={self.bind}")
        elif self.six:
            options.append("ipv6-v6only=0")
        listen = f"{self.protocol.upper()}{6 if self.six else 4}-{kind}:{self.port}"
        return ("socat", f"-T{_IDLE}", ",".join([listen, *options]), "PIPE")


def sockets(scene: ReachScene, place: ReachPlace) -> tuple[Socket, ...]:
    """Return what must listen in a place.

    A container of its own listens on every address: what is published arrives at others than
    the one that peers use. The host and the LAN client have addresses that are none of our
    business, and answer UDP from the one that the client is nearest to, so there each server has
    the one address that it is called by.
    """
    addresses, numbers = scene.listens(place), _numbers(scene, place)
    binds: Sequence[str | None] = (None,)
    if place is ReachPlace.LAN or scene.in_host(place):
        binds = sorted(addresses)
    dual = binds == (None,) and any(":" in address for address in addresses)
    return tuple(
        Socket(protocol, number, bind, dual=dual)
        for number in numbers
        for protocol in PROTOCOLS
        for bind in binds
    )


def _numbers(scene: ReachScene, place: ReachPlace) -> tuple[int, ...]:
    """Return the ports that are served in a place."""
    also = (ReachPlace.PUBLISHED,) if place is ReachPlace.PAIR else ()
    return tuple(scene.ports[one] for one in (place, *also) if one in scene.ports)


def check_tools(engine: Engine) -> None:
    """See that endpoints have what the matrix is measured with.

    Raises:
        EngineUnavailable: they have not; the hint installs it.
    """
    for argv in (("socat", "-V"), ("sh", "-c", ":")):
        with suppress(*ENGINE_FAILURES):
            if engine.run(engine.host(), argv, timeout=30).exit_code == 0:
                continue
        raise EngineUnavailable(
            f"{argv[0]} does not run in endpoints, and connects are made with it",
            hint="apt-get install socat, or an image that has socat and sh",
        )


@contextmanager
def echo_servers(engine: Engine, scene: ReachScene) -> Iterator[None]:
    """Have echo servers listen in every place; ended when the context is left.

    Raises:
        EngineError: one of them does not come up; the message carries what it said.
    """
    places = [place for place in SOURCES if scene.endpoint(place) is not None]
    started: list[tuple[Socket, Process]] = []
    with ExitStack() as stack:
        stack.callback(_end, started)
        for place in places:
            # A server cannot have an address that is still checked for duplicates.
            _until(partial(_unsure, engine, scene, place))
        with Pool(max_workers=_WORKERS) as pool:
            list(pool.map(partial(_start, engine, scene, started), places))
        for place in places:
            _until(partial(_missing, engine, scene, place, started))
        yield


def _start(
    engine: Engine, scene: ReachScene, started: list[tuple[Socket, Process]], place: ReachPlace
) -> None:
    endpoint = scene.endpoint(place)
    if endpoint is None:
        return
    for socket in sockets(scene, place):
        process = engine.start(endpoint, socket.argv, cpu=None, limit=_LIMIT)
        started.append((socket, process))


def _end(started: Sequence[tuple[Socket, Process]]) -> None:
    with deferred_signals(), Pool(max_workers=_WORKERS) as pool:
        list(pool.map(lambda one: _kill(one[1]), started))


def _kill(process: Process) -> None:
    with suppress(*ENGINE_FAILURES):
        process.signal("KILL")
        process.wait(2.0)


def _until(problem: Callable[[], str | None]) -> None:
    """Wait until there is no problem any more.

    Raises:
        EngineError: there still is one.
    """
    deadline = time.monotonic() + _WITHIN
    while found := problem():
        if time.monotonic() > deadline:
            raise EngineError(f"{found} after {_WITHIN:.0f} s")
        time.sleep(_POLL)


def _unsure(engine: Engine, scene: ReachScene, place: ReachPlace) -> str | None:
    """Return what is wrong with the addresses of a place."""
    found = tentative(_net_files(engine, scene, place).get("if_inet6", ""), scene.listens(place))
    return f"the address {found[0]} of the {place} is still tentative" if found else None


def _missing(
    engine: Engine, scene: ReachScene, place: ReachPlace, started: list[tuple[Socket, Process]]
) -> str | None:
    """Return which servers of a place do not listen yet.

    Raises:
        EngineError: one has ended by itself.
    """
    wanted = Counter((socket.table, socket.port) for socket in sockets(scene, place))
    texts = _net_files(engine, scene, place)
    for (table, port), number in wanted.items():
        if listeners(texts.get(table, ""), port, tcp=table.startswith("tcp")) < number:
            _see_them_run(place, port, started)
            return f"no echo server listens in the {place} on {table} port {port}"
    return None


def _see_them_run(place: ReachPlace, port: int, started: list[tuple[Socket, Process]]) -> None:
    for one in started:
        socket, process = one
        if socket.port == port and not process.alive():
            started.remove(one)  # it is waited for here, and may be once
            said = process.wait(1.0).stderr.strip()
            raise EngineError(f"{' '.join(socket.argv)} in the {place}: {said[:300]}")


def listeners(text: str, port: int, *, tcp: bool) -> int:
    """Count the sockets that listen on a port, from the text of /proc/net/tcp, udp and the like."""
    rows = (line.split() for line in text.splitlines()[1:])
    return sum(
        row[1].rpartition(":")[2] == f"{port:04X}" and (not tcp or row[_STATE] == LISTEN)
        for row in rows
    )


def ports_in_host(engine: Engine) -> frozenset[int]:
    """Return every local TCP and UDP port of the host's namespace that is in use."""
    texts = _read(engine, engine.host())
    return frozenset().union(*(tcp_ports(texts.get(name, "")) for name in _SOCKETS))


def tentative(text: str, addresses: Iterable[str]) -> list[str]:
    """Return which of the addresses are tentative, from the text of /proc/net/if_inet6."""
    flags = {}
    for line in text.splitlines():
        fields = line.split()
        flags[fields[0]] = int(fields[4], 16)
    return [
        address
        for address in addresses
        if flags.get(ip_address(address).packed.hex(), 0) & _TENTATIVE
    ]


def _net_files(engine: Engine, scene: ReachScene, place: ReachPlace) -> Mapping[str, str]:
    """Return a place's lists of sockets and of IPv6 addresses, those that are there."""
    endpoint = scene.endpoint(place)
    return _read(engine, endpoint) if endpoint else {}


def _read(engine: Engine, endpoint: Endpoint) -> Mapping[str, str]:
    names = (*_SOCKETS, "if_inet6")
    near = {f"/proc/{endpoint.pid}/net/{name}": name for name in names}
    there = engine.files.read(*near)
    if there:
        return {near[path]: content.decode(errors="replace") for path, content in there.items()}
    argv = ("head", "-v", "-n", "100000", *(f"/proc/net/{name}" for name in names))
    text = engine.run(endpoint, argv, timeout=10).stdout
    parts = re.split(r"^==> /proc/net/(\w+) <==$\n", text, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))
