"""Doubts about the machine that a run was measured on: CPUs, clocks, neighbours, states."""

import math
from collections.abc import Iterator
from itertools import pairwise
from typing import Final, cast

import numpy as np
import pandas as pd

from netbench.analysis.model import QualityWarning, State
from netbench.analysis.stats import ALPHA, t_mixture
from netbench.spec import Placement
from netbench.units import BITS_PER_SECOND, PER_SECOND, percent, quantity

STEAL_LIMIT: Final = 0.01
"""Share of CPU time taken by the hypervisor above which a trial is doubted (METHOD §5)."""
MIXED_LIMIT: Final = 0.2
"""Share of trials in which the state changed above which the run is doubted."""
IDLE_LIMIT: Final = 0.05
"""CPU seconds per second of an idle window above which somebody else is at work."""
IDLE_STEP: Final = 0.03
"""The same by which the idle windows before a block and from it on differ where one came or
went: three ticks of 10 ms in a second."""
CLOCK_LIMIT: Final = 1.05
"""Ratio of the clocks of a placement's trials, its 95th to its 5th percentile."""
FOLLOW_LIMIT: Final = 1.05
"""Ratio by which a driver's trials may move the sentinel more than the baseline's do."""


def of_machine(
    trials: pd.DataFrame, states: tuple[State, ...], baseline: str
) -> tuple[QualityWarning, ...]:
    """Return every doubt about the machine; `trials` are all records' rows."""
    samples = trials[trials["outcome"] == "sample"]
    return (
        *_pins(samples),
        *_steal(samples),
        *_clock(samples),
        *_neighbour(trials),
        *_sentinel(samples),
        *_mixed(samples),
        *_states(states),
        *_following(samples, baseline),
    )


def _pins(samples: pd.DataFrame) -> Iterator[QualityWarning]:
    counts = samples["pins"].value_counts()
    if broken := int(counts.get("broken", 0)):
        yield QualityWarning(
            "placement",
            f"{broken} of {len(samples)} trials ran on other CPUs than their placement's",
            "check cpusets and the engine's CPU limits; these trials are of another placement",
        )
    if unread := int(counts.get("unread", 0)):
        yield QualityWarning(
            "placement-unseen",
            f"the CPUs of {unread} of {len(samples)} trials could not be read",
            "run where the tools' /proc/<pid>/status is visible",
        )


def _steal(samples: pd.DataFrame) -> Iterator[QualityWarning]:
    high = samples.loc[samples["steal"] > STEAL_LIMIT, "steal"]
    if len(high):
        yield QualityWarning(
            "steal",
            f"the hypervisor took more than {STEAL_LIMIT:.0%} of CPU time in {len(high)} of "
            f"{len(samples)} trials, at most {high.max():.1%}",
            "run on a quieter or a dedicated machine",
        )


def _clock(samples: pd.DataFrame) -> Iterator[QualityWarning]:
    """Yield placements whose CPUs changed their clock from trial to trial."""
    for placement, rows in samples.dropna(subset=["frequency"]).groupby("placement"):
        low, high = np.percentile(rows["frequency"].to_numpy(np.float64), [5, 95])
        if high > CLOCK_LIMIT * low:
            yield QualityWarning(
                "frequency",
                f"on placement {placement} the CPUs ran at {low / 1e9:.2f} to {high / 1e9:.2f} GHz "
                "(5th and 95th percentile of the trials)",
                "set the governor to performance, and turn turbo off or let the machine cool",
            )


def _neighbour(trials: pd.DataFrame) -> Iterator[QualityWarning]:
    """Yield who else worked: idle windows that were busy, or that changed by a step.

    Every block has one idle window; its figure stands in each of the block's records.
    """
    idle = trials.dropna(subset=["idle_busy"]).groupby("block")["idle_busy"].first().sort_index()
    busy = {int(cast("int", block)) for block in idle.index[idle > IDLE_LIMIT]}
    at = _step(idle.to_numpy(np.float64))
    parts = []
    if busy:
        parts.append(
            f"while nothing of the run worked, the machine was busy with up to {idle.max():.2f} "
            f"CPUs in {_blocks(busy)} of {len(idle)}"
        )
    if at is not None:
        before, after = idle.iloc[:at].median(), idle.iloc[at:].median()
        parts.append(
            f"its idle load went from {before:.2f} to {after:.2f} CPUs at block {idle.index[at]}"
        )
    if parts:
        yield QualityWarning(
            "neighbour",
            "; ".join(parts),
            "find what else runs (top, other guests' cron), stop it, run again; pairs within a "
            "block met it alike, but it widens every interval",
        )


def _step(idle: "np.ndarray[tuple[int], np.dtype[np.float64]]") -> int | None:
    """Return the index from which all windows lie beyond all before, None where there is none.

    Two on each side at least, so that one odd window is none.
    """
    gaps = {
        at: max(
            float(np.min(idle[at:])) - float(np.max(idle[:at])),
            float(np.min(idle[:at])) - float(np.max(idle[at:])),
        )
        for at in range(2, len(idle) - 1)
    }
    best = max(gaps, key=lambda at: gaps[at], default=None)
    return best if best is not None and gaps[best] > IDLE_STEP else None


def _blocks(numbers: set[int]) -> str:
    """Return `block 3`, `blocks 1, 3 and 5 to 8` without the last word's comma."""
    ordered = sorted(numbers)
    starts = [ordered[0], *(b for a, b in pairwise(ordered) if b != a + 1)]
    ends = [*(a for a, b in pairwise(ordered) if b != a + 1), ordered[-1]]
    spans = [f"{a}" if a == b else f"{a} to {b}" for a, b in zip(starts, ends, strict=True)]
    return f"block{'' if len(ordered) == 1 else 's'} {', '.join(spans)}"


def _sentinel(samples: pd.DataFrame) -> Iterator[QualityWarning]:
    for placement, rows in samples.groupby("placement"):
        lost = rows[rows["state"] == "unknown"]
        if len(lost):
            notes = sorted({note for note in lost["note"] if note})
            yield QualityWarning(
                "no-sentinel",
                f"{len(lost)} of {len(rows)} trials of placement {placement} have no state of the "
                f"machine{': ' if notes else ''}{'; '.join(notes)}",
                "only split values can show machine states there: look at the trials by time",
            )


def _mixed(samples: pd.DataFrame) -> Iterator[QualityWarning]:
    mixed = int((samples["state"] == "mixed").sum())
    if len(samples) and mixed > MIXED_LIMIT * len(samples):
        yield QualityWarning(
            "mixed-trials",
            f"the machine changed its state within {mixed} of {len(samples)} trials; "
            "no contrast uses those",
            "run more blocks, or on a machine whose CPUs are not moved about",
        )


def _states(states: tuple[State, ...]) -> Iterator[QualityWarning]:
    for placement in dict.fromkeys(state.placement for state in states):
        found = [state for state in states if state.placement is placement]
        if len(found) > 1:
            told = ", ".join(
                f"{s.name} ({s.trials} trials, sentinel {_reading(s, s.low)} to "
                f"{_reading(s, s.high)})"
                for s in found
            )
            yield QualityWarning(
                "machine-states",
                f"the machine had {len(found)} states on placement {placement}: {told}",
                "each contrast is made within one state and names it; never compare across them",
            )


def _reading(state: State, value: float) -> str:
    """Return a sentinel's figure with its unit, which is that of the placement's method."""
    unit = PER_SECOND if state.placement is Placement.SAME else BITS_PER_SECOND
    return quantity(value, unit)


def _following(samples: pd.DataFrame, baseline: str) -> Iterator[QualityWarning]:
    """Yield drivers whose trials move the sentinel itself, which then favours an arm.

    Conditioning is fair as long as readings tell of the machine alone. Compared is how far the
    reading after a trial lies from the one before it, a driver's mean in a block with the
    baseline's; the interval is that of every contrast, its error rate shared among these.
    """
    both = samples.dropna(subset=["before", "after"])
    moved = both.assign(moved=np.log(both["after"] / both["before"]))
    means = moved.groupby(["placement", "driver", "block"])["moved"].mean()
    found = {(str(placement), str(driver)) for placement, driver, _ in means.index}
    pairs = sorted((p, d) for p, d in found if d != baseline and (p, baseline) in found)
    for placement, driver in pairs:
        deltas = (means[placement, driver] - means[placement, baseline]).dropna()
        interval = t_mixture(deltas.to_numpy(np.float64), ALPHA / len(pairs))
        bounds, mean = interval.bounds, interval.mean
        if bounds is None or mean is None or bounds[0] <= 0 <= bounds[1]:
            continue
        if abs(mean) > math.log(FOLLOW_LIMIT):
            yield QualityWarning(
                "sentinel-follows-driver",
                f"on placement {placement} the sentinel after a trial of {driver} differs by "
                f"{percent(math.exp(mean))} from that after one of {baseline}",
                "its states are then not the machine's alone: trust no contrast of this driver "
                "that is made in one of several states",
            )
