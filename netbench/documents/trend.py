"""The document of `trend`, and the scatter between runs that `compare` has of a history, too."""

from typing import Literal

from msgspec import Struct

from netbench.analysis.model import Verdict
from netbench.analysis.stats import RunScatter
from netbench.spec import Path, Placement


class ScatterRow(Struct, frozen=True):
    """How far runs lie apart in which nothing changed."""

    deviation: float
    """Standard deviation between runs of the logarithm of a figure, without the noise of blocks."""
    total: float
    """The same with that noise."""
    runs: int
    freedom: int
    """Degrees of freedom."""

    @classmethod
    def of(cls, found: RunScatter | None) -> "ScatterRow | None":
        """Return a scatter as documents have it."""
        if found is None:
            return None
        return cls(found.between**0.5, found.total**0.5, found.runs, found.freedom)


class TrendRunRow(Struct, frozen=True):
    """One run of a history, the oldest first."""

    number: int
    """From 1; what all else here names a run by."""
    folder: str
    created: str
    engine: str
    missing: str
    """Which records are missing that its plan and status call for; empty for none."""


class TrendPointRow(Struct, frozen=True):
    """One run's ratio."""

    run: int
    ratio: float
    low: float | None
    high: float | None
    verdict: Verdict
    blocks: int
    level: float
    """The ratio that the run lies around."""


class BreakRow(Struct, frozen=True):
    """Where a confounder changed."""

    run: int
    """The first one after it."""
    facts: list[str]


class StepRow(Struct, frozen=True):
    """A jump from one run to the next."""

    before: int
    """The last run before it."""
    run: int
    """The first one after it."""
    ratio: float
    low: float | None
    high: float | None
    verdict: Verdict


class DriftRow(Struct, frozen=True):
    """A change that is spread over many runs."""

    first: int
    last: int
    ratio: float
    """Last over first."""
    verdict: Verdict


class TrendSeriesRow(Struct, frozen=True):
    """One driver, cell and metric over time."""

    driver: str
    baseline: str
    path: Path
    probe: str
    placement: Placement
    metric: str
    unit: str
    primary: bool
    points: list[TrendPointRow]
    breaks: list[BreakRow]
    steps: list[StepRow]
    drifts: list[DriftRow]
    scatter: ScatterRow | None
    """null for too few runs."""
    left_out: int
    """Runs with less than half of the usual blocks."""


class LeftOutRow(Struct, frozen=True):
    """A folder that was left out."""

    folder: str
    reason: str
    damaged: bool
    """Whether something is wrong with it; a second folder of one run is left out, too."""


class TrendDocument(Struct, frozen=True):
    """What `trend --json` prints."""

    schema: Literal[1]
    page: str
    exit: int
    accepted: list[str]
    alpha: float
    """Chance of a false change in one series; all primary ones share 5 %."""
    margin: float
    answer: str
    runs: list[TrendRunRow]
    series: list[TrendSeriesRow]
    skipped: list[LeftOutRow]
