"""What changed over time: throughput within a session or trial, and the machine over the run."""

import statistics
from itertools import groupby

import numpy as np

from netbench import units
from netbench.analysis.block_pairs import grouped
from netbench.analysis.cell_key import PLACEMENTS, CellKey
from netbench.analysis.digest_model import DrawnRecord
from netbench.analysis.model import SentinelPoint
from netbench.report.figures.base import (
    Figure,
    FigureData,
    chosen,
    figure,
    gaps,
    in_order,
    medians,
    placed,
    scaled,
    thinned,
)
from netbench.report.figures.picture import Axis, Picture, Trace
from netbench.report.labels import joined
from netbench.report.palette import INK
from netbench.spec import Placement


def series(source: FigureData) -> tuple[Figure, ...]:
    """Return one figure of throughput over time for each cell that has it."""
    found = grouped((line.cell, line) for line in source.digest.lines if line.series)
    return tuple(_series(source, key, found[key]) for key in in_order(source, found))


def _series(source: FigureData, key: CellKey, lines: list[DrawnRecord]) -> Figure:
    have = {line.driver for line in lines}
    values = {d: v for d, v in medians(source, key, "throughput").items() if d in have}
    drivers, note = chosen(values, source.analysis.baseline)
    scale, name = scaled((p.value for line in lines for p in line.series), units.BITS_PER_SECOND)
    traces = [_thin(source, driver, lines, scale) for driver in drivers]
    traces += [_strong(source, e, scale) for e in lines if e.chosen and e.driver in drivers]
    return figure(
        f"series-{key.slug}",
        title=_series_title(key, lines),
        caption=f"{placed(key)} The strong line is the driver's block with the median throughput, "
        "thin lines are others of its blocks; one step is one interval of the tool, and the time "
        "during which a session is held is left out. A level that still rises would mean too short "
        f"a warm-up, a sawtooth losses.{note}",
        picture=Picture(
            Axis("seconds since the measured window began", to_zero=True),
            Axis(f"throughput, {name}", to_zero=True),
            tuple(traces),
        ),
        headers=("driver", "record", "block", "shown as", "from half to half", "each interval"),
        things=lines,
        row=_row,
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


def _thin(source: FigureData, driver: str, lines: list[DrawnRecord], scale: float) -> Trace:
    """Return the other records of a driver as one trace with gaps."""
    lines = [line for line in lines if line.driver == driver and not line.chosen]
    return Trace(
        name=driver,
        mode="lines",
        colour=source.colour(driver),
        x=gaps(_middles(line) for line in lines),
        y=gaps([point.value / scale for point in line.series] for line in lines),
        opacity=0.3,
        width=1,
    )


def _strong(source: FigureData, line: DrawnRecord, scale: float) -> Trace:
    return Trace(
        name=line.driver,
        mode="lines+markers",
        legend=True,
        colour=source.colour(line.driver),
        x=_middles(line),
        y=[point.value / scale for point in line.series],
        width=2.5,
        size=5,
        hover="%{y:.4g} at %{x:.2f} s",
    )


def _middles(line: DrawnRecord) -> list[float]:
    return [(point.start + point.end) / 2 for point in line.series]


def sentinel(source: FigureData) -> tuple[Figure, ...]:
    """Return one figure for each placement with sentinel readings."""
    found = grouped((point.placement, point) for point in source.analysis.sentinel)
    return tuple(_sentinel(placement, points) for placement, points in found.items())


def _sentinel(placement: Placement, points: list[SentinelPoint]) -> Figure:
    distinct: dict[tuple[float, str], SentinelPoint] = {}
    for point in points:  # the sessions of one probe in one block share theirs
        distinct.setdefault((point.at, point.when), point)
    readings = list(distinct.values())
    shown, note = thinned(readings)
    unit = units.PER_SECOND if placement is Placement.SAME else units.BITS_PER_SECOND
    scale, name = scaled([point.value for point in readings], unit)
    return figure(
        f"sentinel-{placement}",
        title=_sentinel_title(placement, points, unit),
        caption=f"Readings {PLACEMENTS[placement]} of a short measurement without network, at the "
        "edges of each probe's rounds, or of each trial that runs whole; a line joins the two. "
        f"They describe the machine; no value is left out because of them.{note}",
        picture=Picture(
            Axis("seconds since the first reading"),
            Axis(f"sentinel, {name}", to_zero=True),
            (_readings(shown, scale, name),),
        ),
        headers=("seconds", "record", "when", "value"),
        things=readings,
        row=lambda p: (f"{p.at:.1f}", str(p.record), p.when, units.quantity(p.value, unit)),
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
        x=gaps([p.at for p in own] for own in parts),
        y=gaps([p.value / scale for p in own] for own in parts),
        texts=gaps([f"{p.when} record {p.record}" for p in own] for own in parts),
        hover=f"%{{y:.4g}} {name}<br>%{{text}}<extra></extra>",
        width=1,
    )
