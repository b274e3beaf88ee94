"""The primary contrasts on one logarithmic axis, as positions in percent of its width."""

import math
from dataclasses import dataclass
from typing import Final

from netbench import units
from netbench.analysis.cell_key import CellKey
from netbench.analysis.model import Analysis, Contrast
from netbench.report.labels import concerns, interval, key_of

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
class ForestGroup:
    """The contrasts of one cell and metric, with their noise floor."""

    key: CellKey
    metric: str
    bars: tuple[Bar, ...]
    floor: tuple[float, float] | None
    """Ends of its band, percent; None where the floor is unbounded."""


@dataclass(frozen=True, slots=True)
class Forest:
    """All primary contrasts on one axis."""

    groups: tuple[ForestGroup, ...]
    marks: tuple[tuple[float, str], ...]
    """(percent, label)."""
    one: float
    margin: tuple[float, float]


def ticks(low: float, high: float, gap: float = GAP) -> tuple[float, ...]:
    """Return marks between two log ratios, far enough apart to be read; 1 is among them.

    `gap` is the least distance of two, as a share of the axis.
    """
    span = high - low
    kept = [1.0]
    for mark in sorted(MARKS, key=lambda mark: (_digits(mark), abs(math.log(mark)))):
        at = math.log(mark)
        if low <= at <= high and all(abs(at - math.log(k)) >= gap * span for k in kept):
            kept.append(mark)
    return tuple(sorted(kept))


def forest(analysis: Analysis) -> Forest | None:
    """Return the chart; None where there is no contrast."""
    found = [c for c in analysis.contrasts if c.primary]
    if not found:
        return None
    low, high = domain(found, analysis.margin)
    keys = dict.fromkeys((key_of(c), c.metric) for c in found)
    edge = 1 + analysis.margin
    return Forest(
        groups=tuple(
            ForestGroup(
                key,
                metric,
                tuple(bar(c, low, high) for c in found if concerns(c, key, metric)),
                floor([c for c in found if concerns(c, key, metric)], low, high),
            )
            for key, metric in keys
        ),
        marks=tuple((percent(mark, low, high), f"{mark:g}") for mark in ticks(low, high)),
        one=percent(1, low, high),
        margin=(percent(1 / edge, low, high), percent(edge, low, high)),
    )


def label(contrast: Contrast) -> str:
    """Return the figures beside a bar."""
    return f"{units.ratio(contrast.ratio)} {interval(contrast.low, contrast.high)}"


def _digits(mark: float) -> int:
    return len(f"{mark:g}")


def domain(contrasts: list[Contrast], margin: float) -> tuple[float, float]:
    """Return the log ratios at both ends of an axis that holds these contrasts and the margin."""
    seen = [math.log1p(margin), -math.log1p(margin)]
    for contrast in contrasts:
        ends = (contrast.low, contrast.ratio, contrast.high)
        seen += [min(max(math.log(end), -CLIP), CLIP) for end in ends if end]
    pad = (max(seen) - min(seen)) * 0.06
    return min(seen) - pad, max(seen) + pad


def percent(ratio: float, low: float, high: float) -> float:
    """Return where a ratio lies on an axis between two log ratios, percent of its width."""
    return _at(math.log(ratio), low, high)


def bar(contrast: Contrast, low: float, high: float) -> Bar:
    """Return where a contrast lies on an axis between two log ratios."""
    start = math.log(contrast.low) if contrast.low else -math.inf
    end = math.log(contrast.high) if contrast.high is not None else math.inf
    return Bar(
        contrast=contrast,
        at=percent(contrast.ratio, low, high) if contrast.ratio else None,
        low=_at(start, low, high),
        high=_at(end, low, high),
        open_low=start < low,
        open_high=end > high,
    )


def floor(contrasts: list[Contrast], low: float, high: float) -> tuple[float, float] | None:
    """Return the ends of the noise floor that contrasts of one cell share, where it is bounded."""
    found = contrasts[0].noise_floor
    if found is None:
        return None
    return percent(1 / (1 + found), low, high), percent(1 + found, low, high)


def _at(log_ratio: float, low: float, high: float) -> float:
    return round((min(max(log_ratio, low), high) - low) / (high - low) * 100, 3)
