"""How long networks and endpoints take to come and go."""

import statistics
from collections import defaultdict
from typing import Final

from netbench import units
from netbench.analysis.cell_key import CellKey
from netbench.analysis.model import TrialPoint
from netbench.report.document import Json
from netbench.report.figures.base import (
    NAMED,
    Figure,
    FigureData,
    Spec,
    axis,
    figure,
    in_order,
    layout,
    placed,
    rows_axis,
    scaled,
    spans,
    thinned,
)
from netbench.report.labels import capital, counted
from netbench.report.palette import QUIET

PHASES: Final = {
    "create_time": ("network created", "square", 0.24),
    "start_time": ("endpoint asked for to first byte", "circle", 0.0),
    "remove_time": ("endpoint and network removed", "diamond", -0.24),
}
"""Words, marker and place within a driver's row of each metric."""
_ENOUGH: Final = 2

_Times = dict[str, dict[str, list[TrialPoint]]]


def lifecycle(scene: FigureData) -> tuple[Figure, ...]:
    """Return one figure for each cell of the control plane."""
    groups: defaultdict[CellKey, list[TrialPoint]] = defaultdict(list)
    for point in scene.analysis.points:
        if point.metric in PHASES and not point.replica:
            groups[CellKey(point.path, point.probe, point.placement)].append(point)
    return tuple(_figure(scene, key, groups[key]) for key in in_order(scene, groups))


def _figure(scene: FigureData, key: CellKey, points: list[TrialPoint]) -> Figure:
    shown, note = thinned(points)
    scale, name = scaled((point.value for point in points), units.SECONDS)
    every, drawn = _grouped(scene, points), _grouped(scene, shown)
    data: list[Json] = []
    for number, driver in enumerate(every):
        row = len(every) - 1 - number
        for metric, found in every[driver].items():
            colour = scene.colours[driver].light
            data.append(_trials(metric, drawn.get(driver, {}).get(metric, []), row, colour, scale))
            data.append(_median(metric, found, row, colour, scale))
    metrics = [metric for metric in PHASES if any(metric in own for own in every.values())]
    data += [_legend(metric) for metric in metrics]
    return figure(
        f"lifecycle-{key.slug}",
        title=_title(key, every),
        caption=f"{placed(key)} Each faint mark is one trial, the strong one the driver's median, "
        "with a bar from the lower to the upper quartile. Where a driver has no network of its own "
        f"to create, there is no such time.{note}",
        spec={
            "data": data,
            "layout": layout(
                axis(name, rangemode="tozero"),
                rows_axis(every),
                height=130 + 62 * len(every),
            ),
        },
        headers=(
            *("driver", "phase", "trials"),
            *("lowest", "lower quartile", "median", "upper quartile", "highest"),
        ),
        rows=[
            _row(driver, metric, [point.value for point in found])
            for driver, own in every.items()
            for metric, found in own.items()
        ],
    )


def _grouped(scene: FigureData, points: list[TrialPoint]) -> _Times:
    """Return the points by driver, the baseline first, and by phase."""
    found: defaultdict[str, defaultdict[str, list[TrialPoint]]]
    found = defaultdict(lambda: defaultdict(list))
    for point in points:
        found[point.driver][point.metric].append(point)
    return {
        driver: {metric: found[driver][metric] for metric in PHASES if metric in found[driver]}
        for driver in scene.colours
        if driver in found
    }


def _title(key: CellKey, every: _Times) -> str:
    medians = {
        metric: {
            driver: statistics.median(point.value for point in own[metric])
            for driver, own in every.items()
            if metric in own
        }
        for metric in ("start_time", "create_time", "remove_time")
    }
    words = {
        "start_time": "request to first byte",
        "create_time": "creating the network",
        "remove_time": "removing both",
    }
    name = "" if key.probe == "control-plane" else f" of {key.probe}"
    parts = [
        f"{words[metric]}{name}: {spans(found, units.SECONDS)}"
        for metric, found in medians.items()
        if found
    ]
    return capital("; ".join(parts[: 1 if len(every) > NAMED else None]))


def _quartiles(values: list[float]) -> tuple[float, float, float]:
    if len(values) < _ENOUGH:
        return values[0], values[0], values[0]
    low, middle, high = statistics.quantiles(values, n=4, method="inclusive")
    return low, middle, high


def _row(driver: str, metric: str, values: list[float]) -> tuple[str, ...]:
    low, middle, high = _quartiles(values)
    numbers = (min(values), low, middle, high, max(values))
    shown = (units.quantity(value, units.SECONDS) for value in numbers)
    return (driver, PHASES[metric][0], str(len(values)), *shown)


def _trials(metric: str, points: list[TrialPoint], row: int, colour: str, scale: float) -> Spec:
    _, symbol, lift = PHASES[metric]
    return {
        "type": "scatter",
        "mode": "markers",
        "showlegend": False,
        "x": [point.value / scale for point in points],
        "y": [row + lift for _ in points],
        "text": [f"record {point.record}, block {point.block}" for point in points],
        "hovertemplate": "%{x:.4g}, %{text}<extra></extra>",
        "marker": {"symbol": symbol, "size": 7, "opacity": 0.35, "color": colour},
    }


def _median(metric: str, points: list[TrialPoint], row: int, colour: str, scale: float) -> Spec:
    words, symbol, lift = PHASES[metric]
    low, middle, high = _quartiles([point.value / scale for point in points])
    return {
        "type": "scatter",
        "mode": "markers",
        "name": words,
        "showlegend": False,
        "x": [middle],
        "y": [row + lift],
        "error_x": {
            "type": "data",
            "symmetric": False,
            "array": [high - middle],
            "arrayminus": [middle - low],
            "color": colour,
            "thickness": 2,
            "width": 4,
        },
        "marker": {"symbol": symbol, "size": 11, "color": colour},
        "hovertemplate": f"{words}: %{{x:.4g}}, median of {counted(len(points), 'trial')}",
    }


def _legend(metric: str) -> Spec:
    words, symbol, _ = PHASES[metric]
    return {
        "type": "scatter",
        "mode": "markers",
        "name": words,
        "x": [None],
        "y": [None],
        "marker": {"symbol": symbol, "size": 10, "color": QUIET.light},
    }
