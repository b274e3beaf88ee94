"""The page of a comparison; positions in its charts are percent of an axis."""

import statistics
from collections.abc import Container, Mapping
from dataclasses import dataclass, replace
from typing import Final

from netbench import units
from netbench.analysis.block_pairs import grouped
from netbench.analysis.cell_key import CellKey
from netbench.analysis.compare.model import ComparedSide, Pairing, RunComparison, RunContrast
from netbench.report import conditions
from netbench.report.compare import differences, labels
from netbench.report.html_env import render
from netbench.report.intervals import Bar, RatioAxis
from netbench.report.labels import DECIDED, capital, key_of
from netbench.report.palette import driver_colours
from netbench.report.sentences import measure
from netbench.spec import Cell, Path

_PAD: Final = 0.06  # of an axis, left free at both ends
_ROWS: Final = 20  # of a chart; of more contrasts, only what changed is drawn
_FLAT: Final = 1e-9  # least width of an axis, as a share of its values


@dataclass(frozen=True, slots=True)
class SpreadRow:
    """One driver in one run: the value of every block."""

    driver: str
    label: str  # of the run
    at: tuple[float, ...]
    median: float  # percent
    text: str


@dataclass(frozen=True, slots=True)
class Spread:
    """One measure: the values of every driver in every run, on one axis."""

    title: str
    rows: tuple[SpreadRow, ...]
    low: str
    high: str


def page(comparison: RunComparison) -> str:
    """Return the whole page; each run has a colour, the first that of a baseline."""
    names = tuple(run.label for run in labels.every_run(comparison))
    return render(
        "compare.html.j2",
        driver_colours(names, names[0]),
        comparison=comparison,
        words=labels,
        differences=differences,
        conditions=conditions,
        changes=changes,
        spreads=spreads(comparison),
    )


def changes(comparison: RunComparison, pairing: Pairing) -> tuple[RatioAxis, list[Bar]]:
    """Return the axis of all pairings, and a pairing's primary contrasts if any has a ratio."""
    every = [one for each in comparison.pairings for one in _drawn(each) if one.ratio]
    # Measures of either direction lie on it: its marks say how many times worse.
    axis = replace(RatioAxis.of(every, comparison.margin), better="lower")
    shown = _drawn(pairing)
    return axis, [axis.bar(one) for one in shown if any(other.ratio for other in shown)]


def _drawn(pairing: Pairing) -> list[RunContrast]:
    found = [one for one in pairing.contrasts if one.primary]
    if len(found) <= _ROWS:
        return found
    return [one for one in found if one.verdict in DECIDED]


def spreads(comparison: RunComparison) -> tuple[Spread, ...]:
    """Return every value of the measures that runs are judged by, in the cells in common."""
    judged = dict.fromkeys(
        (key_of(one), one.metric, one.unit)
        for pairing in comparison.pairings
        for one in pairing.contrasts
        if one.primary
    )
    common = set.intersection(*(set(run.info.plan.cells) for run in comparison.runs))
    runs = {run.label: _values(run, common) for run in comparison.runs}
    made = (_spread(comparison, runs, *measured) for measured in judged)
    return tuple(spread for spread in made if spread is not None)


_Values = dict[tuple[CellKey, str, str], list[float]]
"""Values by cell, metric and driver."""


def _values(run: ComparedSide, common: Container[Cell]) -> _Values:
    return grouped(
        ((key_of(point), point.metric, point.driver), point.value)
        for point in run.analysis.points
        if Cell(point.driver, Path(point.path), point.probe, point.placement) in common
        and not point.replica
    )


def _spread(
    comparison: RunComparison, runs: Mapping[str, _Values], key: CellKey, metric: str, unit: str
) -> Spread | None:
    drivers = dict.fromkeys(name for run in comparison.runs for name in run.info.plan.drivers)
    found = [
        (driver, label, sorted(values[key, metric, driver]))
        for driver in drivers
        for label, values in runs.items()
        if (key, metric, driver) in values
    ]
    if not found:
        return None
    values = [value for *_, own in found for value in own]
    width = max(values) - min(values) or max(abs(max(values)), 1.0) * _FLAT
    low, high = min(values) - width * _PAD, max(values) + width * _PAD

    def percent(value: float) -> float:
        return round((value - low) / (high - low) * 100, 3)

    rows = []
    for driver, label, own in found:
        middle = statistics.median(own)
        text = units.quantity(middle, unit)
        rows.append(SpreadRow(driver, label, tuple(map(percent, own)), percent(middle), text))
    return Spread(
        title=capital(measure(key, metric)),
        rows=tuple(rows),
        low=units.quantity(min(values), unit),
        high=units.quantity(max(values), unit),
    )
