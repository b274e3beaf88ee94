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
    slices: int
    """Of a session; 0 for a trial that ran whole."""
    failed_slices: int
    """Those of them that gave no value."""
    outcome: Literal["sample", "failure", "skip"]
    values: tuple[tuple[str, float, str], ...]
    """(metric, value, unit)."""
    note: str
    """Reason of a failure or skip; empty for a sample."""
    path_held: bool | None
    pins: str
    started: str
    seconds: float
    raw: str


@dataclass(frozen=True, slots=True)
class DrawnRecord:
    """Quantiles, series and slices of one record that is drawn."""

    record: int
    block: int
    driver: str
    cell: CellKey
    chosen: bool
    """Whether it is its driver's record with the median value."""
    quantiles: tuple[tuple[float, float], ...]
    series: tuple[SeriesPoint, ...]
    slices: tuple[Slice, ...]
    """Empty for a trial that ran whole."""


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
    evidence: str
    """Of the first break, else of the first check."""


@dataclass(frozen=True, slots=True)
class WayView:
    """What the records say of one driver on one path."""

    driver: str
    path: str
    example: Record | None
    """A trial with its endpoints: with a path that held if there is one."""
    held: int
    """Trials whose path was proved."""
    unheld: int
    closed: Skip | None
    """The skip, where the driver's own design rules out every trial of this path."""
    published: tuple[tuple[str, int], ...]
    """How published ports were served, with the number of trials; empty where none was."""

    @property
    def key(self) -> str:
        """`bridge, north-south`."""
        return f"{self.driver}, {self.path}"


@dataclass(frozen=True, slots=True)
class DriverView:
    """What the records say of one driver."""

    driver: str
    example: Record | None
    """A trial with its endpoints: with a path that held if there is one."""
    ways: tuple[WayView, ...]
    """One for each path, in the order of the records."""
    samples: int
    failures: int
    skips: int
    paths_held: int
    paths_broken: int
    promises: tuple[PromiseCount, ...]
    isolated: Skip | None
    """The skip, where the driver's own promise rules out every trial."""


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

    Means, not medians, so that the parts add up: busy = client + server + rest.
    """

    driver: str
    cell: CellKey
    trials: int
    busy: float | None
    """Of the whole machine, above its idle window; None where it was not read, as all below."""
    client: float | None
    server: float | None
    rest: float | None
    softirq_share: float | None
    """Ratio."""
    steal: float | None
    """Ratio."""
    window: float | None
    """Seconds."""
    resolution: float | None
    source: str
    """`cgroup` or `processes`; empty where neither end was read."""
    reason: str
    """Why something was not read; empty where everything was."""


@dataclass(frozen=True, slots=True)
class CostSplit:
    """What one byte or one transaction of a driver in one cell cost, and where that time went.

    Means over its trials, in seconds of CPU time, so that the parts add up to the cost.
    """

    driver: str
    cell: CellKey
    per: str
    """`byte` or `transaction`."""
    trials: int
    parts: tuple[tuple[str, float], ...]
    """(whose, seconds): client and server, each in user mode and in the kernel where that is
    told; `rest` is what neither accounts for and may be negative."""
    softirq: float | None
    """Of the whole machine, wherever it was charged; None where it was not read."""


@dataclass(frozen=True, slots=True)
class MergedTimes:
    """Every round-trip time of one driver in one cell. For plots only."""

    driver: str
    cell: CellKey
    records: int
    """Sessions or trials that they are of."""
    times: Histogram
    largest: float | None
    """Seconds; None where no trial told it."""


@dataclass(frozen=True, slots=True)
class Load:
    """One load that a rate search tried."""

    offered: float
    """bit/s of payload."""
    received: float
    """bit/s of payload."""
    loss: float
    """Ratio."""


@dataclass(frozen=True, slots=True)
class Goal:
    """What a rate search found for one loss goal."""

    metric: str
    loss: float
    """Ratio."""
    lower: float | None
    """The rate, bit/s: the highest load that keeps the goal; None where none did."""
    upper: float | None
    """The lowest load above it that misses the goal; None where none did."""
    end: str
    """How far the search came, in words."""


@dataclass(frozen=True, slots=True)
class SearchTrial:
    """One trial of a rate search."""

    driver: str
    cell: CellKey
    record: int
    block: int
    loads: tuple[Load, ...]
    """In the order in which they were tried."""
    goals: tuple[Goal, ...]


@dataclass(frozen=True, slots=True)
class Digest:
    """Everything of the records that a report shows."""

    total: int
    rows: tuple[RecordRow, ...]
    lines: tuple[DrawnRecord, ...]
    drivers: tuple[DriverView, ...]
    commands: tuple[CommandLine, ...]
    commands_left: bool
    """Whether there were more command lines than are kept."""
    problems: tuple[FailureReason, ...]
    cpu: tuple[CpuMeans, ...] = ()
    """One for each driver and cell whose trials have CPU times."""
    splits: tuple[CostSplit, ...] = ()
    """One for each driver and cell whose trials have a cost that can be split."""
    times: tuple[MergedTimes, ...] = ()
    """One for each driver and cell whose trials have histograms."""
    searches: tuple[SearchTrial, ...] = ()
    """Of each driver and cell the first ones."""

    def view(self, driver: str) -> DriverView | None:
        """Return one driver's view."""
        return next((view for view in self.drivers if view.driver == driver), None)
