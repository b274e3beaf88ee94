"""Programs of the system's that an engine calls."""

import os
import shutil
from typing import Final

SYSTEM: Final = ("/usr/sbin", "/sbin", "/usr/local/sbin")
"""Not on every ordinary user's PATH."""


def find_program(name: str, *folders: str) -> str | None:
    """Return where a program of the system's is: on the PATH, or else in one of the folders."""
    return shutil.which(name, path=os.pathsep.join([os.environ.get("PATH", ""), *folders]))
