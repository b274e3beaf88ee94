"""The other measures, on which no verdict of the run rests: one row each, one column a driver."""

from dataclasses import dataclass
from typing import Final

from netbench import units
from netbench.analysis.cell_key import CellKey
from netbench.analysis.model import Analysis, CellSummary, Contrast
from netbench.analysis.multiplicity import leading
from netbench.record import METRICS, RunInfo
from netbench.report.labels import SIGNS, capital, key_of, metric_title

BESIDE: Final = (
    *("rtt_p99", "buffer_delay", "loss", "pdr01", "pdr05", "cpu_per_byte", "cpu_per_transaction"),
    *("create_time", "remove_time"),
)
"""Metrics that stand in the table beside each probe's leading one; the rest is in the details."""


@dataclass(frozen=True, slots=True)
class MeasureEntry:
    """One driver's figure of one measure."""

    value: str
    """The median."""
    verdict: str
    """Empty where there is no contrast."""
    sign: str
    ratio: str
    """Ratio with its interval; empty where there is none."""


@dataclass(frozen=True, slots=True)
class Measure:
    """One row."""

    key: CellKey
    title: str
    baseline: str
    """The baseline's median."""
    entries: tuple[MeasureEntry | None, ...]
    """In the order of `others`; None where the driver has nothing there."""


def others(info: RunInfo, analysis: Analysis) -> tuple[str, ...]:
    """Return the drivers that stand beside the baseline and were measured somewhere."""
    seen = {cell.driver for cell in analysis.cells if cell.trials}
    return tuple(d for d in info.plan.drivers if d != analysis.baseline and d in seen)


def measures(info: RunInfo, analysis: Analysis) -> tuple[Measure, ...]:
    """Return a row for each measure that some driver has, in the order of the plan."""
    leads = leading(info.plan)
    judged = {(key_of(c), c.metric) for c in analysis.contrasts if c.primary}
    cells: dict[tuple[CellKey, str], dict[str, CellSummary]] = {}
    for cell in analysis.cells:
        key = CellKey(cell.path, cell.probe, cell.placement)
        if cell.replica or (key, cell.metric) in judged:
            continue
        if cell.metric in BESIDE or leads.get(cell.probe) == cell.metric:
            cells.setdefault((key, cell.metric), {})[cell.driver] = cell
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
    value = shown(cell.metric, cell.median, cell.unit)
    if contrast is None or contrast.ratio is None:
        return MeasureEntry(value, "", "", "")
    ratio = units.ratio(contrast.ratio)
    if contrast.low is not None or contrast.high is not None:
        ratio = f"{ratio} {units.interval(contrast.low, contrast.high)}"
    return MeasureEntry(value, contrast.verdict.value, SIGNS[contrast.verdict], ratio)


def shown(metric: str, value: float | None, unit: str) -> str:
    """Return a value for people: a ratio that is no contrast is a percentage."""
    known = METRICS.get(metric)
    if value is not None and unit == units.RATIO and known is not None and not known.compared:
        return f"{value * 100:.3g} %"
    return units.quantity(value, unit)
