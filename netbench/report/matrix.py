"""The measures that no verdict rests on, and whether the order of drivers holds."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import permutations
from typing import Final

from netbench import units
from netbench.analysis.block_pairs import grouped
from netbench.analysis.cell_key import PATHS, PLACEMENTS, CellKey
from netbench.analysis.model import Analysis, Contrast, Verdict
from netbench.analysis.multiplicity import leading
from netbench.record import METRICS, FactValue, PlanSummary, RunInfo
from netbench.report.labels import DECIDED, capital, counted, key_of, metric_title
from netbench.report.sentences import primary_measures
from netbench.spec import Placement

BESIDE: Final = (
    *("rtt_p99", "buffer_delay", "loss", "pdr01", "pdr05", "cpu_per_byte", "cpu_per_transaction"),
    *("create_time", "remove_time"),
)
"""Metrics that stand in the table beside each probe's leading one; the rest is in the details."""
PLACEMENT: Final = "placement"
STEPS: Final = {
    "size": ("message size", "{:,} B"),
    "length": ("datagram size", "{:,} B"),
    "streams": ("number of streams", "{}"),
    "clients": ("number of clients", "{}"),
    "endpoints": ("number of endpoints", "{}"),
}
"""Parameters of probes that make steps: their words, and how a step is written."""
_FREE: Final = frozenset(
    {"seconds", "omit", "interval", "trials", "lowest", "cap", "width", "volume"}
)
"""Parameters that change how long or how finely something is measured, not what."""
_COMPARED: Final = 2  # drivers beside the baseline from which on there is an order to speak of

_Alike = tuple[str, str, str, Placement, frozenset[tuple[str, FactValue]]]
_Contrasts = dict[tuple[str, CellKey], Contrast]


@dataclass(frozen=True, slots=True)
class MeasureEntry:
    """One driver's figure of one measure."""

    value: str  # the median
    contrast: Contrast | None  # None if there is no ratio


@dataclass(frozen=True, slots=True)
class Measure:
    """One row."""

    key: CellKey
    title: str
    baseline: str  # the baseline's median
    entries: tuple[MeasureEntry | None, ...]
    """In the order of `others`; None if the driver has nothing there."""


def others(info: RunInfo, analysis: Analysis) -> tuple[str, ...]:
    """Return the drivers that stand beside the baseline and were measured somewhere."""
    seen = {cell.driver for cell in analysis.cells if cell.trials}
    return tuple(d for d in info.plan.drivers if d != analysis.baseline and d in seen)


def measures(info: RunInfo, analysis: Analysis) -> list[Measure]:
    """Return a row for each measure that some driver has, in the order of the plan."""
    leads, judged = leading(info.plan), primary_measures(analysis)
    found = grouped(
        ((key_of(cell), cell.metric), cell)
        for cell in analysis.cells
        if not cell.replica and (cell.metric in BESIDE or leads.get(cell.probe) == cell.metric)
    )
    contrasts = {
        (key_of(c), c.metric, c.driver): c for c in analysis.contrasts if c.ratio is not None
    }
    drivers, rows = others(info, analysis), []
    for (key, metric), cells in found.items():
        own = {cell.driver: shown(metric, cell.median, cell.unit) for cell in cells if cell.trials}
        if own and (key, metric) not in judged:
            entries = tuple(
                MeasureEntry(own[driver], contrasts.get((key, metric, driver)))
                if driver in own
                else None
                for driver in drivers
            )
            baseline = own.get(analysis.baseline, units.MISSING)
            rows.append(Measure(key, capital(metric_title(metric)), baseline, entries))
    return rows


def described(info: RunInfo, analysis: Analysis) -> tuple[tuple[CellKey, str], ...]:
    """Return cell and metric of what only describes: leading metrics, and losses of datagrams."""
    leads = leading(info.plan)
    return tuple(
        dict.fromkeys(
            (key_of(cell), cell.metric)
            for cell in analysis.cells
            if (cell.probe, cell.placement) in info.plan.secondary
            and cell.trials
            and cell.metric in (leads.get(cell.probe), "loss")
        )
    )


def apart(
    analysis: Analysis, measures: Iterable[tuple[CellKey, str]]
) -> tuple[tuple[CellKey, str], ...]:
    """Return those in which a driver certainly differs from the baseline."""
    found = {(key_of(c), c.metric) for c in analysis.contrasts if c.verdict in DECIDED}
    return tuple(measure for measure in measures if measure in found)


def shown(metric: str, value: float | None, unit: str) -> str:
    """Return a value for people: a ratio that is no contrast is a percentage."""
    known = METRICS.get(metric)
    if value is not None and unit == units.RATIO and known is not None and not known.compared:
        return f"{value * 100:.3g} %"
    return units.quantity(value, unit)


@dataclass(frozen=True, slots=True)
class Ladder:
    """Cells of one path that differ in one thing alone, in the order of that."""

    by: str  # what differs, in words
    what: str  # what is measured, in words
    metric: str
    steps: tuple[tuple[str, CellKey], ...]  # (label, cell)

    def at(self, label: str) -> str:
        """Return a step as part of a sentence: `on one core`, `at 64 B`."""
        return label if self.by == PLACEMENT else f"at {label}"


def ladders(plan: PlanSummary, keys: Iterable[CellKey]) -> tuple[Ladder, ...]:
    """Return every ladder of at least two steps among the cells of a run."""
    kept = list(keys)
    found = (*_by_placement(plan, kept), *_by_parameter(plan, kept))
    return tuple(ladder for ladder in found if len(ladder.steps) > 1)


def _by_placement(plan: PlanSummary, keys: list[CellKey]) -> list[Ladder]:
    leads, order = leading(plan), list(Placement)
    groups = grouped(((key.path, key.probe), key) for key in keys)
    found = []
    for (path, probe), cells in groups.items():
        if (metric := leads.get(probe)) is not None:
            cells.sort(key=lambda key: order.index(key.placement), reverse=True)
            steps = tuple((PLACEMENTS[key.placement], key) for key in cells)
            what = f"{_title(metric)} of {probe}{_where(path)}"
            found.append(Ladder(PLACEMENT, what, metric, steps))
    return found


def _by_parameter(plan: PlanSummary, keys: list[CellKey]) -> list[Ladder]:
    leads = {probe: metric for probe, metric in leading(plan).items() if metric is not None}
    probes = {probe.name: probe for probe in plan.probes if probe.name in leads}
    groups: defaultdict[_Alike, dict[int, CellKey]] = defaultdict(dict)
    for key in keys:
        if (probe := probes.get(key.probe)) is None:
            continue
        given = dict(probe.parameters)
        for step in STEPS.keys() & given.keys():
            value = given[step]
            rest = frozenset((n, v) for n, v in given.items() if n != step and n not in _FREE)
            if isinstance(value, int):
                alike = (step, probe.kind, key.path, key.placement, rest)
                groups[alike].setdefault(value, key)
    found = []
    for (step, kind, *_), cells in groups.items():
        words, label = STEPS[step]
        first = next(iter(cells.values()))
        metric = leads[first.probe]
        where = f"{PLACEMENTS[first.placement]}{_where(first.path)}"
        steps = tuple((label.format(value), cells[value]) for value in sorted(cells))
        found.append(Ladder(words, f"{_title(metric)} of {kind} {where}", metric, steps))
    return found


def _title(metric: str) -> str:
    title = metric_title(metric)
    return title if title[:3].isupper() else title[:1].lower() + title[1:]


def _where(path: str) -> str:
    return f" {PATHS.get(path, path)}".rstrip()


def order_sentences(plan: PlanSummary, analysis: Analysis) -> tuple[str, ...]:
    """Return for each ladder whether the drivers' order turns; of fewer than two, nothing."""
    keys = dict.fromkeys(key_of(cell) for cell in analysis.cells if cell.trials)
    found = []
    for ladder in ladders(plan, keys):
        contrasts = {
            (c.driver, key_of(c)): c
            for c in analysis.contrasts
            if c.metric == ladder.metric and c.ratio and key_of(c) in dict(ladder.steps).values()
        }
        if len({driver for driver, _ in contrasts}) >= _COMPARED:
            found.append(_sentence(ladder, analysis.baseline, contrasts))
    return tuple(found)


def _sentence(ladder: Ladder, baseline: str, contrasts: _Contrasts) -> str:
    what = f"{ladder.what} by {ladder.by}"
    apart = _apart(ladder, baseline, contrasts)
    drivers = list(dict.fromkeys((baseline, *(driver for driver, _ in contrasts))))
    flips = [
        (one, other)
        for one, other in apart
        if (other, one) in apart and drivers.index(one) < drivers.index(other)
    ]
    if flips:
        one, other = flips[0]
        more = f", and so for {counted(len(flips) - 1, 'more pair')}" if len(flips) > 1 else ""
        said = (
            f"{what}: the order flips. {one} is better than {other} "
            f"{ladder.at(apart[one, other])}, worse {ladder.at(apart[other, one])}{more}"
        )
    elif apart:
        said = f"{what}: the order does not flip where drivers are clearly apart"
    else:
        said = f"{what}: no two drivers are clearly apart, so there is no order"
    return capital(f"{said}.")


def _apart(ladder: Ladder, baseline: str, contrasts: _Contrasts) -> dict[tuple[str, str], str]:
    """Return the pairs of which the first is certainly better, with the first step where it is."""
    drivers = dict.fromkeys((baseline, *(driver for driver, _ in contrasts)))
    found: dict[tuple[str, str], str] = {}
    for label, key in ladder.steps:
        here = [driver for driver in drivers if driver == baseline or (driver, key) in contrasts]
        for one, other in permutations(here, 2):
            if _better(contrasts.get((one, key)), contrasts.get((other, key))):
                found.setdefault((one, other), label)
    return found


def _better(mine: Contrast | None, others: Contrast | None) -> bool:
    """Return whether one driver is certainly better than another; None stands for the baseline."""
    if mine is None or others is None:
        verdict = mine.verdict if mine else others.verdict if others else None
        return verdict is (Verdict.FASTER if mine else Verdict.SLOWER)
    low, high = (mine, others) if METRICS[mine.metric].better == "lower" else (others, mine)
    return low.high is not None and high.low is not None and low.high < high.low
