"""Throughput over the time of a session or trial."""

import statistics
from collections import defaultdict

from netbench import units
from netbench.analysis.cell_key import CellKey
from netbench.analysis.digest_model import DrawnRecord
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
    scaled,
)
from netbench.report.labels import joined


def series(scene: FigureData) -> tuple[Figure, ...]:
    """Return one figure of throughput over time for each cell that has it."""
    groups: defaultdict[CellKey, list[DrawnRecord]] = defaultdict(list)
    for line in scene.digest.lines:
        if line.series:
            groups[line.cell].append(line)
    return tuple(_figure(scene, key, groups[key]) for key in in_order(scene, groups))


def _figure(scene: FigureData, key: CellKey, lines: list[DrawnRecord]) -> Figure:
    values = medians(scene, key, "throughput")
    have = {line.driver for line in lines}
    drivers, note = chosen(
        {driver: value for driver, value in values.items() if driver in have},
        scene.analysis.baseline,
    )
    scale, name = scaled((p.value for line in lines for p in line.series), units.BITS_PER_SECOND)
    data: list[Json] = [_thin(scene, driver, lines, scale) for driver in drivers]
    data += [
        _strong(scene, line, scale) for line in lines if line.chosen and line.driver in drivers
    ]
    return figure(
        f"series-{key.slug}",
        title=_title(key, lines),
        caption=f"{placed(key)} The strong line is the driver's block with the median throughput, "
        "thin lines are others of its blocks; one step is one interval of the tool, and the time "
        "during which a session is held is left out. A level that still rises would mean too short "
        f"a warm-up, a sawtooth losses.{note}",
        spec={
            "data": data,
            "layout": layout(
                axis("seconds since the measured window began", rangemode="tozero"),
                axis(f"throughput, {name}", rangemode="tozero"),
            ),
        },
        headers=("driver", "record", "block", "shown as", "from half to half", "each interval"),
        rows=[_row(line) for line in lines],
    )


def _row(line: DrawnRecord) -> tuple[str, ...]:
    drift = _drift(line)
    return (
        line.driver,
        str(line.record),
        str(line.block),
        "strong" if line.chosen else "thin",
        units.MISSING if drift is None else units.percent(drift),
        ", ".join(units.quantity(point.value, units.BITS_PER_SECOND) for point in line.series),
    )


def _drift(line: DrawnRecord) -> float | None:
    """Return the mean of a record's second half over that of its first; None without one."""
    values = [point.value for point in line.series]
    half = len(values) // 2
    if not half or not any(values[:half]):
        return None
    return statistics.fmean(values[-half:]) / statistics.fmean(values[:half])


def _title(key: CellKey, lines: list[DrawnRecord]) -> str:
    """Return how far the strong lines drift from their first half to their second."""
    what = f"Throughput of {key.probe} {key.place}"
    drifts = {line.driver: drift for line in lines if line.chosen and (drift := _drift(line))}
    if not drifts:
        return f"{what} within the measured time"
    low, high = min(drifts.values()), max(drifts.values())
    if len(drifts) == 1:
        how = f"{units.percent(low)} from its first half to its second"
        return f"{what}: that of {joined(list(drifts))} changes by {how}"
    span = list(dict.fromkeys((units.percent(low), units.percent(high))))
    return f"{what}: from the first half to the second it changes by {' to '.join(span)}"


def _thin(scene: FigureData, driver: str, lines: list[DrawnRecord], scale: float) -> Spec:
    """Return the other records of a driver as one trace with gaps."""
    x: list[Json] = []
    y: list[Json] = []
    for line in lines:
        if line.driver == driver and not line.chosen:
            x += [*_middles(line), None]
            y += [*(point.value / scale for point in line.series), None]
    return {
        "type": "scatter",
        "mode": "lines",
        "name": named(driver),
        "legendgroup": named(driver),
        "showlegend": False,
        "x": x,
        "y": y,
        "opacity": 0.3,
        "line": {"width": 1, "color": scene.colours[driver].light},
        "hoverinfo": "skip",
    }


def _strong(scene: FigureData, line: DrawnRecord, scale: float) -> Spec:
    colour = scene.colours[line.driver].light
    return {
        "type": "scatter",
        "mode": "lines+markers",
        "name": named(line.driver),
        "legendgroup": named(line.driver),
        "x": list(_middles(line)),
        "y": [point.value / scale for point in line.series],
        "line": {"width": 2.5, "color": colour},
        "marker": {"size": 5, "color": colour},
        "hovertemplate": "%{y:.4g} at %{x:.2f} s",
    }


def _middles(line: DrawnRecord) -> list[float]:
    return [(point.start + point.end) / 2 for point in line.series]
