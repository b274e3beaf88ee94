"""The other measures, on which no verdict of the run rests: one row each, one column a driver."""

from dataclasses import dataclass
from typing import Final

from netbench import units
from netbench.analysis.cell_key import CellKey
from netbench.analysis.model import Analysis, CellSummary, Contrast
from netbench.analysis.multiplicity import leading
from netbench.record import METRICS, RunInfo
from netbench.report.labels import capital, key_of, metric_title, ratio_text
from netbench.report.sentences import primary_measures

BESIDE: Final = (
    *("rtt_p99", "buffer_delay", "loss", "pdr01", "pdr05", "cpu_per_byte", "cpu_per_transaction"),
    *("create_time", "remove_time"),
)
"""Metrics that stand in the table beside each probe's leading one; the rest is in the details."""


@dataclass(frozen=True, slots=True)
class MeasureEntry:
    """One driver's figure of one measure."""

    value: str  # the median
    contrast: Contrast | None  # None if there is no ratio

    @property
    def ratio(self) -> str:
        """Return ratio and interval, as far as there are such."""
        c = self.contrast
        if c is None or (c.low is None and c.high is None):
            return units.ratio(c.ratio) if c else ""
        return ratio_text(c)


@dataclass(frozen=True, slots=True)
class Measure:
    """One row."""

    key: CellKey
    title: str
    baseline: str  # the baseline's median
    entries: tuple[MeasureEntry | None, ...]
    """In the order of `others`; None if the driver has nothing there."""


def others(info: RunInfo, analysis: Analysis) -> tuple[str, ...]:
    """Return the drivers that stand beside the baseline and were measured somewhere."""
    seen = {cell.driver for cell in analysis.cells if cell.trials}
    return tuple(d for d in info.plan.drivers if d != analysis.baseline and d in seen)


def measures(info: RunInfo, analysis: Analysis) -> tuple[Measure, ...]:
    """Return a row for each measure that some driver has, in the order of the plan."""
    leads = leading(info.plan)
    judged = primary_measures(analysis)
    cells: dict[tuple[CellKey, str], dict[str, CellSummary]] = {}
    for cell in analysis.cells:
        place = (key_of(cell), cell.metric)
        wanted = cell.metric in BESIDE or leads.get(cell.probe) == cell.metric
        if wanted and not cell.replica and place not in judged:
            cells.setdefault(place, {})[cell.driver] = cell
    contrasts = {(key_of(c), c.metric, c.driver): c for c in analysis.contrasts}
    drivers = others(info, analysis)
    return tuple(
        Measure(
            key=key,
            title=capital(metric_title(metric)),
            baseline=_median(found.get(analysis.baseline)),
            entries=tuple(
                _entry(found.get(driver), contrasts.get((key, metric, driver)))
                for driver in drivers
            ),
        )
        for (key, metric), found in cells.items()
        if any(cell.trials for cell in found.values())
    )


def _median(cell: CellSummary | None) -> str:
    if cell is None or not cell.trials:
        return units.MISSING
    return shown(cell.metric, cell.median, cell.unit)


def _entry(cell: CellSummary | None, contrast: Contrast | None) -> MeasureEntry | None:
    if cell is None or not cell.trials:
        return None
    compared = contrast if contrast and contrast.ratio is not None else None
    return MeasureEntry(shown(cell.metric, cell.median, cell.unit), compared)


def shown(metric: str, value: float | None, unit: str) -> str:
    """Return a value for people: a ratio that is no contrast is a percentage."""
    known = METRICS.get(metric)
    if value is not None and unit == units.RATIO and known is not None and not known.compared:
        return f"{value * 100:.3g} %"
    return units.quantity(value, unit)
