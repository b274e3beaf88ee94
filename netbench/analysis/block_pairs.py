"""The values of each block side by side: the numbers that every contrast is made of (METHOD §2).

Plain columns: the same code serves a finished run and, block after block, a run that goes on.
"""

from dataclasses import dataclass, fields, replace
from typing import Final, Self

import numpy as np

from netbench.analysis.columns import Floats, Index, Wholes, Words, groups

_ATTEMPTS: Final = 1 << 16
"""More than a block is ever begun."""


@dataclass(frozen=True, slots=True)
class Observed:
    """The values of one cell and metric: one for each session or trial."""

    driver: Words
    replica: Wholes
    block: Wholes
    attempt: Wholes
    record: Wholes
    value: Floats

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self.block)

    def at(self, rows: Index) -> Self:
        """Return some of them."""
        return replace(self, **{f.name: getattr(self, f.name)[rows] for f in fields(self)})

    def by_driver(self) -> dict[str, Self]:
        """Return each driver's own."""
        return {driver: self.at(rows) for (driver,), rows in groups(self.driver)}


@dataclass(frozen=True, slots=True)
class ArmValues:
    """The values of one arm, or the means of two: one for each block and attempt, in that order."""

    place: Wholes
    """Block and attempt as one number."""
    value: Floats

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self.place)

    @property
    def block(self) -> Wholes:
        """The block of each value."""
        return self.place // _ATTEMPTS


@dataclass(frozen=True, slots=True)
class Pairs:
    """A driver's value and the baseline's in each block that has both, in block order."""

    block: Wholes
    driver: Floats
    baseline: Floats

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self.block)

    @property
    def deltas(self) -> Floats:
        """Return ln(driver) - ln(baseline) of each block."""
        return np.log(self.driver) - np.log(self.baseline)


def arm(
    observed: Observed | None, driver: str, replica: int, *, positive: bool = True
) -> ArmValues:
    """Return one arm's values.

    Args:
        observed: the values of a cell and metric; None where there are none.
        driver: whose.
        replica: 1 for the baseline's second arm, else 0.
        positive: leave out what has no logarithm.
    """
    if observed is None:
        return NOTHING
    own = observed.driver.equal(driver) & (observed.replica == replica)
    if positive:
        own &= observed.value > 0
    rows = np.flatnonzero(own)
    rows = rows[np.argsort(observed.record[rows], kind="stable")]
    place = observed.block[rows] * _ATTEMPTS + observed.attempt[rows]
    kept, first = np.unique(place, return_index=True)
    rows = rows[first]
    return ArmValues(kept, observed.value[rows])


def both(observed: Observed | None, driver: str, *, positive: bool = True) -> ArmValues:
    """Return the mean over both arms of a driver; a driver beside the baseline has one.

    Geometric where values are positive, so that its logarithm is the mean of the logarithms. Where
    one of the two arms gave no value, it is the other's.
    """
    first, second = (arm(observed, driver, n, positive=positive) for n in (0, 1))
    if not len(second):
        return first
    place, at = np.unique(np.concatenate((first.place, second.place)), return_inverse=True)
    value = np.concatenate((first.value, second.value))
    count = np.bincount(at, minlength=len(place))
    mean = np.bincount(at, np.log(value) if positive else value, len(place)) / count
    return ArmValues(place, np.exp(mean) if positive else mean)


def joined(driver: ArmValues, baseline: ArmValues) -> Pairs:
    """Return the blocks in which both have a value.

    Both are of one attempt at the block; of several, the earliest that has both counts.
    """
    place, own, other = np.intersect1d(
        driver.place, baseline.place, assume_unique=True, return_indices=True
    )
    block, first = np.unique(place // _ATTEMPTS, return_index=True)
    own, other = own[first], other[first]
    return Pairs(
        block=block,
        driver=driver.value[own],
        baseline=baseline.value[other],
    )


NOTHING: Final = ArmValues(np.zeros(0, np.int64), np.zeros(0, np.float64))
"""An arm without a value."""
