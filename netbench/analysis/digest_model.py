"""What a report shows of the records, as plain values; `collect` makes it in one pass."""

from dataclasses import dataclass
from typing import Literal

from netbench.analysis.cell_key import CellKey
from netbench.record import Histogram, Record, SeriesPoint, Skip, Slice
from netbench.spec import Role


@dataclass(frozen=True, slots=True)
class RecordRow:
    """A record as the table shows it."""

    number: int
    block: int
    position: int
    attempt: int
    arm: str
    cell: CellKey
    slices: int  # of a session; 0 for a trial that ran whole
    failed_slices: int
    outcome: Literal["sample", "failure", "skip"]
    values: tuple[tuple[str, float, str], ...]  # (metric, value, unit)
    note: str
    path_held: bool | None
    pins: str
    started: str
    seconds: float
    raw: str


@dataclass(frozen=True, slots=True)
class DrawnRecord:
    """One record that is drawn: quantiles, series, and the slices of a session."""

    record: int
    block: int
    driver: str
    cell: CellKey
    chosen: bool  # whether it has its driver's median value
    quantiles: tuple[tuple[float, float], ...]
    series: tuple[SeriesPoint, ...]
    slices: tuple[Slice, ...]


@dataclass(frozen=True, slots=True)
class CommandLine:
    """One distinct command and who ran it."""

    probe: str
    role: Role
    argv: tuple[str, ...]
    drivers: tuple[str, ...]
    times: int


@dataclass(frozen=True, slots=True)
class PromiseCount:
    """One promise over all trials of a driver."""

    promise: str
    held: int
    broken: int
    evidence: str  # of the first break, else of the first check


@dataclass(frozen=True, slots=True)
class WayView:
    """What the records say of one driver on one path."""

    driver: str
    path: str
    example: Record | None  # a trial with its endpoints: with a path that held if there is one
    held: int
    unheld: int
    closed: Skip | None  # the skip, if the driver's own design rules out every trial of this path
    published: tuple[tuple[str, int], ...]
    """How published ports were served, with the number of trials."""

    @property
    def key(self) -> str:
        """`bridge, north-south`."""
        return f"{self.driver}, {self.path}"


@dataclass(frozen=True, slots=True)
class DriverView:
    """What the records say of one driver."""

    driver: str
    example: Record | None
    ways: tuple[WayView, ...]
    samples: int
    failures: int
    skips: int
    paths_held: int
    paths_broken: int
    promises: tuple[PromiseCount, ...]
    isolated: Skip | None  # the skip, if the driver's own promise rules out every trial
    congestion_control: tuple[str, ...]
    """What TCP in its endpoints used; empty where that was not read."""


@dataclass(frozen=True, slots=True)
class FailureReason:
    """A reason why sessions or trials gave no number, and how often."""

    driver: str
    cell: CellKey
    kind: Literal["failure", "skip"]
    stage: str
    reason: str
    evidence: str
    times: int


@dataclass(frozen=True, slots=True)
class CpuMeans:
    """Where the CPU time of one driver in one cell went: means over its trials, in CPUs.

    Means, not medians, so that the parts add up: busy = client + server + rest. None for what was
    not read.
    """

    driver: str
    cell: CellKey
    trials: int
    busy: float | None  # of the whole machine, above its idle window
    client: float | None
    server: float | None
    rest: float | None
    softirq_share: float | None
    steal: float | None  # ratios both
    window: float | None  # seconds
    resolution: float | None
    source: str  # `cgroup` or `processes`; empty if neither end was read
    reason: str


@dataclass(frozen=True, slots=True)
class CostSplit:
    """What one byte or one transaction of a driver in one cell cost, and where that time went.

    Means over its trials, in seconds of CPU time, so that the parts add up to the cost.
    """

    driver: str
    cell: CellKey
    per: str  # `byte` or `transaction`
    trials: int
    parts: tuple[tuple[str, float], ...]
    """(whose, seconds): client and server, each in user mode and in the kernel if that was read;
    `rest` is what neither accounts for and may be negative."""
    softirq: float | None  # of the whole machine, wherever it was charged


@dataclass(frozen=True, slots=True)
class MergedTimes:
    """Every round-trip time of one driver in one cell. For plots only."""

    driver: str
    cell: CellKey
    records: int
    times: Histogram
    largest: float | None  # seconds


@dataclass(frozen=True, slots=True)
class Load:
    """One load that a rate search tried: bit/s of payload, and the ratio lost."""

    offered: float
    received: float
    loss: float


@dataclass(frozen=True, slots=True)
class Goal:
    """What a rate search found for one loss goal."""

    metric: str
    loss: float
    lower: float | None  # the rate, bit/s: the highest load that keeps the goal
    upper: float | None  # the lowest load above it that misses the goal
    end: str


@dataclass(frozen=True, slots=True)
class SearchTrial:
    """One trial of a rate search."""

    driver: str
    cell: CellKey
    record: int
    block: int
    loads: tuple[Load, ...]
    goals: tuple[Goal, ...]


@dataclass(frozen=True, slots=True)
class Digest:
    """Everything of the records that a report shows."""

    total: int
    rows: tuple[RecordRow, ...]
    lines: tuple[DrawnRecord, ...]
    drivers: tuple[DriverView, ...]
    commands: tuple[CommandLine, ...]
    commands_left: bool  # whether there were more command lines than are kept
    problems: tuple[FailureReason, ...]
    cpu: tuple[CpuMeans, ...]
    splits: tuple[CostSplit, ...]
    times: tuple[MergedTimes, ...]
    searches: tuple[SearchTrial, ...]

    def view(self, driver: str) -> DriverView | None:
        """Return one driver's view."""
        return next((view for view in self.drivers if view.driver == driver), None)
