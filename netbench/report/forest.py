"""The primary contrasts on one logarithmic axis, as positions in percent of its width.

Other machine states of a contrast stand below its headline.
"""

import math
from dataclasses import dataclass
from typing import Final

from netbench import units
from netbench.analysis.model import Analysis, Contrast
from netbench.report.words import CellKey, concerns, interval, key_of

MARKS: Final = (
    *(0.1, 0.2, 0.33, 0.5, 0.6, 0.7, 0.8, 0.85, 0.9, 0.95),
    *(1.0, 1.05, 1.1, 1.15, 1.2, 1.3, 1.4, 1.6, 2.0, 3.0, 5.0, 10.0),
)
CLIP: Final = math.log(4)
"""Intervals are drawn up to this log ratio; an arrow says that they go on."""
GAP: Final = 0.075
"""Least distance of two marks as a share of the axis."""


@dataclass(frozen=True, slots=True)
class Bar:
    """One contrast: where its ratio and interval lie."""

    contrast: Contrast
    at: float | None
    """Percent of the width; None without a ratio."""
    low: float
    high: float
    open_low: bool
    """Whether the interval goes on beyond the axis."""
    open_high: bool


@dataclass(frozen=True, slots=True)
class Group:
    """The contrasts of one cell and metric, with their noise floor."""

    key: CellKey
    metric: str
    bars: tuple[Bar, ...]
    floor: tuple[float, float] | None
    """Ends of the band of the headline's state, percent; None where the floor is unbounded."""


@dataclass(frozen=True, slots=True)
class Forest:
    """All primary contrasts on one axis."""

    groups: tuple[Group, ...]
    marks: tuple[tuple[float, str], ...]
    """(percent, label)."""
    one: float
    margin: tuple[float, float]


def ticks(low: float, high: float) -> tuple[float, ...]:
    """Return marks between two log ratios, far enough apart to be read; 1 is among them."""
    span = high - low
    kept = [1.0]
    for mark in sorted(MARKS, key=lambda mark: (_digits(mark), abs(math.log(mark)))):
        at = math.log(mark)
        if low <= at <= high and all(abs(at - math.log(k)) >= GAP * span for k in kept):
            kept.append(mark)
    return tuple(sorted(kept))


def forest(analysis: Analysis) -> Forest | None:
    """Return the chart; None where there is no contrast."""
    found = sorted((c for c in analysis.contrasts if c.primary), key=lambda c: not c.headline)
    if not found:
        return None
    low, high = _domain(found, analysis.margin)

    keys = dict.fromkeys((key_of(c), c.metric) for c in found)
    edge = math.log1p(analysis.margin)
    return Forest(
        groups=tuple(
            Group(
                key,
                metric,
                tuple(_bar(c, low, high) for c in found if concerns(c, key, metric)),
                _floor([c for c in found if concerns(c, key, metric)], low, high),
            )
            for key, metric in keys
        ),
        marks=tuple(
            (_percent(math.log(mark), low, high), f"{mark:g}") for mark in ticks(low, high)
        ),
        one=_percent(0, low, high),
        margin=(_percent(-edge, low, high), _percent(edge, low, high)),
    )


def label(contrast: Contrast) -> str:
    """Return the figures beside a bar."""
    return f"{units.ratio(contrast.ratio)} {interval(contrast.low, contrast.high)}"


def _digits(mark: float) -> int:
    return len(f"{mark:g}")


def _domain(contrasts: list[Contrast], margin: float) -> tuple[float, float]:
    seen = [math.log1p(margin), -math.log1p(margin)]
    for contrast in contrasts:
        ends = (contrast.low, contrast.ratio, contrast.high)
        seen += [min(max(math.log(end), -CLIP), CLIP) for end in ends if end]
    pad = (max(seen) - min(seen)) * 0.06
    return min(seen) - pad, max(seen) + pad


def _percent(log_ratio: float, low: float, high: float) -> float:
    return round((min(max(log_ratio, low), high) - low) / (high - low) * 100, 3)


def _bar(contrast: Contrast, low: float, high: float) -> Bar:
    start = math.log(contrast.low) if contrast.low else -math.inf
    end = math.log(contrast.high) if contrast.high is not None else math.inf
    return Bar(
        contrast=contrast,
        at=_percent(math.log(contrast.ratio), low, high) if contrast.ratio else None,
        low=_percent(start, low, high),
        high=_percent(end, low, high),
        open_low=start < low,
        open_high=end > high,
    )


def _floor(contrasts: list[Contrast], low: float, high: float) -> tuple[float, float] | None:
    floor = contrasts[0].noise_floor
    if floor is None:
        return None
    return _percent(-math.log1p(floor), low, high), _percent(math.log1p(floor), low, high)
