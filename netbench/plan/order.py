"""The seeded random order of a block (METHOD §1)."""

from dataclasses import dataclass
from random import Random
from typing import TypeVar

from netbench.spec import Arm, Cell, Path, Placement

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Step:
    """One trial to run."""

    position: int
    """Order within the block, from 1."""
    arm: Arm
    cell: Cell


@dataclass(frozen=True, slots=True)
class BlockPlan:
    """One block."""

    number: int
    """From 1."""
    arms: tuple[Arm, ...]
    """In the order they are brought up."""
    steps: tuple[Step, ...]


def block_plan(
    number: int,
    seed: int,
    arms: tuple[Arm, ...],
    kinds: tuple[tuple[str, Path, Placement], ...],
    pausing: frozenset[str] = frozenset(),
) -> BlockPlan:
    """Return a block: probe by probe in random order, and within each every arm back to back.

    Args:
        number: of the block.
        seed: of the run; with the number it fixes the order.
        arms: all pairs, the baseline's second among them.
        kinds: probe, path and placement of the cells.
        pausing: probes whose clients pause before they measure. They come after the others, so
            that their pause passes while those run; arms are compared within a probe only, so
            that the order of probes favours none.
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
