"""One driver verified: its pair brought up with all that is around it, looked at, taken down."""

from dataclasses import dataclass, replace
from typing import Final

from netbench.drivers import Driver, ReachPlace
from netbench.engines.base import Endpoint, Engine
from netbench.errors import EngineError, FactError
from netbench.facts.base import Reader
from netbench.record import Ipam, PairFacts, PromiseCheck
from netbench.spec import Arm, Attach, NetworkSpec, Path, Recipe, Role
from netbench.topology.pairs import Creations, LiveBlock, LivePair, NotUp
from netbench.verify.matrix import ReachResult, measure
from netbench.verify.path_mtu import PathMtu, mtu_excess, path_mtus
from netbench.verify.places import ReachScene, choose_ports
from netbench.verify.servers import echo_servers, ports_in_host

_PREFIX: Final = "verify"


@dataclass(frozen=True, slots=True)
class Verified:
    """What was seen of a driver."""

    driver: Driver
    promises: tuple[PromiseCheck, ...]  # held before and after the connects, or broken
    rows: tuple[ReachResult, ...]
    facts: PairFacts
    networks: tuple[tuple[NetworkSpec | None, Ipam], ...]
    """The pair's network and the other one: what was asked for (None for the engine's default),
    and what the engine says of it."""
    endpoints: tuple[Endpoint, Endpoint]  # client and server
    mtus: tuple[PathMtu, ...] = ()
    warning: str | None = None  # of an MTU that what lies below does not carry, in words
    problems: tuple[str, ...] = ()  # failures that left rows out, in words
    left: tuple[str, ...] = ()  # what could not be removed, in words

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
    impossible: bool  # whether kernel or engine lack what it takes; else something failed


def verify_driver(engine: Engine, reader: Reader, driver: Driver) -> Verified | NotVerified:
    """Return what is so of one driver; everything made for it is removed again. Or EngineLost."""
    reason = engine.unsupported(driver.recipe, Path.EAST_WEST)
    if reason is not None:
        return NotVerified(driver, reason, impossible=True)
    no_lan = engine.unsupported(driver.recipe, Path.NORTH_SOUTH)
    # With IPv6 where the driver makes its network, and where that fails without.
    richer = _with_ipv6(driver)
    try:
        found = _attempt(engine, reader, richer, no_lan)
        if isinstance(found, NotVerified) and richer != driver:
            return _attempt(engine, reader, driver, no_lan, no_ipv6=found.reason)
    except (EngineError, FactError) as exc:
        return NotVerified(driver, exc.message, impossible=False)
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
    made = Creations(engine)
    try:
        other, why_none, failed = _another(made, live)
        missing = {} if other else {ReachPlace.OTHER: why_none}
        if live.lan is None:
            missing[ReachPlace.LAN] = no_lan or "there is no emulated LAN"
        ports = choose_ports(live, ports_in_host(engine))
        places = ReachScene(live, live.host(engine), other, ports, missing, no_ipv6)
        with echo_servers(engine, places):
            rows = measure(engine, places, _way_in(engine, live.driver.recipe))
        mtus = path_mtus(engine, live)
        promises = _still(reader, live)
    finally:
        made.remove_all()
    networks = [
        (live.driver.recipe.network, live.facts.ipam),
        (live.driver.other, other.ipam if other else None),
    ]
    return Verified(
        driver=live.driver,
        promises=promises,
        rows=rows,
        facts=live.facts,
        networks=tuple((spec, ipam) for spec, ipam in networks if ipam is not None),
        endpoints=(live.client, live.server),
        mtus=mtus,
        warning=mtu_excess(live.driver, live.facts),
        problems=(failed,) if failed else (),
        left=tuple(made.left),
    )


def _another(made: Creations, live: LivePair) -> tuple[Endpoint | None, str, str]:
    """Return a container on another network, or None with why, and what went wrong if anything."""
    spec = live.driver.other
    if spec is None:
        return None, f"{live.driver.name} has no network of its own, so no other one", ""
    name = f"{_PREFIX}-{live.driver.name.replace(':', '-')}-other"
    recipe = Recipe(Attach.NETWORK, Attach.NETWORK)
    try:
        network = made.network(name, spec)
        if live.network is not None and network.id == live.network.id:
            return None, "a parent that was named carries one network alone", ""
        return made.endpoint(f"{name}-c", Role.CLIENT, recipe, network), "", ""
    except EngineError as exc:
        why = f"another network could not be had: {exc.message}"
        return None, why, why


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


def _way_in(engine: Engine, recipe: Recipe) -> str:
    """Return what decides whether the LAN gets to a container behind a bridge of the host's."""
    routed = "the LAN routes it by the host, whose firewall decides"
    if engine.name != "docker":
        return routed
    version = engine.facts().get("engine.version", "of unknown version")
    if recipe.network is not None and recipe.network.gateway:
        return f"{routed}: docker {version}, in gateway mode {recipe.network.gateway}"
    return (
        f"{routed}: docker {version}; from 28 on docker blocks it, "
        "before that it leaves it to the policy of the FORWARD chain"
    )
