"""How long networks and endpoints take to come and go."""

import statistics
from dataclasses import replace
from functools import partial
from typing import Final

import numpy as np

from netbench import units
from netbench.analysis.block_pairs import grouped
from netbench.analysis.cell_key import CellKey
from netbench.analysis.model import TrialPoint
from netbench.report.figures import base
from netbench.report.figures.base import Figure, FigureData, RowMark
from netbench.report.figures.picture import Axis, Picture, Trace
from netbench.report.labels import capital, counted, key_of

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


def lifecycle(source: FigureData) -> tuple[Figure, ...]:
    """Return one figure for each cell of the control plane."""
    shown = (p for p in source.analysis.points if p.metric in PHASES and not p.replica)
    found = grouped((key_of(point), point) for point in shown)
    return tuple(_figure(source, key, found[key]) for key in source.in_order(found))


def _figure(source: FigureData, key: CellKey, points: list[TrialPoint]) -> Figure:
    shown, note = base.thinned(points)
    every = _grouped(source, points)
    return base.figure(
        f"lifecycle-{key.slug}",
        ("driver", lambda own: own[0].driver),
        ("phase", lambda own: PHASES[own[0].metric].words),
        ("trials", lambda own: str(len(own))),
        *((name, partial(_percentile, percent)) for name, percent in QUARTILES.items()),
        title=_title(key, every),
        caption=f"{base.placed(key)} "
        "Each faint mark is one trial, the strong one the driver's median, "
        "with a bar from the lower to the upper quartile. Where a driver has no network of its own "
        f"to create, there is no such time.{note}",
        picture=_picture(source, every, _grouped(source, shown)),
        things=list(every.values()),
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
        parts += [f"{words}{name}: {base.spans(medians, units.SECONDS)}"] if medians else []
    drivers = {driver for driver, _ in every}
    return capital("; ".join(parts[: 1 if len(drivers) > base.NAMED else None]))


def _percentile(percent: int, points: list[TrialPoint]) -> str:
    value = np.percentile([point.value for point in points], percent)
    return units.quantity(float(value), units.SECONDS)


def _picture(source: FigureData, every: _Times, drawn: _Times) -> Picture:
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
