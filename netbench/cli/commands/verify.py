"""`netbench verify`: what every driver promises, held against what is so."""

import secrets
from collections.abc import Sequence
from typing import Annotated

import typer

from netbench.cli import completion
from netbench.cli.commands.options import (
    Context,
    EngineName,
    Image,
    InitSwarm,
    Json,
    Parent,
    ParentInUse,
)
from netbench.cli.endpoints import endpoint_document, network_document, promise_document
from netbench.cli.output import print_json, printable, say
from netbench.cli.progress import TerminalObserver
from netbench.cli.reach import shown
from netbench.documents.inspect_verify import (
    DriverEndpointDocument,
    ProblemRow,
    ReachRow,
    VerifyDocument,
)
from netbench.drivers import DRIVERS, Driver
from netbench.engines.base import Engine, EngineOptions
from netbench.engines.choose import open_engine
from netbench.errors import ENGINE_FAILURES, ConfigurationError, EngineError, EngineUnavailable
from netbench.plan import parse_drivers
from netbench.spec import Path
from netbench.topology.paths import choose_reader
from netbench.verify import NotVerified, Verified, verify_driver
from netbench.verify.matrix import ReachResult
from netbench.verify.servers import check_tools
from netbench.workflow.parent import check_parent
from netbench.workflow.preflight import taken_down

_BROKEN = 3


def verify_drivers(
    drivers: str | None, engine_name: str, options: EngineOptions, *, in_use: bool, as_json: bool
) -> int:
    """Verify drivers one after another, all known ones where none is named.

    Args:
        drivers: comma list, None for all that are known.
        engine_name: auto, docker or netns.
        options: of the user for the engine.
        in_use: whether a named parent may be one that carries the default route.
        as_json: print one JSON document.

    Returns:
        As `exit_code`.

    Raises:
        ConfigurationError: with every mistake in the list, or what speaks against the parent.
        EngineUnavailable: there is no engine, or endpoints have no tool to connect with.
    """
    chosen = _chosen(drivers)
    run = f"verify{secrets.token_hex(3)}"
    engine = open_engine(engine_name, run, options)
    with taken_down(engine, run, TerminalObserver()):
        say(f"engine: {engine.name} ({engine.why})")
        _prepare(engine)
        check_parent(engine, options.parent, in_use=in_use)
        found = _verified(engine, chosen)
        version = str(engine.facts().get("engine.version", ""))
    code = exit_code(found, named=drivers is not None)
    if as_json:
        print_json(document(engine.name, version, found, code))
    else:
        for one in found:
            print(printable(shown(one)))
    return code


def _chosen(text: str | None) -> tuple[Driver, ...]:
    if text is None:
        return tuple(DRIVERS.values())
    problems: list[str] = []
    drivers = parse_drivers(text, problems)
    if problems:
        raise ConfigurationError(*problems)
    return drivers


def _prepare(engine: Engine) -> None:
    try:
        for line in engine.prepare():
            say(line)
        check_tools(engine)
    except ENGINE_FAILURES as exc:
        raise EngineUnavailable(exc.message, hint=exc.hint) from exc


def _verified(engine: Engine, drivers: Sequence[Driver]) -> list[Verified | NotVerified]:
    _announce_lan(engine, drivers)
    reader = choose_reader(engine)
    found: list[Verified | NotVerified] = []
    for number, driver in enumerate(drivers, start=1):
        say(f"{number} of {len(drivers)}: {driver.name}")
        seen = verify_driver(engine, reader, driver)
        found.append(seen)
        say(f"  {_outcome(seen)}")
    return found


def _announce_lan(engine: Engine, drivers: Sequence[Driver]) -> None:
    """Say what is made on the engine's host for the emulated LAN, where one will be."""
    if any(engine.unsupported(driver.recipe, Path.NORTH_SOUTH) is None for driver in drivers):
        try:
            say(engine.lan().done)
        except EngineError as exc:
            say(f"there is no emulated LAN: {exc.message}")


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
    """Return how the program ends.

    Args:
        found: what was seen of each driver.
        named: whether the user asked for these drivers by name.

    Returns:
        3 where a promise is broken, a connect goes otherwise than promised, something did not
        come up, or a driver that was named is not possible here; 4 where no driver could be
        looked at; else 0.
    """
    absent = [one for one in found if isinstance(one, NotVerified)]
    if len(absent) == len(found):
        return EngineUnavailable.exit_code
    failed = any(named or not one.impossible for one in absent) or _problems(found)
    return _BROKEN if failed or _mismatches(found) else 0


def _mismatches(found: Sequence[Verified | NotVerified]) -> int:
    return sum(one.mismatches for one in found if isinstance(one, Verified))


def _problems(found: Sequence[Verified | NotVerified]) -> list[ProblemRow]:
    return [
        {"driver": one.driver.name, "problem": problem}
        for one in found
        if isinstance(one, Verified)
        for problem in one.problems
    ]


def document(
    engine: str, version: str, found: Sequence[Verified | NotVerified], code: int
) -> VerifyDocument:
    """Return the one document of `verify --json`."""
    seen = [one for one in found if isinstance(one, Verified)]
    return {
        "schema": 1,
        "engine": engine,
        "engine_version": version or None,
        "promises": [
            {"driver": one.driver.name, **promise_document(check)}
            for one in seen
            for check in one.promises
        ],
        "rows": [_row(one.driver, row) for one in seen for row in one.rows],
        "networks": [
            network_document(one.driver.name, spec, ipam)
            for one in seen
            for spec, ipam in one.networks
        ],
        "endpoints": [row for one in seen for row in _endpoints(one)],
        "skipped": [
            {"driver": one.driver.name, "reason": one.reason, "impossible": one.impossible}
            for one in found
            if isinstance(one, NotVerified)
        ],
        "problems": _problems(found),
        "mismatches": _mismatches(found),
        "exit": code,
    }


def _row(driver: Driver, row: ReachResult) -> ReachRow:
    return {
        "driver": driver.name,
        "from": row.source.value,
        "to": row.target.value,
        "protocol": row.protocol,
        "family": row.family,
        "promised": row.promised,
        "measured": row.measured,
        "evidence": row.evidence,
    }


def _endpoints(one: Verified) -> list[DriverEndpointDocument]:
    facts = one.facts
    pair = ((facts.client, facts.server), (facts.server, facts.client))
    return [
        {"driver": one.driver.name, **endpoint_document(end, other, facts, endpoint)}
        for (end, other), endpoint in zip(pair, one.endpoints, strict=True)
    ]


def verify(
    drivers: Annotated[
        str | None,
        typer.Option(
            metavar="LIST",
            help="Comma list of drivers; default: all.",
            envvar="NETBENCH_DRIVERS",
            autocompletion=completion.driver_lists,
        ),
    ] = None,
    engine: EngineName = "auto",
    context: Context = None,
    image: Image = None,
    parent: Parent = None,
    parent_in_use: ParentInUse = False,
    init_swarm: InitSwarm = False,
    as_json: Json = False,
) -> None:
    """Check what drivers promise, and who reaches whom by real connects.

    For each driver: every promise, held or broken, with its evidence; a matrix of TCP and UDP
    connects over IPv4 and IPv6 from the container, its pair, a container on another network, the
    host and the LAN to each other, to the gateway and to a published port, measured beside
    promised; the networks with their IPAM, the namespaces by inode, the sandbox file and the veth
    map. Exit code 3 if a promise is broken, or a connect goes otherwise than promised. Needs socat.
    """
    options = EngineOptions(context=context, image=image, parent=parent, init_swarm=init_swarm)
    raise typer.Exit(
        verify_drivers(drivers, engine, options, in_use=parent_in_use, as_json=as_json)
    )
