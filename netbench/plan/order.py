"""The seeded random orders of a block and of its rounds (METHOD §1)."""

from collections.abc import Container, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from operator import attrgetter
from random import Random
from typing import TypeVar

from netbench.spec import Arm, Cell, Path, Placement

_T = TypeVar("_T")
_ALTERNATE = 2  # arms up to which a round may begin with the arm that ended the one before

Place = tuple[Path, str, Placement]
"""Path, probe and placement: what all arms of one comparison have in common."""


@dataclass(frozen=True, slots=True)
class Step:
    """One session or trial to run."""

    position: int  # order within the block, from 1
    arm: Arm
    cell: Cell

    @property
    def place(self) -> Place:
        """What the steps of one comparison have in common."""
        return self.cell.path, self.cell.probe, self.cell.placement


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
        """Return what is left of it without the cells that are settled.

        The baseline's arms go from a cell in which no driver is left to be compared with them, and
        an arm that no step needs is not brought up. The order of what stays is as it was.
        """
        left = [step for step in self.steps if step.cell not in settled]
        compared = {step.place for step in self.steps if step.arm.driver != baseline}
        needed = {step.place for step in left if step.arm.driver != baseline}
        idle = compared - needed
        kept = [s for s in left if s.arm.driver != baseline or s.place not in idle]
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
