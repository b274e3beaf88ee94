"""Warnings about the machine that a run was measured on: CPUs, clocks, neighbours."""

import math
from collections.abc import Iterator
from itertools import pairwise
from typing import Final

import numpy as np

from netbench.analysis.columns import Column, Floats, Rows, Words, groups
from netbench.analysis.frame import Trials
from netbench.analysis.model import QualityWarning
from netbench.analysis.series import SentinelPoint
from netbench.record import RunInfo
from netbench.spec import Placement
from netbench.units import share

STEAL_LIMIT: Final = 0.01
"""Share of CPU time taken by the hypervisor above which a record is warned of (METHOD §5)."""
IDLE_LIMIT: Final = 0.05
"""CPU seconds per second of an idle window above which somebody else is at work."""
IDLE_STEP: Final = 0.03
"""The same by which the idle windows before a block and from it on differ where one came or
went: three ticks of 10 ms in a second."""
CLOCK_LIMIT: Final = 1.05
"""Ratio of the clocks of a placement's records, its 95th to its 5th percentile."""
_FEWEST: Final = 4
"""Windows that show a step."""


def of_machine(info: RunInfo, trials: Trials, samples: Trials) -> tuple[QualityWarning, ...]:
    """Return every warning about the machine; `samples` are the records with numbers."""
    return (
        *_pins(samples),
        *_steal(samples),
        *_clock(samples),
        *_others(info, trials),
        *_neighbour(trials),
        *_sentinel(samples),
    )


def _pins(samples: Trials) -> Iterator[QualityWarning]:
    if broken := int(np.sum(samples.pins.equal("broken"))):
        yield QualityWarning(
            "placement",
            f"{broken} of {len(samples)} records ran on other CPUs than their placement's",
            "check cpusets and the engine's CPU limits; these records are of another placement",
        )
    if unread := int(np.sum(samples.pins.equal("unread"))):
        yield QualityWarning(
            "placement-unseen",
            f"the CPUs of {unread} of {len(samples)} records could not be read",
            "run where the tools' /proc/<pid>/status is visible",
        )


def _steal(samples: Trials) -> Iterator[QualityWarning]:
    high = samples.steal[samples.steal > STEAL_LIMIT]
    if len(high):
        yield QualityWarning(
            "steal",
            f"the hypervisor took more than {share(STEAL_LIMIT, 0)} of CPU time in {len(high)} of "
            f"{len(samples)} records, at most {share(np.max(high))}",
            "run on a quieter or a dedicated machine",
        )


def _clock(samples: Trials) -> Iterator[QualityWarning]:
    """Yield placements whose CPUs changed their clock between records."""
    read = samples.at(~np.isnan(samples.frequency))
    for (placement,), rows in groups(read.placement):
        low, high = np.percentile(read.frequency[rows], [5, 95])
        if high > CLOCK_LIMIT * low:
            yield QualityWarning(
                "frequency",
                f"on placement {placement} the CPUs ran at {low / 1e9:.2f} to {high / 1e9:.2f} GHz "
                "(5th and 95th percentile of the records)",
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
            "find what else runs (top, other guests' cron), stop it and run again; all arms of a "
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
    """Yield placements that no reading tells of: nothing shows what the machine was like."""
    for (placement,), rows in groups(samples.placement):
        if placement == Placement.NONE.value:
            continue  # pinned to no CPU that could be read
        own = samples.at(rows)
        unread = np.isnan(own.before) & np.isnan(own.after)
        if unread.any():
            notes = [note for note in own.note[unread].seen if note]
            yield QualityWarning(
                "no-sentinel",
                f"{int(np.sum(unread))} of {len(own)} records of placement {placement} have no "
                f"sentinel reading{': ' if notes else ''}{'; '.join(notes)}",
                "ratios stand; do not compare absolute figures with those of another run",
            )


def readings(trials: Trials) -> Rows[SentinelPoint]:
    """Return every usable reading, by time from the run's first one.

    All sessions of a probe in one block share its readings; each stands here once, with the first
    of their records.
    """
    value = np.concatenate((trials.before, trials.after))
    at = np.concatenate((trials.before_at, trials.after_at))
    known = ~np.isnan(at + value)
    placement = np.tile(trials.placement.codes, 2)
    record = np.tile(trials.record, 2)
    columns: dict[str, Column] = {
        "record": record,
        "driver": Words(np.tile(trials.driver.codes, 2), trials.driver.names),
        "placement": Words(placement, tuple(map(Placement, trials.placement.names))),
        "at": at - np.min(at, initial=math.inf, where=known),
        "value": value,
        "when": Words(np.repeat(np.array([1, 0], np.int32), len(trials)), ("after", "before")),
    }
    order = np.lexsort((record, value, placement, at))
    order = order[known[order]]
    first = np.ones(len(order), np.bool_)
    first[1:] = False
    for column in (at, placement, value):
        first[1:] |= column[order][1:] != column[order][:-1]
    return Rows(SentinelPoint, columns).at(order[first])
