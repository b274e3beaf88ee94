"""`netbench verify`, what drivers promise held against what is so, and `netbench inspect`."""

from collections.abc import Sequence
from textwrap import wrap
from typing import TYPE_CHECKING, Annotated, Final

import typer

from netbench.cli import commands as shared
from netbench.cli import completion
from netbench.cli.output import print_json, print_rich, printable
from netbench.cli.progress import TerminalObserver
from netbench.documents.inspect_verify import EndpointDocument, InspectDocument, NetworkRow
from netbench.drivers import ReachPlace
from netbench.engines.base import EngineOptions
from netbench.errors import ConfigurationError
from netbench.spec import option_problem
from netbench.verify import NotVerified, Verified
from netbench.verify.clients import SeenClient, client_lines
from netbench.verify.matrix import ReachResult
from netbench.verify.path_mtu import PathMtu
from netbench.verify.places import SOURCES, TARGETS
from netbench.workflow.verify import inspect_container, inspect_driver, verify_drivers

if TYPE_CHECKING:
    from rich.tree import Tree

_WIDTH: Final = 100
_FIRST, _CELL = 15, 14  # columns of the first column of the matrix, and of every other
_KINDS: Final = ("tcp4", "udp4", "tcp6", "udp6")
_HALVES: Final = {
    frozenset({"tcp4", "tcp6"}): "tcp only",
    frozenset({"udp4", "udp6"}): "udp only",
    frozenset({"tcp4", "udp4"}): "v4 only",
    frozenset({"tcp6", "udp6"}): "v6 only",
}


def verify(
    ctx: typer.Context,
    drivers: Annotated[
        str | None, shared.setting("drivers LIST", "Comma list of drivers; default: all.")
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
    promised; at whose address the server sees its client on each path; the largest packet that each
    path carries, and a network whose MTU is above that of what lies below; the networks with their
    IPAM, the namespaces by inode, the sandbox file and the veth map. Exit code 3 if a promise is
    broken, or a connect goes otherwise than promised. Needs socat.
    """
    shared.refuse_idle(ctx, {"parent_in_use": "" if parent else "without --parent"})
    options = EngineOptions(context=context, image=image, parent=parent, init_swarm=init_swarm)
    document, found = verify_drivers(
        drivers, engine, options, TerminalObserver(), in_use=parent_in_use
    )
    if as_json:
        print_json(document)
    else:
        for one in found:
            print(printable(shown(one)))
    return document.exit


def shown(one: Verified | NotVerified) -> str:
    """Return everything that was seen of one driver, for the terminal."""
    if isinstance(one, NotVerified):
        why = "not possible here" if one.impossible else "FAILED"
        return "\n".join([*_wrapped(f"{one.driver.name}: {why}: {one.reason}", ""), ""])
    lines = [_headline(one), "", *_matrix(one.rows), ""]
    seen = (SeenClient(x.source, x.target, _kind(x), x.client, x.client_is) for x in one.rows)
    lines += [line for words in client_lines(seen) for line in _wrapped(words, "  ")]
    lines += [line for problem in one.problems for line in _wrapped(f"FAILED {problem}", "  ")]
    for row in one.rows:
        if row.mismatch:
            words = (
                f"MISMATCH {row.source} -> {row.target}, {_kind(row)}: promised {row.promised}, "
                f"measured {row.measured}: {row.evidence}"
            )
            lines += _wrapped(words, "  ")
    for check in one.promises:
        held = "held  " if check.held else "BROKEN"
        lines += _wrapped(f"{held} {check.promise}", "  ")
        lines += _wrapped(check.evidence, " " * 9)
    lines += [line for mtu in one.mtus for line in _wrapped(mtu_line(mtu), "  ")]
    lines += _wrapped(f"WARNING {one.warning}", "  ") if one.warning else []
    return "\n".join([*lines, *_surroundings(one), ""])


def mtu_line(one: PathMtu) -> str:
    """Return what a path carries, in words."""
    short = "SHORT " if one.short else ""
    size = "unknown" if one.found is None else str(one.found)
    return f"{short}path MTU {one.path}: {size} of the link's {one.link}: {one.evidence}"


def _headline(one: Verified) -> str:
    measured = sum(row.measured != "skip" for row in one.rows)
    broken = sum(not check.held for check in one.promises)
    wrong = sum(row.mismatch for row in one.rows)
    return (
        f"{one.driver.name}: {len(one.promises)} promises, {broken or 'none'} BROKEN; "
        f"{measured} connects, {wrong or 'none'} MISMATCHED"
    )


def _matrix(rows: Sequence[ReachResult]) -> list[str]:
    """Return a line for every place that connects start from, promises beside where they differ."""
    lines = [_columns("from \\ to", [target.value for target in TARGETS])]
    for source in SOURCES:
        cells = [_cell(rows, source, target) for target in TARGETS]
        if any(measured != "-" for measured, _ in cells):
            lines.append(_columns(source.value, [measured for measured, _ in cells]))
        if any(promised for _, promised in cells):
            lines.append(_columns("", [promised for _, promised in cells]))
    return lines


def _columns(first: str, cells: Sequence[str]) -> str:
    return (first.ljust(_FIRST) + "".join(cell.ljust(_CELL) for cell in cells)).rstrip()


def _cell(rows: Sequence[ReachResult], source: ReachPlace, target: ReachPlace) -> tuple[str, str]:
    """Return what was measured in a word, and the promise where it was another."""
    own = [row for row in rows if (row.source, row.target) == (source, target)]
    measured = [row for row in own if row.measured != "skip"]
    reached = frozenset(_kind(row) for row in measured if row.measured == "reach")
    wrong = [row for row in measured if row.mismatch]
    promise = ""
    if wrong:
        promise = "PROMISED yes" if wrong[0].promised == "reach" else "PROMISED no"
    return word_for(reached, frozenset(map(_kind, measured))), promise


def word_for(reached: frozenset[str], tried: frozenset[str]) -> str:
    """Return which of the connects that were tried arrived, as one short word."""
    if not tried:
        return "-"
    if not reached:
        return "no"
    if reached == tried:
        return "yes"
    for half, word in _HALVES.items():
        if reached == half & tried and not reached == half & tried == tried:
            return word
    missing = tried - reached
    if len(missing) == 1:
        return f"not {next(iter(missing))}"
    return " ".join(kind for kind in _KINDS if kind in reached)


def _kind(row: ReachResult) -> str:
    return f"{row.protocol}{row.family}"


def _surroundings(one: Verified) -> list[str]:
    """Return what readers of articles check by eye: networks, namespaces, where links lead."""
    lines = []
    for spec, ipam in one.networks:
        network = NetworkRow.of(one.driver.name, spec, ipam)
        lines += _wrapped(f"network {network_line(network)}", "  ")
    for end in EndpointDocument.of_pair(one.facts, *one.endpoints):
        spaces = ", ".join(
            f"{kind} {space.inode or 'unreadable'} {space.shared or 'unknown'}"
            for kind, space in end.namespaces.items()
        )
        lines += _wrapped(f"{end.role} namespaces: {spaces}", "  ")
        lines += [line for words in veth_lines(end) for line in _wrapped(words, " " * 9)]
        if end.sandbox_key:
            lines += _wrapped(f"sandbox key {end.sandbox_key}", " " * 9)
    return lines


def _wrapped(text: str, indent: str) -> list[str]:
    return wrap(text, _WIDTH, initial_indent=indent, subsequent_indent=f"{indent}  ")


def network_line(network: NetworkRow) -> str:
    """Return a network in words."""
    parts = [f"{network.kind}{f' {network.mode}' if network.mode else ''}"]
    nets = ((network.subnet, network.gateway), (network.subnet6, network.gateway6))
    parts += [f"{subnet} by {gateway or 'no gateway'}" for subnet, gateway in nets if subnet]
    more = {"bridge": network.bridge, "parent": network.parent, "vxlan": network.vxlan}
    parts += [f"{key} {value}" for key, value in more.items() if value]
    return f"{network.network}: {', '.join(parts)}"


def veth_lines(endpoint: EndpointDocument) -> list[str]:
    """Return where an endpoint's links lead, in words."""
    lines = [
        f"{row.link} (index {row.index}) <-> {row.namespace} {row.peer} "
        f"(index {row.peer_index}){f' in {row.bridge}' if row.bridge else ''}"
        for row in endpoint.veth
    ]
    return lines + [
        f"{link.name} (index {link.index}) is {link.kind} {link.mode} of host "
        f"{link.parent_name} (index {link.parent})"
        for link in endpoint.links
        if link.parent_name
    ]


def inspect(
    ctx: typer.Context,
    drivers: Annotated[
        str | None,
        typer.Option(
            metavar="DRIVER", help="The driver to look at.", autocompletion=completion.driver_lists
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
    """Show namespaces, links and paths of a driver or a container.

    A pair of the driver is brought up, looked at and taken down, the largest packet that each path
    carries found by trying; exit code 3 if one of its promises
    is broken. A container that is there is only read, by a helper beside it: nothing runs in it.
    """
    if (drivers is None) == (container is None):
        raise ConfigurationError(
            "inspect looks at one driver or at one container: give --drivers or --container, "
            f"not {'both' if drivers else 'neither'}",
            hint="netbench inspect --drivers bridge, or netbench inspect --container NAME",
        )
    if problem := option_problem("container", container):
        raise ConfigurationError(problem)
    read = "with --container, which is only read" if container is not None else ""
    idle = {"parent": read, "parent_in_use": read, "init_swarm": read}
    shared.refuse_idle(ctx, idle if parent or read else {"parent_in_use": "without --parent"})
    options = EngineOptions(context=context, image=image, parent=parent, init_swarm=init_swarm)
    observer = TerminalObserver(quiet=as_json)
    if drivers is not None:
        document = inspect_driver(drivers, engine, options, observer, in_use=parent_in_use)
    else:
        document = inspect_container(str(container), engine, options, observer)
    if as_json:
        print_json(document)
    else:
        _show(document)
    return 0 if all(promise.held for promise in document.promises) else 3


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
    lines = [
        f"{x.path}: {x.path_mtu or 'unknown'} of the link's {x.link_mtu}: {x.evidence}"
        for x in document.path_mtus
    ]
    _add(root, "path MTU", lines)
    _add(root, "warnings", document.warnings)
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
