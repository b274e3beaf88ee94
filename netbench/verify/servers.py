"""Echo servers in every place of a reach matrix: started, seen to listen, ended."""

import re
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Final

from netbench.drivers import Place
from netbench.engines.base import Endpoint, Engine, Process
from netbench.errors import EngineError, EngineUnavailable
from netbench.facts.procfs import LISTEN, read_local, tcp_ports
from netbench.topology import deferred_signals
from netbench.verify.connects import PROTOCOLS, Protocol
from netbench.verify.places import SOURCES, Scene

_WITHIN: Final = 5.0
"""Seconds in which every server must listen, and every IPv6 address have passed its check."""
_POLL: Final = 0.02
_LIMIT: Final = 120.0
"""Seconds after which a server ends even if nobody ends it."""
_IDLE: Final = 4
"""Seconds after which the server's share of a connection ends."""
_SOCKETS: Final = ("tcp", "tcp6", "udp", "udp6")
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
    def argv(self) -> tuple[str, ...]:
        """Return the server's command."""
        six = self.dual or (self.bind is not None and ":" in self.bind)
        kind = "LISTEN" if self.protocol == "tcp" else "RECVFROM"
        options = ["fork"]
        if self.protocol == "tcp":
            options.append("reuseaddr")
        if self.bind is not None:
            options.append(f"bind=[{self.bind}]" if six else f"bind={self.bind}")
        elif six:
            options.append("ipv6-v6only=0")
        listen = f"{self.protocol.upper()}{6 if six else 4}-{kind}:{self.port}"
        return ("socat", f"-T{_IDLE}", ",".join([listen, *options]), "PIPE")


def sockets(scene: Scene, place: Place) -> tuple[Socket, ...]:
    """Return what must listen in a place.

    A container of its own listens on every address: what is published arrives at others than
    the one that peers use. The host and the LAN client have addresses that are none of our
    business, and answer UDP from the one that the client is nearest to, so there each server has
    the one address that it is called by.
    """
    addresses, numbers = scene.listens(place), _numbers(scene, place)
    binds: Sequence[str | None] = (None,)
    if place is Place.LAN or scene.in_host(place):
        binds = sorted(addresses)
    dual = binds == (None,) and any(":" in address for address in addresses)
    return tuple(
        Socket(protocol, number, bind, dual=dual)
        for number in numbers
        for protocol in PROTOCOLS
        for bind in binds
    )


def _numbers(scene: Scene, place: Place) -> tuple[int, ...]:
    """Return the ports that are served in a place."""
    also = (Place.PUBLISHED,) if place is Place.PAIR else ()
    return tuple(scene.ports[one] for one in (place, *also) if one in scene.ports)


def check_tools(engine: Engine) -> None:
    """See that endpoints have what the matrix is measured with.

    Raises:
        EngineUnavailable: they have not; the hint installs it.
    """
    for argv in (("socat", "-V"), ("sh", "-c", ":")):
        with suppress(EngineError):
            if engine.run(engine.host(), argv, timeout=10).exit_code == 0:
                continue
        raise EngineUnavailable(
            f"{argv[0]} does not run in endpoints, and connects are made with it",
            hint="apt-get install socat, or an image that has socat and sh",
        )


@contextmanager
def echo_servers(engine: Engine, scene: Scene) -> Iterator[None]:
    """Have echo servers listen in every place; ended when the context is left.

    Raises:
        EngineError: one of them does not come up; the message carries what it said.
    """
    wanted = [
        (endpoint, place, socket)
        for place in SOURCES
        if (endpoint := scene.endpoint(place)) is not None
        for socket in sockets(scene, place)
    ]
    started: list[tuple[Socket, Process]] = []

    def start(one: tuple[Endpoint, Place, Socket]) -> None:
        endpoint, _, socket = one
        started.append((socket, engine.start(endpoint, socket.argv, cpu=None, limit=_LIMIT)))

    with ExitStack() as stack:
        stack.callback(_end, started)
        with ThreadPoolExecutor(max_workers=_WORKERS) as pool:
            list(pool.map(start, wanted))
        for place in SOURCES:
            _await(engine, scene, place, started)
        yield


def _end(started: Sequence[tuple[Socket, Process]]) -> None:
    with deferred_signals(), ThreadPoolExecutor(max_workers=_WORKERS) as pool:
        list(pool.map(lambda one: _kill(one[1]), started))


def _kill(process: Process) -> None:
    with suppress(EngineError):
        process.signal("KILL")
        process.wait(2.0)


def _await(
    engine: Engine, scene: Scene, place: Place, started: Sequence[tuple[Socket, Process]]
) -> None:
    endpoint = scene.endpoint(place)
    if endpoint is None:
        return
    addresses = scene.addresses(place).values()
    needed = dict.fromkeys((socket.protocol, socket.port) for socket in sockets(scene, place))
    deadline = time.monotonic() + _WITHIN
    while True:
        texts = _net_files(engine, endpoint)
        missing = [
            f"{protocol} {port}" for protocol, port in needed if not _has(texts, protocol, port)
        ]
        unsure = tentative(texts.get("if_inet6", ""), addresses)
        if not missing and not unsure:
            return
        if time.monotonic() > deadline:
            break
        time.sleep(_POLL)
    if missing:
        ended = [f"{s.argv}: {p.wait(1.0).stderr}" for s, p in started if not p.alive()]
        raise EngineError(
            f"no echo server listens in the {place} on {' and '.join(missing)}: "
            f"{'; '.join(ended)[:300] or 'none of them ended'}"
        )
    raise EngineError(f"the address {unsure[0]} is still tentative after {_WITHIN:.0f} s")


def _has(texts: Mapping[str, str], protocol: Protocol, port: int) -> bool:
    state = LISTEN if protocol == "tcp" else None
    both = (texts.get(protocol, ""), texts.get(f"{protocol}6", ""))
    return any(port in tcp_ports(text, state) for text in both)


def ports_of(engine: Engine, endpoint: Endpoint) -> frozenset[int]:
    """Return every local TCP and UDP port of a namespace that is in use."""
    texts = _net_files(engine, endpoint)
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


def _net_files(engine: Engine, endpoint: Endpoint) -> Mapping[str, str]:
    """Return the namespace's lists of sockets and of IPv6 addresses, those that are there."""
    names = (*_SOCKETS, "if_inet6")
    if engine.local:
        local = {name: read_local(f"/proc/{endpoint.pid}/net/{name}") for name in names}
        if local["tcp"] is not None:
            return {name: text for name, text in local.items() if text is not None}
    argv = ("head", "-v", "-n", "100000", *(f"/proc/net/{name}" for name in names))
    text = engine.run(endpoint, argv, timeout=10).stdout
    parts = re.split(r"^==> /proc/net/(\w+) <==$\n", text, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))
