"""What we saw: outcomes and the facts behind them; here what stands in `run.json`."""

from dataclasses import dataclass
from typing import Final, Literal

from netbench.errors import cut
from netbench.record.histogram import Histogram as Histogram
from netbench.record.metrics import METRICS as METRICS
from netbench.record.metrics import Budget as Budget
from netbench.record.metrics import Metric as Metric
from netbench.record.observed import NAMESPACE_KINDS as NAMESPACE_KINDS
from netbench.record.observed import PAIRED as PAIRED
from netbench.record.observed import Absent as Absent
from netbench.record.observed import Address as Address
from netbench.record.observed import ClientSide as ClientSide
from netbench.record.observed import EndpointFacts as EndpointFacts
from netbench.record.observed import FactValue as FactValue
from netbench.record.observed import Ipam as Ipam
from netbench.record.observed import Link as Link
from netbench.record.observed import LinkCounters as LinkCounters
from netbench.record.observed import Namespaces as Namespaces
from netbench.record.observed import PairFacts as PairFacts
from netbench.record.observed import Route as Route
from netbench.record.observed import RuleCounters as RuleCounters
from netbench.record.outcome import Completed as Completed
from netbench.record.outcome import Failure as Failure
from netbench.record.outcome import HopProof as HopProof
from netbench.record.outcome import Measurement as Measurement
from netbench.record.outcome import Outcome as Outcome
from netbench.record.outcome import PathProof as PathProof
from netbench.record.outcome import Pins as Pins
from netbench.record.outcome import PromiseCheck as PromiseCheck
from netbench.record.outcome import Record as Record
from netbench.record.outcome import Sample as Sample
from netbench.record.outcome import SentinelReading as SentinelReading
from netbench.record.outcome import SentinelWindow as SentinelWindow
from netbench.record.outcome import SeriesPoint as SeriesPoint
from netbench.record.outcome import Skip as Skip
from netbench.record.outcome import Slice as Slice
from netbench.record.outcome import ToolRun as ToolRun
from netbench.record.outcome import TrialTimes as TrialTimes
from netbench.record.redaction import Redaction as Redaction
from netbench.spec import Cell

Direction = Literal["more", "less", "same"]  # driver against baseline, raw metric
Ending = Literal["complete", "out-of-time", "interrupted", "engine-lost"]
Status = Literal["running", "complete", "out-of-time", "interrupted", "engine-lost"]
Why = Literal["precise", "decided", "described", "no-contrast"]


@dataclass(frozen=True, slots=True)
class PublishedComparison:
    """One published comparison, and the cell that measures its counterpart."""

    source: str  # who and where, as text
    url: str
    driver: str
    baseline: str
    metric: str  # one of netbench's metrics, or the nearest to what was published
    direction: Direction
    ratio: float | None
    """driver / baseline of the raw metric; None if only a rank was published."""
    conditions: str  # what it was measured on, and how that differs from two containers
    path: str = ""  # with `probe` and `placement` the cell; empty where none is comparable
    probe: str = ""
    placement: str = ""
    incomparable: str = ""  # why one machine measures nothing comparable; else empty


SCHEMA: Final = 2  # version of the run folder; 1, whole trials, was never released


@dataclass(frozen=True, slots=True)
class PlacementCpus:
    """The CPUs that a placement stands for in this run."""

    placement: str
    client: int | None
    server: int | None


@dataclass(frozen=True, slots=True)
class ProbeSummary:
    """A probe as the suite configured it."""

    name: str  # as cells name it
    kind: str  # key of `PROBES`
    metrics: tuple[str, ...]  # what it may give, the leading one first
    parameters: tuple[tuple[str, FactValue], ...]


@dataclass(frozen=True, slots=True)
class PlanSummary:
    """The plan as it was fixed before the first trial."""

    suite: str  # name of the suite
    drivers: tuple[str, ...]
    baseline: str
    cells: tuple[Cell, ...]
    blocks: int  # how many; at most, where `adaptive`
    cap: int  # blocks that were declared when the run began; `blocks` is more where it was extended
    max_time: float | None  # seconds; None for no limit
    seed: int
    margin: float  # relative effect that matters, 0.05 for 5 %
    placements: tuple[PlacementCpus, ...]
    congestion_control: str | None  # asked for with `--cc`; None for the system's own
    probes: tuple[ProbeSummary, ...] = ()  # those that the cells use
    secondary: tuple[tuple[str, str], ...] = ()
    """Probe and placement of cells that the run is not judged by: shown beside the others, with
    no share in the error rate."""
    limits: tuple[tuple[str, str, int], ...] = ()
    """Probe and placement of cells that only describe, and in how many blocks, the first ones, they
    run; all others run in every block until they are settled."""
    require: tuple[Budget, ...] = ()  # budgets asked for with `--require`
    allow_undecided: bool = False  # whether a budget that is not decided counts as kept
    published: tuple[PublishedComparison, ...] = ()  # what others measured, to stand beside
    adaptive: bool = False  # whether settled cells leave; else every block holds every cell
    precision: float = 0.03  # relative half-width of a narrow enough interval, 0.03 for 3 %
    least: int = 6  # complete pairs that a contrast has at least before it may be settled
    unhurried: int = 0  # blocks that `max_time` does not prevent
    conflists: tuple[tuple[str, str], ...] = ()  # SHA-256 of each driver's CNI list


@dataclass(frozen=True, slots=True)
class OtherRun:
    """Another netbench that measured on the same engine or machine meanwhile."""

    id: str
    blocks: tuple[int, ...]  # during which it was seen


@dataclass(frozen=True, slots=True)
class Settled:
    """A cell whose leading metric's contrast needs no more blocks: it has left the run."""

    cell: Cell
    block: int  # the last block it ran in; a run that was extended may have measured it again since
    why: Why
    """`precise`: the interval is as narrow as was asked for. `decided`: a verdict stands.
    `described`: it only describes, and has run in as many blocks as its suite says.
    `no-contrast`: there is nothing to compare, or one side never gave a number."""


@dataclass(frozen=True, slots=True)
class Left:
    """A cell that goes on."""

    cell: Cell
    blocks: int | None  # blocks of the run after which it would be precise, if that can be said


@dataclass(frozen=True, slots=True)
class Ruling:
    """What is settled after a block, and what is left."""

    settled: tuple[Settled, ...]  # by this block; earlier ones are not listed again
    left: tuple[Left, ...]


@dataclass(frozen=True, slots=True)
class ResumeDifference:
    """What is not as it was when the run began."""

    what: str  # a fact's name, or that of a tool or an option
    before: str
    now: str

    def __str__(self) -> str:
        """Return `kernel.release: 6.1.0 when the run began, 6.12.1 now`."""
        return f"{self.what}: {cut(self.before)} when the run began, {cut(self.now)} now"


@dataclass(frozen=True, slots=True)
class Resumed:
    """One `--resume`."""

    at: str  # UTC, ISO 8601
    command: tuple[str, ...]
    version: str
    """netbench's version."""
    block: int  # the first block that was measured from then on
    number: int
    """The number of its first record. Earlier records of that block are set aside: it was cut off,
    and what belongs to one block is measured within minutes, over pairs brought up together."""
    set_aside: int  # how many those are
    spent: float  # seconds that the run had taken by then, pauses left out
    differences: tuple[ResumeDifference, ...] = ()  # what had changed, if `--force` went on
    extended_blocks: int = 0  # blocks that `--blocks +N` added; 0 where it was not given
    extended_time: float = 0.0  # seconds that `--max-time +S` added; 0 where it was not given
    reopened: bool = False  # whether settled cells were measured again: nothing else was left
    again: tuple[int, ...] = ()
    """Other blocks that were measured anew from then on, because records of them were missing; what
    was left of them is set aside."""

    @property
    def extends(self) -> bool:
        """Whether the run was extended, and not only resumed."""
        return bool(self.extended_blocks or self.extended_time)

    def sets_aside(self, block: int, number: int) -> bool:
        """Tell whether a record counts no more, because its block was measured anew."""
        return number < self.number and (block == self.block or block in self.again)


@dataclass(frozen=True, slots=True)
class LinkedRun:
    """A run that has to do with this one."""

    id: str
    folder: str  # name of its folder, which lies beside this run's


@dataclass(frozen=True, slots=True)
class RunInfo:
    """The content of `run.json`."""

    schema: int
    id: str  # also the value of the label `netbench.run` on everything that the run made
    version: str
    """netbench's version."""
    created: str  # UTC, ISO 8601
    command: tuple[str, ...]
    engine: str
    engine_why: str  # why this engine, in words
    plan: PlanSummary
    tools: tuple[tuple[str, str], ...]  # name and version of each tool, as it prints them
    facts: tuple[tuple[str, FactValue], ...]  # of host, kernel and engine, by registry
    helpers: tuple[str, ...] = ()  # what netbench made beside the pairs, with which rights
    status: Status = "running"
    finished: str | None = None
    wall: float | None = None  # seconds from first creation to last removal, pauses left out
    notes: tuple[str, ...] = ()  # what a reader must know about this run as a whole
    settled: tuple[Settled, ...] = ()  # cells that settled before the run's end, in that order
    options: tuple[tuple[str, FactValue], ...] = ()  # all that were set, without dashes
    resumed: tuple[Resumed, ...] = ()  # each time that it was gone on with
    others: tuple[OtherRun, ...] = ()  # whoever measured meanwhile, as they were seen
    confirmed_by: tuple[LinkedRun, ...] = ()
    """Runs that measured again, with a fresh seed, what missed its budget in this one."""
    confirms: LinkedRun | None = None  # the run whose missed budgets this one measures again
