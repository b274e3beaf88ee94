"""A baseline that moves over the run: slowly, or by a step."""

import math
from collections.abc import Iterator, Mapping

import numpy as np

from netbench.analysis.block_pairs import Observed, both
from netbench.analysis.contrasts import Key
from netbench.analysis.model import QualityWarning
from netbench.analysis.stats import Floats, correlation
from netbench.record import METRICS
from netbench.units import percent


def drifts(every: Mapping[Key, Observed], baseline: str, margin: float) -> Iterator[QualityWarning]:
    """Yield the primary cells whose baseline moved over the blocks by more than the margin.

    The rule looks at the baseline's mean logarithm in each block. It moved if that correlates with
    the block's number beyond what chance does to one in a hundred runs (`stats.correlation`: at
    least 8 blocks) and the straight line through it rises or falls by more than the margin. It is
    a step where two levels leave less than the line does. All arms of a block share it and it
    cancels in their ratio, so this only advises.

    Args:
        every: values by cell and metric.
        baseline: the driver that stands for the machine.
        margin: relative effect that matters.
    """
    for key, observed in every.items():
        if METRICS[key.metric].primary:
            blocks, logs = _series(observed, baseline)
            if how := moved(blocks, logs, margin):
                yield QualityWarning(
                    "drift",
                    f"{baseline} itself moved in {key.probe} on placement {key.placement}, "
                    f"{key.path}: {how}",
                    "it cancels in the ratios, since all arms of a block share it; do not compare "
                    "absolute figures, and let the machine settle before a run",
                )


def _series(observed: Observed, baseline: str) -> tuple[Floats, Floats]:
    """Return block numbers and the baseline's mean logarithm in each."""
    own = both(observed, baseline)
    numbers, first = np.unique(own.block, return_index=True)
    return numbers.astype(np.float64), np.log(own.value[first])


def moved(blocks: Floats, logs: Floats, margin: float) -> str | None:
    """Return in words how a series of logarithms moved over the blocks, None where it did not."""
    if correlation(logs, blocks) is None:
        return None
    slope, start = np.polyfit(blocks, logs, 1)
    change = float(slope * (blocks[-1] - blocks[0]))
    if abs(change) <= math.log1p(margin):
        return None
    line = float(np.sum((logs - slope * blocks - start) ** 2))
    cut, levels = min(
        ((cut, _apart(logs[:cut], logs[cut:])) for cut in range(2, len(logs) - 1)),
        key=lambda found: found[1],
    )
    if levels < line:
        size = float(np.mean(logs[cut:]) - np.mean(logs[:cut]))
        return f"a step of {percent(math.exp(size))} at block {blocks[cut]:.0f}"
    return f"a drift of {percent(math.exp(change))} from the first block to the last"


def _apart(one: Floats, other: Floats) -> float:
    """Return the squares left around two levels."""
    return float(np.var(one) * len(one) + np.var(other) * len(other))
