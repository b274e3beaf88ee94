"""What a block holds, and the seeded random orders of it and of its rounds (METHOD §1)."""

from collections.abc import Collection, Container, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from operator import attrgetter
from random import Random
from typing import Final, TypeVar

from netbench.record import PlanSummary, RunInfo, Settled, Why
from netbench.spec import Arm, Cell, Path, Place, Placement

_T = TypeVar("_T")
_ALTERNATE = 2  # arms up to which a round may begin with the arm that ended the one before

STAY_OUT: Final[tuple[Why, ...]] = ("described", "no-contrast")  # why cells never come back
Slot = tuple[Cell, int]  # what one record of a block is of: a cell, and the replica of its driver


@dataclass(frozen=True, slots=True)
class Step:
    """One session or trial to run."""

    position: int  # order within the block, from 1
    arm: Arm
    cell: Cell

    @property
    def place(self) -> Place:
        """What the steps of one comparison have in common."""
        return self.cell.place


@dataclass(frozen=True, slots=True)
class BlockPlan:
    """One block."""

    number: int  # from 1
    arms: tuple[Arm, ...]  # in the order they are brought up
    steps: tuple[Step, ...]

    @property
    def groups(self) -> tuple[tuple[Step, ...], ...]:
        """The steps by place, in the block's order; each group has one step for every arm left."""
        return tuple(tuple(group) for _, group in groupby(self.steps, key=attrgetter("place")))

    def without(self, settled: Container[Cell], baseline: str) -> "BlockPlan":
        """Return what is left of it without settled cells, and arms that no step needs."""
        cells = frozenset(_remaining([step.cell for step in self.steps], settled, baseline))
        kept = [step for step in self.steps if step.cell in cells]
        used = {step.arm for step in kept}
        return BlockPlan(
            self.number,
            tuple(arm for arm in self.arms if arm in used),
            tuple(replace(step, position=at) for at, step in enumerate(kept, start=1)),
        )


def block_plan(
    number: int,
    seed: int,
    arms: tuple[Arm, ...],
    kinds: tuple[tuple[str, Path, Placement], ...],
    pausing: frozenset[str] = frozenset(),
) -> BlockPlan:
    """Return a block: probe by probe in random order, and within each every arm back to back.

    The seed of the run and the block's number fix the order. Probes of `pausing` clients come last,
    so that their pause passes while the others run; arms are compared within a probe only, so the
    order of probes favours none.
    """
    random = Random(f"{seed}:{number}")  # noqa: S311 -- an order, not a secret

    def shuffled(items: tuple[_T, ...]) -> list[_T]:
        return random.sample(items, len(items))

    brought_up = tuple(shuffled(arms))
    order = [
        (arm, Cell(arm.driver, path, probe, placement))
        for probe, path, placement in sorted(shuffled(kinds), key=lambda kind: kind[0] in pausing)
        for arm in shuffled(arms)
    ]
    steps = tuple(Step(position, arm, cell) for position, (arm, cell) in enumerate(order, start=1))
    return BlockPlan(number, brought_up, steps)


def round_order(
    seed: int, block: int, place: Place, rounds: int, arms: Sequence[Arm]
) -> tuple[tuple[Arm, ...], ...]:
    """Return the order of the arms in each round of one place of a block.

    Each order is drawn at random, by the seed of the run. With more than two arms, the arm that was
    last in a round is not first in the next one: its two slices would follow each other without a
    gap. `arms` is in any order that is the same each time.
    """
    random = Random(f"{seed}:{block}:{':'.join(place)}")  # noqa: S311 -- an order, not a secret
    orders: list[tuple[Arm, ...]] = []
    for _ in range(rounds):
        order = random.sample(arms, len(arms))
        if orders and len(arms) > _ALTERNATE and order[0] == orders[-1][-1]:
            later = random.randrange(1, len(arms))
            order[0], order[later] = order[later], order[0]
        orders.append(tuple(order))
    return tuple(orders)


def _remaining(cells: Collection[Cell], gone: Container[Cell], baseline: str) -> list[Cell]:
    """Return a block's cells; the baseline goes from a place that has no other driver left."""
    left = [cell for cell in cells if cell not in gone]
    compared, needed = (
        {cell.place for cell in some if cell.driver != baseline} for some in (cells, left)
    )
    idle = compared - needed
    return [cell for cell in left if cell.driver != baseline or cell.place not in idle]


def returned(gone: frozenset[Cell], settled: Iterable[Settled]) -> frozenset[Cell]:
    """Return the cells that stay away where settled ones are taken back into the run.

    Those that are never judged stay: they only describe, or have nothing to compare. Where there
    are no others, all come back.
    """
    idle = frozenset(one.cell for one in settled if one.why in STAY_OUT)
    return gone & idle if gone > idle else frozenset()


def gone_before(info: RunInfo, block: int) -> frozenset[Cell]:
    """Return the cells that a run had left before a block began, by what it noted."""
    reopened = {one.block for one in info.resumed if one.reopened}
    gone: frozenset[Cell] = frozenset()
    for number in sorted({*(one.block + 1 for one in info.settled), *reopened}):
        if number > block:
            break
        gone |= {one.cell for one in info.settled if one.block == number - 1}
        if number in reopened:
            gone = returned(gone, (one for one in info.settled if one.block < number))
    return gone


def spans(info: RunInfo) -> Iterator[tuple[int, frozenset[Slot]]]:
    """Yield every block at which it changes what a block holds, and what it holds from then on."""
    changes = {1, *(one.block + 1 for one in info.settled)}
    changes |= {one.block for one in info.resumed if one.reopened}
    changes |= {most + 1 for _, _, most in info.plan.limits}
    for number in sorted(number for number in changes if 1 <= number <= info.plan.blocks):
        yield number, _slots(info.plan, number, gone_before(info, number))


def _slots(plan: PlanSummary, block: int, gone: Container[Cell]) -> frozenset[Slot]:
    limits = {(probe, at): most for probe, at, most in plan.limits}
    every = [c for c in plan.cells if block <= limits.get((c.probe, c.placement.value), block)]
    return frozenset(
        (cell, replica)
        for cell in _remaining(every, gone, plan.baseline)
        for replica in range(1 + (cell.driver == plan.baseline))
    )
