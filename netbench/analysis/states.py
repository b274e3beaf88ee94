"""Machine states of a run: every placement's sentinel readings under the rule of METHOD §1b."""

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from netbench.analysis.columns import Column, Floats, Rows, Words, groups
from netbench.analysis.frame import Frames, Trials
from netbench.analysis.model import State
from netbench.analysis.points import SentinelPoint
from netbench.sentinel.rule import SPLIT_RATIO, split
from netbench.spec import Placement

PREFERENCE: Final = ("near", "single", "far", "unknown")
"""States a contrast can be made in, the one to head it first. `mixed` is none of them."""
STATES: Final = ("far", "mixed", "near", "single", "unknown")
"""Every state of a trial; a column of them holds indices in here."""
FAR, MIXED, NEAR, SINGLE, UNKNOWN = range(len(STATES))

Thresholds = Mapping[str, float | None]
"""The threshold between two states by placement, None where there is one state."""


def thresholds(trials: Trials) -> Thresholds:
    """Return each placement's threshold.

    All readings of the placement count, before and after, whatever became of the trial.
    """
    return {
        str(placement): split(np.sort(_readings(trials.at(rows))).tolist())
        for (placement,), rows in groups(trials.placement)
    }


def _readings(trials: Trials) -> Floats:
    found = np.concatenate((trials.before, trials.after))
    return found[~np.isnan(found)]


def between(before: Floats, after: Floats, threshold: float | None) -> NDArray[np.int32]:
    """Return the state of each trial by the readings around it: `rule.state_between` of each."""
    with np.errstate(invalid="ignore"):
        mixed = np.maximum(before, after) > SPLIT_RATIO * np.minimum(before, after)
        first, last = reading_states(before, threshold), reading_states(after, threshold)
    state = np.where(mixed | (first != last), MIXED, first)
    return np.where(np.isnan(before) | np.isnan(after), UNKNOWN, state).astype(np.int32)


def reading_states(values: Floats, threshold: float | None) -> NDArray[np.int32]:
    """Return the state of each reading: `rule.state_of` of each."""
    if threshold is None:
        return np.full(len(values), SINGLE, np.int32)
    return np.where(values >= threshold, NEAR, FAR).astype(np.int32)


def assign(frames: Frames) -> Frames:
    """Return the frames with the state of each trial, and the thresholds between states."""
    trials, found = frames.trials, thresholds(frames.trials)
    codes = np.full(len(trials), UNKNOWN, np.int32)
    for (placement,), rows in groups(trials.placement):
        codes[rows] = between(trials.before[rows], trials.after[rows], found[placement])
    stated = replace(trials, state=Words(codes, STATES))
    return replace(frames, trials=stated, thresholds=found)


def describe(trials: Trials, found: Thresholds) -> tuple[State, ...]:
    """Return every state that was seen; none for a placement without readings."""
    seen: list[State] = []
    for placement, threshold in found.items():
        rows = trials.at(trials.placement.equal(placement))
        readings = _readings(rows)
        codes = reading_states(readings, threshold)
        for name in PREFERENCE:
            own = readings[codes == STATES.index(name)]
            if len(own):
                seen.append(
                    State(
                        placement=Placement(placement),
                        name=name,
                        low=float(np.min(own)),
                        high=float(np.max(own)),
                        trials=int(np.sum(rows.state.equal(name))),
                    )
                )
    return tuple(seen)


def timeline(trials: Trials, found: Thresholds) -> Rows[SentinelPoint]:
    """Return every reading with its state, by time from the run's first reading."""
    value = np.concatenate((trials.before, trials.after))
    at = np.concatenate((trials.before_at, trials.after_at))
    known = ~np.isnan(at + value)
    placement = Words(
        np.tile(trials.placement.codes, 2), tuple(map(Placement, trials.placement.names))
    )
    state = np.full(len(value), SINGLE, np.int32)
    for (where,), rows in groups(placement):
        state[rows] = reading_states(value[rows], found[where])
    record = np.tile(trials.record, 2)
    columns: dict[str, Column] = {
        "record": record,
        "driver": Words(np.tile(trials.driver.codes, 2), trials.driver.names),
        "placement": placement,
        "at": at - np.min(at, initial=math.inf, where=known),
        "value": value,
        "when": Words(np.repeat(np.array([1, 0], np.int32), len(trials)), ("after", "before")),
        "state": Words(state, STATES),
    }
    order = np.lexsort((record, at))
    return Rows(SentinelPoint, columns).at(order[known[order]])
