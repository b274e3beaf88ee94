"""How long networks and endpoints take to come and go."""

import statistics
from dataclasses import replace
from typing import Final

import numpy as np

from netbench import units
from netbench.analysis.block_pairs import grouped
from netbench.analysis.cell_key import CellKey
from netbench.analysis.model import TrialPoint
from netbench.report.figures.base import (
    NAMED,
    Figure,
    FigureData,
    RowMark,
    figure,
    in_legend,
    in_order,
    marked,
    placed,
    row_of,
    rows_axis,
    scaled,
    spans,
    thinned,
)
from netbench.report.figures.picture import Axis, Picture, Trace
from netbench.report.labels import capital, counted, key_of

PHASES: Final = {
    "create_time": RowMark("network created", "square", 0.24),
    "start_time": RowMark("endpoint asked for to first byte", "circle", 0.0),
    "remove_time": RowMark("endpoint and network removed", "diamond", -0.24),
}
_TITLES: Final = {
    "start_time": "request to first byte",
    "create_time": "creating the network",
    "remove_time": "removing both",
}

_Times = dict[tuple[str, str], list[TrialPoint]]  # by driver and phase


def lifecycle(source: FigureData) -> tuple[Figure, ...]:
    """Return one figure for each cell of the control plane."""
    shown = (p for p in source.analysis.points if p.metric in PHASES and not p.replica)
    found = grouped((key_of(point), point) for point in shown)
    return tuple(_figure(source, key, found[key]) for key in in_order(source, found))


def _figure(source: FigureData, key: CellKey, points: list[TrialPoint]) -> Figure:
    shown, note = thinned(points)
    every = _grouped(source, points)
    return figure(
        f"lifecycle-{key.slug}",
        title=_title(key, every),
        caption=f"{placed(key)} Each faint mark is one trial, the strong one the driver's median, "
        "with a bar from the lower to the upper quartile. Where a driver has no network of its own "
        f"to create, there is no such time.{note}",
        picture=_picture(source, every, _grouped(source, shown)),
        headers=(
            *("driver", "phase", "trials"),
            *("lowest", "lower quartile", "median", "upper quartile", "highest"),
        ),
        things=[(driver, metric, own) for (driver, metric), own in every.items()],
        row=lambda thing: _row(*thing),
    )


def _grouped(source: FigureData, points: list[TrialPoint]) -> _Times:
    """Return the points by driver, the baseline first, and by phase."""
    found = grouped(((point.driver, point.metric), point) for point in points)
    order = ((driver, metric) for driver in source.colours for metric in PHASES)
    return {name: found[name] for name in order if name in found}


def _title(key: CellKey, every: _Times) -> str:
    name = "" if key.probe == "control-plane" else f" of {key.probe}"
    parts = []
    for metric, words in _TITLES.items():
        medians = {
            driver: statistics.median(point.value for point in own)
            for (driver, phase), own in every.items()
            if phase == metric
        }
        parts += [f"{words}{name}: {spans(medians, units.SECONDS)}"] if medians else []
    drivers = {driver for driver, _ in every}
    return capital("; ".join(parts[: 1 if len(drivers) > NAMED else None]))


def _quartiles(values: list[float]) -> list[float]:
    found: list[float] = np.percentile(values, (25, 50, 75)).tolist()
    return found


def _row(driver: str, metric: str, points: list[TrialPoint]) -> tuple[str, ...]:
    values = [point.value for point in points]
    shown = (min(values), *_quartiles(values), max(values))
    times = (units.quantity(value, units.SECONDS) for value in shown)
    return (driver, PHASES[metric].words, str(len(values)), *times)


def _picture(source: FigureData, every: _Times, drawn: _Times) -> Picture:
    scale, name = scaled((p.value for own in every.values() for p in own), units.SECONDS)
    drivers = list(dict.fromkeys(driver for driver, _ in every))
    traces: list[Trace] = []
    strong: dict[str, Trace] = {}
    for (driver, metric), own in every.items():
        row, colour = row_of(drivers, driver), source.colour(driver)
        few = drawn.get((driver, metric), [])
        faint = marked(PHASES[metric], [p.value / scale for p in few], row, colour)
        texts = [f"record {point.record}, block {point.block}" for point in few]
        hover = "%{x:.4g}, %{text}<extra></extra>"
        traces.append(replace(faint, texts=texts, hover=hover, size=7, opacity=0.35))
        low, middle, high = _quartiles([point.value / scale for point in own])
        strong[metric] = replace(
            marked(PHASES[metric], [middle], row, colour),
            size=11,
            reach=(middle - low, high - middle),
            hover=f"{PHASES[metric].words}: %{{x:.4g}}, median of {counted(len(own), 'trial')}",
        )
        traces.append(strong[metric])
    legend = [in_legend(PHASES[m].words, strong[m]) for m in PHASES if m in strong]
    return Picture(
        Axis(name, to_zero=True),
        rows_axis(drivers),
        (*traces, *legend),
        height=130 + 62 * len(drivers),
    )
