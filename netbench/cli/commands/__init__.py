"""The commands, and the options that several of them have."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from netbench.cli import completion

COMMANDS: Final[Mapping[str, str]] = {
    "run": "Compare drivers with a baseline, prove each path, write a report.",
    "report": "Write the report and the summaries of a run folder anew.",
    "export": "Write a run as CSV, Parquet, JSON, OpenMetrics, summary or ADR.",
    "compare": "Say what changed between runs, slower first, and what else differs.",
    "verify": "Check what drivers promise, and who reaches whom by real connects.",
    "inspect": "Show namespaces, links and paths of a driver or a container.",
    "drivers": "List the drivers: which can run here, and why not.",
    "doctor": "Say what is missing here, and the command that fixes it.",
    "runs": "List the run folders, the newest first.",
    "clean": "List, then remove, what netbench left: only what carries its label.",
    "version": "Print netbench's version.",
}
"""In the order of the help text, with what that says of each."""
MODULES: Final = {
    **dict.fromkeys(("drivers", "doctor", "runs", "clean"), "lists"),
    **dict.fromkeys(("export", "compare"), "report"),
    "inspect": "verify",
}
"""Modules of commands that are not in the one of their name."""


def setting(
    declared: str,
    meaning: str,
    offer: Callable[[str], list[str]] | None = None,
    callback: Callable[..., Any] | None = None,
    parser: Callable[[str], Any] | None = None,
) -> Any:
    """Declare an option that a variable sets, too: NETBENCH_MAX_TIME is that of `max-time S`.

    A flag takes no value. `offer` returns what a shell completes a value to.
    """
    name, _, metavar = declared.partition(" ")
    return typer.Option(
        f"--{name}",
        metavar=metavar or None,
        help=meaning,
        envvar=f"NETBENCH_{name.replace('-', '_').upper()}",
        show_envvar=False,
        autocompletion=offer,
        callback=callback,
        parser=parser,
    )


def place(named: str | Path) -> Path:
    """Return the path that an option names; a default is one already."""
    if not str(named).strip():
        raise typer.BadParameter("is empty; name a place")
    return Path(named)


def _expressions(
    ctx: typer.Context, param: typer.CallbackParam, value: list[str] | None
) -> list[str]:
    """Return what was given; a variable's value is one expression, whatever blanks are in it."""
    source = ctx.get_parameter_source(str(param.name))
    joined = source is not None and source.name == "ENVIRONMENT"
    return [" ".join(value or ())] if joined else list(value or ())


Verbose = Annotated[
    bool,
    setting("verbose", "Show every measure, CPU costs, paths, ceilings and warnings in full."),
]
Json = Annotated[bool, setting("json", "Print exactly one JSON document.")]
EngineName = Annotated[
    str,
    setting("engine NAME", "auto, docker or netns.", completion.of("auto", "docker", "netns")),
]
Context = Annotated[
    str | None,
    setting(
        "context NAME",
        "Docker context that names the engine; default: DOCKER_HOST, else the current one.",
    ),
]
Image = Annotated[
    str | None,
    setting(
        "image REF",
        "Image of docker endpoints: a reference, or `build`; default: the host's own tools.",
    ),
]
Parent = Annotated[
    str | None,
    setting("parent IFACE", "Real link that macvlan and ipvlan use, instead of an emulated LAN."),
]
ParentInUse = Annotated[
    bool,
    setting(
        "parent-in-use", "Take --parent even where it carries the default route or your own login."
    ),
]
InitSwarm = Annotated[
    bool,
    setting("init-swarm", "Make the engine a swarm of one node for overlay networks, and undo it."),
]
Require = Annotated[
    list[str] | None,
    setting(
        "require EXPR",
        "Budget such as `bridge.rtt_p99@same <= host + 20us`; repeat it, or join by `,`.",
        callback=_expressions,
    ),
]
AllowUndecided = Annotated[
    bool, setting("allow-undecided", "Let a budget pass that is not decided.")
]
Output = Annotated[Path, setting("output DIR", "Folder that holds the run folders.", parser=place)]
