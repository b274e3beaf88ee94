"""Warnings about the machine that a run was measured on: CPUs, clocks, neighbours, drift."""

import math
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Final

import numpy as np

from netbench.analysis.block_pairs import both, grouped, joined
from netbench.analysis.frame import Frames, Trial
from netbench.analysis.model import QualityWarning, SentinelPoint
from netbench.analysis.stats import Floats, correlation
from netbench.record import METRICS, PlanSummary, RunInfo
from netbench.spec import Placement
from netbench.units import numbered, percent, share

STEAL_LIMIT: Final = 0.01  # share of CPU time taken by the hypervisor that is too much (METHOD §5)
IDLE_LIMIT: Final = 0.05  # CPU seconds per second of an idle window that somebody else uses
IDLE_STEP: Final = 0.03  # the same by which windows before and after differ: 3 ticks of 10 ms
CLOCK_LIMIT: Final = 1.05  # 95th to 5th percentile of a placement's clocks, as a ratio
_FEWEST: Final = 4


def of_machine(info: RunInfo, frames: Frames) -> tuple[QualityWarning, ...]:
    """Return every warning about the machine, drift aside."""
    samples = frames.samples
    return (
        *_pins(samples),
        *_steal(samples),
        *_clock(samples),
        *_others(info, frames.trials),
        *_neighbour(frames.trials),
        *_sentinel(samples),
    )


def _pins(samples: list[Trial]) -> Iterator[QualityWarning]:
    pins = Counter(trial.pins for trial in samples)
    if pins["broken"]:
        yield QualityWarning(
            "placement",
            f"{pins['broken']} of {len(samples)} records ran on other CPUs than their placement's",
            "check cpusets and the engine's CPU limits; these records are of another placement",
        )
    if pins["unread"]:
        yield QualityWarning(
            "placement-unseen",
            f"the CPUs of {pins['unread']} of {len(samples)} records could not be read",
            "run where the tools' /proc/<pid>/status is visible",
        )


def _steal(samples: list[Trial]) -> Iterator[QualityWarning]:
    high = [t.steal for t in samples if t.steal is not None and t.steal > STEAL_LIMIT]
    if high:
        yield QualityWarning(
            "steal",
            f"the hypervisor took more than {share(STEAL_LIMIT, 0)} of CPU time in {len(high)} of "
            f"{len(samples)} records, at most {share(max(high))}",
            "use a host with pinned vCPUs, or one of your own",
        )


def _by_placement(trials: Iterable[Trial]) -> list[tuple[Placement, list[Trial]]]:
    return sorted(grouped((trial.cell.placement, trial) for trial in trials).items())


def _clock(samples: list[Trial]) -> Iterator[QualityWarning]:
    for placement, own in _by_placement(samples):
        clocks = [trial.frequency for trial in own if trial.frequency is not None]
        low, high = np.percentile(clocks, [5, 95]) if clocks else (0.0, 0.0)
        if high > CLOCK_LIMIT * low:
            yield QualityWarning(
                "frequency",
                f"on placement {placement} the CPUs ran at {low / 1e9:.2f} to {high / 1e9:.2f} GHz "
                "(5th and 95th percentile of the records)",
                "set the governor to performance, and turn turbo off or let the machine cool",
            )


def _others(info: RunInfo, trials: Iterable[Trial]) -> Iterator[QualityWarning]:
    for other in info.others:
        blocks = sorted({*other.blocks})
        idle = [t.idle_busy for t in trials if t.idle_busy is not None and t.block in blocks]
        most = max(idle, default=0.0)
        load = f"; while nothing of this run worked, up to {most:.2f} CPUs were busy"

        yield QualityWarning(
            "another-run",
            f"another netbench (run {other.id}) was at work here in "
            f"{numbered('block', blocks)}{load if idle else ''}",
            "each disturbs the other: run them one after the other",
        )


def _neighbour(trials: Iterable[Trial]) -> Iterator[QualityWarning]:
    """Yield who else worked, by each block's idle window: busy ones, or a step between them."""
    found: dict[int, float] = {}
    for trial in sorted(trials, key=lambda trial: trial.block):
        if trial.idle_busy is not None:
            found.setdefault(trial.block, trial.idle_busy)
    blocks, idle = list(found), np.array(list(found.values()), np.float64)
    busy = [block for block, load in found.items() if load > IDLE_LIMIT]
    at = _step(idle)
    parts = []
    if busy:
        parts.append(
            f"while nothing of the run worked, the machine was busy with up to {np.max(idle):.2f} "
            f"CPUs in {numbered('block', busy)} of {len(idle)}"
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
    """Return the index from which all windows lie beyond all before; two at least on each side."""
    if len(idle) < _FEWEST:
        return None
    highest, lowest = np.maximum.accumulate(idle)[:-1], np.minimum.accumulate(idle)[:-1]
    later = idle[::-1]
    then_lowest = np.minimum.accumulate(later)[::-1][1:]
    then_highest = np.maximum.accumulate(later)[::-1][1:]
    gaps = np.maximum(then_lowest - highest, lowest - then_highest)[1:-1]
    best = int(np.argmax(gaps))
    return best + 2 if gaps[best] > IDLE_STEP else None


def _sentinel(samples: list[Trial]) -> Iterator[QualityWarning]:
    for placement, own in _by_placement(samples):
        if placement is Placement.NONE:
            continue  # pinned to no CPU that could be read
        unread = [trial.note for trial in own if trial.before is None and trial.after is None]
        if unread:
            notes = sorted({note for note in unread if note})
            yield QualityWarning(
                "no-sentinel",
                f"{len(unread)} of {len(own)} records of placement {placement} have no "
                f"sentinel reading{': ' if notes else ''}{'; '.join(notes)}",
                "ratios stand; do not compare absolute figures with those of another run",
            )


def readings(trials: Iterable[Trial]) -> tuple[SentinelPoint, ...]:
    """Return every usable reading once, with its time since the first, and its first record."""
    found = sorted(
        (reading.at, trial.cell.placement, reading.value, trial.record, -number, trial.cell.driver)
        for trial in trials
        for number, reading in enumerate((trial.after, trial.before))
        if reading is not None
    )
    first: dict[tuple[float, Placement, float], SentinelPoint] = {}
    for at, placement, value, record, number, driver in found:
        when = "before" if number else "after"
        point = SentinelPoint(record, driver, placement, at - found[0][0], value, when)
        first.setdefault((at, placement, value), point)
    return tuple(first.values())


def drifts(frames: Frames, plan: PlanSummary) -> Iterator[QualityWarning]:
    """Yield the primary cells whose baseline moved over the blocks by more than the margin.

    It moved if its mean logarithm in each block correlates with the block's number
    (`stats.correlation`) and the straight line through it rises or falls by more than the margin;
    by a step if two levels leave less than the line does. It cancels in the ratios.
    """
    for key, observed in frames.values.items():
        if not METRICS[key.metric].primary:
            continue
        own = both(observed, plan.baseline)
        series = joined(own, own)
        blocks, logs = np.array(series.blocks, np.float64), np.log(series.driver)
        if how := moved(blocks, logs, plan.margin):
            yield QualityWarning(
                "drift",
                f"{plan.baseline} itself moved in {key.probe} on placement {key.placement}, "
                f"{key.path}: {how}",
                "it cancels in the ratios, since all arms of a block share it; do not compare "
                "absolute figures, and let the machine settle before a run",
            )


def moved(blocks: Floats, logs: Floats, margin: float) -> str | None:
    """Return in words how a series of logarithms moved over the blocks, None if it did not."""
    if correlation(logs, blocks) is None:
        return None
    slope, start = np.polyfit(blocks, logs, 1)
    change = float(slope * (blocks[-1] - blocks[0]))
    if abs(change) <= math.log1p(margin):
        return None
    line = float(np.sum((logs - slope * blocks - start) ** 2))
    # The squares left around two levels, by where the second one begins.
    cuts, centred = np.arange(2, len(logs) - 1), logs - np.mean(logs)
    first = np.cumsum(centred)[cuts - 1]
    left = np.sum(centred**2) - first**2 / cuts - first**2 / (len(logs) - cuts)
    cut, levels = int(cuts[np.argmin(left)]), float(np.min(left))
    if levels < line:
        size = float(np.mean(logs[cut:]) - np.mean(logs[:cut]))
        return f"a step of {percent(math.exp(size))} at block {blocks[cut]:.0f}"
    return f"a drift of {percent(math.exp(change))} from the first block to the last"
