"""`netbench inspect` and its options."""

from typing import Annotated

import typer

from netbench.cli import completing
from netbench.cli.commands.options import (
    Context,
    EngineName,
    Image,
    InitSwarm,
    Json,
    Parent,
    ParentInUse,
)


def inspect(
    drivers: Annotated[
        str | None,
        typer.Option(
            metavar="DRIVER",
            help="The driver to look at.",
            autocompletion=completing.driver_lists,
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
    """Show namespaces, links and paths: of a driver's pair, or of a container that is there.

    A pair is brought up, looked at and taken down; exit code 3 if one of its promises is broken. A
    container that is there is only read, by a helper beside it: nothing runs in it.
    """
    from netbench.cli.inspecting import inspect as look
    from netbench.engines.base import EngineOptions

    wishes = EngineOptions(context=context, image=image, parent=parent, init_swarm=init_swarm)
    raise typer.Exit(
        look(drivers, container, engine, wishes, in_use=parent_in_use, as_json=as_json)
    )
