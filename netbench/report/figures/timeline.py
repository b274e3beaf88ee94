"""What changed over time: throughput within a session or trial, and the machine over the run."""

import statistics
from itertools import groupby

import numpy as np

from netbench import units
from netbench.analysis.block_pairs import grouped
from netbench.analysis.cell_key import PLACEMENTS, CellKey
from netbench.analysis.digest_model import DrawnRecord
from netbench.analysis.model import SentinelPoint
from netbench.report.figures import base
from netbench.report.figures.base import Figure, FigureData
from netbench.report.figures.picture import Axis, Picture, Trace
from netbench.report.labels import joined
from netbench.report.palette import INK
from netbench.spec import Placement


def series(source: FigureData) -> tuple[Figure, ...]:
    """Return one figure of throughput over time for each cell that has it."""
    found = grouped((line.cell, line) for line in source.digest.lines if line.series)
    return tuple(_series(source, key, found[key]) for key in source.in_order(found))


def _series(source: FigureData, key: CellKey, lines: list[DrawnRecord]) -> Figure:
    have = {line.driver for line in lines}
    values = {d: v for d, v in source.medians(key, "throughput").items() if d in have}
    drivers, note = base.chosen(values, source.analysis.baseline)
    every = (point.value for line in lines for point in line.series)
    scale, name = base.scaled(every, units.BITS_PER_SECOND)
    others = {d: [e for e in lines if e.driver == d and not e.chosen] for d in drivers}
    traces = [source.lines(d, map(_points, own), scale) for d, own in others.items()]
    traces += [_strong(source, e, scale) for e in lines if e.chosen and e.driver in drivers]
    return base.figure(
        f"series-{key.slug}",
        ("driver", lambda line: line.driver),
        ("record", lambda line: str(line.record)),
        ("block", lambda line: str(line.block)),
        ("shown as", lambda line: "strong" if line.chosen else "thin"),
        ("from half to half", _change),
        ("each interval", _intervals),
        title=_series_title(key, lines),
        caption=f"{base.placed(key)} "
        "The strong line is the driver's block with the median throughput, "
        "thin lines are others of its blocks; one step is one interval of the tool, and the time "
        "during which a session is held is left out. A level that still rises would mean too short "
        f"a warm-up, a sawtooth losses.{note}",
        picture=Picture(
            Axis("seconds since the measured window began", to_zero=True),
            Axis(f"throughput, {name}", to_zero=True),
            tuple(traces),
        ),
        things=lines,
    )


def _change(line: DrawnRecord) -> str:
    drift = _drift(line)
    return units.MISSING if drift is None else units.percent(drift)


def _intervals(line: DrawnRecord) -> str:
    return ", ".join(units.quantity(point.value, units.BITS_PER_SECOND) for point in line.series)


def _drift(line: DrawnRecord) -> float | None:
    """Return the mean of a record's second half over that of its first; None without one."""
    values = [point.value for point in line.series]
    half = len(values) // 2
    if not half or not any(values[:half]):
        return None
    return statistics.fmean(values[-half:]) / statistics.fmean(values[:half])


def _series_title(key: CellKey, lines: list[DrawnRecord]) -> str:
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


def _strong(source: FigureData, line: DrawnRecord, scale: float) -> Trace:
    return Trace(
        name=line.driver,
        mode="lines+markers",
        legend=True,
        colour=source.colour(line.driver),
        x=[at for at, _ in _points(line)],
        y=[value / scale for _, value in _points(line)],
        width=2.5,
        size=5,
        hover="%{y:.4g} at %{x:.2f} s",
    )


def _points(line: DrawnRecord) -> list[tuple[float, float]]:
    """Return (middle of an interval in seconds, bit/s)."""
    return [((point.start + point.end) / 2, point.value) for point in line.series]


def sentinel(source: FigureData) -> tuple[Figure, ...]:
    """Return one figure for each placement with sentinel readings."""
    found = grouped((point.placement, point) for point in source.analysis.sentinel)
    return tuple(_sentinel(placement, points) for placement, points in found.items())


def _sentinel(placement: Placement, points: list[SentinelPoint]) -> Figure:
    distinct: dict[tuple[float, str], SentinelPoint] = {}
    for point in points:  # the sessions of one probe in one block share theirs
        distinct.setdefault((point.at, point.when), point)
    readings = list(distinct.values())
    shown, note = base.thinned(readings)
    unit = units.PER_SECOND if placement is Placement.SAME else units.BITS_PER_SECOND
    scale, name = base.scaled([point.value for point in readings], unit)
    return base.figure(
        f"sentinel-{placement}",
        ("seconds", lambda point: f"{point.at:.1f}"),
        ("record", lambda point: str(point.record)),
        ("when", lambda point: point.when),
        ("value", lambda point: units.quantity(point.value, unit)),
        title=_sentinel_title(placement, points, unit),
        caption=f"Readings {PLACEMENTS[placement]} of a short measurement without network, at the "
        "edges of each probe's rounds, or of each trial that runs whole; a line joins the two. "
        f"They describe the machine; no value is left out because of them.{note}",
        picture=Picture(
            Axis("seconds since the first reading"),
            Axis(f"sentinel, {name}", to_zero=True),
            (_readings(shown, scale, name),),
        ),
        things=readings,
    )


def _sentinel_title(placement: Placement, points: list[SentinelPoint], unit: str) -> str:
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


def _readings(points: list[SentinelPoint], scale: float, name: str) -> Trace:
    parts = [list(own) for _, own in groupby(points, key=lambda point: point.record)]
    return Trace(
        name="sentinel",
        mode="lines+markers",
        colour=INK.light,
        x=base.gaps([p.at for p in own] for own in parts),
        y=base.gaps([p.value / scale for p in own] for own in parts),
        texts=base.gaps([f"{p.when} record {p.record}" for p in own] for own in parts),
        hover=f"%{{y:.4g}} {name}<br>%{{text}}<extra></extra>",
        width=1,
    )
