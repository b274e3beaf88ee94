"""What each driver isolates, beside what it costs: one row a driver."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal

from netbench.analysis.cell_key import CellKey, plain
from netbench.analysis.digest_model import Digest, DriverView
from netbench.analysis.model import Analysis, Contrast, Verdict
from netbench.analysis.multiplicity import is_primary
from netbench.record import METRICS, RunInfo
from netbench.report.answer import isolated, served_by, what
from netbench.report.conditions import Badges
from netbench.report.effects import effect
from netbench.report.labels import baseline_first, cell_of, concerns, key_of
from netbench.report.matrix import apart, described, shown
from netbench.report.sentences import absence, declared_driver, primary_measures
from netbench.report.sharing import network_isolation
from netbench.report.stopping import needed
from netbench.spec import Path

NO_PATH: Final = "no path, by design"
MOST_DESCRIBED: Final = 24  # figures that only describe, beside the answer
_PLUG_IN: Final = "as it does: see its promises and its path below"


@dataclass(frozen=True, slots=True)
class MeasureCost:
    """One metric of a driver in one cell; empty texts where there is nothing to say."""

    key: CellKey
    metric: str
    median: str  # over the sessions of the driver, of the baseline its first arm
    contrast: Contrast | None  # None for the baseline, and where there is nothing to compare
    strong: str
    """What one reads at a glance: `26 % less`, `undecided`, or `failed` where nothing is known."""
    rest: str  # `[16 to 34]`, `within 5 %`, or why there is no verdict or no median
    more: str  # what would decide it
    badges: tuple[str, ...]  # what limits this figure beyond the driver's own caveats
    of: Literal["closed path", "baseline", "driver"]

    @property
    def name(self) -> str:
        """`throughput on two cores`."""
        return what(self.key, self.metric)

    @property
    def verdict(self) -> Verdict | None:
        """Of the contrast, if there is one."""
        return self.contrast.verdict if self.contrast else None

    @property
    def beside_baseline(self) -> bool:
        """Whether the baseline's figure belongs beside it."""
        uncompared = self.of == "driver" and bool(self.median) and not self.rest
        return self.contrast is not None or uncompared

    @property
    def missing(self) -> bool:
        """Whether there is no figure at all."""
        return self.contrast is None and not self.median

    @property
    def in_table(self) -> "MeasureCost":
        """As a table has it, which explains no closed path, and no median without a contrast."""
        if self.contrast is not None:
            return self
        if self.of == "closed path":
            return replace(self, median="", strong=NO_PATH, rest="", badges=())
        if self.of == "baseline" and self.missing:
            return replace(self, strong="not measured", rest="baseline")
        return replace(self, rest="") if self.median else self


@dataclass(frozen=True, slots=True)
class DriverCost:
    """One driver: what it isolates, and what it costs."""

    driver: str
    isolated: bool
    network: str
    isolates: str
    badges: dict[str, tuple[str, ...]]  # what limits all its figures, by path
    costs: dict[tuple[CellKey, str], MeasureCost]
    """By cell and metric."""
    view: DriverView | None

    def served(self, path: str) -> list[str]:
        """Return `published port, nat` if it was reached on this path by a published port."""
        ways = self.view.ways if self.view is not None else ()
        return [f"published port, {served_by(w)}" for w in ways if w.path == path and w.published]


def driver_costs(info: RunInfo, analysis: Analysis, digest: Digest) -> tuple[DriverCost, ...]:
    """Return a row for each driver, the baseline first, with all that the run is judged by."""
    measured = (
        (key_of(cell), cell.metric)
        for cell in analysis.cells
        if cell.median is not None
        and is_primary(info.plan, cell.probe, cell.placement, cell.metric)
    )
    measures = list(dict.fromkeys((*primary_measures(analysis), *measured)))
    return _rows(info, analysis, digest, measures)


@dataclass(frozen=True, slots=True)
class DescribedCosts:
    """What only describes: of all measures, or of those in which drivers differ."""

    drivers: tuple[DriverCost, ...]
    """A row for each, the baseline first; none without a measure, nor where they are too many."""
    left: int  # measures that have no place in the rows

    @property
    def measures(self) -> tuple[tuple[CellKey, str], ...]:
        """The cell and metric of each figure in a row."""
        return tuple(self.drivers[0].costs) if self.drivers else ()


def described_costs(
    info: RunInfo, analysis: Analysis, digest: Digest, *, differing: bool
) -> DescribedCosts:
    """Return what only describes; with `differing` where a driver differs from the baseline."""
    found = described(info, analysis)
    measures = apart(analysis, found) if differing else found
    figures = len(measures) * max(1, len(info.plan.drivers) - 1)
    kept = measures if figures <= MOST_DESCRIBED else ()
    return DescribedCosts(
        drivers=_rows(info, analysis, digest, kept) if kept else (),
        left=len(found) - len(kept),
    )


def _rows(
    info: RunInfo, analysis: Analysis, digest: Digest, measures: Sequence[tuple[CellKey, str]]
) -> tuple[DriverCost, ...]:
    made = _Costs(info, analysis, digest, Badges(info, analysis, digest))
    return tuple(made.row(driver, measures) for driver in baseline_first(info))


@dataclass(frozen=True, slots=True)
class _Costs:
    info: RunInfo
    analysis: Analysis
    digest: Digest
    badges: Badges

    def row(self, driver: str, measures: Sequence[tuple[CellKey, str]]) -> DriverCost:
        """Return a driver's row."""
        view, known = self.digest.view(driver), declared_driver(driver)
        return DriverCost(
            driver=driver,
            isolated=isolated(driver),
            network=network_isolation(view),
            isolates=known.isolates if known else _PLUG_IN,
            badges={path.value: self.badges.of_driver(driver, path) for path in Path},
            costs={measure: self._cost(driver, view, *measure) for measure in measures},
            view=view,
        )

    def _cost(self, driver: str, view: DriverView | None, key: CellKey, metric: str) -> MeasureCost:
        baseline = self.analysis.baseline
        own = (c for c in self.analysis.contrasts if c.driver == driver)
        contrast = next((c for c in own if concerns(c, key, metric)), None)
        median = self._median(driver, key, metric)
        strong = rest = more = ""
        if contrast is not None:
            strong, rest = effect(self.analysis, contrast)
            undecided = contrast.primary and contrast.verdict is Verdict.UNDECIDED
            more = needed(self.info, self.analysis, contrast) if undecided else ""
        elif not median:
            strong, rest = absence(self.digest, driver, key)
        elif driver != baseline and METRICS[metric].compared:
            both = self._median(baseline, key, metric)
            alone = f"no figure of {plain(baseline)} to compare with"
            rest = "no block has both" if both else alone
        judged = (key, metric) in primary_measures(self.analysis)
        badges = self.badges.of_figure(driver, key, metric) if judged else ()
        ways = view.ways if view is not None else ()
        closed = isolated(driver) or any(way.closed for way in ways if way.path == key.path)
        other: Literal["baseline", "driver"] = "driver" if driver != baseline else "baseline"
        of = "closed path" if closed else other
        return MeasureCost(key, metric, median, contrast, strong, plain(rest), more, badges, of)

    def _median(self, driver: str, key: CellKey, metric: str) -> str:
        cell = cell_of(self.analysis, driver, key, metric)
        known = cell is not None and cell.median is not None
        return shown(metric, cell.median, cell.unit) if cell and known else ""
