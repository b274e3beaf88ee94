"""What a report shows of the records; `netbench.analysis.digest` gathers it in one pass."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Final, Literal

from netbench.analysis.cell_key import TRIED, CellKey
from netbench.record import Histogram, PromiseCheck, Record, SeriesPoint, Skip, Slice
from netbench.spec import Path, Role

_CONGESTION_CONTROL: Final = ("trial.congestion_control_client", "trial.congestion_control_server")


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


@dataclass(slots=True)
class PromiseCount:
    """One promise over all trials of a driver."""

    promise: str
    evidence: str  # of the first break, else of the first check
    held: int = 0
    broken: int = 0

    def add(self, check: PromiseCheck) -> None:
        """Count one check."""
        if not check.held and not self.broken:
            self.evidence = check.evidence
        self.held += check.held
        self.broken += not check.held


@dataclass(slots=True)
class WayView:
    """What the records say of one driver on one path, counted as they pass."""

    driver: str
    path: str
    example: Record | None = None  # a trial with its endpoints: with a path that held if possible
    shown: int = 0  # what the example shows
    held: int = 0
    unheld: int = 0
    records: int = 0
    by_design: int = 0  # skips that the driver's own design makes
    skip: Skip | None = None  # the first of them
    served: Counter[str] = field(default_factory=Counter)

    def add(self, record: Record) -> None:
        """Count one record."""
        self.records += 1
        self.held += record.path_held is True
        self.unheld += record.path_held is False
        if isinstance(record.outcome, Skip) and record.outcome.by_design:
            self.by_design += 1
            self.skip = self.skip or record.outcome
        published = dict(record.facts).get("trial.published_via")
        self.served.update([published] if isinstance(published, str) else ())
        shown = 0 if record.replica else _shown(record)
        if shown > self.shown:
            self.example, self.shown = record, shown

    @property
    def closed(self) -> Skip | None:
        """The skip, if the driver's own design rules out every trial of this path."""
        return self.skip if self.by_design == self.records else None

    @property
    def published(self) -> tuple[tuple[str, int], ...]:
        """How published ports were served, with the number of trials."""
        return tuple(sorted(self.served.items()))

    @property
    def key(self) -> str:
        """`bridge, north-south`."""
        return f"{self.driver}, {self.path}"


def _shown(record: Record) -> int:
    """Rank a record as an example: endpoints, then a path, then a path that held."""
    if not record.endpoints:
        return 1
    return 2 + (record.path_held is not None) + bool(record.path_held)


@dataclass(slots=True)
class DriverView:
    """What the records say of one driver, counted as they pass."""

    driver: str
    by_path: dict[str, WayView] = field(default_factory=dict)
    outcomes: Counter[str] = field(default_factory=Counter)
    promises: list[PromiseCount] = field(default_factory=list)
    congestion_control: tuple[str, ...] = ()  # what TCP in its endpoints used, if that was read

    def add(self, record: Record) -> None:
        """Count one record."""
        self.outcomes[record.outcome.kind] += 1
        used = {v for n, v in record.facts if n in _CONGESTION_CONTROL and isinstance(v, str)}
        self.congestion_control = tuple(sorted(used.union(self.congestion_control)))
        for check in record.promises:
            count = next((one for one in self.promises if one.promise == check.promise), None)
            if count is None:
                count = PromiseCount(check.promise, check.evidence)
                self.promises.append(count)
            count.add(check)
        path = record.cell.path.value
        self.by_path.setdefault(path, WayView(self.driver, path)).add(record)

    @property
    def ways(self) -> tuple[WayView, ...]:
        """Its paths, in the order of `Path`."""
        return tuple(self.by_path[path] for path in Path if path in self.by_path)

    @property
    def example(self) -> Record | None:
        """The example of the path that shows most."""
        return max(self.ways, key=lambda way: way.shown).example

    @property
    def isolated(self) -> Skip | None:
        """The skip, if the driver's own promise rules out every trial; first one that was tried."""
        closed = [way.closed for way in self.ways if way.closed is not None]
        closed.sort(key=lambda skip: not skip.evidence.startswith(TRIED))
        return closed[0] if len(closed) == len(self.by_path) else None


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
    """Where the CPU time of one driver in one cell went, in CPUs; None for what was not read.

    Means over its trials, not medians, so that the parts add up: busy = client + server + rest.
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
    """What one byte or transaction of a driver in one cell cost: means, in seconds of CPU time."""

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
    drivers: tuple[DriverView, ...] = field(hash=False)  # views cannot be hashed
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
