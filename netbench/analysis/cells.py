"""Absolute figures: every session or trial of every cell, with what gave no number."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Final, cast

import numpy as np
from numpy.typing import NDArray

from netbench.analysis.columns import Floats, Rows, Words, groups
from netbench.analysis.frame import Frames, Trials
from netbench.analysis.model import CellSummary
from netbench.analysis.multiplicity import declared
from netbench.analysis.saturation import METRIC, Name
from netbench.analysis.series import TrialPoint
from netbench.record import METRICS, PlanSummary
from netbench.spec import Placement

NOT_REACHED: Final = "not reached before the run ended"


@dataclass(frozen=True, slots=True)
class _Outcomes:
    """How one arm's trials of one cell ended."""

    failures: int
    skips: int
    reasons: tuple[str, ...]


def summarise(
    frames: Frames, plan: PlanSummary, used_up: Mapping[Name, str]
) -> tuple[CellSummary, ...]:
    """Return one summary for each arm, cell and metric, planned or seen.

    An arm without samples gets the metrics that other arms gave in that cell, and where none did
    those that the probe declares.
    """
    trials, numbers = frames.trials, frames.numbers
    ran = groups(trials.driver, trials.replica, trials.path, trials.probe, trials.placement)
    outcomes = {cast("Name", name): _outcomes(trials, rows) for name, rows in ran}
    planned = _planned(plan)
    names = dict.fromkeys([*planned, *sorted(outcomes.keys() - set(planned))])
    found = groups(*frames.arms(numbers), *frames.cells(numbers), numbers.metric)
    given = {cast("tuple[*Name, str]", key): rows for key, rows in found}
    absent = _Outcomes(0, 0, (NOT_REACHED,))
    metrics = _metrics(given, names, declared(plan))
    units = {name: metric.unit for name, metric in METRICS.items()}
    units |= {metric: unit for (metric, unit), _ in groups(numbers.metric, numbers.unit)}
    return tuple(
        replace(
            _summary(
                name,
                metric,
                units[metric],
                outcomes.get(name, absent),
                numbers.value[given[key]] if (key := (*name, metric)) in given else None,
            ),
            saturated=used_up.get(name, "") if metric == METRIC else "",
        )
        for name in names
        for metric in metrics[name[2:]]
    )


def points(frames: Frames) -> Rows[TrialPoint]:
    """Return every value of every record, in record order."""
    trials, numbers = frames.trials, frames.numbers
    row = numbers.row
    placement = Words(trials.placement.codes[row], tuple(map(Placement, trials.placement.names)))
    return Rows(
        TrialPoint,
        {
            "record": trials.record[row],
            "block": trials.block[row],
            "position": trials.position[row],
            "driver": trials.driver[row],
            "replica": trials.replica[row],
            "path": trials.path[row],
            "probe": trials.probe[row],
            "placement": placement,
            "metric": numbers.metric,
            "unit": numbers.unit,
            "value": numbers.value,
        },
    )


def _planned(plan: PlanSummary) -> list[Name]:
    """Return the plan's arms cell by cell, the baseline's second arm after its first."""
    return [
        (cell.driver, replica, cell.path.value, cell.probe, cell.placement.value)
        for cell in plan.cells
        for replica in ((0, 1) if cell.driver == plan.baseline else (0,))
    ]


def _metrics(
    given: Iterable[tuple[*Name, str]],
    names: Iterable[Name],
    declared: dict[str, tuple[str, ...]],
) -> dict[tuple[str, ...], tuple[str, ...]]:
    """Return each cell's metrics in the order of `METRICS`."""
    seen: defaultdict[tuple[str, ...], set[str]] = defaultdict(set)
    for _, _, path, probe, placement, metric in given:
        seen[path, probe, placement].add(metric)
    order = list(METRICS)
    found: dict[tuple[str, ...], tuple[str, ...]] = {}
    for name in names:
        cell = name[2:]
        known = seen[cell] or declared.get(cell[1], ())
        found[cell] = tuple(
            sorted(known, key=lambda m: (order.index(m) if m in order else len(order), m))
        )
    return found


def _outcomes(trials: Trials, rows: NDArray[np.intp]) -> _Outcomes:
    outcomes, reasons = trials.outcome[rows], trials.reason[rows]
    reasons = reasons[reasons.known]
    return _Outcomes(
        failures=int(np.sum(outcomes.equal("failure"))),
        skips=int(np.sum(outcomes.equal("skip"))),
        reasons=tuple(dict.fromkeys(reasons.tolist())),
    )


def _summary(
    name: Name, metric: str, unit: str, outcomes: _Outcomes, values: Floats | None
) -> CellSummary:
    driver, replica, path, probe, placement = name
    quartiles: list[float | None] = [None, None, None]
    if values is not None:
        quartiles = [float(q) for q in np.quantile(values, [0.25, 0.5, 0.75])]
    return CellSummary(
        driver=driver,
        replica=int(replica),
        path=path,
        probe=probe,
        placement=Placement(placement),
        metric=metric,
        unit=unit,
        median=quartiles[1],
        p25=quartiles[0],
        p75=quartiles[2],
        trials=0 if values is None else len(values),
        failures=outcomes.failures,
        skips=outcomes.skips,
        reasons=outcomes.reasons,
    )
