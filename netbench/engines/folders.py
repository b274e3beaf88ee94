"""Temporary folders, findable after their maker died: what CNI plug-ins keep, a way by SSH."""

import os
import shutil
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Final, Literal, get_args

from netbench.engines.base import Owned
from netbench.engines.owner import maker_lives, this_process

Purpose = Literal["cni", "ssh"]
_OWNER: Final = "owner"  # file in the folder: run id and maker, one a line


def make_folder(purpose: Purpose, run: str = "") -> Path:
    """Make a folder, of a run or of none, that only this user may enter."""
    name = "-".join(filter(None, ("netbench", purpose, run)))
    folder = Path(tempfile.mkdtemp(prefix=f"{name}-"))
    (folder / _OWNER).write_text(f"{run}\n{this_process()}\n")
    return folder


def remove_folder(folder: Path) -> None:
    """Remove a folder with everything in it, if it is there."""
    with suppress(FileNotFoundError):
        shutil.rmtree(folder)


def leftover_folders(run: str | None) -> tuple[Owned, ...]:
    """Return the folders of one run or of all, those of a netbench that still runs included."""
    found = []
    patterns = [f"netbench-{purpose}-*" for purpose in get_args(Purpose)]
    temporary = Path(tempfile.gettempdir())
    for folder in sorted(path for pattern in patterns for path in temporary.glob(pattern)):
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
