"""Which cells have left a run before a block, and what a block then holds, by what a run noted."""

from collections.abc import Container, Iterable, Iterator
from typing import Final

from netbench.record import PlanSummary, RunInfo, Settled, Why
from netbench.spec import Cell

STAY_OUT: Final[tuple[Why, ...]] = ("described", "no-contrast")
"""Reasons for which a settled cell needs no more blocks, however long a run is extended."""
Slot = tuple[Cell, int]  # what one record of a block is of: a cell, and the replica of its driver


def returned(gone: frozenset[Cell], settled: Iterable[Settled]) -> frozenset[Cell]:
    """Return the cells that stay away where settled ones are taken back into the run.

    Those that are never judged stay: they only describe, or have nothing to compare. Where there
    are no others, all come back.
    """
    idle = frozenset(one.cell for one in settled if one.why in STAY_OUT)
    return gone & idle if gone > idle else frozenset()


def gone_before(info: RunInfo, block: int) -> frozenset[Cell]:
    """Return the cells that a run had left before a block began."""
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
    """Return what a block holds, as `BlockPlan.without` leaves it."""
    limits = {(probe, at): most for probe, at, most in plan.limits}
    every = [c for c in plan.cells if block <= limits.get((c.probe, c.placement.value), block)]
    left = [cell for cell in every if cell not in gone]
    compared = {_place(cell) for cell in every if cell.driver != plan.baseline}
    idle = compared - {_place(cell) for cell in left if cell.driver != plan.baseline}
    return frozenset(
        (cell, replica)
        for cell in left
        if cell.driver != plan.baseline or _place(cell) not in idle
        for replica in ((0, 1) if cell.driver == plan.baseline else (0,))
    )


def _place(cell: Cell) -> tuple[str, str, str]:
    return cell.path, cell.probe, cell.placement
