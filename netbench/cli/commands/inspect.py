"""`netbench inspect`: one pair up, or one container as it is; everything about it shown."""

import secrets
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer
from msgspec.structs import replace

from netbench.cli import commands as shared
from netbench.cli import completion
from netbench.cli.output import print_json, print_rich, say
from netbench.cli.reach import network_line, veth_lines
from netbench.documents.inspect_verify import (
    EndpointDocument,
    HopRow,
    InspectDocument,
    NetworkRow,
    PromiseRow,
)
from netbench.drivers import Driver, PathClaim
from netbench.engines.base import Engine, EngineOptions
from netbench.engines.choose import open_engine
from netbench.errors import ENGINE_FAILURES, ConfigurationError, EngineError, EngineUnavailable
from netbench.plan import parse_drivers
from netbench.spec import Arm, Path
from netbench.topology import LiveBlock, LivePair, NotUp, choose_reader
from netbench.workflow.host_facts import facts_of
from netbench.workflow.preflight import check_parent

if TYPE_CHECKING:
    from rich.tree import Tree


def inspect(
    drivers: Annotated[
        str | None,
        typer.Option(
            metavar="DRIVER",
            help="The driver to look at.",
            autocompletion=completion.driver_lists,
        ),
    ] = None,
    container: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Name of a docker container that is there; only read."),
    ] = None,
    engine: shared.EngineName = "auto",
    context: shared.Context = None,
    image: shared.Image = None,
    parent: shared.Parent = None,
    parent_in_use: shared.ParentInUse = False,
    init_swarm: shared.InitSwarm = False,
    as_json: shared.Json = False,
) -> int:
    """Show namespaces, links and paths of a driver's pair, or of a container.

    A pair is brought up, looked at and taken down; exit code 3 if one of its promises is broken. A
    container that is there is only read, by a helper beside it: nothing runs in it.
    """
    if (drivers is None) == (container is None):
        raise ConfigurationError(
            "inspect looks at one driver or at one container: give --drivers or --container, "
            f"not {'both' if drivers else 'neither'}",
            hint="netbench inspect --drivers bridge, or netbench inspect --container NAME",
        )
    driver = None if drivers is None else _one_driver(drivers)
    options = EngineOptions(context=context, image=image, parent=parent, init_swarm=init_swarm)
    live = open_engine(engine, f"inspect{secrets.token_hex(3)}", options)
    try:
        _prepare(live, as_json=as_json)
        if driver is None:
            document = _container(live, str(container))
        else:
            check_parent(live, parent, in_use=parent_in_use)
            document = _pair(live, driver, as_json=as_json)
    finally:
        live.close()
    if as_json:
        print_json(document)
    else:
        _show(document)
    return 0 if all(promise.held for promise in document.promises) else 3


def _one_driver(text: str) -> Driver:
    problems: list[str] = []
    drivers = parse_drivers(text, problems)
    if len(drivers) > 1:
        problems.append("inspect looks at one driver at a time")
    if problems:
        raise ConfigurationError(*problems)
    return drivers[0]


def _prepare(engine: Engine, *, as_json: bool) -> None:
    if not as_json:
        say(f"engine: {engine.name} ({engine.why})")
    try:
        engine.prepare()
    except ENGINE_FAILURES as exc:
        raise EngineUnavailable(exc.message, hint=exc.hint) from exc


def _pair(engine: Engine, driver: Driver, *, as_json: bool) -> InspectDocument:
    pair = _bring_up(engine, driver)
    facts = pair.facts
    if facts.lan is not None and not as_json:
        say(engine.lan().done)
    paths = {
        path: [
            HopRow(hop.role.value, hop.link.name, hop.link.kind, hop.link.mtu)
            for hop in driver.hops(path, facts)
        ]
        for path in Path
    }
    networks = [NetworkRow.of(driver.name, driver.recipe.network, facts.ipam)] if facts.ipam else []
    return InspectDocument(
        schema=1,
        engine=engine.name,
        driver=driver.name,
        container=None,
        reader=facts.reader,
        endpoints=EndpointDocument.of_pair(facts, pair.client, pair.server),
        path=paths[Path.EAST_WEST],
        paths={path.value: hops for path, hops in paths.items()},
        networks=networks,
        promises=[PromiseRow(**asdict(check)) for check in pair.promises],
        notes=list(facts.notes),
    )


def _bring_up(engine: Engine, driver: Driver) -> LivePair:
    """Return a pair that was up, on every path that it has; errors as `Engine.create_endpoint`."""
    reason = engine.unsupported(driver.recipe, Path.EAST_WEST)
    if reason:
        raise EngineError(f"{driver.name} cannot run on the {engine.name} engine: {reason}")
    others = (path for path in (Path.NORTH_SOUTH, Path.HAIRPIN) if _has(engine, driver, path))
    paths = (Path.EAST_WEST, *others)
    arm = Arm(driver.name)
    reader = choose_reader(engine)
    with LiveBlock(engine, reader, [(arm, driver)], prefix="look", paths=paths) as live:
        pair = live.pairs[arm]
    if isinstance(pair, NotUp):
        raise EngineError(f"the pair did not come up: {pair.reason}")
    return pair


def _has(engine: Engine, driver: Driver, path: Path) -> bool:
    """Tell whether there is a way on a path: a LAN is made only for those that need one."""
    open_way = isinstance(driver.ways[path], PathClaim)
    return open_way and engine.unsupported(driver.recipe, path) is None


def _container(engine: Engine, name: str) -> InspectDocument:
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
    )


def _show(document: InspectDocument) -> None:
    from rich.tree import Tree

    name = document.driver or document.container or ""
    root = Tree(f"{name} ({document.engine}, read by {document.reader})")
    for end in document.endpoints:
        branch = root.add(f"{end.role} (process {end.pid})")
        for title, lines in _endpoint_lines(end).items():
            _add(branch, title, lines)
        if end.sandbox_key:
            branch.add(f"sandbox key {end.sandbox_key}")
    _add(root, "networks", [network_line(network) for network in document.networks])
    for path, hops in document.paths.items():
        lines = [f"{x.namespace} {x.link} ({x.kind}, mtu {x.mtu})" for x in hops]
        _add(root, f"path {path}", lines)
    held = {True: "held", False: "BROKEN"}
    lines = [f"{held[x.held]}: {x.promise}: {x.evidence}" for x in document.promises]
    _add(root, "promises", lines)
    _add(root, "notes", document.notes)
    print_rich(root)


def _endpoint_lines(end: EndpointDocument) -> dict[str, Sequence[str]]:
    spaces = end.namespaces.items()
    return {
        "namespaces": [f"{kind} {space.inode}: {space.shared}" for kind, space in spaces],
        "links": [f"{x.name} ({x.kind or 'no kind'}, mtu {x.mtu})" for x in end.links],
        "where they lead": veth_lines(end),
        "addresses": end.addresses or ["none"],
        "routes": end.routes or ["none"],
    }


def _add(branch: "Tree", title: str, lines: Sequence[str]) -> None:
    if lines:
        under = branch.add(title)
        for line in lines:
            under.add(line)
