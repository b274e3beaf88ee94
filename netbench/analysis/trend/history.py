"""The runs of a history: what each gives to a series, and which are held against each other."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from itertools import pairwise
from typing import Final

import numpy as np

from netbench.analysis.block_pairs import Key
from netbench.analysis.compare.differences import (
    RunDifference,
    accepted,
    confounders,
    differences,
    fact_of,
)
from netbench.analysis.compare.model import Basis, Matched, Measured, drawn, gives
from netbench.analysis.multiplicity import is_primary
from netbench.analysis.stats import ALPHA, Bounds, Floats, RunScatter
from netbench.analysis.trend.model import HistoryRun, RunFigure, SeriesKey
from netbench.analysis.trend.steps import Piece, Pieces, cut
from netbench.record import METRICS
from netbench.spec import Cell

FREEDOM: Final = 5
"""Degrees of freedom without which a scatter is not known: six runs at one level."""
_BLOCKS: Final = 2  # a run with fewer has no variance
_SHARE: Final = 0.5  # a run with fewer blocks than this of the usual number is left out


def history_run(measured: Measured) -> HistoryRun:
    """Return what a run gives to every series."""
    plan = measured.run.info.plan
    intervals = {
        (one.driver, Key(one.path, one.probe, one.placement, one.metric)): one
        for one in measured.run.analysis.contrasts
    }
    figures: dict[SeriesKey, RunFigure] = {}
    primary: set[SeriesKey] = set()
    for series, cell in _series(measured):
        own = drawn(measured, cell, series.key, series.basis)
        if own.blocks < _BLOCKS:
            continue
        variance = float(np.var(own.effects, ddof=1)) / own.blocks
        figure = RunFigure(float(np.mean(own.effects)), variance, own.blocks, own.reading)
        one = intervals.get((series.driver, series.key)) if series.baseline else None
        if one is not None:
            figure = replace(figure, low=one.low, high=one.high, verdict=one.verdict)
        figures[series] = figure
        if is_primary(plan, cell.probe, cell.placement.value, series.key.metric):
            primary.add(series)
    return HistoryRun(
        folder=measured.run.folder,
        info=measured.run.info,
        conditions=measured.conditions,
        figures=figures,
        primary=frozenset(primary),
        missing=missing.words if (missing := measured.run.analysis.missing) else "",
    )


def _series(measured: Measured) -> Iterator[tuple[SeriesKey, Cell]]:
    plan = measured.run.info.plan
    for cell in plan.cells:
        for name, metric in METRICS.items():
            if metric.compared and gives(measured, cell, name):
                key = Key.of(cell, name)
                yield SeriesKey(cell.driver, "", key, Basis.ABSOLUTE), cell
                if cell.driver != plan.baseline:
                    yield SeriesKey(cell.driver, plan.baseline, key, Basis.RELATIVE), cell


@dataclass(frozen=True, slots=True)
class SeriesRuns:
    """The runs of one series that count, in the order of time."""

    runs: tuple[int, ...]  # places in the history
    figures: tuple[RunFigure, ...]
    left_out: int

    @property
    def levels(self) -> Floats:
        """One a run."""
        return np.array([figure.level for figure in self.figures])

    @property
    def within(self) -> float:
        """Mean variance of a level by the blocks of its run."""
        return float(np.mean([figure.variance for figure in self.figures]))

    @property
    def readings(self) -> Bounds | None:
        """The lowest and the highest of the sentinel; None where a run has none."""
        found = [figure.reading for figure in self.figures if figure.reading is not None]
        return (min(found), max(found)) if found and len(found) == len(self.figures) else None

    def cut(self, breaks: Sequence[int], chance: float) -> Pieces:
        """Return the pieces between breaks, which are places in this series."""
        return cut(self.levels, breaks, math.sqrt(self.within), chance)

    def scatter(self, found: Pieces) -> RunScatter | None:
        """Return how far runs lie around their pieces; None below `FREEDOM`."""
        freedom = sum(piece.size - piece.parameters for piece in found.pieces)
        if freedom < FREEDOM:
            return None
        levels = self.levels
        squares = sum(
            float(np.sum((levels[piece.start : piece.end] - _fitted(piece)) ** 2))
            for piece in found.pieces
        )
        return RunScatter(squares / freedom, self.within, freedom, len(levels), self.readings)


def _fitted(piece: Piece) -> Floats:
    return np.array([piece.at(place) for place in range(piece.start, piece.end)])


class History:
    """Runs in the order of time, and what differs between any two of them."""

    def __init__(self, runs: Sequence[HistoryRun], accept: Sequence[str] = ()) -> None:
        """Take the runs; facts that `accept` names make no break."""
        self.runs = tuple(sorted(runs, key=lambda run: (run.info.created, run.folder)))
        self.accept = tuple(accept)
        self._differing = cache(self._between)

    def keys(self) -> dict[SeriesKey, bool]:
        """Return every series, and whether any run is judged by it."""
        found: dict[SeriesKey, bool] = {}
        for run in self.runs:
            for key in run.figures:
                found[key] = found.get(key, False) or key in run.primary
        return found

    def series(self, key: SeriesKey, among: Sequence[int] | None = None) -> SeriesRuns:
        """Return the runs of a series, or those among some places."""
        places = range(len(self.runs)) if among is None else among
        found = [(n, self.runs[n].figures[key]) for n in places if key in self.runs[n].figures]
        usual = float(np.median([figure.blocks for _, figure in found])) if found else 0.0
        kept = [(n, figure) for n, figure in found if figure.blocks >= _SHARE * usual]
        return SeriesRuns(
            runs=tuple(n for n, _ in kept),
            figures=tuple(figure for _, figure in kept),
            left_out=len(found) - len(kept),
        )

    def breaks(self, key: SeriesKey, runs: Sequence[int]) -> dict[int, tuple[str, ...]]:
        """Return, by its place among `runs`, each first one after a change, and what changed.

        A run is held against the one before and against the first one since the last break: what
        one of them did not record is known of the other.
        """
        found: dict[int, tuple[str, ...]] = {}
        first = 0
        for place, (before, run) in enumerate(pairwise(runs), 1):
            facts = dict.fromkeys(
                fact
                for other in dict.fromkeys((before, runs[first]))
                for fact in self._confounding(key, other, run)
            )
            if facts:
                found[place] = tuple(facts)
                first = place
        return found

    def _confounding(self, key: SeriesKey, left: int, right: int) -> list[str]:
        found = confounders(self._differing(left, right), key.drivers, *key.key.place)
        return [fact_of(str(one)) for one in found]

    def _between(self, left: int, right: int) -> tuple[RunDifference, ...]:
        found = differences(self.runs[left].conditions, self.runs[right].conditions)
        return accepted(found, self.accept)


class KnownScatter:
    """How far runs of a history lie apart in which nothing changed, for runs that are compared."""

    def __init__(self, history: History, accept: Sequence[str]) -> None:
        """Take a history without `accept`: scatter is taken within its breaks, all of them."""
        self._history = history
        self._accept = tuple(accept)
        self._alpha = ALPHA / max(sum(history.keys().values()), 1)
        self._allowed: dict[tuple[int, int], tuple[RunDifference, ...]] = {}

    def __call__(self, matched: Matched) -> RunScatter | None:
        """Return it, by the runs that may be held against one of the two; None for too few."""
        baseline = matched.baseline if matched.basis is Basis.RELATIVE else ""
        key = SeriesKey(matched.cell.driver, baseline, matched.key, matched.basis)
        own = self._history.series(key, self.comparable(key, matched.left, matched.right))
        if not own.runs:
            return None
        return own.scatter(own.cut(tuple(self._history.breaks(key, own.runs)), self._alpha))

    def comparable(self, key: SeriesKey, *sides: Measured) -> list[int]:
        """Return the runs of the history that may be held against any of the sides."""
        return [
            place
            for place in range(len(self._history.runs))
            if any(
                not confounders(self._differing(place, side), key.drivers, *key.key.place)
                for side in sides
            )
        ]

    def _differing(self, place: int, side: Measured) -> tuple[RunDifference, ...]:
        at = place, id(side)
        if at not in self._allowed:
            found = differences(self._history.runs[place].conditions, side.conditions)
            self._allowed[at] = accepted(found, self._accept)
        return self._allowed[at]
