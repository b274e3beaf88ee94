"""Values that no tool prints: computed from two trials of one arm, block and machine state."""

from typing import Final

import pandas as pd

from netbench.analysis.frame import ARM, CELL, Frames
from netbench.analysis.states import PREFERENCE
from netbench.probes import LoadedRoundTrip, TcpRoundTrip
from netbench.record import METRICS, PlanSummary

_OF: Final = "rtt_p50"
BUFFER_DELAY: Final = METRICS["buffer_delay"]
_PAIR: Final = ["block", "state"]
_PLACE: Final = [column for column in CELL if column != "probe"]
"""Columns that a loaded cell shares with its idle one."""


def with_buffer_delay(frames: Frames, plan: PlanSummary) -> Frames:
    """Return the frames with what a load adds to the round-trip time, for each loaded trial.

    Loaded over idle median, less 1: the buffer delay of RFC 6349 §4.3, which takes averages. The
    idle figure is that of the same arm's probe without a load, of the same message size, in the
    same block, placement, path and machine state; where there is none, there is no such value.
    """
    idle_of = _idle_probes(plan)
    found = frames.numbers
    found = found[(found["metric"] == _OF) & found["state"].isin(PREFERENCE)]
    found = found.sort_values(["attempt", "record"], kind="stable")
    found = found.drop_duplicates([*CELL, *ARM, *_PAIR])
    loaded = found[found["probe"].isin(idle_of)]
    if loaded.empty:
        return frames
    loaded = loaded.assign(idle=loaded["probe"].map(idle_of))
    share = [*_PLACE, *ARM, *_PAIR]
    idle = found[[*share, "probe", "value"]].rename(columns={"probe": "idle", "value": "without"})
    both = loaded.merge(idle, on=[*share, "idle"])
    if both.empty:
        return frames
    delays = both.assign(
        metric=BUFFER_DELAY.name, unit=BUFFER_DELAY.unit, value=both["value"] / both["without"] - 1
    )
    numbers = pd.concat([frames.numbers, delays[list(frames.numbers.columns)]])
    order = ["record", "block", "position", "metric"]
    return Frames(
        trials=frames.trials,
        numbers=numbers.sort_values(order, kind="stable", ignore_index=True),
    )


def _idle_probes(plan: PlanSummary) -> dict[str, str]:
    """Return the name of the idle probe by that of the loaded one; the first of equal size."""

    def sizes(kind: str) -> dict[str, object]:
        return {p.name: dict(p.parameters).get("size") for p in plan.probes if p.kind == kind}

    idle: dict[object, str] = {}
    for name, size in sizes(TcpRoundTrip.name).items():
        idle.setdefault(size, name)
    loaded = sizes(LoadedRoundTrip.name).items()
    return {name: idle[size] for name, size in loaded if size in idle}
