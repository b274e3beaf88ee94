"""Pair trials of one block in one state: the numbers that every contrast is made of (METHOD §2).

Plain values: the same rule judges a whole run and, block after block, a run that goes on.
"""

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import product
from typing import NamedTuple

import numpy as np

from netbench.analysis.states import PREFERENCE
from netbench.analysis.stats import MIN_BLOCKS, Floats
from netbench.sentinel.rule import agree


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
    before: float | None = None
    """Usable sentinel reading before the trial."""
    after: float | None = None

    def meets(self, other: "Observed") -> bool:
        """Tell whether both trials met one machine: their readings agree (METHOD §1b)."""
        return agree((self.before, self.after, other.before, other.after))


class Pair(NamedTuple):
    """A driver's value and the baseline's, of one block in one state."""

    block: int
    state: str
    driver: float
    baseline: float
    shift: int
    """The driver's position in the block minus the baseline's."""
    steady: bool
    """Whether the readings around both trials agree: they met one machine."""

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


def arms(observed: Sequence[Observed], driver: str, *, positive: bool = True) -> tuple[Arm, Arm]:
    """Return both arms of a driver as `arm` does; the second is empty but for the baseline's."""
    first, second = (arm(observed, driver, n, positive=positive) for n in (0, 1))
    return first, second


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


def joined(drivers: Sequence[Arm], baselines: Sequence[Arm]) -> list[Pair]:
    """Return the complete pairs in block order: of one block, in one state.

    Where a side has several arms, the first pair whose readings agree counts, else the first.
    """
    found = []
    for place in sorted({place for own in drivers for place in own}):
        both = [[one[place] for one in side if place in one] for side in (drivers, baselines)]
        options = list(product(*both))
        if options:
            own, other = next((pair for pair in options if pair[0].meets(pair[1])), options[0])
            found.append(
                Pair(
                    block=own.block,
                    state=own.state,
                    driver=own.value,
                    baseline=other.value,
                    shift=own.position - other.position,
                    steady=own.meets(other),
                )
            )
    return found


def judged(pairs: Iterable[Pair], state: str, needed: int) -> list[Pair]:
    """Return the pairs of one state that a contrast is judged by.

    Where each stay in a state has a level of its own, no gap parts them, and two trials of one
    state can have met two machines. So only pairs whose readings agree count, where they are as
    many as a verdict needs; else all do. As with states, readings alone decide.
    """
    rows = in_state(pairs, state)
    steady = [pair for pair in rows if pair.steady]
    return steady if len(steady) >= needed else rows


def whatever_state(observed: Iterable[Observed], driver: str, replica: int) -> Arm:
    """Return one arm's values as if the machine had had one state: the earliest of each block."""
    blind = (o._replace(state="single", before=None, after=None) for o in observed)
    return arm(blind, driver, replica)


def in_state(pairs: Iterable[Pair], state: str) -> list[Pair]:
    """Return the pairs of one state."""
    return [pair for pair in pairs if pair.state == state]


def sides(pairs: Sequence[Pair]) -> tuple[Floats, Floats]:
    """Return the drivers' values and the baselines'."""
    own, other = ([pair.driver for pair in pairs], [pair.baseline for pair in pairs])
    return np.array(own, np.float64), np.array(other, np.float64)


def deltas(pairs: Sequence[Pair]) -> Floats:
    """Return the log ratios."""
    return np.array([pair.delta for pair in pairs], np.float64)
