"""The values of each block side by side: the numbers that every contrast is made of (METHOD §2)."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Self, TypeVar

import numpy as np

from netbench.analysis.model import BlockDelta, TrialPoint
from netbench.analysis.stats import Floats
from netbench.spec import Cell, Place, Placement

T = TypeVar("T")
K = TypeVar("K")


class Key(NamedTuple):
    """Where values are compared: a cell without its driver, and a metric."""

    path: str
    probe: str
    placement: Placement
    metric: str

    @classmethod
    def of(cls, cell: Cell, metric: str) -> Self:
        """Return where a cell's values of a metric are kept."""
        return cls(*cell.place, metric)

    @property
    def place(self) -> Place:
        """The cell without its driver."""
        return self[:3]


Observed = Mapping[tuple[str, int], Sequence[TrialPoint]]  # values of one key by driver and replica
Values = defaultdict[Key, defaultdict[tuple[str, int], list[TrialPoint]]]
ArmValues = dict[tuple[int, int], float]  # an arm's values, or means of two, by block and attempt


def grouped(pairs: Iterable[tuple[K, T]]) -> dict[K, list[T]]:
    """Return the second of each pair by the first, in the order in which the keys first occur."""
    found: defaultdict[K, list[T]] = defaultdict(list)
    for key, item in pairs:
        found[key].append(item)
    return found


def position(item: K, order: Sequence[K]) -> int:
    """Return where an item stands in an order; after all others if it does not."""
    return order.index(item) if item in order else len(order)


def by_key(points: Iterable[TrialPoint], kept: Values | None = None) -> Values:
    """Return values by key, in the order in which the keys first occur, added to those kept."""
    found: Values = defaultdict(lambda: defaultdict(list)) if kept is None else kept
    for p in points:
        key = Key(p.path, p.probe, p.placement, p.metric)
        found[key][p.driver, p.replica].append(p)
    return found


@dataclass(frozen=True, slots=True)
class Pairs:
    """A driver's value and the baseline's in each block that has both, in block order."""

    blocks: tuple[int, ...]
    driver: Floats
    baseline: Floats

    def __len__(self) -> int:
        """Return the number of blocks."""
        return len(self.blocks)

    @property
    def logs(self) -> Floats:
        """ln(driver) - ln(baseline) of each block."""
        return np.log(self.driver) - np.log(self.baseline)

    @property
    def deltas(self) -> tuple[BlockDelta, ...]:
        """The same, each with its block."""
        return tuple(map(BlockDelta, self.blocks, self.logs.tolist()))


def arm(
    observed: Observed | None, driver: str, replica: int, *, positive: bool = True
) -> ArmValues:
    """Return one arm's values; of several in one attempt at a block, that of the first record.

    `positive` leaves out what has no logarithm.
    """
    found: ArmValues = {}
    own = observed.get((driver, replica), ()) if observed else ()
    for point in sorted(own, key=lambda point: point.record):
        if point.value > 0 or not positive:
            found.setdefault((point.block, point.attempt), point.value)
    return dict(sorted(found.items()))


def both(observed: Observed | None, driver: str, *, positive: bool = True) -> ArmValues:
    """Return the mean over both arms of a driver; a driver beside the baseline has one.

    Geometric where values are positive, so that its logarithm is the mean of the logarithms. Where
    one of the two arms gave no value, it is the other's.
    """
    first, second = (arm(observed, driver, n, positive=positive) for n in (0, 1))
    if not second:
        return first
    places = sorted(first.keys() | second.keys())
    values = np.array([[own.get(place, np.nan) for place in places] for own in (first, second)])
    mean = np.exp(np.nanmean(np.log(values), 0)) if positive else np.nanmean(values, 0)
    return dict(zip(places, mean.tolist(), strict=True))


def joined(driver: ArmValues, baseline: ArmValues) -> Pairs:
    """Return the blocks in which both have a value, of the earliest attempt that has both."""
    places: dict[int, tuple[int, int]] = {}
    for place in driver:
        if place in baseline:
            places.setdefault(place[0], place)
    own, other = (
        np.array([values[place] for place in places.values()], np.float64)
        for values in (driver, baseline)
    )
    return Pairs(tuple(places), own, other)
