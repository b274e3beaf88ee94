"""Ratios with their intervals on logarithmic axes, as positions in percent of an axis's width."""

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final

from netbench.analysis.block_pairs import grouped
from netbench.analysis.cell_key import CellKey
from netbench.analysis.compare.model import RunContrast
from netbench.analysis.model import Analysis, CellSummary, Contrast
from netbench.record import METRICS, RunInfo
from netbench.report.labels import baseline_first, concerns, key_of
from netbench.report.sentences import primaries, primary_measures

MARKS: Final = (
    *(0.1, 0.2, 0.33, 0.5, 0.6, 0.7, 0.8, 0.85, 0.9, 0.95),
    *(1.0, 1.05, 1.1, 1.15, 1.2, 1.3, 1.4, 1.6, 2.0, 3.0, 5.0, 10.0),
)
CLIP: Final = math.log(4)  # intervals are drawn up to this log ratio; an arrow says that they go on
GAP: Final = 0.075  # least distance of two marks as a share of the axis
WIDE_GAP: Final = 0.24  # the same where the axis is a column of a table
MOST: Final = 6  # columns of one chart; more of them are spread over a chart for each path


@dataclass(frozen=True, slots=True)
class Bar:
    """One contrast: where its ratio and interval lie."""

    contrast: Contrast | RunContrast
    at: float | None  # percent of the width; None without a ratio
    low: float
    high: float
    open_low: bool  # whether the interval goes on beyond the axis
    open_high: bool


@dataclass(frozen=True, slots=True)
class RatioAxis:
    """A logarithmic axis that holds some contrasts and the margin around 1; right is worse.

    Its positions are logarithms of how many times worse a ratio is: of throughput the ratio's own
    with its sign turned, so that a driver that carries less stands right of the baseline.
    """

    low: float  # natural logarithm of how many times worse its left end is
    high: float
    edge: float  # 1 + margin
    better: str  # `higher` or `lower`: which direction of the metric is good
    gap: float = GAP

    @classmethod
    def of(
        cls, contrasts: Iterable[Contrast | RunContrast], margin: float, gap: float = GAP
    ) -> "RatioAxis":
        """Return the axis that holds these contrasts, for those of the first one's metric."""
        seen, better = [math.log1p(margin), -math.log1p(margin)], ""
        for contrast in contrasts:
            own = METRICS[contrast.metric].better
            better = better or own
            ends = (contrast.low, contrast.ratio, contrast.high)
            seen += [min(max(_worse(end, own), -CLIP), CLIP) for end in ends if end]
        pad = (max(seen) - min(seen)) * 0.06
        return cls(min(seen) - pad, max(seen) + pad, 1 + margin, better, gap)

    @property
    def margin(self) -> tuple[float, float]:
        """Return where the margin begins and ends."""
        return self._at(-math.log(self.edge)), self._at(math.log(self.edge))

    @property
    def marks(self) -> tuple[tuple[float, str], ...]:
        """Return (percent, label) from left to right; labels are ratios of the metric."""
        low, high = (self.low, self.high) if self.better == "lower" else (-self.high, -self.low)
        return tuple(
            sorted((self.percent(mark), f"{mark:g}") for mark in ticks(low, high, self.gap))
        )

    def percent(self, ratio: float) -> float:
        """Return where a ratio lies; one beyond an end lies at that end."""
        return self._at(_worse(ratio, self.better))

    def bar(self, contrast: Contrast | RunContrast) -> Bar:
        """Return where a contrast lies, by the good direction of its own metric."""
        better = METRICS[contrast.metric].better
        low, ratio, high = (
            _worse(end, better) if end else None
            for end in (contrast.low, contrast.ratio, contrast.high)
        )
        start, end = (low, high) if better == "lower" else (high, low)
        start, end = (-math.inf if start is None else start), (math.inf if end is None else end)
        return Bar(
            contrast=contrast,
            at=None if ratio is None else self._at(ratio),
            low=self._at(start),
            high=self._at(end),
            open_low=start < self.low,
            open_high=end > self.high,
        )

    def floor(self, width: float | None) -> tuple[float, float] | None:
        """Return the ends of a noise floor; None if it is unbounded."""
        if width is None:
            return None
        return self._at(-math.log1p(width)), self._at(math.log1p(width))

    def _at(self, worse: float) -> float:
        share = (min(max(worse, self.low), self.high) - self.low) / (self.high - self.low)
        return round(share * 100, 3)


def _worse(ratio: float, better: str) -> float:
    """Return the logarithm of how many times worse a ratio above 0 is."""
    return math.log(ratio) if better == "lower" else -math.log(ratio)


def ticks(low: float, high: float, gap: float = GAP) -> tuple[float, ...]:
    """Return marks between two log ratios, 1 among them, `gap` of the axis apart at least."""
    kept = [1.0]
    for mark in sorted(MARKS, key=lambda mark: (len(f"{mark:g}"), abs(math.log(mark)))):
        at = math.log(mark)
        if low <= at <= high and all(abs(at - math.log(k)) >= gap * (high - low) for k in kept):
            kept.append(mark)
    return tuple(sorted(kept))


@dataclass(frozen=True, slots=True)
class MeasureColumn:
    """The contrasts of one cell and metric, with their noise floor."""

    key: CellKey
    metric: str
    axis: RatioAxis
    """On one scale with all others of a forest, or with those of one metric of a chart."""
    bars: tuple[Bar, ...]
    floor: tuple[float, float] | None  # ends of its band, percent; None if the floor is unbounded
    cells: dict[str, CellSummary]  # those with a median, by driver

    def bar(self, driver: str) -> Bar | None:
        """Return a driver's contrast; None for the baseline, and where it has none."""
        return next((bar for bar in self.bars if bar.contrast.driver == driver), None)

    def length(self, driver: str) -> float:
        """Return the percent of the width that a driver's absolute bar takes."""
        top = max((cell.p75 or 0.0 for cell in self.cells.values()), default=0.0)
        median = self.cells[driver].median if driver in self.cells else None
        return round(min(median / top, 1) * 100, 2) if median and top else 0.0


def forest(analysis: Analysis) -> tuple[MeasureColumn, ...]:
    """Return all primary contrasts measure by measure, all on one scale."""
    axis = RatioAxis.of(primaries(analysis), analysis.margin)
    return tuple(
        _column(analysis, key, metric, replace(axis, better=METRICS[metric].better))
        for key, metric in primary_measures(analysis)
    )


@dataclass(frozen=True, slots=True)
class Chart:
    """All contrasts, drivers as rows and measures as columns: of one path, or of all if few."""

    path: str  # empty where there is one chart for all
    columns: tuple[MeasureColumn, ...]
    drivers: tuple[str, ...]  # those with a figure, the baseline first


def charts(info: RunInfo, analysis: Analysis) -> tuple[Chart, ...]:
    """Return the charts of all primary contrasts; empty where there is none."""
    axes = {
        metric: RatioAxis.of(contrasts, analysis.margin, WIDE_GAP)
        for metric, contrasts in grouped((c.metric, c) for c in primaries(analysis)).items()
    }
    paths = grouped(
        (key.path, _column(analysis, key, metric, axes[metric]))
        for key, metric in primary_measures(analysis)
    )
    columns = [column for own in paths.values() for column in own]
    if columns and (len(columns) <= MOST or len(paths) == 1):
        return (_chart(info, "", columns),)
    return tuple(_chart(info, path, own) for path, own in paths.items())


def _chart(info: RunInfo, path: str, columns: list[MeasureColumn]) -> Chart:
    shown = (d for d in baseline_first(info) if any(c.bar(d) or d in c.cells for c in columns))
    return Chart(path, tuple(columns), tuple(shown))


def _column(analysis: Analysis, key: CellKey, metric: str, axis: RatioAxis) -> MeasureColumn:
    own = [c for c in primaries(analysis) if concerns(c, key, metric)]
    cells = [
        cell
        for cell in analysis.cells
        if not cell.replica and cell.metric == metric and key_of(cell) == key
    ]
    return MeasureColumn(
        key=key,
        metric=metric,
        axis=axis,
        bars=tuple(map(axis.bar, own)),
        floor=axis.floor(own[0].noise_floor),
        cells={cell.driver: cell for cell in cells if cell.median is not None},
    )
