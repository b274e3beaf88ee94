"""The run folder, read back; `netbench.store.writing` writes it. And JSON documents as text."""

import json
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, TypeVar

from msgspec import to_builtins
from msgspec.json import Decoder
from msgspec.json import format as indented

from netbench.errors import RunFolderError
from netbench.record import SCHEMA, Record, RunInfo
from netbench.store.output import file_problem, write_whole
from netbench.store.writing import RAW, RECORDS, RUN, RunFolder, check_writable
from netbench.units import escaped

__all__ = ["RAW", "RECORDS", "RUN", "RunFolder", "check_writable", "file_problem", "write_whole"]

T = TypeVar("T")

SUMMARY: Final = "summary.json"
_MUCH: Final = 1 << 20  # bytes of the records that are read at a time
_INFO: Final = Decoder(RunInfo)
_RECORD: Final = Decoder(Record)
_NUMBER: Final = re.compile(rb'{"number":([0-9]+),')  # how a line of the records begins


@dataclass(frozen=True, slots=True)
class LoadedRun:
    """A run read back."""

    path: Path
    info: RunInfo
    notes: list[str] = field(default_factory=list)
    """What could not be read of the records; complete once `records()` is exhausted."""

    def records(self) -> Iterator[Record]:
        """Yield every readable record in the order it was written, one at a time.

        Left out are those of a block that was cut off and, when the run was resumed, measured anew.
        """
        self.notes.clear()
        yield from self._read(None)

    def selected(self, numbers: Collection[int]) -> Iterator[Record]:
        """Yield the readable records with these numbers, without decoding the others."""
        if numbers:  # else there need not be a file
            yield from self._read(numbers)

    def _read(self, numbers: Collection[int] | None) -> Iterator[Record]:
        for place, line in self._lines():
            found = _NUMBER.match(line)
            if numbers is not None and (found is None or int(found[1]) not in numbers):
                continue
            try:
                record = _decoded(_RECORD, line)
            except ValueError as exc:
                if numbers is None:
                    self.notes.append(_unreadable_line(place, line, exc))
                continue
            if not any(one.sets_aside(record.block, record.number) for one in self.info.resumed):
                yield record

    def _lines(self) -> Iterator[tuple[int, bytes]]:
        """Yield each line of the records with its number, from 1."""
        try:
            with (self.path / RECORDS).open("rb", buffering=_MUCH) as file:
                yield from enumerate(file, start=1)
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
    problem: str  # why `info` is None, else empty
    lead: str | None = None
    """The outcome in one sentence, as in its last report; None if there is none."""


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
    _check_schema(path / RUN, text)
    try:
        return LoadedRun(path, _decoded(_INFO, text))
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


def _decoded(decoder: "Decoder[T]", text: bytes) -> T:
    """Return a value with every field checked; `ValueError` says what is wrong with which."""
    try:
        return decoder.decode(text)
    except RecursionError as exc:
        raise ValueError("nested too deeply") from exc


def _unreadable_line(number: int, line: bytes, error: ValueError) -> str:
    if not line.endswith(b"\n"):
        return f"{RECORDS}: the last line ({number}) is cut short; the run was ended while writing"
    return f"{RECORDS}: line {number} is unreadable: {_reason(error)}"


def _reason(error: ValueError) -> str:
    """Return what is wrong with which field."""
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
    """Return the outcome in the run's last report; None if that cannot be read."""
    try:
        document: Any = json.loads((path / SUMMARY).read_bytes())
    except (OSError, ValueError, RecursionError):
        return None
    lead = document.get("lead") if isinstance(document, dict) else None
    return lead if isinstance(lead, str) else None


def json_text(document: object) -> str:
    """Return a JSON document as text without control characters, and without NaN or infinity."""
    plain = to_builtins(document, enc_hook=list)
    line = json.dumps(plain, allow_nan=False, ensure_ascii=False)
    # Half a character, as tools may print it, passes through.
    text = indented(line.encode("utf-8", "surrogatepass"), indent=2)
    shown = escaped(text.decode("utf-8", "surrogatepass"), lambda c: json.dumps(c)[1:-1])
    return f"{shown}\n"
