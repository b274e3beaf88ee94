"""The command line: parse, call, print, turn errors into exit codes. No decisions."""

import os
import signal
import sys
from collections.abc import Mapping, Sequence
from importlib import import_module
from types import FrameType
from typing import Annotated, Any, Final

import typer
from typer.core import TyperCommand, TyperGroup

from netbench.cli import completion
from netbench.cli.commands import COMMANDS, MODULES
from netbench.cli.output import let_go, report_error
from netbench.errors import ConfigurationError, Interrupted, NetbenchError, SystemRefused
from netbench.system.interrupts import ENDING

GROUPS: Final[Mapping[str, tuple[str, ...]]] = {
    "What to compare": ("drivers", "baseline", "suite", "paths"),
    "How long and how sure": (
        *(
            "blocks",
            "max_time",
            "precision",
            "margin",
            "require",
            "confirm",
            "allow_undecided",
            "resume",
        ),
    ),
    "Where it runs": ("engine", "context", "image", "parent", "init_swarm"),
    "Two machines": ("peer_context", "peer_address", "peer_parent"),
    "Output": ("output", "verbose", "as_json", "quiet", "help"),
    "Expert": ("seed", "pin", "cc", "parent_in_use", "force", "keep", "identify"),
}
"""Options in the order of the help text."""
_MANY: Final = 12  # options from which on they stand in groups
_TRUE = ("1", "true", "t", "yes", "y", "on")
"""Values that typer takes for yes in an environment variable."""
_SOON = 0.01  # seconds until a signal that was lost is raised again
_LOCKING: Final = ("subprocess", "threading", "concurrent", "queue", "contextlib")
"""Libraries that take a lock, or enter a context, and see to its release in the next step only."""
_received: list[int] = []  # the last signal
_amid: list[tuple[FrameType, object]] = []  # where it found one of those at work, if it did
BUG = 70  # exit code of a defect of netbench itself, EX_SOFTWARE of sysexits.h

_SETTINGS = {
    "help_option_names": ["-h", "--help"],
    "max_content_width": 100,  # where the terminal has as many
}


class CommandHelp(TyperCommand):
    """A command whose help has groups, and the examples of its `epilog` line by line."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Read the words; `ConfigurationError` for options of one value that are given twice."""
        order = self.make_parser(ctx).parse_args(args=[*args])[2]
        given = [x.opts[0] for x in order if not (x.multiple or getattr(x, "is_flag", False))]
        twice = [name for name in dict.fromkeys(given) if given.count(name) > 1]
        if twice and not ctx.resilient_parsing:
            raise ConfigurationError(*(f"{name} is given more than once" for name in twice))
        return super().parse_args(ctx, args)

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write the options, in groups where there are many."""
        params = {param.name: param for param in self.get_params(ctx)}
        if len(params) < _MANY:
            super().format_options(ctx, formatter)
            return
        for title, names in GROUPS.items():
            with formatter.section(title):
                formatter.write_dl([params[name].get_help_record(ctx) for name in names])

    def format_epilog(self, ctx: Any, formatter: Any) -> None:
        """Write the examples as they are."""
        del ctx
        if self.epilog:
            with formatter.section("Examples"):
                for line in self.epilog.splitlines():
                    formatter.write(f"  {line}".rstrip() + "\n")


class _Commands(TyperGroup):
    """Loads a command when it is called: `netbench --help` is instant."""

    def list_commands(self, ctx: Any) -> list[str]:
        """Return the names in the order of the help text."""
        del ctx
        return [*COMMANDS]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Load one command."""
        found = super().get_command(ctx, cmd_name)
        if found is not None or cmd_name not in COMMANDS:
            return found
        name = MODULES.get(cmd_name, cmd_name)
        module = import_module(f"netbench.cli.commands.{name}")
        single = _typer()
        examples = getattr(module, "EXAMPLES", None)
        single.command(cmd_name, cls=CommandHelp, epilog=examples)(getattr(module, cmd_name))
        return typer.main.get_command(single)

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write the list of commands, without loading them."""
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl([*COMMANDS.items()])


def _typer(**more: Any) -> typer.Typer:
    return typer.Typer(
        context_settings=_SETTINGS,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        add_completion="cls" in more,
        **more,
    )


app = _typer(name="netbench", no_args_is_help=True, cls=_Commands)
completion.take_over()


@app.command("version")
def _version() -> None:
    """Print netbench's version."""
    from netbench.version import version  # noqa: PLC0415 -- rarely asked for

    sys.stdout.write(f"netbench {version()}\n")


def _version_option(wanted: bool) -> None:
    if wanted:
        _version()
        raise typer.Exit


@app.callback()
def _netbench(
    _: Annotated[
        bool,
        typer.Option(
            "--version", callback=_version_option, is_eager=True, help="Print the version."
        ),
    ] = False,
) -> None:
    """Measure what a container network driver costs, and prove what it isolates."""


def run_command_line(argv: Sequence[str]) -> int:
    """Run one command and return its exit code."""
    as_json = "--json" in argv or os.environ.get("NETBENCH_JSON", "").strip().lower() in _TRUE
    signal.signal(signal.SIGALRM, _come_again)
    for number in ENDING:
        # Who starts us by nohup wants us to outlive the terminal.
        if number is not signal.SIGHUP or signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _interrupt)
    try:
        code = app(args=list(argv), prog_name="netbench", standalone_mode=False)
    except BrokenPipeError:
        let_go(sys.stdout)
        return 0
    except Exception as exc:  # noqa: BLE001 -- the last stop: usage errors, and defects
        ignore_signals()
        error = SystemRefused.of(exc) if isinstance(exc, OSError) else exc
        if usage := getattr(exc, "format_message", None):
            command = getattr(getattr(exc, "ctx", None), "command_path", "netbench")
            error = ConfigurationError(str(usage()), hint=f"`{command} --help` lists the options")
        if not isinstance(error, NetbenchError):
            sys.excepthook(type(exc), exc, exc.__traceback__)
            return BUG
        report_error(error, as_json=as_json)
        return error.exit_code
    return code if isinstance(code, int) else 0


def ignore_signals() -> None:
    """Ignore signals while printing the last lines and exiting."""
    for number in (*ENDING, signal.SIGALRM):
        signal.signal(number, signal.SIG_IGN)


def _interrupt(number: int, frame: FrameType | None) -> None:
    _received[:] = [number]
    before, _amid[:] = _amid[:], _locking(frame)
    if _amid not in ([], before):  # found at one place twice, it waits there
        signal.setitimer(signal.ITIMER_REAL, _SOON)
    else:
        _amid.clear()
        raise Interrupted(f"stopped by {signal.Signals(number).name}")


def _locking(frame: FrameType | None) -> list[tuple[FrameType, object]]:
    """Return where an exception would get lost, or leave a lock taken for good; else nothing."""
    while frame is not None:
        package = str(frame.f_globals.get("__name__")).partition(".")[0]
        if package in _LOCKING:
            return [(frame, frame.f_lasti)]
        if frame.f_code is raise_again.__code__:
            return [(frame, object())]  # never the same again
        frame = None if package == "netbench" else frame.f_back
    return []


def _come_again(_: int, frame: FrameType | None) -> None:
    if callable(handler := signal.getsignal(_received[0])):
        handler(_received[0], frame)


def raise_again(lost: "sys.UnraisableHookArgs") -> None:
    """Raise a signal again whose exception Python dropped: a `sys.unraisablehook`.

    An event loop that was refused its sockets cannot close them: its caller has the error already.
    Nor can an object end well that a signal left half made: it lacks what it would close.
    """
    if isinstance(lost.exc_value, Interrupted):
        signal.setitimer(signal.ITIMER_REAL, _SOON)
    elif _received and isinstance(lost.exc_value, AttributeError):
        return
    elif getattr(lost.object, "__qualname__", "") != "BaseEventLoop.__del__":
        sys.__unraisablehook__(lost)
