"""Statistics of two independent samples: of one quantity in two runs, block by block.

Blocks of one run are exchangeable, and those of two runs have nothing in common. So the interval of
a difference of means is Welch's, by the Satterthwaite degrees of freedom. Its robust twin is the
Hodges-Lehmann shift with the interval that inverts the Mann-Whitney test.
"""

import math
from typing import Final

import numpy as np
from scipy import special

from netbench.analysis.stats import Floats, Interval

TWIN_CONFIDENCE: Final = 0.95
"""Of the robust twin, as of the median's in one run."""


def welch(
    left: Floats, right: Floats, alpha: float, *, factor: float = 1.0, day: float = 0.0
) -> Interval:
    """Return the interval of `mean(right) - factor * mean(left)`; `n` is the smaller sample's.

    `day` is the variance between runs that is taken for granted, as a share of that between a
    run's blocks: of one run in each sample nothing can be learnt of it. Unbounded where a sample
    has fewer than two values.
    """
    n = min(len(left), len(right))
    if not n:
        return Interval(0, None, None, None)
    mean = float(np.mean(right) - factor * np.mean(left))
    if n < 2:  # noqa: PLR2004 - a deviation takes two values
        return Interval(n, mean, None, None)
    shares = [
        scale**2 * float(np.var(values, ddof=1)) * (1 / len(values) + day)
        for scale, values in ((factor, left), (1.0, right))
    ]
    error = math.sqrt(sum(shares))
    if not error:
        return Interval(n, mean, 0.0, 0.0)
    freedom = sum(shares) ** 2 / sum(
        share**2 / (len(values) - 1) for share, values in zip(shares, (left, right), strict=True)
    )
    quantile = float(special.stdtrit(freedom, 1 - alpha / 2))
    return Interval(n, mean, error * math.sqrt(n), quantile * error)


def shift(left: Floats, right: Floats, factor: float = 1.0) -> tuple[float, float] | None:
    """Return the 95 % interval of the shift from `factor * left` to `right` by ranks.

    Both ends are differences of two values, chosen by the normal approximation of Mann and
    Whitney's U. None where too few values bear one.
    """
    n, m = len(left), len(right)
    if not n or not m:
        return None
    deviation = math.sqrt(n * m * (n + m + 1) / 12)
    quantile = float(special.ndtri(1 - (1 - TWIN_CONFIDENCE) / 2))
    rank = math.floor(n * m / 2 - quantile * deviation)
    if rank < 1:
        return None
    ordered = np.sort(np.subtract.outer(right, factor * left), axis=None)
    return float(ordered[rank - 1]), float(ordered[n * m - rank])
