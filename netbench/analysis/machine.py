"""Doubts about the machine that a run was measured on: CPUs, clocks, neighbours, states."""

import math
from collections.abc import Iterator
from itertools import pairwise
from typing import Final

import numpy as np

from netbench.analysis.columns import Floats, Wholes, groups
from netbench.analysis.frame import Trials
from netbench.analysis.model import QualityWarning, State
from netbench.analysis.stats import ALPHA, t_mixture
from netbench.record import RunInfo
from netbench.spec import Placement
from netbench.units import BITS_PER_SECOND, PER_SECOND, percent, quantity, share

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
_FEWEST: Final = 4
"""Windows that show a step."""
FOLLOW_LIMIT: Final = 1.05
"""Ratio by which a driver's trials may move the sentinel more than the baseline's do."""


def of_machine(
    info: RunInfo, trials: Trials, samples: Trials, states: tuple[State, ...]
) -> tuple[QualityWarning, ...]:
    """Return every doubt about the machine; `samples` are those of the trials with numbers."""
    return (
        *_pins(samples),
        *_steal(samples),
        *_clock(samples),
        *_others(info, trials),
        *_neighbour(trials),
        *_sentinel(samples),
        *_mixed(samples),
        *_states(states),
        *_following(samples, info.plan.baseline),
    )


def _pins(samples: Trials) -> Iterator[QualityWarning]:
    if broken := int(np.sum(samples.pins.equal("broken"))):
        yield QualityWarning(
            "placement",
            f"{broken} of {len(samples)} trials ran on other CPUs than their placement's",
            "check cpusets and the engine's CPU limits; these trials are of another placement",
        )
    if unread := int(np.sum(samples.pins.equal("unread"))):
        yield QualityWarning(
            "placement-unseen",
            f"the CPUs of {unread} of {len(samples)} trials could not be read",
            "run where the tools' /proc/<pid>/status is visible",
        )


def _steal(samples: Trials) -> Iterator[QualityWarning]:
    high = samples.steal[samples.steal > STEAL_LIMIT]
    if len(high):
        yield QualityWarning(
            "steal",
            f"the hypervisor took more than {share(STEAL_LIMIT, 0)} of CPU time in {len(high)} of "
            f"{len(samples)} trials, at most {share(np.max(high))}",
            "run on a quieter or a dedicated machine",
        )


def _clock(samples: Trials) -> Iterator[QualityWarning]:
    """Yield placements whose CPUs changed their clock from trial to trial."""
    read = samples.at(~np.isnan(samples.frequency))
    for (placement,), rows in groups(read.placement):
        low, high = np.percentile(read.frequency[rows], [5, 95])
        if high > CLOCK_LIMIT * low:
            yield QualityWarning(
                "frequency",
                f"on placement {placement} the CPUs ran at {low / 1e9:.2f} to {high / 1e9:.2f} GHz "
                "(5th and 95th percentile of the trials)",
                "set the governor to performance, and turn turbo off or let the machine cool",
            )


def _others(info: RunInfo, trials: Trials) -> Iterator[QualityWarning]:
    """Yield each netbench that measured meanwhile, with what the machine did in idle windows."""
    for other in info.others:
        idle = trials.idle_busy[np.isin(trials.block, other.blocks) & ~np.isnan(trials.idle_busy)]
        load = (
            ""
            if not len(idle)
            else (f"; while nothing of this run worked, up to {np.max(idle):.2f} CPUs were busy")
        )
        yield QualityWarning(
            "another-run",
            f"another netbench (run {other.id}) was at work here in {_blocks({*other.blocks})}"
            f"{load}",
            "each disturbs the other: run them one after the other",
        )


def _neighbour(trials: Trials) -> Iterator[QualityWarning]:
    """Yield who else worked: idle windows that were busy, or that changed by a step.

    Every block has one idle window; its figure stands in each of the block's records.
    """
    read = trials.at(~np.isnan(trials.idle_busy))
    blocks, first = np.unique(read.block, return_index=True)
    idle = read.idle_busy[first]
    busy = set(blocks[idle > IDLE_LIMIT].tolist())
    at = _step(idle)
    parts = []
    if busy:
        parts.append(
            f"while nothing of the run worked, the machine was busy with up to {np.max(idle):.2f} "
            f"CPUs in {_blocks(busy)} of {len(idle)}"
        )
    if at is not None:
        before, after = np.median(idle[:at]), np.median(idle[at:])
        parts.append(
            f"its idle load went from {before:.2f} to {after:.2f} CPUs at block {blocks[at]}"
        )
    if parts:
        yield QualityWarning(
            "neighbour",
            "; ".join(parts),
            "find what else runs (top, other guests' cron), stop it, run again; pairs within a "
            "block met it alike, but it widens every interval",
        )


def _step(idle: Floats) -> int | None:
    """Return the index from which all windows lie beyond all before, None where there is none.

    Two on each side at least, so that one odd window is none.
    """
    if len(idle) < _FEWEST:
        return None
    highest, lowest = np.maximum.accumulate(idle)[:-1], np.minimum.accumulate(idle)[:-1]
    later = idle[::-1]
    then_lowest = np.minimum.accumulate(later)[::-1][1:]
    then_highest = np.maximum.accumulate(later)[::-1][1:]
    gaps = np.maximum(then_lowest - highest, lowest - then_highest)[1:-1]
    best = int(np.argmax(gaps))
    return best + 2 if gaps[best] > IDLE_STEP else None


def _blocks(numbers: set[int]) -> str:
    """Return `block 3`, `blocks 1, 3 and 5 to 8` without the last word's comma."""
    ordered = sorted(numbers)
    starts = [ordered[0], *(b for a, b in pairwise(ordered) if b != a + 1)]
    ends = [*(a for a, b in pairwise(ordered) if b != a + 1), ordered[-1]]
    spans = [f"{a}" if a == b else f"{a} to {b}" for a, b in zip(starts, ends, strict=True)]
    return f"block{'' if len(ordered) == 1 else 's'} {', '.join(spans)}"


def _sentinel(samples: Trials) -> Iterator[QualityWarning]:
    for (placement,), rows in groups(samples.placement):
        lost = samples.note[rows][samples.state[rows].equal("unknown")]
        if len(lost):
            notes = [note for note in lost.seen if note]
            yield QualityWarning(
                "no-sentinel",
                f"{len(lost)} of {len(rows)} trials of placement {placement} have no state of the "
                f"machine{': ' if notes else ''}{'; '.join(notes)}",
                "only split values can show machine states there: look at the trials by time",
            )


def _mixed(samples: Trials) -> Iterator[QualityWarning]:
    mixed = int(np.sum(samples.state.equal("mixed")))
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


def _following(samples: Trials, baseline: str) -> Iterator[QualityWarning]:
    """Yield drivers whose trials move the sentinel itself, which then favours an arm.

    Conditioning is fair as long as readings tell of the machine alone. Compared is how far the
    reading after a trial lies from the one before it, a driver's mean in a block with the
    baseline's; the interval is that of every contrast, its error rate shared among these.
    """
    both = samples.at(~np.isnan(samples.before + samples.after))
    moved = np.log(both.after / both.before)
    means: dict[tuple[str, str], tuple[Wholes, Floats]] = {}
    for (placement, driver), rows in groups(both.placement, both.driver):
        blocks, place = np.unique(both.block[rows], return_inverse=True)
        means[placement, driver] = blocks, np.bincount(place, moved[rows]) / np.bincount(place)
    pairs = sorted((p, d) for p, d in means if d != baseline and (p, baseline) in means)
    for placement, driver in pairs:
        (own, mine), (other, theirs) = means[placement, driver], means[placement, baseline]
        _, left, right = np.intersect1d(own, other, assume_unique=True, return_indices=True)
        interval = t_mixture(mine[left] - theirs[right], ALPHA / len(pairs))
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
