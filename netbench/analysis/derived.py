"""Values that no tool prints: computed from two records of one arm and block."""

from collections.abc import Collection
from dataclasses import replace
from typing import Final

import numpy as np

from netbench.analysis.columns import words
from netbench.analysis.frame import Frames, MetricValues
from netbench.probes import LoadedRoundTrip, TcpRoundTrip
from netbench.record import METRICS, PlanSummary

_OF: Final = "rtt_p50"
BUFFER_DELAY: Final = METRICS["buffer_delay"]


def with_buffer_delay(frames: Frames, plan: PlanSummary) -> Frames:
    """Return the frames with what a load adds to the round-trip time, for each loaded trial.

    Loaded over idle median, less 1: the buffer delay of RFC 6349 §4.3, which takes averages. The
    idle figure is that of the same arm's probe without a load, of the same message size, in the
    same attempt at the same block, placement and path; where there is none, there is no such value.
    """
    idle_of = idle_probes(plan)
    if not idle_of:
        return frames
    first = _first_of_each(frames, {*idle_of, *idle_of.values()})
    rows, delays = [], []
    for (probe, *where), (row, value) in first.items():
        _, without = first.get((idle_of.get(str(probe)), *where), (0, None))
        if without is not None:
            rows.append(row)
            delays.append(value / without - 1)
    if not rows:
        return frames
    numbers = frames.numbers
    whole = MetricValues(
        np.concatenate((numbers.row, np.array(rows, np.intp))),
        words([*numbers.metric.tolist(), *([BUFFER_DELAY.name] * len(rows))]),
        words([*numbers.unit.tolist(), *([BUFFER_DELAY.unit] * len(rows))]),
        np.concatenate((numbers.value, np.array(delays, np.float64))),
    )
    return replace(frames, numbers=whole.at(np.lexsort((whole.metric.codes, whole.row))))


def _first_of_each(
    frames: Frames, probes: Collection[str]
) -> dict[tuple[object, ...], tuple[int, float]]:
    """Return row and value of the first median of each of these probes in each place.

    By probe, path, placement, driver, replica, block and attempt.
    """
    numbers = frames.numbers.at(frames.numbers.metric.equal(_OF))
    trials = frames.trials.at(numbers.row)
    wanted = np.flatnonzero(trials.probe.among(probes))
    wanted = wanted[np.argsort(trials.record[wanted], kind="stable")]
    own = trials.at(wanted)
    columns = (own.probe, own.path, own.placement, own.driver, own.replica, own.block, own.attempt)
    found: dict[tuple[object, ...], tuple[int, float]] = {}
    for *place, row, value in zip(
        *(column.tolist() for column in columns),
        numbers.row[wanted].tolist(),
        numbers.value[wanted].tolist(),
        strict=True,
    ):
        found.setdefault(tuple(place), (row, value))
    return found


def idle_probes(plan: PlanSummary) -> dict[str, str]:
    """Return the name of the idle probe by that of the loaded one; the first of equal size."""

    def sizes(kind: str) -> dict[str, object]:
        return {p.name: dict(p.parameters).get("size") for p in plan.probes if p.kind == kind}

    idle: dict[object, str] = {}
    for name, size in sizes(TcpRoundTrip.name).items():
        idle.setdefault(size, name)
    loaded = sizes(LoadedRoundTrip.name).items()
    return {name: idle[size] for name, size in loaded if size in idle}
