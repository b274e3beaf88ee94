"""Figures with rows of marks: life cycles, and what a UDP rate search found."""

import statistics
from dataclasses import replace
from functools import partial
from typing import Final

import numpy as np

from netbench import units
from netbench.analysis.block_pairs import grouped
from netbench.analysis.cell_key import CellKey
from netbench.analysis.digest_model import Goal, Load, SearchTrial
from netbench.analysis.model import TrialPoint
from netbench.probes.iperf3.search import GOALS
from netbench.report.figures import base
from netbench.report.figures.base import Figure, FigureData, RowMark
from netbench.report.figures.picture import Axis, LevelLine, Picture, Trace
from netbench.report.labels import capital, counted, key_of
from netbench.report.palette import QUIET

PHASES: Final = {
    "create_time": RowMark("network created", "square", 0.24),
    "start_time": RowMark("endpoint asked for to first byte", "circle", 0.0),
    "remove_time": RowMark("endpoint and network removed", "diamond", -0.24),
}
QUARTILES: Final = {
    "lowest": 0,
    "lower quartile": 25,
    "median": 50,
    "upper quartile": 75,
    "highest": 100,
}
"""Columns of the table, percentiles."""
_TITLES: Final = {
    "start_time": "request to first byte",
    "create_time": "creating the network",
    "remove_time": "removing both",
}

_Times = dict[tuple[str, str], list[TrialPoint]]  # by driver and phase
MARKS: Final = {
    "ndr": RowMark("without loss", "circle", 0.24),
    "pdr01": RowMark("at most 0.1 % lost", "square", 0.0),
    "pdr05": RowMark("at most 0.5 % lost", "diamond", -0.24),
}
"""Of each goal's rate."""
FLOOR: Final = 0.003  # percent at which a loss of nothing is drawn on the logarithmic axis
_LOST: Final = Axis(
    "datagrams lost, %, logarithmic",
    log=True,
    limits=(-2.75, 2.1),
    ticks=(
        *((FLOOR, "none"), (0.01, "0.01"), (0.1, "0.1")),
        *((1.0, "1"), (10.0, "10"), (100.0, "100")),
    ),
)
_GOALS: Final = tuple(
    LevelLine(y=goal * 100, colour=QUIET.light, width=1.2, dash="dot")
    for goal in GOALS.values()
    if goal
)


def lifecycle(source: FigureData) -> tuple[Figure, ...]:
    """Return one figure for each cell of the control plane."""
    shown = (p for p in source.analysis.points if p.metric in PHASES and not p.replica)
    found = grouped((key_of(point), point) for point in shown)
    return tuple(_phases(source, key, found[key]) for key in source.in_order(found))


def _phases(source: FigureData, key: CellKey, points: list[TrialPoint]) -> Figure:
    shown, note = base.thinned(points)
    every = _by_phase(source, points)
    return base.figure(
        f"lifecycle-{key.slug}",
        ("driver", lambda own: own[0].driver),
        ("phase", lambda own: PHASES[own[0].metric].words),
        ("trials", lambda own: str(len(own))),
        *((name, partial(_percentile, percent)) for name, percent in QUARTILES.items()),
        title=_phase_title(key, every),
        caption=f"{base.placed(key)} "
        "Each faint mark is one trial, the strong one the driver's median, "
        "with a bar from the lower to the upper quartile. Where a driver has no network of its own "
        f"to create, there is no such time.{note}",
        picture=_phase_picture(source, every, _by_phase(source, shown)),
        things=list(every.values()),
    )


def _by_phase(source: FigureData, points: list[TrialPoint]) -> _Times:
    """Return the points by driver, the baseline first, and by phase."""
    found = grouped(((point.driver, point.metric), point) for point in points)
    order = ((driver, metric) for driver in source.colours for metric in PHASES)
    return {name: found[name] for name in order if name in found}


def _phase_title(key: CellKey, every: _Times) -> str:
    name = "" if key.probe == "control-plane" else f" of {key.probe}"
    parts = []
    for metric, words in _TITLES.items():
        medians = {
            driver: statistics.median(point.value for point in own)
            for (driver, phase), own in every.items()
            if phase == metric
        }
        parts += [f"{words}{name}: {base.spans(medians, units.SECONDS)}"] if medians else []
    drivers = {driver for driver, _ in every}
    return capital("; ".join(parts[: 1 if len(drivers) > base.NAMED else None]))


def _percentile(percent: int, points: list[TrialPoint]) -> str:
    value = np.percentile([point.value for point in points], percent)
    return units.quantity(float(value), units.SECONDS)


def _phase_picture(source: FigureData, every: _Times, drawn: _Times) -> Picture:
    scale, name = base.scaled((p.value for own in every.values() for p in own), units.SECONDS)
    drivers = list(dict.fromkeys(driver for driver, _ in every))
    traces: list[Trace] = []
    strong: dict[str, Trace] = {}
    for (driver, metric), own in every.items():
        row, colour = base.row_of(drivers, driver), source.colour(driver)
        few = drawn.get((driver, metric), [])
        faint = base.marked(PHASES[metric], [p.value / scale for p in few], row, colour)
        texts = [f"record {point.record}, block {point.block}" for point in few]
        hover = "%{x:.4g}, %{text}<extra></extra>"
        traces.append(replace(faint, texts=texts, hover=hover, size=7, opacity=0.35))
        values = [point.value / scale for point in own]
        low, middle, high = map(float, np.percentile(values, (25, 50, 75)))
        strong[metric] = replace(
            base.marked(PHASES[metric], [middle], row, colour),
            size=11,
            reach=(middle - low, high - middle),
            hover=f"{PHASES[metric].words}: %{{x:.4g}}, median of {counted(len(own), 'trial')}",
        )
        traces.append(strong[metric])
    legend = [base.in_legend(PHASES[m].words, strong[m]) for m in PHASES if m in strong]
    return Picture(
        Axis(name, to_zero=True),
        base.rows_axis(drivers),
        (*traces, *legend),
        height=130 + 62 * len(drivers),
    )


def rate_search(source: FigureData) -> tuple[Figure, ...]:
    """Return two figures for each cell with searches: the loads that were tried, and the rates."""
    groups = grouped((search.cell, search) for search in source.digest.searches)
    return tuple(
        made
        for key in source.in_order(groups)
        for made in (_tried(source, key, groups[key]), _rates(source, key, groups[key]))
    )


def _tried(source: FigureData, key: CellKey, searches: list[SearchTrial]) -> Figure:
    every = [(search, load) for search in searches for load in search.loads]
    loads = source.by_driver(grouped((search.driver, load) for search, load in every))
    kept = source.medians(key, "ndr")
    drivers, note = base.chosen({d: kept.get(d, 0.0) for d in loads}, source.analysis.baseline)
    highest = [max(load.offered for load in found) for found in loads.values()]
    scale, name = base.scaled(highest, units.BITS_PER_SECOND)
    traces = []
    for driver in drivers:
        found, left = base.thinned(loads[driver], 300)
        note = note or left
        traces.append(_points(source, driver, found, scale))
    return base.figure(
        f"loads-{key.slug}",
        ("driver", lambda thing: thing[0].driver),
        ("record", lambda thing: str(thing[0].record)),
        ("block", lambda thing: str(thing[0].block)),
        ("offered", lambda thing: units.quantity(thing[1].offered, units.BITS_PER_SECOND)),
        ("received", lambda thing: units.quantity(thing[1].received, units.BITS_PER_SECOND)),
        ("lost", lambda thing: _lost(thing[1].loss)),
        title=_title(key, loads),
        caption=f"{base.placed(key)} "
        "Each mark is one load that a search tried: how much was offered, "
        "and how much of it was lost on the way to the receiver. Marks at the bottom lost nothing. "
        f"Dotted lines are the goals of 0.1 % and 0.5 %.{note}",
        picture=Picture(
            Axis(f"load offered, {name}, logarithmic", log=True), _LOST, tuple(traces), _GOALS
        ),
        things=every,
    )


def _points(source: FigureData, driver: str, loads: list[Load], scale: float) -> Trace:
    return Trace(
        name=driver,
        colour=source.colour(driver),
        legend=True,
        x=[load.offered / scale for load in loads],
        y=[max(load.loss * 100, FLOOR) for load in loads],
        texts=[_lost(load.loss) for load in loads],
        hover="%{x:.4g}: %{text} lost",
        size=8,
        opacity=0.65,
    )


def _title(key: CellKey, loads: dict[str, list[Load]]) -> str:
    lost = [max(found, key=lambda load: load.offered).loss for found in loads.values()]
    low, high = _lost(min(lost)), _lost(max(lost))
    span = f"{low} was lost" if low == high else f"{low} to {high} was lost, by driver"
    return f"At the highest load that {key.probe} tried {key.place}, {span}"


def _lost(loss: float) -> str:
    return "nothing" if not loss else f"{units.significant(loss * 100, 2)} %"


def _rates(source: FigureData, key: CellKey, searches: list[SearchTrial]) -> Figure:
    every = [(search, goal) for search in searches for goal in search.goals]
    goals = source.by_driver(grouped((search.driver, goal) for search, goal in every))
    found = source.medians(key, "ndr")
    return base.figure(
        f"rates-{key.slug}",
        ("driver", lambda thing: thing[0].driver),
        ("record", lambda thing: str(thing[0].record)),
        ("block", lambda thing: str(thing[0].block)),
        ("goal", lambda thing: MARKS[thing[1].metric].words),
        ("rate", lambda thing: units.quantity(thing[1].lower, units.BITS_PER_SECOND)),
        ("misses it at", lambda thing: units.quantity(thing[1].upper, units.BITS_PER_SECOND)),
        ("the search ended", lambda thing: thing[1].end),
        title=f"Rate without loss of {key.probe} {key.place}: "
        + (base.spans(found, units.BITS_PER_SECOND) if found else "none of those tried"),
        caption=f"{base.placed(key)} "
        "The mark is the median over a driver's searches of the highest "
        "load that keeps the goal; its bar runs from the lowest such load to the lowest one above "
        "it that misses the goal, so the true rate lies on it. A hollow mark was kept at the "
        "highest load that may be tried, and may go on beyond.",
        picture=_rates_picture(source, goals),
        things=every,
    )


def _rates_picture(source: FigureData, goals: dict[str, list[Goal]]) -> Picture:
    rates = [goal.lower for own in goals.values() for goal in own if goal.lower]
    scale, name = base.scaled(rates or [1e9], units.BITS_PER_SECOND)
    drivers = list(goals)
    traces = [
        _rate(metric, found, base.row_of(drivers, driver), source.colour(driver), scale)
        for driver, own in goals.items()
        for metric, found in grouped((goal.metric, goal) for goal in own).items()
    ]
    legend = [base.in_legend(m.words, base.marked(m, (), 0, QUIET.light)) for m in MARKS.values()]
    return Picture(
        Axis(f"load, {name}", to_zero=True),
        base.rows_axis(drivers),
        (*traces, *legend),
        height=130 + 62 * len(drivers),
    )


def _rate(metric: str, goals: list[Goal], row: float, colour: str, scale: float) -> Trace:
    lowers = [goal.lower / scale for goal in goals if goal.lower is not None]
    uppers = [goal.upper / scale for goal in goals if goal.upper is not None]
    middle = statistics.median(lowers) if lowers else None
    mark = MARKS[metric]
    return replace(
        base.marked(mark, [middle], row, colour),
        symbol=mark.symbol if uppers else f"{mark.symbol}-open",
        size=10,
        hover=f"{mark.words}: %{{x:.4g}}, median of {counted(len(lowers), 'trial')}",
        reach=None if middle is None else (middle - min(lowers), max([middle, *uppers]) - middle),
    )
