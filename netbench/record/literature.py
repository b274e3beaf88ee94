"""Comparisons that others published, as a suite sets them beside what it measures."""

from dataclasses import dataclass
from typing import Literal

Direction = Literal["more", "less", "same"]
"""Of the raw metric, driver against baseline: more throughput, or more latency, is `more`."""


@dataclass(frozen=True, slots=True)
class PublishedComparison:
    """One published comparison, and the cell that measures its counterpart."""

    source: str
    """Who and where, as text."""
    url: str
    driver: str
    baseline: str
    metric: str
    """A metric of ours, or the nearest to what was published."""
    direction: Direction
    ratio: float | None
    """driver / baseline of the raw metric; None where only a rank was published."""
    conditions: str
    """What it was measured on, and how that differs from one machine and two containers."""
    path: str = ""
    """With `probe` and `placement` the cell; all three empty where none is comparable."""
    probe: str = ""
    placement: str = ""
    incomparable: str = ""
    """Why it cannot be compared with anything that one machine measures; empty where it can."""
