"""What goes to stdout and stderr: results there, progress and errors here.

Names and tool output may hold control characters, which a terminal would obey: everything that
is printed passes here, and none of them gets through.
"""

import os
import re
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, TextIO

from netbench.errors import NetbenchError

if TYPE_CHECKING:
    from rich.segment import Segment
    from rich.table import Table

_USUAL: Final = 80  # columns of a terminal that does not know its own
_DIGITS: Final = 6  # a number of columns has fewer
_LINE_END: Final = re.compile(r"\n(?! {4}[^\n]*(?:\n {4} *)?\^\Z)")
_UNLIMITED: Final = 100_000  # columns where there is no terminal


def print_json(document: object) -> None:
    """Print the one JSON document of a `--json` command."""
    from netbench.store import json_text  # noqa: PLC0415 -- `--help` needs none

    _put(sys.stdout, json_text(document))


def print_rich(renderable: Any) -> None:
    """Print a rich renderable to stdout; text is no markup. In a pipe no line is wrapped."""
    from rich.console import Console  # noqa: PLC0415 -- rich is slow to import
    from rich.segment import Segments  # noqa: PLC0415 -- same

    console = Console(width=_columns(), markup=False, emoji=False)
    with console.capture() as captured:
        if isinstance(renderable, str):
            console.print(printable(renderable), soft_wrap=True)
        else:
            console.print(Segments(map(_harmless, console.render(renderable))), crop=False)
    text = captured.get()
    lines = text.splitlines() if console.color_system is None else []
    _put(sys.stdout, "".join(f"{line.rstrip()}\n" for line in lines) or text)


def _columns() -> int:
    """Return how wide lines may be: COLUMNS, else the terminal's width; without one, no limit."""
    asked = os.environ.get("COLUMNS", "")
    if asked.isascii() and asked.isdecimal() and len(asked) < _DIGITS and int(asked):
        return int(asked)
    try:
        return os.get_terminal_size(sys.stdout.fileno()).columns or _USUAL
    except (OSError, ValueError):
        return _UNLIMITED


def _harmless(segment: "Segment") -> "Segment":
    return segment if segment.control else segment._replace(text=printable(segment.text))


def one_screen() -> bool:
    """Return whether stdout and stderr are one file: a terminal, a pipe, or a log."""
    with suppress(OSError, ValueError):
        return os.path.sameopenfile(sys.stdout.fileno(), sys.stderr.fileno())
    return False


def table(*headings: str) -> "Table":
    """Return an empty table without rules, whose cells wrap."""
    from rich.table import Table  # noqa: PLC0415 -- rich is slow to import

    made = Table(box=None, pad_edge=False)
    for heading in headings:
        made.add_column(heading, overflow="fold")
    return made


def _put(stream: TextIO, text: str) -> None:
    """Write at once; what a reader that has gone, as of `| head`, would get is dropped."""
    try:
        stream.write(text)
        stream.flush()
    except BrokenPipeError:
        let_go(stream)


def let_go(stream: TextIO) -> None:
    """Send what is still printed here to /dev/null, so that nothing fails for it."""
    with suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)


def say(line: str) -> None:
    """Print one line to stderr; one that cannot be written is dropped, and ends no run."""
    with suppress(OSError):
        _put(sys.stderr, f"{one_line(line)}\n")


def printable(text: str) -> str:
    """Return text with its control characters spelled out, line ends apart."""
    from netbench.units import escaped  # noqa: PLC0415 -- `--help` needs none

    return escaped(text, lambda character: f"\\x{ord(character):02x}")


def one_line(text: str) -> str:
    """Return text with its line ends spelled out, but for those before a `^` at its end."""
    return _LINE_END.sub(r"\\n", printable(text))


def report_error(error: NetbenchError, *, as_json: bool) -> None:
    """Print an error: what failed and why, each problem on a line, then what fixes it."""
    if as_json:
        from msgspec import convert  # noqa: PLC0415 -- only when asked for

        from netbench.documents import ErrorDocument, ErrorRow  # noqa: PLC0415 -- same

        try:
            print_json(ErrorDocument(1, convert(error, ErrorRow, from_attributes=True)))
        except OSError:  # that may be the error: stderr has it
            let_go(sys.stdout)
    if len(error.problems) == 1:
        say(f"netbench: {error.problems[0]}")
    else:
        say(f"netbench: {len(error.problems)} problems:")
        for problem in error.problems:
            say(f"  - {problem}")
    if error.hint:
        say(f"  fix: {error.hint}")
