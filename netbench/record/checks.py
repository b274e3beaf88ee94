"""What a number of a run folder must be, beyond its type, to be one that netbench may have written.

Whoever reads a folder asks here, and so does whoever makes a record: what would be refused later is
not written as a sample. Types, and that numbers are finite, are the decoder's to check.
Here too how long a text of a folder may be: what is longer is cut, and says how long it was.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, TypeVar

from msgspec import convert, to_builtins

from netbench.errors import cut
from netbench.record import METRICS, FactValue, Measurement, PlanSummary, Record, RunInfo, Sample
from netbench.record.histogram import PER_OCTAVE
from netbench.units import numbered

T = TypeVar("T")

TEXT: Final = 20_000  # characters of one text that are written, evidence and facts included
SHOWN: Final = 4_000  # characters of one text that a report shows
ENTRIES: Final = 1_000  # entries of a fact that is a list, and facts of one record or run
_PAIRS: Final = ("facts", "details")  # fields whose values are facts: pairs of a name and its value
MOST: Final = 1e18  # in base SI units more than any quantity that netbench measures or counts
LEAST: Final = 1e-18  # less than any of them that is not 0
NAME: Final = SHOWN  # characters of a driver's, probe's or suite's name: it is shown whole
_MOST_BLOCKS: Final = 1_000_000  # blocks of a plan, with whatever extended it
_BUCKETS: Final = 64 * PER_OCTAVE  # of a histogram of times; the last one ends after five centuries


def impossible(sample: Sample) -> str:
    """Return what is wrong with a sample's numbers, with the field; empty if nothing is."""
    return next(_of_sample(sample), "")


def plan_problem(plan: PlanSummary) -> str:
    """Return what no plan can have, with the field; empty if there is nothing."""
    return next(_of_plan(plan), "")


def run_problem(info: RunInfo) -> str:
    """Return what no `run.json` can have, with the field; empty if there is nothing."""
    return next(_of_run(info), "")


class RecordCheck:
    """Checks the records of one plan."""

    def __init__(self, plan: PlanSummary) -> None:
        """Take the plan that the records must be of."""
        self._plan = plan
        self._cells = frozenset(plan.cells)

    def problem(self, record: Record) -> str:
        """Return what no record of the plan can have, with the field; empty if nothing is."""
        return next(self._problems(record), "")

    def _problems(self, record: Record) -> Iterator[str]:
        for name in ("number", "block", "position", "attempt"):
            if not 1 <= getattr(record, name) <= MOST:
                yield f"{name}: {getattr(record, name)} cannot be"
        if record.block > self._plan.blocks:
            yield f"block: {record.block} is beyond the plan's {self._plan.blocks} blocks"
        cell = record.cell
        if cell not in self._cells:
            where = f"{cut(cell.driver)} {cell.path} {cut(cell.probe)} {cell.placement}"
            yield f"cell: the plan has no {where}"
        if record.replica not in ((0, 1) if cell.driver == self._plan.baseline else (0,)):
            yield f"replica: {record.replica} is no arm of {cut(cell.driver)}"
        yield from _of_times(record)
        if isinstance(record.outcome, Sample):
            yield from (f"outcome.{problem}" for problem in _of_sample(record.outcome))


def _of_times(record: Record) -> Iterator[str]:
    clock, window = record.clock, record.sentinel
    if not _is_time(clock.started):
        yield f"clock.started: {cut(clock.started)!r} is no date and time of ISO 8601"
    for name in ("seconds", "measuring", "started_monotonic"):
        if not 0 <= getattr(clock, name) <= MOST:
            yield f"clock.{name}: {getattr(clock, name):g} s cannot be"
    for reading in (window.before, window.after):
        if reading is not None and max(abs(reading.value), abs(reading.at)) > MOST:
            yield f"sentinel: {reading.value:g} at {reading.at:g} s cannot be"
    for at, one in enumerate(record.slices):
        sound = one.round >= 1 and one.order >= 1 and 0 <= one.start <= one.end <= MOST
        if not sound or not 0 <= (one.value or 0.0) <= MOST:
            yield f"slices[{at}]: its round, order, times or value cannot be"
    yield from _wild("facts", record.facts)


def _is_time(text: str) -> bool:
    try:
        return datetime.fromisoformat(text).tzinfo is not None
    except ValueError:
        return False


def _wild(where: str, facts: Iterable[tuple[str, FactValue]]) -> Iterator[str]:
    for name, value in facts:
        if isinstance(value, int | float) and abs(value) > MOST:
            yield f"{where}: a {cut(name)} of {value:g} cannot be"


def _of_sample(sample: Sample) -> Iterator[str]:
    for at, one in enumerate(sample.measurements):
        yield from (f"measurements[{at}]: {problem}" for problem in _of_measurement(one))
    if len({one.metric for one in sample.measurements}) < len(sample.measurements):
        yield "measurements: one metric stands twice"
    if not 0 <= sample.returned <= sample.received <= MOST:
        yield f"received: {sample.received} bytes, {sample.returned} of them returned, cannot be"
    yield from _of_spread(sample)


def _of_spread(sample: Sample) -> Iterator[str]:
    for at, (q, seconds) in enumerate(sample.quantiles):
        if not (0 <= q <= 1 and 0 <= seconds <= MOST):
            yield f"quantiles[{at}]: {seconds:g} s at {q:g} cannot be"
    for at, point in enumerate(sample.series):
        if max(abs(point.start), abs(point.end), abs(point.value)) > MOST:
            yield f"series[{at}]: {point.value:g} from {point.start:g} to {point.end:g} cannot be"
    for bucket, count in sample.histogram:
        if not (0 <= bucket < _BUCKETS and 1 <= count <= MOST):
            yield f"histogram: {count} times in bucket {bucket} cannot be"
    yield from _wild("details", sample.details)


def _of_measurement(one: Measurement) -> Iterator[str]:
    metric = METRICS.get(one.metric)
    if metric is None:
        yield f"this netbench knows no metric {cut(one.metric)!r}"
        return
    said = f"a {metric.name} of {one.value:g} {metric.unit}"
    if one.unit != metric.unit:
        yield f"{metric.name} is in {metric.unit}, not in {cut(one.unit)!r}"
    if metric.compared and not one.value > 0:
        yield f"{said} is not above 0"
    elif one.value < 0:
        yield f"{said} is negative"
    elif not (one.value == 0 or LEAST <= one.value <= MOST):
        yield f"{said} cannot be"


def _of_run(info: RunInfo) -> Iterator[str]:
    yield from _of_plan(info.plan)
    if not 0 <= (info.wall or 0.0) <= MOST:
        yield f"wall: {info.wall:g} s cannot be"
    for at, left in enumerate(info.settled):
        if left.cell not in info.plan.cells or left.block < 1:
            yield f"settled[{at}]: the plan has no such cell or block"
    for at, one in enumerate(info.resumed):
        if one.block < 1 or one.number < 1 or one.set_aside < 0 or not 0 <= one.spent <= MOST:
            yield f"resumed[{at}]: its block, numbers or time cannot be"
    for link in (*info.confirmed_by, *filter(None, [info.confirms])):
        name = link.folder
        if name in {"", ".", ".."} or {"/", "\0"} & {*name} or len(name) > NAME:
            yield f"confirmed_by, confirms: {cut(name)!r} is no folder beside the run's"
    yield from _wild("facts", info.facts)


def _of_plan(plan: PlanSummary) -> Iterator[str]:
    for name in ("blocks", "cap", "least"):
        if not 1 <= getattr(plan, name) <= _MOST_BLOCKS:
            yield f"plan.{name}: {getattr(plan, name)} cannot be"
    for name in ("margin", "precision"):
        if not LEAST <= getattr(plan, name) <= MOST:
            yield f"plan.{name}: {getattr(plan, name):g} is not above 0"
    if not 0 <= (plan.max_time or 0.0) <= MOST:
        yield f"plan.max_time: {plan.max_time:g} s cannot be"
    yield from _of_cells(plan)
    for budget in plan.require:
        if budget.metric not in METRICS:
            yield f"plan.require: this netbench knows no metric {cut(budget.metric)!r}"
        if not (LEAST <= budget.factor <= MOST and abs(budget.offset) <= MOST):
            yield f"plan.require: a factor of {budget.factor:g} or a bound cannot be"


def _of_cells(plan: PlanSummary) -> Iterator[str]:
    for name in {*plan.drivers, plan.suite, *(cell.probe for cell in plan.cells)}:
        if len(name) > NAME:
            yield f"plan: the name {cut(name)} cannot be"
    if plan.baseline not in plan.drivers:
        yield f"plan.baseline: {cut(plan.baseline)} is none of the plan's drivers"
    for things in (plan.drivers, plan.cells):
        if len(set(things)) < len(things):
            yield "plan: a driver or a cell stands twice"
    for driver in {cell.driver for cell in plan.cells}.difference(plan.drivers):
        yield f"plan.cells: {cut(driver)} is none of the plan's drivers"


_KEPT: Final = 10  # lines whose reason is kept; of the others the number is
_SPANS: Final = 12  # spans of line numbers that are named


@dataclass(slots=True)
class Damage:
    """Lines of `records.jsonl` that are no record of the run; it grows while the file is read."""

    lines: list[int] = field(default_factory=list)  # their numbers, from 1, ascending
    reasons: list[str] = field(default_factory=list)  # why, of the first ten; each names its line

    def note(self, line: int, reason: str) -> None:
        """Add a line."""
        self.lines.append(line)
        if len(self.reasons) < _KEPT:
            self.reasons.append(reason)

    def clear(self) -> None:
        """Forget everything: the file is read anew."""
        self.lines.clear()
        self.reasons.clear()

    @property
    def named(self) -> str:
        """The numbers: `line 3`, `lines 3, 5 to 8 and 4 more`."""
        return numbered("line", self.lines, _SPANS)


def bounded(document: object, most: int = TEXT) -> object:
    """Return a value as JSON has it with every text, and every list of a fact, within bounds."""
    if isinstance(document, str):
        return cut(document, most)
    if isinstance(document, list | tuple):
        return [bounded(one, most) for one in document]
    if isinstance(document, dict):
        return {
            key: _facts(value, most) if key in _PAIRS else bounded(value, most)
            for key, value in document.items()
        }
    return document


def bounded_value(value: T, most: int = TEXT) -> T:
    """Return a record or a run's information within the same bounds."""
    return convert(bounded(to_builtins(value), most), type(value))


def _facts(pairs: object, most: int) -> object:
    if not isinstance(pairs, list | tuple):
        return bounded(pairs, most)
    kept = [[name, _list(value, most)] for name, value in pairs[:ENTRIES]]
    more = len(pairs) - ENTRIES
    return [*kept, ["more", f"cut: {more:,} facts"]] if more > 0 else kept


def _list(value: object, most: int) -> object:
    if not isinstance(value, list | tuple) or len(value) <= ENTRIES:
        return bounded(value, most)
    return [*(bounded(one, most) for one in value[:ENTRIES]), f"… (cut: {len(value):,} entries)"]
