"""All pairs of a block: brought up together, read, and taken down together."""

import itertools
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Self

from netbench.drivers import Driver
from netbench.engines.base import Endpoint, Engine, Lan, Network
from netbench.errors import ENGINE_FAILURES, EngineError, FactError, Unsupported
from netbench.facts.base import Pair, Reader
from netbench.record import PairFacts, PromiseCheck
from netbench.spec import Arm, Attach, Path, Port, Protocol, Recipe, Role
from netbench.system.interrupts import Pool, deferred_signals
from netbench.topology.addressing import LOOPBACK, Call, call_of, own_address, ports_for
from netbench.topology.readers import namespaces_of

_WORKERS = 4
"""Pairs made at a time: the engine works for each, and there may be two cores."""
_LONGEST = 40
"""Characters of a driver's name in the names of what is made for it."""


@dataclass(frozen=True, slots=True)
class LivePair:
    """A pair that is up, with the facts of its first reading."""

    arm: Arm
    driver: Driver
    client: Endpoint
    server: Endpoint
    network: Network | None
    lan: Lan | None
    """The wire of the emulated LAN that this pair has to do with."""
    pair: Pair
    facts: PairFacts
    promises: tuple[PromiseCheck, ...]

    def call(self, path: Path) -> Call:
        """Return who connects to what on one path; errors as `call_of`."""
        return call_of(self.driver, path, self.client, self.server, self.lan)

    @property
    def broken(self) -> tuple[PromiseCheck, ...]:
        """The promises that do not hold."""
        return tuple(check for check in self.promises if not check.held)


@dataclass(frozen=True, slots=True)
class NotUp:
    """A pair that could not be made."""

    arm: Arm
    reason: str
    impossible: bool = False
    """Whether kernel or engine lack what it takes."""


def target_of(recipe: Recipe, server: Endpoint) -> str | None:
    """Return the address a pair's client uses: loopback where the namespace is shared."""
    if Attach.PEER in (recipe.client, recipe.server) or recipe.server is Attach.HOST:
        return LOOPBACK[recipe.family]
    return own_address(server, recipe.family)


def stems(prefix: str, arms: Iterable[Arm]) -> dict[Arm, str]:
    """Return the start of the names of each arm's endpoints and network, no two alike.

    Engines take letters, digits, `.`, `_` and `-`; a driver's name may hold a path.
    """
    found: dict[Arm, str] = {}
    for arm in arms:
        plain = re.sub(r"[^A-Za-z0-9._-]+", "-", arm.driver).strip("-")[:_LONGEST]
        stem = wanted = f"{prefix}-{plain}{'-aa' if arm.replica else ''}"
        others = itertools.count(2)
        while stem in found.values():
            stem = f"{wanted}-{next(others)}"
        found[arm] = stem
    return found


class LiveBlock:
    """The pairs of one block as a context: entering makes them, leaving removes every one."""

    def __init__(
        self,
        engine: Engine,
        reader: Reader,
        arms: Iterable[tuple[Arm, Driver]],
        *,
        prefix: str,
        cpus: tuple[int, ...] = (),
        paths: tuple[Path, ...] = (Path.EAST_WEST,),
        ports: int = 1,
        protocols: tuple[Protocol, ...] = ("tcp",),
        keep: bool = False,
    ) -> None:
        """Prepare; nothing is made yet.

        Args:
            engine: makes them.
            reader: reads their facts.
            arms: with their drivers, in the order they are made.
            prefix: start of every name.
            cpus: confine the endpoints, empty for all.
            paths: that the pairs are for; with more than east-west there is an emulated LAN.
            ports: how many to publish, where a path leads through published ones.
            protocols: for which each of them is published.
            keep: leave everything up at the end.
        """
        self._engine = engine
        self._reader = reader
        self._arms = tuple(arms)
        self._stems = stems(prefix, (arm for arm, _ in self._arms))
        self._cpus = cpus
        self._paths = paths
        self._ports = ports
        self._protocols = protocols
        self._keep = keep
        self._endpoints: list[Endpoint] = []
        self._networks: list[Network] = []
        self.pairs: dict[Arm, LivePair | NotUp] = {}
        self.left: list[str] = []
        """What could not be removed, in words."""

    def __enter__(self) -> Self:
        """Make all pairs.

        Raises:
            EngineLost: the engine does not answer; a single pair's failure is a `NotUp` instead.
        """
        try:
            with Pool(max_workers=_WORKERS) as pool:
                made = list(pool.map(self._make, self._arms))
            self.pairs.update({pair.arm: pair for pair in made if isinstance(pair, NotUp)})
            self.pairs.update(self._read([pair for pair in made if isinstance(pair, Made)]))
        except BaseException:
            self._remove_all()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Remove everything, whatever happened."""
        if not self._keep:
            self._remove_all()

    def _make(self, given: tuple[Arm, Driver]) -> "Made | NotUp":
        arm, driver = given
        try:
            return self._attempt_pair(arm, driver, self._stems[arm])
        except (EngineError, FactError) as exc:
            return NotUp(arm, str(exc), impossible=isinstance(exc, Unsupported))

    def _attempt_pair(self, arm: Arm, driver: Driver, stem: str) -> "Made":
        recipe = driver.recipe
        outer = self._engine.lan() if self._paths != (Path.EAST_WEST,) else None
        network = None
        if recipe.network:
            network = self._engine.create_network(stem, recipe.network)
            self._networks.append(network)
        here = [path for path in self._paths if self._engine.unsupported(recipe, path) is None]
        ports = ports_for(driver, here, self._ports, self._protocols)
        server = self._endpoint(f"{stem}-s", Role.SERVER, recipe, network, publish=ports)
        client = self._endpoint(f"{stem}-c", Role.CLIENT, recipe, network, peer=server)
        lan = network.lan if network and network.lan else outer
        return Made(arm, driver, client, server, network, lan)

    def _endpoint(
        self,
        name: str,
        role: Role,
        recipe: Recipe,
        network: Network | None,
        *,
        peer: Endpoint | None = None,
        publish: tuple[Port, ...] = (),
    ) -> Endpoint:
        attach = recipe.client if role is Role.CLIENT else recipe.server
        endpoint = self._engine.create_endpoint(
            name,
            role,
            attach,
            network=network if attach is Attach.NETWORK else None,
            peer=peer,
            cpus=self._cpus,
            publish=publish,
            published=recipe.published if publish else None,
        )
        self._endpoints.append(endpoint)
        return endpoint

    def _read(self, made: list["Made"]) -> dict[Arm, LivePair | NotUp]:
        """Read the facts of all pairs and judge their promises."""
        host = self._engine.host()
        pairs = [one.pair(self._engine, host) for one in made]
        found = {
            one.arm: _judged(one, pair, facts)
            for one, pair, facts in zip(made, pairs, self._reader.read(pairs), strict=True)
        }
        for one, pair in zip(made, pairs, strict=True):
            before = found[one.arm]
            if isinstance(before, LivePair) and before.broken:
                # Others' links come and go on the host while it is being read.
                (facts,) = self._reader.read([pair])
                found[one.arm] = _judged(one, pair, facts)
        return found

    def _remove_all(self) -> None:
        with deferred_signals():
            with Pool(max_workers=_WORKERS) as pool:
                # A container whose namespace another shares goes after it: clients come last.
                list(pool.map(self._remove_endpoint, reversed(self._endpoints)))
                list(pool.map(self._remove_network, self._networks))
            self._endpoints.clear()
            self._networks.clear()

    def _remove_endpoint(self, endpoint: Endpoint) -> None:
        self._attempt(lambda: self._engine.remove_endpoint(endpoint), endpoint.name)

    def _remove_network(self, network: Network) -> None:
        self._attempt(lambda: self._engine.remove_network(network), network.id)

    def _attempt(self, remove: Callable[[], object], name: str) -> None:
        try:
            remove()
        except ENGINE_FAILURES as exc:
            self.left.append(f"{name}: {exc}")


@dataclass(frozen=True, slots=True)
class Made:
    """The endpoints of a pair, not read yet."""

    arm: Arm
    driver: Driver
    client: Endpoint
    server: Endpoint
    network: Network | None
    lan: Lan | None

    def pair(self, engine: Engine, host: Endpoint) -> Pair:
        """Return everybody that is to be read."""
        sandbox = self.network.sandbox if self.network else None
        return Pair(
            client=namespaces_of(engine, self.client),
            server=namespaces_of(engine, self.server),
            host=namespaces_of(engine, host),
            target=target_of(self.driver.recipe, self.server),
            ipam=self.server.ipam,
            lan=namespaces_of(engine, replace(self.lan.client, role=Role.LAN))
            if self.lan
            else None,
            sandbox=namespaces_of(engine, sandbox) if sandbox else None,
            uplink=self.lan.link if self.lan else None,
        )

    def live(self, pair: Pair, facts: PairFacts) -> LivePair:
        """Return the pair with what was read of it."""
        return LivePair(
            arm=self.arm,
            driver=self.driver,
            client=self.client,
            server=self.server,
            network=self.network,
            lan=self.lan,
            pair=pair,
            facts=facts,
            promises=tuple(promise.judge(facts) for promise in self.driver.promises),
        )


def _judged(one: Made, pair: Pair, facts: PairFacts | FactError) -> LivePair | NotUp:
    if isinstance(facts, FactError):
        return NotUp(one.arm, f"facts: {facts}")
    return one.live(pair, facts)
