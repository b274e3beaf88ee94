"""index.html of a folder of runs: written when asked for, renewed once it is there."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from netbench.cli.output import say
from netbench.errors import ConfigurationError, RunFolderError
from netbench.report.index import MARK, IndexEntry, index
from netbench.store import ListedRun, list_runs, write_whole

NAME: Final = "index.html"
_HEAD: Final = 2000
"""Bytes at a page's beginning that hold its mark."""


def write_index(parent: Path, found: Sequence[ListedRun]) -> Path:
    """Write the page and return its path.

    Raises:
        ConfigurationError: there is a page of that name that is not netbench's.
        RunFolderError: it cannot be written.
    """
    path = parent / NAME
    if path.exists() and not _ours(path):
        raise ConfigurationError(
            f"--html: {path} is not netbench's, and is left as it is", hint="move it away"
        )
    entries = [
        IndexEntry(
            folder=run.path.name,
            info=run.info,
            problem=run.problem,
            records=run.records,
            lead=run.lead,
            reported=(run.path / "report.html").is_file(),
        )
        for run in found
    ]
    return write_whole(path, index(entries).encode("utf-8", "replace"))


def renew_index(parent: Path) -> None:
    """Write the page anew where there is one of ours; whatever stands in the way is only told."""
    path = parent / NAME
    try:
        if path.is_file() and _ours(path):
            write_index(parent, list_runs(parent))
    except (OSError, RunFolderError) as exc:
        say(f"netbench: {path} could not be renewed: {exc}")


def _ours(path: Path) -> bool:
    with path.open("rb") as file:
        return MARK.encode() in file.read(_HEAD)
