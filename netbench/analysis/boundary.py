"""The interval and the sign rule that decide a contrast (METHOD §2).

Of a contrast's error rate `share`, 0.8 is spent on the looks from `Looks.first` to `Looks.cap`, by
the t-mixture sequence, whose level is simulated, and the sign of all blocks; 0.2 is kept for a run
that is extended beyond the cap. All values are natural logarithms of ratios.
"""

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from netbench.analysis.stats import Floats, Interval, around_mean, tau

PLANNED: Final = 0.8  # part of a contrast's error rate for declared looks; rest: extension
EXTENSION: Final = 0.2  # part of a contrast's error rate for looks beyond the declared cap
SIGN_PART: Final = 0.2  # part of a contrast's planned error rate for decisions by sign
SIGN_BLOCKS: Final = 8  # no sign is decided with fewer blocks
SEED: Final = 20261129
LEAST_EVENTS: Final = 200  # simulated crossings that a level rests on; a rarer one is extrapolated
LARGEST_CAP: Final = 1000  # beyond it the sequence is not calibrated, and wider than need be


@dataclass(frozen=True, slots=True)
class Looks:
    """The numbers of blocks at which a contrast is judged: every one from `first` to `cap`."""

    first: int
    cap: int

    def __post_init__(self) -> None:
        """Raise ValueError if `first` is below 1 or above `cap`."""
        if not 1 <= self.first <= self.cap:
            msg = f"looks need 1 <= first <= cap, not {self.first} and {self.cap}"
            raise ValueError(msg)


def interval(deltas: Floats, looks: Looks, share: float) -> Interval:
    """Return the interval of the mean of `deltas` that stays valid at every look.

    Unbounded below `looks.first` blocks. Beyond `looks.cap` it is the uncalibrated t-mixture
    interval at 0.2 `share`, cut to the planned interval of the first `looks.cap` blocks.
    """
    found = around_mean(deltas, multiplier(len(deltas), looks, share))
    if len(deltas) <= looks.cap:
        return found
    return _common(found, interval(deltas[: looks.cap], looks, share))


def multiplier(n: int, looks: Looks, share: float) -> float | None:
    """Return the half-width of `interval` in standard errors s / sqrt(n), None if unbounded."""
    if n > looks.cap:
        return tau(n, EXTENSION * share)
    if n < max(2, looks.first):
        return None
    if looks.first == looks.cap:
        from scipy import special  # noqa: PLC0415 - slow to import, and few runs have a single look

        return float(special.stdtrit(n - 1, 1 - _interval_part(looks, share) / 2))
    return tau(n, level(looks, share))


def decided_sign(deltas: Floats, looks: Looks, share: float) -> int:
    """Return 1 or -1 if every block lies above or below zero and they are enough, else 0."""
    start = _sign_start(looks, share)
    if start is None or len(deltas) < start:
        return 0
    if np.all(deltas > 0):
        return 1
    return -1 if np.all(deltas < 0) else 0


def first_decision(looks: Looks, share: float) -> int:
    """Return the smallest number of blocks that can give a verdict."""
    start = _sign_start(looks, share)
    n = max(2, looks.first)
    while multiplier(n, looks, share) is None and n != start:
        n += 1
    return n


@lru_cache(maxsize=256)
def level(looks: Looks, share: float) -> float:
    """Return the level `a` of the t-mixture sequence at the planned looks.

    The quantile of the smallest level that a simulated run without an effect crosses; a run whose
    sign would be decided counts as crossing. If fewer than 200 simulated runs would cross, the
    factor a / probability is that of 200: it grows as the probability falls, so the level errs
    towards wide intervals. The sequence holds `a` at any number of looks: no less is needed.
    """
    uncalibrated = _interval_part(looks, share)
    if looks.cap > LARGEST_CAP:
        return uncalibrated
    lowest, one_sided = _simulated(max(2, looks.first), looks.cap)
    count = len(lowest)
    crossings = int(PLANNED * share * count)
    if crossings < LEAST_EVENTS:
        factor = float(lowest[LEAST_EVENTS - 1]) * count / LEAST_EVENTS
        return uncalibrated * max(1.0, factor)
    start = _sign_start(looks, share)
    if start is not None:
        signed = one_sided >= start
        crossings -= int(np.sum(signed))
        lowest = lowest[~signed]
    return max(uncalibrated, float(lowest[crossings - 1]))


def _interval_part(looks: Looks, share: float) -> float:
    """Return what is left of the planned error rate when the sign's is taken off in full."""
    start = _sign_start(looks, share)
    return PLANNED * share - (0.0 if start is None else 2.0 ** (1 - start))


def _sign_start(looks: Looks, share: float) -> int | None:
    """Return the fewest blocks whose common sign is a decision, None if beyond the cap."""
    enough = math.ceil(1 - math.log2(SIGN_PART * share))
    start = max(SIGN_BLOCKS, looks.first, enough)
    return start if start <= looks.cap else None


@lru_cache(maxsize=16)
def _simulated(first: int, cap: int) -> tuple[Floats, NDArray[np.int16]]:
    """Simulate runs of standard normal blocks without an effect.

    Returns, sorted by the former: the smallest level that each run's sequence crosses between
    `first` and `cap` blocks, and the number of its leading blocks that lie on one side.
    """
    rng = np.random.default_rng(SEED)
    count = 200_000 if cap <= 40 else 50_000 if cap <= 200 else 10_000  # noqa: PLR2004
    total, squares = np.zeros(count), np.zeros(count)
    lowest, one_sided = np.full(count, np.inf), np.zeros(count, np.int16)
    least, most = np.full(count, np.inf), np.full(count, -np.inf)
    for n in range(1, cap + 1):
        block = rng.standard_normal(count)
        total += block
        squares += block * block
        np.minimum(least, block, out=least)
        np.maximum(most, block, out=most)
        one_sided += (least > 0) | (most < 0)
        if n >= first:
            # With t the t statistic, R = (t^2 + n - 1) / (n - 1 + t^2 / (1 + n)).
            explained = total * total / (n * squares)
            log_growth = -np.log1p(-explained * (n / (1 + n)))
            np.minimum(lowest, (math.log(1 + n) - n * log_growth) / 2, out=lowest)
    order = np.argsort(lowest)
    return np.exp(lowest[order]), one_sided[order]


def _common(extended: Interval, planned: Interval) -> Interval:
    """Return `extended` cut to `planned`, or as it is if they have nothing in common."""
    if planned.bounds is None:
        return extended
    low, high = planned.bounds
    if extended.bounds is not None:
        low, high = max(low, extended.bounds[0]), min(high, extended.bounds[1])
    if low > high:
        return extended
    return Interval(
        extended.n, extended.mean, extended.deviation, (high - low) / 2, centre=(low + high) / 2
    )
