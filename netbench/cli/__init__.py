"""The command line: parse, wire, print, map errors to exit codes. No decisions.

Each command imports what it needs when it runs, so that `netbench --help` is instant.
"""

import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from types import FrameType
from typing import Annotated

import typer

from netbench import __version__
from netbench.cli.output import report_error
from netbench.errors import ConfigurationError, Interrupted, NetbenchError

_TRUE = ("1", "true", "t", "yes", "y", "on")
"""Values that typer takes for yes in an environment variable."""
_BUG = 70
"""Exit code of a defect of netbench itself, EX_SOFTWARE of sysexits.h."""

app = typer.Typer(
    name="netbench",
    help="Measure what a container network driver costs, and prove what it isolates.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)

Json = Annotated[
    bool, typer.Option("--json", help="Print exactly one JSON document.", envvar="NETBENCH_JSON")
]
EngineName = Annotated[
    str, typer.Option("--engine", help="auto, docker or netns.", envvar="NETBENCH_ENGINE")
]
Image = Annotated[
    str | None,
    typer.Option(
        help="Image of docker endpoints: a reference, or `build`; default: the host's own tools.",
        envvar="NETBENCH_IMAGE",
    ),
]
Parent = Annotated[
    str | None,
    typer.Option(
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
    Path, typer.Option(help="Folder that holds the run folders.", envvar="NETBENCH_OUTPUT")
]


@app.command()
def run(
    ctx: typer.Context,
    drivers: Annotated[
        str | None,
        typer.Option(
            help="Comma list of NAME[:MODE][@key=value[+key=value]]; default: the suite's, "
            "else host,bridge.",
            envvar="NETBENCH_DRIVERS",
        ),
    ] = None,
    baseline: Annotated[
        str | None,
        typer.Option(
            help="Driver to compare with; default: host if listed, else the first.",
            envvar="NETBENCH_BASELINE",
        ),
    ] = None,
    engine: EngineName = "auto",
    suite: Annotated[
        str, typer.Option(help="Suite by name, or a TOML file.", envvar="NETBENCH_SUITE")
    ] = "quick",
    paths: Annotated[
        str,
        typer.Option(
            help="Comma list of east-west, north-south, hairpin.", envvar="NETBENCH_PATHS"
        ),
    ] = "east-west",
    blocks: Annotated[
        str | None,
        typer.Option(
            help="Exactly so many blocks; default: as many as it takes, within the suite's bounds.",
            envvar="NETBENCH_BLOCKS",
        ),
    ] = None,
    max_time: Annotated[
        str | None,
        typer.Option(
            help="Start no block that would end after this many seconds; default: the suite's.",
            envvar="NETBENCH_MAX_TIME",
        ),
    ] = None,
    precision: Annotated[
        str | None,
        typer.Option(
            help="Relative half-width of an interval that is narrow enough; default 0.03.",
            envvar="NETBENCH_PRECISION",
        ),
    ] = None,
    margin: Annotated[
        str | None,
        typer.Option(help="Relative effect that matters; default 0.05.", envvar="NETBENCH_MARGIN"),
    ] = None,
    seed: Annotated[
        str | None, typer.Option(help="Seed of the random order.", envvar="NETBENCH_SEED")
    ] = None,
    pin: Annotated[
        str,
        typer.Option(
            help="auto, cross, same, none, or CPUs as CLIENT,SERVER.", envvar="NETBENCH_PIN"
        ),
    ] = "auto",
    cc: Annotated[
        str | None,
        typer.Option(help="Congestion control; default: the system's.", envvar="NETBENCH_CC"),
    ] = None,
    require: Require = None,
    allow_undecided: AllowUndecided = False,
    output: Output = Path("reports"),
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
        typer.Option("--keep", help="Leave the last block's pairs up.", envvar="NETBENCH_KEEP"),
    ] = False,
    identify: Annotated[
        bool,
        typer.Option(
            "--identify",
            help="Record the host's name and every boot parameter.",
            envvar="NETBENCH_IDENTIFY",
        ),
    ] = False,
) -> None:
    """Measure drivers against a baseline, prove each path, write a report."""
    from netbench.cli.run import RunOptions, execute
    from netbench.engines.base import Wishes
    from netbench.plan import Options

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
        require=_expressions(ctx, require),
        allow_undecided=allow_undecided,
    )
    wishes = RunOptions(
        output=output,
        engine=Wishes(image=image, parent=parent, init_swarm=init_swarm),
        parent_in_use=parent_in_use,
        as_json=as_json,
        quiet=quiet,
        keep=keep,
        identify=identify,
    )
    raise typer.Exit(execute(options, wishes))


@app.command()
def report(
    ctx: typer.Context,
    folder: Annotated[Path, typer.Argument(help="A run folder.")],
    require: Require = None,
    allow_undecided: AllowUndecided = False,
    as_json: Json = False,
) -> None:
    """Write report.html, summary.md and summary.csv anew from a run folder alone."""
    from netbench.cli.reports import write_reports

    raise typer.Exit(
        write_reports(
            folder,
            as_json=as_json,
            require=_expressions(ctx, require),
            allow_undecided=allow_undecided,
        )
    )


@app.command()
def verify(
    drivers: Annotated[
        str | None,
        typer.Option(help="Comma list of drivers; default: all.", envvar="NETBENCH_DRIVERS"),
    ] = None,
    engine: EngineName = "auto",
    image: Image = None,
    parent: Parent = None,
    parent_in_use: ParentInUse = False,
    init_swarm: InitSwarm = False,
    as_json: Json = False,
) -> None:
    """Check what drivers promise, and who reaches whom by real connects."""
    from netbench.cli.verifying import verify as verify_drivers
    from netbench.engines.base import Wishes

    wishes = Wishes(image=image, parent=parent, init_swarm=init_swarm)
    raise typer.Exit(verify_drivers(drivers, engine, wishes, in_use=parent_in_use, as_json=as_json))


@app.command()
def inspect(
    drivers: Annotated[str | None, typer.Option(help="The driver to look at.")] = None,
    container: Annotated[
        str | None, typer.Option(help="Name of a docker container that is there; only read.")
    ] = None,
    engine: EngineName = "auto",
    image: Image = None,
    parent: Parent = None,
    parent_in_use: ParentInUse = False,
    init_swarm: InitSwarm = False,
    as_json: Json = False,
) -> None:
    """Show namespaces, links and paths: of a driver's pair, or of a container that is there."""
    from netbench.cli.inspecting import inspect as look
    from netbench.engines.base import Wishes

    wishes = Wishes(image=image, parent=parent, init_swarm=init_swarm)
    raise typer.Exit(
        look(drivers, container, engine, wishes, in_use=parent_in_use, as_json=as_json)
    )


@app.command()
def drivers(engine: EngineName = "auto", as_json: Json = False) -> None:
    """List the drivers: which can run here, and why not."""
    from netbench.cli.listing import list_drivers

    raise typer.Exit(list_drivers(engine, as_json=as_json))


@app.command()
def doctor(as_json: Json = False) -> None:
    """Check everything that is needed; say what is missing and the command that fixes it."""
    from netbench.cli.doctor import examine

    raise typer.Exit(examine(as_json=as_json))


@app.command()
def runs(output: Output = Path("reports"), as_json: Json = False) -> None:
    """List the run folders."""
    from netbench.cli.listing import list_runs

    raise typer.Exit(list_runs(output, as_json=as_json))


@app.command()
def clean(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only list.")] = False,
    images: Annotated[bool, typer.Option("--images", help="Remove probe images too.")] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Also what a netbench that still runs has made.")
    ] = False,
    as_json: Json = False,
) -> None:
    """List, then remove, what netbench left: only what carries its label."""
    from netbench.cli.cleaning import clean_up

    raise typer.Exit(clean_up(dry_run=dry_run, images=images, force=force, as_json=as_json))


@app.command()
def version() -> None:
    """Print netbench's version."""
    sys.stdout.write(f"netbench {__version__}\n")


def run_command_line(argv: Sequence[str]) -> int:
    """Run one command and return its exit code."""
    as_json = "--json" in argv or os.environ.get("NETBENCH_JSON", "").lower() in _TRUE
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _interrupt)
    try:
        code = app(args=list(argv), prog_name="netbench", standalone_mode=False)
    except NetbenchError as exc:
        report_error(exc, as_json=as_json)
        return exc.exit_code
    except BrokenPipeError:
        sys.stderr.close()
        return 0
    except Exception as exc:  # noqa: BLE001 -- the last stop: usage errors, and our own defects
        usage = getattr(exc, "format_message", None)
        if usage is None:
            sys.excepthook(type(exc), exc, exc.__traceback__)
            return _BUG
        error = ConfigurationError(str(usage()), hint="`netbench --help` lists the options")
        report_error(error, as_json=as_json)
        return error.exit_code
    return code if isinstance(code, int) else 0


def _expressions(ctx: typer.Context, require: Sequence[str] | None) -> tuple[str, ...]:
    """Return the budgets' expressions; a variable's value is one, whatever blanks are in it."""
    source = ctx.get_parameter_source("require")
    if source is not None and source.name == "ENVIRONMENT":
        return (" ".join(require or ()),)
    return tuple(require or ())


def _interrupt(number: int, _: FrameType | None) -> None:
    raise Interrupted(f"stopped by {signal.Signals(number).name}")
