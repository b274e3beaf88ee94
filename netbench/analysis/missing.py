"""The plan against the records: what a run should hold by its plan and its status, and does not."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from itertools import pairwise
from typing import Final, Protocol

from netbench.plan.order import Slot, spans
from netbench.record import RunInfo
from netbench.spec import Cell
from netbench.units import some

CUT_OFF: Final = ("running", "interrupted", "engine-lost")  # statuses before a run's end


class _Placed(Protocol):
    @property
    def block(self) -> int: ...
    @property
    def cell(self) -> Cell: ...
    @property
    def replica(self) -> int: ...


@dataclass(frozen=True, slots=True)
class MissingRecords:
    """What is planned and absent."""

    planned: int = 0  # records that the run should hold
    absent: int = 0  # those of them that it does not
    begun: int = 0  # the last block of which there is a record
    last: int = 0  # the last block of which it should hold some
    open_end: bool = False  # whether it should hold more: its last block is not known
    whole: tuple[tuple[int, int], ...] = ()  # spans of blocks without a record, ends included
    partial: tuple[tuple[int, int, int], ...] = ()  # number, records absent, records planned
    drivers: tuple[tuple[str, int, int], ...] = ()  # name, records absent, records planned

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
        blocks += [
            f"block {a} has no record" if a == b else f"blocks {a} to {b} have no record"
            for a, b in self.whole
        ]
        drivers = [f"{name} {absent} of {of}" for name, absent, of in self.drivers]
        return (
            f"{least}{self.absent} of {least}{self.planned} planned records are missing: "
            f"{some(blocks)}; by driver: {some(drivers)}"
        )


def missing(info: RunInfo, records: Iterable[_Placed]) -> MissingRecords:
    """Return what a run should hold by its plan and its status, and does not.

    A complete run holds its whole plan, less the cells that had settled; so does one that was cut
    off. One that its time ended holds every block that it began.
    """
    found: defaultdict[int, set[Slot]] = defaultdict(set)
    for record in records:
        found[record.block].add((record.cell, record.replica))
    plan, end = list(spans(info)), 0
    planned, lost = Counter[str](), Counter[str]()
    whole: list[tuple[int, int]] = []
    partial: list[tuple[int, int, int]] = []
    for first, end, slots in _until(plan, _last(info, plan, found)):
        planned.update(_drivers(slots, end - first + 1))
        here = sorted(block for block in found if first <= block <= end)
        for block in here:
            if lacking := slots - found[block]:
                lost.update(_drivers(lacking, 1))
                partial.append((block, len(lacking), len(slots)))
        for before, after in pairwise([first - 1, *here, end + 1]):
            lost.update(_drivers(slots, after - before - 1))
            if after - before > 1:
                joins = bool(whole) and whole[-1][1] == before
                whole.append((whole.pop()[0] if joins else before + 1, after - 1))
    return MissingRecords(
        planned=planned.total(),
        absent=lost.total(),
        begun=max(found, default=0),
        last=end,
        open_end=info.plan.adaptive and info.status in CUT_OFF,
        whole=tuple(whole),
        partial=tuple(partial),
        drivers=tuple((one, lost[one], planned[one]) for one in info.plan.drivers if lost[one]),
    )


Spans = list[tuple[int, frozenset[Slot]]]


def _last(info: RunInfo, plan: Spans, found: Mapping[int, AbstractSet[Slot]]) -> int:
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
    """Yield the spans of equal blocks up to the last, or to the first block that holds nothing."""
    ends = [*(first - 1 for first, _ in plan[1:]), last]
    for (first, slots), end in zip(plan, ends, strict=True):
        if not slots or first > last:
            return
        yield first, min(end, last), slots


def _drivers(slots: Iterable[Slot], times: int) -> dict[str, int]:
    counts = Counter(cell.driver for cell, _ in slots)
    return {driver: count * times for driver, count in counts.items()}
