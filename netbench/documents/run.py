"""The document of `run` and `report`."""

from collections.abc import Sequence
from typing import Literal

from typing_extensions import TypedDict

from netbench.analysis.model import Standing, Stopped, Verdict
from netbench.analysis.published import Agreement
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
    """ln(driver / baseline)."""


class ContrastRow(TypedDict):
    """A driver against the baseline: one metric, one cell, one state of the machine."""

    driver: str
    baseline: str
    path: Path
    probe: str
    placement: Placement
    metric: str
    unit: str
    primary: bool
    """Whether the run is judged by it."""
    headline: bool
    """False for a second state of the machine, shown beside the first."""
    ratio: float | None
    """driver / baseline of the raw metric; null without a pair."""
    low: float | None
    """Lower end of the interval; null where it is unbounded."""
    high: float | None
    difference: float | None
    """Median of driver minus baseline over the blocks, in `unit`."""
    difference_low: float | None
    """Lower end of the interval of the mean difference; null where it is unbounded."""
    difference_high: float | None
    driver_median: float | None
    baseline_median: float | None
    verdict: Verdict
    blocks: int
    """Complete pairs in this state."""
    state: str
    noise_floor: float | None
    """0.02 for 2 %; null where it is unbounded."""
    saturated: str
    warnings: list[WarningRow]
    deltas: Sequence[DeltaRow]
    stopped: Stopped
    stopped_after: int | None
    forecast: int | None


class CellRow(TypedDict):
    """Every trial of one cell, in absolute figures."""

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
    """The baseline against its own second pair (A/A)."""

    path: Path
    probe: str
    placement: Placement
    metric: str
    state: str
    headline: bool
    blocks: int
    ratio: float | None
    low: float | None
    high: float | None
    deviation: float | None
    pooled_deviation: float | None
    contains_one: bool
    deltas: Sequence[DeltaRow]


class StateRow(TypedDict):
    """A state of the machine, by its sentinel readings."""

    placement: Placement
    name: str
    low: float | None
    high: float | None
    trials: int


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
    state: str
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

    schema: Literal[1]
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
    """The baseline's second pair."""
    nulls: list[NullRow]
    states: list[StateRow]
    budgets: list[BudgetRow]
    ceilings: list[CeilingRow]
    warnings: list[WarningRow]
    published: list[PublishedRow]
