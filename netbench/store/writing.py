"""A run folder, written as records come; `netbench.store` reads it back.

    <UTC time>-<drivers>/   run.json  records.jsonl  raw/  report.html  summary.md  .csv  .json

`docs/schema.md` documents it field by field. Schema versions: 1, whole trials, never released;
2, sessions with their slices.
"""

import fcntl
import json
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from shutil import rmtree
from tempfile import TemporaryFile
from typing import BinaryIO, Final, Self

from msgspec import to_builtins
from msgspec.json import format as indented

from netbench.errors import RunFolderError, RunFolderLost
from netbench.record import Record, Redaction, RunInfo
from netbench.record.checks import bounded
from netbench.spec import Role
from netbench.store.output import RAW, RECORDS, RUN, folder_problem, nearest, write_whole
from netbench.system.files import check_regular

_DIGITS: Final = 18  # of a record's number, and more than it has
_LATER: Final = "once it can be written again, `netbench run --resume` goes on with the run"
_NAME_LIMIT: Final = 70  # characters of the drivers that a folder's name holds
_DRIVER_LIMIT: Final = 40  # characters of one driver in it


@dataclass(frozen=True, slots=True)
class RunFolder:
    """The folder of a run that is being measured.

    What writes raises `RunFolderLost` if it cannot, `ValueError` for a number that is not finite.
    """

    path: Path
    redaction: Redaction = field(default_factory=Redaction)  # of all that the run itself writes

    @classmethod
    def create(
        cls,
        parent: Path,
        drivers: tuple[str, ...],
        info: RunInfo,
        redaction: Redaction | None = None,
    ) -> Self:
        """Make a new folder under `parent` and write `run.json`; `RunFolderError` if it cannot.

        Without a `redaction` names and addresses of the site stay in it, and its mode is 0700.
        """
        stamp = datetime.fromisoformat(info.created).astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")
        name = "-".join([stamp, *_labels(drivers)])
        folder = None
        try:
            mode = 0o700 if redaction is None else 0o777
            folder = cls(_new_folder(parent, name, mode), redaction or Redaction())
            (folder.path / RAW).mkdir()
            folder.finish(info)
        except (OSError, RunFolderLost) as exc:
            if folder is not None:
                rmtree(folder.path, ignore_errors=True)
            what = exc.message if isinstance(exc, RunFolderLost) else _why(parent, exc)
            raise RunFolderError(what, hint="name another folder with --output") from exc
        return folder

    @contextmanager
    def held(self) -> Iterator[None]:
        """Be the only netbench that measures into this folder; `RunFolderError` if another does."""
        descriptor = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY)
        try:
            with suppress(OSError):  # not every file system has locks
                try:
                    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError as exc:
                    raise RunFolderError(
                        f"{self.path} is being measured into by another netbench",
                        hint="wait until that has ended",
                    ) from exc
            yield
        finally:
            os.close(descriptor)

    def mend(self, last: int) -> None:
        """Make ready for what comes after record `last`: drop what a killed run left half-done.

        That is a line cut short at the end of the records, and raw output of trials without one.
        A last line that lacks its end alone is whole: it gets it.
        """
        path = self.path / RECORDS
        try:
            if os.path.lexists(path):
                check_regular(path)
                with path.open("r+b") as file:
                    _end_last_line(file)
            for raw in (self.path / RAW).iterdir():
                number = raw.name.partition("-")[0]
                if _is_number(number) and int(number) > last:
                    raw.unlink()
        except OSError as exc:
            raise _unwritable(path, exc) from exc

    def last_raw(self) -> int:
        """Return the highest number of a record that has raw output; 0 without any."""
        with suppress(OSError):
            names = [raw.name.partition("-")[0] for raw in (self.path / RAW).iterdir()]
            return max((int(name) for name in names if _is_number(name)), default=0)
        return 0

    def append(self, record: Record) -> None:
        """Add one record, on disk when this returns; a line that does not fit is taken back."""
        line = _encode(record, self.redaction) + b"\n"
        path = self.path / RECORDS
        try:
            with path.open("ab", buffering=0) as file:
                length = file.tell()
                try:
                    _write_all(file.fileno(), line)
                    os.fsync(file.fileno())
                except OSError:
                    with suppress(OSError):
                        file.truncate(length)
                    raise
        except OSError as exc:
            raise _unwritable(path, exc) from exc

    def save_raw(self, number: int, role: Role, text: str, turn: int = 0) -> str:
        """Keep the whole output of a role's tool `turn`, from 0; return its path, if any."""
        if not text:
            return ""
        name = f"{RAW}/{number:05d}-{role.value}{f'-{turn + 1}' if turn else ''}.txt"
        try:
            content = self.redaction.text(text).encode("utf-8", "surrogateescape")
            (self.path / name).write_bytes(content)
        except OSError as exc:
            raise _unwritable(self.path / name, exc) from exc
        return name

    def finish(self, info: RunInfo) -> None:
        """Write `run.json` anew; readers see the old one or the new one, never a part."""
        command = tuple(map(self.redaction.text, info.command))
        line = _encode(replace(info, command=command), self.redaction)
        self.write(RUN, indented(line, indent=2).decode() + "\n")

    def write(self, name: str, text: str) -> Path:
        """Write a file (`report.html`, `summary.md`, `summary.csv`) whole, and return its path."""
        try:
            return write_whole(self.path / name, text.encode("utf-8", "replace"))
        except RunFolderError as exc:
            raise RunFolderLost(exc.message, hint=_LATER) from exc


def check_writable(parent: Path) -> str | None:
    """Return why no run folder can be made under `parent`, by trying; None if one can."""
    if problem := folder_problem(parent):
        return problem
    existing = nearest(parent)
    try:
        with TemporaryFile(dir=existing):
            return None
    except OSError as exc:
        return f"{existing} cannot be written: {exc.strerror}"


def _labels(drivers: tuple[str, ...]) -> list[str]:
    """Return drivers as parts of a folder's name: as many as fit, then how many more there are."""
    found = [label for driver in drivers if (label := _label(driver))]
    kept = len(found)
    while kept > 1 and len("-".join(found[:kept])) > _NAME_LIMIT:
        kept -= 1
    more = len(found) - kept
    return [*found[:kept], *([f"and-{more}-more"] if more else [])]


def _label(driver: str) -> str:
    """Return `cni-net` for `cni:/etc/cni/net.conflist`: a file's name, not the way to it."""
    short = re.sub(r"[^:@+=]*/", "", driver).removesuffix(".conflist")
    safe = re.sub(r"[^A-Za-z0-9_.]+", "-", short).strip("-.")
    return safe[:_DRIVER_LIMIT].rstrip("-.")


def _new_folder(parent: Path, name: str, mode: int) -> Path:
    parent.mkdir(parents=True, exist_ok=True)
    tries = 1
    while True:
        path = parent / (name if tries == 1 else f"{name}-{tries}")
        try:
            path.mkdir(mode)
        except FileExistsError:
            tries += 1
        else:
            return path


def _unwritable(path: Path, error: OSError) -> RunFolderLost:
    return RunFolderLost(_why(path, error), hint=_LATER)


def _why(path: Path, error: OSError) -> str:
    return f"{path} cannot be written: {error.strerror or error}"


def _encode(value: Record | RunInfo, redaction: Redaction) -> bytes:
    """Return JSON, long texts cut, what is not Unicode replaced; no number but finite ones."""
    document = bounded(to_builtins(value))
    text = json.dumps(
        redaction.value(document) if redaction else document,
        allow_nan=False,
        ensure_ascii=False,
        separators=(",", ":"),
    )
    return text.encode("utf-8", "replace")


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) < _DIGITS


def _end_last_line(file: BinaryIO) -> None:
    """End a file with a whole line: of JSON that lacks its end, or the one before."""
    length, last = 0, b""
    for last in file:
        length += len(last)
    if last and not last.endswith(b"\n"):
        try:
            json.loads(last)
        except (ValueError, RecursionError):
            file.truncate(length - len(last))
        else:
            file.write(b"\n")


def _write_all(descriptor: int, content: bytes) -> None:
    while content:
        content = content[os.write(descriptor, content) :]
