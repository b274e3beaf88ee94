"""The course of a run: what the next block needs to know of all before it.

It grows with every record; of a run that goes on, it is made anew from the records that are there.
"""

import math
from collections.abc import Iterable, Sequence
from itertools import groupby

from netbench.plan import BlockPlan, Plan, Step
from netbench.record import Record, Ruling, Sample, Settled
from netbench.runner.judge import Judge
from netbench.runner.pace import Pace
from netbench.sentinel.rule import classify, split, usable
from netbench.spec import Cell, Placement

_RERUN_SHARE = 0.05
"""Reruns take at most this share of the trials so far."""
_LEAST_RERUNS = 2
"""A run may have so many whatever their share."""


class Course:
    """Numbers, readings, pace and what is settled, up to the block that runs."""

    def __init__(self, plan: Plan, judge: Judge | None = None, *, spent: float = 0.0) -> None:
        """Begin.

        Args:
            plan: of the run.
            judge: says which cells leave; None keeps all of them to the last block.
            spent: seconds that the run has taken before.
        """
        self._plan = plan
        self._judge = judge
        self._readings: dict[Placement, list[float]] = {}
        self._gone: set[Cell] = set()
        self._cut = 0, 0
        self._planned = self._reruns = 0
        self.spent = spent
        self.pace = Pace()
        self.block = 0
        """The last block that is whole."""
        self.number = 0
        """Of the last record."""
        self.done = 0
        """First attempts of the blocks that were there when the run was resumed."""
        self.settled: tuple[Settled, ...] = ()

    def plan(self, number: int, also: Iterable[Cell] = ()) -> BlockPlan:
        """Return a block without the cells that are settled, and those that will `also` be."""
        return self._plan.block(number).without(self._gone | {*also}, self._plan.baseline)

    def begin(self, steps: Sequence[Step]) -> None:
        """Take a block that begins."""
        self._planned += len(steps)

    def again(self, steps: Sequence[Step]) -> Sequence[Step]:
        """Return those of a block's mixed trials that may still be run again."""
        allowed = max(_LEAST_RERUNS, math.ceil(_RERUN_SHARE * self._planned))
        return steps[: max(0, allowed - self._reruns)]

    def rerun(self, steps: Sequence[Step]) -> None:
        """Take trials that are run again."""
        self._reruns += len(steps)

    def attempts(self, block: int) -> int:
        """Return the attempts that a block has behind it, because it was cut off."""
        cut, attempts = self._cut
        return attempts if block == cut else 0

    def take(self, record: Record) -> None:
        """Take one record of the block that runs."""
        values = self._readings.setdefault(record.cell.placement, [])
        readings = (usable(one) for one in (record.sentinel.before, record.sentinel.after))
        values += [value for value in readings if value is not None]
        self.pace.take(record)
        if self._judge is not None:
            self._judge.take(record)

    def mixed(self, record: Record) -> bool:
        """Tell whether the machine changed its state within a trial."""
        if not isinstance(record.outcome, Sample):
            return False
        threshold = split(self._readings[record.cell.placement])
        return classify(record.sentinel, threshold) == "mixed"

    def close(self, block: BlockPlan, seconds: float) -> Ruling | None:
        """Take a block that is whole; return what it has settled, None where nobody judges."""
        self.pace.close(block.steps, seconds)
        self.block = block.number
        if self._judge is None:
            return None
        ruling = self._judge.rule(block.number)
        self.settled = (*self.settled, *ruling.settled)
        self._gone |= {settled.cell for settled in ruling.settled}
        return ruling

    def recall(self, records: Iterable[Record], *, lost: bool) -> int:
        """Take what a run has measured that goes on; return how many records do not count.

        Whole blocks count, up to the last one. If that was cut off, all of it is measured anew:
        the pairs of a block are brought up together and its trials lie seconds apart (METHOD §1),
        which no trial of today can make up for. Earlier blocks are as they are.

        Args:
            records: of the run, in the order they were written.
            lost: whether the engine went away, and with it the trial of the last record.
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
        there = {(record.cell, record.replica) for record in records}
        self.begin(block.steps)
        self._reruns += len(records) - len(there)
        self.done += len(there)
        self.number = records[-1].number
        for record in records:
            self.take(record)
        first, last = records[0].clock, records[-1].clock
        span = last.started_monotonic + last.seconds - first.started_monotonic
        self.close(block, span)
