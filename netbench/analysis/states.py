"""Machine states of a run: every placement's sentinel readings under the rule of METHOD §1b."""

from typing import Final, cast

import pandas as pd

from netbench.analysis.frame import Frames
from netbench.analysis.model import SentinelPoint, State
from netbench.sentinel.rule import split, state_between, state_of
from netbench.spec import Placement

PREFERENCE: Final = ("near", "single", "far", "unknown")
"""States a contrast can be made in, the one to head it first. `mixed` is none of them."""


def thresholds(trials: pd.DataFrame) -> dict[str, float | None]:
    """Return each placement's threshold between its two states, None where there is one state.

    All readings of the placement count, before and after, whatever became of the trial.
    """
    return {
        str(placement): split(pd.concat([group["before"], group["after"]]).dropna())
        for placement, group in trials.groupby("placement")
    }


def assign(frames: Frames, found: dict[str, float | None]) -> Frames:
    """Return the frames with a column `state` on each row."""
    trials = frames.trials
    states = [
        state_between(_known(before), _known(after), found[placement])
        for placement, before, after in zip(
            trials["placement"], trials["before"], trials["after"], strict=True
        )
    ]
    state = pd.Series(states, index=trials.index, dtype=object)
    return Frames(
        trials=trials.assign(state=state),
        numbers=frames.numbers.assign(state=frames.numbers["row"].map(state)),
    )


def describe(trials: pd.DataFrame, found: dict[str, float | None]) -> tuple[State, ...]:
    """Return every state that was seen; none for a placement without readings."""
    seen: list[State] = []
    for placement, threshold in found.items():
        rows = trials[trials["placement"] == placement]
        readings = pd.concat([rows["before"], rows["after"]]).dropna()
        names = [state_of(value, threshold) for value in readings]
        ranges = readings.groupby(pd.Series(names, index=readings.index, dtype=object))
        low, high = ranges.min(), ranges.max()
        seen.extend(
            State(
                placement=Placement(placement),
                name=name,
                low=float(low[name]),
                high=float(high[name]),
                trials=int((rows["state"] == name).sum()),
            )
            for name in PREFERENCE
            if name in low.index
        )
    return tuple(seen)


def timeline(trials: pd.DataFrame, found: dict[str, float | None]) -> tuple[SentinelPoint, ...]:
    """Return every reading with its state, by time from the run's first reading."""
    parts = [
        trials[["record", "placement"]].assign(
            when=when, value=trials[when], at=trials[f"{when}_at"]
        )
        for when in ("before", "after")
    ]
    readings = pd.concat(parts).dropna(subset=["value", "at"])
    if readings.empty:
        return ()
    readings = readings.sort_values(["at", "record"], kind="stable")
    start = readings["at"].iloc[0]
    return tuple(
        SentinelPoint(
            record=int(record),
            placement=Placement(placement),
            at=float(at - start),
            value=float(value),
            when=str(when),
            state=state_of(value, found[placement]),
        )
        for record, placement, when, value, at in readings.itertuples(index=False)
    )


def _known(value: object) -> float | None:
    return None if pd.isna(cast("float", value)) else cast("float", value)
