"""Round-trip times percentile by percentile, idle and beside a stream, on an axis of rareness."""

import math
from dataclasses import dataclass
from functools import partial
from typing import Final

from netbench import units
from netbench.analysis.cell_key import CellKey
from netbench.analysis.digest_model import DrawnRecord, MergedTimes
from netbench.analysis.frame import idle_probes
from netbench.record.histogram import edges, rank_bucket
from netbench.report.figures import base
from netbench.report.figures.base import Figure, FigureData
from netbench.report.figures.picture import Axis, Picture, Trace
from netbench.report.labels import counted

NINES: Final = (0.5, 0.9, 0.99, 0.999, 0.9999, 0.99999)
READ: Final = ("p50", "p90", "p99", "p99.9", "p99.99", "largest")
"""Columns of the table: the first of `NINES`, and the longest round trip."""
MOST: Final = 5  # drivers whose lines can be distinguished; of more there is the table alone
_STEP: Final = 0.03  # least distance of two points of a line, in powers of ten of either axis


@dataclass(frozen=True, slots=True)
class _Curve:
    driver: str
    loaded: bool
    of: str  # which records, in words
    count: int | None  # round trips; None if the tool gives quantiles only
    points: tuple[tuple[float, float], ...]  # (one in so many is longer, seconds)
    read: dict[str, float | None]  # seconds by `READ`; None if too few were seen


def curves(source: FigureData) -> tuple[Figure, ...]:
    """Return one figure for each cell with round-trip times, that under load with its idle one."""
    found = _curves(source)
    idle = idle_probes(source.plan)
    loaded = {
        CellKey(key.path, idle[key.probe], key.placement): key for key in found if key.probe in idle
    }
    beside = {key for idle_key, key in loaded.items() if idle_key in found}
    return tuple(
        _figure(source, key, found[key], found[loaded[key]] if key in loaded else [])
        for key in source.in_order(found)
        if key not in beside
    )


def _curves(source: FigureData) -> dict[CellKey, list[_Curve]]:
    """Return the curves of each cell: of all records together, else of the median one."""
    loaded = idle_probes(source.plan)
    found: dict[CellKey, dict[str, _Curve]] = {}
    for line in source.digest.lines:
        if line.chosen and line.quantiles:
            own = _of_line(line, loaded=line.cell.probe in loaded)
            found.setdefault(line.cell, {})[line.driver] = own
    for times in source.digest.times:
        own = _of_times(times, loaded=times.cell.probe in loaded)
        found.setdefault(times.cell, {})[times.driver] = own
    return {key: list(source.by_driver(cell).values()) for key, cell in found.items()}


def _of_line(line: DrawnRecord, *, loaded: bool) -> _Curve:
    at = dict(line.quantiles)
    return _Curve(
        driver=line.driver,
        loaded=loaded,
        of=f"record {line.record}, its median one",
        count=None,
        points=_rareness(line),
        read={name: at.get(q) for name, q in zip(READ, (*NINES[:-1], 1.0), strict=True)},
    )


def _rareness(line: DrawnRecord) -> tuple[tuple[float, float], ...]:
    return tuple((1 / (1 - q), value) for q, value in line.quantiles if q < 1)


def _of_times(merged: MergedTimes, *, loaded: bool) -> _Curve:
    count = sum(number for _, number in merged.times)
    first, _ = merged.times[0]
    points = [(1.0, edges(first)[0])]
    below = 0
    for bucket, number in merged.times[:-1]:
        below += number
        points.append((count / (count - below), edges(bucket)[1]))
    last = merged.largest or edges(merged.times[-1][0])[1]
    read = [
        math.sqrt(math.prod(edges(rank_bucket(merged.times, math.ceil(q * count)))))
        if count * (1 - q) >= 1
        else None
        for q in NINES[:-1]
    ]
    return _Curve(
        driver=merged.driver,
        loaded=loaded,
        of=f"{counted(merged.records, 'record')} together",
        count=count,
        points=(*_spaced(points), (float(count), last)),
        read=dict(zip(READ, (*read, merged.largest), strict=True)),
    )


def _spaced(points: base.Points) -> base.Points:
    """Yield the points that lie apart as they are seen."""
    last = None
    for x, y in points:
        if last is None or max(abs(math.log10(x / last[0])), abs(math.log10(y / last[1]))) >= _STEP:
            yield x, y
            last = x, y


def _figure(source: FigureData, key: CellKey, idle: list[_Curve], loaded: list[_Curve]) -> Figure:
    drivers = {curve.driver for curve in (*idle, *loaded)}
    how = (
        "A strong line counts all round trips of a driver where the tool gives each of them, else "
        "those of its median record; thin lines are those of single blocks. "
        f"{'Dashed lines: while a stream fills the path. ' if loaded else ''}"
        "Each step to the right is ten times rarer, a line begins at its shortest round trip "
        "and ends at its longest. "
    )
    if len(drivers) > MOST:
        how = f"Lines of {len(drivers)} drivers could not be distinguished; the table has all. "
    return base.figure(
        f"curves-{key.slug}",
        ("driver", lambda curve: curve.driver),
        ("load", lambda curve: "one stream" if curve.loaded else "idle"),
        ("of", lambda curve: curve.of),
        ("round trips", lambda c: units.MISSING if c.count is None else f"{c.count:,}"),
        *((name, partial(_percentile, name)) for name in READ),
        title=_title(key, idle, source.medians(key, "rtt_p99"), loaded),
        caption=f"{base.placed(key)} {how}Percentiles are never averaged.",
        picture=_picture(source, key, idle, loaded) if len(drivers) <= MOST else None,
        things=[*idle, *loaded],
    )


def _picture(source: FigureData, key: CellKey, idle: list[_Curve], loaded: list[_Curve]) -> Picture:
    every = [*idle, *loaded]
    scale, name = base.scaled(
        (value for curve in every for _, value in curve.points), units.SECONDS
    )
    first = {curve.driver: curve for curve in reversed(every)}
    drawn = [line for line in source.digest.lines if line.cell == key]
    thin = [
        source.lines(driver, (_rareness(line) for line in drawn if line.driver == driver), scale)
        for driver in first
    ]
    strong = [_strong(source, c, scale, legend=first[c.driver] is c) for c in every]
    looks = {"idle": idle, "beside a stream": loaded} if loaded else {}
    legend = [
        base.in_legend(words, _strong(source, own[0], scale, legend=True))
        for words, own in looks.items()
        if own
    ]
    return Picture(
        Axis("percentile", log=True, ticks=tuple((1 / (1 - q), f"p{q * 100:.5g}") for q in NINES)),
        Axis(f"round-trip time, {name}, logarithmic", log=True),
        (*thin, *strong, *legend),
        height=400,
    )


def _title(key: CellKey, idle: list[_Curve], p99: dict[str, float], loaded: list[_Curve]) -> str:
    what = f"Round trips of {key.probe} {key.place}"
    parts = [f"p99 {base.spans(p99, units.SECONDS)}"] if p99 else []
    before = {curve.driver: curve.read["p99"] for curve in idle}
    grown = {
        curve.driver: after / at_rest
        for curve in loaded
        if (after := curve.read["p99"]) and (at_rest := before.get(curve.driver))
    }
    if grown:
        worst, least = max(grown, key=grown.__getitem__), min(grown, key=grown.__getitem__)
        times = units.significant(grown[worst], 2)
        parts.append(f"a stream beside it makes that {times} times as long with {worst}")
        if worst != least:
            parts[-1] += f", {units.significant(grown[least], 2)} times with {least}"
    return f"{what}: {'; '.join(parts)}" if parts else f"{what}, by percentile"


def _percentile(name: str, curve: _Curve) -> str:
    return units.quantity(curve.read[name], units.SECONDS)


def _strong(source: FigureData, curve: _Curve, scale: float, *, legend: bool) -> Trace:
    return Trace(
        name=curve.driver,
        mode="lines",
        legend=legend,
        colour=source.colour(curve.driver),
        x=[x for x, _ in curve.points],
        y=[y / scale for _, y in curve.points],
        width=2.5,
        dash="dash" if curve.loaded else "solid",
        hover="1 in %{x:.4g} is longer than %{y:.4g}"
        f"{', beside a stream' if curve.loaded else ''}",
    )
