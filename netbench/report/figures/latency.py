"""Round-trip times percentile by percentile, idle and beside a stream, on an axis of rareness."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from netbench import units
from netbench.analysis.cell_key import CellKey
from netbench.analysis.digest_model import DrawnRecord, MergedTimes
from netbench.analysis.frame import idle_probes
from netbench.record.histogram import edges, rank_bucket
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
    spans,
)
from netbench.report.labels import counted
from netbench.report.palette import QUIET

NINES: Final = (0.5, 0.9, 0.99, 0.999, 0.9999, 0.99999)
READ: Final = (0.5, 0.9, 0.99, 0.999, 0.9999)
"""Percentiles of the table."""
TITLE: Final = READ.index(0.99)
"""Which of them the title tells."""
_STEP: Final = 0.03
"""Least distance of two points of a line, in powers of ten of either axis."""

Points = tuple[tuple[float, float], ...]


@dataclass(frozen=True, slots=True)
class _Curve:
    """The times of one driver in one cell."""

    driver: str
    loaded: bool
    of: str
    """Which records, in words."""
    count: int | None
    """Round trips; None where the tool told quantiles only."""
    points: Points
    """(one in so many is longer, seconds)."""
    read: tuple[float | None, ...]
    """Seconds at each of `READ`; None where too few were seen."""
    largest: float | None


def curves(scene: FigureData) -> tuple[Figure, ...]:
    """Return one figure for each cell with round-trip times, that under load with its idle one."""
    found = _curves(scene)
    idle = idle_probes(scene.plan)
    loaded = {
        CellKey(key.path, idle[key.probe], key.placement): key for key in found if key.probe in idle
    }
    beside = {key for idle_key, key in loaded.items() if idle_key in found}
    return tuple(
        _figure(scene, key, found[key], found[loaded[key]] if key in loaded else [])
        for key in in_order(scene, found)
        if key not in beside
    )


def _curves(scene: FigureData) -> dict[CellKey, list[_Curve]]:
    """Return the curves of each cell: of all records together, else of the median one."""
    loaded = idle_probes(scene.plan)
    found: dict[CellKey, dict[str, _Curve]] = {}
    for line in scene.digest.lines:
        if line.chosen and line.quantiles:
            cell = found.setdefault(line.cell, {})
            cell[line.driver] = _of_line(line, loaded=line.cell.probe in loaded)
    for times in scene.digest.times:
        cell = found.setdefault(times.cell, {})
        cell[times.driver] = _of_times(times, loaded=times.cell.probe in loaded)
    return {
        key: [cell[driver] for driver in scene.colours if driver in cell]
        for key, cell in found.items()
    }


def _of_line(line: DrawnRecord, *, loaded: bool) -> _Curve:
    at = dict(line.quantiles)
    return _Curve(
        driver=line.driver,
        loaded=loaded,
        of=f"record {line.record}, its median one",
        count=None,
        points=tuple((1 / (1 - q), value) for q, value in line.quantiles if q < 1),
        read=tuple(at.get(q) for q in READ),
        largest=at.get(1.0),
    )


def _of_times(merged: MergedTimes, *, loaded: bool) -> _Curve:
    count = sum(number for _, number in merged.times)
    first, _ = merged.times[0]
    points = [(1.0, edges(first)[0])]
    below = 0
    for bucket, number in merged.times[:-1]:
        below += number
        points.append((count / (count - below), edges(bucket)[1]))
    last = merged.largest or edges(merged.times[-1][0])[1]
    return _Curve(
        driver=merged.driver,
        loaded=loaded,
        of=f"{counted(merged.records, 'record')} together",
        count=count,
        points=(*_spaced(points), (float(count), last)),
        read=tuple(
            math.sqrt(math.prod(edges(rank_bucket(merged.times, math.ceil(q * count)))))
            if count * (1 - q) >= 1
            else None
            for q in READ
        ),
        largest=merged.largest,
    )


def _spaced(points: Iterable[tuple[float, float]]) -> Iterable[tuple[float, float]]:
    """Yield the points that lie apart as they are seen."""
    last = None
    for x, y in points:
        if last is None or max(abs(math.log10(x / last[0])), abs(math.log10(y / last[1]))) >= _STEP:
            yield x, y
            last = x, y


def _figure(scene: FigureData, key: CellKey, idle: list[_Curve], loaded: list[_Curve]) -> Figure:
    every = [*idle, *loaded]
    own = medians(scene, key, "rtt_p99")
    values = {curve.driver: own.get(curve.driver, 0.0) for curve in every}
    drivers, note = chosen(values, scene.analysis.baseline)
    scale, name = scaled((value for curve in every for _, value in curve.points), units.SECONDS)
    data: list[Json] = [_thin(scene, key, driver, scale) for driver in drivers]
    first = [*{curve.driver: curve for curve in reversed(every)}.values()]
    data += [
        _trace(scene, curve, scale, legend=curve in first)
        for curve in every
        if curve.driver in drivers
    ]
    if loaded:
        data += [_legend("idle", "solid"), _legend("beside a stream", "dash")]
    return figure(
        f"curves-{key.slug}",
        title=_title(key, idle, own, loaded),
        caption=f"{placed(key)} A strong line counts all round trips of a driver "
        "where the tool tells each of them, else those of its median record; thin lines are "
        "those of single blocks. "
        f"{'Dashed lines: while a stream fills the path. ' if loaded else ''}"
        "Each step to the right is ten times rarer, a line begins at its shortest round trip "
        "and ends at its longest. "
        f"Percentiles are never averaged.{note}",
        spec={"data": data, "layout": _layout(name)},
        headers=(
            *("driver", "load", "of", "round trips"),
            *("p50", "p90", "p99", "p99.9", "p99.99", "largest"),
        ),
        rows=[_row(curve) for curve in every],
    )


def _layout(name: str) -> Spec:
    return layout(
        axis(
            "percentile",
            type="log",
            tickvals=[1 / (1 - q) for q in NINES],
            ticktext=[f"p{q * 100:.5g}" for q in NINES],
        ),
        axis(f"round-trip time, {name}, logarithmic", type="log", dtick="D2"),
        height=400,
    )


def _title(key: CellKey, idle: list[_Curve], p99: dict[str, float], loaded: list[_Curve]) -> str:
    what = f"Round trips of {key.probe} {key.place}"
    parts = [f"p99 {spans(p99, units.SECONDS)}"] if p99 else []
    grown = {
        curve.driver: after / before
        for curve in loaded
        for other in idle
        if other.driver == curve.driver
        and (after := curve.read[TITLE]) is not None
        and (before := other.read[TITLE]) is not None
    }
    if grown:
        worst, least = max(grown, key=grown.__getitem__), min(grown, key=grown.__getitem__)
        times = units.significant(grown[worst], 2)
        parts.append(f"a stream beside it makes that {times} times as long with {worst}")
        if worst != least:
            parts[-1] += f", {units.significant(grown[least], 2)} times with {least}"
    return f"{what}: {'; '.join(parts)}" if parts else f"{what}, by percentile"


def _row(curve: _Curve) -> tuple[str, ...]:
    return (
        curve.driver,
        "one stream" if curve.loaded else "idle",
        curve.of,
        units.MISSING if curve.count is None else f"{curve.count:,}",
        *(units.quantity(value, units.SECONDS) for value in (*curve.read, curve.largest)),
    )


def _trace(scene: FigureData, curve: _Curve, scale: float, *, legend: bool) -> Spec:
    colour = scene.colours[curve.driver].light
    return {
        "type": "scatter",
        "mode": "lines",
        "name": named(curve.driver),
        "legendgroup": named(curve.driver),
        "showlegend": legend,
        "x": [x for x, _ in curve.points],
        "y": [y / scale for _, y in curve.points],
        "line": {"width": 2.5, "color": colour, "dash": "dash" if curve.loaded else "solid"},
        "hovertemplate": "1 in %{x:.4g} is longer than %{y:.4g}"
        f"{', beside a stream' if curve.loaded else ''}",
    }


def _thin(scene: FigureData, key: CellKey, driver: str, scale: float) -> Spec:
    """Return all single records of a driver that are kept, as one trace with gaps."""
    x: list[Json] = []
    y: list[Json] = []
    for line in scene.digest.lines:
        if line.driver == driver and line.cell == key:
            points = [(1 / (1 - q), value / scale) for q, value in line.quantiles if q < 1]
            x += [*(at for at, _ in points), None]
            y += [*(value for _, value in points), None]
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


def _legend(name: str, dash: str) -> Spec:
    return {
        "type": "scatter",
        "mode": "lines",
        "name": name,
        "x": [None],
        "y": [None],
        "line": {"width": 2, "color": QUIET.light, "dash": dash},
    }
