"""The plan against the records: what a run should hold by its plan and its status, and does not."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Final, Protocol

from netbench.plan.leaving import Slot, spans
from netbench.record import RunInfo
from netbench.spec import Cell

CUT_OFF: Final = ("running", "interrupted", "engine-lost")
"""Statuses of a run that did not come to its end: all that was planned is still to come."""
_NAMED: Final = 6  # blocks and drivers that are named one by one


class Placed(Protocol):
    """A record, or what is kept of one."""

    @property
    def block(self) -> int:
        """From 1."""
        ...

    @property
    def cell(self) -> Cell:
        """What was measured."""
        ...

    @property
    def replica(self) -> int:
        """1 for the baseline's second arm, else 0."""
        ...


@dataclass(frozen=True, slots=True)
class PlacedRecord:
    """What is needed of a record to find it in the plan."""

    block: int
    cell: Cell
    replica: int


@dataclass(frozen=True, slots=True)
class MissingRecords:
    """What is planned and absent."""

    planned: int = 0  # records that the run should hold
    absent: int = 0  # those of them that it does not
    last: int = 0  # the last block of which it should hold some
    open_end: bool = False
    """Whether it should hold more than is counted here: how many blocks it takes is not known."""
    whole: tuple[tuple[int, int], ...] = ()
    """Spans of blocks, ends included, of which there is no record."""
    partial: tuple[tuple[int, int, int], ...] = ()
    """Blocks of which some are there: number, records absent, records planned."""
    drivers: tuple[tuple[str, int, int], ...] = ()
    """Drivers of which some are absent: name, records absent, records planned."""

    def __bool__(self) -> bool:
        """Tell whether anything is absent."""
        return self.absent > 0

    def blocks(self, last: int) -> frozenset[int]:
        """Return the blocks up to the last one of which records are absent."""
        gaps = (b for first, end in self.whole for b in range(first, min(end, last) + 1))
        return frozenset((*gaps, *(block for block, _, _ in self.partial if block <= last)))

    @property
    def words(self) -> str:
        """What is absent, with counts and names, in one sentence without its end."""
        least = "at least " if self.open_end else ""
        blocks = [f"block {b} lacks {n} of {of}" for b, n, of in self.partial]
        blocks += [f"{_span(first, last)} no record" for first, last in self.whole]
        drivers = [f"{name} {absent} of {of}" for name, absent, of in self.drivers]
        return (
            f"{least}{self.absent} of {least}{self.planned} planned records are missing: "
            f"{_some(blocks)}; by driver: {_some(drivers)}"
        )


NOTHING_MISSING: Final = MissingRecords()


def missing(info: RunInfo, records: Iterable[Placed]) -> MissingRecords:
    """Return what a run should hold by its plan and its status, and does not.

    A complete run holds its whole plan, less the cells that had settled; so does one that was cut
    off. One that its time ended holds every block that it began.
    """
    found: defaultdict[int, set[Slot]] = defaultdict(set)
    for record in records:
        found[record.block].add((record.cell, record.replica))
    plan, tally, last = list(spans(info)), _Tally(), 0
    for first, last, slots in _until(plan, _last(info, plan, found)):
        tally.span(first, last, slots, found)
    return MissingRecords(
        planned=tally.planned.total(),
        absent=tally.lost.total(),
        last=last,
        open_end=info.plan.adaptive and info.status in CUT_OFF,
        whole=tuple(_merged(tally.whole)),
        partial=tuple(tally.partial),
        drivers=tuple(
            (name, tally.lost[name], tally.planned[name])
            for name in info.plan.drivers
            if tally.lost[name]
        ),
    )


@dataclass(slots=True)
class _Tally:
    """Counts while blocks pass."""

    planned: Counter[str] = field(default_factory=Counter)  # records by driver
    lost: Counter[str] = field(default_factory=Counter)
    whole: list[tuple[int, int]] = field(default_factory=list)
    partial: list[tuple[int, int, int]] = field(default_factory=list)

    def span(
        self, first: int, end: int, slots: frozenset[Slot], found: Mapping[int, AbstractSet[Slot]]
    ) -> None:
        """Count blocks that are planned to hold the same."""
        self.planned.update(_drivers(slots, end - first + 1))
        here = sorted(block for block in found if first <= block <= end)
        for block in here:
            if lacking := slots - found[block]:
                self.lost.update(_drivers(lacking, 1))
                self.partial.append((block, len(lacking), len(slots)))
        gaps = [*_gaps(first, end, here)]
        self.lost.update(_drivers(slots, sum(b - a + 1 for a, b in gaps)))
        self.whole += gaps


Spans = list[tuple[int, frozenset[Slot]]]


def _last(info: RunInfo, plan: Spans, found: Mapping[int, AbstractSet[Slot]]) -> int:
    """Return the last block of which the run should hold records."""
    begun = max([*found, *(one.block for one in info.settled)], default=1)
    if info.status == "out-of-time":
        return min(max(begun, info.plan.unhurried), info.plan.blocks)
    if info.status == "complete" or not info.plan.adaptive:
        return info.plan.blocks
    owed = min(max(begun, info.plan.least), info.plan.blocks)
    whole = all(
        slots <= found.get(block, set())
        for first, end, slots in _until(plan, owed)
        if slots
        for block in range(first, end + 1)
    )
    return min(owed + whole, info.plan.blocks)


def _until(plan: Spans, last: int) -> Iterator[tuple[int, int, frozenset[Slot]]]:
    """Yield the spans of equal blocks up to the last one, with what each block holds.

    A run ends with the first block that holds nothing.
    """
    ends = [*(first - 1 for first, _ in plan[1:]), last]
    for (first, slots), end in zip(plan, ends, strict=True):
        if not slots or first > last:
            return
        yield first, min(end, last), slots


def _drivers(slots: Iterable[Slot], times: int) -> dict[str, int]:
    counts = Counter(cell.driver for cell, _ in slots)
    return {driver: count * times for driver, count in counts.items()}


def _gaps(first: int, end: int, here: list[int]) -> Iterator[tuple[int, int]]:
    """Yield the spans between the blocks that are there."""
    for before, after in pairwise([first - 1, *here, end + 1]):
        if after - before > 1:
            yield before + 1, after - 1


def _merged(found: Iterable[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """Yield spans, those that follow each other as one."""
    ready: tuple[int, int] | None = None
    for first, end in found:
        if ready is not None and ready[1] + 1 == first:
            ready = (ready[0], end)
            continue
        if ready is not None:
            yield ready
        ready = (first, end)
    if ready is not None:
        yield ready


def _span(first: int, last: int) -> str:
    return f"block {first} has" if first == last else f"blocks {first} to {last} have"


def _some(parts: list[str]) -> str:
    more = len(parts) - _NAMED
    return ", ".join(parts[:_NAMED]) + (f" and {more} more" if more > 0 else "")
