"""Files of /proc and /sys, of this machine or of another one."""

import gzip
import re
import zlib
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from fnmatch import fnmatchcase
from glob import glob
from pathlib import Path
from typing import Final, Protocol

from netbench.errors import FactError

_OF_A_PROCESS: Final = re.compile(r"/proc/[\d*\[]")


class Files(Protocol):
    """Reads files of one machine, as its own process numbers name them."""

    def read(self, *paths: str) -> Mapping[str, bytes]:
        """Return the contents of files by path, all of them read at about the same moment.

        A path may hold `*`. What is not there, or may not be read, is left out.
        """
        ...


class LocalFiles:
    """The files of this machine."""

    def read(self, *paths: str) -> Mapping[str, bytes]:
        """Return what is there; see `Files`."""
        found = {}
        for given in paths:
            for path in glob(given) if "*" in given else (given,):  # noqa: PTH207 -- paths are text
                with suppress(OSError):
                    found[path] = Path(path).read_bytes()
        return found


class FrozenFiles:
    """Files as they were when they were read."""

    def __init__(self, files: Files, *paths: str) -> None:
        """Read them now, in one go."""
        self._contents = files.read(*paths)

    def read(self, *paths: str) -> Mapping[str, bytes]:
        """Return those of the files that were there."""
        return {
            name: content
            for name, content in self._contents.items()
            if any(name == path or fnmatchcase(name, path) for path in paths)
        }


@dataclass(frozen=True)
class Unnumbered:
    """The files of a machine whose processes are seen there under numbers of another namespace.

    Files of processes other than the reader's own are left out.
    """

    files: Files

    def read(self, *paths: str) -> Mapping[str, bytes]:
        """Return what does not belong to a process."""
        return self.files.read(*(path for path in paths if not _OF_A_PROCESS.match(path)))


LOCAL: Final = LocalFiles()
NOWHERE: Final = FrozenFiles(LOCAL)
"""The files of a machine whose files cannot be read."""


def processes(files: Files, name: str) -> tuple[int, ...]:
    """Return the numbers of the processes whose command has this name, proc(5) `comm`."""
    found = files.read("/proc/*/comm")
    numbers = (path.split("/")[2] for path, comm in found.items() if comm == f"{name}\n".encode())
    return tuple(int(number) for number in numbers if number.isdecimal())


def text(files: Files, path: str) -> str | None:
    """Return a file's text, unpacked if it is `.gz`; None if it may not be read."""
    data = files.read(path).get(path)
    if data is None:
        return None
    try:
        return (gzip.decompress(data) if path.endswith(".gz") else data).decode(errors="replace")
    except (OSError, EOFError, zlib.error):
        return None


def needed(files: Files, path: str) -> str:
    """Return a file's text; raises `FactError` if it is not readable."""
    found = text(files, path)
    if found is None:
        raise FactError(f"{path} is not readable")
    return found
