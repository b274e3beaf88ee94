"""The documents of `run` and `report`, and of `compare`: the analysis, and what names the runs."""

from typing import Literal

from msgspec import Struct

from netbench.analysis.compare.model import Basis
from netbench.analysis.literature import Agreement
from netbench.analysis.model import (
    BudgetResult,
    Ceiling,
    CellSummary,
    Confirmation,
    Contrast,
    NullContrast,
    QualityWarning,
    Standing,
    Verdict,
)
from netbench.documents.trend import ScatterRow
from netbench.record import Direction, LinkedRun, Status
from netbench.spec import Path, Placement

Value = str | int | float | bool | list[str] | None


class BudgetCell(Struct, frozen=True):
    """Where a budget stands."""

    driver: str
    path: str
    probe: str
    placement: Placement


class ConfirmationRow(Struct, frozen=True):
    """A missed budget, measured again."""

    run: str
    """The folder that it was measured into, beside the run's; of `compare` the run's label."""
    seed: int
    status: Standing
    measured: float | None
    interval: tuple[float, float] | None
    blocks: int
    reason: str

    @classmethod
    def of(cls, found: Confirmation) -> "ConfirmationRow":
        """Return what a second measurement says."""
        again = found.result
        return cls(
            run=found.run,
            seed=found.seed,
            status=again.standing,
            measured=again.measured,
            interval=_ends(again),
            blocks=again.blocks,
            reason=again.reason,
        )


class BudgetRow(Struct, frozen=True):
    """One budget in one cell."""

    expression: str
    cell: BudgetCell
    metric: str
    unit: str
    status: Standing
    measured: float | None
    interval: tuple[float, float] | None
    """Two ends; null where it is unbounded."""
    bound: float | None
    blocks: int
    reason: str
    again: ConfirmationRow | None
    """Where it was missed, and measured again by `--confirm`; else null."""
    final: Standing
    """After both measurements: only a budget that missed twice is `not met`."""

    @classmethod
    def of(cls, result: BudgetResult) -> "BudgetRow":
        """Return one budget in one cell, as `run`, `report` and `compare` have it."""
        return cls(
            expression=str(result.budget),
            cell=BudgetCell(result.budget.driver, result.path, result.probe, result.placement),
            metric=result.budget.metric,
            unit=result.unit,
            status=result.standing,
            measured=result.measured,
            interval=_ends(result),
            bound=result.bound,
            blocks=result.blocks,
            reason=result.reason,
            again=ConfirmationRow.of(result.again) if result.again else None,
            final=result.final,
        )


def _ends(result: BudgetResult) -> tuple[float, float] | None:
    if result.low is None or result.high is None:
        return None
    return result.low, result.high


class PublishedRow(Struct, frozen=True):
    """What others published, beside what this run measured."""

    source: str
    url: str
    driver: str
    baseline: str
    path: str
    probe: str
    placement: str
    metric: str
    direction: Direction
    published_ratio: float | None
    conditions: str
    agreement: Agreement
    reason: str
    ratio: float | None
    low: float | None
    high: float | None


class DriverSentence(Struct, frozen=True):
    """What is said of one driver."""

    driver: str
    sentence: str
    caveats: tuple[str, ...]
    """What limits all figures of the driver."""


class RunDocument(Struct, frozen=True):
    """What `run --json`, `report --json`, `export --format json` and summary.json hold."""

    schema: Literal[2]
    folder: str
    """The run folder as it was named; in summary.json `.`, its own."""
    engine: str
    engine_why: str
    baseline: str
    seed: int
    exit: int
    status: Status
    lead: str | None
    """The answer of the run in one sentence, as all its reports have it."""
    ending: str
    """Why the run ended."""
    precision: float
    margin: float
    alpha: float | None
    measuring_share: float | None
    contrasts: tuple[Contrast, ...]
    cells: tuple[CellSummary, ...]
    baseline_again: tuple[CellSummary, ...]
    """The baseline's second arm."""
    nulls: tuple[NullContrast, ...]
    budgets: tuple[BudgetRow, ...]
    ceilings: tuple[Ceiling, ...]
    warnings: tuple[QualityWarning, ...]
    published: tuple[PublishedRow, ...]
    answer: tuple[DriverSentence, ...]
    """A sentence for each driver, the baseline first."""
    caveats: tuple[str, ...]
    """What limits all figures of the run."""
    confirmed_by: tuple[LinkedRun, ...]
    """Runs that measured its missed budgets again, in folders beside it."""
    confirms: LinkedRun | None
    """The run whose missed budgets it measured again; else null."""


class ComparedRun(Struct, frozen=True):
    """One of the runs."""

    label: str
    folder: str
    engine: str
    warnings: tuple[QualityWarning, ...]
    """About the run as a whole."""


class DifferenceRow(Struct, frozen=True):
    """A fact in which two runs differ."""

    fact: str
    left: Value
    """null where the run does not have it."""
    right: Value
    confounder: bool
    unknown: bool
    """Whether one run did not record it; then a confounder only if both runs must have it."""
    accepted: bool
    meaning: str
    run: str
    """Label of the right one."""
    driver: str | None
    path: str | None
    probe: str | None
    placement: str | None
    link: str


class SideRow(Struct, frozen=True):
    """What one run has of a contrast."""

    run: str
    blocks: int
    level: float | None
    median: float | None
    reason: str


class RunContrastRow(Struct, frozen=True):
    """One driver in two runs: one metric, one cell."""

    driver: str
    baseline: str
    path: Path
    probe: str
    placement: Placement
    metric: str
    unit: str
    primary: bool
    basis: Basis
    left: SideRow
    right: SideRow
    ratio: float | None
    low: float | None
    high: float | None
    difference: float | None
    verdict: Verdict
    reason: str
    """Why it is undecided; empty where it is decided or withheld."""
    blocks: int
    noise_floor: float | None
    machine: float | None
    withheld: list[str]
    """Facts for which there is no verdict."""
    warnings: list[QualityWarning]
    history: ScatterRow | None = None
    """What a history adds to the interval; null without one, and where it has too few runs."""


class MachineRow(Struct, frozen=True):
    """What the sentinel read in both runs."""

    run: str
    placement: Placement
    left: float | None
    right: float | None
    ratio: float | None
    unit: str


class HistoryRow(Struct, frozen=True):
    """The history that intervals hold the scatter of."""

    directories: list[str]
    runs: int
    """Those that could be read, without the runs that are compared."""


class CompareDocument(Struct, frozen=True):
    """What `compare --json` prints."""

    schema: Literal[2]
    left: str
    right: str
    runs: list[ComparedRun]
    page: str
    exit: int
    accepted: list[str]
    alpha: float | None
    margin: float
    differences: list[DifferenceRow]
    contrasts: list[RunContrastRow]
    machine: list[MachineRow]
    verdict_withheld: bool
    withheld_by: list[str]
    to_accept: list[str]
    """What `--accept` takes to compare all that is withheld: facts, or `kernel.*` of several."""
    answer: list[str]
    """What became of each run beside the first, in a sentence."""
    budgets: list[BudgetRow]
    confirmation: ComparedRun | None
    """Another run of the last one, by which missed budgets are judged again; else null."""
    history: HistoryRow | None = None
    """null without `--history`."""
