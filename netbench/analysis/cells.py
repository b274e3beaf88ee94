"""Absolute figures: every session or trial of every cell, with what gave no number."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

import numpy as np

from netbench.analysis.block_pairs import Key, grouped, position
from netbench.analysis.frame import Frames, Trial
from netbench.analysis.model import CellSummary, TrialPoint
from netbench.analysis.multiplicity import declared
from netbench.record import METRICS, PlanSummary
from netbench.spec import Place

NOT_REACHED: Final = "not reached before the run ended"

REASONS: Final = 20  # distinct reasons of one cell that are named


def summarise(
    frames: Frames, plan: PlanSummary, used_up: Mapping[tuple[str, int, Key], str]
) -> tuple[CellSummary, ...]:
    """Return one summary for each arm, cell and metric, planned or seen.

    An arm without samples gets the metrics that other arms gave in that cell, and where none did
    those that the probe declares.
    """
    trials = grouped(((t.cell.driver, t.replica, t.cell.place), t) for t in frames.trials)
    seen: defaultdict[Place, set[str]] = defaultdict(set)
    units = {name: metric.unit for name, metric in METRICS.items()}
    for key, observed in frames.values.items():
        seen[key.place].add(key.metric)
        units[key.metric] = next(iter(observed.values()))[0].unit
    metrics, order = declared(plan), list(METRICS)
    planned = [
        (cell.driver, replica, cell.place)
        for cell in plan.cells
        for replica in range(1 + (cell.driver == plan.baseline))
    ]
    found = []
    for driver, replica, place in dict.fromkeys([*planned, *sorted(trials.keys() - {*planned})]):
        names = seen[place] or metrics.get(place[1], ())
        for metric in sorted(names, key=lambda name: (position(name, order), name)):
            key = Key(*place, metric)
            summary = _summary(
                key,
                (driver, replica),
                units[metric],
                trials.get((driver, replica, place)),
                frames.values.get(key, {}).get((driver, replica), ()),
            )
            found.append(replace(summary, saturated=used_up.get((driver, replica, key), "")))
    return tuple(found)


def _summary(
    key: Key,
    arm: tuple[str, int],
    unit: str,
    trials: Sequence[Trial] | None,
    points: Sequence[TrialPoint],
) -> CellSummary:
    quartiles: Sequence[float | None] = (None, None, None)
    if points:
        quartiles = np.quantile([point.value for point in points], [0.25, 0.5, 0.75]).tolist()
    outcomes = [trial.outcome for trial in trials or ()]
    reasons = [trial.reason for trial in trials or () if trial.reason is not None]
    return CellSummary(
        arm[0],
        arm[1],
        *key,
        unit=unit,
        median=quartiles[1],
        p25=quartiles[0],
        p75=quartiles[2],
        trials=len(points),
        failures=outcomes.count("failure"),
        skips=outcomes.count("skip"),
        reasons=(NOT_REACHED,) if trials is None else _distinct(reasons),
    )


def _distinct(reasons: Sequence[str]) -> tuple[str, ...]:
    """Return each reason once; of very many the first."""
    found = tuple(dict.fromkeys(reasons))
    more = len(found) - REASONS
    return (*found[:REASONS], f"and {more} other reasons") if more > 0 else found
