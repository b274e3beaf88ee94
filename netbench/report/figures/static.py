"""A figure as plain SVG, for the page where scripts are off and for print.

It draws the same picture that Plotly draws. No library does that for less: matplotlib takes 45 MB
and a second to import, turns letters into outlines and cannot leave colours to a style sheet, and
Plotly's own export runs a browser. Every colour is an attribute, so that any reader shows the light
figure, and a class, by which the style sheet turns it dark.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Final, Literal

from markupsafe import Markup

from netbench.report.figures.picture import LevelLine, Picture, Trace, shown
from netbench.report.figures.scales import Scale, limits, marks, stacked, thinned_marks
from netbench.report.html_env import environment
from netbench.report.palette import BAND, INK, LINE, PALETTE, PAPER, QUIET

WIDTH: Final = 700
LETTER: Final = 6.9
"""Pixels that a letter takes, about, at the size of the marks."""
CLASSES: Final = {
    **{colour.light: f"d{number}" for number, colour in enumerate(PALETTE)},
    INK.light: "ink",
    QUIET.light: "quiet",
    LINE.light: "line",
    BAND.light: "band",
    PAPER.light: "paper",
}
"""Style classes of the palette's colours, as the page numbers them."""
_DASHES: Final = {"dash": "7 5", "dot": "2 4"}
_RIGHT: Final = 16
_ROW: Final = 18  # height of a row of the legend
_TITLE: Final = 20
_SLANT: Final = 0.64  # sine of the angle at which labels stand that have no room
_BESIDE: Final = 0.77  # its cosine
_BAR: Final = 0.7  # thickness of a bar as a share of its place
_NEAR: Final = 0.4  # pixels: a point of a line that is nearer to the one before it is left out
_CAP: Final = 3.5  # half the length of the end of an error bar, pixels

Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Stroke:
    """One SVG path."""

    d: str
    colour: str
    fills: bool = False
    width: float = 0  # of its line
    dash: str = ""
    opacity: float = 1
    dots: bool = False
    """Whether its ends are round, so that steps without a length are dots."""

    @property
    def style(self) -> str:
        """Return the classes by which the style sheet colours it."""
        kind = "f" if self.fills else "s"
        return f"{'dot ' if self.dots else ''}{CLASSES.get(self.colour, 'ink')} {kind}"


@dataclass(frozen=True, slots=True)
class Label:
    """A text; slanted ones are turned around their place."""

    x: float
    y: float
    text: str
    anchor: Literal["start", "middle", "end"]
    angle: int = 0


@dataclass(frozen=True, slots=True)
class _Area:
    """Where the plot lies on the picture."""

    left: float
    top: float
    right: float
    bottom: float


def svg(picture: Picture, title: str) -> Markup:
    """Return a figure as an `svg` element for a page whose style sheet knows the classes."""
    rows = _legend_rows(picture)
    area, slanted = _area(picture, _ROW * len(rows) + 12)
    x, y = (_scale(picture, area, upright=upright) for upright in (False, True))
    places = [(left, 8 + _ROW * row, t) for row, own in enumerate(rows) for left, t in own]
    across, down = _level_marks(picture, x, slanted=slanted), _upright_marks(picture, y)
    grid = [f"M{n(at)} {n(area.top)}V{n(area.bottom)}" for at, _ in across if picture.x.grid]
    grid += [f"M{n(area.left)} {n(at)}H{n(area.right)}" for at, _ in down if picture.y.grid]
    below = area.bottom + (slanted or _ROW)
    drawn = (
        environment()
        .get_template("still.svg.j2")
        .render(
            width=WIDTH,
            height=n(below + (_TITLE if picture.x.title else 6)),
            title=title,
            around=[Stroke("".join(grid), LINE.light, width=1), *_signs(places)],
            labels=[
                *(Label(left + 28, top + 10, shown(t.name), "start") for left, top, t in places),
                *(Label(area.left - 6, at + 4, text, "end") for at, text in down),
                Label(14, (area.top + area.bottom) / 2, picture.y.title, "middle", -90),
                *_level_labels(across, area, slanted=slanted),
                Label((area.left + area.right) / 2, below + 15, picture.x.title, "middle"),
            ],
            quiet=QUIET.light,
            area=area,
            inside=[*_lines(picture.lines, x, y), *_bars(picture, x, y), *_points(picture, x, y)],
            n=n,
        )
    )
    return Markup(drawn)  # noqa: S704 - a template escaped it


def _area(picture: Picture, top: float) -> tuple[_Area, float]:
    """Return where the plot lies, and the height of slanted labels beneath; 0 where level."""
    right, bottom = WIDTH - _RIGHT, max(picture.height, top + 80) - _ROW - _TITLE
    rough = _scale(picture, _Area(60, top, right, bottom), upright=True)
    widest = max((len(label) for _, label in marks(picture.y, rough)), default=0) * LETTER
    left = widest + 12 + (_TITLE if picture.y.title else 0)
    area = _Area(left, top, right, bottom)
    names = [] if picture.x.log else [shown(label) for _, label in picture.x.ticks]
    room = (right - left) / max(1, len(names))
    longest = max(map(len, names), default=0) * LETTER
    if longest + 6 <= room:
        return area, 0.0
    return replace(area, left=max(left, longest * _BESIDE - room / 2)), longest * _SLANT + 14


def _scale(picture: Picture, area: _Area, *, upright: bool) -> Scale:
    axis = picture.y if upright else picture.x
    low, high = limits(picture, upright=upright)
    start, end = (area.bottom, area.top) if upright else (area.left, area.right)
    return Scale(low, high, start, end, axis.log)


def _upright_marks(picture: Picture, scale: Scale) -> list[tuple[float, str]]:
    found = [(-place, label) for place, label in marks(picture.y, scale)]
    return [(-place, label) for place, label in thinned_marks(found, [13.0] * len(found))]


def _level_marks(picture: Picture, scale: Scale, *, slanted: float) -> list[tuple[float, str]]:
    found = marks(picture.x, scale)
    return thinned_marks(found, [14.0 if slanted else len(text) * LETTER for _, text in found])


def _level_labels(
    found: list[tuple[float, str]], area: _Area, *, slanted: float
) -> Iterator[Label]:
    for at, text in found:
        if slanted:
            yield Label(at + 4, area.bottom + 14, text, "end", -40)
        else:
            yield Label(at, area.bottom + 16, text, "middle")


def _legend_rows(picture: Picture) -> list[list[tuple[float, Trace]]]:
    """Return the rows of the legend: (left, trace)."""
    rows: list[list[tuple[float, Trace]]] = []
    left = float(WIDTH)
    for trace in {t.name: t for t in picture.traces if t.legend}.values():
        width = len(shown(trace.name)) * LETTER + 38
        if left + width > WIDTH:
            rows.append([])
            left = 14.0
        rows[-1].append((left, trace))
        left += width
    return rows


def _signs(places: list[tuple[float, int, Trace]]) -> Iterator[Stroke]:
    """Yield what stands before each name of the legend."""
    for left, top, t in places:
        middle = top + 6
        if t.mode == "bars":
            d = f"M{n(left + 4)} {middle - 5}h14v10h-14z"
            yield Stroke(d, t.colour, fills=True, opacity=t.opacity)
        if "lines" in t.mode:
            d = f"M{n(left)} {middle}h22"
            yield Stroke(d, t.colour, width=2.5, dash=_DASHES.get(t.dash, ""))
        if "markers" in t.mode:
            yield _markers(t, [(left + 11, middle)])


def _lines(lines: Sequence[LevelLine], x: Scale, y: Scale) -> Iterator[Stroke]:
    for line in lines:
        ends = (x.start, x.end) if line.x is None else (x.at(line.x[0]), x.at(line.x[1]))
        side, (left, right) = y.at(line.y), ends
        if side is not None and left is not None and right is not None:
            d = f"M{n(left)} {n(side)}H{n(right)}"
            yield Stroke(d, line.colour, width=line.width, dash=_DASHES.get(line.dash, ""))


def _bars(picture: Picture, x: Scale, y: Scale) -> Iterator[Stroke]:
    bars = [trace for trace in picture.traces if trace.mode == "bars"]
    thick = abs(y.end - y.start) / (y.high - y.low) * _BAR
    for trace, spans in zip(bars, stacked(bars), strict=True):
        paths: dict[str, str] = {}
        for (begin, end, place), colour in zip(spans, _colours(trace), strict=False):
            left, right, middle = x.at(begin), x.at(end), y.at(place)
            if left is not None and right is not None and middle is not None:
                begins, width = n(min(left, right)), n(abs(right - left))
                path = f"M{begins} {n(middle - thick / 2)}h{width}v{n(thick)}h-{width}z"
                paths[colour] = paths.get(colour, "") + path
        for colour, path in paths.items():
            yield Stroke(path, colour, fills=True, opacity=trace.opacity)


def _colours(trace: Trace) -> Sequence[str]:
    """Return the colour of each bar that has a length."""
    colours = trace.colours or (trace.colour,) * len(trace.x)
    return [colour for colour, value in zip(colours, trace.x, strict=True) if value is not None]


def _points(picture: Picture, x: Scale, y: Scale) -> Iterator[Stroke]:
    for trace in picture.traces:
        if trace.mode == "bars":
            continue
        places = [(x.at(a), y.at(b)) for a, b in zip(trace.x, trace.y, strict=True)]
        points = [(a, b) if a is not None and b is not None else None for a, b in places]
        known = [point for point in points if point is not None]
        if "lines" in trace.mode and known:
            yield _line(trace, points)
        if trace.reach is not None and known:
            yield _reach(trace, x, known[0][1])
        if "markers" in trace.mode and known:
            yield _markers(trace, known)


def _line(trace: Trace, points: list[Point | None]) -> Stroke:
    path = ""
    last: Point | None = None
    for point, after in pairwise((*points, None)):
        if point is None:
            last = None
            continue
        place = (round(point[0]), round(point[1]))
        if last is None:
            path += f"M{place[0]} {place[1]}l"
        elif after is None or max(abs(point[0] - last[0]), abs(point[1] - last[1])) >= _NEAR:
            path += _step(last, place, first=path.endswith("l"))
        else:
            continue
        last = place
    dash = _DASHES.get(trace.dash, "")
    return Stroke(path, trace.colour, width=trace.width, dash=dash, opacity=trace.opacity)


def _step(last: Point, place: Point, *, first: bool = True) -> str:
    """Return a step of a path: a third shorter than the place that it leads to."""
    right, down = n(place[0] - last[0]), n(place[1] - last[1])
    before = "" if first or right.startswith("-") else " "
    return f"{before}{right}{'' if down.startswith('-') else ' '}{down}"


def _reach(trace: Trace, x: Scale, side: float) -> Stroke:
    """Return the bar of a point; an end beyond what the axis can show stops at its edge."""
    minus, plus = trace.reach or (0.0, 0.0)
    value = trace.x[0] or 0.0
    low, high = x.at(value - minus), x.at(value + plus)
    ends = (x.start if low is None else low, x.end if high is None else high)
    path = "".join(f"M{n(end)} {n(side - _CAP)}v{n(2 * _CAP)}" for end in ends)
    return Stroke(f"{path}M{n(ends[0])} {n(side)}H{n(ends[1])}", trace.colour, width=2)


def _markers(trace: Trace, points: Sequence[Point]) -> Stroke:
    """Return a trace's marker at each of the points; those that fall on one another once."""
    shape, opacity = trace.symbol.removesuffix("-open"), trace.opacity
    if trace.symbol == "circle":
        dots = dict.fromkeys((float(round(a)), float(round(b))) for a, b in points)
        path = "".join(f"m{_step(a, b)}h0" for a, b in pairwise(((0.0, 0.0), *dots)))
        return Stroke(path, trace.colour, width=trace.size, opacity=opacity, dots=True)
    outline = _outline(shape, trace.size / 2)
    path = "".join(dict.fromkeys(f"M{n(a)} {n(b)}{outline}" for a, b in points))
    hollow = trace.symbol != shape
    width = 1.6 if hollow else 0
    return Stroke(path, trace.colour, fills=not hollow, width=width, opacity=opacity)


def _outline(shape: str, r: float) -> str:
    """Return the path of a marker around the current point."""
    if shape == "circle":
        return f"m-{n(r)} 0a{n(r)} {n(r)} 0 1 0 {n(2 * r)} 0a{n(r)} {n(r)} 0 1 0 -{n(2 * r)} 0z"
    if shape == "square":
        return f"m-{n(r)} -{n(r)}h{n(2 * r)}v{n(2 * r)}h-{n(2 * r)}z"
    far = n(r * 1.25)
    return f"m0 -{far}l{far} {far}l-{far} {far}l-{far} -{far}z"


def n(number: float) -> str:
    """Return a pixel with one decimal at most."""
    text = f"{number:.1f}".removesuffix(".0")
    return "0" if text == "-0" else text
