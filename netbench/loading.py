"""A run folder read back, by everything that judges or draws it; `netbench.store` writes it."""

import json
import os
import sys
from array import array
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

from netbench.errors import RunFolderError
from netbench.record import SCHEMA, Record, Resumed, RunInfo

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from netbench.record.decoding import Lean

T = TypeVar("T", Record, "Lean")

RUN: Final = "run.json"
RECORDS: Final = "records.jsonl"
SUMMARY: Final = "summary.json"
_MUCH: Final = 1 << 20
"""Bytes of the records that are read at a time."""
_LARGE: Final = 1 << 25
"""Bytes of records from which a second process saves more than it takes."""
_FIRST: Final = 0.46
"""Share of them that the first one takes: it has more to do while the second one is at work."""


@dataclass(frozen=True, slots=True)
class Places:
    """Where records stand in the records' file."""

    numbers: "array[int]" = field(default_factory=lambda: array("q"))
    """Of the records."""
    offsets: "array[int]" = field(default_factory=lambda: array("q"))
    """Bytes from the file's beginning."""

    def of(self, numbers: "Collection[int]") -> Iterator[int]:
        """Yield the places of some records, in the order of the file."""
        wanted = frozenset(numbers)
        both = zip(self.numbers, self.offsets, strict=True)
        return (place for number, place in both if number in wanted)


@dataclass(frozen=True, slots=True)
class LoadedRun:
    """A run read back."""

    path: Path
    info: RunInfo
    notes: list[str] = field(default_factory=list)
    """What could not be read of the records; whole once `records()` or `trials()` is exhausted."""

    def records(self) -> Iterator[Record]:
        """Yield every readable record in the order it was written, one at a time.

        Left out are those of a block that was cut off and, when the run was resumed, measured anew.
        """
        from netbench.record.decoding import record_of  # noqa: PLC0415 - not every command reads

        for _, record in self._readable(record_of):
            yield record

    def trials(self, places: "Places | None" = None, part: range | None = None) -> "Iterator[Lean]":
        """Yield the same, each without its links and routes.

        Args:
            places: takes each record's place in the file, for `again`.
            part: of the file, as `parts` gives it; None for all of it.
        """
        from netbench.record.decoding import lean_of  # noqa: PLC0415 - as above

        for place, record in self._readable(lean_of, part):
            if places is not None:
                places.numbers.append(record.number)
                places.offsets.append(place)
            yield record

    def again(self, places: "Places", numbers: "Collection[int]") -> Iterator[Record]:
        """Yield some of the records whole, by their numbers; those that are readable so."""
        from netbench.record.decoding import record_of  # noqa: PLC0415 - as above

        if not numbers:  # nor need there be a file
            return
        with (self.path / RECORDS).open("rb") as file:
            for place in places.of(numbers):
                file.seek(place)
                with suppress(ValueError):
                    yield record_of(file.readline())

    def parts(self) -> tuple[range, ...]:
        """Return the parts of the records' file that are worth a process each, in bytes."""
        path = self.path / RECORDS
        try:
            size = path.stat().st_size
            if size < _LARGE or len(os.sched_getaffinity(0)) == 1:
                return (range(size),)
            with path.open("rb") as file:
                file.seek(int(size * _FIRST))
                file.readline()
                return range(file.tell()), range(file.tell(), size)
        except OSError:  # told when they are read
            return (range(sys.maxsize),)

    def _readable(
        self, reader: "Callable[[bytes], T]", part: range | None = None
    ) -> Iterator[tuple[int, T]]:
        """Yield each record with its place in the file."""
        self.notes.clear()
        resumed, part = self.info.resumed, range(sys.maxsize) if part is None else part
        place = part.start
        try:
            with (self.path / RECORDS).open("rb", buffering=_MUCH) as file:
                file.seek(place)
                for number, line in enumerate(file, start=1):
                    if place >= part.stop:
                        return
                    try:
                        record = reader(line)
                    except ValueError as exc:
                        before = _lines(self.path / RECORDS, part.start)
                        self.notes.append(_unreadable_line(before + number, line, exc))
                    else:
                        if not resumed or not _set_aside(record, resumed):
                            yield place, record
                    place += len(line)
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
    lead: str | None = None
    """The outcome in one sentence, as its last report told it; None where there is none."""


def load(path: Path) -> LoadedRun:
    """Open a run folder to read it.

    Raises:
        RunFolderError: missing, empty, not a run, damaged, or written by another schema.
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
    from netbench.record.decoding import run_info_of  # noqa: PLC0415 - not every command reads

    _check_schema(path / RUN, text)
    try:
        return LoadedRun(path, run_info_of(text))
    except ValueError as exc:
        raise RunFolderError(f"{path / RUN} is damaged: {_reason(exc)}", hint=hint) from exc


def list_runs(parent: Path) -> tuple[ListedRun, ...]:
    """Return every run folder in `parent`, the newest first; nothing where there is no parent."""
    if not parent.is_dir():
        return ()
    found = [_listed(path.parent) for path in parent.glob(f"*/{RUN}")]
    return tuple(sorted(found, key=lambda run: run.path.name, reverse=True))


def _check_schema(path: Path, text: bytes) -> None:
    """Raise unless this is a `run.json` of a version that this code reads."""
    try:
        document: Any = json.loads(text)
    except (ValueError, RecursionError) as exc:
        raise RunFolderError(f"{path} is damaged: {exc}") from exc
    schema = document.get("schema") if isinstance(document, dict) else None
    if not isinstance(schema, int) or isinstance(schema, bool) or schema < 1:
        raise RunFolderError(f"{path} is not netbench's: it names no schema version")
    if schema < SCHEMA:
        raise RunFolderError(
            f"{path} was written by netbench's unreleased schema {schema}; measure again"
        )
    if schema > SCHEMA:
        raise RunFolderError(
            f"{path} was written by schema {schema}; this netbench reads {SCHEMA}",
            hint="upgrade netbench to read it",
        )


def _set_aside(record: "Record | Lean", resumed: tuple[Resumed, ...]) -> bool:
    return any(one.sets_aside(record.block, record.number) for one in resumed)


def _lines(path: Path, end: int) -> int:
    """Return how many lines there are before a place in a file."""
    with path.open("rb") as file:
        return sum(file.read(min(_MUCH, end - at)).count(b"\n") for at in range(0, end, _MUCH))


def _unreadable_line(number: int, line: bytes, error: ValueError) -> str:
    if not line.endswith(b"\n"):
        return f"{RECORDS}: the last line ({number}) is cut short; the run was ended while writing"
    return f"{RECORDS}: line {number} is unreadable: {_reason(error)}"


def _reason(error: ValueError) -> str:
    """Return the complaint as it is told here: which field and what."""
    what, _, where = str(error).partition(" - at ")
    field = where.strip("`").removeprefix("$").removeprefix(".")
    return f"{field}: {what}" if field else what


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
    return ListedRun(path, info, lines, problem, _lead(path))


def _lead(path: Path) -> str | None:
    """Return the outcome that the run's last report told; None where that cannot be read."""
    try:
        document: Any = json.loads((path / SUMMARY).read_bytes())
    except (OSError, ValueError, RecursionError):
        return None
    lead = document.get("lead") if isinstance(document, dict) else None
    return lead if isinstance(lead, str) else None
