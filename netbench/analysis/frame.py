"""Records to rows: one pass, the numbers that a run is judged by kept, everything else let go."""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, Literal

from netbench.analysis.block_pairs import Key, Observed, Values, by_key
from netbench.analysis.model import TrialPoint
from netbench.errors import cut
from netbench.probes import LoadedRoundTrip, TcpRoundTrip
from netbench.record import (
    METRICS,
    FactValue,
    Pins,
    PlanSummary,
    Record,
    Sample,
    SentinelReading,
    Skip,
)
from netbench.spec import Cell

BUFFER_DELAY: Final = METRICS["buffer_delay"]
NOT_REACHED: Final = "not reached before the run ended"
_REASON: Final = 500  # characters of why a record has no number
_DELAYED: Final = "rtt_p50"  # the metric that the buffer delay is of
_FACTS: Final = {
    "trial.steal": "steal",
    "trial.frequency": "frequency",
    "trial.idle_busy": "idle_busy",
    "trial.busy_client_cpu": "client_busy",
    "trial.busy_server_cpu": "server_busy",
    "trial.conntrack_after": "conntrack",
}
"""Facts of a trial that are kept, by the field that holds each."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """A record without its numbers; None for what was not read."""

    record: int
    block: int
    position: int
    attempt: int
    replica: int
    cell: Cell
    outcome: Literal["sample", "failure", "skip"]
    reason: str | None  # of a failure or skip
    by_design: bool
    started: str  # UTC, ISO 8601
    measuring: float  # seconds
    before: SentinelReading | None  # usable reading before the trial, or before its probe's rounds
    after: SentinelReading | None
    note: str  # why there is no reading, where there is none; else empty
    pins: Literal["held", "broken", "unread"]
    congestion_control: str | None = None
    concurrency: float | None = None  # rate times mean time of a closed loop, for each client
    steal: float | None = None  # share of CPU time
    frequency: float | None = None  # clock of the slower CPU of the trial's, Hz
    idle_busy: float | None = None  # CPU seconds per second in the block's idle window
    client_busy: float | None = None  # CPU seconds per second while the load was steady
    server_busy: float | None = None
    conntrack: float | None = None  # connections tracked after a trial that makes many


@dataclass(frozen=True, slots=True)
class Frames:
    """What is kept of a run's records, at its end or while it goes on."""

    trials: Sequence[Trial]
    values: Mapping[Key, Observed]
    points: tuple[TrialPoint, ...] = ()  # by record, block, position and metric

    @property
    def blocks(self) -> int:
        """How many blocks were begun."""
        return max((trial.block for trial in self.trials), default=0)

    @property
    def samples(self) -> list[Trial]:
        """The trials that have numbers."""
        return [trial for trial in self.trials if trial.outcome == "sample"]

    @property
    def tried(self) -> set[Cell]:
        """Cells that some arm did not skip."""
        return {trial.cell for trial in self.trials if trial.outcome != "skip"}

    @property
    def skipped(self) -> set[Cell]:
        """Cells that were never more than skipped, whichever arm."""
        return {trial.cell for trial in self.trials} - self.tried

    @property
    def closed(self) -> set[tuple[str, str]]:
        """Drivers and the paths that they rule out by design."""
        return {(t.cell.driver, t.cell.path.value) for t in self.trials if t.by_design}

    def reasons(self, cell: Cell) -> str:
        """Return why trials of a cell failed or were skipped; empty if none was."""
        found = (trial.reason for trial in self.trials if trial.cell == cell)
        return "; ".join(dict.fromkeys(reason for reason in found if reason is not None))


@dataclass(slots=True)
class Collector:
    """Takes records one by one and keeps their numbers."""

    trials: list[Trial] = field(default_factory=list)
    values: Values = field(default_factory=lambda: by_key(()))

    def take(self, record: Record) -> None:
        """Keep one record."""
        self.trials.append(trial_of(record))
        by_key(points_of(record), self.values)

    def frames(self, plan: PlanSummary) -> Frames:
        """Return what is kept in order, with the values that no tool prints."""
        trials = sorted(self.trials, key=lambda t: (t.record, t.block, t.position))
        arms = (own for observed in self.values.values() for own in observed.values())
        points = sorted((point for own in arms for point in own), key=_order)
        points = sorted([*points, *buffer_delays(points, plan)], key=_order)
        return Frames(trials, by_key(points), tuple(points))


def _order(point: TrialPoint) -> tuple[int, int, int, str]:
    return point.record, point.block, point.position, point.metric


def framed(plan: PlanSummary, records: Iterable[Record]) -> Frames:
    """Read every record once, in any order, and return what is kept of them."""
    collector = Collector()
    for record in records:
        collector.take(record)
    return collector.frames(plan)


def points_of(record: Record) -> Iterator[TrialPoint]:
    """Yield a record's numbers."""
    if not isinstance(record.outcome, Sample):
        return
    driver, place = record.cell.driver, record.cell.place
    which = (record.number, record.block, record.position, driver, record.replica, *place)
    for one in record.outcome.measurements:
        yield TrialPoint(*which, one.metric, one.unit, one.value, record.attempt)


def trial_of(record: Record) -> Trial:
    """Return what is kept of a record beside its numbers."""
    outcome, sentinel = record.outcome, record.sentinel
    facts = {
        kept: value
        for name, value in record.facts
        if (kept := _FACTS.get(name)) and isinstance(value, int | float)
    }
    details = outcome.details if isinstance(outcome, Sample) else ()
    used = dict(details).get("congestion_control")
    known = {name.rpartition(".")[2]: value for name, value in details}
    return Trial(
        record=record.number,
        block=record.block,
        position=record.position,
        attempt=record.attempt,
        replica=record.replica,
        cell=record.cell,
        outcome=outcome.kind,
        reason=None if isinstance(outcome, Sample) else cut(outcome.reason, _REASON),
        by_design=isinstance(outcome, Skip) and outcome.by_design,
        started=record.clock.started,
        measuring=record.clock.measuring,
        before=_usable(sentinel.before),
        after=_usable(sentinel.after),
        note=sentinel.note,
        pins=_pins(record.pins),
        congestion_control=used if isinstance(used, str) else None,
        concurrency=_of_each(known.get("concurrency"), known.get("clients", 1)),
        **facts,
    )


def _of_each(concurrency: FactValue | None, clients: FactValue) -> float | None:
    """Return the requests under way for each client; None where that is not known."""
    if not isinstance(concurrency, int | float) or not isinstance(clients, int) or clients < 1:
        return None
    return concurrency / clients


def _usable(reading: SentinelReading | None) -> SentinelReading | None:
    usable = reading is not None and math.isfinite(reading.value) and reading.value > 0
    return reading if usable else None


def _pins(pins: Pins) -> Literal["held", "broken", "unread"]:
    ends = ((pins.client, pins.client_observed), (pins.server, pins.server_observed))
    seen = [(cpu, observed) for cpu, observed in ends if cpu is not None]
    if any(observed is not None and observed.strip() != str(cpu) for cpu, observed in seen):
        return "broken"
    return "unread" if any(observed is None for _, observed in seen) else "held"


def buffer_delays(points: Sequence[TrialPoint], plan: PlanSummary) -> list[TrialPoint]:
    """Return what a load adds to the round-trip time, for each loaded trial.

    Loaded over idle median, less 1: the buffer delay of RFC 6349 §4.3, which takes averages. The
    idle figure is that of the same arm's probe without a load, of the same message size, in the
    same attempt at the same block, placement and path; where there is none, there is no such value.
    """
    idle_of = idle_probes(plan)
    first: dict[tuple[object, ...], TrialPoint] = {}
    for p in points if idle_of else ():
        if p.metric == _DELAYED:
            place = p.path, p.placement, p.driver, p.replica, p.block, p.attempt
            first.setdefault((p.probe, *place), p)
    return [
        replace(
            loaded,
            metric=BUFFER_DELAY.name,
            unit=BUFFER_DELAY.unit,
            value=loaded.value / idle.value - 1,
        )
        for (probe, *place), loaded in first.items()
        if (idle := first.get((idle_of.get(str(probe)), *place))) is not None
    ]


def idle_probes(plan: PlanSummary) -> dict[str, str]:
    """Return the name of the idle probe by that of the loaded one; the first of equal size."""

    def sizes(kind: str) -> dict[str, object]:
        return {p.name: dict(p.parameters).get("size") for p in plan.probes if p.kind == kind}

    idle: dict[object, str] = {}
    for name, size in sizes(TcpRoundTrip.name).items():
        idle.setdefault(size, name)
    loaded = sizes(LoadedRoundTrip.name).items()
    return {name: idle[size] for name, size in loaded if size in idle}
