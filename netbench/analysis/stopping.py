"""When a contrast needs no more blocks, and how many it still needs (METHOD §2).

The intervals hold at every declared look, so stopping by them costs no part of the error rate. A
contrast's share of that rate is fixed by the plan and does not grow when others leave. While the
run goes on, the code that judges a finished run judges the records so far.
"""

import math
from collections import defaultdict
from collections.abc import Iterator
from typing import Final

from netbench.analysis import multiplicity
from netbench.analysis.boundary import multiplier
from netbench.analysis.budgets import awaited, judge_budgets
from netbench.analysis.contrasts import CellComparison, ContrastCriteria, ContrastTarget, Key
from netbench.analysis.model import Contrast, Verdict
from netbench.analysis.observations import Observations, ObservationsSoFar, place_of
from netbench.analysis.series import BlockDelta, in_columns
from netbench.analysis.stats import ALPHA, MIN_BLOCKS, spread
from netbench.record import Left, PlanSummary, Record, Ruling, Settled, Why
from netbench.spec import Cell, Path, Placement

FARTHEST: Final = 10_000
"""Blocks beyond which a forecast says no more than that it is far."""

_Place = tuple[Path, str, Placement]


def settles(contrast: Contrast, plan: PlanSummary) -> Why | None:
    """Return why a contrast needs no more blocks, None where it does.

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


def forecast(contrast: Contrast, plan: PlanSummary, alpha: float, blocks: int) -> int | None:
    """Return the blocks of the run after which a contrast would be settled, by its spread so far.

    Blocks that give no value are taken to be as frequent as they were.

    Args:
        contrast: as judged so far.
        plan: of the run.
        alpha: the contrast's share of the error rate.
        blocks: in which its cell has run.
    """
    effect = abs(_effect(contrast))
    limit, narrow = math.log1p(plan.margin), math.log1p(plan.precision)
    settling = max(limit - effect, effect - limit, min(effect, narrow))
    return _blocks_until(settling, contrast, plan, alpha, blocks)


def forecast_verdict(
    contrast: Contrast, plan: PlanSummary, alpha: float, blocks: int
) -> int | None:
    """Return the blocks of the run after which a contrast would have a verdict, as `forecast`.

    None where it has one.
    """
    if contrast.verdict is not Verdict.UNDECIDED:
        return None
    effect, limit = abs(_effect(contrast)), math.log1p(plan.margin)
    return _blocks_until(max(limit - effect, effect), contrast, plan, alpha, blocks)


def _effect(contrast: Contrast) -> float:
    return math.log(contrast.ratio) if contrast.ratio else 0.0


def _blocks_until(
    half_width: float, contrast: Contrast, plan: PlanSummary, alpha: float, blocks: int
) -> int | None:
    deviation = spread(in_columns(contrast.deltas, BlockDelta).numbers("log_ratio"))
    if contrast.blocks < MIN_BLOCKS or deviation is None:
        return None
    needed = blocks_needed(deviation, half_width, alpha, plan)
    return math.ceil(max(needed, plan.least) * blocks / contrast.blocks)


def blocks_needed(deviation: float, half_width: float, alpha: float, plan: PlanSummary) -> int:
    """Return the smallest number of blocks whose interval is no wider, at most `FARTHEST`.

    More blocks than the plan's cap are those of an extended run, which has a fifth of the error
    rate left.
    """

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

    A cell is settled with its leading metric's contrast (`settles`). A cell in which there is
    nothing to compare, because one side never gave a number or the baseline stands alone, is
    settled with the plan's least number of blocks, one that only describes with the blocks that
    its suite gives it. A cell that a budget needs stays until the
    budget is decided, unless by then nothing bears on it.
    """

    def __init__(self, plan: PlanSummary) -> None:
        """Take the plan; nothing has run yet."""
        self._plan = plan
        self._leading = multiplicity.leading(plan)
        self._limits = {(probe, at): most for probe, at, most in plan.limits}
        self._settled: set[Cell] = set()
        self._kept = ObservationsSoFar(plan, self._leading)

    def take(self, record: Record) -> None:
        """Take one record; its numbers are kept."""
        self._kept.take(record)

    def rule(self, block: int) -> Ruling:
        """Return what this block has settled, and what is left with its forecast."""
        observations = self._kept.observations()
        m = multiplicity.size(self._plan, observations.skipped)
        terms = ContrastCriteria(self._plan, ALPHA / max(m, 1))
        needed = self._needed(observations, block)
        settled: list[Settled] = []
        left: list[Left] = []
        for cells in self._open():
            comparison = self._comparison(observations, cells[0], terms)
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

    def _needed(self, observations: Observations, block: int) -> frozenset[Cell]:
        """Return the cells that budgets keep in the run.

        Where a budget needs the baseline's cell alone, the others stay with it: without any of
        them it would not run.
        """
        results = judge_budgets(self._plan, observations)
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

    def _comparison(
        self, observations: Observations, cell: Cell, terms: ContrastCriteria
    ) -> CellComparison | None:
        """Return what there is to compare where a cell is, None where there is nothing."""
        metric = self._leading[cell.probe]
        if metric is None:
            return None
        place = place_of(cell, metric)
        observed = observations.numbers.get(place)
        return None if observed is None else CellComparison(Key(*place), observed, terms)

    def _ruled(
        self, cell: Cell, comparison: CellComparison | None, alpha: float, block: int
    ) -> "Settled | Left":
        limit = self._limits.get((cell.probe, cell.placement.value))
        if limit is not None:
            return Settled(cell, block, "described") if block >= limit else Left(cell, None)
        if comparison is None or not comparison.joins(cell.driver):
            nothing = block >= self._plan.least
            return Settled(cell, block, "no-contrast") if nothing else Left(cell, None)
        primary = multiplicity.is_primary(
            self._plan, cell.probe, cell.placement.value, comparison.key.metric
        )
        contrast = comparison.contrast(ContrastTarget(cell.driver, comparison.key, primary))
        why = settles(contrast, self._plan)
        if why is not None:
            return Settled(cell, block, why)
        return Left(cell, forecast(contrast, self._plan, alpha, block))
