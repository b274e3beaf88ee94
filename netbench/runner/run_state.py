"""What a run yields, and what the next block needs to know of all blocks before it.

That grows with every record; of a run that is resumed, it is made anew from the records on disk.
"""

from collections import Counter, defaultdict
from collections.abc import Container, Iterable, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain, groupby, pairwise
from statistics import fmean
from typing import Literal, Protocol

from netbench.plan import BlockPlan, Plan, Step
from netbench.plan.order import gone_before, returned
from netbench.record import Record, Resumed, Ruling, RunInfo, Settled
from netbench.spec import Cell, Place


def span(records: Iterable[Record]) -> float:
    """Return the seconds from the first record's start to the last one's end; 0 without any.

    The sessions of a place run side by side and share its seconds, so the last place's add up.
    """
    places = [list(group) for _, group in groupby(records, lambda r: (r.block, r.cell.place))]
    if not places:
        return 0.0
    began, last = places[0][0].clock.started_monotonic, places[-1]
    ended = last[0].clock.started_monotonic + sum(record.clock.seconds for record in last)
    return max(0.0, ended - began)


@dataclass
class BlockEta:
    """Mean seconds of a record of each place, and of what lies around the records of a block."""

    _times: defaultdict[Place, list[float]] = field(default_factory=lambda: defaultdict(list))
    _here: float = 0.0
    _around: list[float] = field(default_factory=list)
    _blocks: list[tuple[float, Sequence[Step]]] = field(default_factory=list)

    def take(self, record: Record) -> None:
        """Take one record of the block that runs; of a session it has its share of the seconds."""
        self._times[record.cell.place].append(record.clock.seconds)
        self._here += record.clock.seconds

    def close(self, steps: Sequence[Step], seconds: float) -> None:
        """Take a whole block, bringing up and down included."""
        self._around.append(seconds - self._here)
        self._blocks.append((seconds, steps))
        self._here = 0.0

    def block(self, steps: Iterable[Step]) -> float:
        """Return the seconds that a block of these steps should take; 0 for unseen places."""
        counts = Counter(step.place for step in steps)
        known = ((n, self._times[place]) for place, n in counts.items() if place in self._times)
        around = fmean(self._around) if self._around else 0.0
        return around + sum(n * fmean(times) for n, times in known)

    def longest(self, steps: Sequence[Step]) -> float:
        """Return the seconds that it may take, by the slowest block so far; 0 before the first."""
        expected = self.block(steps)
        return max(
            (seconds * expected / self.block(past) for seconds, past in self._blocks), default=0.0
        )


class Judge(Protocol):
    """Sees every record once and rules after every block.

    A settled cell is not named again. The baseline's own stay as long as another driver's are
    compared with them.
    """

    def take(self, record: Record) -> None:
        """Take one record of the block that runs; only its numbers need be kept."""
        ...

    def rule(self, block: int) -> Ruling:
        """Return what this block, the last that ran, has settled, and what is left."""
        ...


@dataclass
class RunState:
    """Numbers, pace and settled cells, up to the block that runs."""

    run_plan: Plan
    judge: Judge | None = None  # says which cells leave; None keeps all of them to the last block
    spent: float = 0.0  # seconds that the run has taken before it was resumed
    reopened: Container[int] = ()  # blocks before which settled cells came back into the run
    eta: BlockEta = field(default_factory=BlockEta)
    block: int = 0  # the last block that is whole
    number: int = 0  # of the last record
    done: int = 0  # records of the blocks that were there when the run was resumed
    settled: tuple[Settled, ...] = ()  # also those that came back into the run since
    again: dict[int, frozenset[Cell]] = field(default_factory=dict)
    """Blocks that are measured anew, by number, with the cells that had left before each."""
    owed: int = 0  # the last block before records got lost: no limit of time applies up to it
    _gone: frozenset[Cell] = frozenset()
    _attempts: dict[int, int] = field(default_factory=dict)
    _before: Counter[int] = field(default_factory=Counter)  # how often a block was set aside

    def plan(self, number: int, also: Iterable[Cell] = ()) -> BlockPlan:
        """Return a block without the cells that are settled, and those that will `also` be."""
        gone = self.again[number] if number in self.again else self._gone | {*also}
        return self.run_plan.block(number).without(gone, self.run_plan.baseline)

    def upcoming(self, last: int) -> tuple[int, ...]:
        """Return the blocks that are still to be measured, up to one: first those measured anew."""
        return (*self.again, *range(self.block + 1, last + 1))

    def reopen(self) -> None:
        """Take settled cells back into the run, as `plan.order` says which."""
        self._gone = returned(self._gone, self.settled)

    def attempts(self, block: int) -> int:
        """Return the attempts that a block has behind it: it was cut off, or records got lost."""
        return max(self._attempts.get(block, 0), self._before[block])

    def follow(self, resumed: Iterable[Resumed]) -> None:
        """Go on after these: their numbers are used up, though no record may be left of them."""
        for one in resumed:
            self.number = max(self.number, one.number - 1)
            self._before.update((one.block, *one.again) if one.set_aside else ())

    def take(self, record: Record) -> None:
        """Take one record of the block that runs."""
        self.eta.take(record)
        if self.judge is not None:
            self.judge.take(record)

    def close(self, block: BlockPlan, seconds: float) -> Ruling | None:
        """Take a whole block; return what it settled, None without a judge or if measured anew."""
        self.eta.close(block.steps, seconds)
        if block.number in self.again:
            return None
        self.block = block.number
        ruling = self.judge.rule(block.number) if self.judge is not None else None
        if ruling is not None:
            new = tuple(one for one in ruling.settled if one.cell not in self._gone)
            ruling = replace(ruling, settled=new)
            self.settled = (*self.settled, *ruling.settled)
            self._gone |= {one.cell for one in ruling.settled}
        if block.number + 1 in self.reopened:
            self.reopen()
        return ruling

    def recall(
        self, records: Iterable[Record], *, lost: bool, incomplete: Container[int] | None = None
    ) -> int:
        """Take a resumed run's records, by block; return how many of them do not count.

        Whole blocks count. A last block that was cut off, or in which the engine was `lost`, is
        measured anew, because its pairs are measured side by side (METHOD §1). So is one that is
        `incomplete` because records got lost; None where none did.
        """
        aside = 0
        blocks = (list(group) for _, group in groupby(records, key=lambda record: record.block))
        for block, following in pairwise(chain(blocks, (None,))):
            if block is None:
                break
            cut_off = following is None and (
                lost or (incomplete is None and not self._is_whole(block))
            )
            if cut_off or block[0].block in (incomplete or ()):
                aside += self._set_aside(block)
            else:
                self._whole(block)
        return aside

    @property
    def measured_anew(self) -> tuple[int, ...]:
        """Blocks that are measured again, the next one aside."""
        return tuple(sorted({*self.again, *self._attempts} - {self.block + 1}))

    def _is_whole(self, records: Sequence[Record]) -> bool:
        there = {(record.cell, record.replica) for record in records}
        planned = self.plan(records[0].block).steps
        return all((step.cell, step.arm.replica) in there for step in planned)

    def restore(self, info: RunInfo, incomplete: Iterable[int]) -> None:
        """Keep to what a run had settled; of `incomplete` blocks the earlier are measured anew."""
        self.settled = tuple(one for one in info.settled if one.block <= self.block)
        self._gone = gone_before(info, self.block + 1)
        before = sorted(block for block in incomplete if block < self.block)
        self.again = {block: gone_before(info, block) for block in before}

    def _set_aside(self, records: Sequence[Record]) -> int:
        self.number = max(self.number, *(record.number for record in records))
        self._attempts[records[0].block] = max(record.attempt for record in records)
        return len(records)

    def _whole(self, records: Sequence[Record]) -> None:
        block = self.plan(records[0].block)
        self.done += len(records)
        self.number = max(self.number, *(record.number for record in records))
        for record in records:
            self.take(record)
        self.close(block, span(records))


@dataclass(frozen=True, slots=True)
class BlockStarted:
    """The pairs of a block are about to be made."""

    number: int
    total: int  # blocks of the run, at most
    trials: int


@dataclass(frozen=True, slots=True)
class TrialStarted:
    """The sessions or trials of one probe are about to run; `step` is the first of them."""

    step: Step
    attempt: int


@dataclass(frozen=True, slots=True)
class TrialFinished:
    """The record of a session or trial, complete."""

    record: Record


@dataclass(frozen=True, slots=True)
class BlockFinished:
    """The pairs of a block are gone."""

    number: int
    seconds: float
    left: tuple[str, ...]  # what could not be removed, in words
    others: tuple[str, ...] = ()  # ids of other runs that were at work there meanwhile


@dataclass(frozen=True, slots=True)
class BlockJudged:
    """A block has been judged: cells that are settled are run no more."""

    block: int
    ruling: Ruling
    trials: int  # sessions and trials that are still to come, by the forecast
    seconds: float  # that they take at the pace so far, within the limit


@dataclass(frozen=True, slots=True)
class Ended:
    """The run is over."""

    status: Literal["complete", "out-of-time"]


Event = BlockStarted | TrialStarted | TrialFinished | BlockFinished | BlockJudged | Ended
