"""Histograms of times: fixed buckets, each about 1 % wide.

Bucket `k` counts the times `t` with 2^(k/64) <= t / 1 ns < 2^((k+1)/64), so its upper end is
1.09 % above its lower one, from nanoseconds to hours alike. The edges are the same for all trials,
runs and machines, so that histograms add up bucket by bucket. HdrHistogram (hdrhistogram.org) does
the same with linear steps within powers of two.
"""

from typing import Final

import numpy as np
from numpy.typing import ArrayLike

Histogram = tuple[tuple[int, int], ...]
"""Pairs (bucket, count), buckets ascending, counts above 0; empty where nothing was counted."""
PER_OCTAVE: Final = 64  # buckets from a time to its double
_UNIT: Final = 1e-9  # seconds; the lower edge of bucket 0


def edges(bucket: int) -> tuple[float, float]:
    """Return the lower end of a bucket, which is part of it, and the upper, in seconds."""
    return _UNIT * 2 ** (bucket / PER_OCTAVE), _UNIT * 2 ** ((bucket + 1) / PER_OCTAVE)


def histogram_of(times: ArrayLike) -> Histogram:
    """Count times in seconds, all above 0; those below a nanosecond are counted in bucket 0."""
    octaves = np.log2(np.asarray(times, dtype=np.float64) / _UNIT)
    numbers = np.maximum(0, np.floor(PER_OCTAVE * octaves)).astype(np.int64)
    buckets, counts = np.unique(numbers, return_counts=True)
    return tuple(zip(buckets.tolist(), counts.tolist(), strict=True))


def rank_bucket(histogram: Histogram, rank: int) -> int:
    """Return the bucket of the `rank`-th smallest time, from 1; ValueError if it counts fewer."""
    below = 0
    for bucket, count in histogram:
        below += count
        if rank <= below:
            return bucket
    raise ValueError(f"rank {rank} of {below} times")
