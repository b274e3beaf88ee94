"""The seeded random order of a block (METHOD §1)."""

from collections.abc import Container
from dataclasses import dataclass, replace
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

    @property
    def place(self) -> tuple[Path, str, Placement]:
        """What the steps of one comparison have in common."""
        return self.cell.path, self.cell.probe, self.cell.placement


@dataclass(frozen=True, slots=True)
class BlockPlan:
    """One block."""

    number: int
    """From 1."""
    arms: tuple[Arm, ...]
    """In the order they are brought up."""
    steps: tuple[Step, ...]

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
