"""The page of a trend; positions in its charts are percent across and pixels down."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from netbench import units
from netbench.analysis.trend.model import Trend, TrendPoint, TrendSeries
from netbench.report import conditions
from netbench.report.html_env import render
from netbench.report.palette import driver_colours
from netbench.report.trend import labels

HEIGHT: Final = 150  # pixels of a chart
_EDGE: Final = 12  # of them left free above and below
_SIDE: Final = 1.5  # percent left free on each side
_FLAT: Final = 0.01  # least height of a chart, as a log ratio
_REACH: Final = 3.0  # an interval is drawn up to so many heights of the ratios themselves


@dataclass(frozen=True, slots=True)
class TrendMark:
    """One run in a chart."""

    across: float
    down: float
    top: float  # of its interval
    bottom: float
    text: str


@dataclass(frozen=True, slots=True)
class TrendStroke:
    """A part of the line that the runs lie around."""

    across: tuple[float, float]
    down: tuple[float, float]


@dataclass(frozen=True, slots=True)
class TrendChart:
    """One series, drawn."""

    series: TrendSeries
    marks: tuple[TrendMark, ...]
    strokes: tuple[TrendStroke, ...]
    breaks: tuple[float, ...]
    steps: tuple[tuple[float, str], ...]  # with the verdict
    one: float | None  # where the ratio 1 lies, if it is in the chart
    high: str
    low: str


def page(trend: Trend) -> str:
    """Return the whole page; each driver has its colour."""
    drivers = dict.fromkeys(one.driver for one in trend.series)
    baselines = [one.baseline for one in trend.series]
    baseline = baselines[0] if baselines else ""
    names = tuple(name for name in drivers if name != baseline)
    return render(
        "trend.html.j2",
        driver_colours((baseline, *names), baseline),
        trend=trend,
        words=labels,
        conditions=conditions,
        height=HEIGHT,
        charts=[_chart(trend, one) for one in trend.series if one.primary or one.changed],
        quiet=[one for one in trend.series if not one.primary and not one.changed],
    )


def _chart(trend: Trend, series: TrendSeries) -> TrendChart:
    low, high = _ends(series)

    def down(ratio: float | None, end: float) -> float:
        at = end if ratio is None else min(max(math.log(ratio), low), high)
        share = (high - at) / (high - low)
        return round(_EDGE + share * (HEIGHT - 2 * _EDGE), 1)

    def across(run: float) -> float:
        last = max(len(trend.runs) - 1, 1)
        return round(_SIDE + run / last * (100 - 2 * _SIDE), 3)

    return TrendChart(
        series=series,
        marks=tuple(
            TrendMark(
                across=across(point.run),
                down=down(point.ratio, low),
                top=down(point.high, high),
                bottom=down(point.low, low),
                text=f"{labels.numbered(trend, point.run)}: {units.ratio(point.ratio)}",
            )
            for point in series.points
        ),
        strokes=tuple(
            TrendStroke(
                (across(left.run), across(right.run)),
                (down(left.expected, low), down(right.expected, low)),
            )
            for left, right in _neighbours(series)
        ),
        breaks=tuple(across(one.run - 0.5) for one in series.breaks),
        steps=tuple((across((x.before + x.run) / 2), x.verdict.value) for x in series.steps),
        one=down(1.0, low) if low <= 0 <= high else None,
        high=units.ratio(math.exp(high)),
        low=units.ratio(math.exp(low)),
    )


def _ends(series: TrendSeries) -> tuple[float, float]:
    """Return the log ratios at both ends: of all ratios, and of intervals that are not too wide."""
    logs = [math.log(value) for x in series.points for value in (x.ratio, x.expected)]
    low, high = min(logs), max(logs)
    room = max(high - low, _FLAT) * _REACH
    ends = [math.log(end) for x in series.points for end in (x.low, x.high) if end]
    near = [end for end in ends if low - room <= end <= high + room]
    low, high = min((*near, low)), max((*near, high))
    return (low, high) if high - low >= _FLAT else (low - _FLAT / 2, high + _FLAT / 2)


def _neighbours(series: TrendSeries) -> Iterator[tuple[TrendPoint, TrendPoint]]:
    """Yield neighbouring runs that lie around one line."""
    starts = {one.run for one in series.breaks} | {one.run for one in series.steps}
    for left, right in zip(series.points, series.points[1:], strict=False):
        if right.run not in starts:
            yield left, right
