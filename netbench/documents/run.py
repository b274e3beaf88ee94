"""The document of `run` and `report`."""

from collections.abc import Sequence
from typing import Literal

from typing_extensions import TypedDict

from netbench.analysis.model import Standing, Stopped, Verdict
from netbench.analysis.literature import Agreement
from netbench.documents.lists import Status
from netbench.record import Direction
from netbench.spec import Path, Placement


class WarningRow(TypedDict):
    """A doubt about a number."""

    kind: str
    message: str
    advice: str


class DeltaRow(TypedDict):
    """One block's contribution."""

    block: int
    log_ratio: float | None
    """ln(driver) less the mean of both baseline arms' ln."""


class ContrastRow(TypedDict):
    """A driver against the baseline: one metric, one cell."""

    driver: str
    baseline: str
    path: Path
    probe: str
    placement: Placement
    metric: str
    unit: str
    primary: bool
    """Whether the run is judged by it."""
    ratio: float | None
    """driver / baseline of the raw metric, the baseline being the geometric mean of its two arms;
    null without a block."""
    low: float | None
    """Lower end of the interval, 95 % shared by all primary contrasts; null where unbounded."""
    high: float | None
    unshared: list[float | None] | None
    """Both ends of the 95 % interval of this contrast alone; null where it is unbounded."""
    median_ratio: float | None
    """exp(median log ratio); null without a block."""
    difference: float | None
    """Median over the blocks of driver minus the baseline's mean, in `unit`."""
    difference_low: float | None
    """Lower end of the interval of the mean difference; null where it is unbounded."""
    difference_high: float | None
    driver_median: float | None
    baseline_median: float | None
    verdict: Verdict
    reason: str
    """Why it is undecided; empty where it is decided."""
    by_sign: bool
    """Whether it is decided by every block lying on one side alone: the interval holds 1."""
    blocks: int
    """Blocks with a value of the driver and of at least one of the baseline's two arms."""
    noise_floor: float | None
    """0.02 for 2 %; null where it is unbounded."""
    saturated: str
    warnings: list[WarningRow]
    deltas: Sequence[DeltaRow]
    stopped: Stopped
    stopped_after: int | None
    forecast: int | None
    """Blocks of the run after which it would be settled; null where it is, or unknown."""
    forecast_verdict: int | None
    """Blocks of the run after which it would have a verdict; null where it has one, or unknown."""


class CellRow(TypedDict):
    """Every session or trial of one cell, in absolute figures."""

    driver: str
    path: Path
    probe: str
    placement: Placement
    metric: str
    unit: str
    median: float | None
    p25: float | None
    p75: float | None
    trials: int
    failures: int
    skips: int
    reasons: list[str]
    saturated: str


class NullRow(TypedDict):
    """The baseline's second arm over its first (A/A)."""

    path: Path
    probe: str
    placement: Placement
    metric: str
    blocks: int
    ratio: float | None
    low: float | None
    high: float | None
    deviation: float | None
    contains_one: bool
    deltas: Sequence[DeltaRow]


class BudgetCell(TypedDict):
    """Where a budget stands."""

    driver: str
    path: Path
    probe: str
    placement: Placement


class BudgetRow(TypedDict):
    """One budget in one cell."""

    expression: str
    cell: BudgetCell
    metric: str
    unit: str
    status: Standing
    measured: float | None
    interval: list[float | None] | None
    """Two ends; null where it is unbounded."""
    bound: float | None
    blocks: int
    reason: str


class EfficiencyRow(TypedDict):
    """A driver's rate over that of loopback."""

    driver: str
    efficiency: float | None


class LoopbackRow(TypedDict):
    """What one stream over loopback carries."""

    probe: str
    value: float | None
    source: str
    efficiencies: list[EfficiencyRow]


class CeilingRow(TypedDict):
    """What the machine can do at most on one placement's CPUs."""

    placement: Placement
    copy: float | None
    copy_memory: float | None
    why: str
    loopbacks: list[LoopbackRow]


class PublishedRow(TypedDict):
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


class RunDocument(TypedDict):
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
    contrasts: list[ContrastRow]
    cells: list[CellRow]
    baseline_again: list[CellRow]
    """The baseline's second arm."""
    nulls: list[NullRow]
    budgets: list[BudgetRow]
    ceilings: list[CeilingRow]
    warnings: list[WarningRow]
    published: list[PublishedRow]
