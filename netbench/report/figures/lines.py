"""Trials as lines: RTT percentile curves, and throughput over time within a trial."""

import math
import statistics
from collections import defaultdict
from typing import Final

from netbench import units
from netbench.report.document import Json
from netbench.report.figures.base import (
    Figure,
    Scene,
    Spec,
    axis,
    figure,
    in_order,
    layout,
    placed,
    scaled,
)
from netbench.report.palette import Colour
from netbench.report.views import Line
from netbench.report.words import CellKey, plain

NINES: Final = (0.0, 0.5, 0.9, 0.99, 0.999, 0.9999, 0.99999)


def curves(scene: Scene) -> tuple[Figure, ...]:
    """Return one figure of RTT percentiles for each cell that has them."""
    return tuple(
        _curves(scene, key, lines)
        for key, lines in _grouped(scene).items()
        if any(line.quantiles for line in lines)
    )


def series(scene: Scene) -> tuple[Figure, ...]:
    """Return one figure of throughput over time for each cell that has it."""
    return tuple(
        _series(scene, key, lines)
        for key, lines in _grouped(scene).items()
        if any(line.series for line in lines)
    )


def _grouped(scene: Scene) -> dict[CellKey, list[Line]]:
    groups: defaultdict[CellKey, list[Line]] = defaultdict(list)
    for line in scene.digest.lines:
        groups[line.cell].append(line)
    return {key: groups[key] for key in in_order(scene, groups)}


def _curves(scene: Scene, key: CellKey, lines: list[Line]) -> Figure:
    finite = {
        line.record: [(1 / (1 - q), value) for q, value in line.quantiles if q < 1]
        for line in lines
    }
    scale, name = scaled((v for points in finite.values() for _, v in points), units.SECONDS)
    scaled_points = {
        record: [(x, y / scale) for x, y in points] for record, points in finite.items()
    }
    spec = layout(
        axis(
            "percentile",
            type="log",
            tickvals=[1 / (1 - q) for q in NINES],
            ticktext=["min" if q == 0 else f"p{q * 100:.5g}" for q in NINES],
        ),
        axis(f"round-trip time, {name}, logarithmic", type="log", dtick="D2"),
    )
    return figure(
        f"curves-{key.slug}",
        title=f"Round-trip times up to the tail: {_tail(scene, lines)}",
        caption=f"{placed(key)} The strong line of a driver is one trial, the one with its "
        "median p50; thin lines are other trials. Percentiles are never averaged. "
        "Each step to the right is ten times rarer.",
        spec={"data": _traces(scene, lines, scaled_points), "layout": spec},
        headers=("driver", "record", "block", "shown as", "quantiles"),
        rows=[(*_named(line), _quantiles(line)) for line in lines if line.quantiles],
    )


def _named(line: Line) -> tuple[str, ...]:
    shown = "median trial" if line.chosen else "thin"
    return line.driver, str(line.record), str(line.block), shown


def _quantiles(line: Line) -> str:
    pairs = [(f"p{q * 100:.7g}", units.quantity(v, units.SECONDS)) for q, v in line.quantiles]
    return ", ".join(f"{name} {value}" for name, value in pairs)


def _rates(line: Line) -> str:
    return ", ".join(units.quantity(p.value, units.BITS_PER_SECOND) for p in line.series)


def _tail(scene: Scene, lines: list[Line]) -> str:
    parts = []
    for driver in scene.colours:
        chosen = next((line for line in lines if line.driver == driver and line.chosen), None)
        p99 = dict(chosen.quantiles).get(0.99) if chosen else None
        if p99 is not None:
            parts.append(f"{driver} {units.quantity(p99, units.SECONDS)}")
    return f"p99 {', '.join(parts)}" if parts else "one trial for each driver"


def _series(scene: Scene, key: CellKey, lines: list[Line]) -> Figure:
    scale, name = scaled((p.value for line in lines for p in line.series), units.BITS_PER_SECOND)
    points = {
        line.record: [((p.start + p.end) / 2, p.value / scale) for p in line.series]
        for line in lines
    }
    spec = layout(
        axis("seconds since the measured window began", rangemode="tozero"),
        axis(f"Throughput, {name}", rangemode="tozero"),
    )
    return figure(
        f"series-{key.slug}",
        title=_drift(lines),
        caption=f"{placed(key)} The strong line is the driver's trial with the median throughput; "
        "thin lines are other trials. A level that still rises would mean too short a warm-up.",
        spec={"data": _traces(scene, lines, points), "layout": spec},
        headers=("driver", "record", "block", "shown as", "throughput in each interval"),
        rows=[(*_named(line), _rates(line)) for line in lines if line.series],
    )


def _drift(lines: list[Line]) -> str:
    """Return by how much the second half of the strong trials differs from the first."""
    drifts = []
    for line in lines:
        values = [point.value for point in line.series]
        half = len(values) // 2
        if line.chosen and half:
            first, second = statistics.fmean(values[:half]), statistics.fmean(values[-half:])
            drifts.append(abs(second / first - 1) if first else math.inf)
    if not drifts or not math.isfinite(max(drifts)):
        return "Throughput within the trials, after warm-up"
    return (
        "Within a trial, throughput of the second half is within "
        f"{max(drifts) * 100:.1f} % of the first"
    )


def _traces(
    scene: Scene, lines: list[Line], points: dict[int, list[tuple[float, float]]]
) -> list[Json]:
    """Return two traces for each driver: its thin lines as one, then the chosen one over all."""
    thin: list[Json] = []
    strong: list[Json] = []
    for driver, colour in scene.colours.items():
        own = [line for line in lines if line.driver == driver]
        x: list[Json] = []
        y: list[Json] = []
        for line in own:
            if not line.chosen:
                x += [*(at for at, _ in points[line.record]), None]
                y += [*(value for _, value in points[line.record]), None]
        if x:
            thin.append(_trace(driver, colour, x, y, strong=False))
        for line in own:
            if line.chosen:
                at = [at for at, _ in points[line.record]]
                values = [value for _, value in points[line.record]]
                strong.append(_trace(driver, colour, list(at), list(values), strong=True))
    return thin + strong


def _trace(driver: str, colour: Colour, x: list[Json], y: list[Json], *, strong: bool) -> Spec:
    return {
        "type": "scatter",
        "mode": "lines+markers" if strong else "lines",
        "name": plain(driver),
        "legendgroup": plain(driver),
        "showlegend": strong,
        "x": x,
        "y": y,
        "opacity": 1 if strong else 0.3,
        "line": {"width": 2.5 if strong else 1, "color": colour.light},
        "marker": {"size": 5, "color": colour.light},
        "hoverinfo": "all" if strong else "skip",
        "hovertemplate": "%{y:.4g}" if strong else None,
    }
