"""What every figure is made of: a Plotly specification, its words, and its data as a table."""

import html
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeVar

import numpy as np

from netbench import units
from netbench.analysis.cell_key import CellKey, plain
from netbench.analysis.digest_model import Digest
from netbench.analysis.model import Analysis
from netbench.record import PlanSummary
from netbench.report.document import Json
from netbench.report.forest import ticks
from netbench.report.labels import key_of, shortened
from netbench.report.palette import BAND, INK, LINE, QUIET, Colour
from netbench.report.sentences import primaries
from netbench.spec import Placement

POINTS: Final = 1_500
"""Points that one figure draws; beyond it every k-th is shown, and the caption says so."""
DIGITS: Final = 5
"""Significant digits of what is drawn: a hundredth of a pixel. Tables have their own."""
TABLE: Final = 300
"""Rows of a figure's table."""
DRIVERS: Final = 12
"""Drivers that one figure of lines draws."""
NAMED: Final = 4
"""Drivers that one title names one by one."""
NAME: Final = 30
"""Letters of a name in a figure; a longer one loses its middle, and stands in the table whole."""
CLEAR: Final = "rgba(0,0,0,0)"
_TIMES: Final = ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs"), (1e-9, "ns"))
_THOUSAND: Final = 1e3
_RATES: Final = ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"))

Spec = dict[str, Json]
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure as the page shows it."""

    id: str
    title: str
    """States the finding, where one can be computed."""
    caption: str
    """Says how to read it, and what is left out."""
    spec: Spec
    """`data` and `layout` for Plotly, in the colours of a light page."""
    headers: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    left: int
    """Rows that the table leaves out."""


@dataclass(frozen=True, slots=True)
class FigureData:
    """What figures are drawn from."""

    analysis: Analysis
    digest: Digest
    colours: dict[str, Colour]
    plan: PlanSummary


def figure(
    name: str,
    *,
    title: str,
    caption: str,
    spec: Spec,
    headers: tuple[str, ...],
    rows: Sequence[tuple[str, ...]],
    more: int = 0,
) -> Figure:
    """Return a figure with its numbers rounded to what can be seen, and its table cut to size.

    `more` rows than those are there, which the table leaves out in any case.
    """
    kept = tuple(rows[:TABLE])
    seen: Spec = {part: _rounded(value) for part, value in spec.items()}
    _fit_to_pixels(seen)
    return Figure(name, title, caption, seen, headers, kept, len(rows) - len(kept) + more)


def _rounded(value: Json) -> Json:
    if isinstance(value, float):
        return float(f"{value:.{DIGITS}g}")
    if isinstance(value, list):
        return [_rounded(item) for item in value]
    if isinstance(value, dict):
        return {name: _rounded(item) for name, item in value.items()}
    return value


def _fit_to_pixels(spec: Spec) -> None:
    """Round the places of points on linear axes to a ten-thousandth of what is drawn."""
    traces, frame = spec["data"], spec["layout"]
    if not isinstance(traces, list) or not isinstance(frame, dict):
        return
    for side in ("x", "y"):
        line = frame.get(f"{side}axis")
        drawn = [trace for trace in traces if isinstance(trace, dict)]
        values = [v for trace in drawn for v in _listed(trace.get(side)) if isinstance(v, float)]
        logarithmic = isinstance(line, dict) and line.get("type") == "log"
        width = max(values, default=0.0) - min(values, default=0.0)
        if logarithmic or not width:
            continue
        digits = 3 - math.floor(math.log10(width))
        for trace in drawn:
            if side in trace:
                trace[side] = [
                    (round(v, digits) if digits > 0 else round(v)) if isinstance(v, float) else v
                    for v in _listed(trace[side])
                ]


def _listed(value: Json) -> list[Json]:
    return value if isinstance(value, list) else []


def scaled(values: Iterable[float], unit: str) -> tuple[float, str]:
    """Return the divisor and the name of the unit that suits an axis with these values."""
    middle = float(np.median(np.abs(np.array(list(values), np.float64))))
    if unit == units.SECONDS:
        return next(((s, name) for s, name in _TIMES if middle >= s), _TIMES[-1])
    if unit == units.PER_SECOND:
        return (_THOUSAND, "thousand per second") if middle >= _THOUSAND else (1.0, "per second")
    for scale, prefix in _RATES:
        if middle >= scale:
            return scale, f"{prefix}{unit}"
    return 1.0, unit


def named(text: str) -> str:
    """Return a name as Plotly shows it letter by letter: it takes tags and entities in texts."""
    return html.escape(shortened(plain(text), NAME), quote=False)


def chosen(values: Mapping[str, float], baseline: str) -> tuple[list[str], str]:
    """Return the drivers that one figure draws, and words on those that it leaves to its table.

    Where there are too many, the baseline and an even choice from the lowest value to the highest.
    """
    if len(values) <= DRIVERS:
        return list(values), ""
    ranked = sorted((driver for driver in values if driver != baseline), key=values.__getitem__)
    most = DRIVERS - (baseline in values)
    picked = {ranked[round(i * (len(ranked) - 1) / (most - 1))] for i in range(most)} | {baseline}
    drawn = [driver for driver in values if driver in picked]
    note = (
        f" Of {len(values)} drivers {len(drawn)} are drawn, evenly from the lowest to the highest; "
        "the table has all."
    )
    return drawn, note


def spans(values: Mapping[str, float], unit: str) -> str:
    """Return `host 54.2 µs, bridge 61 µs`; of many drivers the lowest and the highest."""
    shown = {driver: units.quantity(value, unit) for driver, value in values.items()}
    if len(shown) <= NAMED:
        return ", ".join(f"{driver} {value}" for driver, value in shown.items())
    low, high = min(values, key=values.__getitem__), max(values, key=values.__getitem__)
    return f"from {shown[low]} ({low}) to {shown[high]} ({high}), {len(values)} drivers"


def medians(scene: FigureData, key: CellKey, metric: str) -> dict[str, float]:
    """Return the median of each driver that was measured in a cell, the baseline first."""
    found = {
        cell.driver: cell.median
        for cell in scene.analysis.cells
        if cell.metric == metric
        and not cell.replica
        and cell.median is not None
        and (cell.path, cell.probe, cell.placement) == (key.path, key.probe, key.placement)
    }
    return {driver: found[driver] for driver in scene.colours if driver in found}


def thinned(things: Sequence[T], most: int = POINTS) -> tuple[list[T], str]:
    """Return at most `most` of the things, evenly taken, and words for the caption."""
    step = max(1, -(-len(things) // most))
    note = f" Of {len(things):,} points every {step}th is drawn." if step > 1 else ""
    return list(things[::step]), note


def axis(title: str, **more: Json) -> Spec:
    """Return an axis in the page's style."""
    return {
        "title": {"text": title, "font": {"size": 12, "color": QUIET.light}, "standoff": 8},
        "color": QUIET.light,
        "gridcolor": LINE.light,
        "linecolor": LINE.light,
        "zeroline": False,
        "automargin": True,
        "fixedrange": False,
        **more,
    }


def rows_axis(names: Iterable[str]) -> Spec:
    """Return the axis of a figure with one row for each name, the first on top."""
    texts: list[Json] = [named(name) for name in names]
    places: list[Json] = list(reversed(range(len(texts))))
    return axis(
        "",
        tickvals=places,
        ticktext=texts,
        range=[-0.6, len(texts) - 0.4],
        showgrid=False,
    )


def factors_axis(title: str, low: float, high: float) -> Spec:
    """Return a logarithmic axis of ratios, from one natural logarithm to another."""
    marks = ticks(low, high)
    return axis(
        title,
        type="log",
        range=[low / math.log(10), high / math.log(10)],
        tickvals=list(marks),
        ticktext=[f"{mark:g}" for mark in marks],
        tickangle=0,
    )


def layout(x: Spec, y: Spec, **more: Json) -> Spec:
    """Return a layout in the page's style."""
    return {
        "xaxis": x,
        "yaxis": y,
        "paper_bgcolor": CLEAR,
        "plot_bgcolor": CLEAR,
        "font": {"family": "system-ui, sans-serif", "size": 12, "color": INK.light},
        "margin": {"l": 8, "r": 12, "t": 34, "b": 8},
        "modebar": {"bgcolor": CLEAR, "color": BAND.light, "activecolor": INK.light},
        "height": 360,
        "hovermode": "closest",
        "legend": {"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0},
        **more,
    }


def in_order(scene: FigureData, keys: Iterable[CellKey]) -> list[CellKey]:
    """Return cells in the order of the verdict's table, others behind it."""
    first = [key_of(c) for c in primaries(scene.analysis)]
    return sorted(keys, key=lambda key: (first.index(key) if key in first else len(first), key))


def placed(key: CellKey) -> str:
    """Return the words that name cell and placement under every figure."""
    cores = {
        Placement.CROSS: "client and server pinned to two cores",
        Placement.SAME: "client and server pinned to one core",
        Placement.NONE: "client and server unpinned",
    }[key.placement]
    return f"{key.probe}, {key.path}, {cores}."
