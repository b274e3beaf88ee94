"""All pairs of a block: brought up together, read, and taken down together."""

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from netbench.drivers import DRIVERS, Driver
from netbench.engines.base import Endpoint, Engine, Network
from netbench.errors import EngineError, EngineLost, FactError
from netbench.facts.base import Pair, Reader
from netbench.record import PairFacts, PromiseCheck
from netbench.spec import Arm, Attach, Recipe, Role
from netbench.topology.readers import subject
from netbench.topology.shield import deferred_signals

_WORKERS = 4
"""Pairs made at a time: the engine works for each, and there may be two cores."""


@dataclass(frozen=True, slots=True)
class LivePair:
    """A pair that is up, with the facts of its first reading."""

    arm: Arm
    driver: Driver
    client: Endpoint
    server: Endpoint
    pair: Pair
    facts: PairFacts
    promises: tuple[PromiseCheck, ...]

    @property
    def target(self) -> str | None:
        """Address by which the client reaches the server."""
        return self.pair.target

    @property
    def broken(self) -> tuple[PromiseCheck, ...]:
        """The promises that do not hold."""
        return tuple(check for check in self.promises if not check.held)


@dataclass(frozen=True, slots=True)
class NotUp:
    """A pair that could not be made."""

    arm: Arm
    reason: str


def target_of(recipe: Recipe, server: Endpoint) -> str | None:
    """Return the address a client uses: loopback where the namespace is shared."""
    if Attach.PEER in (recipe.client, recipe.server) or recipe.server is Attach.HOST:
        return "127.0.0.1"
    return server.address


class LiveBlock:
    """The pairs of one block as a context: entering makes them, leaving removes every one."""

    def __init__(
        self,
        engine: Engine,
        reader: Reader,
        arms: Iterable[Arm],
        *,
        prefix: str,
        cpus: tuple[int, ...],
        keep: bool = False,
    ) -> None:
        """Prepare; nothing is made yet.

        Args:
            engine: makes them.
            reader: reads their facts.
            arms: in the order they are made.
            prefix: start of every name.
            cpus: confine the endpoints, empty for all.
            keep: leave everything up at the end.
        """
        self._engine = engine
        self._reader = reader
        self._arms = tuple(arms)
        self._prefix = prefix
        self._cpus = cpus
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
            with ThreadPoolExecutor(max_workers=_WORKERS) as pool:
                made = list(pool.map(self._make, self._arms))
            self.pairs.update({pair.arm: pair for pair in made if isinstance(pair, NotUp)})
            self.pairs.update(self._read([pair for pair in made if isinstance(pair, _Made)]))
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

    def _make(self, arm: Arm) -> "_Made | NotUp":
        driver = DRIVERS[arm.driver]
        recipe = driver.recipe
        stem = f"{self._prefix}-{arm.driver.replace(':', '-')}{'-aa' if arm.replica else ''}"
        try:
            network = None
            if recipe.network:
                network = self._engine.create_network(stem, recipe.network)
                self._networks.append(network)
            server = self._endpoint(f"{stem}-s", Role.SERVER, recipe.server, network, None)
            client = self._endpoint(f"{stem}-c", Role.CLIENT, recipe.client, network, server)
        except EngineLost:
            raise
        except (EngineError, FactError) as exc:
            return NotUp(arm, str(exc))
        return _Made(arm, driver, client, server)

    def _endpoint(
        self, name: str, role: Role, attach: Attach, network: Network | None, peer: Endpoint | None
    ) -> Endpoint:
        endpoint = self._engine.create_endpoint(
            name, role, attach, network=network, peer=peer, cpus=self._cpus
        )
        self._endpoints.append(endpoint)
        return endpoint

    def _read(self, made: list["_Made"]) -> dict[Arm, LivePair | NotUp]:
        """Read the facts of all pairs and judge their promises."""
        host = subject(self._engine, self._engine.host())
        pairs = [
            Pair(
                client=subject(self._engine, one.client),
                server=subject(self._engine, one.server),
                host=host,
                target=target_of(one.driver.recipe, one.server),
                ipam=one.server.ipam,
            )
            for one in made
        ]
        return {
            one.arm: NotUp(one.arm, f"facts: {facts}")
            if isinstance(facts, FactError)
            else one.live(pair, facts)
            for one, pair, facts in zip(made, pairs, self._reader.read(pairs), strict=True)
        }

    def _remove_all(self) -> None:
        with deferred_signals():
            with ThreadPoolExecutor(max_workers=_WORKERS) as pool:
                # A container whose namespace another shares goes after it: clients come last.
                list(pool.map(self._remove_endpoint, reversed(self._endpoints)))
                list(pool.map(self._remove_network, self._networks))
            self._endpoints.clear()
            self._networks.clear()

    def _remove_endpoint(self, endpoint: Endpoint) -> None:
        self._attempt(lambda: self._engine.remove_endpoint(endpoint), endpoint.name)

    def _remove_network(self, network: Network) -> None:
        self._attempt(lambda: self._engine.remove_network(network), network.id)

    def _attempt(self, remove: Callable[[], None], name: str) -> None:
        try:
            remove()
        except EngineError as exc:
            self.left.append(f"{name}: {exc}")


@dataclass(frozen=True, slots=True)
class _Made:
    arm: Arm
    driver: Driver
    client: Endpoint
    server: Endpoint

    def live(self, pair: Pair, facts: PairFacts) -> LivePair:
        """Return the pair with what was read of it."""
        promises = tuple(promise.judge(facts) for promise in self.driver.promises)
        return LivePair(self.arm, self.driver, self.client, self.server, pair, facts, promises)
