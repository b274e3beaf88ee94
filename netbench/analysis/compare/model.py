"""What is said of several runs, and the samples of one cell and metric that it is said of."""

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

import numpy as np

from netbench.analysis.block_pairs import Key, arm, both, joined
from netbench.analysis.boundary import Looks, interval
from netbench.analysis.compare.differences import Conditions, RunDifference, confounders
from netbench.analysis.compare.machine import MachineState, machine_change
from netbench.analysis.frame import NOT_REACHED, Frames
from netbench.analysis.gates import ContrastEvidence, group_gap, reach
from netbench.analysis.model import Analysis, BudgetResult, QualityWarning, Verdict
from netbench.analysis.stats import (
    MIN_BLOCKS,
    Floats,
    Interval,
    RunScatter,
    extremes,
    shift,
    welch,
)
from netbench.record import METRICS, RunInfo
from netbench.spec import Cell, Placement


class Basis(StrEnum):
    """What of a cell is held against the same of the other run."""

    RELATIVE = "relative"  # ratio to the own run's baseline: the machine cancels
    ABSOLUTE = "absolute"  # the driver's own figure, machine and all


@dataclass(frozen=True, slots=True)
class Side:
    """One run's part in a contrast."""

    run: str
    blocks: int
    level: float | None  # geometric mean over the blocks, of the ratio or of the figure itself
    median: float | None  # of the driver's values, in the metric's unit, whatever the basis
    measured: bool  # whether the driver gave the metric there
    reason: str


@dataclass(frozen=True, slots=True)
class RunContrast:
    """One driver in one cell and metric: what the right run says of it beside the left one."""

    path: str
    probe: str
    placement: Placement
    metric: str
    left: Side
    right: Side
    basis: Basis
    driver: str
    baseline: str  # of both runs, or of the right one where they differ
    unit: str
    primary: bool
    machine: float | None  # the sentinel's median reading here, right over left
    withheld: tuple[str, ...]  # facts that differ and forbid the comparison: no figure follows
    ratio: float | None = None  # right over left; None if a side has no figure, as all below
    low: float | None = None
    high: float | None = None
    difference: float | None = None  # right minus left of the medians, in `unit`
    verdict: Verdict = Verdict.UNDECIDED  # of the right run: `slower` is a regression
    noise_floor: float | None = None  # by how much the runs' A/A may differ, 0.02 for 2 %
    warnings: tuple[QualityWarning, ...] = ()
    reason: str = ""  # why it is undecided, in about five words; else empty
    history: RunScatter | None = None  # what a history adds to the interval

    @property
    def blocks(self) -> int:
        """How many both runs have."""
        return min(self.left.blocks, self.right.blocks)


@dataclass(frozen=True, slots=True)
class ComparedSide:
    """One run of a comparison."""

    label: str
    folder: str
    info: RunInfo
    analysis: Analysis


@dataclass(frozen=True, slots=True)
class Pairing:
    """Two runs beside each other."""

    left: ComparedSide
    right: ComparedSide
    differences: tuple[RunDifference, ...]
    contrasts: tuple[RunContrast, ...]
    machine: tuple[MachineState, ...]
    only_left: tuple[Cell, ...]
    only_right: tuple[Cell, ...]

    @property
    def withheld(self) -> bool:
        """Whether a verdict is withheld, because a confounder differs."""
        return any(contrast.withheld for contrast in self.contrasts)


@dataclass(frozen=True, slots=True)
class HistoryRead:
    """The history that a comparison was given."""

    directories: tuple[str, ...]
    runs: int  # that could be read, those compared aside


@dataclass(frozen=True, slots=True)
class RunComparison:
    """All that can be said of several runs: each of them beside the first."""

    runs: tuple[ComparedSide, ...]
    pairings: tuple[Pairing, ...]
    accept: tuple[str, ...]
    alpha: float
    contrasts: int  # how many share the error rate; each has `alpha` of it
    margin: float  # relative effect that matters: the widest of the runs' margins
    budgets: tuple[BudgetResult, ...]
    budgets_kept: bool
    allow_undecided: bool
    confirmation: ComparedSide | None = None  # another run of the last one, for missed budgets
    history: HistoryRead | None = None


DAYS: Final = {Basis.RELATIVE: 0.0, Basis.ABSOLUTE: 1.0}
"""Variance between runs that is assumed, as a share of that between blocks: a ratio to the baseline
cancels what differs between days, a figure of its own does not (docs/method.md)."""
NULL_CHANCE: Final = 0.01  # how often two runs with nothing wrong may differ in their A/A


@dataclass(frozen=True, slots=True)
class Measured:
    """A run, as far as it is held against another."""

    run: ComparedSide
    conditions: Conditions
    frames: Frames
    readings: Mapping[Placement, float]  # the sentinel's median reading by placement


@dataclass(frozen=True, slots=True)
class Drawn:
    """A sample: what one run has of one driver in one cell and metric."""

    label: str
    effects: Floats  # one a block: ln of ratio or figure; the figure itself where 0 is ordinary
    values: Floats  # the driver's figures in the metric's unit, one a block
    nulls: Floats  # ln of the baseline's second arm over its first; difference where 0 is ordinary
    reading: float | None  # the sentinel's median on this placement's CPUs
    absent: str

    @property
    def blocks(self) -> int:
        """How many blocks it has."""
        return len(self.effects)


@dataclass(frozen=True, slots=True)
class Matched:
    """One driver in one cell and metric, in two runs."""

    left: Measured
    right: Measured
    cell: Cell
    key: Key
    basis: Basis
    scatter: RunScatter | None = None  # between runs, by a history

    @property
    def baseline(self) -> str:
        """The baseline of both runs, or of the right one where they differ."""
        return self.right.run.info.plan.baseline

    def scattered(self, scatter_of: "ScatterOf | None") -> "Matched":
        """Return it with the scatter that a history tells of."""
        return replace(self, scatter=scatter_of(self)) if scatter_of else self

    @property
    def samples(self) -> tuple[Drawn, Drawn]:
        """What each run has of it."""
        sides = (self.left, self.right)
        left, right = (drawn(side, self.cell, self.key, self.basis) for side in sides)
        return left, right

    def withheld(self, found: Iterable[RunDifference]) -> tuple[str, ...]:
        """Return the facts that differ and keep it from being compared."""
        drivers = {self.cell.driver, *([self.baseline] if self.basis is Basis.RELATIVE else ())}
        return tuple(dict.fromkeys(map(str, confounders(found, drivers, *self.key.place))))

    def evidence(self, alpha: float, margin: float) -> ContrastEvidence:
        """Return what two samples show on logarithms; the effect is right over left."""
        left, right = self.samples
        limit = math.log1p(margin)
        seen, farthest = _farthest_null(left, right, alpha)
        return ContrastEvidence(
            metric=METRICS[self.key.metric],
            baseline=self.baseline,
            margin=margin,
            interval=welch(
                left.effects,
                right.effects,
                alpha,
                day=DAYS[self.basis],
                scatter=self.scatter,
            ),
            twin=shift(left.effects, right.effects),
            gap=max(group_gap(side.effects, (side.effects,), limit) for side in (left, right)),
            agreed=reach(extremes(left.effects, right.effects)) > 0,
            null=welch(left.nulls, right.nulls, alpha),
            null_reach=reach(farthest.bounds),
            farthest=farthest,
            seen=seen,
            counts=(left.blocks, right.blocks),
            needed=MIN_BLOCKS,
            machine=machine_change(
                (left.reading, right.reading),
                (left.label, right.label),
                self.scatter,
                absolute=self.basis is Basis.ABSOLUTE,
                margin=margin,
            ),
        )


ScatterOf = Callable[[Matched], RunScatter | None]
"""Tells how far runs lie apart in which nothing changed; None where too few are known."""


def no_history(matched: Matched, *, asked: bool) -> tuple[QualityWarning, ...]:
    """Return a warning where a history was to be counted, and has too few runs."""
    if not asked or matched.scatter is not None:
        return ()
    return (
        QualityWarning(
            "short-history",
            "the history has too few comparable runs of this: the interval holds only what "
            "differs within the two runs",
            "add runs to the history: six under the conditions of one of the two",
        ),
    )


def drawn(measured: Measured, cell: Cell, key: Key, basis: Basis) -> Drawn:
    """Return what a run has of a driver in a cell and metric."""
    observed, positive = measured.frames.values.get(key), METRICS[key.metric].compared
    baseline = measured.run.info.plan.baseline
    own = both(observed, cell.driver, positive=positive)
    other = own if basis is Basis.ABSOLUTE else both(observed, baseline, positive=positive)
    pairs = joined(own, other)
    second, first = (arm(observed, baseline, n, positive=positive) for n in (1, 0))
    again = joined(second, first)
    figures = np.log(pairs.driver) if positive else pairs.driver
    missing = NOT_REACHED
    if gives(measured, cell, key.metric):
        missing = "no block has both the driver and the baseline"
    return Drawn(
        label=measured.run.label,
        effects=pairs.logs if basis is Basis.RELATIVE else figures,
        values=pairs.driver,
        nulls=again.logs if positive else again.driver - again.baseline,
        reading=measured.readings.get(key.placement),
        absent="" if len(pairs) else measured.frames.reasons(cell) or missing,
    )


def gives(measured: Measured, cell: Cell, metric: str) -> bool:
    """Tell whether a run has a figure of a cell and metric."""
    observed = measured.frames.values.get(Key.of(cell, metric), ())
    return any(name == cell.driver for name, _ in observed)


def _farthest_null(left: Drawn, right: Drawn, alpha: float) -> tuple[str, Interval]:
    """Return the A/A interval that reaches farthest, of a run or between both, and which it is."""
    found = []
    for side in (left, right):
        only = max(len(side.nulls), MIN_BLOCKS)
        found.append((f"in {side.label}, A/A is", interval(side.nulls, Looks(only, only), alpha)))
    between = welch(left.nulls, right.nulls, min(alpha, NULL_CHANCE))
    found.append(("A/A of one run over that of the other is", between))
    return max(found, key=lambda one: reach(one[1].bounds))
