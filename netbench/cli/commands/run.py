"""`netbench run` and its options."""

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from netbench.cli import completion
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
from netbench.cli.output import command_line, say
from netbench.cli.progress import TerminalObserver
from netbench.cli.result import show_run
from netbench.engines.base import EngineOptions
from netbench.errors import ConfigurationError, EngineLost, Interrupted
from netbench.plan import Options
from netbench.store import load
from netbench.workflow.journal import Status
from netbench.workflow.options import RunOptions
from netbench.workflow.reporting import report_run
from netbench.workflow.resume import nothing_to_do
from netbench.workflow.resume import resume as resume_run
from netbench.workflow.run import measure

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
            autocompletion=completion.driver_lists,
        ),
    ] = None,
    baseline: Annotated[
        str | None,
        typer.Option(
            metavar="DRIVER",
            help="Driver to compare with; default: host if listed, else the first that carries "
            "traffic.",
            envvar="NETBENCH_BASELINE",
            autocompletion=completion.driver_lists,
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
            autocompletion=completion.suites,
        ),
    ] = "quick",
    paths: Annotated[
        str,
        typer.Option(
            metavar="LIST",
            help="Which ways the traffic goes: comma list of east-west, north-south, hairpin.",
            envvar="NETBENCH_PATHS",
            autocompletion=completion.path_lists,
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
            autocompletion=completion.of("auto", "cross", "same", "none"),
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
    how = RunOptions(
        output=output,
        engine=EngineOptions(context=context, image=image, parent=parent, init_swarm=init_swarm),
        parent_in_use=parent_in_use,
        keep=keep,
        identify=identify,
        asked=_asked(ctx, require, everything=resume is None),
        command=command_line(),
    )
    observer = TerminalObserver(quiet=quiet)
    if resume is not None:
        raise typer.Exit(_resume(resume, how, observer, force=force, as_json=as_json))
    if force:
        raise ConfigurationError("--force needs --resume DIR: it is about a run that exists")
    what = Options(
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
    path, status = measure(what, how, observer)
    raise typer.Exit(_report(path, status, as_json=as_json))


def _resume(
    path: Path, how: RunOptions, observer: TerminalObserver, *, force: bool, as_json: bool
) -> int:
    """Go on with a run or extend it, and report it; one that is finished is only reported."""
    loaded = load(path)
    if not nothing_to_do(loaded, dict(how.asked)):
        return _report(path, resume_run(loaded, how, observer, force=force), as_json=as_json)
    say(f"netbench: nothing is left to measure in {path}: the run is {loaded.info.status}")
    line = f"netbench run --resume {shlex.quote(str(path))} --blocks +10"
    say(f"  to extend it: `{line}`, or --max-time +600 for ten more minutes")
    return show_run(path, report_run(path), as_json=as_json)


def _report(path: Path, status: Status, *, as_json: bool) -> int:
    fixed = {"interrupted": Interrupted.exit_code, "engine-lost": EngineLost.exit_code}
    return show_run(path, report_run(path, exit_code=fixed.get(status)), as_json=as_json)


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
