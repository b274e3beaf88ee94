"""All pairs of a block: brought up together, read, and taken down together."""

import itertools
import re
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import KW_ONLY, dataclass, field, replace
from functools import partial
from typing import Final, Self, TypeVar

from netbench.drivers import Driver
from netbench.engines.base import Endpoint, Engine, Lan, Network, OwnMachine
from netbench.errors import ENGINE_FAILURES, EngineError, FactError, Unsupported
from netbench.facts.base import Reader
from netbench.facts.pair import FarClient, NamespaceSet, Pair
from netbench.record import PairFacts, PromiseCheck
from netbench.spec import (
    MACHINE_PATHS,
    Arm,
    Attach,
    NetworkSpec,
    Path,
    Port,
    Protocol,
    Recipe,
    Role,
)
from netbench.system.interrupts import Pool, deferred_signals
from netbench.topology.paths import (
    LOOPBACK,
    Call,
    FixedPorts,
    call_of,
    namespaces_of,
    own_address,
    ports_for,
)

_T = TypeVar("_T", bound=Endpoint | Network)
_WORKERS: Final = 4  # pairs made at a time: the engine works for each, and there may be two cores
OUTER: Final = (Path.NORTH_SOUTH, Path.HAIRPIN)  # paths by the emulated LAN
_LONGEST: Final = 40  # characters of a driver's name in the names of what is made for it


@dataclass(frozen=True, slots=True)
class Made:
    """The endpoints of a pair, not read yet."""

    arm: Arm
    driver: Driver
    client: Endpoint
    server: Endpoint
    network: Network | None
    lan: Lan | None  # the wire of the emulated LAN that this pair uses
    machine: OwnMachine | None = field(default=None, kw_only=True)  # where a path is from or to it

    def host(self, engine: Engine) -> Endpoint:
        """Return where the server's network is made: the engine's host, or one of its own."""
        own = self.network.host if self.network else None
        return own or engine.nodes[self.server.node].host_for(self.driver.recipe.server)

    def pair_of(self, engine: Engine) -> Pair:
        """Return everything that is to be read."""
        host = self.host(engine)
        sandbox = self.network.sandbox if self.network else None
        outside = replace(self.lan.client, role=Role.LAN) if self.lan else None
        return Pair(
            client=namespaces_of(engine, self.client),
            server=namespaces_of(engine, self.server),
            host=namespaces_of(engine, replace(host, node=self.server.node)),
            target=target_of(self.driver.recipe, self.server),
            ipam=self.server.ipam,
            lan=namespaces_of(engine, outside) if outside else None,
            sandbox=(
                namespaces_of(engine, replace(sandbox, node=self.server.node)) if sandbox else None
            ),
            uplink=self.lan.link if self.lan else self.server.uplink,
            far=self._far(engine),
            machine=namespaces_of(engine, self.machine.endpoint) if self.machine else None,
            entry=self.machine.entry if self.machine else None,
        )

    def _far(self, engine: Engine) -> FarClient | None:
        """Return what is around the client if that is on another machine than the server."""
        client, network = self.client, self.network.there if self.network else None
        if client.node is self.server.node:
            return None
        host = engine.nodes[client.node].host()
        sandbox = network.sandbox if network else None
        return FarClient(
            host=namespaces_of(engine, replace(host, role=Role.CLIENT_HOST, node=client.node)),
            sandbox=(
                namespaces_of(engine, replace(sandbox, role=Role.CLIENT_SANDBOX, node=client.node))
                if sandbox
                else None
            ),
            uplink=client.uplink,
            ipam=client.ipam,
        )


@dataclass(frozen=True, slots=True)
class LivePair(Made):
    """A pair that is up, with the facts of its first reading."""

    pair: Pair
    facts: PairFacts

    def call(self, path: Path) -> Call:
        """Return who connects to what on one path; errors as `call_of`."""
        return call_of(self.driver, path, self.client, self.server, self.lan, machine=self.machine)

    def space_of(self, endpoint: Endpoint) -> NamespaceSet:
        """Return what reads one of its ends."""
        return next(one for one in self.pair.subjects if one.role is endpoint.role)

    @property
    def promises(self) -> tuple[PromiseCheck, ...]:
        """The driver's promises, judged by the facts."""
        return tuple(promise.judge(self.facts) for promise in self.driver.promises)

    @property
    def broken(self) -> tuple[PromiseCheck, ...]:
        """The promises that do not hold."""
        return tuple(check for check in self.promises if not check.held)


def read_pairs(engine: Engine, reader: Reader, made: Sequence[Made]) -> list[LivePair | FactError]:
    """Return the pairs with what is read of each, or why something is unread."""
    pairs = [one.pair_of(engine) for one in made]
    return [
        facts
        if isinstance(facts, FactError)
        else LivePair(
            one.arm,
            one.driver,
            one.client,
            one.server,
            one.network,
            one.lan,
            pair,
            facts,
            machine=one.machine,
        )
        for one, pair, facts in zip(made, pairs, reader.read(pairs), strict=True)
    ]


@dataclass(frozen=True, slots=True)
class NotUp:
    """A pair that could not be made."""

    arm: Arm
    reason: str
    impossible: bool = False  # whether kernel or engine lack what it takes


def target_of(recipe: Recipe, server: Endpoint) -> str | None:
    """Return the address a pair's client uses: loopback where the namespace is shared."""
    if Attach.PEER in (recipe.client, recipe.server) or recipe.server is Attach.HOST:
        return LOOPBACK[recipe.family]
    return own_address(server, recipe.family)


def stems(prefix: str, arms: Iterable[Arm]) -> dict[Arm, str]:
    """Return the start of each arm's names, no two alike, in characters that engines take."""
    found: dict[Arm, str] = {}
    for arm in arms:
        plain = re.sub(r"[^A-Za-z0-9._-]+", "-", arm.driver).strip("-")[:_LONGEST]
        stem = wanted = f"{prefix}-{plain}{'-aa' if arm.replica else ''}"
        others = itertools.count(2)
        while stem in found.values():
            stem = f"{wanted}-{next(others)}"
        found[arm] = stem
    return found


@dataclass
class Creations:
    """Networks and endpoints that are made on an engine, and removed again in every case."""

    engine: Engine
    left: list[str] = field(default_factory=list)  # what could not be removed, in words
    _endpoints: list[Endpoint] = field(default_factory=list)
    _networks: list[Network] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    """Held while a list gets shorter: its search lets other threads go on at each comparison."""

    def network(self, name: str, spec: NetworkSpec) -> Network:
        """Make a network; errors as `Engine.create_network`."""
        with deferred_signals():
            network = self.engine.create_network(name, spec)
            self._networks.append(network)
        return network

    def endpoint(
        self,
        name: str,
        role: Role,
        recipe: Recipe,
        network: Network | None,
        *,
        peer: Endpoint | None = None,
        cpus: tuple[int, ...] = (),
        publish: tuple[Port, ...] = (),
    ) -> Endpoint:
        """Make an endpoint as a recipe says; errors as `Engine.create_endpoint`."""
        attach = recipe.client if role is Role.CLIENT else recipe.server
        with deferred_signals():
            endpoint = self.engine.create_endpoint(
                name,
                role,
                attach,
                network=network if attach is Attach.NETWORK else None,
                peer=peer if attach is Attach.PEER else None,
                cpus=cpus,
                publish=publish,
                published=recipe.published if publish else None,
                runtime=recipe.runtime,
            )
            self._endpoints.append(endpoint)
        return endpoint

    def remove_endpoint(self, endpoint: Endpoint) -> float:
        """Remove an endpoint; return the seconds."""
        with deferred_signals():
            started = time.monotonic()
            self.engine.remove_endpoint(endpoint)
            with self._lock:
                self._endpoints.remove(endpoint)
            return time.monotonic() - started

    def remove_network(self, network: Network) -> float | None:
        """Remove a network; return the seconds, as `Network.took`."""
        with deferred_signals():
            took = self.engine.remove_network(network)
            with self._lock:
                self._networks.remove(network)
            return took

    def remove_all(self) -> None:
        """Remove what is still there; what stays is in `left`."""

        def attempt(remove: Callable[[_T], object], one: _T) -> None:
            try:
                remove(one)
            except ENGINE_FAILURES as exc:
                self.left.append(f"{one.name if isinstance(one, Endpoint) else one.id}: {exc}")

        # A container whose namespace another shares goes after it: clients come last.
        endpoints, networks = self._endpoints[::-1], self._networks[:]
        with deferred_signals(), Pool(max_workers=_WORKERS) as pool:
            list(pool.map(partial(attempt, self.remove_endpoint), endpoints))
            list(pool.map(partial(attempt, self.remove_network), networks))
        self._endpoints.clear()
        self._networks.clear()


@dataclass
class LiveBlock:
    """The pairs of one block as a context: entering makes them, leaving removes every one."""

    engine: Engine
    reader: Reader
    arms: Sequence[tuple[Arm, Driver]]  # in the order they are made
    _: KW_ONLY
    prefix: str  # start of every name
    cpus: tuple[int, ...] = ()  # to which the endpoints are confined, empty for all
    paths: tuple[Path, ...] = (Path.EAST_WEST,)  # with more there is an emulated LAN
    ports: int = 1  # how many to publish, where a path leads through published ones
    protocols: tuple[Protocol, ...] = ("tcp",)  # for which each of them is published
    fixed: int = 0  # how many more to publish for TCP, each at the same number outside
    keep: bool = False  # whether everything is left up at the end, for `remove`
    pairs: dict[Arm, LivePair | NotUp] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        """Make nothing yet."""
        self._stems = stems(self.prefix, (arm for arm, _ in self.arms))
        self._creations = Creations(self.engine)
        self._fixed = FixedPorts(self.engine, self.fixed)

    @property
    def left(self) -> list[str]:
        """What could not be removed, in words."""
        return self._creations.left

    def __enter__(self) -> Self:
        """Make all pairs; one that fails is a `NotUp`. Raises `EngineLost`."""
        try:
            with Pool(max_workers=_WORKERS) as pool:
                made = list(pool.map(self._make, self.arms))
            self.pairs.update({pair.arm: pair for pair in made if isinstance(pair, NotUp)})
            self.pairs.update(self._read([pair for pair in made if isinstance(pair, Made)]))
        except BaseException:
            self._creations.remove_all()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        """Remove everything, whatever happened."""
        if not self.keep:
            self.remove()

    def remove(self) -> None:
        """Remove everything, once; what stays is in `left`."""
        self._creations.remove_all()

    def _make(self, given: tuple[Arm, Driver]) -> Made | NotUp:
        arm, driver = given
        try:
            return self._attempt(arm, driver, self._stems[arm])
        except (EngineError, FactError) as exc:
            return NotUp(arm, str(exc), impossible=isinstance(exc, Unsupported))

    def _attempt(self, arm: Arm, driver: Driver, stem: str) -> Made:
        recipe, creations = driver.recipe, self._creations
        outer = self.engine.lan() if {*self.paths} & {*OUTER} else None
        network = creations.network(stem, recipe.network) if recipe.network else None
        here = [path for path in self.paths if self.engine.unsupported(recipe, path) is None]
        machine = self.engine.machine() if {*here} & {*MACHINE_PATHS} else None
        ports = ports_for(driver, here, self.ports, self.protocols, self._fixed.take)
        server = creations.endpoint(
            f"{stem}-s", Role.SERVER, recipe, network, cpus=self.cpus, publish=ports
        )
        client = creations.endpoint(
            f"{stem}-c", Role.CLIENT, recipe, network, peer=server, cpus=self.cpus
        )
        lan = network.lan if network and network.lan else outer
        return Made(arm, driver, client, server, network, lan, machine=machine)

    def _read(self, made: list[Made]) -> dict[Arm, LivePair | NotUp]:
        """Read the facts of all pairs and judge their promises."""
        found: dict[Arm, LivePair | NotUp] = {}
        for one, first in zip(made, read_pairs(self.engine, self.reader, made), strict=True):
            live = first
            if isinstance(first, LivePair) and first.broken:
                # Others' links come and go on the host while it is being read.
                (live,) = read_pairs(self.engine, self.reader, [one])
            found[one.arm] = (
                live if isinstance(live, LivePair) else NotUp(one.arm, f"facts: {live}")
            )
        return found
