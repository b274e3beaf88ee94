"""Files that a user names for output: written whole, and nothing there is replaced but a file."""

import errno
import os
import stat
from contextlib import suppress
from pathlib import Path
from typing import Final

from netbench.errors import RunFolderError

_STANDARD: Final = (1, 2)  # descriptors of standard output and error
RUN: Final = "run.json"
RECORDS: Final = "records.jsonl"
RAW: Final = "raw"
_HINT: Final = "make room, or name another place"


def write_whole(path: Path, content: bytes) -> Path:
    """Write a file and return its path; readers see the old one or the new one, never a part.

    A link is followed. What is no regular file (a device, a pipe, standard output) is written to as
    it is. RunFolderError if it cannot be written, or is a directory.
    """
    try:
        found = path.stat()
    except OSError:
        found = None  # not there, or the write itself will tell
    try:
        own = next((fd for fd in _STANDARD if found and _is(fd, found)), None)
        if own is not None:
            _put(os.dup(own), content)
        elif found is None or stat.S_ISREG(found.st_mode):
            _replace(Path(os.path.realpath(path)), content, found)
        else:
            _put(os.open(path, os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC), content)
    except OSError as exc:
        why = "nothing reads it" if exc.errno == errno.ENXIO else exc.strerror or exc
        raise RunFolderError(f"{path} cannot be written: {why}", hint=_HINT) from exc
    return path


def _is(descriptor: int, found: os.stat_result) -> bool:
    with suppress(OSError):
        return os.path.samestat(os.fstat(descriptor), found)
    return False


def _put(descriptor: int, content: bytes) -> None:
    with os.fdopen(descriptor, "wb", closefd=True) as file:
        os.set_blocking(descriptor, True)
        file.write(content)


def _replace(target: Path, content: bytes, found: os.stat_result | None) -> None:
    """Write beside a file, then take its place, with its permissions."""
    partial = target.with_name(f".{target.name[:200]}.partial")
    try:
        with partial.open("wb") as file:
            if found is not None:
                os.fchmod(file.fileno(), stat.S_IMODE(found.st_mode))
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(target)
    except OSError:
        with suppress(OSError):
            partial.unlink(missing_ok=True)
        raise


def file_problem(path: Path) -> str | None:
    """Return why no file can be written at `path`, before anything is; None if one can."""
    if problem := name_problem(path):
        return problem
    if path.is_dir():
        return f"{path} is a directory; name a file in it"
    if not path.exists() and not path.parent.is_dir():
        return f"there is no folder {path.parent}"
    real = Path(os.path.realpath(path))
    folder = real.parent.parent if real.parent.name == RAW else real.parent
    measured = folder != real.parent or real.name in (RUN, RECORDS)
    if measured and real.exists() and (folder / RUN).exists():
        return f"{path} is a part of what a run has measured; name another file"
    return None


def folder_problem(path: Path) -> str | None:
    """Return why there can be no folder at `path`; None if there is one, or can be."""
    if problem := name_problem(path):
        return problem
    there = nearest(path)
    return None if there.is_dir() else f"{there} is not a directory"


def nearest(path: Path) -> Path:
    """Return the longest part of a path that is there."""
    there = path.absolute()
    while not os.path.lexists(there):
        there = there.parent
    return there


def name_problem(path: Path) -> str | None:
    """Return why nothing can have this name; None if something can."""
    try:
        path.stat()
    except OSError as exc:
        if exc.errno in {errno.ENAMETOOLONG, errno.ELOOP, errno.EINVAL}:
            return f"{str(path)[:60]}... is no name for a file: {exc.strerror}"
    except ValueError as exc:
        return f"{str(path)[:60]!r} is no name for a file: {exc}"
    return None
