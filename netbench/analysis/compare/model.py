"""What is said of several runs, as plain values: the only thing that `compare` shows."""

from dataclasses import dataclass
from enum import StrEnum

from netbench.analysis.compare.differences import RunDifference
from netbench.analysis.model import Analysis, BudgetResult, QualityWarning, Verdict
from netbench.record import RunInfo
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

    @property
    def blocks(self) -> int:
        """How many both runs have."""
        return min(self.left.blocks, self.right.blocks)


@dataclass(frozen=True, slots=True)
class MachineState:
    """The sentinel's median readings in two runs, on one placement's CPUs."""

    placement: Placement
    left: float
    right: float
    unit: str

    @property
    def ratio(self) -> float:
        """Right over left."""
        return self.right / self.left


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
