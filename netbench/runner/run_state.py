"""What the next block needs to know of all blocks before it.

It grows with every record; of a run that is resumed, it is made anew from the records on disk.
"""

from collections.abc import Container, Iterable, Sequence
from itertools import groupby
from typing import Final, Protocol

from netbench.plan import BlockPlan, Plan
from netbench.record import Record, Ruling, Settled, Why
from netbench.runner.eta import BlockEta, span
from netbench.spec import Cell


class Judge(Protocol):
    """Sees every record once and rules after every block.

    What it has called settled it does not name again: those cells are not run again, unless all
    were settled and the run was extended. The baseline's own cells stay as long as another driver's
    are there to be compared with them.
    """

    def take(self, record: Record) -> None:
        """Take one record of the block that runs; only its numbers need be kept."""
        ...

    def rule(self, block: int) -> Ruling:
        """Return what this block, the last that ran, has settled, and what is left."""
        ...


_STAY_OUT: Final[tuple[Why, ...]] = ("described", "no-contrast")
"""Reasons for which a settled cell needs no more blocks, however long a run is extended."""


class RunState:
    """Numbers, pace and settled cells, up to the block that runs."""

    def __init__(
        self,
        plan: Plan,
        judge: Judge | None = None,
        *,
        spent: float = 0.0,
        reopened: Container[int] = (),
    ) -> None:
        """Begin.

        Args:
            plan: of the run.
            judge: says which cells leave; None keeps all of them to the last block.
            spent: seconds that the run has taken before.
            reopened: blocks before which settled cells came back into the run.
        """
        self._plan = plan
        self._judge = judge
        self._reopened = reopened
        self._gone: frozenset[Cell] = frozenset()
        self._cut = 0, 0
        self.spent = spent
        self.eta = BlockEta()
        self.block = 0
        """The last block that is whole."""
        self.number = 0
        """Of the last record."""
        self.done = 0
        """Records of the blocks that were there when the run was resumed."""
        self.settled: tuple[Settled, ...] = ()
        """Every cell that has settled, those included that came back into the run since."""

    def plan(self, number: int, also: Iterable[Cell] = ()) -> BlockPlan:
        """Return a block without the cells that are settled, and those that will `also` be."""
        return self._plan.block(number).without(self._gone | {*also}, self._plan.baseline)

    def reopen(self) -> None:
        """Take settled cells back into the run, except those that are never judged.

        These only describe, or have nothing to compare. Where there are no others, all come back.
        """
        idle = frozenset(one.cell for one in self.settled if one.why in _STAY_OUT)
        self._gone = self._gone & idle if self._gone > idle else frozenset()

    def attempts(self, block: int) -> int:
        """Return the attempts that a block has behind it, because it was cut off."""
        cut, attempts = self._cut
        return attempts if block == cut else 0

    def take(self, record: Record) -> None:
        """Take one record of the block that runs."""
        self.eta.take(record)
        if self._judge is not None:
            self._judge.take(record)

    def close(self, block: BlockPlan, seconds: float) -> Ruling | None:
        """Take a block that is whole; return what it has settled, None where nobody judges."""
        self.eta.close(block.steps, seconds)
        self.block = block.number
        ruling = None
        if self._judge is not None:
            ruling = self._judge.rule(block.number)
            self.settled = (*self.settled, *ruling.settled)
            self._gone |= {one.cell for one in ruling.settled}
        if block.number + 1 in self._reopened:
            self.reopen()
        return ruling

    def recall(self, records: Iterable[Record], *, lost: bool) -> int:
        """Take what a resumed run has measured; return how many records do not count.

        Whole blocks count, up to the last one. If that was cut off, all of it is measured anew:
        the pairs of a block are brought up together and measured side by side (METHOD §1), which
        no session of today can make up for. Earlier blocks are as they are.

        Args:
            records: of the run, in the order they were written.
            lost: whether the engine went away, and with it what the last record is of.
        """
        last: list[Record] = []
        for _, group in groupby(records, key=lambda record: record.block):
            if last:
                self._whole(last)
            last = list(group)
        if not last:
            return 0
        if not lost and not self._missing(last):
            self._whole(last)
            return 0
        self.number = last[-1].number
        self._cut = last[0].block, max(record.attempt for record in last)
        return len(last)

    def _missing(self, records: Sequence[Record]) -> bool:
        """Tell whether a block has steps without a record."""
        there = {(record.cell, record.replica) for record in records}
        planned = self.plan(records[0].block).steps
        return any((step.cell, step.arm.replica) not in there for step in planned)

    def _whole(self, records: Sequence[Record]) -> None:
        block = self.plan(records[0].block)
        self.done += len(records)
        self.number = records[-1].number
        for record in records:
            self.take(record)
        self.close(block, span(records))
