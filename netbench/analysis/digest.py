"""One pass over the records, keeping only what a report shows of them.

A run may hold a hundred thousand records; what is kept does not grow with that, except for counts.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import replace
from typing import Final, assert_never

import numpy as np

from netbench.analysis.cell_key import CellKey, plain
from netbench.analysis.columns import groups
from netbench.analysis.cpu_sums import CpuTable
from netbench.analysis.digest_model import (
    CommandLine,
    Digest,
    DrawnRecord,
    FailureReason,
    RecordRow,
)
from netbench.analysis.driver_counts import DriverCounts
from netbench.analysis.model import Analysis
from netbench.analysis.rate_searches import Searches
from netbench.analysis.round_trips import RoundTrips
from netbench.analysis.series import TrialPoint, in_columns
from netbench.record import Failure, Record, Sample, Skip
from netbench.spec import Arm, Cell, Role

ROWS: Final = 2_000
"""Records that the table holds; the rest lies in records.jsonl."""
LINES: Final = 10
"""Records drawn as lines for one driver of one cell."""
DRAWN: Final = ("throughput", "rtt_p50")
"""Metrics by whose values the records are chosen that are drawn as lines."""
COMMANDS: Final = 400
"""Distinct command lines that are kept."""

_Command = tuple[str, Role, tuple[str, ...]]
_ProblemKey = tuple[Cell, str, str, str]


def chosen_trials(analysis: Analysis) -> dict[int, bool]:
    """Return the records to draw as lines; True for each driver's record with the median value."""
    if not analysis.points:
        return {}
    points = in_columns(analysis.points, TrialPoint)
    drawn = points.words("metric").among(DRAWN) & (points.numbers("replica") == 0)
    points = points.at(drawn)
    chosen: dict[int, bool] = {}
    columns = (points.words(name) for name in ("path", "probe", "placement", "driver"))
    for _, rows in groups(*columns):
        own = points.at(rows)
        records, values = own.numbers("record"), own.numbers("value")
        chosen |= dict.fromkeys(records[:: -(-len(own) // LINES)].tolist(), False)
        ordered = records[np.lexsort((records, values))]
        chosen[int(ordered[(len(own) - 1) // 2])] = True
    return chosen


class DigestCollector:
    """What one pass over the records has kept of them so far, before anything is judged."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self.total = 0
        self.drivers: defaultdict[str, DriverCounts] = defaultdict(DriverCounts)
        self.rows: list[RecordRow] = []
        self.commands: dict[_Command, Counter[str]] = {}
        self.commands_left = False
        self.problems: dict[_ProblemKey, FailureReason] = {}
        self.how_often: Counter[_ProblemKey] = Counter()
        self.cpu = CpuTable()
        self.searches = Searches()
        self.times = RoundTrips()

    def take(self, record: Record) -> bool:
        """Keep what is shown of one record; tell whether it is an example, to be shown whole."""
        self.total += 1
        if len(self.rows) < ROWS:
            self.rows.append(_row(record))
        if isinstance(record.outcome, Sample):
            self.cpu.add(record, record.outcome)
            self.times.add(record, record.outcome)
            self.searches.add(record, record.outcome)
        else:
            key = _problem_key(record, record.outcome)
            if key not in self.problems:
                self.problems[key] = _problem(record, record.outcome)
            self.how_often[key] += 1
        for tool in record.tools:
            self._command((record.cell.probe, tool.role, tool.argv), record.cell.driver)
        return self.drivers[record.cell.driver].add(record)

    def _command(self, key: _Command, driver: str, times: int = 1) -> None:
        known = self.commands.get(key)
        if known is None and len(self.commands) == COMMANDS:
            self.commands_left = True
            return
        if known is None:
            known = self.commands[key] = Counter()
        known[driver] += times

    def wanted(self, analysis: Analysis) -> frozenset[int]:
        """Return the numbers of the records that are shown whole."""
        return frozenset(self._examples() | chosen_trials(analysis).keys())

    def _examples(self) -> set[int]:
        ways = (way for driver in self.drivers.values() for way in driver.ways.values())
        return {way.example for way in ways if way.example is not None}

    def digest(self, analysis: Analysis, whole: Iterable[Record]) -> Digest:
        """Return everything that a report shows.

        Args:
            analysis: of the records that were taken.
            whole: those of them that are wanted.
        """
        examples, chosen = self._examples(), chosen_trials(analysis)
        shown: dict[int, Record] = {}
        lines: list[DrawnRecord] = []
        for record in whole:
            if record.number in examples:
                shown[record.number] = record
            if record.number in chosen and isinstance(record.outcome, Sample):
                lines.append(_line(record, record.outcome, chosen=chosen[record.number]))
        return Digest(
            total=self.total,
            rows=tuple(self.rows),
            lines=tuple(lines),
            drivers=tuple(counts.view(driver, shown) for driver, counts in self.drivers.items()),
            commands=tuple(
                CommandLine(*key, tuple(sorted(counts)), counts.total())
                for key, counts in sorted(self.commands.items(), key=lambda item: item[0])
            ),
            commands_left=self.commands_left,
            problems=tuple(
                replace(problem, times=self.how_often[key])
                for key, problem in self.problems.items()
            ),
            cpu=self.cpu.means(),
            splits=self.cpu.splits(),
            times=self.times.merged(),
            searches=self.searches.found(),
        )


def digest(analysis: Analysis, records: Iterable[Record]) -> Digest:
    """Read every record once and keep what a report shows."""
    gathering, chosen = DigestCollector(), chosen_trials(analysis)
    whole = [record for record in records if gathering.take(record) or record.number in chosen]
    return gathering.digest(analysis, whole)


def _key(record: Record) -> CellKey:
    return CellKey(record.cell.path, record.cell.probe, record.cell.placement)


def _row(record: Record) -> RecordRow:
    outcome = record.outcome
    values: tuple[tuple[str, float, str], ...] = ()
    note = ""
    match outcome:
        case Sample():
            values = tuple((m.metric, m.value, m.unit) for m in outcome.measurements)
        case Failure():
            note = f"{outcome.stage}: {plain(outcome.reason)}"
        case Skip():
            note = plain(outcome.reason)
        case _:
            assert_never(outcome)
    pins = record.pins
    seen = [text for text in (pins.client_observed, pins.server_observed) if text is not None]
    client = next((tool for tool in record.tools if tool.role is Role.CLIENT), None)
    return RecordRow(
        number=record.number,
        block=record.block,
        position=record.position,
        attempt=record.attempt,
        arm=str(Arm(record.cell.driver, record.replica)),
        cell=_key(record),
        slices=len(record.slices),
        failed_slices=sum(one.value is None for one in record.slices),
        outcome=outcome.kind,
        values=values,
        note=note,
        path_held=record.path_held,
        pins=" → ".join(seen),
        started=record.clock.started,
        seconds=record.clock.seconds,
        raw=client.stdout_file if client else "",
    )


def _line(record: Record, sample: Sample, *, chosen: bool) -> DrawnRecord:
    return DrawnRecord(
        record=record.number,
        block=record.block,
        driver=record.cell.driver,
        cell=_key(record),
        chosen=chosen,
        quantiles=sample.quantiles,
        series=sample.series,
        slices=record.slices,
    )


def _problem_key(record: Record, outcome: Failure | Skip) -> _ProblemKey:
    """Return what problems that are counted as one have in common."""
    stage = outcome.stage if isinstance(outcome, Failure) else ""
    return record.cell, outcome.kind, stage, outcome.reason


def _problem(record: Record, outcome: Failure | Skip) -> FailureReason:
    return FailureReason(
        driver=record.cell.driver,
        cell=_key(record),
        kind=outcome.kind,
        stage=outcome.stage if isinstance(outcome, Failure) else "",
        reason=outcome.reason,
        evidence=outcome.evidence,
        times=1,
    )
