"""The command `trend`."""

from pathlib import Path
from typing import Annotated

import typer

from netbench.cli import commands as shared
from netbench.cli.output import print_json, print_rich
from netbench.cli.progress import TerminalObserver
from netbench.report import trend as trends
from netbench.workflow.trend import trend_folders


def trend(
    directories: Annotated[
        list[Path],
        typer.Argument(
            help="Directories with run folders in them, at any depth.", parser=shared.place
        ),
    ],
    accept: Annotated[
        list[str] | None,
        typer.Option(
            metavar="FACT",
            help="Make no break where this fact changes, as in kernel.release or `kernel.*`; "
            "repeat.",
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="The page; default: trend.html in the first directory.",
            parser=shared.place,
        ),
    ] = None,
    as_json: shared.Json = False,
) -> int:
    """Say what changed over many runs: steps, drifts and breaks.

    Exit code 3 if a folder cannot be read; it is left out.
    """
    result, page, code = trend_folders(
        directories, accept=accept or (), output=output, observer=TerminalObserver()
    )
    if as_json:
        print_json(trends.json_document(result, str(page), code))
    else:
        print_rich(trends.terminal(result))
        print_rich(f"\nreport: {page}")
    return code
