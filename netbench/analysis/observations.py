"""The values that stopping and budgets are judged by, during a run and at its end."""

from array import array
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, cast

import numpy as np

from netbench.analysis.block_pairs import Observed
from netbench.analysis.columns import Texts, groups
from netbench.analysis.contrasts import observed_in
from netbench.analysis.frame import Frames
from netbench.record import PlanSummary, Record, Sample, Skip
from netbench.spec import Cell, Path, Placement

Place = tuple[str, str, str, str]
"""Path, probe, placement, metric."""


@dataclass(frozen=True, slots=True)
class Observations:
    """The values and outcomes that a run's stopping and its budgets are judged by."""

    numbers: Mapping[Place, Observed]
    closed: frozenset[tuple[str, str]]
    """Drivers and the paths that they rule out by design."""
    reasons: Mapping[Cell, tuple[str, ...]]
    """Of failures and skips."""
    sampled: frozenset[Cell]
    """Cells with a sample, of whatever metrics."""
    skipped: frozenset[Cell]
    """Cells that were never more than skipped, whichever arm."""


def observations_of(plan: PlanSummary, frames: Frames) -> Observations:
    """Return what the frames of a whole run show of the budgets of a plan."""
    metrics = {budget.metric for budget in plan.require}
    trials = frames.trials
    wanted = np.flatnonzero(frames.numbers.metric.among(metrics))
    numbers = frames.numbers.at(wanted)
    closed = trials.at(trials.by_design)
    reasons, sampled, tried, seen = {}, set(), set(), set()
    for name, rows in groups(trials.driver, trials.path, trials.probe, trials.placement):
        driver, path, probe, placement = name
        cell = Cell(driver, Path(path), probe, Placement(placement))
        outcomes, why = trials.outcome[rows], trials.reason[rows]
        seen.add(cell)
        if told := why[why.known].tolist():
            reasons[cell] = tuple(dict.fromkeys(told))
        if outcomes.equal("sample").any():
            sampled.add(cell)
        if not outcomes.equal("skip").all():
            tried.add(cell)
    return Observations(
        numbers={
            cast("Place", place): observed_in(frames, wanted[rows])
            for place, rows in groups(*frames.cells(numbers), numbers.metric)
        },
        closed=frozenset(name for name, _ in groups(closed.driver, closed.path)),
        reasons=reasons,
        sampled=frozenset(sampled),
        skipped=frozenset(seen - tried),
    )


def place_of(cell: Cell, metric: str) -> Place:
    """Return where the numbers of a cell's metric stand."""
    return cell.path.value, cell.probe, cell.placement.value, metric


class ObservationsSoFar:
    """Keeps the numbers that cells and budgets are judged by, record by record.

    Those are the leading metric of each probe and the budgets' metrics. What only the analysis of a
    whole run derives from several trials is not among them.
    """

    def __init__(self, plan: PlanSummary, leading: Mapping[str, str | None]) -> None:
        """Take the plan and each probe's leading metric; nothing has run yet."""
        self._leading = leading
        self._budgeted = {budget.metric for budget in plan.require}
        self._kept: defaultdict[Place, _Kept] = defaultdict(_Kept)
        self._closed: set[tuple[str, str]] = set()
        self._reasons: defaultdict[Cell, dict[str, None]] = defaultdict(dict)
        self._sampled: set[Cell] = set()
        self._seen: set[Cell] = set()
        self._tried: set[Cell] = set()

    def take(self, record: Record) -> None:
        """Take one record; its numbers are kept."""
        cell, outcome = record.cell, record.outcome
        self._seen.add(cell)
        if not isinstance(outcome, Skip):
            self._tried.add(cell)
        elif outcome.by_design:
            self._closed.add((cell.driver, cell.path.value))
        if not isinstance(outcome, Sample):
            self._reasons[cell][outcome.reason] = None
            return
        self._sampled.add(cell)
        wanted = {*self._budgeted, self._leading[cell.probe]}
        for measured in outcome.measurements:
            if measured.metric in wanted:
                self._kept[place_of(cell, measured.metric)].add(record, measured.value)

    def observations(self) -> Observations:
        """Return what all records so far show."""
        return Observations(
            numbers={place: kept.observed() for place, kept in self._kept.items()},
            closed=frozenset(self._closed),
            reasons={cell: tuple(found) for cell, found in self._reasons.items()},
            sampled=frozenset(self._sampled),
            skipped=frozenset(self._seen - self._tried),
        )


class _Kept:
    """The values of one place."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self._drivers = Texts()
        self._wholes = {name: array("q") for name in _WHOLES}
        self._values = array("d")

    def add(self, record: Record, value: float) -> None:
        """Add one value."""
        self._drivers.append(record.cell.driver)
        wholes = (record.replica, record.block, record.attempt, record.number)
        for kept, whole in zip(self._wholes.values(), wholes, strict=True):
            kept.append(whole)
        self._values.append(value)

    def observed(self) -> Observed:
        """Return all of them."""
        columns: dict[str, Any] = {
            name: np.array(kept, np.int64) for name, kept in self._wholes.items()
        }
        value = np.array(self._values, np.float64)
        return Observed(driver=self._drivers.column(), value=value, **columns)


_WHOLES: Final = ("replica", "block", "attempt", "record")
