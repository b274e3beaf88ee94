"""`netbench inspect`: one pair up, everything about it shown, and down again."""

import secrets
from typing import Any

from netbench.cli.output import print_json, print_rich, say
from netbench.drivers import Driver
from netbench.engines.base import Engine
from netbench.engines.choose import open_engine
from netbench.errors import ConfigurationError, EngineError, EngineUnavailable
from netbench.plan import parse_drivers
from netbench.record import NAMESPACE_KINDS, EndpointFacts, Link, PairFacts
from netbench.spec import Arm
from netbench.topology import LiveBlock, LivePair, NotUp, choose_reader


def inspect_driver(text: str, engine_name: str, image: str | None, *, as_json: bool) -> int:
    """Show the facts of one driver's pair, as a tree or as JSON; 3 where a promise is broken.

    Raises:
        ConfigurationError: not exactly one known driver.
        EngineUnavailable: there is no engine.
        EngineError: the pair cannot be made.
    """
    problems: list[str] = []
    drivers = parse_drivers(text, problems)
    if len(drivers) > 1:
        problems.append("inspect looks at one driver at a time")
    if problems:
        raise ConfigurationError(*problems)
    driver = drivers[0]
    run = f"inspect{secrets.token_hex(3)}"
    engine = open_engine(engine_name, run, image)
    try:
        pair = _facts(engine, driver)
    finally:
        engine.close()
    document = _document(engine, driver, pair)
    if as_json:
        print_json(document)
    else:
        say(f"engine: {engine.name} ({engine.why})")
        _show(document)
    return 3 if pair.broken else 0


def _facts(engine: Engine, driver: Driver) -> LivePair:
    try:
        engine.prepare()
    except EngineError as exc:
        raise EngineUnavailable(exc.message, hint=exc.hint) from exc
    reason = engine.unsupported(driver.recipe)
    if reason:
        raise EngineError(f"{driver.name} cannot run on the {engine.name} engine: {reason}")
    arm = Arm(driver.name)
    with LiveBlock(engine, choose_reader(engine), [arm], prefix="look", cpus=()) as live:
        pair = live.pairs[arm]
    if isinstance(pair, NotUp):
        raise EngineError(f"the pair did not come up: {pair.reason}")
    return pair


def _document(engine: Engine, driver: Driver, pair: LivePair) -> dict[str, Any]:
    facts = pair.facts
    ends = (facts.client, facts.server)
    return {
        "schema": 1,
        "engine": engine.name,
        "driver": driver.name,
        "reader": facts.reader,
        "endpoints": [_endpoint(end, other, facts) for end, other in (ends, ends[::-1])],
        "path": [
            {
                "namespace": hop.role.value,
                "link": hop.link.name,
                "kind": hop.link.kind,
                "mtu": hop.link.mtu,
            }
            for hop in driver.path(facts)
        ],
        "promises": [
            {"promise": check.promise, "held": check.held, "evidence": check.evidence}
            for check in pair.promises
        ],
        "notes": list(facts.notes),
    }


def _endpoint(end: EndpointFacts, other: EndpointFacts, facts: PairFacts) -> dict[str, Any]:
    return {
        "role": end.role.value,
        "pid": end.pid,
        "namespaces": {
            kind: {
                "inode": end.namespaces.inode(kind),
                "shared": end.namespaces.shared(kind, facts.host.namespaces, other.namespaces),
            }
            for kind in NAMESPACE_KINDS
        },
        "links": [_link(link, facts) for link in end.links],
        "addresses": [f"{a.address}/{a.prefix} dev {a.link}" for a in end.addresses],
        "routes": [
            f"{r.destination}{f' via {r.gateway}' if r.gateway else ''} dev {r.link}"
            for r in end.routes
        ],
    }


def _link(link: Link, facts: PairFacts) -> dict[str, Any]:
    peer = facts.host.by_index(link.peer) if link.peer_nsid is not None else None
    return {
        "name": link.name,
        "index": link.index,
        "kind": link.kind,
        "mode": link.mode,
        "parent": link.parent,
        "peer": {"namespace": "host", "index": peer.index, "name": peer.name} if peer else None,
        "master": peer.master if peer else link.master,
        "mtu": link.mtu,
        "mac": link.mac,
    }


def _show(document: dict[str, Any]) -> None:
    from rich.tree import Tree  # noqa: PLC0415 -- rich is slow to import

    root = Tree(f"{document['driver']} ({document['engine']}, read by {document['reader']})")
    for end in document["endpoints"]:
        branch = root.add(f"{end['role']} (process {end['pid']})")
        names = branch.add("namespaces")
        for kind, namespace in end["namespaces"].items():
            names.add(f"{kind} {namespace['inode']}: {namespace['shared']}")
        links = branch.add("links")
        for link in end["links"]:
            peer = link["peer"]
            to = f" -> host {peer['name']} in {link['master']}" if peer else ""
            links.add(f"{link['name']} ({link['kind'] or 'no kind'}, mtu {link['mtu']}){to}")
        for title in ("addresses", "routes"):
            under = branch.add(title)
            for line in end[title] or ["none"]:
                under.add(line)
    path = root.add("path")
    for hop in document["path"] or []:
        path.add(f"{hop['namespace']} {hop['link']} ({hop['kind']}, mtu {hop['mtu']})")
    promises = root.add("promises")
    for check in document["promises"]:
        held = "held" if check["held"] else "BROKEN"
        promises.add(f"{held}: {check['promise']}: {check['evidence']}")
    print_rich(root)
