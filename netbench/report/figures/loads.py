"""The UDP rate search: what was lost at each load, and the rates that keep the loss goals."""

import statistics
from collections import defaultdict
from typing import Final

from netbench import units
from netbench.analysis.cell_key import CellKey
from netbench.analysis.digest_model import Goal, Load, SearchTrial
from netbench.probes.iperf3.search import GOALS
from netbench.report.document import Json
from netbench.report.figures.base import (
    Figure,
    FigureData,
    Spec,
    axis,
    chosen,
    figure,
    in_order,
    layout,
    medians,
    named,
    placed,
    rows_axis,
    scaled,
    spans,
    thinned,
)
from netbench.report.labels import counted
from netbench.report.palette import QUIET

MARKS: Final = {
    "ndr": ("without loss", "circle", 0.24),
    "pdr01": ("at most 0.1 % lost", "square", 0.0),
    "pdr05": ("at most 0.5 % lost", "diamond", -0.24),
}
"""Words, marker and place within a driver's row of each goal's rate."""
FLOOR: Final = 0.003
"""Percent at which a loss of nothing is drawn on the logarithmic axis."""
_TICKS: Final = {FLOOR: "none", 0.01: "0.01", 0.1: "0.1", 1.0: "1", 10.0: "10", 100.0: "100"}


def rate_search(scene: FigureData) -> tuple[Figure, ...]:
    """Return two figures for each cell with searches: the loads that were tried, and the rates."""
    groups: defaultdict[CellKey, list[SearchTrial]] = defaultdict(list)
    for search in scene.digest.searches:
        groups[search.cell].append(search)
    return tuple(
        made
        for key in in_order(scene, groups)
        for made in (_tried(scene, key, groups[key]), _rates(scene, key, groups[key]))
    )


def _tried(scene: FigureData, key: CellKey, searches: list[SearchTrial]) -> Figure:
    loads: dict[str, list[Load]] = {driver: [] for driver in scene.colours}
    for search in searches:
        loads[search.driver] += search.loads
    loads = {driver: found for driver, found in loads.items() if found}
    highest = {driver: max(load.offered for load in found) for driver, found in loads.items()}
    kept = medians(scene, key, "ndr")
    values = {driver: kept.get(driver, 0.0) for driver in loads}
    drivers, note = chosen(values, scene.analysis.baseline)
    scale, name = scaled(highest.values(), units.BITS_PER_SECOND)
    data: list[Json] = []
    for driver in drivers:
        found, left = thinned(loads[driver], 300)
        note = note or left
        data.append(_points(scene, driver, found, scale))
    return figure(
        f"loads-{key.slug}",
        title=_title(key, loads),
        caption=f"{placed(key)} Each mark is one load that a search tried: how much was offered, "
        "and how much of it was lost on the way to the receiver. Marks at the bottom lost nothing. "
        f"Dotted lines are the goals of 0.1 % and 0.5 %.{note}",
        spec={"data": data, "layout": _axes(name)},
        headers=("driver", "record", "block", "offered", "received", "lost"),
        rows=[_load_row(search, load) for search in searches for load in search.loads],
    )


def _axes(name: str) -> Spec:
    lines: list[Json] = [
        {
            "type": "line",
            "xref": "paper",
            "x0": 0,
            "x1": 1,
            "y0": goal * 100,
            "y1": goal * 100,
            "layer": "below",
            "line": {"width": 1.2, "dash": "dot", "color": QUIET.light},
        }
        for goal in GOALS.values()
        if goal
    ]
    return layout(
        axis(f"load offered, {name}, logarithmic", type="log", dtick="D2"),
        axis(
            "datagrams lost, %, logarithmic",
            type="log",
            tickvals=list(_TICKS),
            ticktext=list(_TICKS.values()),
            range=[-2.75, 2.1],
        ),
        shapes=lines,
        showlegend=True,
    )


def _points(scene: FigureData, driver: str, loads: list[Load], scale: float) -> Spec:
    colour = scene.colours[driver].light
    return {
        "type": "scatter",
        "mode": "markers",
        "name": named(driver),
        "x": [load.offered / scale for load in loads],
        "y": [max(load.loss * 100, FLOOR) for load in loads],
        "text": [_lost(load.loss) for load in loads],
        "hovertemplate": "%{x:.4g}: %{text} lost",
        "marker": {"size": 8, "opacity": 0.65, "color": colour},
    }


def _title(key: CellKey, loads: dict[str, list[Load]]) -> str:
    lost = {
        driver: max(found, key=lambda load: load.offered).loss for driver, found in loads.items()
    }
    low, high = _lost(min(lost.values())), _lost(max(lost.values()))
    span = f"{low} was lost" if low == high else f"{low} to {high} was lost, by driver"
    return f"At the highest load that {key.probe} tried {key.place}, {span}"


def _lost(loss: float) -> str:
    return "nothing" if not loss else f"{units.significant(loss * 100, 2)} %"


def _load_row(search: SearchTrial, load: Load) -> tuple[str, ...]:
    return (
        search.driver,
        str(search.record),
        str(search.block),
        units.quantity(load.offered, units.BITS_PER_SECOND),
        units.quantity(load.received, units.BITS_PER_SECOND),
        _lost(load.loss),
    )


def _rates(scene: FigureData, key: CellKey, searches: list[SearchTrial]) -> Figure:
    goals: dict[str, dict[str, list[Goal]]] = {driver: {} for driver in scene.colours}
    for search in searches:
        for goal in search.goals:
            goals[search.driver].setdefault(goal.metric, []).append(goal)
    goals = {driver: found for driver, found in goals.items() if found}
    rates = [goal.lower for own in goals.values() for of in own.values() for goal in of]
    scale, name = scaled([rate for rate in rates if rate] or [1e9], units.BITS_PER_SECOND)
    data: list[Json] = []
    for number, (driver, own) in enumerate(goals.items()):
        row = len(goals) - 1 - number
        colour = scene.colours[driver].light
        data += [_rate(metric, found, row, colour, scale) for metric, found in own.items()]
    data += [_legend(metric) for metric in GOALS]
    found_rates = medians(scene, key, "ndr")
    return figure(
        f"rates-{key.slug}",
        title=f"Rate without loss of {key.probe} {key.place}: "
        + (spans(found_rates, units.BITS_PER_SECOND) if found_rates else "none of those tried"),
        caption=f"{placed(key)} The mark is the median over a driver's searches of the highest "
        "load that keeps the goal; its bar runs from the lowest such load to the lowest one above "
        "it that misses the goal, so the true rate lies on it. A hollow mark was kept at the "
        "highest load that may be tried, and may go on beyond.",
        spec={
            "data": data,
            "layout": layout(
                axis(f"load, {name}", rangemode="tozero"),
                rows_axis(goals),
                height=130 + 62 * len(goals),
            ),
        },
        headers=("driver", "record", "block", "goal", "rate", "misses it at", "the search ended"),
        rows=[_goal_row(search, goal) for search in searches for goal in search.goals],
    )


def _rate(metric: str, goals: list[Goal], row: int, colour: str, scale: float) -> Spec:
    words, symbol, lift = MARKS[metric]
    lowers = [goal.lower / scale for goal in goals if goal.lower is not None]
    uppers = [goal.upper / scale for goal in goals if goal.upper is not None]
    middle = statistics.median(lowers) if lowers else None
    at_cap = bool(goals) and all(goal.upper is None for goal in goals)
    spec: Spec = {
        "type": "scatter",
        "mode": "markers",
        "name": words,
        "showlegend": False,
        "x": [middle],
        "y": [row + lift],
        "marker": {
            "symbol": f"{symbol}-open" if at_cap else symbol,
            "size": 10,
            "color": colour,
            "line": {"width": 1.6, "color": colour},
        },
        "hovertemplate": f"{words}: %{{x:.4g}}, median of {counted(len(lowers), 'trial')}",
    }
    if middle is not None:
        spec["error_x"] = {
            "type": "data",
            "symmetric": False,
            "array": [max([middle, *uppers]) - middle],
            "arrayminus": [middle - min(lowers)],
            "color": colour,
            "thickness": 2,
            "width": 4,
        }
    return spec


def _goal_row(search: SearchTrial, goal: Goal) -> tuple[str, ...]:
    return (
        search.driver,
        str(search.record),
        str(search.block),
        MARKS[goal.metric][0],
        units.quantity(goal.lower, units.BITS_PER_SECOND),
        units.quantity(goal.upper, units.BITS_PER_SECOND),
        goal.end,
    )


def _legend(metric: str) -> Spec:
    words, symbol, _ = MARKS[metric]
    return {
        "type": "scatter",
        "mode": "markers",
        "name": words,
        "x": [None],
        "y": [None],
        "marker": {"symbol": symbol, "size": 10, "color": QUIET.light},
    }
