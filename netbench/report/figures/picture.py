"""A Plotly specification read into typed values: as much of it as the report's figures use."""

import html
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

from netbench.report.document import Json

Value = float | str | None
"""A coordinate: a number, a category, or a gap in a line."""
_TAG: Final = re.compile(r"<[^<>]*>")
_NOTHING: Final[dict[str, Json]] = {}


@dataclass(frozen=True, slots=True)
class Axis:
    """One axis."""

    title: str
    kind: Literal["linear", "log", "category"]
    limits: tuple[float, float] | None
    """In the axis's own terms: exponents of ten where it is logarithmic."""
    ticks: tuple[tuple[float, str], ...] | None
    """(value, label); None where they are to be chosen."""
    to_zero: bool
    grid: bool
    categories: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Trace:
    """One series of points, lines or bars."""

    bars: bool
    horizontal: bool
    name: str
    legend: bool
    x: tuple[Value, ...]
    y: tuple[Value, ...]
    base: tuple[float, ...]
    """Where each bar begins; empty where bars are stacked or stand on zero."""
    lines: bool
    markers: bool
    texts: tuple[str, ...]
    """Beside the points; empty where they are for the pointer only."""
    symbols: tuple[str, ...]
    """One for all points, or one for each, as are the colours."""
    size: float
    width: float
    dash: str
    colours: tuple[str, ...]
    opacity: float
    error_x: tuple[tuple[float, float], ...]
    """(minus, plus) for each point."""
    error_y: tuple[tuple[float, float], ...]


@dataclass(frozen=True, slots=True)
class Shape:
    """A band or a line behind the points."""

    line: bool
    x: tuple[Value, Value]
    y: tuple[Value, Value]
    of_width: bool
    """Whether x counts in shares of the plot's width."""
    of_height: bool
    colour: str
    width: float
    dash: str
    opacity: float
    label: str


@dataclass(frozen=True, slots=True)
class Note:
    """A text at a place of the plot."""

    text: str
    x: Value
    y: Value
    of_width: bool
    of_height: bool
    anchor: Literal["start", "middle", "end"]
    colour: str
    shift: float
    """Pixels to the right."""
    rise: float
    """Pixels upwards."""


@dataclass(frozen=True, slots=True)
class Picture:
    """A whole figure."""

    x: Axis
    y: Axis
    traces: tuple[Trace, ...]
    shapes: tuple[Shape, ...]
    notes: tuple[Note, ...]
    grouped: bool
    """Whether bars stand side by side and not on each other."""
    legend: bool
    height: float


def read(spec: Mapping[str, Json]) -> Picture:
    """Return the figure that a specification describes."""
    layout = _mapping(spec.get("layout"))
    traces = tuple(_trace(_mapping(found)) for found in _list(spec.get("data")))
    return Picture(
        x=_axis(_mapping(layout.get("xaxis")), [value for t in traces for value in t.x]),
        y=_axis(_mapping(layout.get("yaxis")), [value for t in traces for value in t.y]),
        traces=traces,
        shapes=tuple(_shape(_mapping(found)) for found in _list(layout.get("shapes"))),
        notes=tuple(_note(_mapping(found)) for found in _list(layout.get("annotations"))),
        grouped=layout.get("barmode") == "group",
        legend=layout.get("showlegend") is not False,
        height=_number(layout.get("height"), 360),
    )


def _axis(found: Mapping[str, Json], values: list[Value]) -> Axis:
    limits = [_number(end, 0) for end in _list(found.get("range"))]
    names = [readable(name) for name in _list(found.get("ticktext"))]
    marks = [_number(mark, 0) for mark in _list(found.get("tickvals"))]
    categories = tuple(dict.fromkeys(value for value in values if isinstance(value, str)))
    logarithmic = found.get("type") == "log"
    return Axis(
        title=readable(_mapping(found.get("title")).get("text")),
        kind="category" if categories else "log" if logarithmic else "linear",
        limits=(limits[0], limits[1]) if len(limits) == 2 else None,  # noqa: PLR2004 - both ends
        ticks=tuple(zip(marks, names, strict=True)) if "tickvals" in found and names else None,
        to_zero=found.get("rangemode") == "tozero",
        grid=found.get("showgrid") is not False,
        categories=categories,
    )


def _trace(found: Mapping[str, Json]) -> Trace:
    bars = found.get("type") == "bar"
    marker, line = _mapping(found.get("marker")), _mapping(found.get("line"))
    mode = str(found.get("mode", "lines"))
    edge = _mapping(marker.get("line"))
    colours = marker.get("color") or line.get("color") or edge.get("color")
    return Trace(
        bars=bars,
        horizontal=found.get("orientation") == "h",
        name=readable(found.get("name")),
        legend=found.get("showlegend") is not False and bool(found.get("name")),
        x=_values(found.get("x")),
        y=_values(found.get("y")),
        base=tuple(_number(value, 0) for value in _list(found.get("base"))),
        lines=not bars and "lines" in mode,
        markers=not bars and "markers" in mode,
        texts=tuple(map(readable, _list(found.get("text")))) if "text" in mode else (),
        symbols=_each(marker.get("symbol", "circle")),
        size=_number(marker.get("size"), 6),
        width=_number(line.get("width"), _number(edge.get("width"), 2)),
        dash=str(line.get("dash", "solid")),
        colours=_each(colours or ""),
        opacity=_number(found.get("opacity"), 1) * _number(marker.get("opacity"), 1),
        error_x=_errors(_mapping(found.get("error_x"))),
        error_y=_errors(_mapping(found.get("error_y"))),
    )


def _errors(found: Mapping[str, Json]) -> tuple[tuple[float, float], ...]:
    plus = [_number(value, 0) for value in _list(found.get("array"))]
    minus = [_number(value, 0) for value in _list(found.get("arrayminus"))] or plus
    return tuple(zip(minus, plus, strict=True))


def _shape(found: Mapping[str, Json]) -> Shape:
    line = _mapping(found.get("line"))
    is_line = found.get("type") == "line"
    return Shape(
        line=is_line,
        x=(_value(found.get("x0")), _value(found.get("x1"))),
        y=(_value(found.get("y0")), _value(found.get("y1"))),
        of_width=found.get("xref") == "paper",
        of_height=found.get("yref") == "paper",
        colour=str(line.get("color", "") if is_line else found.get("fillcolor", "")),
        width=_number(line.get("width"), 1),
        dash=str(line.get("dash", "solid")),
        opacity=_number(found.get("opacity"), 1),
        label=readable(_mapping(found.get("label")).get("text")),
    )


def _note(found: Mapping[str, Json]) -> Note:
    anchors: dict[Json, Literal["start", "middle", "end"]] = {"left": "start", "right": "end"}
    return Note(
        text=readable(found.get("text")),
        x=_value(found.get("x")),
        y=_value(found.get("y")),
        of_width=found.get("xref") == "paper",
        of_height=found.get("yref") == "paper",
        anchor=anchors.get(found.get("xanchor"), "middle"),
        colour=str(_mapping(found.get("font")).get("color", "")),
        shift=_number(found.get("xshift"), 0),
        rise=_number(found.get("yshift"), 0),
    )


def _each(found: Json) -> tuple[str, ...]:
    return tuple(map(str, found if isinstance(found, list) else [found]))


def _mapping(found: Json) -> Mapping[str, Json]:
    return found if isinstance(found, dict) else _NOTHING


def _list(found: Json) -> list[Json]:
    return found if isinstance(found, list) else []


def _number(found: Json, otherwise: float) -> float:
    return float(found) if isinstance(found, int | float) else otherwise


def _value(found: Json) -> Value:
    return found if isinstance(found, str) else _number(found, 0) if found is not None else None


def _values(found: Json) -> tuple[Value, ...]:
    return tuple(map(_value, _list(found)))


def readable(found: Json) -> str:
    """Return a text as a reader sees it: Plotly takes tags and entities in its texts."""
    return html.unescape(_TAG.sub(" ", found)).strip() if isinstance(found, str) else ""
