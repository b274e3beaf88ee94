"""`netbench inspect`: one pair up, or one container as it is; everything about it shown."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from netbench.cli import commands as shared
from netbench.cli import completion
from netbench.cli.commands.verify import network_line, veth_lines
from netbench.cli.output import print_json, print_rich
from netbench.cli.progress import TerminalObserver
from netbench.documents.inspect_verify import EndpointDocument, InspectDocument
from netbench.engines.base import EngineOptions
from netbench.errors import ConfigurationError
from netbench.spec import option_problem
from netbench.workflow.verify import inspect_container, inspect_driver

if TYPE_CHECKING:
    from rich.tree import Tree


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

    A pair of the driver is brought up, looked at and taken down; exit code 3 if one of its promises
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
