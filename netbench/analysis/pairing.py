"""Pair trials of one block in one state: the numbers that every contrast is made of (METHOD §2).

Plain columns: the same rule judges a whole run and, block after block, a run that goes on.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from functools import reduce
from itertools import product
from typing import Self

import numpy as np
from numpy.typing import NDArray

from netbench.analysis.columns import Flags, Floats, Index, Wholes, Words, groups
from netbench.analysis.states import MIXED, PREFERENCE, SINGLE, STATES
from netbench.analysis.stats import MIN_BLOCKS
from netbench.sentinel.rule import SPLIT_RATIO

States = NDArray[np.int32]
"""Of each row the index of its state in `STATES`."""


@dataclass(frozen=True, slots=True)
class Observed:
    """The numbers of trials of one cell and metric."""

    driver: Words
    replica: Wholes
    block: Wholes
    attempt: Wholes
    record: Wholes
    position: Wholes
    state: States
    value: Floats
    before: Floats
    """Usable sentinel readings before the trials; NaN where there is none."""
    after: Floats

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
class Arm:
    """What counts of one arm: one number for each block and state, in that order."""

    place: Wholes
    """Block and state as one number."""
    position: Wholes
    value: Floats
    before: Floats
    after: Floats

    def __len__(self) -> int:
        """Return how many numbers count."""
        return len(self.place)

    def at(self, rows: Index) -> Self:
        """Return some of them."""
        return replace(self, **{f.name: getattr(self, f.name)[rows] for f in fields(self)})

    @property
    def block(self) -> Wholes:
        """The block of each number."""
        return self.place // len(STATES)

    @property
    def state(self) -> States:
        """The state of each number."""
        return (self.place % len(STATES)).astype(np.int32)

    def find(self, places: Wholes) -> tuple[NDArray[np.intp], Flags]:
        """Return the row of each of these places, and whether there is one."""
        if not len(self):
            return np.zeros(len(places), np.intp), np.zeros(len(places), np.bool_)
        rows = np.minimum(np.searchsorted(self.place, places), len(self) - 1)
        return rows, self.place[rows] == places


@dataclass(frozen=True, slots=True)
class Pairs:
    """A driver's values and the baseline's, each two of one block in one state, in block order."""

    block: Wholes
    state: States
    driver: Floats
    baseline: Floats
    shift: Wholes
    """The driver's position in the block minus the baseline's."""
    steady: Flags
    """Whether the readings around both trials agree: they met one machine."""

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self.block)

    def at(self, rows: Index) -> Self:
        """Return some of them."""
        return replace(self, **{f.name: getattr(self, f.name)[rows] for f in fields(self)})

    @property
    def deltas(self) -> Floats:
        """ln(driver / baseline) of each."""
        return np.log(self.driver) - np.log(self.baseline)


def arm(observed: Observed | None, driver: str, replica: int, *, positive: bool = True) -> Arm:
    """Return the values of one arm that can be paired: one for each block and state.

    A mixed trial belongs to no state, and a value that is not positive has no logarithm: where
    one is taken, it is left out. Of several attempts the earliest counts.
    """
    if observed is None:
        return _NOTHING
    own = observed.driver.equal(driver) & (observed.replica == replica)
    own &= observed.state != MIXED
    if positive:
        own &= observed.value > 0
    rows = np.flatnonzero(own)
    rows = rows[np.lexsort((observed.record[rows], observed.attempt[rows]))]
    place = observed.block[rows] * len(STATES) + observed.state[rows]
    kept, first = np.unique(place, return_index=True)
    rows = rows[first]
    return Arm(
        place=kept,
        position=observed.position[rows],
        value=observed.value[rows],
        before=observed.before[rows],
        after=observed.after[rows],
    )


def arms(observed: Observed | None, driver: str, *, positive: bool = True) -> tuple[Arm, Arm]:
    """Return both arms of a driver as `arm` does; the second is empty but for the baseline's."""
    first, second = (arm(observed, driver, n, positive=positive) for n in (0, 1))
    return first, second


def either(first: Arm, second: Arm) -> Arm:
    """Return the numbers of two arms as those of one: the first one's where both have one."""
    whole = Arm(
        place=np.concatenate((first.place, second.place)),
        position=np.concatenate((first.position, second.position)),
        value=np.concatenate((first.value, second.value)),
        before=np.concatenate((first.before, second.before)),
        after=np.concatenate((first.after, second.after)),
    )
    _, rows = np.unique(whole.place, return_index=True)
    return whole.at(rows)


def headline(paired: States, observed: States) -> str:
    """Return the closest state with enough pairs, else the fullest one (METHOD §1b).

    Without any pair: the closest state that any trial was in.
    """
    counts = counted(paired)
    full = [s for s in PREFERENCE if counts[s] >= MIN_BLOCKS]
    if full:
        return full[0]
    if len(paired):
        return max(PREFERENCE, key=lambda s: counts[s])
    seen = counted(observed)
    return next((s for s in (*PREFERENCE, "mixed") if seen[s]), "unknown")


def counted(states: States) -> dict[str, int]:
    """Return how often each state occurs."""
    return dict(zip(STATES, np.bincount(states, minlength=len(STATES)).tolist(), strict=True))


def joined(drivers: Sequence[Arm], baselines: Sequence[Arm]) -> Pairs:
    """Return the complete pairs in block order: of one block, in one state.

    Where a side has several arms, the first pair whose readings agree counts, else the first.
    """
    place = reduce(np.union1d, (own.place for own in drivers))
    options = [_option(place, own, other) for own, other in product(drivers, baselines)]
    found = options[0]
    for option in options[1:]:
        better = option.there & ~found.there | option.steady & ~found.steady
        found = found.replaced(option, better)
    there = found.there
    return Pairs(
        block=place[there] // len(STATES),
        state=(place[there] % len(STATES)).astype(np.int32),
        driver=found.driver[there],
        baseline=found.baseline[there],
        shift=found.shift[there],
        steady=found.steady[there],
    )


@dataclass(frozen=True, slots=True)
class _Option:
    """One arm of each side, at every place."""

    there: Flags
    steady: Flags
    """False where it is not there."""
    driver: Floats
    baseline: Floats
    shift: Wholes

    def replaced(self, other: "_Option", rows: Flags) -> "_Option":
        """Return this one with the other's rows in place of some."""
        return _Option(
            *(
                np.where(rows, getattr(other, field.name), getattr(self, field.name))
                for field in fields(self)
            )
        )


def _option(place: Wholes, own: Arm, other: Arm) -> _Option:
    (mine, is_mine), (theirs, is_theirs) = own.find(place), other.find(place)
    there = is_mine & is_theirs
    if not there.any():
        nothing = np.zeros(len(place), np.float64)
        return _Option(there, there, nothing, nothing, np.zeros(len(place), np.int64))
    one, two = own.at(mine), other.at(theirs)
    return _Option(
        there=there,
        steady=there & _agree(one.before, one.after, two.before, two.after),
        driver=one.value,
        baseline=two.value,
        shift=one.position - two.position,
    )


def _agree(*readings: Floats) -> Flags:
    """Tell of each row whether its trials met one machine: `rule.agree` of its readings."""
    largest, smallest = reduce(np.fmax, readings), reduce(np.fmin, readings)
    with np.errstate(invalid="ignore"):
        return np.isnan(largest) | (largest <= SPLIT_RATIO * smallest)


def judged(pairs: Pairs, state: str, needed: int) -> Pairs:
    """Return the pairs of one state that a contrast is judged by.

    Where each stay in a state has a level of its own, no gap parts them, and two trials of one
    state can have met two machines. So only pairs whose readings agree count, where they are as
    many as a verdict needs; else all do. As with states, readings alone decide.
    """
    rows = in_state(pairs, state)
    return rows.at(rows.steady) if int(np.sum(rows.steady)) >= needed else rows


def whatever_state(observed: Observed | None, driver: str, replica: int) -> Arm:
    """Return one arm's values as if the machine had had one state: the earliest of each block."""
    if observed is None:
        return _NOTHING
    unread = np.full(len(observed), np.nan)
    single = np.full(len(observed), SINGLE, np.int32)
    return arm(replace(observed, state=single, before=unread, after=unread), driver, replica)


def in_state(pairs: Pairs, state: str) -> Pairs:
    """Return the pairs of one state."""
    return pairs.at(pairs.state == STATES.index(state))


_NOTHING = Arm(
    np.zeros(0, np.int64),
    np.zeros(0, np.int64),
    np.zeros(0, np.float64),
    np.zeros(0, np.float64),
    np.zeros(0, np.float64),
)
