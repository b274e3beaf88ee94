"""Pair trials of one block in one state: the numbers that every contrast is made of (METHOD §2).

Plain values: the same rule judges a whole run and, block after block, a run that goes on.
"""

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from netbench.analysis.states import PREFERENCE
from netbench.analysis.stats import MIN_BLOCKS, Floats


class Observed(NamedTuple):
    """One number of one trial of one cell and metric."""

    driver: str
    replica: int
    block: int
    attempt: int
    record: int
    position: int
    state: str
    value: float


class Pair(NamedTuple):
    """A driver's value and the baseline's, of one block in one state."""

    block: int
    state: str
    driver: float
    baseline: float
    shift: int
    """The driver's position in the block minus the baseline's."""

    @property
    def delta(self) -> float:
        """ln(driver / baseline)."""
        return math.log(self.driver) - math.log(self.baseline)


Arm = dict[tuple[int, str], Observed]
"""What counts of one arm, by block and state."""


def arm(observed: Iterable[Observed], driver: str, replica: int, *, positive: bool = True) -> Arm:
    """Return the values of one arm that can be paired: one for each block and state.

    A mixed trial belongs to no state, and a value that is not positive has no logarithm: where
    one is taken, it is left out. Of several attempts the earliest counts.
    """
    found: Arm = {}
    own = (o for o in observed if (o.driver, o.replica) == (driver, replica))
    for one in sorted(own, key=lambda o: (o.attempt, o.record)):
        if one.state in PREFERENCE and (one.value > 0 or not positive):
            found.setdefault((one.block, one.state), one)
    return found


def either(observed: Sequence[Observed], driver: str, *, positive: bool = True) -> Arm:
    """Return a driver's values as `arm` does, the second arm's where the first has none."""
    first, second = (arm(observed, driver, n, positive=positive) for n in (0, 1))
    return second | first


def headline(paired: Iterable[Observed | Pair], observed: Iterable[Observed]) -> str:
    """Return the closest state with enough pairs, else the fullest one (METHOD §1b).

    Without any pair: the closest state that any trial was in.
    """
    counts = Counter(one.state for one in paired)
    full = [s for s in PREFERENCE if counts[s] >= MIN_BLOCKS]
    if full:
        return full[0]
    if counts:
        return max(PREFERENCE, key=lambda s: counts[s])
    seen = {one.state for one in observed}
    return next((s for s in (*PREFERENCE, "mixed") if s in seen), "unknown")


def joined(driver: Arm, baseline: Arm) -> list[Pair]:
    """Return the complete pairs in block order."""
    return [
        Pair(
            block=place[0],
            state=place[1],
            driver=driver[place].value,
            baseline=baseline[place].value,
            shift=driver[place].position - baseline[place].position,
        )
        for place in sorted(driver.keys() & baseline.keys())
    ]


def whatever_state(observed: Iterable[Observed], driver: str, replica: int) -> Arm:
    """Return one arm's values as if the machine had had one state: the earliest of each block."""
    return arm((o._replace(state="single") for o in observed), driver, replica)


def in_state(pairs: Iterable[Pair], state: str) -> list[Pair]:
    """Return the pairs of one state."""
    return [pair for pair in pairs if pair.state == state]


def deltas(pairs: Sequence[Pair]) -> Floats:
    """Return the log ratios."""
    return np.array([pair.delta for pair in pairs], np.float64)
