"""One run's values of one cell and metric, by state of the machine: a sample for each."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from netbench.analysis.across.conditions import Conditions
from netbench.analysis.across.model import Basis, Run
from netbench.analysis.cells import NOT_REACHED
from netbench.analysis.contrasts import Key
from netbench.analysis.pairing import Observed, arm, arms, joined, judged
from netbench.analysis.states import PREFERENCE, STATES
from netbench.analysis.stats import MIN_BLOCKS, Floats
from netbench.record import METRICS
from netbench.sentinel.rule import agree
from netbench.spec import Cell

NONE: Final = np.array([], np.float64)


@dataclass(frozen=True, slots=True)
class Measured:
    """A run, as far as it is held against another."""

    run: Run
    conditions: Conditions
    numbers: Mapping[Key, Observed]
    reasons: Mapping[Cell, tuple[str, ...]]
    """Of failures and skips."""
    skipped: frozenset[Cell]
    """Cells that were never more than skipped."""


@dataclass(frozen=True, slots=True)
class Drawn:
    """A sample: what one run has of one driver in one cell, metric and state."""

    state: str = "unknown"
    effects: Floats = field(default_factory=lambda: NONE)
    """One a block: ln(driver / baseline), or the logarithm of the figure; the figure itself where
    0 is one of its ordinary values."""
    values: Floats = field(default_factory=lambda: NONE)
    """The driver's figures in the metric's unit, one a block."""
    nulls: Floats = field(default_factory=lambda: NONE)
    """ln of the baseline's second arm over its first, of the blocks that have both; their
    difference where 0 is an ordinary value."""
    readings: Floats = field(default_factory=lambda: NONE)
    """The sentinel's, around those trials."""

    @property
    def blocks(self) -> int:
        """How many blocks it has."""
        return len(self.effects)

    @property
    def reading(self) -> float | None:
        """The sentinel's median; None without a reading."""
        return float(np.median(self.readings)) if len(self.readings) else None


def drawn(measured: Measured, key: Key, driver: str, basis: Basis) -> dict[str, Drawn]:
    """Return a run's samples of a driver by state, those alone that have a block."""
    observed, logarithmic = measured.numbers.get(key), METRICS[key.metric].compared
    first, second = arms(observed, measured.run.info.plan.baseline, positive=logarithmic)
    own = arm(observed, driver, 0, positive=logarithmic)
    found = {}
    for state in PREFERENCE:
        here = own.at(own.state == STATES.index(state))
        again = judged(joined((second,), (first,)), state, MIN_BLOCKS)
        pairs = judged(joined((here,), (first, second)), state, MIN_BLOCKS)
        used = here
        if basis is not Basis.ABSOLUTE:
            used = here.at(np.isin(here.block, pairs.block))
        if len(used):
            figures = np.log(used.value) if logarithmic else used.value
            readings = np.concatenate((used.before, used.after))
            found[state] = Drawn(
                state=state,
                effects=pairs.deltas if basis is Basis.RELATIVE else figures,
                values=used.value,
                nulls=again.deltas if logarithmic else again.driver - again.baseline,
                readings=readings[~np.isnan(readings)],
            )
    return found


def matched(left: Mapping[str, Drawn], right: Mapping[str, Drawn]) -> tuple[Drawn, Drawn]:
    """Return the samples of both runs that met the machine in the most alike state.

    States of two runs are matched by what the sentinel read, not by their names: the closest
    cores first, among states with enough blocks whose median readings are of one machine. Where
    no two are, each run's fullest sample stands, and a verdict does not.
    """
    for enough in (MIN_BLOCKS, 1):
        for one in left.values():
            for other in right.values():
                full = min(one.blocks, other.blocks) >= enough
                if full and agree((one.reading, other.reading)):
                    return one, other
    return _fullest(left), _fullest(right)


def _fullest(samples: Mapping[str, Drawn]) -> Drawn:
    return max(samples.values(), key=lambda sample: sample.blocks, default=Drawn())


def gives(measured: Measured, driver: str, key: Key) -> bool:
    """Tell whether a run has a driver's figure of a cell and metric, whatever the state."""
    observed = measured.numbers.get(key)
    return observed is not None and driver in observed.driver.seen


def absent(measured: Measured, cell: Cell, key: Key) -> str:
    """Return why a run has no sample of a cell."""
    reasons = measured.reasons.get(cell)
    if reasons:
        return "; ".join(reasons)
    if gives(measured, cell.driver, key):
        return "no block has both the driver and the baseline in one state of the machine"
    return NOT_REACHED
