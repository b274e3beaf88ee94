"""The statistics of METHOD §2, on plain arrays of per-block log ratios.

Blocks of two runs have nothing in common: the interval of a difference of their means is Welch's,
and its robust twin the Hodges-Lehmann shift with the interval that inverts the Mann-Whitney test.
"""

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
Bounds = tuple[float, float]  # both ends of an interval

ALPHA: Final = 0.05  # chance of any false difference among the primary contrasts of one run
MIN_BLOCKS: Final = 6  # no contrast with fewer blocks has a verdict
TWIN_CONFIDENCE: Final = 0.95  # of rank-based intervals; six blocks' whole range has 96.9 %
CORRELATION_BLOCKS: Final = 8
CORRELATION_LIMIT: Final = 0.5
CORRELATION_CHANCE: Final = 0.01  # how often sound blocks may show a correlation to warn of


def tau(n: int, alpha: float) -> float | None:
    """Return the half-width of the t-mixture interval in standard errors, None if unbounded.

    The interval holds the means that a right-Haar t-test with prior variance g = 1 of the
    standardised effect does not reject at `alpha`, at any number of looks.
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
    deviation: float | None  # sample standard deviation
    half_width: float | None  # None if unbounded
    centre: float | None = None  # the middle of the interval if that is not the mean

    @property
    def bounds(self) -> Bounds | None:
        """Both ends as logarithms, None if unbounded."""
        centre = self.mean if self.centre is None else self.centre
        if centre is None or self.half_width is None:
            return None
        return centre - self.half_width, centre + self.half_width


@dataclass(frozen=True, slots=True)
class RunScatter:
    """How far the levels of runs lie apart in which nothing changed: variances of logarithms."""

    total: float  # of a run's level, its own blocks' noise with it
    within: float  # what the blocks alone make of it
    freedom: int  # degrees of freedom of `total`
    runs: int  # it was taken from
    readings: Bounds | None = None  # of the sentinel in them; None where one has none

    @property
    def between(self) -> float:
        """What runs differ by beyond the noise of their blocks."""
        return max(0.0, self.total - self.within)


def around_mean(deltas: Floats, factor: float | None) -> Interval:
    """Return the interval whose half-width is so many standard errors; unbounded for None."""
    n, deviation = len(deltas), spread(deltas)
    half = None if factor is None or deviation is None else factor * deviation / math.sqrt(n)
    return Interval(n, float(np.mean(deltas)) if n else None, deviation, half)


def spread(deltas: Floats) -> float | None:
    """Return the sample standard deviation, None below two values."""
    return float(np.std(deltas, ddof=1)) if len(deltas) > 1 else None


def order_statistics(deltas: Floats) -> Bounds | None:
    """Return the distribution-free 95 % interval of the median, None if even the range has less.

    Both ends are observed values, chosen by the binomial distribution of how many lie below the
    median.
    """
    n = len(deltas)
    tail = (1 - TWIN_CONFIDENCE) / 2
    if 0.5**n > tail:
        return None
    from scipy import special  # noqa: PLC0415 - slow to import, and few blocks do without

    rank = int(np.sum(special.bdtr(np.arange(n // 2), n, 0.5) <= tail))
    ordered = np.sort(deltas)
    return float(ordered[rank - 1]), float(ordered[n - rank])


def welch(
    left: Floats,
    right: Floats,
    alpha: float,
    *,
    factor: float = 1.0,
    day: float = 0.0,
    scatter: RunScatter | None = None,
    units: Bounds = (1.0, 1.0),
) -> Interval:
    """Return the interval of `mean(right) - factor * mean(left)`; `n` is the smaller sample's.

    `day` is the assumed variance between runs, as a share of that between a run's blocks: one run
    in each sample shows nothing of it. A `scatter` takes its place, for each side times its unit
    squared: a run's mean then varies as those of the history do, and by what its own blocks have
    beyond theirs. Degrees of freedom are Satterthwaite's.
    """
    n = min(len(left), len(right))
    if not n:
        return Interval(0, None, None, None)
    mean = float(np.mean(right) - factor * np.mean(left))
    if n < 2:  # noqa: PLR2004 - a deviation takes two values
        return Interval(n, mean, None, None)
    assumed = 0.0 if scatter else day
    parts = [
        (scale**2 * float(np.var(values, ddof=1)) * (1 / len(values) + assumed), len(values) - 1)
        for scale, values in ((factor, left), (1.0, right))
    ]
    if scatter:
        scales = (factor * units[0]) ** 2, units[1] ** 2
        parts = [
            (max(0.0, share - scale * scatter.within), own)
            for scale, (share, own) in zip(scales, parts, strict=True)
        ]
        parts.append((sum(scales) * max(scatter.total, scatter.within), scatter.freedom))
    variance = sum(share for share, _ in parts)
    error = math.sqrt(variance)
    if not error:
        return Interval(n, mean, 0.0, 0.0)
    freedom = variance**2 / sum(share**2 / own for share, own in parts)
    from scipy import special  # noqa: PLC0415 - slow to import

    quantile = float(special.stdtrit(freedom, 1 - alpha / 2))
    return Interval(n, mean, error * math.sqrt(n), quantile * error)


def shift(left: Floats, right: Floats, factor: float = 1.0) -> Bounds | None:
    """Return the 95 % interval of the shift from `factor * left` to `right` by ranks.

    Both ends are differences of two values, chosen by the normal approximation of Mann and
    Whitney's U; None for too few values.
    """
    n, m = len(left), len(right)
    if not n or not m:
        return None
    from scipy import special  # noqa: PLC0415 - slow to import

    deviation = math.sqrt(n * m * (n + m + 1) / 12)
    quantile = float(special.ndtri(1 - (1 - TWIN_CONFIDENCE) / 2))
    rank = math.floor(n * m / 2 - quantile * deviation)
    if rank < 1:
        return None
    ordered = np.sort(np.subtract.outer(right, factor * left), axis=None)
    return float(ordered[rank - 1]), float(ordered[n * m - rank])


def extremes(left: Floats, right: Floats) -> Bounds | None:
    """Return the least and the largest of all differences `right - left`; None without any."""
    if not len(left) or not len(right):
        return None
    return float(np.min(right) - np.max(left)), float(np.max(right) - np.min(left))


def serial_correlation(deltas: Floats) -> float | None:
    """Return the lag-1 autocorrelation if it is too large for chance, else None.

    METHOD warns above 0.5. Of few blocks that is common by chance (11 % at n = 8) and biased by
    -1/n, so it must also leave the central 99 % under random order, by the exact mean and variance
    of Dufour and Roy (1985) and the normal approximation.
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
    """Return Pearson's correlation if it is above 0.5 and the central 99 % of Student's t."""
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
    every third arm of eight trials, so the gap must also exceed `least` (the margin that matters,
    on the scale of `logs`), leave two values and a tenth on each side (one odd value is an
    outlier, which the order-statistic twin guards against), and be wider than both sides together.
    Simulated: at n >= 8 normal or t3 noise of 10 % trips this in under 3 % of arms, two levels a
    factor 2 apart are found in over 95 %.
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
