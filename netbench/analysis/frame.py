"""Records to tidy frames: one pass, numbers kept, everything else let go."""

import sys
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, NamedTuple

import pandas as pd

from netbench.record import Failure, Pins, Record, Sample, SentinelReading, Skip
from netbench.sentinel.rule import usable

CELL: Final = ["path", "probe", "placement"]
"""Columns that make a cell, the driver aside."""
ARM: Final = ["driver", "replica"]

MACHINE: Final = {
    "steal": "trial.steal",
    "frequency": "trial.frequency",
    "idle_busy": "trial.idle_busy",
    "client_busy": "trial.busy_client_cpu",
    "server_busy": "trial.busy_server_cpu",
    "conntrack": "trial.conntrack_after",
}
"""Columns that are facts of the trial, by the facts' names."""
TRIAL_TYPES: Final = dict.fromkeys(
    ("before", "after", "before_at", "after_at", "measuring", "concurrency", *MACHINE), "float64"
) | dict.fromkeys(("record", "block", "position", "attempt", "replica"), "int64")
VALUE_TYPES: Final = {"row": "int64", "value": "float64"}


@dataclass(frozen=True, slots=True)
class Frames:
    """What is kept of a run's records. None becomes NaN inside; it never leaves as a number."""

    trials: pd.DataFrame
    """One row a record, with the columns of `Trial`, ordered by record."""
    numbers: pd.DataFrame
    """Tidy: one row per record and metric: `Value` and its trial's columns; `row` is its index."""


class Trial(NamedTuple):
    """One record without its numbers."""

    record: int
    block: int
    position: int
    attempt: int
    driver: str
    replica: int
    path: str
    probe: str
    placement: str
    outcome: str
    """`sample`, `failure` or `skip`."""
    reason: str | None
    """Of a failure or skip."""
    by_design: bool
    before: float | None
    """Usable sentinel reading before the trial."""
    after: float | None
    before_at: float | None
    """CLOCK_MONOTONIC seconds."""
    after_at: float | None
    note: str
    """Why there is no sentinel, where there is none."""
    congestion_control: str | None
    pins: str
    """`held`, `broken` or `unread`."""
    steal: float | None
    """Share of CPU time."""
    frequency: float | None
    """Clock of the slower CPU of the trial's, Hz."""
    idle_busy: float | None
    """CPU seconds per second in the block's idle window."""
    client_busy: float | None
    """CPU seconds per second on the client's CPU while the load was steady."""
    server_busy: float | None
    conntrack: float | None
    """Connections that the host tracked after a trial that makes many."""
    measuring: float
    """Seconds."""
    concurrency: float | None
    """Rate times mean time of a closed loop, as its tool gives both; one is under way in truth."""


class Value(NamedTuple):
    """One number of one trial."""

    row: int
    """Index of the trial."""
    metric: str
    unit: str
    value: float


def collect(records: Iterable[Record]) -> Frames:
    """Read every record once and return the frames; the order of `records` does not matter."""
    trials: list[Trial] = []
    found: list[Value] = []
    for record in records:
        if isinstance(record.outcome, Sample):
            found.extend(
                Value(len(trials), sys.intern(m.metric), sys.intern(m.unit), float(m.value))
                for m in record.outcome.measurements
            )
        trials.append(_trial(record))
    frame = pd.DataFrame(trials, columns=list(Trial._fields)).astype(TRIAL_TYPES)
    numbers = pd.DataFrame(found, columns=list(Value._fields)).astype(VALUE_TYPES)
    numbers = numbers.join(frame, on="row")
    order = ["record", "block", "position"]
    return Frames(
        trials=frame.sort_values(order, kind="stable"),
        numbers=numbers.sort_values([*order, "metric"], kind="stable", ignore_index=True),
    )


def _trial(record: Record) -> Trial:
    outcome, cell, sentinel = record.outcome, record.cell, record.sentinel
    explained = outcome if isinstance(outcome, Failure | Skip) else None
    return Trial(
        record=record.number,
        block=record.block,
        position=record.position,
        attempt=record.attempt,
        driver=sys.intern(cell.driver),
        replica=record.replica,
        path=cell.path.value,
        probe=sys.intern(cell.probe),
        placement=cell.placement.value,
        outcome=outcome.kind,
        reason=sys.intern(explained.reason) if explained else None,
        by_design=isinstance(outcome, Skip) and outcome.by_design,
        before=usable(sentinel.before),
        after=usable(sentinel.after),
        before_at=_moment(sentinel.before),
        after_at=_moment(sentinel.after),
        note=sys.intern(sentinel.note),
        congestion_control=_congestion_control(record),
        pins=_pins(record.pins),
        measuring=record.clock.measuring,
        concurrency=_concurrency(record),
        **_machine(record),
    )


def _moment(reading: SentinelReading | None) -> float | None:
    return None if reading is None else reading.at


def _congestion_control(record: Record) -> str | None:
    if not isinstance(record.outcome, Sample):
        return None
    found = dict(record.outcome.details).get("congestion_control")
    return sys.intern(found) if isinstance(found, str) else None


def _concurrency(record: Record) -> float | None:
    if not isinstance(record.outcome, Sample):
        return None
    given = (v for name, v in record.outcome.details if name.endswith(".concurrency"))
    return next((float(value) for value in given if isinstance(value, int | float)), None)


def _pins(pins: Pins) -> str:
    asked = ((pins.client, pins.client_observed), (pins.server, pins.server_observed))
    pinned = [(cpu, seen) for cpu, seen in asked if cpu is not None]
    if any(seen is not None and seen.strip() != str(cpu) for cpu, seen in pinned):
        return "broken"
    return "unread" if any(seen is None for _, seen in pinned) else "held"


def _machine(record: Record) -> dict[str, float | None]:
    facts = dict(record.facts)
    found = {column: facts.get(name) for column, name in MACHINE.items()}
    return {
        column: float(value) if isinstance(value, int | float) else None
        for column, value in found.items()
    }
