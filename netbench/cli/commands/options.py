"""Options that several commands have."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from netbench.cli import completion

Json = Annotated[
    bool, typer.Option("--json", help="Print exactly one JSON document.", envvar="NETBENCH_JSON")
]
EngineName = Annotated[
    str,
    typer.Option(
        "--engine",
        metavar="NAME",
        help="auto, docker or netns.",
        envvar="NETBENCH_ENGINE",
        autocompletion=completion.of("auto", "docker", "netns"),
    ),
]
Context = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        help="Docker context that names the engine; default: DOCKER_HOST, else the current one.",
        envvar="NETBENCH_CONTEXT",
    ),
]
Image = Annotated[
    str | None,
    typer.Option(
        metavar="REF",
        help="Image of docker endpoints: a reference, or `build`; default: the host's own tools.",
        envvar="NETBENCH_IMAGE",
    ),
]
Parent = Annotated[
    str | None,
    typer.Option(
        metavar="IFACE",
        help="Real link that macvlan and ipvlan use, instead of an emulated LAN.",
        envvar="NETBENCH_PARENT",
    ),
]
ParentInUse = Annotated[
    bool,
    typer.Option(
        "--parent-in-use",
        help="Take --parent even where it carries the default route or your own login.",
        envvar="NETBENCH_PARENT_IN_USE",
    ),
]
InitSwarm = Annotated[
    bool,
    typer.Option(
        "--init-swarm",
        help="Make the engine a swarm of one node for overlay networks, and undo it.",
        envvar="NETBENCH_INIT_SWARM",
    ),
]
Require = Annotated[
    list[str] | None,
    typer.Option(
        metavar="EXPR",
        help="Budget such as `bridge.rtt_p99@same <= host + 20us`; repeat it, or join by `,`.",
        envvar="NETBENCH_REQUIRE",
    ),
]
AllowUndecided = Annotated[
    bool,
    typer.Option(
        "--allow-undecided",
        help="Let a budget pass that is not decided.",
        envvar="NETBENCH_ALLOW_UNDECIDED",
    ),
]
Output = Annotated[
    Path,
    typer.Option(
        metavar="DIR", help="Folder that holds the run folders.", envvar="NETBENCH_OUTPUT"
    ),
]


def expressions(ctx: typer.Context, require: Sequence[str] | None) -> tuple[str, ...]:
    """Return the budgets' expressions; a variable's value is one, whatever blanks are in it."""
    source = ctx.get_parameter_source("require")
    if source is not None and source.name == "ENVIRONMENT":
        return (" ".join(require or ()),)
    return tuple(require or ())
