"""The run folder: written as trials end, read back by everything that judges or draws them.

    <UTC time>-<drivers>/   run.json  records.jsonl  raw/  report.html  summary.md  summary.csv

`docs/schema.md` documents it field by field. Schema versions: 1, first published.
"""

import json
import os
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from tempfile import TemporaryFile
from typing import TYPE_CHECKING, Any, Final, Self

from netbench.errors import RunFolderError
from netbench.record import SCHEMA, Record, RunInfo
from netbench.spec import Role

if TYPE_CHECKING:
    from pydantic import TypeAdapter

RUN: Final = "run.json"
RECORDS: Final = "records.jsonl"
RAW: Final = "raw"
_NAME_LIMIT: Final = 70
"""Characters of the drivers that a folder's name holds."""
_DRIVER_LIMIT: Final = 40
"""Characters of one driver in it."""


@dataclass(frozen=True, slots=True)
class RunFolder:
    """The folder of a run that is being measured."""

    path: Path

    @classmethod
    def create(cls, parent: Path, drivers: tuple[str, ...], info: RunInfo) -> Self:
        """Make a new folder under `parent` and write `run.json`.

        Raises:
            RunFolderError: it cannot be written.
        """
        stamp = datetime.fromisoformat(info.created).astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")
        name = "-".join([stamp, *_labels(drivers)])
        try:
            path = _new_folder(parent, name)
            (path / RAW).mkdir()
        except OSError as exc:
            raise _unwritable(parent, exc) from exc
        folder = cls(path)
        folder.finish(info)
        return folder

    def append(self, record: Record) -> None:
        """Add one record, on disk when this returns; a line that does not fit is taken back.

        Raises:
            RunFolderError: it cannot be written.
            ValueError: a number in it is not finite.
        """
        line = _encode(record) + b"\n"
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
        """Keep a tool's whole output; return its path in the folder, empty where there is none.

        `turn` counts the tools of one role in one record, from 0.

        Raises:
            RunFolderError: it cannot be written.
        """
        if not text:
            return ""
        name = f"{RAW}/{number:05d}-{role.value}{f'-{turn + 1}' if turn else ''}.txt"
        try:
            (self.path / name).write_bytes(text.encode("utf-8", "surrogateescape"))
        except OSError as exc:
            raise _unwritable(self.path / name, exc) from exc
        return name

    def finish(self, info: RunInfo) -> None:
        """Write `run.json` anew; readers see the old one or the new one, never a part.

        Raises:
            RunFolderError: it cannot be written.
            ValueError: a number in it is not finite.
        """
        self.write(RUN, _encode(info, indent=2).decode() + "\n")

    def write(self, name: str, text: str) -> Path:
        """Write a file (`report.html`, `summary.md`, `summary.csv`) whole, and return its path.

        Raises:
            RunFolderError: it cannot be written.
        """
        path = self.path / name
        partial = path.with_name(f".{name}.partial")
        try:
            with partial.open("wb") as file:
                file.write(text.encode("utf-8", "replace"))
                file.flush()
                os.fsync(file.fileno())
            partial.replace(path)
        except OSError as exc:
            partial.unlink(missing_ok=True)
            raise _unwritable(path, exc) from exc
        return path


@dataclass(frozen=True, slots=True)
class LoadedRun:
    """A run read back."""

    path: Path
    info: RunInfo
    notes: list[str] = field(default_factory=list)
    """What could not be read of the records; whole once `records()` is exhausted."""

    def records(self) -> Iterator[Record]:
        """Yield every readable record in the order it was written, one at a time."""
        self.notes.clear()
        reader = _record_reader()
        try:
            with (self.path / RECORDS).open("rb") as file:
                for number, line in enumerate(file, start=1):
                    try:
                        yield reader.validate_json(b"[" + line + b"]")[0]
                    except ValueError as exc:
                        self.notes.append(_unreadable_line(number, line, exc))
        except FileNotFoundError:
            self.notes.append(f"no {RECORDS}: the run was ended before its first trial")
        except OSError as exc:
            self.notes.append(f"{RECORDS} could not be read to its end: {exc.strerror}")


@dataclass(frozen=True, slots=True)
class ListedRun:
    """One folder of `list_runs`."""

    path: Path
    info: RunInfo | None
    records: int
    """Lines of `records.jsonl`; 0 before the first trial has ended."""
    problem: str
    """Why `info` is None, else empty."""


def load(path: Path) -> LoadedRun:
    """Open a run folder to read it.

    Raises:
        RunFolderError: missing, empty, not a run, damaged, or written by a newer schema.
    """
    hint = "`netbench runs` lists the run folders there are"
    if not path.exists():
        raise RunFolderError(f"{path} does not exist", hint=hint)
    if not path.is_dir():
        raise RunFolderError(f"{path} is a file, not a run folder", hint=hint)
    try:
        text = (path / RUN).read_bytes()
    except FileNotFoundError as exc:
        empty = not any(path.iterdir())
        what = "is empty" if empty else f"is not a run folder: it holds no {RUN}"
        raise RunFolderError(f"{path} {what}", hint=hint) from exc
    except OSError as exc:
        raise RunFolderError(f"{path / RUN} is unreadable: {exc.strerror}") from exc
    _check_schema(path / RUN, text)
    try:
        return LoadedRun(path, _info_reader().validate_json(b"[" + text + b"]")[0])
    except ValueError as exc:
        raise RunFolderError(f"{path / RUN} is damaged: {_reason(exc)}", hint=hint) from exc


def list_runs(parent: Path) -> tuple[ListedRun, ...]:
    """Return every run folder in `parent`, the newest first; nothing where there is no parent."""
    if not parent.is_dir():
        return ()
    found = [_listed(path.parent) for path in parent.glob(f"*/{RUN}")]
    return tuple(sorted(found, key=lambda run: run.path.name, reverse=True))


def check_writable(parent: Path) -> str | None:
    """Return why no run folder can be made under `parent`, None where one can; leaves nothing.

    Found by trying: permission bits say nothing to root, and nothing of file systems like /proc.
    """
    existing = parent.absolute()
    while not os.path.lexists(existing):
        existing = existing.parent
    if not existing.is_dir():
        return f"{existing} is not a directory"
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


def _new_folder(parent: Path, name: str) -> Path:
    parent.mkdir(parents=True, exist_ok=True)
    tries = 1
    while True:
        path = parent / (name if tries == 1 else f"{name}-{tries}")
        try:
            path.mkdir()
        except FileExistsError:
            tries += 1
        else:
            return path


def _unwritable(path: Path, error: OSError) -> RunFolderError:
    return RunFolderError(
        f"{path} cannot be written: {error.strerror or error}",
        hint="name another folder with --output, or make room on this one",
    )


def _encode(value: Record | RunInfo, indent: int | None = None) -> bytes:
    """Return JSON; refuses numbers that are not finite, and replaces text that is not Unicode."""
    separators = (",", ":") if indent is None else (",", ": ")
    text = json.dumps(
        asdict(value), allow_nan=False, ensure_ascii=False, indent=indent, separators=separators
    )
    return text.encode("utf-8", "replace")


def _write_all(descriptor: int, content: bytes) -> None:
    while content:
        content = content[os.write(descriptor, content) :]


@cache
def _record_reader() -> "TypeAdapter[tuple[Record]]":
    """Return what reads a record; the tuple carries the strictness down to every field."""
    from pydantic import ConfigDict, TypeAdapter  # noqa: PLC0415 - not every command reads a run

    return TypeAdapter(tuple[Record], config=ConfigDict(strict=True, allow_inf_nan=False))


@cache
def _info_reader() -> "TypeAdapter[tuple[RunInfo]]":
    """Return what reads `run.json`."""
    from pydantic import ConfigDict, TypeAdapter  # noqa: PLC0415 - not every command reads a run

    return TypeAdapter(tuple[RunInfo], config=ConfigDict(strict=True, allow_inf_nan=False))


def _check_schema(path: Path, text: bytes) -> None:
    """Raise unless this is a `run.json` of a version that this code reads."""
    try:
        document: Any = json.loads(text)
    except (ValueError, RecursionError) as exc:
        raise RunFolderError(f"{path} is damaged: {exc}") from exc
    schema = document.get("schema") if isinstance(document, dict) else None
    if not isinstance(schema, int) or isinstance(schema, bool) or schema < 1:
        raise RunFolderError(f"{path} is not netbench's: it names no schema version")
    if schema > SCHEMA:
        raise RunFolderError(
            f"{path} was written by schema {schema}; this netbench reads up to {SCHEMA}",
            hint="upgrade netbench to read it",
        )


def _unreadable_line(number: int, line: bytes, error: ValueError) -> str:
    if not line.endswith(b"\n"):
        return f"{RECORDS}: the last line ({number}) is cut short; the run was ended while writing"
    return f"{RECORDS}: line {number} is unreadable: {_reason(error)}"


def _reason(error: ValueError) -> str:
    """Return pydantic's first complaint on one line: which field and what."""
    lines = [line.strip() for line in str(error).splitlines()[1:3]]
    return re.split(r" \[type=| at line ", " ".join(lines).removeprefix("0."))[0]


def _listed(path: Path) -> ListedRun:
    try:
        info, problem = load(path).info, ""
    except RunFolderError as exc:
        info, problem = None, exc.message
    try:
        with (path / RECORDS).open("rb") as file:
            lines = sum(1 for _ in file)
    except OSError:
        lines = 0
    return ListedRun(path, info, lines, problem)
