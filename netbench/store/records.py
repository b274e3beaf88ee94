"""The records of a run folder, read back and checked line by line."""

import re
from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, TypeVar

from msgspec.json import Decoder

from netbench.errors import RunFolderError, cut
from netbench.record import Record, RunInfo
from netbench.record.checks import SHOWN, Damage, RecordCheck, bounded_value
from netbench.store.output import RECORDS
from netbench.system.files import NotRegular, open_regular

T = TypeVar("T")

LONGEST: Final = 1 << 25  # bytes of one record at most; one of ten drivers' rounds has some 100 kB
_LONG: Final = 1 << 18  # bytes of a line from which on some text in it may be too long
_RECORD: Final = Decoder(Record)
_NUMBER: Final = re.compile(rb'{"number":([0-9]{1,18}),')  # how a line of the records begins


@dataclass(slots=True)
class RecordsRead:
    """What one pass over the records has found beside them; complete once it has ended."""

    damage: Damage = field(default_factory=Damage)
    unread: str = ""  # why the file could not be read, or not to its end; empty if it could
    torn: bool = False  # whether the last line was cut short: the run was ended while it wrote
    counting: Counter[int] = field(default_factory=Counter)  # records by block
    set_aside: Counter[int] = field(default_factory=Counter)  # by block that was measured anew
    numbers: set[int] = field(default_factory=set)  # of every record, those set aside included
    last: int = 0  # the highest number of a record, that of a damaged line too where it can be read
    place: tuple[int, int] = (0, 0)  # block and number of the last record
    ordered: bool = True  # whether blocks ascend, and numbers within each

    @property
    def being_replaced(self) -> int:
        """How many more records counted before the blocks were cut off that are measured anew."""
        return (self.set_aside - self.counting).total()

    def clear(self) -> None:
        """Begin anew."""
        for found in (self.damage, self.numbers, self.counting, self.set_aside):
            found.clear()
        self.unread, self.torn, self.last = "", False, 0
        self.place, self.ordered = (0, 0), True

    def take(self, record: Record) -> None:
        """Note a record."""
        place = record.block, record.number
        self.ordered, self.place = self.ordered and place > self.place, place
        self.last = max(self.last, record.number)
        self.numbers.add(record.number)


@dataclass(frozen=True, slots=True)
class LoadedRun:
    """A run read back."""

    path: Path
    info: RunInfo
    reading: RecordsRead = field(default_factory=RecordsRead)

    @property
    def shown(self) -> RunInfo:
        """What reports show of `info`: the same, with no text that fills pages."""
        return bounded_value(self.info, SHOWN)

    @property
    def damage(self) -> Damage:
        """The lines that are no record; complete once `records()` is exhausted."""
        return self.reading.damage

    @property
    def notes(self) -> list[str]:
        """What could not be read of the records, in words; complete as `damage` is."""
        damage, more = self.damage, len(self.damage.lines) - len(self.damage.reasons)
        return [
            *damage.reasons,
            *([f"{RECORDS}: {more:,} more lines are unreadable"] if more else []),
            *([self.reading.unread] if self.reading.unread else []),
        ]

    def records(self) -> Iterator[Record]:
        """Yield every readable record in the order it was written, one at a time.

        Left out are those of a block that was cut off and, when the run was resumed, measured anew.
        RunFolderError if there is no regular file in place of the records.
        """
        self.reading.clear()
        check = RecordCheck(self.info.plan)
        for place, line in self._lines():
            try:
                record = self._checked(line, check)
            except ValueError as exc:
                self.damage.note(place, _unreadable_line(place, line, exc))
                self.reading.torn = _is_torn(line)
                found = None if self.reading.torn else _NUMBER.match(line)
                self.reading.last = max(self.reading.last, int(found[1]) if found else 0)
                continue
            self.reading.take(record)
            if self._counts(record):
                self.reading.counting[record.block] += 1
                yield record
            else:
                self.reading.set_aside[record.block] += 1

    def in_order(self) -> Iterator[Record]:
        """Yield the same by block and number, whatever the order of the lines."""
        for _ in self.records():
            pass
        ordered = self.reading.ordered
        if ordered:
            yield from self.records()
        else:  # all at once in memory: lines were moved about, or blocks measured anew
            yield from sorted(self.records(), key=lambda record: (record.block, record.number))

    def selected(self, numbers: Collection[int]) -> Iterator[Record]:
        """Yield the readable records with these numbers, without decoding the others."""
        check, seen = RecordCheck(self.info.plan), set[int]()
        for _, line in self._lines() if numbers else ():
            found = _NUMBER.match(line)
            if found is None or int(found[1]) not in numbers or int(found[1]) in seen:
                continue
            try:
                record = decoded(_RECORD, line)
            except ValueError:
                continue
            if not check.problem(record) and self._counts(record):
                seen.add(record.number)
                yield bounded_value(record) if len(line) > _LONG else record

    def _checked(self, line: bytes, check: RecordCheck) -> Record:
        """Return a line's record; `ValueError` says why it is none."""
        if len(line) > LONGEST:
            raise ValueError(f"it is longer than {LONGEST >> 20} MiB")
        record = decoded(_RECORD, line)
        problem = check.problem(record)
        if record.number in self.reading.numbers:
            problem = f"number: {record.number} is that of an earlier record"
        if problem:
            raise ValueError(problem)
        return bounded_value(record) if len(line) > _LONG else record

    def _counts(self, record: Record) -> bool:
        return not any(one.sets_aside(record.block, record.number) for one in self.info.resumed)

    def _lines(self) -> Iterator[tuple[int, bytes]]:
        """Yield each line of the records with its number, from 1; of a long one the beginning."""
        path = self.path / RECORDS
        try:
            with open_regular(path) as file:
                number = 0
                while line := file.readline(LONGEST + 1):
                    number += 1
                    yield number, line
                    while len(line) > LONGEST and not line.endswith(b"\n"):
                        line = file.readline(LONGEST + 1)
        except NotRegular as exc:
            raise not_regular(path, exc) from exc
        except FileNotFoundError:
            self.reading.unread = f"no {RECORDS}: nothing that was measured is there"
        except OSError as exc:
            self.reading.unread = f"{RECORDS} could not be read to its end: {exc.strerror}"


def _is_torn(line: bytes) -> bool:
    return len(line) <= LONGEST and not line.endswith(b"\n")


def decoded(decoder: "Decoder[T]", text: bytes) -> T:
    """Return a value with every field checked; `ValueError` says what is wrong with which."""
    try:
        return decoder.decode(text)
    except RecursionError as exc:
        raise ValueError("nested too deeply") from exc


def _unreadable_line(number: int, line: bytes, error: ValueError) -> str:
    if _is_torn(line):
        return f"{RECORDS}: the last line ({number}) is cut short; the run was ended while writing"
    return f"{RECORDS}: line {number} is unreadable: {reason_of(error)}"


def reason_of(error: ValueError) -> str:
    """Return what is wrong with which field; of a long value the beginning."""
    what, _, where = str(error).partition(" - at ")
    field = where.strip("`").removeprefix("$").removeprefix(".")
    return f"{cut(field)}: {cut(what)}" if field else cut(what)


def not_regular(path: Path, error: NotRegular) -> RunFolderError:
    """Return the error of a path that leads to something other than a regular file."""
    return RunFolderError(
        f"{path} cannot be read: {error.strerror}",
        hint=f"move {path} away; netbench left it as it is",
    )
