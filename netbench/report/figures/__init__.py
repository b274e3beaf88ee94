"""The figures of the page, in the order they are shown."""

from dataclasses import dataclass

from netbench.report.figures.base import Figure as Figure
from netbench.report.figures.base import FigureData as FigureData
from netbench.report.figures.cpu_split import cpu_split
from netbench.report.figures.latency import curves
from netbench.report.figures.loads import lifecycle, rate_search
from netbench.report.figures.slopes import growth
from netbench.report.figures.timeline import sentinel, series
from netbench.report.figures.trials import trials


@dataclass(frozen=True, slots=True)
class Chapter:
    """Figures that answer one question."""

    id: str
    title: str
    figures: tuple[Figure, ...]


def chapters(source: FigureData) -> tuple[Chapter, ...]:
    """Return every figure that the run has data for."""
    found = (
        Chapter("trials", "Every block, slice by slice", trials(source)),
        Chapter("tails", "Round-trip times, percentile by percentile", curves(source)),
        Chapter("series", "Throughput over time", series(source)),
        Chapter("loads", "UDP: what is lost at which load", rate_search(source)),
        Chapter("cpu-split", "Where the CPU time went", cpu_split(source)),
        Chapter("lifecycle", "Creating and removing", (*lifecycle(source), *growth(source))),
        Chapter("machine", "The course of the machine", sentinel(source)),
    )
    return tuple(chapter for chapter in found if chapter.figures)
