"""What is said of many runs over time: series of ratios, with their breaks, steps and drifts."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from netbench.analysis.block_pairs import Key
from netbench.analysis.compare.differences import Conditions
from netbench.analysis.compare.model import Basis
from netbench.analysis.model import Verdict
from netbench.analysis.stats import RunScatter
from netbench.record import RunInfo
from netbench.spec import Placement


class SeriesKey(NamedTuple):
    """What a series is of: a driver's ratio to a baseline, or its own figure, in one cell."""

    driver: str
    baseline: str  # empty for a figure of its own
    key: Key
    basis: Basis

    @property
    def drivers(self) -> tuple[str, ...]:
        """The drivers whose trials it is made of."""
        return (self.driver, self.baseline) if self.baseline else (self.driver,)


@dataclass(frozen=True, slots=True)
class RunFigure:
    """What one run gives to a series."""

    level: float  # mean of ln(figure) over its blocks
    variance: float  # of that mean, by the blocks
    blocks: int
    reading: float | None = None  # the sentinel's median on this placement's CPUs
    low: float | None = None  # the run's own interval of the ratio, as its report has it
    high: float | None = None
    verdict: Verdict = Verdict.UNDECIDED


@dataclass(frozen=True, slots=True)
class HistoryRun:
    """One run folder, as far as it is a part of a history."""

    folder: str
    info: RunInfo
    conditions: Conditions
    figures: Mapping[SeriesKey, RunFigure]
    primary: frozenset[SeriesKey]  # those that the run is judged by
    missing: str = ""  # which records are, that its plan and status call for


@dataclass(frozen=True, slots=True)
class TrendPoint:
    """One run's ratio."""

    run: int  # its place in `Trend.runs`
    ratio: float
    low: float | None
    high: float | None
    verdict: Verdict
    blocks: int
    expected: float  # the ratio of the piece that it is a part of


@dataclass(frozen=True, slots=True)
class ConditionBreak:
    """Where a confounder changed: runs on both sides are not held against each other."""

    run: int  # the first one after it
    facts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class LevelStep:
    """A jump from one run to the next, with nothing recorded that differs."""

    before: int  # the last run before it
    run: int  # the first one after it
    ratio: float  # after over before
    low: float | None  # 95 %, of this step alone; None where the scatter is not known
    high: float | None
    verdict: Verdict  # `slower` is a regression


@dataclass(frozen=True, slots=True)
class SlowDrift:
    """A change that is spread over many runs."""

    first: int
    last: int
    ratio: float  # last over first
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class TrendSeries:
    """One driver, cell and metric over time."""

    driver: str
    baseline: str
    path: str
    probe: str
    placement: Placement
    metric: str
    unit: str
    primary: bool
    points: tuple[TrendPoint, ...]
    breaks: tuple[ConditionBreak, ...]
    steps: tuple[LevelStep, ...]
    drifts: tuple[SlowDrift, ...]
    scatter: RunScatter | None  # None for too few runs
    left_out: int  # runs with too few blocks here

    @property
    def changed(self) -> bool:
        """Whether a step or a drift was found."""
        return bool(self.steps or self.drifts)


@dataclass(frozen=True, slots=True)
class SkippedFolder:
    """A folder that is no part of the history, and why."""

    folder: str
    reason: str
    damaged: bool  # whether something is wrong with it; a copy of another run is only told


@dataclass(frozen=True, slots=True)
class Trend:
    """All series of a history."""

    runs: tuple[HistoryRun, ...]  # the oldest first
    series: tuple[TrendSeries, ...]  # those that changed first
    skipped: tuple[SkippedFolder, ...]
    accept: tuple[str, ...]
    alpha: float  # chance of a false change in one series; all primary ones share 5 %
    shared: int  # how many share it
    margin: float


def between(scatter: RunScatter) -> float:
    """Return the deviation between runs as a ratio, 0.012 for 1.2 %."""
    return math.expm1(math.sqrt(scatter.between))
