"""Walks over trees that others change meanwhile: what goes away under way is passed over.

`Path.rglob` of Python 3.11 and 3.12 raises FileNotFoundError there.
"""

import os
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Final

CGROUPS: Final = Path("/sys/fs/cgroup")


def folders(root: Path, name: str) -> Iterator[Path]:
    """Yield the folders beneath a root whose name fits a pattern."""
    for above, names, _ in os.walk(root):
        for found in names:
            if fnmatchcase(found, name):
                yield Path(above, found)


def deepest_first(root: Path) -> Iterator[Path]:
    """Yield every folder beneath a root before the one that holds it, and the root last."""
    for folder, _, _ in os.walk(root, topdown=False):
        yield Path(folder)
