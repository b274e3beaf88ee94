"""Records to columns: one pass, numbers kept, everything else let go."""

import math
from array import array
from collections.abc import Iterable
from dataclasses import dataclass, fields, replace
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray

from netbench.analysis.columns import Flags, Floats, Index, Texts, Wholes, Words
from netbench.record import Pins, Record, Sample, Skip

MACHINE: Final = {
    "steal": "trial.steal",
    "frequency": "trial.frequency",
    "idle_busy": "trial.idle_busy",
    "client_busy": "trial.busy_client_cpu",
    "server_busy": "trial.busy_server_cpu",
    "conntrack": "trial.conntrack_after",
}
"""Columns that are facts of the trial, by the facts' names."""
_WHOLE: Final = ("record", "block", "position", "attempt", "replica", "by_design")
_TEXT: Final = (
    *("driver", "path", "probe", "placement", "outcome", "reason", "note", "congestion_control"),
    "pins",
)
_FLOAT: Final = ("before", "after", "before_at", "after_at", "measuring", "concurrency", *MACHINE)
_PLACES: Final = {fact: place for place, fact in enumerate(MACHINE.values())}
_NAN: Final = math.nan
_CHUNK: Final = 4096
"""Rows that are turned into columns at a time."""
_Row = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Trials:
    """Records without their numbers, by number, block and position: a column for each field.

    A float that is missing is NaN in here; it never leaves as a number.
    """

    record: Wholes
    block: Wholes
    position: Wholes
    attempt: Wholes
    replica: Wholes
    driver: Words
    path: Words
    probe: Words
    placement: Words
    outcome: Words
    """`sample`, `failure` or `skip`."""
    reason: Words
    """Of a failure or skip."""
    note: Words
    """Why there is no sentinel, where there is none; else empty."""
    congestion_control: Words
    pins: Words
    """`held`, `broken` or `unread`."""
    by_design: Flags
    before: Floats
    """Usable sentinel reading before the trial, or before the rounds of its probe."""
    after: Floats
    before_at: Floats
    """CLOCK_MONOTONIC seconds."""
    after_at: Floats
    measuring: Floats
    """Seconds."""
    concurrency: Floats
    """Rate times mean time of a closed loop, as its tool gives both; one is under way in truth."""
    steal: Floats
    """Share of CPU time."""
    frequency: Floats
    """Clock of the slower CPU of the trial's, Hz."""
    idle_busy: Floats
    """CPU seconds per second in the block's idle window."""
    client_busy: Floats
    """CPU seconds per second on the client's CPU while the load was steady."""
    server_busy: Floats
    conntrack: Floats
    """Connections that the host tracked after a trial that makes many."""

    def __len__(self) -> int:
        """Return the number of records."""
        return len(self.record)

    def at(self, rows: Index) -> Self:
        """Return some of the records."""
        return replace(self, **{f.name: getattr(self, f.name)[rows] for f in fields(self)})

    @property
    def samples(self) -> Self:
        """The records that have numbers."""
        return self.at(self.outcome.equal("sample"))


@dataclass(frozen=True, slots=True)
class MetricValues:
    """One row for each record and metric, by record and metric."""

    row: NDArray[np.intp]
    """Index of its record in the trials."""
    metric: Words
    unit: Words
    value: Floats

    def __len__(self) -> int:
        """Return the number of numbers."""
        return len(self.row)

    def at(self, rows: Index) -> "MetricValues":
        """Return some of the numbers."""
        return MetricValues(self.row[rows], self.metric[rows], self.unit[rows], self.value[rows])


@dataclass(frozen=True, slots=True)
class Frames:
    """What is kept of a run's records."""

    trials: Trials
    numbers: MetricValues

    def cells(self, numbers: MetricValues) -> tuple[Words, Words, Words]:
        """Return path, probe and placement of each of these numbers."""
        trials, rows = self.trials, numbers.row
        return trials.path[rows], trials.probe[rows], trials.placement[rows]

    def arms(self, numbers: MetricValues) -> tuple[Words, Wholes]:
        """Return driver and replica of each of these numbers."""
        return self.trials.driver[numbers.row], self.trials.replica[numbers.row]


class Collector:
    """Takes records one by one and keeps their numbers."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self.wholes = {name: array("q") for name in _WHOLE}
        self.texts = {name: Texts() for name in _TEXT}
        self.floats = {name: array("d") for name in _FLOAT}
        self.rows, self.values = array("q"), array("d")
        self.metrics, self.units = Texts(), Texts()
        self.taken = 0
        self.recent: list[_Row] = []

    def take(self, record: Record) -> None:
        """Keep one record."""
        outcome = record.outcome
        if isinstance(outcome, Sample):
            found = outcome.measurements
            self.rows.extend([self.taken] * len(found))
            self.metrics.extend([measured.metric for measured in found])
            self.units.extend([measured.unit for measured in found])
            self.values.extend([measured.value for measured in found])
        self.taken += 1
        self.recent.append(_row(record))
        if len(self.recent) == _CHUNK:
            self.keep_recent()

    def keep_recent(self) -> None:
        """Keep the last rows as columns."""
        if self.recent:
            columns = iter(zip(*self.recent, strict=True))
            for kept in (self.wholes, self.texts, self.floats):
                for column in kept.values():
                    column.extend(next(columns))
            self.recent.clear()

    def frames(self) -> Frames:
        """Return the columns of all records, and keep nothing any more."""
        self.keep_recent()
        columns: dict[str, Any] = {}
        for name in _WHOLE:
            columns[name] = np.array(self.wholes.pop(name), np.int64)
        for name in _TEXT:
            columns[name] = self.texts.pop(name).column()
        for name in _FLOAT:
            columns[name] = np.array(self.floats.pop(name), np.float64)
        for name in ("path", "placement"):
            column = columns[name]
            columns[name] = Words(column.codes, tuple(map(str, column.names)))
        columns["by_design"] = columns["by_design"].astype(np.bool_)
        for name in ("before", "after"):
            columns[name] = _usable(columns[name])
        order = np.lexsort((columns["position"], columns["block"], columns["record"]))
        trials = Trials(**columns).at(order)
        places = np.empty(len(order), np.intp)
        places[order] = np.arange(len(order))
        numbers = MetricValues(
            places[np.array(self.rows, np.intp)],
            self.metrics.column(),
            self.units.column(),
            np.array(self.values, np.float64),
        )
        return Frames(trials, numbers.at(np.lexsort((numbers.metric.codes, numbers.row))))


def collect(records: Iterable[Record]) -> Frames:
    """Read every record once and return the columns; the order of `records` does not matter."""
    collector = Collector()
    for record in records:
        collector.take(record)
    return collector.frames()


def _row(record: Record) -> _Row:
    """Return a record's values in the order of `_WHOLE`, `_TEXT` and `_FLOAT`."""
    outcome, cell, sentinel = record.outcome, record.cell, record.sentinel
    before, after = sentinel.before, sentinel.after
    congestion_control, concurrency = (
        _details(outcome) if isinstance(outcome, Sample) else (None, _NAN)
    )
    return (
        record.number,
        record.block,
        record.position,
        record.attempt,
        record.replica,
        isinstance(outcome, Skip) and outcome.by_design,
        cell.driver,
        cell.path,
        cell.probe,
        cell.placement,
        outcome.kind,
        None if isinstance(outcome, Sample) else outcome.reason,
        sentinel.note,
        congestion_control,
        _pins(record.pins),
        _NAN if before is None else before.value,
        _NAN if after is None else after.value,
        _NAN if before is None else before.at,
        _NAN if after is None else after.at,
        record.clock.measuring,
        concurrency,
        *_machine(record),
    )


def _details(sample: Sample) -> tuple[str | None, float]:
    """Return the congestion control, and the rate times the mean time of a closed loop."""
    used, product = None, _NAN
    for name, value in sample.details:
        if name == "congestion_control":
            used = value if isinstance(value, str) else None
        elif name.endswith(".concurrency") and isinstance(value, int | float):
            product = value if math.isnan(product) else product
    return used, product


def _usable(readings: Floats) -> Floats:
    """Return the readings with NaN for those that are no positive number."""
    with np.errstate(invalid="ignore"):
        return np.where(np.isfinite(readings) & (readings > 0), readings, np.nan)


def _pins(pins: Pins) -> str:
    held = True
    for cpu, seen in ((pins.client, pins.client_observed), (pins.server, pins.server_observed)):
        if cpu is None:
            continue
        if seen is not None and seen.strip() != str(cpu):
            return "broken"
        held &= seen is not None
    return "held" if held else "unread"


def _machine(record: Record) -> list[float]:
    found = [_NAN] * len(MACHINE)
    for name, value in record.facts:
        place = _PLACES.get(name)
        if place is not None and isinstance(value, int | float):
            found[place] = value
    return found
