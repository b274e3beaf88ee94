"""What the analysis says, as plain values: the only thing that reports and `--json` read."""

from dataclasses import dataclass, field, replace
from enum import StrEnum

from netbench.analysis.missing import MissingRecords
from netbench.errors import INCOMPLETE, NOT_KEPT
from netbench.record import Budget
from netbench.spec import Placement


class Verdict(StrEnum):
    """The judgement of one contrast. There is no word for "no difference"."""

    FASTER = "faster"  # better than the baseline: the interval leaves out 1, or every block says so
    SLOWER = "slower"  # the same the other way
    EQUIVALENT = "equivalent"  # the whole interval lies within the margin
    UNDECIDED = "undecided"  # the interval holds 1 and leaves the margin, or a gate took it back


class Standing(StrEnum):
    """How a budget stands in one cell."""

    NOT_MET = "not met"  # the whole interval lies beyond the bound
    UNDECIDED = "not decided"
    MET = "met"  # the whole interval lies on the bound's safe side


class Stopped(StrEnum):
    """Why a contrast got no more blocks."""

    PRECISE = "precise"  # sign known, interval as narrow as was asked for: its cell left
    DECIDED = "decided"  # equivalent, or wholly beyond the margin: its cell left
    DESCRIBED = "described"  # its cell only describes, and ran in the first blocks alone
    NO_CONTRAST = "no-contrast"  # one side never gave a number: its cell left
    LEADING = "with-leading"  # its cell left with the contrast of its leading metric
    FOR_BUDGET = "for-budget"  # settled, but its cell stayed for a budget that is undecided
    OUT_OF_TIME = "out-of-time"
    OUT_OF_BLOCKS = "out-of-blocks"
    FIXED_PLAN = "fixed-plan"  # the number of blocks was given; no cell leaves
    INTERRUPTED = "interrupted"
    ENGINE_LOST = "engine-lost"
    UNFINISHED = "unfinished"  # the run has no end: it was killed, or still goes on


@dataclass(frozen=True, slots=True)
class QualityWarning:
    """A doubt about a number, shown beside it."""

    kind: str  # short stable name, `split-values`
    message: str  # what was seen, with the figures
    advice: str  # what to do about it


@dataclass(frozen=True, slots=True)
class BlockDelta:
    """One block's contribution to a contrast."""

    block: int
    log_ratio: float
    """ln(driver) less the mean of both baseline arms' ln."""


@dataclass(frozen=True, slots=True)
class TrialPoint:
    """One session's or trial's value of one metric."""

    record: int
    block: int
    position: int
    driver: str
    replica: int
    path: str
    probe: str
    placement: Placement
    metric: str
    unit: str
    value: float
    attempt: int = 1  # more than 1 where the block was cut off and measured anew


@dataclass(frozen=True, slots=True)
class SentinelPoint:
    """One sentinel reading on the run's time axis."""

    record: int  # its number; the first one's where the sessions of a probe share a reading
    driver: str
    placement: Placement
    at: float  # seconds since the run's first reading
    value: float  # stream: bit/s; ping-pong: round trips per second
    when: str  # `before` or `after` the probe's rounds or trials


@dataclass(frozen=True, slots=True)
class Contrast:
    """A driver against the baseline for one metric in one cell (METHOD §2)."""

    driver: str
    baseline: str
    path: str
    probe: str
    placement: Placement
    metric: str
    unit: str
    primary: bool  # whether the run is judged by it; alpha is shared among those
    blocks: int  # blocks with a value of the driver and of at least one of the baseline's two arms
    ratio: float | None
    """exp(mean over the blocks of ln(driver) less the mean of both baseline arms' ln), of the raw
    metric; None without a block."""
    low: float | None  # lower end of the interval; None if it is unbounded (too few blocks)
    high: float | None
    difference: float | None  # median over the blocks of driver minus baseline, in `unit`
    driver_median: float | None
    baseline_median: float | None
    verdict: Verdict
    noise_floor: float | None  # half-width of the A/A interval, 0.02 for 2 %; None if unbounded
    warnings: tuple[QualityWarning, ...]
    deltas: tuple[BlockDelta, ...]
    saturated: str = ""  # of a throughput: as `CellSummary.saturated` of the driver
    stopped: Stopped = Stopped.FIXED_PLAN
    stopped_after: int | None = None  # the block after which its cell left; None if it stayed
    forecast: int | None = None
    """Blocks of the run after which it would be settled, by its spread so far; None if it is,
    or where there are too few blocks to tell."""
    forecast_verdict: int | None = None
    """Blocks of the run after which it would have a verdict; None if it has one, or where there
    are too few blocks to tell."""
    difference_low: float | None = None  # lower end of the mean difference's interval, in `unit`
    difference_high: float | None = None
    reason: str = ""  # why it is undecided, in about five words; empty where it is decided
    by_sign: bool = False  # whether only the common side of all blocks decides it
    median_ratio: float | None = None  # exp(median log ratio); rare dips set it apart from `ratio`
    unshared: tuple[float, float] | None = None  # the ratio's 95 % interval for this one alone


@dataclass(frozen=True, slots=True)
class NullContrast:
    """The baseline against its own second pair: what "nothing" looks like here (A/A)."""

    path: str
    probe: str
    placement: Placement
    metric: str
    blocks: int
    ratio: float | None
    low: float | None
    high: float | None
    deviation: float | None  # sample standard deviation of the log ratio; None below two blocks
    contains_one: bool  # False only where a finite interval leaves 1 out
    deltas: tuple[BlockDelta, ...]


@dataclass(frozen=True, slots=True)
class Confirmation:
    """A missed budget, measured again in a run of its own with a fresh seed."""

    run: str  # the run's folder, as the one that it confirms names it, or its label
    seed: int
    result: "BudgetResult"


@dataclass(frozen=True, slots=True)
class BudgetResult:
    """One budget in one of the cells that it stands for."""

    budget: Budget
    path: str
    probe: str
    placement: Placement
    standing: Standing
    blocks: int  # blocks with a value, or for a relative bound with a pair
    unit: str  # of the three below: `ratio` for a factor, else the metric's
    measured: float | None  # ratio to the reference, difference, or value itself
    low: float | None
    high: float | None
    bound: float
    reason: str  # why it is not decided; empty where it is
    again: Confirmation | None = None  # where it was missed, and measured again

    @property
    def place(self) -> tuple[Budget, str, str, str]:
        """What it has in common with the same bound in the same cell of another run."""
        bare = replace(self.budget, words=())
        return bare, self.path, self.probe, self.placement.value

    @property
    def final(self) -> Standing:
        """How it stands after both measurements: only what missed it twice misses it."""
        both = {self.standing, self.again.result.standing if self.again else self.standing}
        return next(
            one for one in (Standing.MET, Standing.UNDECIDED, Standing.NOT_MET) if one in both
        )

    def kept(self, *, allow_undecided: bool) -> bool:
        """Tell whether it is met in the end, or not decided where that is allowed."""
        return self.final is Standing.MET or (allow_undecided and self.final is Standing.UNDECIDED)


@dataclass(frozen=True, slots=True)
class CellSummary:
    """Every session or trial of one cell, in absolute figures."""

    driver: str
    replica: int
    path: str
    probe: str
    placement: Placement
    metric: str
    unit: str
    median: float | None
    p25: float | None
    p75: float | None
    trials: int  # samples
    failures: int
    skips: int
    reasons: tuple[str, ...]  # distinct reasons of failures and skips
    saturated: str = ""
    """Of a throughput: what was used up in the median trial: `client` or `server` (that tool's
    CPU), `both`, `rate` (the rate that the probe asks for), `nothing`, or `unknown`; empty
    elsewhere. Where a tool's CPU or the rate is, the figure is no measure of the driver."""


@dataclass(frozen=True, slots=True)
class Efficiency:
    """A driver's rate between containers over that of loopback."""

    driver: str
    efficiency: float


@dataclass(frozen=True, slots=True)
class Loopback:
    """What one stream over loopback carries, and what drivers reach of it."""

    probe: str
    value: float
    """bit/s."""
    source: str  # where it comes from, in words
    efficiencies: tuple[Efficiency, ...]
    wire: bool = False  # whether it is a stream from host to host of two machines instead


@dataclass(frozen=True, slots=True)
class Ceiling:
    """What the machine can do at most on one placement's CPUs (METHOD §3)."""

    placement: Placement
    copy: float | None  # memory copied within the caches, bit/s; None if it was not measured
    copy_memory: float | None  # memory copied beyond the caches, bit/s
    why: str  # why a figure is missing, where one is
    loopbacks: tuple[Loopback, ...]  # one for each probe of streams between containers


@dataclass(frozen=True, slots=True)
class OutcomeCounts:
    """How a run's trials came out."""

    samples: int
    failures: int
    by_design: int  # skips that are the driver's own promise: a result
    impossible: int  # skips of what was asked for and cannot be had here

    @property
    def exit_code(self) -> int:
        """Return 0 where every trial was measured or skipped by design, else 3."""
        return INCOMPLETE if self.failures or self.impossible else 0


@dataclass(frozen=True, slots=True)
class Analysis:
    """All that can be said of one run."""

    baseline: str
    primary_contrasts: int  # m of the Bonferroni share alpha / m
    alpha: float  # share of each contrast, 0.05 / m
    margin: float
    contrasts: tuple[Contrast, ...]
    nulls: tuple[NullContrast, ...]
    cells: tuple[CellSummary, ...]
    points: tuple[TrialPoint, ...]
    sentinel: tuple[SentinelPoint, ...]
    warnings: tuple[QualityWarning, ...]
    measuring_share: float | None  # seconds of measuring over wall seconds of the run
    tally: OutcomeCounts
    budgets: tuple[BudgetResult, ...] = ()
    budgets_kept: bool = True  # whether all are met, or are undecided where that is allowed
    ceilings: tuple[Ceiling, ...] = ()
    missing: MissingRecords = field(default_factory=MissingRecords)

    @property
    def exit_code(self) -> int:
        """The exit code: 1 if a budget is not kept, else 3 if something failed or is missing."""
        if not self.budgets_kept:
            return NOT_KEPT
        return INCOMPLETE if self.missing else self.tally.exit_code
