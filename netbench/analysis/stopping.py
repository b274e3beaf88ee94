"""When a contrast needs no more blocks, and how many it still needs (METHOD §2).

The intervals hold at every declared look, so stopping by them costs no part of the error rate, of
which each contrast's share is fixed by the plan.
"""

import math
from typing import Final

import numpy as np

from netbench.analysis import multiplicity
from netbench.analysis.block_pairs import Key, grouped
from netbench.analysis.boundary import multiplier
from netbench.analysis.budgets import awaited, judge_budgets
from netbench.analysis.contrasts import CellComparison
from netbench.analysis.frame import Collector, Frames
from netbench.analysis.model import Contrast, Verdict
from netbench.analysis.stats import ALPHA, MIN_BLOCKS, spread
from netbench.record import Left, PlanSummary, Record, Ruling, Settled, Why
from netbench.spec import Cell

FARTHEST: Final = 10_000  # blocks beyond which a forecast says no more than that it is far


def settles(contrast: Contrast, plan: PlanSummary) -> Why | None:
    """Return why a contrast needs no more blocks, None if it does.

    It is `decided` once it is equivalent or its whole interval lies beyond the margin, `precise`
    once its sign is known and its interval is as narrow as was asked for.
    """
    if contrast.blocks < plan.least or contrast.verdict is Verdict.UNDECIDED:
        return None
    if contrast.verdict is Verdict.EQUIVALENT:
        return "decided"
    if contrast.low is None or contrast.high is None:
        return None
    limit = 1 + plan.margin
    if contrast.low > limit or contrast.high < 1 / limit:
        return "decided"
    half = math.log(contrast.high / contrast.low) / 2
    return "precise" if half <= math.log1p(plan.precision) else None


def forecasts(
    contrast: Contrast, plan: PlanSummary, alpha: float, blocks: int
) -> tuple[int | None, int | None]:
    """Return the blocks of the run after which a contrast would be settled, and have a verdict.

    By its spread so far; None for what it has, or if there are too few blocks. Its cell has run in
    `blocks`; those without a value are taken to be as frequent as they were.
    """
    deviation = spread(np.array([delta.log_ratio for delta in contrast.deltas]))
    if contrast.blocks < MIN_BLOCKS or deviation is None:
        return None, None
    effect = abs(math.log(contrast.ratio)) if contrast.ratio else 0.0
    limit, narrow = math.log1p(plan.margin), math.log1p(plan.precision)
    settling = max(limit - effect, effect - limit, min(effect, narrow))
    deciding = max(limit - effect, effect)

    def until(half_width: float) -> int:
        needed = blocks_needed(deviation, half_width, alpha, plan)
        return math.ceil(max(needed, plan.least) * blocks / contrast.blocks)

    return (
        until(settling) if settles(contrast, plan) is None else None,
        until(deciding) if contrast.verdict is Verdict.UNDECIDED else None,
    )


def blocks_needed(deviation: float, half_width: float, alpha: float, plan: PlanSummary) -> int:
    """Return the smallest number of blocks whose interval is no wider, at most `FARTHEST`."""

    def wide(n: int) -> bool:
        width = multiplier(n, multiplicity.looks(plan, n), alpha)
        return width is None or width * deviation / math.sqrt(n) > half_width

    low, high = MIN_BLOCKS - 1, FARTHEST
    if plan.cap > low and not wide(plan.cap):
        high = plan.cap
    elif plan.cap > low:
        low = plan.cap
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if wide(middle) else (low, middle)
    return high


class RunningJudge:
    """Takes every record, and rules after every block.

    A cell is settled with its leading metric's contrast (`settles`). A cell without anything to
    compare, because one side never gave a number or the baseline stands alone, is settled with the
    plan's least number of blocks, one that only describes with the blocks that its suite gives it.
    A cell that a budget needs stays until the budget is decided, unless it has no value by then.
    """

    def __init__(self, plan: PlanSummary) -> None:
        """Take the plan; nothing has run yet."""
        self._plan = plan
        self._leading = multiplicity.leading(plan)
        self._limits = {(probe, at): most for probe, at, most in plan.limits}
        places = grouped((cell.place, cell) for cell in plan.cells).values()
        # The baseline's own cell stands only where no other does.
        self._open = [[c for c in cells if c.driver != plan.baseline] or cells for cells in places]
        self._kept = Collector()

    def take(self, record: Record) -> None:
        """Take one record; its numbers are kept."""
        self._kept.take(record)

    def rule(self, block: int) -> Ruling:
        """Return what this block has settled, and what is left with its forecast."""
        frames = Frames(self._kept.trials, self._kept.values)
        alpha = ALPHA / max(multiplicity.size(self._plan, frames.skipped), 1)
        needed = self._needed(frames, block)
        settled: list[Settled] = []
        left: list[Left] = []
        for cells in self._open:
            comparison = self._comparison(cells[0], alpha) if cells else None
            for cell in tuple(cells):
                found = self._ruled(cell, comparison, alpha, block)
                if isinstance(found, Left):
                    left.append(found)
                elif cell in needed:
                    left.append(Left(cell, None))
                else:
                    settled.append(found)
                    cells.remove(cell)
        return Ruling(tuple(settled), tuple(left))

    def _needed(self, frames: Frames, block: int) -> frozenset[Cell]:
        """Return the cells that budgets keep; the baseline's would not run without any other's."""
        results = judge_budgets(self._plan, frames)
        bearing = [one for one in results if one.blocks or block < self._plan.least]
        found = awaited(bearing, self._plan.baseline)
        others = {cell.place for cell in found if cell.driver != self._plan.baseline}
        alone = {cell.place for cell in found} - others
        return found | frozenset(cell for cell in self._plan.cells if cell.place in alone)

    def _comparison(self, cell: Cell, alpha: float) -> CellComparison | None:
        key = Key.of(cell, self._leading[cell.probe] or "")
        observed = self._kept.values.get(key)
        return CellComparison(key, observed, self._plan, alpha) if observed else None

    def _ruled(
        self, cell: Cell, comparison: CellComparison | None, alpha: float, block: int
    ) -> Settled | Left:
        limit = self._limits.get((cell.probe, cell.placement.value))
        if limit is not None:
            return Settled(cell, block, "described") if block >= limit else Left(cell, None)
        if comparison is None or not comparison.joins(cell.driver):
            nothing = block >= self._plan.least
            return Settled(cell, block, "no-contrast") if nothing else Left(cell, None)
        contrast = comparison.contrast(cell.driver)
        why = settles(contrast, self._plan)
        if why is not None:
            return Settled(cell, block, why)
        return Left(cell, forecasts(contrast, self._plan, alpha, block)[0])
