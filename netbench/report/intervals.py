"""Ratios with their intervals on logarithmic axes, as positions in percent of an axis's width."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from netbench import units
from netbench.analysis.block_pairs import grouped
from netbench.analysis.cell_key import CellKey
from netbench.analysis.compare.model import RunContrast
from netbench.analysis.model import Analysis, CellSummary, Contrast
from netbench.record import RunInfo
from netbench.report.labels import concerns, key_of
from netbench.report.sentences import primaries, primary_measures

MARKS: Final = (
    *(0.1, 0.2, 0.33, 0.5, 0.6, 0.7, 0.8, 0.85, 0.9, 0.95),
    *(1.0, 1.05, 1.1, 1.15, 1.2, 1.3, 1.4, 1.6, 2.0, 3.0, 5.0, 10.0),
)
CLIP: Final = math.log(4)
"""Intervals are drawn up to this log ratio; an arrow says that they go on."""
GAP: Final = 0.075
"""Least distance of two marks as a share of the axis."""
WIDE_GAP: Final = 0.24
"""The same where the axis is a column of a table."""
MOST: Final = 6
"""Columns of one chart; more of them are spread over a chart for each path."""


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
    """A logarithmic axis that holds some contrasts and the margin around 1."""

    low: float  # natural logarithm of the ratio at its left end
    high: float
    edge: float  # 1 + margin
    gap: float = GAP

    @classmethod
    def of(
        cls, contrasts: Iterable[Contrast | RunContrast], margin: float, gap: float = GAP
    ) -> "RatioAxis":
        """Return the axis that holds these contrasts."""
        seen = [math.log1p(margin), -math.log1p(margin)]
        for contrast in contrasts:
            ends = (contrast.low, contrast.ratio, contrast.high)
            seen += [min(max(math.log(end), -CLIP), CLIP) for end in ends if end]
        pad = (max(seen) - min(seen)) * 0.06
        return cls(min(seen) - pad, max(seen) + pad, 1 + margin, gap)

    @property
    def one(self) -> float:
        """Return where nothing differs."""
        return self.percent(1)

    @property
    def margin(self) -> tuple[float, float]:
        """Return where the margin begins and ends."""
        return self.percent(1 / self.edge), self.percent(self.edge)

    @property
    def marks(self) -> tuple[tuple[float, str], ...]:
        """Return (percent, label)."""
        found = ticks(self.low, self.high, self.gap)
        return tuple((self.percent(mark), f"{mark:g}") for mark in found)

    def percent(self, ratio: float) -> float:
        """Return where a ratio lies; one beyond an end lies at that end."""
        return self._at(math.log(ratio))

    def bar(self, contrast: Contrast | RunContrast) -> Bar:
        """Return where a contrast lies."""
        start = math.log(contrast.low) if contrast.low else -math.inf
        end = math.log(contrast.high) if contrast.high is not None else math.inf
        return Bar(
            contrast=contrast,
            at=self.percent(contrast.ratio) if contrast.ratio else None,
            low=self._at(start),
            high=self._at(end),
            open_low=start < self.low,
            open_high=end > self.high,
        )

    def floor(self, width: float | None) -> tuple[float, float] | None:
        """Return the ends of a noise floor; None if it is unbounded."""
        return None if width is None else (self.percent(1 / (1 + width)), self.percent(1 + width))

    def _at(self, log_ratio: float) -> float:
        share = (min(max(log_ratio, self.low), self.high) - self.low) / (self.high - self.low)
        return round(share * 100, 3)


def ticks(low: float, high: float, gap: float = GAP) -> tuple[float, ...]:
    """Return marks between two log ratios, far enough apart to be read; 1 is among them.

    `gap` is the least distance of two, as a share of the axis.
    """
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
    """Shared by all columns of a forest, or by those of one metric of a chart."""
    bars: tuple[Bar, ...]
    floor: tuple[float, float] | None
    """Ends of its band, percent; None if the floor is unbounded."""
    cells: dict[str, CellSummary]  # by driver

    def bar(self, driver: str) -> Bar | None:
        """Return a driver's contrast; None for the baseline, and where it has none."""
        return next((bar for bar in self.bars if bar.contrast.driver == driver), None)

    def median(self, driver: str) -> str:
        """Return a driver's own figure; empty where it has none."""
        cell = self.cells.get(driver)
        return units.quantity(cell.median, cell.unit) if cell and cell.median is not None else ""

    def length(self, driver: str) -> float:
        """Return the percent of the width that a driver's absolute bar takes."""
        top = max((cell.p75 or 0.0 for cell in self.cells.values()), default=0.0)
        median = self.cells[driver].median if driver in self.cells else None
        return round(min(median / top, 1) * 100, 2) if median and top else 0.0


@dataclass(frozen=True, slots=True)
class Forest:
    """All primary contrasts on one axis."""

    axis: RatioAxis
    groups: tuple[MeasureColumn, ...]


def forest(analysis: Analysis) -> Forest | None:
    """Return the chart; None if there is no contrast."""
    found = primaries(analysis)
    if not found:
        return None
    axis = RatioAxis.of(found, analysis.margin)
    measures = primary_measures(analysis)
    return Forest(axis, tuple(_column(analysis, key, metric, axis) for key, metric in measures))


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
    drivers = sorted(info.plan.drivers, key=lambda driver: driver != info.plan.baseline)
    shown = (d for d in drivers if any(c.bar(d) or c.median(d) for c in columns))
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
        cells={cell.driver: cell for cell in cells},
    )
