"""When a contrast needs no more blocks, and how many it still needs (METHOD §2).

The interval holds at whatever block one looks, so stopping by it costs no part of the error rate.
Its share of that rate is fixed by the plan and does not grow when others leave. A contrast is
judged while the run goes on by the very code that judges it at the end, by the records so far.
"""

import math
from collections import defaultdict
from collections.abc import Iterator
from typing import Final

import numpy as np

from netbench.analysis import family
from netbench.analysis.budgets import awaited, judge_budgets
from netbench.analysis.contrasts import Comparison, Key, Target, Terms
from netbench.analysis.ground import GroundSoFar
from netbench.analysis.model import Contrast, Verdict
from netbench.analysis.pairing import Observed
from netbench.analysis.stats import ALPHA, MIN_BLOCKS, spread, tau
from netbench.record import Left, PlanSummary, Record, Ruling, Sample, Settled, Skip, Why
from netbench.sentinel.rule import split, state_between, usable
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
    deviation = spread(np.array([delta.log_ratio for delta in contrast.deltas], np.float64))
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
    """Keeps the numbers of each cell's leading metric, and rules after every block.

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
        self._trials: defaultdict[_Place, list[Observed]] = defaultdict(list)
        self._readings: defaultdict[Placement, list[float]] = defaultdict(list)
        self._seen: dict[Cell, bool] = {}
        """Cells that had a record: whether any was no skip."""
        self._budgeted = GroundSoFar(plan) if plan.require else None

    def take(self, record: Record) -> None:
        """Take one record; its numbers are kept."""
        if self._budgeted is not None:
            self._budgeted.take(record)
        cell, sentinel = record.cell, record.sentinel
        before, after = usable(sentinel.before), usable(sentinel.after)
        self._readings[cell.placement] += [r for r in (before, after) if r is not None]
        tried = not isinstance(record.outcome, Skip)
        self._seen[cell] = self._seen.get(cell, False) or tried
        metric = self._leading[cell.probe]
        if not isinstance(record.outcome, Sample) or metric is None:
            return
        value = record.outcome.value(metric)
        if value is not None:
            self._trials[cell.path, cell.probe, cell.placement].append(
                Observed(
                    driver=cell.driver,
                    replica=record.replica,
                    block=record.block,
                    attempt=record.attempt,
                    record=record.number,
                    position=record.position,
                    state="",
                    value=value,
                    before=before,
                    after=after,
                )
            )

    def rule(self, block: int) -> Ruling:
        """Return what this block has settled, and what is left with its forecast."""
        skipped = frozenset(cell for cell, tried in self._seen.items() if not tried)
        m = family.size(self._plan, skipped)
        terms = Terms(self._plan.baseline, ALPHA / max(m, 1), self._plan.margin)
        needed = self._needed(block)
        settled: list[Settled] = []
        left: list[Left] = []
        for place, cells in self._open():
            comparison = self._comparison(place, terms)
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

    def _needed(self, block: int) -> frozenset[Cell]:
        """Return the cells that budgets keep in the run.

        Where a budget needs the baseline's cell alone, the others stay with it: without any of
        them it would not run.
        """
        if self._budgeted is None:
            return frozenset()
        results = judge_budgets(self._plan, self._budgeted.ground())
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

    def _open(self) -> Iterator[tuple[_Place, list[Cell]]]:
        """Yield each place with the cells in it that are not settled and not the baseline's.

        The baseline's own stand there only where no other driver's are.
        """
        places: defaultdict[_Place, list[Cell]] = defaultdict(list)
        for cell in self._plan.cells:
            places[cell.path, cell.probe, cell.placement].append(cell)
        for place, cells in places.items():
            others = [cell for cell in cells if cell.driver != self._plan.baseline]
            left = [cell for cell in others or cells if cell not in self._settled]
            if left:
                yield place, left

    def _comparison(self, place: _Place, terms: Terms) -> Comparison | None:
        """Return what there is to compare in one place, None where there is nothing."""
        path, probe, placement = place
        metric = self._leading[probe]
        if metric is None:
            return None
        threshold = split(self._readings[placement])
        observed = [
            trial._replace(state=state_between(trial.before, trial.after, threshold))
            for trial in self._trials[place]
        ]
        return Comparison(Key(path.value, probe, placement.value, metric), observed, terms)

    def _ruled(
        self, cell: Cell, comparison: Comparison | None, alpha: float, block: int
    ) -> "Settled | Left":
        if comparison is None or not self._both_gave(cell):
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

    def _both_gave(self, cell: Cell) -> bool:
        """Tell whether both the cell's driver and the baseline have given a number in it."""
        trials = self._trials[cell.path, cell.probe, cell.placement]
        drivers = {trial.driver for trial in trials}
        baseline = self._plan.baseline
        return cell.driver != baseline and {cell.driver, baseline} <= drivers


def _half_width(contrast: Contrast) -> float | None:
    """Return the half-width of the interval on the log scale, None where it is unbounded."""
    if contrast.low is None or contrast.high is None:
        return None
    return math.log(contrast.high / contrast.low) / 2
