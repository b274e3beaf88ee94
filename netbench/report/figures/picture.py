"""What a figure draws: axes, traces and level lines, for Plotly."""

import html
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from netbench.analysis.cell_key import plain
from netbench.report.document import Json
from netbench.report.labels import shortened
from netbench.report.palette import BAND, INK, LINE, PAPER, QUIET

Value = float | None  # a coordinate; None is a gap in a line
Spec = dict[str, Json]
NAME: Final = 30
"""Letters of a name in a figure; a longer one loses its middle, and stands in the table whole."""
DIGITS: Final = 5
"""Significant digits of what is drawn: a hundredth of a pixel. Tables have their own."""
CLEAR: Final = "rgba(0,0,0,0)"


@dataclass(frozen=True, slots=True)
class Axis:
    """One axis."""

    title: str
    log: bool = False
    limits: tuple[float, float] | None = None
    """In the axis's own terms: exponents of ten where it is logarithmic."""
    ticks: tuple[tuple[float, str], ...] = ()  # (value, label); empty where they are to be chosen
    to_zero: bool = False
    grid: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Trace:
    """One series of points, lines or level bars; bars of several traces are stacked."""

    name: str
    colour: str
    x: Sequence[Value]
    y: Sequence[Value]
    mode: Literal["markers", "lines", "lines+markers", "bars"] = "markers"
    legend: bool = False
    texts: Sequence[str | None] = ()  # one for each point, shown by `hover`
    hover: str = ""  # what the pointer shows, as a template of Plotly's
    symbol: str = "circle"
    size: float = 6
    width: float = 2
    dash: str = "solid"
    opacity: float = 1
    reach: tuple[float, float] | None = None
    """How far the bar of a single point goes below and above its x."""
    colours: tuple[str, ...] = ()  # one for each bar, where they differ


@dataclass(frozen=True, slots=True, kw_only=True)
class LevelLine:
    """A line at one y."""

    y: float
    colour: str
    x: tuple[float, float] | None = None  # None from edge to edge
    width: float = 2
    dash: str = "solid"


@dataclass(frozen=True, slots=True)
class Picture:
    """A whole figure."""

    x: Axis
    y: Axis
    traces: tuple[Trace, ...]
    lines: tuple[LevelLine, ...] = ()
    height: int = 360


def named(text: str) -> str:
    """Return a name as a figure shows it; Plotly takes tags and entities in its texts."""
    return html.escape(shortened(plain(text), NAME), quote=False)


def plotly(picture: Picture) -> Spec:
    """Return `data` and `layout` for Plotly, in the colours of a light page."""
    return {
        "data": [_trace(trace) for trace in picture.traces],
        "layout": {
            "xaxis": _axis(picture.x),
            "yaxis": _axis(picture.y),
            "shapes": [_shape(line) for line in picture.lines],
            "paper_bgcolor": CLEAR,
            "plot_bgcolor": CLEAR,
            "font": {"family": "system-ui, sans-serif", "size": 12, "color": INK.light},
            "margin": {"l": 8, "r": 12, "t": 34, "b": 8},
            "modebar": {"bgcolor": CLEAR, "color": BAND.light, "activecolor": INK.light},
            "height": picture.height,
            "hovermode": "closest",
            "barmode": "relative",
            "bargap": 0.35,
            "showlegend": any(trace.legend for trace in picture.traces),
            "legend": {"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0},
        },
    }


def _axis(axis: Axis) -> Spec:
    spec: Spec = {
        "title": {
            "text": html.escape(plain(axis.title), quote=False),
            "font": {"size": 12, "color": QUIET.light},
            "standoff": 8,
        },
        "color": QUIET.light,
        "gridcolor": LINE.light,
        "linecolor": LINE.light,
        "zeroline": False,
        "automargin": True,
        "showgrid": axis.grid,
        "autotickangles": [0, -40],
    }
    if axis.log:
        spec["type"] = "log"
    if axis.to_zero:
        spec["rangemode"] = "tozero"
    if axis.limits is not None:
        spec["range"] = list(axis.limits)
    if axis.ticks:
        spec["tickvals"] = _numbers(value for value, _ in axis.ticks)
        spec["ticktext"] = [named(label) for _, label in axis.ticks]
    elif axis.log:
        spec["dtick"] = "D2"
    return spec


def _trace(trace: Trace) -> Spec:
    name = named(trace.name)
    spec: Spec = {
        "name": name,
        "legendgroup": name,
        "showlegend": trace.legend,
        "x": _numbers(trace.x),
        "y": _numbers(trace.y),
    }
    spec |= {"hovertemplate": trace.hover} if trace.hover else {"hoverinfo": "skip"}
    if trace.texts:
        spec["text"] = [text and html.escape(plain(text), quote=False) for text in trace.texts]
    if trace.mode == "bars":
        marker: Spec = {"color": list(trace.colours) or trace.colour, "opacity": trace.opacity}
        marker["line"] = {"width": 1, "color": PAPER.light}
        return spec | {"type": "bar", "orientation": "h", "marker": marker}
    spec |= {"type": "scatter", "mode": trace.mode}
    if "lines" in trace.mode:
        spec["line"] = {"width": trace.width, "color": trace.colour, "dash": trace.dash}
        spec["opacity"] = trace.opacity
    if "markers" in trace.mode:
        spec["marker"] = {
            "symbol": trace.symbol,
            "size": trace.size,
            "color": trace.colour,
            "opacity": 1 if "lines" in trace.mode else trace.opacity,
            "line": {"width": 1.6 if trace.symbol.endswith("-open") else 0, "color": trace.colour},
        }
    if trace.reach is not None:
        minus, plus = trace.reach
        spec["error_x"] = {
            "type": "data",
            "symmetric": False,
            "array": _numbers([plus]),
            "arrayminus": _numbers([minus]),
            "color": trace.colour,
            "thickness": 2,
            "width": 4,
        }
    return spec


def _shape(line: LevelLine) -> Spec:
    return {
        "type": "line",
        "xref": "paper" if line.x is None else "x",
        "x0": 0 if line.x is None else line.x[0],
        "x1": 1 if line.x is None else line.x[1],
        "y0": line.y,
        "y1": line.y,
        "layer": "below" if line.x is None else "above",
        "line": {"width": line.width, "dash": line.dash, "color": line.colour},
    }


def _numbers(values: Iterable[Value]) -> list[Json]:
    """Return numbers rounded to what can be seen, whole ones without a fraction."""
    rounded = (None if value is None else float(f"{value:.{DIGITS}g}") for value in values)
    return [int(v) if v is not None and v.is_integer() else v for v in rounded]
