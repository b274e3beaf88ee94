"""What goes to stdout and stderr: results there, progress and errors here."""

import sys
from collections.abc import Mapping
from typing import Any

from netbench.errors import NetbenchError


def print_json(document: Mapping[str, Any]) -> None:
    """Print the one JSON document of a `--json` command."""
    import json  # noqa: PLC0415 -- `--help` needs none

    sys.stdout.write(json.dumps(document, indent=2, allow_nan=False, ensure_ascii=False) + "\n")
    sys.stdout.flush()


def print_rich(renderable: Any) -> None:
    """Print a rich renderable to stdout, plain where it is no terminal; text is no markup."""
    from rich.console import Console  # noqa: PLC0415 -- rich is slow to import

    console = Console(markup=False, emoji=False)
    if not console.is_terminal:
        console = Console(width=160, no_color=True, markup=False, emoji=False)
    console.print(renderable, soft_wrap=isinstance(renderable, str))


def say(line: str) -> None:
    """Print one line to stderr."""
    sys.stderr.write(f"{printable(line)}\n")
    sys.stderr.flush()


def printable(text: str) -> str:
    """Return text without control characters: names and tool output may carry some."""
    return "".join(c if c.isprintable() or c == "\n" else f"\\x{ord(c):02x}" for c in text)


def report_error(error: NetbenchError, *, as_json: bool) -> None:
    """Tell an error: what failed and why, each problem on a line, then what fixes it."""
    if as_json:
        print_json(
            {
                "schema": 1,
                "error": {
                    "kind": error.kind,
                    "message": error.message,
                    "hint": error.hint,
                    "problems": list(error.problems),
                },
            }
        )
    if len(error.problems) == 1:
        say(f"netbench: {error.problems[0]}")
    else:
        say(f"netbench: {len(error.problems)} problems:")
        for problem in error.problems:
            say(f"  - {problem}")
    if error.hint:
        say(f"  fix: {error.hint}")
