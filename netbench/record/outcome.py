"""The record of a session or a trial: `Sample | Failure | Skip`, with its evidence."""

from dataclasses import dataclass
from typing import ClassVar, Literal

from msgspec import Struct

from netbench.record.histogram import Histogram
from netbench.record.observed import EndpointFacts, FactValue
from netbench.spec import Cell, Role


@dataclass(frozen=True, slots=True)
class Measurement:
    """One number of one trial."""

    metric: str  # a metric name of the design: `throughput`, `rtt_p50`, ..
    value: float  # in `unit`
    unit: str


@dataclass(frozen=True, slots=True)
class SeriesPoint:
    """A figure of part of a trial: a rate over it, or the seconds it took."""

    start: float  # seconds since the measured window began
    end: float
    value: float  # in the unit of the metric it belongs to


@dataclass(frozen=True, slots=True)
class Slice:
    """What one session did in one round, while all others were held."""

    round: int  # from 1
    order: int  # place of the session within the round, from 1
    start: float  # CLOCK_MONOTONIC seconds at which the window that counts begins
    end: float  # the same at which it ends
    value: float | None  # of the probe's leading metric, in its unit; None without one
    received: int = 0  # payload bytes that the server received in the whole slice
    returned: int = 0  # payload bytes that the client received in it
    moved: tuple[int | None, ...] = ()
    """Bytes by which each link of the path moved in it, client to server, in the order of
    `PathProof.hops`; None for a link that the kernel counts nothing on, or that is this pair's own
    and can be read around the session only."""
    back: tuple[int | None, ...] = ()  # the same, server to client
    reason: str = ""  # why there is no value; empty where there is one


class Sample(Struct, frozen=True, tag_field="kind", tag="sample"):
    """The trial gave numbers, and its path is proved."""

    measurements: tuple[Measurement, ...]
    received: int  # payload bytes that the receiver counted: every link must carry them
    series: tuple[SeriesPoint, ...] = ()
    quantiles: tuple[tuple[float, float], ...] = ()  # (q, seconds) as printed; never averaged
    histogram: Histogram = ()
    """Every round-trip time, counted in the buckets of `netbench.record.histogram`; empty where
    the tool does not tell each of them."""
    details: tuple[tuple[str, FactValue], ...] = ()  # what the tool says beside its numbers
    returned: int = 0  # those of the received bytes that flowed from server to client
    kind: ClassVar[Literal["sample"]] = "sample"

    def value(self, metric: str) -> float | None:
        """Return one metric's value, None if the tool gave none."""
        return next((m.value for m in self.measurements if m.metric == metric), None)


class Failure(Struct, frozen=True, tag_field="kind", tag="failure"):
    """The trial was tried and gave no number that could be trusted."""

    stage: Literal["create", "promise", "server", "client", "output", "path", "isolation", "engine"]
    reason: str
    evidence: str  # messages, the start of the raw output; whole outputs lie in `raw/`
    kind: ClassVar[Literal["failure"]] = "failure"


class Skip(Struct, frozen=True, tag_field="kind", tag="skip"):
    """The trial is not possible, and that is the result."""

    reason: str
    evidence: str = ""
    by_design: bool = False  # whether the driver's own promise rules the trial out
    kind: ClassVar[Literal["skip"]] = "skip"


Outcome = Sample | Failure | Skip


@dataclass(frozen=True, slots=True)
class TrialTimes:
    """When a trial ran, on both clocks."""

    started: str  # UTC, ISO 8601
    started_monotonic: float  # seconds on CLOCK_MONOTONIC
    seconds: float  # wall time of the whole trial with its settle and drain
    measuring: float  # seconds from the client's release to its end


@dataclass(frozen=True, slots=True)
class Pins:
    """CPUs asked for and CPUs seen in /proc/<pid>/status while the tools ran."""

    client: int | None
    server: int | None
    client_observed: str | None  # as the kernel prints it, `1` or `0-1`; None if unreadable
    server_observed: str | None


@dataclass(frozen=True, slots=True)
class SentinelReading:
    """One reading of the machine's state."""

    value: float  # stream: bit/s, ping-pong: round trips per second; higher is closer
    at: float  # middle of the reading, CLOCK_MONOTONIC seconds
    peer: float | None = None  # the value of the other machine, if there are two


@dataclass(frozen=True, slots=True)
class SentinelWindow:
    """The readings at the edges of a probe's rounds, or trials, on their own pins."""

    method: Literal["stream", "pingpong", "none"]
    before: SentinelReading | None
    after: SentinelReading | None
    note: str = ""  # why there is none, where there is none


@dataclass(frozen=True, slots=True)
class ToolRun:
    """One process of the trial."""

    role: Role
    argv: tuple[str, ...]
    exit_code: int | None  # None if netbench ended it or it was never seen to end
    timed_out: bool
    seconds: float
    stdout_file: str  # path of the raw output in the run folder; empty without any
    stderr: str  # start of the standard error


@dataclass(frozen=True, slots=True)
class HopProof:
    """One link of the claimed path and what its counters say."""

    namespace: str  # `client`, `server` or `host`
    link: str
    index: int
    kind: str | None
    mode: str | None
    mtu: int
    mac: str
    peer: int | None
    master: str | None
    qdisc: str
    offloads: tuple[str, ...] | None
    rx_before: int
    rx_after: int
    tx_before: int
    tx_after: int
    counted: Literal["rx", "tx", "none"]  # counter of the client's bytes, if any
    moved: int  # bytes by which that moved, client to server; 0 for `none`
    back: int = 0  # bytes by which its opposite moved, server to client; 0 for `none`


@dataclass(frozen=True, slots=True)
class PromiseCheck:
    """One promise of the driver, held or broken, and what showed it."""

    promise: str
    held: bool
    evidence: str


@dataclass(frozen=True, slots=True)
class PathProof:
    """Which links carried the trial's bytes."""

    held: bool
    required: int  # bytes each counted link must have moved at least, client to server
    hops: tuple[HopProof, ...]
    route: str  # the client's route to the server
    reader: Literal["netlink", "engine"]
    problems: tuple[str, ...] = ()  # why it is not held; empty where it is
    returned: int = 0  # the same from server to client
    read_once: tuple[str, ...] = ()
    """What was read when the pair came up and not again, with the time, in words. All else of these
    links was read before and after."""
    listened: str = ""
    """Who listened to changes of links between the readings, or why nobody did; empty in records of
    before that was done."""


@dataclass(frozen=True, slots=True)
class Record:
    """One session of a block, or one trial, once."""

    number: int  # running number in the run, from 1
    block: int  # from 1
    position: int  # order within the block, from 1
    attempt: int  # 1, or more where its block was cut off and all of it measured anew
    cell: Cell
    replica: int  # 1 for the baseline's second arm (A/A), else 0
    outcome: Outcome
    clock: TrialTimes
    pins: Pins
    sentinel: SentinelWindow
    tools: tuple[ToolRun, ...]
    endpoints: tuple[EndpointFacts, ...]  # as read after the trial; empty without a pair
    promises: tuple[PromiseCheck, ...]
    path: PathProof | None
    facts: tuple[tuple[str, FactValue], ...] = ()  # trial-level facts of the registry
    slices: tuple[Slice, ...] = ()  # by round; empty for a trial that ran whole

    @property
    def path_held(self) -> bool | None:
        """Whether its path was proved; None if there was none to prove."""
        return None if self.path is None else self.path.held


@dataclass(frozen=True, slots=True)
class Completed:
    """One process, run to its end or ended by us."""

    argv: tuple[str, ...]
    exit_code: int | None  # negative for the signal that killed it; None if it was not seen
    stdout: str
    stderr: str
    timed_out: bool  # True where our deadline ended it
    seconds: float  # wall time from start (or release from hold) to end
