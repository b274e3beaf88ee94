"""Calibrate the penalty of netbench.analysis.trend.steps: print its table of PENALTIES.

For each number of runs, series of independent normal noise go the way of a history: scaled by the
noise that is seen in them, odd runs clipped. Of each series the least penalty is sought at which
nothing is found in it, by the exact recursion over all series at once; the table holds quantiles.
"""

import argparse

import numpy as np
from numpy.typing import NDArray

from netbench.analysis.stats import Floats
from netbench.analysis.trend.steps import (
    CHANCES,
    LEAST,
    RELATIVE_SLOPE,
    SIZES,
    clipped,
    noise,
)

HIGHEST = 500.0
ROWS = 250
"""Series that are searched at once: what fits into a cache."""
MANY = 50
"""Runs beyond which a series takes long, so that there are fewer of them."""


def prepared(series: Floats) -> Floats:
    """Return series as they are searched."""
    found = np.empty_like(series)
    for at, levels in enumerate(series):
        deviation = noise([levels])
        found[at] = clipped(levels, deviation) / deviation
    return found


def changed(series: Floats, penalty: Floats) -> NDArray[np.bool_]:
    """Tell of each series whether anything is found in it, each with a penalty of its own."""
    rows, runs = series.shape
    powers = (series, series**2, series * np.arange(runs))
    total, squares, weighted = (
        np.concatenate([np.zeros((rows, 1)), np.cumsum(one, axis=1)], axis=1) for one in powers
    )
    best = np.full((rows, runs + 1), np.inf)
    best[:, 0] = 0
    for end in range(LEAST, runs + 1):
        starts = np.array([0, *range(LEAST, end - LEAST + 1)])
        count = end - starts
        own = total[:, [end]] - total[:, starts]
        level = squares[:, [end]] - squares[:, starts] - own**2 / count
        along = weighted[:, [end]] - weighted[:, starts] - (starts + end - 1) / 2 * own
        line = level - along**2 * 12 / (count * (count**2 - 1))
        cost = np.minimum(level, line + RELATIVE_SLOPE * penalty[:, None])
        steps = penalty[:, None] * (starts > 0)
        best[:, end] = np.min(best[:, starts] + cost + steps, axis=1)
    flat = squares[:, runs] - total[:, runs] ** 2 / runs
    answer: NDArray[np.bool_] = best[:, runs] < flat - 1e-9
    return answer


def least(series: Floats) -> Floats:
    """Return the least penalty at which nothing is found in each series."""
    low, high = np.zeros(len(series)), np.full(len(series), HIGHEST)
    for _ in range(16):
        middle = (low + high) / 2
        found = changed(series, middle)
        low, high = np.where(found, middle, low), np.where(found, high, middle)
    return high


def quantiles(runs: int, count: int) -> Floats:
    """Return the penalties for so many runs, of that many series."""
    random = np.random.default_rng(runs)
    parts = [
        least(prepared(random.normal(0, 1, (min(ROWS, count - done), runs))))
        for done in range(0, count, ROWS)
    ]
    found: Floats = np.quantile(np.concatenate(parts), 1 - np.array(CHANCES))
    return found


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--series", type=int, default=20_000, help="of each number of runs")
    parser.add_argument("--runs", type=int, nargs="+", default=SIZES, help="rows of the table")
    given = parser.parse_args()
    for runs in given.runs:
        count = given.series if runs < MANY else given.series // 4
        row = ", ".join(f"{value:.1f}" for value in quantiles(runs, count))
        print(f"        ({row}),  # {runs} runs", flush=True)


if __name__ == "__main__":
    main()
