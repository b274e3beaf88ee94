"""When a contrast needs no more blocks, and how many it still needs (METHOD §2).

The interval holds at whatever block one looks, so stopping by it costs no part of the error rate.
Its share of that rate is fixed by the plan and does not grow when others leave. A contrast is
judged while the run goes on by the very code that judges it at the end, by the records so far.
"""

import math
from collections import defaultdict
from collections.abc import Iterator
from typing import Final

from netbench.analysis import family
from netbench.analysis.budgets import awaited, judge_budgets
from netbench.analysis.contrasts import Comparison, Key, Target, Terms
from netbench.analysis.ground import Ground, GroundSoFar, place_of
from netbench.analysis.model import Contrast, Verdict
from netbench.analysis.points import BlockDelta, in_columns
from netbench.analysis.stats import ALPHA, MIN_BLOCKS, spread, tau
from netbench.record import Left, PlanSummary, Record, Ruling, Settled, Why
from netbench.spec import Cell, Path, Placement

FARTHEST: Final = 10_000
"""Blocks beyond which a forecast says no more than that it is far."""

_Place = tuple[Path, str, Placement]


def settles(contrast: Contrast, plan: PlanSummary) -> Why | None:
    """Return why a contrast needs no more blocks, None where it does."""
    if contrast.blocks < plan.least:
        return None
    if contrast.verdict is not Verdict.UNDECIDED:
        return "decided"
    half = _half_width(contrast)
    return "precise" if half is not None and half <= math.log1p(plan.precision) else None


def forecast(contrast: Contrast, plan: PlanSummary, alpha: float, blocks: int) -> int | None:
    """Return the blocks of the run after which a contrast would be precise, by its spread so far.

    METHOD's n = (tau(n) s / ln(1 + precision))^2. A verdict may come sooner. Blocks that give no
    pair in the headline's state are taken to be as frequent as they were.

    Args:
        contrast: in its headline state.
        plan: of the run.
        alpha: the contrast's share of the error rate.
        blocks: in which its cell has run.
    """
    deviation = spread(in_columns(contrast.deltas, BlockDelta).numbers("log_ratio"))
    if contrast.blocks < MIN_BLOCKS or deviation is None:
        return None
    pairs = pairs_needed(deviation, math.log1p(plan.precision), alpha)
    return math.ceil(max(pairs, plan.least) * blocks / contrast.blocks)


def pairs_needed(deviation: float, half_width: float, alpha: float) -> int:
    """Return the smallest number of pairs whose interval is no wider, at most `FARTHEST`."""

    def wide(n: int) -> bool:
        width = tau(n, alpha)
        return width is None or width * deviation / math.sqrt(n) > half_width

    low, high = MIN_BLOCKS - 1, FARTHEST
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if wide(middle) else (low, middle)
    return high


class RunningJudge:
    """Takes every record, and rules after every block.

    A cell is settled with its leading metric's contrast: precise, or decided by a verdict that no
    gate takes back. A cell in which there is nothing to compare, because one side never gave a
    number or the baseline stands alone, is settled with the plan's least number of blocks. A cell
    that a budget needs stays until the budget is decided, unless by then nothing bears on it.
    """

    def __init__(self, plan: PlanSummary) -> None:
        """Take the plan; nothing has run yet."""
        self._plan = plan
        self._leading = family.leading(plan)
        self._settled: set[Cell] = set()
        self._kept = GroundSoFar(plan, self._leading)

    def take(self, record: Record) -> None:
        """Take one record; its numbers are kept."""
        self._kept.take(record)

    def rule(self, block: int) -> Ruling:
        """Return what this block has settled, and what is left with its forecast."""
        ground = self._kept.ground()
        m = family.size(self._plan, ground.skipped)
        terms = Terms(self._plan.baseline, ALPHA / max(m, 1), self._plan.margin)
        needed = self._needed(ground, block)
        settled: list[Settled] = []
        left: list[Left] = []
        for cells in self._open():
            comparison = self._comparison(ground, cells[0], terms)
            for cell in cells:
                found = self._ruled(cell, comparison, terms.alpha, block)
                if isinstance(found, Left):
                    left.append(found)
                elif cell in needed:
                    left.append(Left(cell, None))
                else:
                    settled.append(found)
        self._settled |= {found.cell for found in settled}
        return Ruling(tuple(settled), tuple(left))

    def _needed(self, ground: Ground, block: int) -> frozenset[Cell]:
        """Return the cells that budgets keep in the run.

        Where a budget needs the baseline's cell alone, the others stay with it: without any of
        them it would not run.
        """
        results = judge_budgets(self._plan, ground)
        bearing = [one for one in results if one.blocks or block < self._plan.least]
        found = awaited(bearing, self._plan.baseline)
        places = {(cell.path, cell.probe, cell.placement) for cell in found}
        others = {
            (cell.path, cell.probe, cell.placement)
            for cell in found
            if cell.driver != self._plan.baseline
        }
        alone = places - others
        with_it = (c for c in self._plan.cells if (c.path, c.probe, c.placement) in alone)
        return found | frozenset(with_it)

    def _open(self) -> Iterator[list[Cell]]:
        """Yield the cells of each place that are not settled and not the baseline's.

        The baseline's own stand there only where no other driver's are.
        """
        places: defaultdict[_Place, list[Cell]] = defaultdict(list)
        for cell in self._plan.cells:
            places[cell.path, cell.probe, cell.placement].append(cell)
        for cells in places.values():
            others = [cell for cell in cells if cell.driver != self._plan.baseline]
            left = [cell for cell in others or cells if cell not in self._settled]
            if left:
                yield left

    def _comparison(self, ground: Ground, cell: Cell, terms: Terms) -> Comparison | None:
        """Return what there is to compare where a cell is, None where there is nothing."""
        metric = self._leading[cell.probe]
        if metric is None:
            return None
        place = place_of(cell, metric)
        observed = ground.numbers.get(place)
        return None if observed is None else Comparison(Key(*place), observed, terms)

    def _ruled(
        self, cell: Cell, comparison: Comparison | None, alpha: float, block: int
    ) -> "Settled | Left":
        if comparison is None or not comparison.joins(cell.driver):
            nothing = block >= self._plan.least
            return Settled(cell, block, "no-contrast") if nothing else Left(cell, None)
        primary = family.is_primary(
            self._plan, cell.probe, cell.placement.value, comparison.key.metric
        )
        contrast = next(comparison.contrasts(Target(cell.driver, comparison.key, primary), ()))
        why = settles(contrast, self._plan)
        if why is not None:
            return Settled(cell, block, why)
        return Left(cell, forecast(contrast, self._plan, alpha, block))


def _half_width(contrast: Contrast) -> float | None:
    """Return the half-width of the interval on the log scale, None where it is unbounded."""
    if contrast.low is None or contrast.high is None:
        return None
    return math.log(contrast.high / contrast.low) / 2
