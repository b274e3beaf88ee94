"""Drivers and containers looked at outside of a run: `verify` and `inspect`."""

import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict

from msgspec.structs import replace

from netbench.documents.inspect_verify import (
    DriverEndpointDocument,
    DriverPathMtuRow,
    DriverPromiseRow,
    EndpointDocument,
    HopRow,
    InspectDocument,
    NetworkRow,
    PathMtuRow,
    ProblemRow,
    PromiseRow,
    ReachRow,
    SkippedRow,
    VerifyDocument,
)
from netbench.drivers import DRIVERS, Driver, PathClaim
from netbench.engines.base import Engine, EngineOptions
from netbench.engines.choose import open_engine
from netbench.errors import ENGINE_FAILURES, ConfigurationError, EngineError, EngineUnavailable
from netbench.plan import parse_drivers
from netbench.plan.drivers import third_party_problems
from netbench.spec import MACHINE_PATHS, Arm, Path
from netbench.topology.pairs import LiveBlock, LivePair, NotUp
from netbench.topology.paths import choose_reader
from netbench.verify import NotVerified, Verified, verify_driver
from netbench.verify.path_mtu import PathMtu, mtu_excess, path_mtus
from netbench.verify.servers import check_tools
from netbench.workflow.host_facts import facts_of
from netbench.workflow.options import Observer
from netbench.workflow.preflight import check_parent, taken_down

_BROKEN = 3


def verify_drivers(
    drivers: str | None, kind: str, options: EngineOptions, observer: Observer, *, in_use: bool
) -> tuple[VerifyDocument, list[Verified | NotVerified]]:
    """Verify drivers one after another, all known ones where none is named.

    `in_use` allows a parent that carries the default route. Errors as `inspect_driver`.
    """
    chosen = _named(",".join(DRIVERS) if drivers is None else drivers)
    with _opened("verify", kind, options, observer) as (engine, done):
        for line in done:
            observer.say(line)
        check_tools(engine)
        check_parent(engine, options.parent, in_use=in_use)
        found = _verified(engine, chosen, observer)
        version = str(engine.facts().get("engine.version", ""))
    code = exit_code(found, named=drivers is not None)
    return document(engine.name, version, found, code), found


def inspect_driver(
    text: str, kind: str, options: EngineOptions, observer: Observer, *, in_use: bool
) -> InspectDocument:
    """Bring a driver's pair up, on every path that it has, and return all that is seen of it.

    Raises ConfigurationError for the driver or the parent, EngineError if no pair comes up.
    """
    (driver,) = _named(text, most=1)
    with _opened("inspect", kind, options, observer) as (engine, _):
        check_parent(engine, options.parent, in_use=in_use)
        pair, mtus = _bring_up(engine, driver)
        if pair.facts.lan is not None:
            observer.inform(engine.lan().done)
    facts, ipam = pair.facts, pair.facts.ipam
    paths = {
        path.value: [
            HopRow(hop.role.value, hop.link.name, hop.link.kind, hop.link.mtu)
            for hop in driver.hops(path, facts)
        ]
        for path in Path
        # An engine has one machine, and netbench's own namespace is not read here.
        if path not in (Path.ACROSS, *MACHINE_PATHS)
    }
    return InspectDocument(
        schema=1,
        engine=engine.name,
        driver=driver.name,
        container=None,
        reader=facts.reader,
        endpoints=EndpointDocument.of_pair(facts, pair.client, pair.server),
        path=paths["east-west"],
        paths=paths,
        networks=[NetworkRow.of(driver.name, driver.recipe.network, ipam)] if ipam else [],
        promises=[PromiseRow(**asdict(check)) for check in pair.promises],
        notes=list(facts.notes),
        path_mtus=[PathMtuRow(*_mtu_row(one)) for one in mtus],
        warnings=[*filter(None, [mtu_excess(driver, facts)])],
    )


def _mtu_row(one: PathMtu) -> tuple[str, int, int | None, str]:
    return one.path.value, one.link, one.found, one.evidence


def inspect_container(
    name: str, kind: str, options: EngineOptions, observer: Observer
) -> InspectDocument:
    """Return what is seen of a container that exists; errors as `inspect_driver`."""
    with _opened("inspect", kind, options, observer) as (engine, _):
        visited = engine.visit(name)
        try:
            facts = facts_of(engine, visited)
        finally:
            engine.remove_endpoint(visited)
    shown = EndpointDocument.of(facts.server, facts.host, facts, visited)
    return InspectDocument(
        schema=1,
        engine=engine.name,
        driver=None,
        container=name,
        reader=facts.reader,
        endpoints=[replace(shown, role="container")],
        path=[],
        paths={},
        networks=[NetworkRow.of("", None, visited.ipam)] if visited.ipam else [],
        promises=[],
        notes=list(facts.notes),
        path_mtus=[],
        warnings=[],
    )


@contextmanager
def _opened(
    purpose: str, kind: str, options: EngineOptions, observer: Observer
) -> Iterator[tuple[Engine, tuple[str, ...]]]:
    """Yield an engine that is prepared, and what was done for that; leave nothing on it."""
    run = f"{purpose}{secrets.token_hex(3)}"
    engine = open_engine(kind, run, options)
    with taken_down(engine, run, observer):
        observer.inform(f"engine: {engine.name} ({engine.why})")
        try:
            done = engine.prepare()
        except ENGINE_FAILURES as exc:
            raise EngineUnavailable(str(exc), hint=getattr(exc, "hint", "")) from exc
        yield engine, done


def _named(text: str, most: int | None = None) -> tuple[Driver, ...]:
    problems: list[str] = []
    drivers = parse_drivers(text, problems)
    if most is not None and len(drivers) > most:
        problems.append("inspect looks at one driver at a time")
    problems += third_party_problems()
    if problems:
        raise ConfigurationError(*problems)
    return drivers


def _bring_up(engine: Engine, driver: Driver) -> tuple[LivePair, tuple[PathMtu, ...]]:
    """Return a pair that was up, on every path that it has, and what each of these carries.

    Errors as `Engine.create_endpoint`.
    """
    reason = engine.unsupported(driver.recipe, Path.EAST_WEST)
    if reason:
        raise EngineError(f"{driver.name} cannot run on the {engine.name} engine: {reason}")
    # A LAN is made only for the paths that need one.
    ways = (p for p in (Path.NORTH_SOUTH, Path.HAIRPIN) if isinstance(driver.ways[p], PathClaim))
    others = (path for path in ways if engine.unsupported(driver.recipe, path) is None)
    paths = (Path.EAST_WEST, *others)
    arm = Arm(driver.name)
    reader = choose_reader(engine)
    block = LiveBlock(
        engine, reader, [(arm, driver)], prefix="look", paths=paths, protocols=("tcp", "udp")
    )
    with block:
        pair = block.pairs[arm]
        mtus = path_mtus(engine, pair) if isinstance(pair, LivePair) else ()
    if isinstance(pair, NotUp):
        raise EngineError(f"the pair did not come up: {pair.reason}")
    return pair, mtus


def _verified(
    engine: Engine, drivers: Sequence[Driver], observer: Observer
) -> list[Verified | NotVerified]:
    if any(engine.unsupported(driver.recipe, Path.NORTH_SOUTH) is None for driver in drivers):
        try:
            observer.say(engine.lan().done)
        except EngineError as exc:
            observer.say(f"there is no emulated LAN: {exc.message}")
    reader = choose_reader(engine)
    found: list[Verified | NotVerified] = []
    for number, driver in enumerate(drivers, start=1):
        observer.say(f"{number} of {len(drivers)}: {driver.name}")
        seen = verify_driver(engine, reader, driver)
        found.append(seen)
        observer.say(f"  {_outcome(seen)}")
    return found


def _outcome(seen: Verified | NotVerified) -> str:
    match seen:
        case NotVerified(impossible=True):
            return f"not possible here: {seen.reason}"
        case NotVerified():
            return f"failed: {seen.reason}"
        case Verified():
            left = [f"not removed at once: {one}" for one in seen.left]
            return "; ".join([f"{seen.mismatches or 'no'} mismatches", *seen.problems, *left])


def exit_code(found: Sequence[Verified | NotVerified], *, named: bool) -> int:
    """Return 4 if no driver could be seen, 3 if one broke a promise (or failed, if `named`)."""
    absent = [one for one in found if isinstance(one, NotVerified)]
    if len(absent) == len(found):
        return EngineUnavailable.exit_code
    failed = any(named or not one.impossible for one in absent) or _problems(found)
    return _BROKEN if failed or _mismatches(found) else 0


def _mismatches(found: Sequence[Verified | NotVerified]) -> int:
    return sum(one.mismatches for one in found if isinstance(one, Verified))


def _problems(found: Sequence[Verified | NotVerified]) -> list[ProblemRow]:
    seen = [one for one in found if isinstance(one, Verified)]
    return [ProblemRow(one.driver.name, problem) for one in seen for problem in one.problems]


def document(
    engine: str, version: str, found: Sequence[Verified | NotVerified], code: int
) -> VerifyDocument:
    """Return the one document of `verify --json`."""
    seen = [(one.driver.name, one) for one in found if isinstance(one, Verified)]
    return VerifyDocument(
        schema=1,
        engine=engine,
        engine_version=version or None,
        promises=[
            DriverPromiseRow(driver=name, **asdict(x)) for name, one in seen for x in one.promises
        ],
        rows=[ReachRow(driver=name, **asdict(row)) for name, one in seen for row in one.rows],
        networks=[
            NetworkRow.of(name, spec, ipam) for name, one in seen for spec, ipam in one.networks
        ],
        endpoints=[
            row
            for name, one in seen
            for row in DriverEndpointDocument.of_pair(one.facts, *one.endpoints, driver=name)
        ],
        skipped=[
            SkippedRow(one.driver.name, one.reason, one.impossible)
            for one in found
            if isinstance(one, NotVerified)
        ],
        problems=_problems(found),
        mismatches=_mismatches(found),
        exit=code,
        path_mtus=[
            DriverPathMtuRow(*_mtu_row(mtu), driver=name) for name, one in seen for mtu in one.mtus
        ],
        warnings=[one.warning for _, one in seen if one.warning],
    )
