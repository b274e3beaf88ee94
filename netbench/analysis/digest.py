"""One pass over the records, keeping what a report shows: no more for a hundred thousand."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from typing import Final, Literal

from netbench.analysis.block_pairs import grouped
from netbench.analysis.cell_key import CellKey, Owner, plain
from netbench.analysis.cpu_sums import CpuTable
from netbench.analysis.digest_model import (
    CommandLine,
    Digest,
    DrawnRecord,
    DriverView,
    FailureReason,
    Goal,
    Load,
    MergedTimes,
    RecordRow,
    SearchTrial,
)
from netbench.analysis.model import Analysis
from netbench.errors import cut
from netbench.probes.iperf3.search import GOALS
from netbench.record import FactValue, Failure, Record, Sample
from netbench.spec import Arm, Role

ROWS: Final = 2_000  # records that the table holds; the rest lies in records.jsonl
LINES: Final = 10  # records drawn as lines for one driver of one cell
DRAWN: Final = ("throughput", "rtt_p50")  # records are chosen for lines by these values
COMMANDS: Final = 400  # distinct command lines that are kept
PROBLEMS: Final = 300  # distinct reasons, by driver and cell, that are told one by one
REASON: Final = 500  # characters of why a record has no number
EVIDENCE: Final = 4_000  # characters of what showed it
WORDS: Final = 100  # of a command line
SEARCHES: Final = 20  # rate searches of one driver in one cell that are drawn

_Problem = tuple[str, CellKey, Literal["failure", "skip"], str, str]
"""What problems that are counted as one have in common: owner, kind, stage, reason."""


def chosen_trials(analysis: Analysis) -> dict[int, bool]:
    """Return the records to draw as lines; True for each driver's record with the median value."""
    every = (p for p in analysis.points if p.metric in DRAWN and not p.replica)
    drawn = grouped(((p.path, p.probe, p.placement, p.driver), p) for p in every)
    chosen: dict[int, bool] = {}
    for points in drawn.values():
        chosen |= {p.record: False for p in points[:: -(-len(points) // LINES)]}
        ordered = sorted(points, key=lambda p: (p.value, p.record))
        chosen[ordered[(len(points) - 1) // 2].record] = True
    return chosen


class DigestCollector:
    """What one pass over the records has kept of them so far, before anything is judged."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self.total = 0
        self.drivers: dict[str, DriverView] = {}
        self.rows: list[RecordRow] = []
        self.commands: dict[tuple[str, Role, tuple[str, ...]], Counter[str]] = {}
        self.commands_left = False
        self.problems: dict[_Problem, str] = {}
        self.how_often: Counter[_Problem] = Counter()
        self.cpu = CpuTable()
        self.timed: Counter[Owner] = Counter()
        self.times: defaultdict[Owner, Counter[int]] = defaultdict(Counter)
        self.largest: dict[Owner, float] = {}
        self.searches: defaultdict[Owner, list[SearchTrial]] = defaultdict(list)

    def take(self, record: Record) -> None:
        """Keep what is shown of one record."""
        self.total += 1
        outcome, driver, cell = record.outcome, record.cell.driver, CellKey.of(record.cell)
        if len(self.rows) < ROWS:
            self.rows.append(_row(record))
        if not isinstance(outcome, Sample):
            stage = outcome.stage if isinstance(outcome, Failure) else ""
            key: _Problem = (driver, cell, outcome.kind, stage, cut(outcome.reason, REASON))
            if key not in self.problems and len(self.problems) >= PROBLEMS:
                key = (driver, cell, outcome.kind, stage, "other reasons, in records.jsonl")
            self.problems.setdefault(key, cut(outcome.evidence, EVIDENCE))
            self.how_often[key] += 1
        elif not record.replica:
            self._measured((driver, cell), record, outcome)
        for tool in record.tools:
            words = tuple(cut(word) for word in tool.argv[:WORDS])
            self._command((record.cell.probe, tool.role, words), driver)
        self.drivers.setdefault(driver, DriverView(driver)).add(record)

    def _measured(self, owner: Owner, record: Record, sample: Sample) -> None:
        self.cpu.add(owner, record, sample)
        if sample.histogram:
            self.timed[owner] += 1
            if largest := sample.value("rtt_max"):
                self.largest[owner] = max(self.largest.get(owner, 0.0), largest)
            for bucket, count in sample.histogram:
                self.times[owner][bucket] += count
        search = _search(owner, record, sample)
        if search is not None and len(self.searches[owner]) < SEARCHES:
            self.searches[owner].append(search)

    def _command(self, key: tuple[str, Role, tuple[str, ...]], driver: str) -> None:
        if key not in self.commands and len(self.commands) == COMMANDS:
            self.commands_left = True
        else:
            self.commands.setdefault(key, Counter())[driver] += 1

    def digest(self, chosen: Mapping[int, bool], records: Iterable[Record]) -> Digest:
        """Return everything that a report shows; `records` are those of `chosen_trials`."""
        return Digest(
            total=self.total,
            rows=tuple(self.rows),
            lines=tuple(
                _line(record, record.outcome, chosen=chosen[record.number])
                for record in records
                if isinstance(record.outcome, Sample)
            ),
            drivers=tuple(self.drivers.values()),
            commands=tuple(
                CommandLine(*key, tuple(sorted(counts)), counts.total())
                for key, counts in sorted(self.commands.items(), key=lambda item: item[0])
            ),
            commands_left=self.commands_left,
            problems=tuple(
                FailureReason(*key, evidence, self.how_often[key])
                for key, evidence in self.problems.items()
            ),
            cpu=self.cpu.means(),
            splits=self.cpu.splits(),
            times=tuple(
                MergedTimes(*owner, self.timed[owner], found, self.largest.get(owner))
                for owner, counts in self.times.items()
                for found in [tuple(sorted(counts.items()))]
            ),
            searches=tuple(search for found in self.searches.values() for search in found),
        )


def digest(analysis: Analysis, records: Iterable[Record]) -> Digest:
    """Read every record once and keep what a report shows."""
    gathering, chosen, drawn = DigestCollector(), chosen_trials(analysis), []
    for record in records:
        gathering.take(record)
        if record.number in chosen:
            drawn.append(record)
    return gathering.digest(chosen, drawn)


def _row(record: Record) -> RecordRow:
    outcome = record.outcome
    values: tuple[tuple[str, float, str], ...] = ()
    note = ""
    if isinstance(outcome, Sample):
        values = tuple((m.metric, m.value, m.unit) for m in outcome.measurements)
    else:
        stage = f"{outcome.stage}: " if isinstance(outcome, Failure) else ""
        note = f"{stage}{plain(cut(outcome.reason, REASON))}"
    pins = record.pins
    seen = [text for text in (pins.client_observed, pins.server_observed) if text is not None]
    client = next((tool for tool in record.tools if tool.role is Role.CLIENT), None)
    return RecordRow(
        number=record.number,
        block=record.block,
        position=record.position,
        attempt=record.attempt,
        arm=str(Arm(record.cell.driver, record.replica)),
        cell=CellKey.of(record.cell),
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
        cell=CellKey.of(record.cell),
        chosen=chosen,
        quantiles=sample.quantiles,
        series=sample.series,
        slices=record.slices,
    )


def _search(owner: Owner, record: Record, sample: Sample) -> SearchTrial | None:
    details = dict(sample.details)
    tried = details.get("search.tried")
    if not isinstance(tried, tuple):
        return None
    loads = tuple(load for text in tried if (load := _load(text)) is not None)
    goals = tuple(_goal(name, sample, details) for name in GOALS)
    return SearchTrial(*owner, record.number, record.block, loads, goals)


def _load(text: str) -> Load | None:
    """Return a load as a search notes it: load, sent, received, loss; None for other words."""
    try:
        load, _, received, loss = map(float, text.split())
    except ValueError:
        return None
    return Load(load, received, loss)


def _goal(name: str, sample: Sample, details: dict[str, FactValue]) -> Goal:
    upper, end = details.get(f"search.{name}_upper"), details.get(f"search.{name}_end")
    return Goal(
        metric=name,
        loss=GOALS[name],
        lower=sample.value(name),
        upper=upper if isinstance(upper, float) else None,
        end=end if isinstance(end, str) else "unknown",
    )
