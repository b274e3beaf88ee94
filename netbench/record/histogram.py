"""Histograms of times that can be merged: fixed buckets, each about 1 % wide.

Bucket `k` counts the times `t` with 2^(k/64) <= t / 1 ns < 2^((k+1)/64), so its upper end is
1.09 % above its lower one, from nanoseconds to hours alike. The edges depend on nothing, so that
histograms of different trials, runs and machines add up bucket by bucket; what is read from one
is exact to the width of a bucket. The same idea, with linear steps within powers of two, is that
of HdrHistogram (hdrhistogram.org).
"""

from collections import Counter
from collections.abc import Iterable
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

Histogram = tuple[tuple[int, int], ...]
"""Pairs (bucket, count), buckets ascending, counts above 0; empty where nothing was counted."""
PER_OCTAVE: Final = 64
"""Buckets from a time to its double."""
_UNIT: Final = 1e-9
"""Seconds; the lower edge of bucket 0."""


def bucket_of(seconds: float) -> int:
    """Return the bucket of a time above 0; times below a nanosecond are counted in bucket 0."""
    return int(_buckets(seconds))


def _buckets(seconds: ArrayLike) -> NDArray[np.int64]:
    octaves = np.log2(np.asarray(seconds, dtype=np.float64) / _UNIT)
    return np.maximum(0, np.floor(PER_OCTAVE * octaves)).astype(np.int64)


def edges(bucket: int) -> tuple[float, float]:
    """Return the lower end of a bucket, which is part of it, and the upper, in seconds."""
    return _UNIT * 2 ** (bucket / PER_OCTAVE), _UNIT * 2 ** ((bucket + 1) / PER_OCTAVE)


def histogram_of(times: ArrayLike) -> Histogram:
    """Count times in seconds, all of them above 0."""
    buckets, counts = np.unique(_buckets(times), return_counts=True)
    return tuple(zip(buckets.tolist(), counts.tolist(), strict=True))


def merge(parts: Iterable[Histogram]) -> Histogram:
    """Return the histogram of all that these count. For plots: a percentile of it is no mean."""
    total: Counter[int] = Counter()
    for part in parts:
        total.update(dict(part))
    return tuple(sorted(total.items()))


def rank_bucket(histogram: Histogram, rank: int) -> int:
    """Return the bucket that holds the `rank`-th smallest time, counted from 1.

    Raises:
        ValueError: it counts fewer.
    """
    below = 0
    for bucket, count in histogram:
        below += count
        if rank <= below:
            return bucket
    raise ValueError(f"rank {rank} of {below} times")
