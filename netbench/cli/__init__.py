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
        *("blocks", "max_time", "precision", "margin", "require", "allow_undecided", "resume"),
    ),
    "Where it runs": ("engine", "context", "image", "parent", "init_swarm"),
    "Output": ("output", "verbose", "as_json", "quiet", "help"),
    "Expert": ("seed", "pin", "cc", "parent_in_use", "force", "keep", "identify"),
}
"""Options in the order of the help text."""
_MANY: Final = 12  # options from which on they stand in groups
_TRUE = ("1", "true", "t", "yes", "y", "on")
"""Values that typer takes for yes in an environment variable."""
_SOON = 0.01  # seconds until a signal that was lost is raised again
_LOCKING: Final = ("subprocess", "threading", "concurrent", "queue", "contextlib")
"""Libraries that take a lock, or enter a context, in one step and see to its release in the next.

An exception between the two leaves it taken for good, and whoever waits for it waits for ever.
"""
_received: list[int] = []  # the last signal
_amid: list[tuple[FrameType, int]] = []  # where it found one of those libraries at work, if it did
BUG = 70  # exit code of a defect of netbench itself, EX_SOFTWARE of sysexits.h

_SETTINGS = {
    "help_option_names": ["-h", "--help"],
    "max_content_width": 100,  # where the terminal has as many
}


class CommandHelp(TyperCommand):
    """A command whose help has groups, and the examples of its `epilog` line by line."""

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
    except NetbenchError as exc:
        ignore_signals()
        report_error(exc, as_json=as_json)
        return exc.exit_code
    except BrokenPipeError:
        let_go(sys.stdout)
        return 0
    except Exception as exc:  # noqa: BLE001 -- the last stop: usage errors, and defects
        if isinstance(exc, OSError):
            refused = SystemRefused.of(exc)
            report_error(refused, as_json=as_json)
            return refused.exit_code
        usage = getattr(exc, "format_message", None)
        if usage is None:
            sys.excepthook(type(exc), exc, exc.__traceback__)
            return BUG
        command = getattr(getattr(exc, "ctx", None), "command_path", "netbench")
        error = ConfigurationError(str(usage()), hint=f"`{command} --help` lists the options")
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
    if _is_raising_again(frame) or _amid not in ([], before):  # found there twice, it waits there
        signal.setitimer(signal.ITIMER_REAL, _SOON)
    else:
        _amid.clear()
        raise Interrupted(f"stopped by {signal.Signals(number).name}")


def _is_raising_again(frame: FrameType | None) -> bool:
    while frame is not None and frame.f_code is not raise_again.__code__:
        frame = frame.f_back
    return frame is not None


def _locking(frame: FrameType | None) -> list[tuple[FrameType, int]]:
    """Return where one of `_LOCKING` is at work for netbench; empty if none is."""
    while frame is not None:
        package = str(frame.f_globals.get("__name__")).partition(".")[0]
        if package in _LOCKING:
            return [(frame, frame.f_lasti)]
        frame = None if package == "netbench" else frame.f_back
    return []


def _come_again(_: int, frame: FrameType | None) -> None:
    handler = signal.getsignal(_received[0])
    if callable(handler):
        handler(_received[0], frame)


def raise_again(lost: "sys.UnraisableHookArgs") -> None:
    """Raise a signal again whose exception Python dropped: a `sys.unraisablehook`.

    An event loop that was refused its sockets cannot close them: its caller has the error already.
    """
    if isinstance(lost.exc_value, Interrupted):
        signal.setitimer(signal.ITIMER_REAL, _SOON)
    elif getattr(lost.object, "__qualname__", "") != "BaseEventLoop.__del__":
        sys.__unraisablehook__(lost)
