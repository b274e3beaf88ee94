"""The many small values of a run: each trial's figures, readings of the sentinel, block ratios."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any, TypeVar

import numpy as np

from netbench.analysis.columns import Column, Group, Rows, groups, words
from netbench.spec import Placement

T = TypeVar("T", bound="TrialPoint | SentinelPoint | BlockDelta")


@dataclass(frozen=True, slots=True)
class BlockDelta:
    """One block's contribution to a contrast."""

    block: int
    log_ratio: float
    """ln(driver) less the mean of both baseline arms' ln."""


@dataclass(frozen=True, slots=True)
class TrialPoint:
    """One trial's value of one metric, for figures and the record table."""

    record: int
    """Running number of the record."""
    block: int
    position: int
    driver: str
    replica: int
    path: str
    probe: str
    placement: Placement
    metric: str
    unit: str
    value: float


@dataclass(frozen=True, slots=True)
class SentinelPoint:
    """One sentinel reading on the run's time axis."""

    record: int
    """Running number of the record; of the first, where the sessions of a probe share a reading."""
    driver: str
    """That record's."""
    placement: Placement
    at: float
    """Seconds since the run's first reading."""
    value: float
    """Stream: bit/s; ping-pong: round trips per second."""
    when: str
    """`before` or `after` the probe's rounds or trials."""


def in_columns(points: Sequence[T], kind: type[T]) -> Rows[T]:
    """Return points as columns, whatever they are kept as."""
    if isinstance(points, Rows):
        return points
    return Rows(kind, {f.name: _column([getattr(p, f.name) for p in points]) for f in fields(kind)})


def _column(values: list[Any]) -> Column:
    if values and isinstance(values[0], str):
        return words(values)
    if values and isinstance(values[0], int):
        return np.array(values, np.int64)
    return np.array(values, np.float64)


def by_place(points: Rows[TrialPoint]) -> list[Group]:
    """Return the rows of each path, probe, placement and metric, in the order of the points."""
    if not len(points):
        return []
    found = groups(*(points.words(name) for name in ("path", "probe", "placement", "metric")))
    return sorted(found, key=lambda group: group[1][0])
