"""What every figure is made of: a Plotly specification, its words, and its data as a table."""

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, TypeVar

from netbench import units
from netbench.analysis.model import Analysis
from netbench.report.document import Json
from netbench.report.palette import BAND, INK, LINE, QUIET, Colour
from netbench.report.sentences import primaries
from netbench.report.views import Digest
from netbench.report.words import CellKey, key_of
from netbench.spec import Placement

POINTS: Final = 1_500
"""Points that one figure draws; beyond it every k-th is shown, and the caption says so."""
TABLE: Final = 300
"""Rows of a figure's table."""
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
class Scene:
    """What figures are drawn from."""

    analysis: Analysis
    digest: Digest
    colours: dict[str, Colour]


def figure(
    name: str,
    *,
    title: str,
    caption: str,
    spec: Spec,
    headers: tuple[str, ...],
    rows: Sequence[tuple[str, ...]],
) -> Figure:
    """Return a figure with its table cut to size."""
    kept = tuple(rows[:TABLE])
    return Figure(name, title, caption, spec, headers, kept, len(rows) - len(kept))


def scaled(values: Iterable[float], unit: str) -> tuple[float, str]:
    """Return the divisor and the name of the unit that suits an axis with these values."""
    middle = statistics.median(abs(value) for value in values)
    if unit == units.SECONDS:
        return next(((s, name) for s, name in _TIMES if middle >= s), _TIMES[-1])
    if unit == units.PER_SECOND:
        return (_THOUSAND, "thousand per second") if middle >= _THOUSAND else (1.0, "per second")
    for scale, prefix in _RATES:
        if middle >= scale:
            return scale, f"{prefix}{unit}"
    return 1.0, unit


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


def in_order(scene: Scene, keys: Iterable[CellKey]) -> list[CellKey]:
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
