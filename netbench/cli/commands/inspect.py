"""`netbench inspect`: one pair up, or one container as it is; everything about it shown."""

import secrets
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from netbench.cli.endpoints import (
    endpoint_document,
    hops_document,
    network_document,
    network_line,
    promise_document,
    veth_lines,
)
from netbench.cli.output import print_json, print_rich, say
from netbench.documents.inspect_verify import EndpointDocument, InspectDocument
from netbench.drivers import Driver, PathClaim
from netbench.engines.base import Endpoint, Engine, EngineOptions
from netbench.engines.choose import open_engine
from netbench.errors import (
    ENGINE_FAILURES,
    ConfigurationError,
    EngineError,
    EngineUnavailable,
    FactError,
)
from netbench.facts.base import Pair
from netbench.plan import parse_drivers
from netbench.record import PairFacts
from netbench.spec import Arm, Path, Role
from netbench.topology.pairs import LiveBlock, LivePair, NotUp
from netbench.topology.paths import choose_reader, namespaces_of
from netbench.workflow.parent import check_parent

if TYPE_CHECKING:
    from rich.tree import Tree
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


def look_at(
    drivers: str | None,
    container: str | None,
    engine: str,
    options: EngineOptions,
    *,
    in_use: bool,
    as_json: bool,
) -> int:
    """Show the facts of one driver's pair, or of one container that exists.

    Args:
        drivers: a driver as users name it.
        container: name of a container.
        engine: auto, docker or netns.
        options: of the user for the engine.
        in_use: whether a named parent may be one that carries the default route.
        as_json: print one JSON document.

    Returns:
        3 where a promise of the driver is broken, else 0.

    Raises:
        ConfigurationError: not exactly one known driver, or one container; or what speaks
            against the parent.
        EngineUnavailable: there is no engine.
        EngineError: the pair cannot be made, or there is no such container.
    """
    if (drivers is None) == (container is None):
        raise ConfigurationError(
            "inspect looks at one driver or at one container: give --drivers or --container, "
            f"not {'both' if drivers else 'neither'}",
            hint="netbench inspect --drivers bridge, or netbench inspect --container NAME",
        )
    if container is not None:
        return _inspect_container(container, engine, options, as_json=as_json)
    driver = _one_driver(str(drivers))
    return _inspect_driver(driver, engine, options, in_use=in_use, as_json=as_json)


def _one_driver(text: str) -> Driver:
    problems: list[str] = []
    drivers = parse_drivers(text, problems)
    if len(drivers) > 1:
        problems.append("inspect looks at one driver at a time")
    if problems:
        raise ConfigurationError(*problems)
    return drivers[0]


def _inspect_driver(
    driver: Driver, name: str, options: EngineOptions, *, in_use: bool, as_json: bool
) -> int:
    engine = open_engine(name, f"inspect{secrets.token_hex(3)}", options)
    try:
        _prepare(engine, as_json=as_json)
        check_parent(engine, options.parent, in_use=in_use)
        pair = _bring_up(engine, driver)
        if pair.facts.lan is not None and not as_json:
            say(engine.lan().done)
    finally:
        engine.close()
    _show(_document(engine, driver, pair), as_json=as_json)
    return 3 if pair.broken else 0


def _prepare(engine: Engine, *, as_json: bool) -> None:
    if not as_json:
        say(f"engine: {engine.name} ({engine.why})")
    try:
        engine.prepare()
    except ENGINE_FAILURES as exc:
        raise EngineUnavailable(exc.message, hint=exc.hint) from exc


def _bring_up(engine: Engine, driver: Driver) -> LivePair:
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


def _document(engine: Engine, driver: Driver, pair: LivePair) -> InspectDocument:
    facts = pair.facts
    client, server = facts.client, facts.server
    spec, ipam = driver.recipe.network, facts.ipam
    return {
        "schema": 1,
        "engine": engine.name,
        "driver": driver.name,
        "container": None,
        "reader": facts.reader,
        "endpoints": [
            endpoint_document(client, server, facts, pair.client),
            endpoint_document(server, client, facts, pair.server),
        ],
        "path": hops_document(driver.hops(Path.EAST_WEST, facts)),
        "paths": {path.value: hops_document(driver.hops(path, facts)) for path in Path},
        "networks": [network_document(driver.name, spec, ipam)] if ipam else [],
        "promises": [promise_document(check) for check in pair.promises],
        "notes": list(facts.notes),
    }


def _inspect_container(container: str, name: str, options: EngineOptions, *, as_json: bool) -> int:
    engine = open_engine(name, f"inspect{secrets.token_hex(3)}", options)
    try:
        _prepare(engine, as_json=as_json)
        visited = engine.visit(container)
        try:
            facts = _facts(engine, visited)
        finally:
            engine.remove_endpoint(visited)
    finally:
        engine.close()
    shown = endpoint_document(facts.server, facts.host, facts, visited)
    ipam = visited.ipam
    document: InspectDocument = {
        "schema": 1,
        "engine": engine.name,
        "driver": None,
        "container": container,
        "reader": facts.reader,
        "endpoints": [EndpointDocument(**{**shown, "role": "container"})],
        "path": [],
        "paths": {},
        "networks": [network_document("", None, ipam)] if ipam else [],
        "promises": [],
        "notes": list(facts.notes),
    }
    _show(document, as_json=as_json)
    return 0


def _facts(engine: Engine, visited: Endpoint) -> PairFacts:
    """Read one container: to the reader it is both ends of a pair."""
    one = namespaces_of(engine, visited)
    pair = Pair(
        client=replace(one, role=Role.CLIENT),
        server=replace(one, role=Role.SERVER),
        host=namespaces_of(engine, engine.host()),
        target=None,
        ipam=visited.ipam,
    )
    (facts,) = choose_reader(engine).read([pair])
    if isinstance(facts, FactError):
        raise facts
    return facts


def _show(document: InspectDocument, *, as_json: bool) -> None:
    if as_json:
        print_json(document)
        return
    from rich.tree import Tree as RichTree

    name = document["driver"] or document["container"] or ""
    root = RichTree(f"{name} ({document['engine']}, read by {document['reader']})")
    for end in document["endpoints"]:
        _add_endpoint(root.add(f"{end['role']} (process {end['pid']})"), end)
    _add(root, "networks", [network_line(network) for network in document["networks"]])
    for path, hops in document["paths"].items():
        lines = [f"{x['namespace']} {x['link']} ({x['kind']}, mtu {x['mtu']})" for x in hops]
        _add(root, f"path {path}", lines)
    if document["driver"]:
        checks = document["promises"]
        held = {True: "held", False: "BROKEN"}
        lines = [f"{held[x['held']]}: {x['promise']}: {x['evidence']}" for x in checks]
        _add(root, "promises", lines)
    _add(root, "notes", document["notes"])
    print_rich(root)


def _add_endpoint(branch: "Tree", end: EndpointDocument) -> None:
    spaces = end["namespaces"].items()
    names = [f"{kind} {space['inode']}: {space['shared']}" for kind, space in spaces]
    _add(branch, "namespaces", names)
    links = [f"{x['name']} ({x['kind'] or 'no kind'}, mtu {x['mtu']})" for x in end["links"]]
    _add(branch, "links", links)
    _add(branch, "where they lead", veth_lines(end))
    _add(branch, "addresses", end["addresses"] or ["none"])
    _add(branch, "routes", end["routes"] or ["none"])
    if end["sandbox_key"]:
        branch.add(f"sandbox key {end['sandbox_key']}")


def _add(branch: "Tree", title: str, lines: Sequence[str]) -> None:
    if lines:
        under = branch.add(title)
        for line in lines:
            under.add(line)


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
    engine: EngineName = "auto",
    context: Context = None,
    image: Image = None,
    parent: Parent = None,
    parent_in_use: ParentInUse = False,
    init_swarm: InitSwarm = False,
    as_json: Json = False,
) -> None:
    """Show namespaces, links and paths of a driver's pair, or of a container.

    A pair is brought up, looked at and taken down; exit code 3 if one of its promises is broken. A
    container that is there is only read, by a helper beside it: nothing runs in it.
    """
    options = EngineOptions(context=context, image=image, parent=parent, init_swarm=init_swarm)
    raise typer.Exit(
        look_at(drivers, container, engine, options, in_use=parent_in_use, as_json=as_json)
    )
