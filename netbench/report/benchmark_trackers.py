"""A run for services that track benchmarks: Bencher, and GitHub's Action for benchmarks.

docs/exports.md quotes what each says of its format. The ratio to a baseline that was measured
beside it is what runs have in common on machines that change; absolute figures are for machines
that do not.
"""

import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal

from netbench import units
from netbench.analysis.cell_key import plain
from netbench.analysis.model import Analysis, CellSummary, Contrast
from netbench.record import METRICS, RunInfo
from netbench.report.labels import counted

TRACKED: Final = ("contrasts", "cells")
"""What may be tracked: ratios to the baseline with their intervals, or medians with quartiles."""
BETTER: Final[dict[str, Literal["higher", "lower"]]] = {
    "customBiggerIsBetter": "higher",
    "customSmallerIsBetter": "lower",
}
"""The two forms of the Action's custom benchmarks, as its option `tool` names them."""
_NAME: Final = 800  # characters of a driver's name; Bencher takes 1024 for all of a benchmark's
_UNITS: Final = {
    units.BITS_PER_SECOND: "-bits-per-second",
    units.SECONDS: "-seconds",
    units.PER_SECOND: "-per-second",
    units.RATIO: "-share",
    units.COUNT: "",
}
"""What a unit adds to a metric's name: a measure of Bencher's has one unit."""
BencherMetric = dict[str, float]
BencherDocument = dict[str, dict[str, BencherMetric]]
CustomBenchmark = dict[str, str | float]


@dataclass(frozen=True, slots=True)
class TrackedValue:
    """One figure of one driver in one cell, with what it lies between."""

    benchmark: str  # `bridge tcp-rr same east-west`
    metric: str
    unit: str  # `ratio` for a ratio to the baseline, else the metric's
    relative: bool
    value: float
    low: float | None
    high: float | None
    note: str  # what the value is, and what it lies between

    @property
    def measure(self) -> str:
        """The name of what is measured: `rtt-p50-ratio`, `rtt-p50-seconds`."""
        suffix = "-ratio" if self.relative else _UNITS.get(self.unit, "")
        return f"{self.metric.replace('_', '-')}{suffix}"


def bencher(info: RunInfo, analysis: Analysis, table: str) -> BencherDocument:
    """Return a document in Bencher Metric Format: benchmarks, each with its measures."""
    found: BencherDocument = {}
    for one in tracked(info, analysis, table):
        ends = {"lower_value": one.low, "upper_value": one.high}
        known = {name: end for name, end in ends.items() if end is not None}
        found.setdefault(one.benchmark, {})[one.measure] = {"value": one.value, **known}
    return found


def custom(info: RunInfo, analysis: Analysis, table: str, form: str) -> list[CustomBenchmark]:
    """Return what one of the forms in `BETTER` holds: the figures of which more, or less, is good.

    Metrics that are 0 at ordinary times are left out, for the Action divides by the last value.
    """
    return [
        {
            "name": f"{one.benchmark} {one.measure}",
            "unit": one.unit,
            "value": one.value,
            **(
                {} if one.low is None or one.high is None else {"range": f"{one.low} to {one.high}"}
            ),
            "extra": one.note,
        }
        for one in tracked(info, analysis, table)
        if METRICS[one.metric].better == BETTER[form] and METRICS[one.metric].compared
    ]


def tracked(info: RunInfo, analysis: Analysis, table: str) -> Iterator[TrackedValue]:
    """Yield the figures of one of the tables in `TRACKED`; what was not measured is left out."""
    run = f"run {plain(info.id)}, {plain(info.engine)}"
    if table == "contrasts":
        for contrast in analysis.contrasts:
            if contrast.ratio is not None:
                yield _ratio(contrast, contrast.ratio, run)
    else:
        for cell in analysis.cells:
            if cell.median is not None and not cell.replica:
                yield _median(cell, cell.median, run)


def _ratio(contrast: Contrast, ratio: float, run: str) -> TrackedValue:
    ends = "and its interval" if contrast.low is not None else "without an interval"
    blocks = counted(contrast.blocks, "block")
    return TrackedValue(
        benchmark=_benchmark(contrast),
        metric=contrast.metric,
        unit=units.RATIO,
        relative=True,
        value=ratio,
        low=contrast.low,
        high=contrast.high,
        note=f"ratio to {plain(contrast.baseline)} {ends}, {blocks}, {contrast.verdict}; {run}",
    )


def _median(cell: CellSummary, median: float, run: str) -> TrackedValue:
    return TrackedValue(
        benchmark=_benchmark(cell),
        metric=cell.metric,
        unit=cell.unit,
        relative=False,
        value=median,
        low=cell.p25,
        high=cell.p75,
        note=f"median and quartiles of {counted(cell.trials, 'value')}; {run}",
    )


def _benchmark(thing: Contrast | CellSummary) -> str:
    """Return a cell's name, another one for another cell."""
    driver = plain(thing.driver)
    if len(driver) > _NAME:
        driver = f"{driver[:_NAME]}-{zlib.crc32(thing.driver.encode('utf-8', 'replace')):08x}"
    return f"{driver} {plain(thing.probe)} {thing.placement} {thing.path}"
