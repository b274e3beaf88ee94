"""The charts of a comparison, as positions in percent of an axis that all their rows share."""

import math
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from netbench import units
from netbench.analysis.cell_key import CellKey
from netbench.analysis.compare.model import ComparedSide, Pairing, RunComparison, RunContrast
from netbench.analysis.model import TrialPoint
from netbench.report.forest import CLIP, ticks
from netbench.report.labels import capital
from netbench.report.sentences import measure
from netbench.spec import Cell, Path

_PAD: Final = 0.06
"""Of an axis, left free at both ends."""
_FLAT: Final = 1e-9
"""Least width of an axis, as a share of its values."""


@dataclass(frozen=True, slots=True)
class Change:
    """One contrast on the axis of ratios."""

    contrast: RunContrast
    at: float | None
    """Percent; None where there is no ratio."""
    low: float
    """Percent; the axis' end where it goes on."""
    high: float


@dataclass(frozen=True, slots=True)
class Changes:
    """The contrasts of a pairing; all pairings of a comparison share the axis."""

    rows: tuple[Change, ...]
    marks: tuple[tuple[float, str], ...]
    """(percent, label)."""
    one: float
    margin: tuple[float, float]


@dataclass(frozen=True, slots=True)
class SpreadRow:
    """One driver in one run: the value of every block."""

    driver: str
    run: int
    """Index of the run, for its colour."""
    label: str
    at: tuple[float, ...]
    median: float
    """Percent."""
    text: str


@dataclass(frozen=True, slots=True)
class Spread:
    """One measure: the values of every driver in every run, on one axis."""

    title: str
    rows: tuple[SpreadRow, ...]
    low: str
    high: str


def changes(comparison: RunComparison, pairing: Pairing) -> Changes | None:
    """Return the primary contrasts of a pairing; None where none of them has a ratio."""
    everything = [
        one for each in comparison.pairings for one in each.contrasts if one.primary and one.ratio
    ]
    shown = [one for one in pairing.contrasts if one.primary]
    if not any(one.ratio for one in shown):
        return None
    edge = math.log1p(comparison.margin)
    seen = [edge, -edge]
    for one in everything:
        ends = (one.low, one.ratio, one.high)
        seen += [min(max(math.log(end), -CLIP), CLIP) for end in ends if end]
    pad = (max(seen) - min(seen)) * _PAD
    low, high = min(seen) - pad, max(seen) + pad

    def at(log: float) -> float:
        return _percent(log, low, high)

    return Changes(
        rows=tuple(
            Change(
                one,
                at(math.log(one.ratio)) if one.ratio else None,
                at(math.log(one.low) if one.low else -math.inf),
                at(math.log(one.high) if one.high else math.inf),
            )
            for one in shown
        ),
        marks=tuple((at(math.log(mark)), f"{mark:g}") for mark in ticks(low, high)),
        one=at(0),
        margin=(at(-edge), at(edge)),
    )


def spreads(comparison: RunComparison) -> tuple[Spread, ...]:
    """Return every value of the measures that runs are judged by, in the cells in common."""
    judged = dict.fromkeys(
        (CellKey(one.path, one.probe, one.placement), one.metric)
        for pairing in comparison.pairings
        for one in pairing.contrasts
        if one.primary
    )
    common = set.intersection(*(set(run.info.plan.cells) for run in comparison.runs))
    points = [_points(run, common) for run in comparison.runs]
    made = (_spread(comparison, points, key, metric) for key, metric in judged)
    return tuple(spread for spread in made if spread is not None)


_Points = dict[tuple[CellKey, str], dict[str, list[TrialPoint]]]


def _points(run: ComparedSide, common: Iterable[Cell]) -> _Points:
    found: defaultdict[tuple[CellKey, str], dict[str, list[TrialPoint]]] = defaultdict(dict)
    cells = frozenset(common)
    for point in run.analysis.points:
        cell = Cell(point.driver, Path(point.path), point.probe, point.placement)
        if cell in cells and not point.replica:
            key = CellKey(point.path, point.probe, point.placement)
            found[key, point.metric].setdefault(point.driver, []).append(point)
    return found


def _spread(
    comparison: RunComparison, points: list[_Points], key: CellKey, metric: str
) -> Spread | None:
    here = [each.get((key, metric), {}) for each in points]
    values = [p.value for drivers in here for found in drivers.values() for p in found]
    if not values:
        return None
    unit = next(p.unit for drivers in here for found in drivers.values() for p in found)
    width = max(values) - min(values) or max(abs(max(values)), 1.0) * _FLAT
    low, high = min(values) - width * _PAD, max(values) + width * _PAD
    rows = []
    for driver in dict.fromkeys(name for run in comparison.runs for name in run.info.plan.drivers):
        for index, (run, drivers) in enumerate(zip(comparison.runs, here, strict=True)):
            found = sorted(p.value for p in drivers.get(driver, ()))
            if found:
                middle = (found[(len(found) - 1) // 2] + found[len(found) // 2]) / 2
                rows.append(
                    SpreadRow(
                        driver=driver,
                        run=index,
                        label=run.label,
                        at=tuple(_percent(value, low, high) for value in found),
                        median=_percent(middle, low, high),
                        text=units.quantity(middle, unit),
                    )
                )
    return Spread(
        title=capital(measure(key, metric)),
        rows=tuple(rows),
        low=units.quantity(min(values), unit),
        high=units.quantity(max(values), unit),
    )


def _percent(value: float, low: float, high: float) -> float:
    return round((min(max(value, low), high) - low) / (high - low) * 100, 3)
