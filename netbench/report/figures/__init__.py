"""The figures of the page, in the order they are shown."""

from dataclasses import dataclass

from netbench.report.figures.base import Figure, Scene
from netbench.report.figures.lines import curves, series
from netbench.report.figures.ratios import ratios
from netbench.report.figures.sentinel import sentinel
from netbench.report.figures.trials import trials

__all__ = ["Chapter", "Figure", "Scene", "chapters"]


@dataclass(frozen=True, slots=True)
class Chapter:
    """Figures that answer one question."""

    id: str
    title: str
    figures: tuple[Figure, ...]


def chapters(scene: Scene) -> tuple[Chapter, ...]:
    """Return every figure that the run has data for."""
    found = (
        Chapter("trials", "Every trial", trials(scene)),
        Chapter("ratios", "Ratio in each block", ratios(scene)),
        Chapter("tails", "Round-trip times, percentile by percentile", curves(scene)),
        Chapter("series", "Throughput over time", series(scene)),
        Chapter("machine", "The state of the machine", sentinel(scene)),
    )
    return tuple(chapter for chapter in found if chapter.figures)
