"""The document of `run` and `report`: the analysis itself, and what names the run."""

from dataclasses import dataclass
from typing import Literal

from netbench.analysis.literature import Agreement
from netbench.analysis.model import (
    BudgetResult,
    Ceiling,
    CellSummary,
    Contrast,
    NullContrast,
    QualityWarning,
    Standing,
)
from netbench.record import Direction, Status
from netbench.spec import Placement


@dataclass(frozen=True, slots=True)
class BudgetCell:
    """Where a budget stands."""

    driver: str
    path: str
    probe: str
    placement: Placement


@dataclass(frozen=True, slots=True)
class BudgetRow:
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

    @classmethod
    def of(cls, result: BudgetResult) -> "BudgetRow":
        """Return one budget in one cell, as `run`, `report` and `compare` have it."""
        bounded = result.low is not None and result.high is not None
        return cls(
            expression=str(result.budget),
            cell=BudgetCell(result.budget.driver, result.path, result.probe, result.placement),
            metric=result.budget.metric,
            unit=result.unit,
            status=result.standing,
            measured=result.measured,
            interval=(result.low or 0.0, result.high or 0.0) if bounded else None,
            bound=result.bound,
            blocks=result.blocks,
            reason=result.reason,
        )


@dataclass(frozen=True, slots=True)
class PublishedRow:
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


@dataclass(frozen=True, slots=True)
class RunDocument:
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
    """The outcome in one sentence."""
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
