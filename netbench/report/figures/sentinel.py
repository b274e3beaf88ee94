"""The course of the machine over the run, as the sentinel read it."""

import numpy as np

from netbench import units
from netbench.analysis.block_pairs import grouped
from netbench.analysis.cell_key import PLACEMENTS
from netbench.analysis.model import SentinelPoint
from netbench.report.document import Json
from netbench.report.figures.base import (
    TABLE,
    Figure,
    FigureData,
    Spec,
    axis,
    figure,
    layout,
    scaled,
    thinned,
)
from netbench.report.palette import INK, QUIET
from netbench.spec import Placement


def sentinel(scene: FigureData) -> tuple[Figure, ...]:
    """Return one figure for each placement with sentinel readings."""
    found = grouped(scene.analysis.sentinel, lambda point: point.placement)
    return tuple(_sentinel(placement, points) for placement, points in found.items())


def _sentinel(placement: Placement, points: list[SentinelPoint]) -> Figure:
    readings = _distinct(points)
    shown, note = thinned(readings)
    unit = units.PER_SECOND if placement is Placement.SAME else units.BITS_PER_SECOND
    scale, name = scaled([point.value for point in readings], unit)
    spec = layout(
        axis("seconds since the first reading"),
        axis(f"sentinel, {name}", rangemode="tozero"),
        showlegend=False,
    )
    return figure(
        f"sentinel-{placement}",
        title=_title(placement, points, unit),
        caption=f"Readings {PLACEMENTS[placement]} of a short measurement without network, at the "
        "edges of each probe's rounds, or of each trial that runs whole; a line joins the two. "
        f"They describe the machine; no value is left out because of them.{note}",
        spec={"data": [_trace(shown, scale, name)], "layout": spec},
        headers=("seconds", "record", "when", "value"),
        rows=[
            (f"{p.at:.1f}", str(p.record), p.when, units.quantity(p.value, unit))
            for p in readings[:TABLE]
        ],
        more=max(0, len(readings) - TABLE),
    )


def _distinct(points: list[SentinelPoint]) -> list[SentinelPoint]:
    """Return each reading once: the sessions of one probe in one block share theirs."""
    found: dict[tuple[float, str], SentinelPoint] = {}
    for point in points:
        found.setdefault((point.at, point.when), point)
    return list(found.values())


def _title(placement: Placement, points: list[SentinelPoint], unit: str) -> str:
    values = [point.value for point in points]
    low, high = min(values), max(values)
    where = PLACEMENTS[placement]
    if low == high:
        return f"The machine {where}: every reading {units.quantity(low, unit)}"
    middle = units.quantity(float(np.median(values)), unit)
    return (
        f"The machine {where}: readings from {units.quantity(low, unit)} to "
        f"{units.quantity(high, unit)}, median {middle}"
    )


def _trace(points: list[SentinelPoint], scale: float, name: str) -> Spec:
    x: list[Json] = []
    y: list[Json] = []
    text: list[Json] = []
    last = None
    for point in points:
        if last is not None and point.record != last:
            x.append(None)
            y.append(None)
            text.append(None)
        last = point.record
        x.append(point.at)
        y.append(point.value / scale)
        text.append(f"{point.when} record {point.record}")
    return {
        "type": "scatter",
        "mode": "lines+markers",
        "name": "sentinel",
        "x": x,
        "y": y,
        "text": text,
        "hovertemplate": f"%{{y:.4g}} {name}<br>%{{text}}<extra></extra>",
        "line": {"width": 1, "color": QUIET.light},
        "marker": {"size": 6, "color": INK.light},
    }
