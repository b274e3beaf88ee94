"""The commands, and the options that several of them have."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from netbench.cli import completion
from netbench.errors import ConfigurationError
from netbench.spec import ENGINES

COMMANDS: Final[Mapping[str, str]] = {
    "run": "Compare drivers with a baseline, prove each path, write a report.",
    "report": "Write the report and the summaries of a run folder anew.",
    "export": "Write a run as CSV, Parquet, JSON, OpenMetrics or for a tracker.",
    "compare": "Say what changed between runs, slower first, and what else differs.",
    "trend": "Say what changed over many runs: steps, drifts and breaks.",
    "verify": "Check what drivers promise, and who reaches whom by real connects.",
    "inspect": "Show namespaces, links and paths of a driver or a container.",
    "drivers": "List the drivers: which can run here, and why not.",
    "doctor": "Say what is missing here, and the command that fixes it.",
    "runs": "List the run folders, the newest first.",
    "index": "Write a page of all runs below a folder, by machine.",
    "clean": "List, then remove, what netbench left: only what carries its label.",
    "version": "Print netbench's version.",
}
"""In the order of the help text, with what that says of each."""
MODULES: Final = {
    **dict.fromkeys(("drivers", "doctor", "runs", "index", "clean"), "lists"),
    **dict.fromkeys(("export", "compare"), "report"),
    "inspect": "verify",
}
"""Modules of commands that are not in the one of their name."""


SETTINGS: Final[Mapping[str, str]] = {
    "drivers LIST": "Comma list of NAME[:MODE][@key=value[+key=value]]; default: the suite's, else "
    "host,bridge.",
    "baseline DRIVER": "Driver to compare with; default: host if listed, else the first that "
    "carries traffic.",
    "engine NAME": "auto, docker or netns.",
    "context NAME": "Docker context that names the engine; default: DOCKER_HOST, else the current "
    "one.",
    "suite NAME": "Suite by name, or a TOML file.",
    "paths LIST": "Which ways the traffic goes: comma list of east-west, north-south, hairpin, "
    "outside, to-outside; default: the suite's, as a rule east-west; between two machines: across.",
    "blocks N": "Exactly so many blocks; default: as many as it takes, within the suite's bounds. "
    "+N, with --resume: N more.",
    "max-time S": "Start no block that would end after this many seconds; default: the suite's. "
    "+S, with --resume: S seconds from now on.",
    "precision X": "Relative half-width of an interval that is narrow enough; default 0.03.",
    "margin X": "Relative effect that matters; default 0.05.",
    "seed N": "Seed of the random order; default: random, and recorded.",
    "pin CPUS": "auto (as the suite says), cross, same, none, or CPUs as CLIENT,SERVER.",
    "cc NAME": "TCP congestion control of iperf3; default: the system's.",
    "require EXPR": "Budget such as `bridge.rtt_p99@same <= host + 20us`; repeat it, or join by "
    "`,`.",
    "confirm": "Measure missed budgets again, with a fresh seed in a run of its own; only what "
    "misses twice fails.",
    "allow-undecided": "Let a budget pass that is not decided.",
    "output DIR": "Folder that holds the run folders.",
    "resume DIR": "Go on with the run of this folder, by its own plan; --blocks +N or --max-time "
    "+S extends it, even one that ended.",
    "force": "Resume or extend although engine, kernel, image or tools have changed.",
    "image REF": "Image of docker endpoints: a reference, or `build`; default: the host's own "
    "tools.",
    "parent IFACE": "Real link that macvlan and ipvlan use, instead of an emulated LAN.",
    "parent-in-use": "Take --parent even where it carries the default route or your own login.",
    "peer-context NAME": "Docker context of an engine on a second machine: clients run on one, "
    "servers on the other.",
    "peer-address HOST": "Address of the second machine as the first one reaches it; default: the "
    "host that its context names.",
    "peer-parent IFACE": "As --parent, on the second machine; default: the same name.",
    "init-swarm": "Make the engine a swarm of one node, or both engines one swarm, for overlay "
    "networks, and undo it.",
    "verbose": "Show every measure, CPU costs, paths, ceilings and warnings in full.",
    "json": "Print exactly one JSON document.",
    "quiet": "No progress.",
    "keep": "Leave the last block's pairs up and print the commands that enter them; `netbench "
    "clean` removes them.",
    "identify": "Record names, addresses and boot parameters as they are, in a folder of mode "
    "0700; otherwise stand-ins are recorded.",
}
"""Options that a variable sets, too, and their meaning: NETBENCH_MAX_TIME is that of `max-time S`.

One without a name for its value is a flag.
"""
_OFFERS: Final = {
    "drivers": completion.driver_lists,
    "baseline": completion.driver_lists,
    "engine": completion.of(*ENGINES),
    "suite": completion.suites,
    "paths": completion.path_lists,
    "pin": completion.of("auto", "cross", "same", "none"),
}
"""What a shell completes a value to."""


def setting(
    declared: str,
    meaning: str = "",
    callback: Callable[..., Any] | None = None,
    parser: Callable[[str], Any] | None = None,
) -> Any:
    """Declare one of `SETTINGS`; a command may give it a `meaning` of its own."""
    name, _, metavar = declared.partition(" ")
    return typer.Option(
        f"--{name}",
        metavar=metavar or None,
        help=meaning or SETTINGS[declared],
        envvar=f"NETBENCH_{name.replace('-', '_').upper()}",
        show_envvar=False,
        autocompletion=_OFFERS.get(name),
        callback=callback,
        parser=parser,
    )


def place(named: str | Path) -> Path:
    """Return the path that an option names; a default is one already."""
    if not str(named).strip():
        raise typer.BadParameter("is empty; name a place")
    return Path(named)


def given(ctx: typer.Context, name: str) -> bool:
    """Tell whether an option is set by the command line or the environment."""
    source = ctx.get_parameter_source(name)
    return source is not None and source.name in {"COMMANDLINE", "ENVIRONMENT"}


def refuse_idle(ctx: typer.Context, idle: Mapping[str, str]) -> None:
    """Raise `ConfigurationError` for what the command line gives in vain; `idle` says where so."""
    sources = {name: ctx.get_parameter_source(name) for name, where in idle.items() if where}
    given = [name for name, found in sources.items() if found and found.name == "COMMANDLINE"]
    if given:
        raise ConfigurationError(
            *(f"--{name.replace('_', '-')} has no effect {idle[name]}" for name in given)
        )


def _expressions(
    ctx: typer.Context, param: typer.CallbackParam, value: list[str] | None
) -> list[str]:
    """Return what was given; a variable's value is one expression, whatever blanks are in it."""
    source = ctx.get_parameter_source(str(param.name))
    joined = source is not None and source.name == "ENVIRONMENT"
    return [" ".join(value or ())] if joined else list(value or ())


Verbose = Annotated[bool, setting("verbose")]
Json = Annotated[bool, setting("json")]
EngineName = Annotated[str, setting("engine NAME")]
Context = Annotated[str | None, setting("context NAME")]
Image = Annotated[str | None, setting("image REF")]
Parent = Annotated[str | None, setting("parent IFACE")]
PeerContext = Annotated[str | None, setting("peer-context NAME")]
PeerAddress = Annotated[str | None, setting("peer-address HOST")]
PeerParent = Annotated[str | None, setting("peer-parent IFACE")]
ParentInUse = Annotated[bool, setting("parent-in-use")]
InitSwarm = Annotated[bool, setting("init-swarm")]
Require = Annotated[list[str] | None, setting("require EXPR", callback=_expressions)]
AllowUndecided = Annotated[bool, setting("allow-undecided")]
Output = Annotated[Path, setting("output DIR", parser=place)]
