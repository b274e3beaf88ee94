"""What can take a verdict back, for contrasts and budgets alike (METHOD §2, "Gates").

A gate takes a verdict back only where what it found could have made the verdict. All figures are on
the scale of the effects: logarithms of ratios, or differences in the metric's unit. `limit` is the
value that the verdict says the effect lies beyond: 0 for a contrast, the bound for a budget.
"""

from collections.abc import Iterable

import numpy as np

from netbench.analysis.stats import Floats, order_statistics, strata

Bounds = tuple[float, float]


def reach(null: Bounds | None) -> float:
    """Return how far an A/A interval that leaves out 0 reaches from 0.

    0 where it holds 0 or is unbounded: then it has found nothing.
    """
    if null is None or null[0] <= 0 <= null[1]:
        return 0.0
    return max(abs(null[0]), abs(null[1]))


def clearance(bounds: Bounds | None, limit: float = 0.0) -> float:
    """Return the distance from the limit to the nearest end of an interval; 0 if it holds it."""
    if bounds is None:
        return 0.0
    return max(bounds[0] - limit, limit - bounds[1], 0.0)


def group_gap(effects: Floats, values: Iterable[Floats], least: float) -> float:
    """Return by how much the mean effects of two groups of blocks differ; 0 if there are no groups.

    A gap that all arms share, because the machine changed its state, cancels in the effects and
    counts for nothing.

    Args:
        effects: one for each block.
        values: what may fall into groups, as logarithms in the same blocks: log ratios, or the
            values of an arm.
        least: smallest gap that makes two groups, on a logarithmic scale.
    """
    found = [0.0]
    for logs in values:
        above = strata(logs, least)
        if above is not None:
            found.append(abs(float(np.mean(effects[above]) - np.mean(effects[~above]))))
    return max(found)


def opposed(bounds: Bounds | None, twin: Bounds | None, limit: float = 0.0) -> bool:
    """Tell whether a rank-based interval lies wholly on the other side of the limit."""
    if bounds is None or twin is None:
        return False
    return (bounds[0] > limit > twin[1]) or (bounds[1] < limit < twin[0])


def median_opposes(effects: Floats, bounds: Bounds | None, limit: float = 0.0) -> Bounds | None:
    """Return the interval of the median where it lies wholly on the other side of the limit."""
    twin = order_statistics(effects)
    return twin if opposed(bounds, twin, limit) else None
