"""What goes to stdout and stderr: results there, progress and errors here.

Names and tool output may hold control characters, which a terminal would obey: everything that
is printed passes here, and none of them gets through.
"""

import os
import re
import sys
from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, TextIO

from netbench.errors import NetbenchError

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderResult
    from rich.measure import Measurement
    from rich.segment import Segment

    from netbench.documents.lists import ErrorDocument

_UNUSUAL: Final = re.compile(r"[^\n -~]")
"""What may be a control character, or turn the direction of text: everything but plain ASCII."""


def print_json(document: Mapping[str, Any]) -> None:
    """Print the one JSON document of a `--json` command."""
    from netbench.store.text import json_text  # noqa: PLC0415 -- `--help` needs none

    _put(sys.stdout, json_text(document))


def print_rich(renderable: Any) -> None:
    """Print a rich renderable to stdout, plain where it is no terminal; text is no markup."""
    from rich.console import Console  # noqa: PLC0415 -- rich is slow to import

    console = Console(markup=False, emoji=False)
    if not console.is_terminal:
        console = Console(width=160, no_color=True, markup=False, emoji=False)
    with console.capture() as captured:
        if isinstance(renderable, str):
            console.print(printable(renderable), soft_wrap=True)
        else:
            console.print(Printable(renderable))
    _put(sys.stdout, captured.get())


class Printable:
    """A rich renderable without the control characters of its texts; rich's own stay."""

    def __init__(self, renderable: Any) -> None:
        """Take what is to be shown."""
        self._renderable = renderable

    def __rich_console__(self, console: "Console", options: "ConsoleOptions") -> "RenderResult":
        """Render it, piece by piece."""
        yield from map(_harmless, console.render(self._renderable, options))

    def __rich_measure__(self, console: "Console", options: "ConsoleOptions") -> "Measurement":
        """Return its own measure."""
        from rich.measure import Measurement  # noqa: PLC0415 -- rich is slow to import

        return Measurement.get(console, options, self._renderable)


def _harmless(segment: "Segment") -> "Segment":
    return segment if segment.control else segment._replace(text=printable(segment.text))


def _put(stream: TextIO, text: str) -> None:
    """Write at once; whoever has stopped reading, as `| head` does, misses the rest."""
    try:
        stream.write(text)
        stream.flush()
    except BrokenPipeError:
        let_go(stream)


def let_go(stream: TextIO) -> None:
    """Let nobody read what is still printed here, so that nothing fails for it."""
    with suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)


def command_line() -> tuple[str, ...]:
    """Return how this program was called, as a run records it."""
    return ("netbench", *sys.argv[1:])


def say(line: str) -> None:
    """Print one line to stderr, as far as anybody can take it: no run ends for a lost line."""
    with suppress(OSError):
        _put(sys.stderr, f"{printable(line)}\n")


def printable(text: str) -> str:
    """Return text with its control characters spelled out, line ends apart."""
    return _UNUSUAL.sub(lambda c: _told(c[0], f"\\x{ord(c[0]):02x}"), text)


def _told(character: str, escape: str) -> str:
    return character if character.isprintable() else escape


def report_error(error: NetbenchError, *, as_json: bool) -> None:
    """Tell an error: what failed and why, each problem on a line, then what fixes it."""
    if as_json:
        document: ErrorDocument = {
            "schema": 1,
            "error": {
                "kind": error.kind,
                "message": error.message,
                "hint": error.hint,
                "problems": list(error.problems),
            },
        }
        print_json(document)
    if len(error.problems) == 1:
        say(f"netbench: {error.problems[0]}")
    else:
        say(f"netbench: {len(error.problems)} problems:")
        for problem in error.problems:
            say(f"  - {problem}")
    if error.hint:
        say(f"  fix: {error.hint}")
