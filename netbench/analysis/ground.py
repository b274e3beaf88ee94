"""What cells and budgets are judged by while a run goes on, and budgets at its end."""

import math
from array import array
from bisect import insort
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, cast

import numpy as np

from netbench.analysis.columns import Texts, groups
from netbench.analysis.contrasts import observed_in
from netbench.analysis.frame import Frames
from netbench.analysis.pairing import Observed
from netbench.analysis.states import between
from netbench.record import PlanSummary, Sample, Skip, Trial
from netbench.sentinel.rule import split_logs, usable
from netbench.spec import Cell, Path, Placement

Place = tuple[str, str, str, str]
"""Path, probe, placement, metric."""


@dataclass(frozen=True, slots=True)
class Ground:
    """What a run has seen, as far as it is judged by it."""

    numbers: Mapping[Place, Observed]
    closed: frozenset[tuple[str, str]]
    """Drivers and the paths that they rule out by design."""
    reasons: Mapping[Cell, tuple[str, ...]]
    """Of failures and skips."""
    sampled: frozenset[Cell]
    """Cells with a sample, of whatever metrics."""
    skipped: frozenset[Cell]
    """Cells that were never more than skipped, whichever arm."""


def ground_of(plan: PlanSummary, frames: Frames) -> Ground:
    """Return what whole frames, which carry the states, show of the budgets of a plan."""
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
    return Ground(
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


class GroundSoFar:
    """Keeps the numbers that cells and budgets are judged by, record by record.

    Those are the leading metric of each probe and the budgets' metrics. What only the analysis of a
    whole run derives from several trials is not among them.
    """

    def __init__(self, plan: PlanSummary, leading: Mapping[str, str | None]) -> None:
        """Take the plan and each probe's leading metric; nothing has run yet."""
        self._leading = leading
        self._budgeted = {budget.metric for budget in plan.require}
        self._readings: defaultdict[str, list[float]] = defaultdict(list)
        """Their logarithms by placement, ascending."""
        self._kept: defaultdict[Place, _Kept] = defaultdict(_Kept)
        self._closed: set[tuple[str, str]] = set()
        self._reasons: defaultdict[Cell, dict[str, None]] = defaultdict(dict)
        self._sampled: set[Cell] = set()
        self._seen: set[Cell] = set()
        self._tried: set[Cell] = set()

    def take(self, record: Trial) -> None:
        """Take one record; its numbers are kept."""
        cell, outcome = record.cell, record.outcome
        around = usable(record.sentinel.before), usable(record.sentinel.after)
        for reading in around:
            if reading is not None:
                insort(self._readings[cell.placement.value], math.log(reading))
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
                self._kept[place_of(cell, measured.metric)].add(record, measured.value, *around)

    def ground(self) -> Ground:
        """Return what all records so far show, states told by all readings so far."""
        thresholds = {at: split_logs(logs) for at, logs in self._readings.items()}
        return Ground(
            numbers={
                place: kept.observed(thresholds.get(place[2])) for place, kept in self._kept.items()
            },
            closed=frozenset(self._closed),
            reasons={cell: tuple(found) for cell, found in self._reasons.items()},
            sampled=frozenset(self._sampled),
            skipped=frozenset(self._seen - self._tried),
        )


class _Kept:
    """The numbers of one place, whose readings tell their states once all are known."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self._drivers = Texts()
        self._wholes = {name: array("q") for name in _WHOLES}
        self._floats = {name: array("d") for name in _FLOATS}

    def add(self, record: Trial, value: float, before: float | None, after: float | None) -> None:
        """Add one number, with the usable readings around its trial."""
        self._drivers.append(record.cell.driver)
        wholes = (record.replica, record.block, record.attempt, record.number, record.position)
        for kept, whole in zip(self._wholes.values(), wholes, strict=True):
            kept.append(whole)
        for floats, one in zip(self._floats.values(), (value, before, after), strict=True):
            floats.append(math.nan if one is None else one)

    def observed(self, threshold: float | None) -> Observed:
        """Return all of them, with the states that this threshold tells."""
        columns: dict[str, Any] = {
            **{name: np.array(kept, np.int64) for name, kept in self._wholes.items()},
            **{name: np.array(kept, np.float64) for name, kept in self._floats.items()},
        }
        state = between(columns["before"], columns["after"], threshold)
        return Observed(driver=self._drivers.column(), state=state, **columns)


_WHOLES: Final = ("replica", "block", "attempt", "record", "position")
_FLOATS: Final = ("value", "before", "after")
