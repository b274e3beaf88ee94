"""`netbench run` and its options."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from netbench.cli import completing
from netbench.cli.commands.options import (
    AllowUndecided,
    Context,
    EngineName,
    Image,
    InitSwarm,
    Json,
    Output,
    Parent,
    ParentInUse,
    Require,
    expressions,
)
from netbench.errors import ConfigurationError

_HOW_TO_RUN = ("output", "resume", "force", "as_json", "quiet", "keep")
"""Options of `run` that change nothing in what is measured."""


def run(
    ctx: typer.Context,
    drivers: Annotated[
        str | None,
        typer.Option(
            metavar="LIST",
            help="Comma list of NAME[:MODE][@key=value[+key=value]]; default: the suite's, "
            "else host,bridge.",
            envvar="NETBENCH_DRIVERS",
            autocompletion=completing.driver_lists,
        ),
    ] = None,
    baseline: Annotated[
        str | None,
        typer.Option(
            metavar="DRIVER",
            help="Driver to compare with; default: host if listed, else the first that carries "
            "traffic.",
            envvar="NETBENCH_BASELINE",
            autocompletion=completing.driver_lists,
        ),
    ] = None,
    engine: EngineName = "auto",
    context: Context = None,
    suite: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="Suite by name, or a TOML file.",
            envvar="NETBENCH_SUITE",
            autocompletion=completing.suites,
        ),
    ] = "quick",
    paths: Annotated[
        str,
        typer.Option(
            metavar="LIST",
            help="Which ways the traffic goes: comma list of east-west, north-south, hairpin.",
            envvar="NETBENCH_PATHS",
            autocompletion=completing.path_lists,
        ),
    ] = "east-west",
    blocks: Annotated[
        str | None,
        typer.Option(
            metavar="N",
            help="Exactly so many blocks; default: as many as it takes, within the suite's bounds. "
            "+N, with --resume: N more.",
            envvar="NETBENCH_BLOCKS",
        ),
    ] = None,
    max_time: Annotated[
        str | None,
        typer.Option(
            metavar="S",
            help="Start no block that would end after this many seconds; default: the suite's. "
            "+S, with --resume: S seconds from now on.",
            envvar="NETBENCH_MAX_TIME",
        ),
    ] = None,
    precision: Annotated[
        str | None,
        typer.Option(
            metavar="X",
            help="Relative half-width of an interval that is narrow enough; default 0.03.",
            envvar="NETBENCH_PRECISION",
        ),
    ] = None,
    margin: Annotated[
        str | None,
        typer.Option(
            metavar="X",
            help="Relative effect that matters; default 0.05.",
            envvar="NETBENCH_MARGIN",
        ),
    ] = None,
    seed: Annotated[
        str | None,
        typer.Option(
            metavar="N",
            help="Seed of the random order; default: random, and recorded.",
            envvar="NETBENCH_SEED",
        ),
    ] = None,
    pin: Annotated[
        str,
        typer.Option(
            metavar="CPUS",
            help="auto (as the suite says), cross, same, none, or CPUs as CLIENT,SERVER.",
            envvar="NETBENCH_PIN",
            autocompletion=completing.of("auto", "cross", "same", "none"),
        ),
    ] = "auto",
    cc: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="TCP congestion control of iperf3; default: the system's.",
            envvar="NETBENCH_CC",
        ),
    ] = None,
    require: Require = None,
    allow_undecided: AllowUndecided = False,
    output: Output = Path("reports"),
    resume: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Go on with the run of this folder, by its own plan; --blocks +N or --max-time +S "
            "extends it, even one that ended.",
            envvar="NETBENCH_RESUME",
        ),
    ] = None,
    force: Annotated[
        bool,
        typer.Option(
            "--force",
            help="Resume or extend although engine, kernel, image or tools have changed.",
            envvar="NETBENCH_FORCE",
        ),
    ] = False,
    image: Image = None,
    parent: Parent = None,
    parent_in_use: ParentInUse = False,
    init_swarm: InitSwarm = False,
    as_json: Json = False,
    quiet: Annotated[
        bool, typer.Option("--quiet", help="No progress.", envvar="NETBENCH_QUIET")
    ] = False,
    keep: Annotated[
        bool,
        typer.Option(
            "--keep",
            help="Leave the last block's pairs up, to look around; `netbench clean` removes them.",
            envvar="NETBENCH_KEEP",
        ),
    ] = False,
    identify: Annotated[
        bool,
        typer.Option(
            "--identify",
            help="Record names, addresses and boot parameters as they are, in a folder of mode "
            "0700; otherwise stand-ins are recorded.",
            envvar="NETBENCH_IDENTIFY",
        ),
    ] = False,
) -> None:
    """Measure drivers against a baseline, prove each path, write a report.

    Every option can be set by an environment variable: `NETBENCH_MAX_TIME=60` is `--max-time 60`.
    What other commands share with `run` can be set so there, too.
    """
    from netbench.cli.ground import RunOptions
    from netbench.cli.run import execute
    from netbench.engines.base import EngineOptions
    from netbench.plan import Options

    wishes = RunOptions(
        output=output,
        engine=EngineOptions(context=context, image=image, parent=parent, init_swarm=init_swarm),
        parent_in_use=parent_in_use,
        as_json=as_json,
        quiet=quiet,
        keep=keep,
        identify=identify,
        asked=_asked(ctx, require, everything=resume is None),
    )
    if resume is not None:
        from netbench.cli.resuming import resume as go_on_with

        raise typer.Exit(go_on_with(resume, wishes, force=force))
    if force:
        raise ConfigurationError("--force needs --resume DIR: it is about a run that is there")
    options = Options(
        drivers=drivers,
        baseline=baseline,
        engine=engine,
        suite=suite,
        paths=paths,
        blocks=blocks,
        max_time=max_time,
        precision=precision,
        margin=margin,
        seed=seed,
        pin=pin,
        cc=cc,
        parent=parent,
        require=expressions(ctx, require),
        allow_undecided=allow_undecided,
    )
    raise typer.Exit(execute(options, wishes))


def _asked(
    ctx: typer.Context, require: Sequence[str] | None, *, everything: bool
) -> tuple[tuple[str, str | bool | tuple[str, ...]], ...]:
    """Return the options that make a run what it is, by name.

    All that are set, by default too, are `everything`; else only those that the user gave.
    """
    found: list[tuple[str, str | bool | tuple[str, ...]]] = []
    for name, value in ctx.params.items():
        source = ctx.get_parameter_source(name)
        given = source is not None and source.name in {"COMMANDLINE", "ENVIRONMENT"}
        if name in _HOW_TO_RUN or value in (None, False, [], ()) or not (given or everything):
            continue
        words = expressions(ctx, require) if name == "require" else value
        found.append((name.replace("_", "-"), words))
    return tuple(found)
