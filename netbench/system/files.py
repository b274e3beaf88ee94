"""Files of /proc and /sys, of this machine or another; and files that others may have made.

What anybody may have put there, a FIFO or a device among them, `open_regular` does not open.
"""

import errno
import gzip
import os
import re
import stat
import zlib
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from fnmatch import fnmatchcase
from glob import glob
from pathlib import Path
from typing import BinaryIO, Final, Literal, Protocol

from netbench.errors import FactError

LARGEST_INPUT: Final = 1 << 24  # bytes of a file that a user writes, such as a suite, at most
_BUFFER: Final = 1 << 20  # bytes that are read at a time
_KINDS: Final = {"d": "directory", "p": "FIFO", "s": "socket", "c": "device", "b": "device"}
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
    """Files of a machine without those of other processes, which are numbered differently there."""

    files: Files

    def read(self, *paths: str) -> Mapping[str, bytes]:
        """Return what does not belong to a process."""
        return self.files.read(*(path for path in paths if not _OF_A_PROCESS.match(path)))


LOCAL: Final = LocalFiles()
NOWHERE: Final = FrozenFiles(LOCAL)  # the files of a machine whose files cannot be read


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


def process_status(files: Files, pid: int | Literal["self"], field: str) -> str | None:
    """Return a field of proc(5) `status`; None if the process or the field is not there."""
    status = text(files, f"/proc/{pid}/status") or ""
    found = re.search(rf"^{field}:[ \t]*(.*)", status, re.MULTILINE)
    return found[1] if found else None


class NotRegular(OSError):
    """What is there is no regular file; `strerror` says what it is."""


def check_regular(path: Path) -> None:
    """Check that a path leads to a regular file without opening it; errors as `open_regular`."""
    _refuse_other_kinds(path, path.stat().st_mode)


def open_regular(path: Path) -> BinaryIO:
    """Open a regular file to read it; never waits, as the opening of a FIFO does.

    NotRegular if it is a FIFO, a device, a socket or a directory, which are not opened.
    """
    check_regular(path)
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    try:
        _refuse_other_kinds(path, os.fstat(descriptor).st_mode)  # it may have been replaced
        return os.fdopen(descriptor, "rb", buffering=_BUFFER)
    except BaseException:
        os.close(descriptor)
        raise


def read_regular(path: Path, most: int) -> bytes:
    """Return the content of a regular file; errors as `open_regular`, OSError if it is larger."""
    with open_regular(path) as file:
        content = file.read(most + 1)
    if len(content) > most:
        raise OSError(errno.EFBIG, f"it is larger than {most >> 20} MiB", str(path))
    return content


def _refuse_other_kinds(path: Path, mode: int) -> None:
    if not stat.S_ISREG(mode):
        found = _KINDS.get(stat.filemode(mode)[0])
        kind = f"a {found}" if found else "something else"
        raise NotRegular(errno.EINVAL, f"it is {kind}, not a regular file", str(path))
