"""The files that CNI plug-ins keep of a run: a temporary folder, findable after its maker died."""

import os
import shutil
import tempfile
from contextlib import suppress
from pathlib import Path

from netbench.engines.base import Owned
from netbench.engines.owner import maker_lives, this_process

_PREFIX = "netbench-cni-"
_OWNER = "owner"
"""File in the folder: run id and maker, one a line."""


def make_folder(run: str) -> Path:
    """Make a run's folder; it is of no use to anybody but us."""
    folder = Path(tempfile.mkdtemp(prefix=f"{_PREFIX}{run}-"))
    (folder / _OWNER).write_text(f"{run}\n{this_process()}\n")
    return folder


def remove_folder(folder: Path) -> None:
    """Remove a run's folder with everything in it; nothing where it is gone."""
    with suppress(FileNotFoundError):
        shutil.rmtree(folder)


def leftover_folders(run: str | None) -> tuple[Owned, ...]:
    """Return the folders of one run or of all, those of a netbench that still runs included."""
    found = []
    for folder in sorted(Path(tempfile.gettempdir()).glob(f"{_PREFIX}*")):
        try:
            mark, owner = (folder / _OWNER).read_text().splitlines()
            mine = folder.lstat().st_uid == os.geteuid()
        except (OSError, ValueError):
            continue
        if mine and not folder.is_symlink() and run in (None, mark):
            live = maker_lives(owner) is not False
            found.append(Owned("folder", str(folder), folder.name, mark, live))
    return tuple(found)


def remove_leftover_folder(thing: Owned) -> None:
    """Remove a leftover, if it still is what it was."""
    if any(thing.id == found.id for found in leftover_folders(thing.run)):
        remove_folder(Path(thing.id))
