"""One driver verified: its pair brought up with everybody around it, looked at, taken down."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Final

from netbench.drivers import Driver, ReachPlace
from netbench.engines.base import Endpoint, Engine, Network
from netbench.errors import ENGINE_FAILURES, EngineError, FactError
from netbench.facts.base import Reader
from netbench.record import Ipam, PairFacts, PromiseCheck
from netbench.spec import Arm, Attach, NetworkSpec, Path, Role
from netbench.system.interrupts import deferred_signals
from netbench.topology import LiveBlock, LivePair, NotUp
from netbench.verify.matrix import ReachResult, measure
from netbench.verify.places import ReachScene, choose_ports
from netbench.verify.servers import echo_servers, ports_in_host

_PREFIX: Final = "verify"


@dataclass(frozen=True, slots=True)
class Verified:
    """What was seen of a driver."""

    driver: Driver
    promises: tuple[PromiseCheck, ...]
    """Each held before the connects and after them, or broken in one of the two."""
    rows: tuple[ReachResult, ...]
    facts: PairFacts
    networks: tuple[tuple[NetworkSpec | None, Ipam], ...]
    """The pair's network and the other one: what was asked for (None for the engine's default),
    and what the engine says of it."""
    endpoints: tuple[Endpoint, Endpoint]
    """Client and server."""
    problems: tuple[str, ...] = ()
    """What failed while it was looked at, so that some rows are missing, in words."""
    left: tuple[str, ...] = ()
    """What could not be removed, in words."""

    @property
    def mismatches(self) -> int:
        """Count broken promises, and connects that went otherwise than promised."""
        broken = sum(not check.held for check in self.promises)
        return broken + sum(row.mismatch for row in self.rows)


@dataclass(frozen=True, slots=True)
class NotVerified:
    """A driver that could not be looked at."""

    driver: Driver
    reason: str
    impossible: bool
    """Whether kernel or engine lack what it takes; else something failed."""


def verify_driver(engine: Engine, reader: Reader, driver: Driver) -> Verified | NotVerified:
    """Return what is so of one driver; everything made for it is removed again.

    Raises:
        EngineLost: the engine does not answer.
    """
    reason = engine.unsupported(driver.recipe, Path.EAST_WEST)
    if reason is not None:
        return NotVerified(driver, reason, impossible=True)
    no_lan = engine.unsupported(driver.recipe, Path.NORTH_SOUTH)
    try:
        return _tried(engine, reader, driver, no_lan)
    except (EngineError, FactError) as exc:
        return NotVerified(driver, exc.message, impossible=False)


def _tried(
    engine: Engine, reader: Reader, driver: Driver, no_lan: str | None
) -> Verified | NotVerified:
    """Try with IPv6 where the driver makes its network, and where that fails without."""
    richer = _with_ipv6(driver)
    found = _attempt(engine, reader, richer, no_lan)
    if isinstance(found, NotVerified) and richer != driver:
        return _attempt(engine, reader, driver, no_lan, no_ipv6=found.reason)
    return found


def _with_ipv6(driver: Driver) -> Driver:
    def both(spec: NetworkSpec | None) -> NetworkSpec | None:
        return replace(spec, ipv6=True) if spec else None

    recipe = replace(driver.recipe, network=both(driver.recipe.network))
    return replace(driver, recipe=recipe, other=both(driver.other))


def _attempt(
    engine: Engine, reader: Reader, driver: Driver, no_lan: str | None, *, no_ipv6: str = ""
) -> Verified | NotVerified:
    arm = Arm(driver.name)
    block = LiveBlock(
        engine,
        reader,
        [(arm, driver)],
        prefix=_PREFIX,
        paths=(Path.EAST_WEST,) if no_lan else (Path.EAST_WEST, Path.NORTH_SOUTH),
        protocols=("tcp", "udp"),
    )
    with block:
        pair = block.pairs[arm]
        if isinstance(pair, NotUp):
            return NotVerified(driver, pair.reason, pair.impossible)
        seen = _look(engine, reader, pair, no_lan, no_ipv6)
    return replace(seen, left=(*seen.left, *block.left))


def _look(
    engine: Engine, reader: Reader, live: LivePair, no_lan: str | None, no_ipv6: str
) -> Verified:
    left: list[str] = []
    with _another(engine, live, left) as beside:
        host = engine.host()
        missing = {} if beside.endpoint else {ReachPlace.OTHER: beside.why_none}
        if live.lan is None:
            missing[ReachPlace.LAN] = no_lan or "there is no emulated LAN"
        ports = choose_ports(live, ports_in_host(engine))
        scene = ReachScene(live, host, beside.endpoint, ports, missing, no_ipv6)
        with echo_servers(engine, scene):
            rows = measure(engine, scene, _way_in(engine))
        promises = _still(reader, live)
    other = beside.endpoint.ipam if beside.endpoint else None
    networks = [(live.driver.recipe.network, live.facts.ipam), (live.driver.other, other)]
    return Verified(
        driver=live.driver,
        promises=promises,
        rows=rows,
        facts=live.facts,
        networks=tuple((spec, ipam) for spec, ipam in networks if ipam is not None),
        endpoints=(live.client, live.server),
        problems=(beside.failed,) if beside.failed else (),
        left=tuple(left),
    )


@dataclass(slots=True)
class _Beside:
    """A container on another network of the same kind, as far as it is made."""

    network: Network | None = None
    endpoint: Endpoint | None = None
    why_none: str = ""
    failed: str = ""
    """What went wrong, where there should be one."""


@contextmanager
def _another(engine: Engine, live: LivePair, left: list[str]) -> Iterator[_Beside]:
    """Have a container on another network, or the reason why there is none.

    What could not be removed at the end is added to `left`, in words.
    """
    spec = live.driver.other
    made = _Beside(why_none=f"{live.driver.name} has no network of its own, so no other one")
    try:
        if spec is not None:
            _make_another(engine, live, spec, made)
        yield made
    finally:
        with deferred_signals():
            try:
                if made.endpoint is not None:
                    engine.remove_endpoint(made.endpoint)
                if made.network is not None:
                    engine.remove_network(made.network)
            except ENGINE_FAILURES as exc:
                left.append(f"the other network: {exc.message}")


def _make_another(engine: Engine, live: LivePair, spec: NetworkSpec, made: _Beside) -> None:
    name = f"{_PREFIX}-{live.driver.name.replace(':', '-')}-other"
    try:
        made.network = engine.create_network(name, spec)
        if live.network is not None and made.network.id == live.network.id:
            made.why_none = "a parent that was named carries one network alone"
            return
        made.endpoint = engine.create_endpoint(
            f"{name}-c", Role.CLIENT, Attach.NETWORK, network=made.network, peer=None, cpus=()
        )
    except EngineError as exc:
        made.why_none = made.failed = f"another network could not be had: {exc.message}"


def _still(reader: Reader, live: LivePair) -> tuple[PromiseCheck, ...]:
    """Return each promise as it stood before the connects and as it stands after them."""
    (now,) = reader.read([live.pair])
    if isinstance(now, FactError):
        unread = f"its facts could not be read a second time: {now.message}"
        return tuple(replace(c, held=False, evidence=unread) for c in live.promises)
    later = [promise.judge(now) for promise in live.driver.promises]
    return tuple(
        after if before.held else before for before, after in zip(live.promises, later, strict=True)
    )


def _way_in(engine: Engine) -> str:
    """Return what decides whether the LAN gets to a container behind a bridge of the host's."""
    routed = "the LAN routes it by the host, whose firewall decides"
    if engine.name != "docker":
        return routed
    version = engine.facts().get("engine.version", "of unknown version")
    return (
        f"{routed}: docker {version}; from 28 on docker blocks it, "
        "before that it leaves it to the policy of the FORWARD chain"
    )
