"""All contrasts in one small chart: drivers as rows, measures as columns, an axis for each metric.

Ratios and intervals lie on a logarithmic axis that all columns of one metric share; absolute
medians lie on an axis from zero. Positions are percent of a column's width.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from netbench import units
from netbench.analysis.cell_key import CellKey
from netbench.analysis.digest_model import Digest
from netbench.analysis.model import Analysis, CellSummary, Contrast
from netbench.record import RunInfo
from netbench.report.forest import Bar, bar, domain, floor, percent, ticks
from netbench.report.labels import SIGNS, concerns, contrast_id, key_of
from netbench.report.sentences import primaries
from netbench.report.verdict_text import brief, judgement

MOST: Final = 6
"""Columns of one chart; more of them are spread over a chart for each path."""


@dataclass(frozen=True, slots=True)
class MeasureColumn:
    """One measure."""

    key: CellKey
    metric: str
    one: float
    margin: tuple[float, float]
    floor: tuple[float, float] | None
    marks: tuple[tuple[float, str], ...]
    top: float
    """The longest absolute bar, in the metric's unit."""


@dataclass(frozen=True, slots=True)
class ChartEntry:
    """One driver in one column."""

    bar: Bar | None
    """None for the baseline and where there is no contrast."""
    verdict: str
    judgement: str
    """The verdict with its size or its reason; empty for the baseline."""
    effect: str
    """`▼ 57 to 74 %`; empty for the baseline."""
    link: str
    """Id of the contrast's row in the detail."""
    median: str
    length: float
    """Percent of the width that the absolute bar takes."""
    why: str
    """Why there is nothing."""


@dataclass(frozen=True, slots=True)
class ChartLine:
    """One driver."""

    driver: str
    baseline: bool
    entries: tuple[ChartEntry, ...]


@dataclass(frozen=True, slots=True)
class Chart:
    """Columns of one path, or of all paths where they are few."""

    path: str
    """Empty where there is one chart for all."""
    columns: tuple[MeasureColumn, ...]
    lines: tuple[ChartLine, ...]


def charts(info: RunInfo, analysis: Analysis, digest: Digest) -> tuple[Chart, ...]:
    """Return the charts of all primary contrasts; empty where there is none."""
    keys = list(dict.fromkeys((key_of(c), c.metric) for c in primaries(analysis)))
    if not keys:
        return ()
    paths = list(dict.fromkeys(key.path for key, _ in keys))
    keys.sort(key=lambda item: paths.index(item[0].path))
    if len(keys) <= MOST or len(paths) == 1:
        return (_chart(info, analysis, digest, "", keys),)
    return tuple(
        _chart(info, analysis, digest, path, [k for k in keys if k[0].path == path])
        for path in paths
    )


def _chart(
    info: RunInfo,
    analysis: Analysis,
    digest: Digest,
    path: str,
    keys: Sequence[tuple[CellKey, str]],
) -> Chart:
    columns = tuple(_column(analysis, key, metric) for key, metric in keys)
    ordered = sorted(info.plan.drivers, key=lambda driver: driver != analysis.baseline)
    lines = tuple(
        ChartLine(
            driver,
            driver == analysis.baseline,
            tuple(_entry(analysis, digest, driver, column) for column in columns),
        )
        for driver in ordered
    )
    return Chart(path, columns, tuple(line for line in lines if any(map(_says, line.entries))))


def _says(entry: ChartEntry) -> bool:
    return bool(entry.bar or entry.median)


def _column(analysis: Analysis, key: CellKey, metric: str) -> MeasureColumn:
    alike = [c for c in primaries(analysis) if c.metric == metric]
    here = [c for c in alike if key_of(c) == key]
    low, high = domain(alike, analysis.margin)
    margin = 1 + analysis.margin
    medians = [cell.p75 for cell in _cells(analysis, key, metric) if cell.p75 is not None]
    return MeasureColumn(
        key=key,
        metric=metric,
        one=percent(1, low, high),
        margin=(percent(1 / margin, low, high), percent(margin, low, high)),
        floor=floor(here, low, high),
        marks=tuple((percent(mark, low, high), f"{mark:g}") for mark in ticks(low, high, 0.24)),
        top=max(medians, default=0.0),
    )


def _cells(analysis: Analysis, key: CellKey, metric: str) -> list[CellSummary]:
    return [
        cell
        for cell in analysis.cells
        if not cell.replica
        and cell.metric == metric
        and CellKey(cell.path, cell.probe, cell.placement) == key
    ]


def _entry(analysis: Analysis, digest: Digest, driver: str, column: MeasureColumn) -> ChartEntry:
    found = [c for c in primaries(analysis) if concerns(c, column.key, column.metric)]
    contrast = next((c for c in found if c.driver == driver), None)
    cells = _cells(analysis, column.key, column.metric)
    cell = next((cell for cell in cells if cell.driver == driver), None)
    median = cell.median if cell is not None else None
    unit = cell.unit if cell is not None else ""
    alike = [c for c in primaries(analysis) if c.metric == column.metric]
    ends = domain(alike, analysis.margin)
    return ChartEntry(
        bar=bar(contrast, *ends) if contrast else None,
        verdict=contrast.verdict.value if contrast else "",
        judgement=judgement(contrast, analysis.margin) if contrast else "",
        effect=_effect(contrast) if contrast else "",
        link=contrast_id(contrast) if contrast else "",
        median=units.quantity(median, unit) if median is not None else "",
        length=round(min(median / column.top, 1) * 100, 2) if median and column.top else 0.0,
        why="" if median is not None else _why(digest, driver, column.key),
    )


def _effect(contrast: Contrast) -> str:
    return f"{SIGNS[contrast.verdict]} {brief(contrast)}"


def _why(digest: Digest, driver: str, key: CellKey) -> str:
    view = digest.view(driver)
    if view is None:
        return "not run"
    if any(way.path == key.path and way.closed for way in view.ways):
        return "no path"
    problem = next((p for p in digest.problems if (p.driver, p.cell) == (driver, key)), None)
    if problem is None:
        return "not measured"
    return "not possible here" if problem.kind == "skip" else "failed"
