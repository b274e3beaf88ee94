"""The statistics of METHOD §2, on plain arrays of per-block log ratios."""

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

ALPHA: Final = 0.05
"""Chance of any false difference among the primary contrasts of one run."""
MIN_BLOCKS: Final = 6
"""No contrast with fewer blocks has a verdict."""
TWIN_CONFIDENCE: Final = 0.95
"""Of the order-statistic interval: with six blocks it is the whole range, 96.9 %."""
CORRELATION_BLOCKS: Final = 8
CORRELATION_LIMIT: Final = 0.5
CORRELATION_CHANCE: Final = 0.01
"""How often blocks with nothing wrong may show a correlation that is warned of."""


def tau(n: int, alpha: float) -> float | None:
    """Return the half-width of the t-mixture interval in standard errors, None if unbounded.

    The interval is the set of means that a right-Haar t-test with prior variance g = 1 of the
    standardised effect does not reject at `alpha`, whenever one chooses to look.
    """
    if n < 1:
        return None
    growth = ((1 + n) / alpha**2) ** (1 / n)
    if growth >= 1 + n:
        return None
    return math.sqrt((n - 1) * (growth - 1) / (1 - growth / (1 + n)))


@dataclass(frozen=True, slots=True)
class Interval:
    """An interval of the mean log ratio."""

    n: int
    mean: float | None
    """None without a block."""
    deviation: float | None
    """Sample standard deviation; None below two blocks."""
    half_width: float | None
    """None where unbounded."""
    centre: float | None = None
    """The middle of the interval where that is not the mean; None where it is."""

    @property
    def bounds(self) -> tuple[float, float] | None:
        """Both ends as logarithms, None where unbounded."""
        centre = self.mean if self.centre is None else self.centre
        if centre is None or self.half_width is None:
            return None
        return centre - self.half_width, centre + self.half_width


def t_mixture(deltas: Floats, alpha: float) -> Interval:
    """Return the anytime-valid t-mixture interval of the mean of `deltas`."""
    n = len(deltas)
    deviation = spread(deltas)
    width = tau(n, alpha)
    half = None if width is None or deviation is None else width * deviation / math.sqrt(n)
    return Interval(n, float(np.mean(deltas)) if n else None, deviation, half)


def spread(deltas: Floats) -> float | None:
    """Return the sample standard deviation, None below two values."""
    return float(np.std(deltas, ddof=1)) if len(deltas) > 1 else None


def order_statistics(deltas: Floats) -> tuple[float, float] | None:
    """Return the distribution-free 95 % interval of the median, None with too few values.

    Both ends are observed values, chosen by the binomial distribution of how many lie below the
    median; None where even the whole range has less than 95 %.
    """
    n = len(deltas)
    tail = (1 - TWIN_CONFIDENCE) / 2
    if 0.5**n > tail:
        return None
    from scipy import special  # noqa: PLC0415 - slow to import, and few blocks do without

    rank = int(np.sum(special.bdtr(np.arange(n // 2), n, 0.5) <= tail))
    ordered = np.sort(deltas)
    return float(ordered[rank - 1]), float(ordered[n - rank])


def serial_correlation(deltas: Floats) -> float | None:
    """Return the lag-1 autocorrelation where it is too large for chance, else None.

    METHOD warns above 0.5. Of few blocks that is common by chance (11 % at n = 8) and biased by
    -1/n, so it must also leave the central 99 % under random order, by the exact mean and variance
    of Dufour and Roy (1985) and the normal approximation. Needs 8 blocks.
    """
    n = len(deltas)
    centred = deltas - np.mean(deltas) if n else deltas
    if n < CORRELATION_BLOCKS or not _varies(deltas):
        return None
    from scipy import special  # noqa: PLC0415 - slow to import, and few blocks do without

    r = float(centred[:-1] @ centred[1:] / (centred @ centred))
    variance = (n**4 - 4 * n**3 + 3 * n**2 + 4 * n - 4) / ((n + 1) * n**2 * (n - 1) ** 2)
    score = abs(r + 1 / n) / math.sqrt(variance)
    beyond_chance = score > float(special.ndtri(1 - CORRELATION_CHANCE / 2))
    return r if abs(r) > CORRELATION_LIMIT and beyond_chance else None


def correlation(deltas: Floats, other: Floats) -> float | None:
    """Return Pearson's correlation where it is too large for chance, else None.

    As for `serial_correlation`: above 0.5, at least 8 blocks, and beyond the central 99 % of
    Student's t for that many pairs.
    """
    n = len(deltas)
    if n < CORRELATION_BLOCKS or not _varies(deltas) or not _varies(other):
        return None
    from scipy import special  # noqa: PLC0415 - slow to import, and few blocks do without

    r = float(np.corrcoef(deltas, other)[0, 1])
    t = float(special.stdtrit(n - 2, 1 - CORRELATION_CHANCE / 2))
    critical = t / math.sqrt(t * t + n - 2)
    return r if abs(r) > max(CORRELATION_LIMIT, critical) else None


def strata(logs: Floats, least: float) -> Flags | None:
    """Return which values lie above the gap that splits them into two groups, None if none does.

    The largest gap of the sorted values exceeds 4 times the median gap. Plain noise does that in
    every third arm of eight trials, so the gap must also exceed `least` (the margin that matters),
    leave two values and a tenth on each side (one odd value is an outlier, which the
    order-statistic twin guards against), and be wider than both sides together. Simulated: at
    n >= 8 normal or t3 noise of 10 % trips this in under 3 % of arms, two levels a factor 2 apart
    are found in over 95 %.

    Args:
        logs: logarithms of the values, or any others on a scale of differences.
        least: smallest gap that matters, on that scale.
    """
    ordered = np.sort(logs)
    n = len(ordered)
    if n < MIN_BLOCKS:
        return None
    gaps = np.diff(ordered)
    at = int(np.argmax(gaps))
    gap, below = float(gaps[at]), at + 1
    inner = float(ordered[-1] - ordered[0]) - gap
    if min(below, n - below) < max(2, math.ceil(n / 10)):
        return None
    if gap <= max(4 * float(np.median(gaps)), least, inner):
        return None
    above: Flags = logs > ordered[at]
    return above


def _varies(values: Floats) -> bool:
    """Tell whether the values differ by more than rounding."""
    return bool(np.ptp(values) > 1e-12 * max(1.0, float(np.max(np.abs(values)))))
