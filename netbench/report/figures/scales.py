"""Axes of a static figure: from values to pixels, and the marks that stand on them."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from netbench.report.figures.picture import Axis, Picture, Trace, Value, shown

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
    start: float  # pixel of `low`
    end: float
    log: bool

    def at(self, value: Value) -> float | None:
        """Return the pixel of a value; None if the axis has no place for it."""
        if value is None or not math.isfinite(value) or (self.log and value <= 0):
            return None
        share = ((math.log10(value) if self.log else value) - self.low) / (self.high - self.low)
        return self.start + share * (self.end - self.start)

    def visible(self, value: float) -> bool:
        """Return whether a value lies on the axis."""
        place = self.at(value)
        first, last = sorted((self.start, self.end))
        return place is not None and first - 0.5 <= place <= last + 0.5


def limits(picture: Picture, *, upright: bool) -> tuple[float, float]:
    """Return the ends of an axis in its own terms: those asked for, else those that fit."""
    axis = picture.y if upright else picture.x
    if axis.limits is not None:
        return axis.limits
    values = [value for value in _seen(picture, upright=upright) if math.isfinite(value)]
    if axis.log:
        values = [math.log10(value) for value in values if value > 0]
    at_zero = axis.to_zero and not axis.log
    values += [0.0] if at_zero or not values else []
    low, high = min(values), max(values)
    pad = (high - low) * PAD or 0.5
    return low - (0 if at_zero and low == 0 else pad), high + (0 if at_zero and high == 0 else pad)


def _seen(picture: Picture, *, upright: bool) -> Iterable[float]:
    """Yield every value that the axis must hold."""
    bars = [trace for trace in picture.traces if trace.mode == "bars"]
    if bars and not upright:
        yield from (end for trace in stacked(bars) for begin, end, _ in trace)
        yield 0.0
    for trace in picture.traces:
        if trace.mode == "bars" and not upright:
            continue
        minus, plus = trace.reach or (0.0, 0.0)
        for value in trace.y if upright else trace.x:
            if value is not None:
                yield from (value,) if upright else (value - minus, value + plus)
    for line in picture.lines:
        yield from (line.y,) if upright else line.x or ()


def stacked(bars: Sequence[Trace]) -> list[list[tuple[float, float, float]]]:
    """Return (begin, end, place) of each bar of each trace: parts below zero pile up below it."""
    piles: dict[tuple[Value, bool], float] = {}
    found = []
    for trace in bars:
        spans: list[tuple[float, float, float]] = []
        for length, place in zip(trace.x, trace.y, strict=True):
            if length is not None and place is not None:
                begin = piles.get((place, length < 0), 0.0)
                piles[place, length < 0] = begin + length
                spans.append((begin, begin + length, place))
        found.append(spans)
    return found


def marks(axis: Axis, scale: Scale) -> list[tuple[float, str]]:
    """Return (pixel, label) of the marks on an axis."""
    if axis.ticks:
        values = [(value, shown(label)) for value, label in axis.ticks if scale.visible(value)]
    else:
        found = (_decades if axis.log else _even)(scale.low, scale.high)
        values = [(value, f"{value:g}") for value in found]
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
