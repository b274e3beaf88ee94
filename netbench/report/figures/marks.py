"""Points, lines and bars of a static figure as SVG paths: one path for all points of a trace.

Points of one trace that fall on one another are drawn once.
"""

from collections.abc import Iterable, Iterator
from itertools import pairwise
from typing import Final

from markupsafe import Markup

from netbench.report.figures.picture import Picture, Shape, Trace, Value
from netbench.report.figures.scales import Scale, stacked
from netbench.report.palette import BAND, BASELINE, DRIVERS, INK, LINE, PAPER, QUIET

CLASSES: Final = {
    **{colour.light: f"d{number}" for number, colour in enumerate((BASELINE, *DRIVERS))},
    INK.light: "ink",
    QUIET.light: "quiet",
    LINE.light: "line",
    BAND.light: "band",
    PAPER.light: "paper",
}
"""Style classes of the palette's colours, as the page numbers them."""
_DASHES: Final = {"dash": "7 5", "dot": "2 4", "dashdot": "7 4 2 4"}
_BAR: Final = 0.7
"""Thickness of a bar as a share of its place."""
_NEAR: Final = 0.4
"""Pixels: a point of a line that is nearer to the one before it is left out."""
_CAP: Final = 3.5
"""Half the length of the end of an error bar, pixels."""

Point = tuple[float, float]


def fill(colour: str) -> Markup:
    """Return attributes that fill with a colour, light by itself and dark by its class."""
    name = CLASSES.get(colour, "ink")
    return Markup('class="{} f" fill="{}"').format(name, _known(colour))


def stroke(colour: str, kind: str = "") -> Markup:
    """Return attributes that draw lines in a colour, where the picture fills nothing by itself."""
    name = CLASSES.get(colour, "ink")
    return Markup('class="{}{} s" stroke="{}"').format(kind, name, _known(colour))


def _known(colour: str) -> str:
    return colour if colour in CLASSES else INK.light


def drawn(picture: Picture, x: Scale, y: Scale) -> Markup:
    """Return everything that lies in the plot's area."""
    parts = [_shape(shape, x, y) for shape in picture.shapes]
    parts += _bars(picture, x, y)
    for trace in picture.traces:
        if not trace.bars:
            parts += _points(trace, x, y)
    return Markup("").join(parts)


def _shape(shape: Shape, x: Scale, y: Scale) -> Markup:
    xs = [x.part(end) if shape.of_width else x.at(end) for end in shape.x]
    ys = [y.part(end) if shape.of_height else y.at(end) for end in shape.y]
    ends = [end for end in (*xs, *ys) if end is not None]
    if len(ends) < len(xs) + len(ys):
        return Markup("")
    x0, x1, y0, y1 = ends
    if shape.line:
        return Markup('<path {} stroke-width="{}"{} d="M{} {}L{} {}"/>').format(
            stroke(shape.colour), shape.width, _dashed(shape.dash), *map(n, (x0, y0, x1, y1))
        )
    (left, right), (top, bottom) = sorted((x0, x1)), sorted((y0, y1))
    band = Markup('<rect {}{} x="{}" y="{}" width="{}" height="{}"/>').format(
        fill(shape.colour), seen(shape.opacity), *map(n, (left, top, right - left, bottom - top))
    )
    if not shape.label:
        return band
    label = Markup('<text {} x="{}" y="{}" text-anchor="end">{}</text>').format(
        fill(QUIET.light), n(right - 6), n((top + bottom) / 2 + 4), shape.label
    )
    return band + label


def _bars(picture: Picture, x: Scale, y: Scale) -> Iterator[Markup]:
    bars = [trace for trace in picture.traces if trace.bars]
    for number, (trace, spans) in enumerate(zip(bars, _spans(picture, bars), strict=True)):
        along, across = (x, y) if trace.horizontal else (y, x)
        thick = abs(across.end - across.start) / (across.high - across.low) * _BAR
        share = thick / len(bars) if picture.grouped else thick
        offset = share * number - thick / 2 if picture.grouped else -thick / 2
        paths: dict[str, list[str]] = {}
        for index, (begin, end, place) in enumerate(spans):
            a, b, middle = along.at(begin), along.at(end), across.at(place)
            if a is None or b is None or middle is None:
                continue
            left, side = min(a, b), middle + offset
            box = (left, side, abs(b - a), share) if trace.horizontal else ()
            box = box or (side, left, share, abs(b - a))
            colour = trace.colours[index % len(trace.colours)]
            paths.setdefault(colour, []).append("M{} {}h{}v{}h-{}z".format(*map(n, (*box, box[2]))))
        for colour, path in paths.items():
            yield Markup('<path {}{} d="{}"/>').format(
                fill(colour), seen(trace.opacity), "".join(path)
            )


def _spans(picture: Picture, bars: list[Trace]) -> list[list[tuple[float, float, Value]]]:
    """Return where each bar begins and ends."""
    if not picture.grouped and not any(trace.base for trace in bars):
        return stacked(bars)
    found: list[list[tuple[float, float, Value]]] = []
    for trace in bars:
        lengths, places = (trace.x, trace.y) if trace.horizontal else (trace.y, trace.x)
        base = trace.base or (0.0,) * len(lengths)
        found.append(
            [
                (begin, begin + length, place)
                for begin, length, place in zip(base, lengths, places, strict=True)
                if isinstance(length, float)
            ]
        )
    return found


def _points(trace: Trace, x: Scale, y: Scale) -> Iterator[Markup]:
    pairs = list(zip(trace.x, trace.y, strict=True))
    places = [(x.at(a), y.at(b)) for a, b in pairs]
    points = [(a, b) if a is not None and b is not None else None for a, b in places]
    if trace.lines:
        yield _line(trace, points)
    yield from _errors(trace, x, y)
    if trace.markers:
        alike: dict[tuple[str, str], list[Point]] = {}
        for index, point in enumerate(points):
            if point is not None:
                colour = trace.colours[index % len(trace.colours)]
                symbol = trace.symbols[index % len(trace.symbols)]
                alike.setdefault((colour, symbol), []).append(point)
        for (colour, symbol), own in alike.items():
            yield markers(trace, colour, symbol, own)
    for point, text in zip(points, trace.texts, strict=False):
        if point is not None and text:
            yield Markup('<text {} x="{}" y="{}">{}</text>').format(
                fill(trace.colours[0]), n(point[0] + 8), n(point[1] + 4), text
            )


def _line(trace: Trace, points: list[Point | None]) -> Markup:
    path: list[str] = []
    last: Point | None = None
    for index, point in enumerate(points):
        if point is None:
            last = None
        elif last is None:
            last = _shown(point)
            path.append(f"M{n(last[0])} {n(last[1])}l")
        else:
            ends = index + 1 == len(points) or points[index + 1] is None
            if ends or max(abs(point[0] - last[0]), abs(point[1] - last[1])) >= _NEAR:
                place = _shown(point)
                path.append(_step(last, place, first=path[-1].endswith("l")))
                last = place
    return Markup('<path {} stroke-width="{}"{}{} d="{}"/>').format(
        stroke(trace.colours[0]),
        n(trace.width),
        seen(trace.opacity),
        _dashed(trace.dash),
        "".join(path),
    )


def _shown(point: Point) -> Point:
    """Return the whole pixel that a point of a line, or a dot, is drawn at."""
    return round(point[0]), round(point[1])


def _step(last: Point, place: Point, *, first: bool = True) -> str:
    """Return a step of a path: a third shorter than the place that it leads to."""
    right, down = n(place[0] - last[0]), n(place[1] - last[1])
    before = "" if first or right.startswith("-") else " "
    return f"{before}{right}{'' if down.startswith('-') else ' '}{down}"


def _errors(trace: Trace, x: Scale, y: Scale) -> Iterator[Markup]:
    path: list[str] = []
    for (at, value), (minus, plus) in zip(
        zip(trace.x, trace.y, strict=True), trace.error_x, strict=False
    ):
        side, ends = y.at(value), _reach(x, at, minus, plus)
        if side is not None and ends is not None:
            path += [f"M{n(end)} {n(side - _CAP)}v{n(2 * _CAP)}" for end in ends]
            path.append(f"M{n(ends[0])} {n(side)}H{n(ends[1])}")
    for (at, value), (minus, plus) in zip(
        zip(trace.x, trace.y, strict=True), trace.error_y, strict=False
    ):
        side, ends = x.at(at), _reach(y, value, minus, plus)
        if side is not None and ends is not None:
            path += [f"M{n(side - _CAP)} {n(end)}h{n(2 * _CAP)}" for end in ends]
            path.append(f"M{n(side)} {n(ends[0])}V{n(ends[1])}")
    if path:
        yield Markup('<path {} stroke-width="2"{} d="{}"/>').format(
            stroke(trace.colours[0]), seen(trace.opacity), "".join(path)
        )


def _reach(scale: Scale, value: Value, minus: float, plus: float) -> tuple[float, float] | None:
    """Return the pixels of both ends; an end beyond what the axis can show stops at its edge."""
    if not isinstance(value, float) or not minus + plus:
        return None
    low = scale.at(value - minus)
    high = scale.at(value + plus)
    return (scale.start if low is None else low, scale.end if high is None else high)


def markers(trace: Trace, colour: str, symbol: str, points: Iterable[Point]) -> Markup:
    """Return the marker of a trace at each of the points."""
    size, shape = trace.size, symbol.removesuffix("-open")
    if symbol == "circle":
        dots = dict.fromkeys(map(_shown, points))
        path = "".join(f"m{_step(a, b)}h0" for a, b in pairwise(((0.0, 0.0), *dots)))
        look = Markup('{} stroke-width="{}"').format(stroke(colour, "dot "), n(size))
    else:
        outline = _outline(shape, size / 2 * (1.25 if shape == "diamond" else 1))
        own = dict.fromkeys((n(a), n(b)) for a, b in points)
        path = "".join(f"M{a} {b}{outline}" for a, b in own)
        hollow = symbol != shape or shape in {"x", "cross", "line-ns", "line-ew"}
        width = max(1.5, trace.width) if shape.startswith("line-") else 1.6
        look = stroke(colour) + Markup(' stroke-width="{}"').format(width)
        look = look if hollow else fill(colour)
    return Markup('<path {}{} d="{}"/>').format(look, seen(trace.opacity), path)


def _outline(shape: str, r: float) -> str:
    """Return the path of a marker around the current point."""
    corners: dict[str, tuple[Point, ...]] = {
        "circle": (),
        "diamond": ((0, -r), (r, 0), (0, r), (-r, 0)),
        "square": ((-r, -r), (r, -r), (r, r), (-r, r)),
        "triangle-up": ((0, -r), (r, r * 0.8), (-r, r * 0.8)),
        "triangle-down": ((0, r), (r, -r * 0.8), (-r, -r * 0.8)),
    }
    strokes: dict[str, tuple[Point, ...]] = {
        "x": ((-r, -r), (r, r), (-r, r), (r, -r)),
        "cross": ((-r, 0), (r, 0), (0, -r), (0, r)),
        "line-ns": ((0, -r), (0, r)),
        "line-ew": ((-r, 0), (r, 0)),
    }
    if shape in strokes:
        ends = strokes[shape]
        moves = zip(pairwise(((0.0, 0.0), *ends)), range(len(ends)), strict=True)
        return "".join(
            f"{'l' if number % 2 else 'm'}{n(b[0] - a[0])} {n(b[1] - a[1])}"
            for (a, b), number in moves
        )
    found = corners.get(shape, ())
    if not found:
        return f"m-{n(r)} 0a{n(r)} {n(r)} 0 1 0 {n(2 * r)} 0a{n(r)} {n(r)} 0 1 0 -{n(2 * r)} 0z"
    first, *others = found
    path = f"m{n(first[0])} {n(first[1])}"
    last = first
    for corner in others:
        path += f"l{n(corner[0] - last[0])} {n(corner[1] - last[1])}"
        last = corner
    return f"{path}z"


def seen(opacity: float) -> Markup:
    """Return the attribute of what is not wholly opaque."""
    return Markup("") if opacity == 1 else Markup(' opacity="{}"').format(opacity)


def _dashed(dash: str) -> Markup:
    found = _DASHES.get(dash)
    return Markup(' stroke-dasharray="{}"').format(found) if found else Markup("")


def n(number: float) -> str:
    """Return a pixel with one decimal at most."""
    text = f"{number:.1f}".removesuffix(".0")
    return "0" if text == "-0" else text
