"""Files of /proc and /sys: this machine's own, or another's by whoever can read them there."""

import gzip
import re
import zlib
from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from glob import glob
from pathlib import Path
from typing import Final, Protocol

_OF_A_PROCESS: Final = re.compile(r"/proc/[\d*\[]")


class Files(Protocol):
    """Reads files of one machine, as its own process numbers name them."""

    def read(self, *paths: str) -> Mapping[str, bytes]:
        """Return the contents of files by path, all of them read at about the same moment.

        A path may hold `*`. What is not there, or not ours to read, is left out.
        """
        ...

    def processes(self, name: str) -> tuple[int, ...]:
        """Return the numbers of the processes whose command has this name, proc(5) `comm`."""
        ...


class LocalFiles:
    """The files of this machine."""

    def read(self, *paths: str) -> Mapping[str, bytes]:
        """Return what is there; see `Files`."""
        found = {}
        for path in _spread(paths):
            try:
                found[path] = Path(path).read_bytes()
            except OSError:
                continue
        return found

    def processes(self, name: str) -> tuple[int, ...]:
        """Return who runs under that name here."""
        numbers = (int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdecimal())
        return tuple(pid for pid in numbers if text(self, f"/proc/{pid}/comm") == f"{name}\n")


def _spread(paths: Iterable[str]) -> Iterable[str]:
    for path in paths:
        yield from glob(path) if "*" in path else (path,)  # noqa: PTH207 -- paths are text here


class NoFiles:
    """The files of a machine that nobody can read."""

    def read(self, *paths: str) -> Mapping[str, bytes]:
        """Return nothing."""
        del paths
        return {}

    def processes(self, name: str) -> tuple[int, ...]:
        """Return nobody."""
        del name
        return ()


class Unnumbered:
    """The files of a machine whose processes are seen there under numbers of another namespace."""

    def __init__(self, files: Files) -> None:
        """Take the files, of which those of processes other than the reader's own are left out."""
        self._files = files

    def read(self, *paths: str) -> Mapping[str, bytes]:
        """Return what is no process's."""
        return self._files.read(*(path for path in paths if not _OF_A_PROCESS.match(path)))

    def processes(self, name: str) -> tuple[int, ...]:
        """Return nobody."""
        del name
        return ()


class FrozenFiles:
    """Files as they were when they were read; takes the place of `Files` for who parses them."""

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

    def processes(self, name: str) -> tuple[int, ...]:
        """Return nobody: only files were read."""
        del name
        return ()


LOCAL: Final = LocalFiles()
NOWHERE: Final = NoFiles()


def text(files: Files, path: str) -> str | None:
    """Return a file's text, unpacked if it is `.gz`; None where it is not ours to read."""
    data = files.read(path).get(path)
    if data is None:
        return None
    try:
        return (gzip.decompress(data) if path.endswith(".gz") else data).decode(errors="replace")
    except (OSError, EOFError, zlib.error):
        return None
