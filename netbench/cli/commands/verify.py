"""`netbench verify`: what every driver promises, held against what is so."""

import secrets
from collections.abc import Sequence
from dataclasses import asdict
from typing import Annotated

from netbench.cli import commands as shared
from netbench.cli import completion
from netbench.cli.output import print_json, printable, say
from netbench.cli.progress import TerminalObserver
from netbench.cli.reach import shown
from netbench.documents.inspect_verify import (
    DriverEndpointDocument,
    DriverPromiseRow,
    NetworkRow,
    ProblemRow,
    ReachRow,
    SkippedRow,
    VerifyDocument,
)
from netbench.drivers import DRIVERS, Driver
from netbench.engines.base import Engine, EngineOptions
from netbench.engines.choose import open_engine
from netbench.errors import ENGINE_FAILURES, ConfigurationError, EngineError, EngineUnavailable
from netbench.plan import parse_drivers
from netbench.spec import Path
from netbench.topology import choose_reader
from netbench.verify import NotVerified, Verified, check_tools, verify_driver
from netbench.workflow.preflight import check_parent, taken_down

_BROKEN = 3


def verify(
    drivers: Annotated[
        str | None,
        shared.setting(
            "drivers", "LIST", "Comma list of drivers; default: all.", completion.driver_lists
        ),
    ] = None,
    engine: shared.EngineName = "auto",
    context: shared.Context = None,
    image: shared.Image = None,
    parent: shared.Parent = None,
    parent_in_use: shared.ParentInUse = False,
    init_swarm: shared.InitSwarm = False,
    as_json: shared.Json = False,
) -> int:
    """Check what drivers promise, and who reaches whom by real connects.

    For each driver: every promise, held or broken, with its evidence; a matrix of TCP and UDP
    connects over IPv4 and IPv6 from the container, its pair, a container on another network, the
    host and the LAN to each other, to the gateway and to a published port, measured beside
    promised; the networks with their IPAM, the namespaces by inode, the sandbox file and the veth
    map. Exit code 3 if a promise is broken, or a connect goes otherwise than promised. Needs socat.
    """
    options = EngineOptions(context=context, image=image, parent=parent, init_swarm=init_swarm)
    problems: list[str] = []
    chosen = tuple(DRIVERS.values()) if drivers is None else parse_drivers(drivers, problems)
    if problems:
        raise ConfigurationError(*problems)
    run = f"verify{secrets.token_hex(3)}"
    live = open_engine(engine, run, options)
    with taken_down(live, run, TerminalObserver()):
        say(f"engine: {live.name} ({live.why})")
        _prepare(live)
        check_parent(live, parent, in_use=parent_in_use)
        found = _verified(live, chosen)
        version = str(live.facts().get("engine.version", ""))
    code = exit_code(found, named=drivers is not None)
    if as_json:
        print_json(document(live.name, version, found, code))
    else:
        for one in found:
            print(printable(shown(one)))
    return code


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
    """Return 4 where no driver could be looked at, 3 where anything is not as promised, else 0.

    A driver that is not possible here counts only if it is among those `named` by the user.
    """
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
    )
