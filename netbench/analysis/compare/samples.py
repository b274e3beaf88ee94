"""One run's values of one cell and metric: a sample with one value for each block."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from netbench.analysis.block_pairs import Observed, arm, both, joined
from netbench.analysis.cells import NOT_REACHED
from netbench.analysis.compare.conditions import Conditions
from netbench.analysis.compare.model import Basis, ComparedSide
from netbench.analysis.contrasts import Key
from netbench.analysis.stats import Floats
from netbench.record import METRICS
from netbench.spec import Cell

NONE: Final = np.array([], np.float64)


@dataclass(frozen=True, slots=True)
class Measured:
    """A run, as far as it is held against another."""

    run: ComparedSide
    conditions: Conditions
    numbers: Mapping[Key, Observed]
    readings: Mapping[str, float]
    """The sentinel's median reading by placement."""
    reasons: Mapping[Cell, tuple[str, ...]]
    """Of failures and skips."""
    skipped: frozenset[Cell]
    """Cells that were never more than skipped."""


@dataclass(frozen=True, slots=True)
class Drawn:
    """A sample: what one run has of one driver in one cell and metric."""

    effects: Floats = field(default_factory=lambda: NONE)
    """One a block: ln(driver) less the mean of both baseline arms' ln, or the logarithm of the
    figure; the figure itself where 0 is one of its ordinary values."""
    values: Floats = field(default_factory=lambda: NONE)
    """The driver's figures in the metric's unit, one a block."""
    nulls: Floats = field(default_factory=lambda: NONE)
    """ln of the baseline's second arm over its first, of the blocks that have both; their
    difference where 0 is an ordinary value."""
    reading: float | None = None
    """The sentinel's median on this placement's CPUs; None without a reading."""

    @property
    def blocks(self) -> int:
        """How many blocks it has."""
        return len(self.effects)


def drawn(measured: Measured, key: Key, driver: str, basis: Basis) -> Drawn:
    """Return a run's sample of a driver."""
    observed, positive = measured.numbers.get(key), METRICS[key.metric].compared
    baseline = measured.run.info.plan.baseline
    own = both(observed, driver, positive=positive)
    other = own if basis is Basis.ABSOLUTE else both(observed, baseline, positive=positive)
    pairs = joined(own, other)
    first, second = (arm(observed, baseline, n, positive=positive) for n in (0, 1))
    again = joined(second, first)
    figures = np.log(pairs.driver) if positive else pairs.driver
    return Drawn(
        effects=pairs.deltas if basis is Basis.RELATIVE else figures,
        values=pairs.driver,
        nulls=again.deltas if positive else again.driver - again.baseline,
        reading=measured.readings.get(key.placement),
    )


def gives(measured: Measured, driver: str, key: Key) -> bool:
    """Tell whether a run has a driver's figure of a cell and metric."""
    observed = measured.numbers.get(key)
    return observed is not None and driver in observed.driver.seen


def absent(measured: Measured, cell: Cell, key: Key) -> str:
    """Return why a run has no sample of a cell."""
    reasons = measured.reasons.get(cell)
    if reasons:
        return "; ".join(reasons)
    if gives(measured, cell.driver, key):
        return "no block has both the driver and the baseline"
    return NOT_REACHED
