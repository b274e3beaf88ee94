"""A figure as plain SVG: for the page where scripts are off, for print, and as a file of its own.

It draws the same specification that Plotly draws, as far as the report's figures use it. No library
does that for less: matplotlib takes 45 MB and a second to import, turns letters into outlines and
cannot leave colours to a style sheet, and Plotly's own export runs a browser.

Every colour is an attribute, so that any reader shows the light figure, and a class, by which a
style sheet turns it dark.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import chain
from textwrap import wrap
from typing import Final

from markupsafe import Markup

from netbench.analysis.cell_key import plain
from netbench.report.figures.base import Spec
from netbench.report.figures.marks import drawn, fill, markers, n, seen, stroke
from netbench.report.figures.picture import Axis, Note, Picture, Trace, read, readable
from netbench.report.figures.scales import Scale, limits, marks, thinned_marks
from netbench.report.labels import shortened
from netbench.report.palette import (
    BAND,
    BASELINE,
    DRIVERS,
    INK,
    LINE,
    PAPER,
    QUIET,
    Colour,
)

WIDTH: Final = 700
LETTER: Final = 6.9
"""Pixels that a letter takes, about, at the size of the marks."""
LABEL: Final = 26
"""Letters of a mark's label; longer ones are cut."""
_RIGHT: Final = 16
_ROW: Final = 18
"""Height of a row of the legend."""
_TITLE: Final = 20
_SLANT: Final = 0.64
"""Sine of the angle at which labels stand that have no room."""
_BESIDE: Final = 0.77
"""Its cosine."""


@dataclass(frozen=True, slots=True)
class _Area:
    """Where the plot lies on the picture."""

    left: float
    top: float
    right: float
    bottom: float


def svg(spec: Spec, title: str) -> Markup:
    """Return a figure as an `svg` element for a page whose style sheet knows the classes."""
    body, height = _body(read(spec))
    return Markup(
        '<svg class="still" viewBox="0 0 {} {}" role="img" aria-label="{}" fill="none" '
        'font-size="12" font-family="system-ui, sans-serif">{}</svg>'
    ).format(WIDTH, n(height), plain(title), body)


def document(spec: Spec, title: str) -> str:
    """Return a figure as an SVG file: with its title, its paper, and its colours, dark ones too."""
    body, height = _body(read(spec))
    lines = wrap(plain(title), 84)[:4]
    head = 14 + 19 * len(lines)
    words = Markup("").join(
        Markup('<text {} x="14" y="{}" font-size="14.5" font-weight="600">{}</text>').format(
            fill(INK.light), 24 + 19 * number, line
        )
        for number, line in enumerate(lines)
    )
    return Markup(
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {w} {h}" role="img" '
        'aria-label="{label}" fill="none" font-size="12" font-family="system-ui, sans-serif">'
        '<style>{style}</style><rect {paper} width="{w}" height="{h}"/>{words}'
        '<g transform="translate(0 {head})">{body}</g></svg>\n'
    ).format(
        w=WIDTH,
        h=n(height + head + 8),
        label=plain(title),
        style=_style(),
        paper=fill(PAPER.light),
        words=words,
        head=head,
        body=body,
    )


def _style() -> Markup:
    """Return the dark colours of every class."""
    named: dict[str, Colour] = {
        "ink": INK,
        "quiet": QUIET,
        "line": LINE,
        "band": BAND,
        "paper": PAPER,
        **{f"d{number}": colour for number, colour in enumerate((BASELINE, *DRIVERS))},
    }
    dark = Markup("").join(
        Markup(".{}{{--c:{}}}").format(name, colour.dark) for name, colour in named.items()
    )
    return Markup(
        "@media(prefers-color-scheme:dark){{{}.f{{fill:var(--c)}}.s{{stroke:var(--c)}}}}"
        ".dot{{stroke-linecap:round}}"
    ).format(dark)


def _body(picture: Picture) -> tuple[Markup, float]:
    """Return what is drawn, and its height."""
    rows = _legend_rows(picture)
    area, slanted = _area(picture, _ROW * len(rows) + 12)
    x = _scale(picture, area, upright=False)
    y = _scale(picture, area, upright=True)
    parts = [_legend(row, 8 + _ROW * number) for number, row in enumerate(rows)]
    parts += _upright(picture.y, y, area)
    parts += _level(picture.x, x, area, slanted=slanted)
    parts.append(
        Markup(
            '<svg x="{left}" y="{top}" width="{w}" height="{h}" '
            'viewBox="{left} {top} {w} {h}">{body}</svg>'
        ).format(
            left=n(area.left - 6),
            top=n(area.top - 6),
            w=n(area.right - area.left + 12),
            h=n(area.bottom - area.top + 12),
            body=drawn(picture, x, y),
        )
    )
    parts += [_note(note, x, y) for note in picture.notes]
    below = slanted or _ROW
    return Markup("").join(parts), area.bottom + below + (_TITLE if picture.x.title else 6)


def _area(picture: Picture, top: float) -> tuple[_Area, float]:
    """Return where the plot lies, and the height of slanted labels beneath; 0 where level."""
    right, bottom = WIDTH - _RIGHT, max(picture.height, top + 80) - _ROW - _TITLE
    rough = _scale(picture, _Area(60, top, right, bottom), upright=True)
    widest = max((len(_cut(label)) for _, label in marks(picture.y, rough)), default=0) * LETTER
    left = widest + 12 + (_TITLE if picture.y.title else 0)
    area = _Area(left, top, right, bottom)
    names = _names(picture.x)
    room = (right - left) / max(1, len(names))
    longest = max((len(_cut(name)) for name in names), default=0) * LETTER
    if longest + 6 <= room:
        return area, 0.0
    return replace(area, left=max(left, longest * _BESIDE - room / 2)), longest * _SLANT + 14


def _names(axis: Axis) -> tuple[str, ...]:
    """Return the labels that must all be shown, because they are names and not numbers."""
    if axis.kind == "linear" and axis.ticks is not None:
        return tuple(name for _, name in axis.ticks)
    return tuple(map(readable, axis.categories))


def _scale(picture: Picture, area: _Area, *, upright: bool) -> Scale:
    axis = picture.y if upright else picture.x
    low, high = limits(picture, upright=upright)
    start, end = (area.bottom, area.top) if upright else (area.left, area.right)
    return Scale(low, high, start, end, axis.kind == "log", axis.categories)


def _cut(text: str) -> str:
    return shortened(text, LABEL)


def _upright(axis: Axis, scale: Scale, area: _Area) -> Iterator[Markup]:
    """Yield the marks of the y axis, its lines and its title."""
    found = [(-place, label) for place, label in marks(axis, scale)]
    found = thinned_marks(found, [13.0] * len(found))
    if axis.grid:
        yield _grid([f"M{n(area.left)} {n(-place)}H{n(area.right)}" for place, _ in found])
    texts = [(area.left - 6, -place + 4, _cut(label)) for place, label in found]
    yield _labels(texts, "end")
    if axis.title:
        middle = (area.top + area.bottom) / 2
        yield Markup(
            '<text {} text-anchor="middle" transform="translate(14 {})rotate(-90)">{}</text>'
        ).format(fill(QUIET.light), n(middle), axis.title)


def _level(axis: Axis, scale: Scale, area: _Area, *, slanted: float) -> Iterator[Markup]:
    """Yield the marks of the x axis, its lines and its title."""
    found = marks(axis, scale)
    widths = [14.0 if slanted else len(_cut(label)) * LETTER for _, label in found]
    found = thinned_marks(found, widths)
    if axis.grid:
        yield _grid([f"M{n(place)} {n(area.top)}V{n(area.bottom)}" for place, _ in found])
    if slanted:
        for place, label in found:
            yield Markup(
                '<text {} text-anchor="end" transform="translate({} {})rotate(-40)">{}</text>'
            ).format(fill(QUIET.light), n(place + 4), n(area.bottom + 14), _cut(label))
    else:
        texts = [(place, area.bottom + 16, _cut(label)) for place, label in found]
        yield _labels(texts, "middle")
    if axis.title:
        below = area.bottom + (slanted or _ROW) + 15
        yield _label((area.left + area.right) / 2, below, axis.title, "middle")


def _grid(lines: list[str]) -> Markup:
    return Markup('<path {} d="{}"/>').format(stroke(LINE.light), "".join(lines))


def _labels(texts: Iterable[tuple[float, float, str]], anchor: str) -> Markup:
    """Return the labels of an axis: (left, foot, text)."""
    shown = Markup("").join(
        Markup('<text x="{}" y="{}">{}</text>').format(n(x), n(y), text) for x, y, text in texts
    )
    return Markup('<g {} text-anchor="{}">{}</g>').format(fill(QUIET.light), anchor, shown)


def _label(x: float, y: float, text: str, anchor: str) -> Markup:
    return Markup('<text {} x="{}" y="{}" text-anchor="{}">{}</text>').format(
        fill(QUIET.light), n(x), n(y), anchor, text
    )


def _note(note: Note, x: Scale, y: Scale) -> Markup:
    across = x.part(note.x) if note.of_width else x.own(note.x)
    down = y.part(note.y) if note.of_height else y.own(note.y)
    if across is None or down is None:
        return Markup("")
    return Markup('<text {} x="{}" y="{}" text-anchor="{}">{}</text>').format(
        fill(note.colour or QUIET.light),
        n(across + note.shift),
        n(down - note.rise + 4),
        note.anchor,
        note.text,
    )


def _legend_rows(picture: Picture) -> list[list[tuple[float, Trace]]]:
    """Return the rows of the legend: (left, trace)."""
    named = {trace.name: trace for trace in picture.traces if trace.legend}
    if not picture.legend or not named or len(picture.traces) == 1:
        return []
    rows: list[list[tuple[float, Trace]]] = [[]]
    left = 14.0
    for trace in named.values():
        width = len(trace.name) * LETTER + 38
        if left + width > WIDTH and rows[-1]:
            rows.append([])
            left = 14.0
        rows[-1].append((left, trace))
        left += width
    return rows


def _legend(row: list[tuple[float, Trace]], top: float) -> Markup:
    signs = chain.from_iterable(_sign(left, top, trace) for left, trace in row)
    names = _labels([(left + 28, top + 10, trace.name) for left, trace in row], "start")
    return Markup("").join((*signs, names))


def _sign(left: float, top: float, trace: Trace) -> Iterator[Markup]:
    colour = trace.colours[0]
    middle = top + 6
    if trace.bars:
        yield Markup('<rect {}{} x="{}" y="{}" width="14" height="10"/>').format(
            fill(colour), seen(trace.opacity), n(left + 4), n(middle - 5)
        )
    if trace.lines:
        dash = Markup(' stroke-dasharray="5 3"') if trace.dash != "solid" else Markup("")
        yield Markup('<path {} stroke-width="2.5"{} d="M{} {}h22"/>').format(
            stroke(colour), dash, n(left), n(middle)
        )
    if trace.markers:
        yield markers(trace, colour, trace.symbols[0], [(left + 11, middle)])
