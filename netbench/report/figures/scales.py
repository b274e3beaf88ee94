"""Axes of a static figure: from values to pixels, and the marks that stand on them."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from netbench.report.figures.picture import Axis, Picture, Shape, Trace, Value, readable

PAD: Final = 0.05
"""Free space at both ends of an axis that fits its values, as a share of them."""
_MARKS: Final = 6
_SIDES: Final = 2


@dataclass(frozen=True, slots=True)
class Scale:
    """One axis laid out on the picture."""

    low: float
    """In the axis's own terms: exponents of ten where it is logarithmic."""
    high: float
    start: float
    """Pixel of `low`."""
    end: float
    log: bool
    categories: tuple[str, ...]

    def at(self, value: Value) -> float | None:
        """Return the pixel of a value; None where the axis has no place for it."""
        if isinstance(value, str):
            value = float(self.categories.index(value)) if value in self.categories else None
        if value is None or not math.isfinite(value) or (self.log and value <= 0):
            return None
        return self.own(math.log10(value) if self.log else value)

    def own(self, value: Value) -> float | None:
        """Return the pixel of a value in the axis's own terms."""
        if not isinstance(value, float):
            return None
        return self.start + (value - self.low) / (self.high - self.low) * (self.end - self.start)

    def part(self, share: Value) -> float | None:
        """Return the pixel of a share of the axis."""
        return self.start + share * (self.end - self.start) if isinstance(share, float) else None

    def visible(self, value: float) -> bool:
        """Tell whether a value lies on the axis."""
        place = self.at(value)
        first, last = sorted((self.start, self.end))
        return place is not None and first - 0.5 <= place <= last + 0.5


def limits(picture: Picture, *, upright: bool) -> tuple[float, float]:
    """Return the ends of an axis in its own terms: those asked for, else those that fit."""
    axis = picture.y if upright else picture.x
    if axis.limits is not None:
        return axis.limits
    if axis.kind == "category":
        return -0.5, len(axis.categories) - 0.5
    values = [*_seen(picture, upright=upright)]
    if axis.kind == "log":
        values = [math.log10(value) for value in values if value > 0]
    values = [value for value in values if math.isfinite(value)] or [0.0]
    if axis.to_zero and axis.kind == "linear":
        values.append(0.0)
    low, high = min(values), max(values)
    pad = (high - low) * PAD or 0.5
    at_zero = axis.to_zero and axis.kind == "linear"
    return low - (0 if at_zero and low == 0 else pad), high + (0 if at_zero and high == 0 else pad)


def _seen(picture: Picture, *, upright: bool) -> Iterable[float]:
    """Yield every value that the axis must hold."""
    for trace in picture.traces:
        values = trace.y if upright else trace.x
        errors = trace.error_y if upright else trace.error_x
        for number, value in enumerate(values):
            if isinstance(value, float):
                minus, plus = errors[number] if number < len(errors) else (0.0, 0.0)
                yield from (value - minus, value + plus)
        if trace.bars and trace.horizontal != upright:
            yield 0.0
    yield from _piled(picture, upright=upright)
    for shape in picture.shapes:
        yield from _ends(shape, upright=upright)


def _ends(shape: Shape, *, upright: bool) -> Iterable[float]:
    if not (shape.of_height if upright else shape.of_width):
        yield from (end for end in (shape.y if upright else shape.x) if isinstance(end, float))


def _piled(picture: Picture, *, upright: bool) -> Iterable[float]:
    """Yield the ends of stacked bars."""
    bars = [t for t in picture.traces if t.bars and t.horizontal != upright and not t.base]
    if picture.grouped:
        return
    for begin, end, _ in (span for trace in stacked(bars) for span in trace):
        yield from (begin, end)


def stacked(bars: Sequence[Trace]) -> list[list[tuple[float, float, Value]]]:
    """Return (begin, end, place) of each bar of each trace: parts below zero pile up below it."""
    piles: dict[tuple[Value, bool], float] = {}
    found = []
    for trace in bars:
        lengths, places = (trace.x, trace.y) if trace.horizontal else (trace.y, trace.x)
        spans: list[tuple[float, float, Value]] = []
        for length, place in zip(lengths, places, strict=True):
            if isinstance(length, float):
                begin = piles.get((place, length < 0), 0.0)
                piles[place, length < 0] = begin + length
                spans.append((begin, begin + length, place))
        found.append(spans)
    return found


def marks(axis: Axis, scale: Scale) -> list[tuple[float, str]]:
    """Return (pixel, label) of the marks on an axis."""
    if axis.kind == "category":
        values = [(float(i), readable(name)) for i, name in enumerate(axis.categories)]
    elif axis.ticks is not None:
        values = [(value, label) for value, label in axis.ticks if scale.visible(value)]
    elif axis.kind == "log":
        values = [(value, f"{value:g}") for value in _decades(scale.low, scale.high)]
    else:
        values = [(value, f"{value:g}") for value in _even(scale.low, scale.high)]
    placed = [(scale.at(value), label) for value, label in values]
    return [(place, label) for place, label in placed if place is not None]


def _even(low: float, high: float) -> list[float]:
    """Return multiples of 1, 2 or 5 times a power of ten."""
    rough = (high - low) / _MARKS
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * m for m in (1, 2, 5, 10) if power * m >= rough * 0.999)
    first = math.ceil(low / step - 1e-9)
    return [round(i * step, 12) for i in range(first, math.floor(high / step + 1e-9) + 1)]


def _decades(low: float, high: float) -> list[float]:
    """Return powers of ten; where few lie between the ends, 2 and 5 of them as well."""
    steps = (1, 2, 5) if high - low < _MARKS / 2 else (1,)
    powers = range(math.floor(low), math.ceil(high) + 1)
    found = [step * 10.0**power for power in powers for step in steps]
    inside = [value for value in found if low - 1e-9 <= math.log10(value) <= high + 1e-9]
    if len(inside) < _SIDES:
        return [float(f"{value:.2g}") for value in (10**low, 10**high)]
    return inside


def thinned_marks(found: list[tuple[float, str]], widths: list[float]) -> list[tuple[float, str]]:
    """Return the marks whose labels do not run into the one before them."""
    kept: list[tuple[float, str]] = []
    edge = -math.inf
    for (place, label), width in sorted(zip(found, widths, strict=True)):
        if place - width / 2 >= edge:
            kept.append((place, label))
            edge = place + width / 2 + 6
    return kept
