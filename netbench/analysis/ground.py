"""What budgets are judged by: the numbers of their metrics, from a whole run or as it goes on."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, cast

from netbench.analysis.contrasts import observed_in
from netbench.analysis.frame import Frames
from netbench.analysis.pairing import Observed
from netbench.record import PlanSummary, Record, Sample, Skip
from netbench.sentinel.rule import split, state_between, usable
from netbench.spec import Cell, Path, Placement

Place = tuple[str, str, str, str]
"""Path, probe, placement, metric."""


@dataclass(frozen=True, slots=True)
class Ground:
    """What a run has seen, as far as budgets are judged by it."""

    numbers: Mapping[Place, Sequence[Observed]]
    closed: frozenset[tuple[str, str]]
    """Drivers and the paths that they rule out by design."""
    reasons: Mapping[Cell, tuple[str, ...]]
    """Of failures and skips."""
    sampled: frozenset[Cell]
    """Cells with a sample, of whatever metrics."""


def ground_of(plan: PlanSummary, frames: Frames) -> Ground:
    """Return what whole frames, which carry the states, show of the budgets of a plan."""
    metrics = {budget.metric for budget in plan.require}
    numbers = frames.numbers[frames.numbers["metric"].isin(metrics)]
    groups = numbers.groupby(["path", "probe", "placement", "metric"])
    trials = frames.trials
    closed = trials[trials["by_design"].astype(bool)]
    names = list(
        zip(trials["driver"], trials["path"], trials["probe"], trials["placement"], strict=True)
    )
    cells = [Cell(d, Path(path), probe, Placement(at)) for d, path, probe, at in names]
    reasons: dict[Cell, dict[str, None]] = {}
    for cell, reason in zip(cells, trials["reason"], strict=True):
        if isinstance(reason, str):
            reasons.setdefault(cell, {})[reason] = None
    sampled = zip(cells, trials["outcome"] == "sample", strict=True)
    return Ground(
        numbers={cast("Place", place): observed_in(rows) for place, rows in groups},
        closed=frozenset(zip(closed["driver"], closed["path"], strict=True)),
        reasons={cell: tuple(found) for cell, found in reasons.items()},
        sampled=frozenset(cell for cell, is_sample in sampled if is_sample),
    )


class GroundSoFar:
    """Keeps the numbers that a plan's budgets are judged by, record by record.

    What only the analysis of a whole run derives from several trials is not among them.
    """

    def __init__(self, plan: PlanSummary) -> None:
        """Take the plan; nothing has run yet."""
        self._metrics = {budget.metric for budget in plan.require}
        self._readings: defaultdict[Placement, list[float]] = defaultdict(list)
        self._kept: list[_Kept] = []
        self._closed: set[tuple[str, str]] = set()
        self._reasons: defaultdict[Cell, dict[str, None]] = defaultdict(dict)
        self._sampled: set[Cell] = set()

    def take(self, record: Record) -> None:
        """Take one record; its numbers are kept."""
        cell, outcome = record.cell, record.outcome
        before, after = usable(record.sentinel.before), usable(record.sentinel.after)
        self._readings[cell.placement] += [r for r in (before, after) if r is not None]
        if isinstance(outcome, Skip) and outcome.by_design:
            self._closed.add((cell.driver, cell.path.value))
        if not isinstance(outcome, Sample):
            self._reasons[cell][outcome.reason] = None
            return
        self._sampled.add(cell)
        for measured in outcome.measurements:
            if measured.metric in self._metrics:
                seen = Observed(
                    driver=cell.driver,
                    replica=record.replica,
                    block=record.block,
                    attempt=record.attempt,
                    record=record.number,
                    position=record.position,
                    state="",
                    value=measured.value,
                    before=before,
                    after=after,
                )
                self._kept.append(_Kept(cell, measured.metric, seen))

    def ground(self) -> Ground:
        """Return what all records so far show, states told by all readings so far."""
        thresholds = {at: split(readings) for at, readings in self._readings.items()}
        numbers: defaultdict[Place, list[Observed]] = defaultdict(list)
        for kept in self._kept:
            at = kept.cell.placement
            state = state_between(kept.seen.before, kept.seen.after, thresholds[at])
            place = (kept.cell.path.value, kept.cell.probe, at.value, kept.metric)
            numbers[place].append(kept.seen._replace(state=state))
        return Ground(
            numbers=numbers,
            closed=frozenset(self._closed),
            reasons={cell: tuple(found) for cell, found in self._reasons.items()},
            sampled=frozenset(self._sampled),
        )


class _Kept(NamedTuple):
    """One number, whose readings tell its state once all are known."""

    cell: Cell
    metric: str
    seen: Observed
