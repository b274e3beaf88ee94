"""The paths of a live pair: who connects to what, and what reads it (METHOD §4)."""

import secrets
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Final

from netbench.drivers import Driver, Hop, PathClaim
from netbench.engines.base import Endpoint, Engine, Lan, OwnMachine, Published
from netbench.errors import EngineError, FactError
from netbench.facts.base import Reader, ports_in_use
from netbench.facts.inside import InsideReader
from netbench.facts.pair import NamespaceSet
from netbench.record import EndpointFacts, LinkCounters, PairFacts, RuleCounters
from netbench.sentinel import BothSentinels, InsideSentinel, Sentinel
from netbench.spec import (
    FIXED_PORTS,
    MACHINE_PATHS,
    PUBLISHED_PORTS,
    Family,
    Path,
    Port,
    Protocol,
    Role,
    Via,
)
from netbench.system.files import text
from netbench.system.setns import may_enter

LOOPBACK: Final[dict[Family, str]] = {Family.V4: "127.0.0.1", Family.V6: "::1"}
ANY: Final[dict[Family, str]] = {Family.V4: "0.0.0.0", Family.V6: "::"}  # noqa: S104 -- in an endpoint's namespace
_TIMEOUT = 10.0  # seconds for one read-only command in an endpoint
_FOLLOWED = 3600.0  # seconds that one may run beside a session, which is shorter
_BOOT_ID: Final = "/proc/sys/kernel/random/boot_id"
_FEW = 12  # links or routes of a namespace that are all kept in a record


@dataclass(frozen=True, slots=True)
class Call:
    """A path as the two tools see it."""

    client: Endpoint
    server: Endpoint
    bind: str  # address the server listens on
    target: str  # address the client connects to
    published: tuple[Published, ...] | None  # ports that lead to the server, None if any port does


def ports_for(
    driver: Driver,
    paths: Sequence[Path],
    count: int,
    protocols: tuple[Protocol, ...] = ("tcp",),
    fixed: Callable[[], Sequence[int]] = tuple,
) -> tuple[Port, ...]:
    """Return the ports to publish for these paths: `count`, or none where none is published.

    What `fixed` returns is published at the same numbers, for TCP.
    """
    if not any(driver.publishes(path) for path in paths):
        return ()
    usual = (Port(PUBLISHED_PORTS[number], protocols) for number in range(count))
    return (*usual, *(Port(number, fixed=True) for number in fixed()))


class FixedPorts:
    """Numbers that are free in an engine's host, for ports published at the same number."""

    def __init__(self, engine: Engine, count: int) -> None:
        """Take how many each server needs."""
        self._engine, self._count = engine, count
        self._lock = threading.Lock()
        self._free: list[int] | None = None

    def take(self) -> Sequence[int]:
        """Return the numbers for one server; raises `EngineError` if there are too few."""
        with self._lock:
            if not self._count:
                return ()
            if self._free is None:
                # Two runs in one host's namespace begin elsewhere.
                first = secrets.randbelow(len(FIXED_PORTS))
                used = ports_in_use(namespaces_of(self._engine, self._engine.host()), None)
                every = (*FIXED_PORTS[first:], *FIXED_PORTS[:first])
                self._free = [number for number in every if number not in used]
            taken, self._free = self._free[: self._count], self._free[self._count :]
        if len(taken) < self._count:
            raise EngineError(f"the host has no {self._count} ports left of {FIXED_PORTS}")
        return taken


def own_address(endpoint: Endpoint, family: Family) -> str | None:
    """Return an endpoint's own address of one family; None if it has none."""
    return endpoint.address if family == Family.V4 else endpoint.address6


def call_of(
    driver: Driver,
    path: Path,
    client: Endpoint,
    server: Endpoint,
    lan: Lan | None,
    *,
    machine: OwnMachine | None = None,
) -> Call:
    """Return who connects to what; raises `EngineError` if closed, or an address is missing."""
    way, family = driver.ways[path], driver.recipe.family
    if not isinstance(way, PathClaim):
        raise EngineError(f"{driver.name} has no path {path}: {way.reason}")
    caller, answerer = client, server
    outer = None
    if path is Path.ACROSS:
        outer = server.outside
    elif path in MACHINE_PATHS:
        if machine is None:
            raise EngineError(f"{driver.name}: there is no machine for the path {path}")
        outer = machine.published
        caller = machine.endpoint if path is Path.OUTSIDE else client
        answerer = machine.endpoint if path is Path.TO_OUTSIDE else server
    elif lan is not None:
        caller = lan.client if path is Path.NORTH_SOUTH else client
        outer = lan.host if family == Family.V4 else lan.host6
    elif path is Path.NORTH_SOUTH or way.via in {Via.HOST, Via.PUBLISHED}:
        raise EngineError(f"{driver.name}: there is no emulated LAN for the path {path}")
    own, there = own_address(server, family), own_address(answerer, family)
    bind, target = {
        Via.LOOPBACK: (LOOPBACK[family], LOOPBACK[family]),
        Via.ADDRESS: (own, own),
        Via.HOST: (outer, outer),
        Via.PUBLISHED: (ANY[family], outer),
        Via.ROUTED: (own, own),
        Via.MACHINE: (there, there),
    }[way.via]
    if bind is None or target is None:
        raise EngineError(f"{driver.name}: there is no IPv{family} address to connect to")
    published = server.published if way.via.publishes else None
    return Call(caller, answerer, bind, target, published)


def choose_reader(engine: Engine) -> Reader:
    """Return the reader in process where we may enter all namespaces, else that from inside."""
    if all(part.local and may_enter(part.host().pid) for part in engine.nodes.values()):
        from netbench.facts.netlink import NetlinkReader  # noqa: PLC0415 -- pyroute2 is heavy

        return NetlinkReader()
    return InsideReader()


def choose_sentinel(engine: Engine) -> Sentinel:
    """Return the sentinel of this machine, or that of the engine's own where it is another."""
    first, *others = (
        Sentinel() if part.ask is None else InsideSentinel(part.ask)
        for part in engine.nodes.values()
    )
    return BothSentinels(first, *others) if others and kernels(engine) > 1 else first


def kernels(engine: Engine) -> int:
    """Return how many kernels are beneath an engine: those of two machines, or one of a lab."""
    return len({text(part.files, _BOOT_ID) or node for node, part in engine.nodes.items()})


def namespaces_of(engine: Engine, endpoint: Endpoint) -> NamespaceSet:
    """Return an endpoint for a reader."""
    part = engine.nodes[endpoint.node]

    @contextmanager
    def reading(argv: tuple[str, ...]) -> Iterator[None]:
        try:
            yield
        except (EngineError, FactError) as exc:
            raise FactError(f"`{' '.join(argv)}` in the {endpoint.role}: {exc}") from exc

    def run(argv: tuple[str, ...]) -> str:
        with reading(argv):
            done = engine.run(endpoint, argv, timeout=_TIMEOUT)
            if done.exit_code != 0:
                said = done.stderr.strip() or done.stdout.strip()[:200]
                raise FactError(said or str(done.exit_code))
            return done.stdout

    def follow(argv: tuple[str, ...]) -> Callable[[], str]:
        with reading(argv):
            process = engine.start(endpoint, argv, cpu=None, limit=_FOLLOWED)

        def end() -> str:
            with reading(argv):
                ended_before = not process.alive()
                process.signal("TERM")
                done = process.wait(_TIMEOUT)
                if ended_before:
                    raise FactError(done.stderr.strip() or f"exit code {done.exit_code}")
                return done.stdout

        return end

    def esp() -> LinkCounters:
        with _counting(f"ESP on the {endpoint.role}"):
            return part.esp()

    def rules(bridge: str) -> RuleCounters:
        with _counting(f"firewall rules of the {endpoint.role}"):
            return part.rules(endpoint, bridge)

    return NamespaceSet(
        role=endpoint.role,
        pid=endpoint.pid,
        stands_in=endpoint.stands_in,
        run=run,
        netns=endpoint.netns,
        files=part.files,
        here=part.local,
        follow=follow,
        node=endpoint.node,
        esp=esp,
        rules=rules,
    )


@contextmanager
def _counting(what: str) -> Iterator[None]:
    try:
        yield
    except EngineError as exc:
        raise FactError(f"{what}: {exc}") from exc


def trimmed(facts: PairFacts, hops: tuple[Hop, ...]) -> tuple[EndpointFacts, ...]:
    """Return namespaces for a record; of long lists of links only the path's and `lo`."""
    used = {hop.link.name for hop in hops} | {"lo"}

    def short(end: EndpointFacts) -> EndpointFacts:
        links = end.links
        if len(links) > _FEW or end.role in (Role.HOST, Role.CLIENT_HOST, Role.MACHINE):
            links = tuple(link for link in links if link.name in used)
        kept = {link.name for link in links}
        return replace(
            end,
            links=links,
            addresses=tuple(a for a in end.addresses if a.link in kept),
            routes=end.routes[:_FEW],
        )

    return tuple(short(end) for end in facts.ends)
