"""One pass over the records, keeping only what a report shows of them.

A run may hold a hundred thousand records; what is kept does not grow with that, except for counts.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Final, assert_never

from netbench.analysis.model import Analysis, TrialPoint
from netbench.record import Failure, PromiseCheck, Record, Sample, Skip
from netbench.report.cpusums import CpuTable
from netbench.report.views import (
    CommandLine,
    Digest,
    DriverView,
    Line,
    Problem,
    PromiseCount,
    Row,
    WayView,
)
from netbench.report.words import TRIED, CellKey, plain
from netbench.spec import Arm, Path, Role

ROWS: Final = 2_000
"""Records that the table holds; the rest lies in records.jsonl."""
LINES: Final = 10
"""Trials drawn as lines for one driver of one cell."""
COMMANDS: Final = 400
"""Distinct command lines that are kept."""

_Command = tuple[str, Role, tuple[str, ...]]


@dataclass(slots=True)
class _Way:
    """Running counts of one path of a driver."""

    paths: Counter[bool] = field(default_factory=Counter)
    published: Counter[str] = field(default_factory=Counter)
    example: Record | None = None
    by_design: Skip | None = None
    designed: int = 0
    total: int = 0

    def add(self, record: Record) -> None:
        """Count one record."""
        self.total += 1
        if record.path is not None:
            self.paths[record.path.held] += 1
        if isinstance(record.outcome, Skip) and record.outcome.by_design:
            self.designed += 1
            self.by_design = self.by_design or record.outcome
        via = dict(record.facts).get("trial.published_via")
        if isinstance(via, str):
            self.published[via] += 1
        if not record.replica and _proof(record) > _proof(self.example):
            self.example = record

    def view(self, driver: str, path: str) -> WayView:
        """Return the counts as a value."""
        return WayView(
            driver=driver,
            path=path,
            example=self.example,
            held=self.paths[True],
            unheld=self.paths[False],
            closed=self.by_design if self.designed == self.total else None,
            published=tuple(sorted(self.published.items())),
        )


@dataclass(slots=True)
class _Driver:
    """Running counts of one driver."""

    outcomes: Counter[str] = field(default_factory=Counter)
    ways: defaultdict[str, _Way] = field(default_factory=lambda: defaultdict(_Way))
    promises: dict[str, list[PromiseCheck]] = field(default_factory=dict)
    checks: Counter[tuple[str, bool]] = field(default_factory=Counter)

    def add(self, record: Record) -> None:
        """Count one record."""
        self.outcomes[record.outcome.kind] += 1
        self.ways[record.cell.path].add(record)
        for check in record.promises:
            self.checks[check.promise, check.held] += 1
            seen = self.promises.setdefault(check.promise, [check])
            if seen[0].held and not check.held:
                seen[0] = check

    def view(self, driver: str) -> DriverView:
        """Return the counts as a value."""
        found = sorted(self.ways.items(), key=lambda item: list(Path).index(Path(item[0])))
        ways = tuple(way.view(driver, path) for path, way in found)
        closed = [way.closed for way in ways if way.closed is not None]
        return DriverView(
            driver=driver,
            example=max((way.example for way in ways), key=_proof, default=None),
            ways=ways,
            samples=self.outcomes["sample"],
            failures=self.outcomes["failure"],
            skips=self.outcomes["skip"],
            paths_held=sum(way.held for way in ways),
            paths_broken=sum(way.unheld for way in ways),
            promises=tuple(
                PromiseCount(name, self.checks[name, True], self.checks[name, False], c[0].evidence)
                for name, c in self.promises.items()
            ),
            isolated=_best_proved(closed) if len(closed) == len(ways) else None,
        )


def _best_proved(closed: list[Skip]) -> Skip | None:
    """Return the skip that was tried, of those that were only read from facts the first."""
    tried = [skip for skip in closed if skip.evidence.startswith(TRIED)]
    return next(iter(tried or closed), None)


def _proof(record: Record | None) -> int:
    """Rank a record as an example: endpoints, then a path, then a path that held."""
    if record is None:
        return 0
    if not record.endpoints:
        return 1
    return 2 + (record.path is not None) + (record.path is not None and record.path.held)


def chosen_trials(analysis: Analysis) -> dict[int, bool]:
    """Return the records to draw as lines; True for each driver's trial with the median value.

    Only trials in the headline's machine state are candidates, where there is a headline.
    """
    states = {
        CellKey(c.path, c.probe, c.placement): c.state
        for c in analysis.contrasts
        if c.headline and c.primary
    }
    groups: defaultdict[tuple[str, CellKey], list[TrialPoint]] = defaultdict(list)
    for point in analysis.points:
        key = CellKey(point.path, point.probe, point.placement)
        if (
            point.metric in {"throughput", "rtt_p50"}
            and not point.replica
            and point.state == states.get(key, point.state)
        ):
            groups[point.driver, key].append(point)
    chosen: dict[int, bool] = {}
    for points in groups.values():
        step = -(-len(points) // LINES)
        chosen |= {point.record: False for point in points[::step]}
        ordered = sorted(points, key=lambda point: (point.value, point.record))
        chosen[ordered[(len(ordered) - 1) // 2].record] = True
    return chosen


@dataclass(slots=True)
class _Collector:
    """What one pass has kept so far."""

    chosen: dict[int, bool]
    states: dict[int, str]
    timed: frozenset[int]
    total: int = 0
    drivers: defaultdict[str, _Driver] = field(default_factory=lambda: defaultdict(_Driver))
    rows: list[Row] = field(default_factory=list)
    lines: list[Line] = field(default_factory=list)
    arms: list[tuple[int, str]] = field(default_factory=list)
    commands: dict[_Command, Counter[str]] = field(default_factory=dict)
    commands_left: bool = False
    problems: dict[tuple[str, ...], Problem] = field(default_factory=dict)
    cpu: CpuTable = field(default_factory=CpuTable)
    times: Counter[tuple[str, ...]] = field(default_factory=Counter)

    def add(self, record: Record) -> None:
        """Keep what is shown of one record."""
        self.total += 1
        self.drivers[record.cell.driver].add(record)
        if record.number in self.timed:
            self.arms.append((record.number, record.cell.driver))
        if len(self.rows) < ROWS:
            self.rows.append(_row(record, self.states.get(record.number, "")))
        if isinstance(record.outcome, Sample):
            self.cpu.add(record, record.outcome)
            if record.number in self.chosen:
                chosen = self.chosen[record.number]
                self.lines.append(_line(record, record.outcome, chosen=chosen))
        else:
            key, problem = _problem(record, record.outcome)
            self.problems.setdefault(key, problem)
            self.times[key] += 1
        for tool in record.tools:
            self._command((record.cell.probe, tool.role, tool.argv), record.cell.driver)

    def _command(self, key: _Command, driver: str) -> None:
        if key in self.commands or len(self.commands) < COMMANDS:
            self.commands.setdefault(key, Counter())[driver] += 1
        else:
            self.commands_left = True

    def result(self) -> Digest:
        """Return what was kept as a value."""
        return Digest(
            total=self.total,
            rows=tuple(self.rows),
            lines=tuple(self.lines),
            drivers=tuple(counts.view(driver) for driver, counts in self.drivers.items()),
            commands=tuple(
                CommandLine(*key, tuple(sorted(counts)), counts.total())
                for key, counts in sorted(self.commands.items(), key=lambda item: item[0])
            ),
            commands_left=self.commands_left,
            problems=tuple(
                replace(problem, times=self.times[key]) for key, problem in self.problems.items()
            ),
            arms=tuple(self.arms),
            cpu=self.cpu.means(),
        )


def digest(analysis: Analysis, records: Iterable[Record]) -> Digest:
    """Read every record once and keep what a report shows."""
    collector = _Collector(
        chosen=chosen_trials(analysis),
        states={point.record: point.state for point in analysis.points},
        timed=frozenset(point.record for point in analysis.sentinel),
    )
    for record in records:
        collector.add(record)
    return collector.result()


def _key(record: Record) -> CellKey:
    return CellKey(record.cell.path, record.cell.probe, record.cell.placement)


def _row(record: Record, state: str) -> Row:
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
    return Row(
        number=record.number,
        block=record.block,
        position=record.position,
        attempt=record.attempt,
        arm=str(Arm(record.cell.driver, record.replica)),
        cell=_key(record),
        state=state,
        outcome=outcome.kind,
        values=values,
        note=note,
        path_held=record.path.held if record.path else None,
        pins=" → ".join(seen),
        started=record.clock.started,
        seconds=record.clock.seconds,
        raw=client.stdout_file if client else "",
    )


def _line(record: Record, sample: Sample, *, chosen: bool) -> Line:
    return Line(
        record=record.number,
        block=record.block,
        driver=record.cell.driver,
        cell=_key(record),
        chosen=chosen,
        quantiles=sample.quantiles,
        series=sample.series,
    )


def _problem(record: Record, outcome: Failure | Skip) -> tuple[tuple[str, ...], Problem]:
    stage = outcome.stage if isinstance(outcome, Failure) else ""
    cell = _key(record)
    key = (record.cell.driver, cell.slug, outcome.kind, stage, outcome.reason)
    return key, Problem(
        driver=record.cell.driver,
        cell=cell,
        kind=outcome.kind,
        stage=stage,
        reason=outcome.reason,
        evidence=outcome.evidence,
        times=1,
    )
