"""Absolute figures: every trial of every cell, whatever its state, with what gave no number."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Final, cast

import pandas as pd

from netbench.analysis.family import declared
from netbench.analysis.frame import ARM, CELL
from netbench.analysis.model import CellSummary, TrialPoint
from netbench.analysis.saturation import METRIC, Name
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
    trials: pd.DataFrame, values: pd.DataFrame, plan: PlanSummary, used_up: Mapping[Name, str]
) -> tuple[CellSummary, ...]:
    """Return one summary for each arm, cell and metric, planned or seen.

    An arm without samples gets the metrics that other arms gave in that cell, and where none did
    those that the probe declares.
    """
    groups = trials.groupby([*ARM, *CELL])
    outcomes = {cast("Name", name): _outcomes(rows) for name, rows in groups}
    planned = _planned(plan)
    names = dict.fromkeys([*planned, *sorted(outcomes.keys() - set(planned))])
    numbers = values.groupby([*ARM, *CELL, "metric"])
    given = {cast("tuple[*Name, str]", key): rows for key, rows in numbers}
    absent = _Outcomes(0, 0, (NOT_REACHED,))
    metrics = _metrics(values, names, declared(plan))
    units = {name: metric.unit for name, metric in METRICS.items()}
    units |= dict(zip(values["metric"], values["unit"], strict=True))
    return tuple(
        replace(
            _summary(
                name, metric, units[metric], outcomes.get(name, absent), given.get((*name, metric))
            ),
            saturated=used_up.get(name, "") if metric == METRIC else "",
        )
        for name in names
        for metric in metrics[name[2:]]
    )


def points(values: pd.DataFrame) -> tuple[TrialPoint, ...]:
    """Return every value of every trial, in record order."""
    columns = ["record", "block", "position", *ARM, *CELL, "metric", "unit", "value", "state"]
    places = {placement.value: placement for placement in Placement}
    return tuple(
        TrialPoint(
            record=record,
            block=block,
            position=position,
            driver=driver,
            replica=replica,
            path=path,
            probe=probe,
            placement=places[placement],
            metric=metric,
            unit=unit,
            value=value,
            state=state,
        )
        for (
            record,
            block,
            position,
            driver,
            replica,
            path,
            probe,
            placement,
            metric,
            unit,
            value,
            state,
        ) in zip(*(values[column].tolist() for column in columns), strict=True)
    )


def _planned(plan: PlanSummary) -> list[Name]:
    """Return the plan's arms cell by cell, the baseline's second arm after its first."""
    return [
        (cell.driver, replica, cell.path.value, cell.probe, cell.placement.value)
        for cell in plan.cells
        for replica in ((0, 1) if cell.driver == plan.baseline else (0,))
    ]


def _metrics(
    values: pd.DataFrame, names: Iterable[Name], declared: dict[str, tuple[str, ...]]
) -> dict[tuple[str, ...], tuple[str, ...]]:
    """Return each cell's metrics in the order of `METRICS`."""
    given = values.groupby(CELL)["metric"].unique()
    order = list(METRICS)
    found: dict[tuple[str, ...], tuple[str, ...]] = {}
    for name in names:
        cell = name[2:]
        known = tuple(given[cell]) if cell in given.index else declared.get(cell[1], ())
        found[cell] = tuple(
            sorted(known, key=lambda m: (order.index(m) if m in order else len(order), m))
        )
    return found


def _outcomes(rows: pd.DataFrame) -> _Outcomes:
    return _Outcomes(
        failures=int((rows["outcome"] == "failure").sum()),
        skips=int((rows["outcome"] == "skip").sum()),
        reasons=tuple(dict.fromkeys(rows["reason"].dropna())),
    )


def _summary(
    name: Name, metric: str, unit: str, outcomes: _Outcomes, rows: pd.DataFrame | None
) -> CellSummary:
    driver, replica, path, probe, placement = name
    quartiles: list[float | None] = [None, None, None]
    if rows is not None:
        quartiles = [float(q) for q in rows["value"].quantile([0.25, 0.5, 0.75])]
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
        trials=0 if rows is None else len(rows),
        failures=outcomes.failures,
        skips=outcomes.skips,
        reasons=outcomes.reasons,
    )
