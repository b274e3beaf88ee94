"""`netbench verify` and its options."""

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


def verify(
    drivers: Annotated[
        str | None,
        typer.Option(
            metavar="LIST",
            help="Comma list of drivers; default: all.",
            envvar="NETBENCH_DRIVERS",
            autocompletion=completing.driver_lists,
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
    from netbench.cli.verifying import verify as verify_drivers
    from netbench.engines.base import EngineOptions

    wishes = EngineOptions(context=context, image=image, parent=parent, init_swarm=init_swarm)
    raise typer.Exit(verify_drivers(drivers, engine, wishes, in_use=parent_in_use, as_json=as_json))
