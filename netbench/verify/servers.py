"""Echo servers in every place of a reach matrix: started, seen to listen, ended."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from ipaddress import ip_address
from typing import Final

from netbench.drivers import ReachPlace
from netbench.engines.base import Engine, Process
from netbench.engines.local_process import attempts
from netbench.errors import ENGINE_FAILURES, EngineError, EngineUnavailable
from netbench.facts.base import ports_in_use
from netbench.facts.procfs import LISTEN
from netbench.spec import Protocol
from netbench.system.interrupts import Pool, deferred_signals
from netbench.topology.paths import namespaces_of
from netbench.verify.places import PROTOCOLS, SOURCES, ReachScene

_WITHIN: Final = 20.0  # seconds until all listen, and no IPv6 address is tentative
_POLL: Final = 0.02
_LIMIT: Final = 300.0  # seconds after which a server ends by itself
_IDLE: Final = 40
"""Seconds that a server gives to what answers, also after all has come from the client: by itself
socat gives 0.5 s, in which a busy machine starts no shell."""
_ECHO: Final = r"EXEC:sh -c \"set -f; read word; echo $word $SOCAT_PEERADDR\""
"""What answers a connect: its word, and the client's address as the server sees it."""
_SOCKETS: Final = ("tcp", "tcp6", "udp", "udp6")
_STATE: Final = 3  # column of a socket's state
_TENTATIVE: Final = 0x40  # IFA_F_TENTATIVE: duplicate address detection still runs, RFC 4862 §5.4
_WORKERS: Final = 4


@dataclass(frozen=True, slots=True)
class Socket:
    """A socket that an echo server listens on."""

    protocol: Protocol
    port: int
    bind: str | None  # the one address it listens on, None for all
    dual: bool = False  # whether, without `bind`, it serves IPv6 beside IPv4

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
        tcp = self.protocol == "tcp"
        kind, options = ("LISTEN", ["fork", "reuseaddr"]) if tcp else ("RECVFROM", ["fork"])
        if self.bind is not None:
            options.append(f"bind=[{self.bind}]" if self.six else f"bind={self.bind}")
        elif self.six:
            options.append("ipv6-v6only=0")
        listen = f"{self.protocol.upper()}{6 if self.six else 4}-{kind}:{self.port}"
        return ("socat", f"-t{_IDLE}", f"-T{_IDLE}", ",".join([listen, *options]), _ECHO)


def sockets(places: ReachScene, place: ReachPlace) -> tuple[Socket, ...]:
    """Return what must listen in a place.

    A container listens on every address: what is published arrives at another one. The host and
    the LAN client would answer UDP from the nearest address, so each server there has one alone.
    """
    addresses = places.listens(place)
    alone = place is ReachPlace.LAN or places.in_host(place)
    binds: list[str | None] = [*sorted(addresses)] if alone else [None]
    dual = binds == [None] and any(":" in address for address in addresses)
    served = (place, ReachPlace.PUBLISHED) if place is ReachPlace.PAIR else (place,)
    return tuple(
        Socket(protocol, places.ports[one], bind, dual=dual)
        for one in served
        if one in places.ports
        for protocol in PROTOCOLS
        for bind in binds
    )


def check_tools(engine: Engine) -> None:
    """Check that endpoints have what the matrix is measured with, else raise EngineUnavailable."""
    for argv in (("socat", "-V"), ("sh", "-c", ":")):
        with suppress(*ENGINE_FAILURES):
            if engine.run(engine.host(), argv, timeout=30).exit_code == 0:
                continue
        raise EngineUnavailable(
            f"{argv[0]} does not run in endpoints, and connects are made with it",
            hint="apt-get install socat, or an image that has socat and sh",
        )


@contextmanager
def echo_servers(engine: Engine, places: ReachScene) -> Iterator[None]:
    """Have echo servers listen in every place; EngineError with the words of one that does not."""
    servers = _EchoServers(engine, places)
    try:
        for place in servers.there:
            # A server cannot have an address that is still checked for duplicates.
            _until(partial(servers.unsure, place))
        with Pool(max_workers=_WORKERS) as pool:
            list(pool.map(servers.start, servers.there))
        for place in servers.there:
            _until(partial(servers.missing, place))
        yield
    finally:
        with deferred_signals(), Pool(max_workers=_WORKERS) as pool:
            list(pool.map(_kill, (process for _, process in servers.started)))


def _kill(process: Process) -> None:
    with suppress(*ENGINE_FAILURES):
        process.signal("KILL")
        process.wait(2.0)


def _until(problem: Callable[[], str | None]) -> None:
    """Wait until there is no problem any more; raises `EngineError` if there still is one."""
    found = None
    for _ in attempts(_WITHIN, _POLL):
        if (found := problem()) is None:
            return
    raise EngineError(f"{found} after {_WITHIN:.0f} s")


class _EchoServers:
    """The echo servers of all places."""

    def __init__(self, engine: Engine, places: ReachScene) -> None:
        self.engine, self.places = engine, places
        ends = {place: places.endpoint(place) for place in SOURCES}
        self.there = {place: end for place, end in ends.items() if end is not None}
        self.started: list[tuple[Socket, Process]] = []

    def start(self, place: ReachPlace) -> None:
        """Start those of one place."""
        for socket in sockets(self.places, place):
            process = self.engine.start(self.there[place], socket.argv, cpu=None, limit=_LIMIT)
            self.started.append((socket, process))

    def unsure(self, place: ReachPlace) -> str | None:
        """Return what is wrong with the addresses of a place."""
        found = tentative(self._files(place).get("if_inet6", ""), self.places.listens(place))
        return f"the address {found[0]} of the {place} is still tentative" if found else None

    def missing(self, place: ReachPlace) -> str | None:
        """Return which servers of a place do not listen yet; `EngineError` if one has ended."""
        wanted = Counter((socket.table, socket.port) for socket in sockets(self.places, place))
        texts = self._files(place)
        for (table, port), number in wanted.items():
            if listeners(texts.get(table, ""), port, tcp=table.startswith("tcp")) < number:
                for one in [one for one in self.started if one[0].port == port]:
                    self._check(place, *one)
                return f"no echo server listens in the {place} on {table} port {port}"
        return None

    def _check(self, place: ReachPlace, socket: Socket, process: Process) -> None:
        if not process.alive():
            self.started.remove((socket, process))  # it is waited for here, and may be once
            said = process.wait(1.0).stderr.strip()
            raise EngineError(f"{' '.join(socket.argv)} in the {place}: {said[:300]}")

    def _files(self, place: ReachPlace) -> Mapping[str, str]:
        """Return the lists of sockets and of IPv6 addresses, those that are there."""
        return namespaces_of(self.engine, self.there[place]).net_files(*_SOCKETS, "if_inet6")


def listeners(text: str, port: int, *, tcp: bool) -> int:
    """Count the sockets that listen on a port, from the text of /proc/net/tcp, udp and the like."""
    rows = (line.split() for line in text.splitlines()[1:])
    return sum(
        row[1].rpartition(":")[2] == f"{port:04X}" and (not tcp or row[_STATE] == LISTEN)
        for row in rows
    )


def ports_in_host(engine: Engine) -> frozenset[int]:
    """Return every local TCP and UDP port of the host's namespace that is in use."""
    host = namespaces_of(engine, engine.host())
    return frozenset[int]().union(*(ports_in_use(host, None, name) for name in PROTOCOLS))


def tentative(text: str, addresses: Iterable[str]) -> list[str]:
    """Return which of the addresses are tentative, from the text of /proc/net/if_inet6."""
    rows = (line.split() for line in text.splitlines())
    unsure = {row[0] for row in rows if int(row[4], 16) & _TENTATIVE}
    return [address for address in addresses if ip_address(address).packed.hex() in unsure]
