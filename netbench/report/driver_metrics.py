"""The figures that a run is judged by, a row for each driver, as a terminal shows them."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from netbench.analysis.block_pairs import grouped
from netbench.analysis.cell_key import CellKey, plain
from netbench.analysis.digest_model import Digest
from netbench.analysis.model import Analysis, Verdict
from netbench.analysis.multiplicity import is_primary
from netbench.record import RunInfo
from netbench.report.answer import answer_of, what
from netbench.report.driver_costs import DriverCost, MeasureCost, driver_costs, median_of
from netbench.report.effects import effect
from netbench.report.labels import key_of
from netbench.report.sentences import absence, primary_measures
from netbench.report.stopping import needed

_BY_DESIGN: Final = "by design"


@dataclass(frozen=True, slots=True)
class MetricFigure:
    """One measure of one driver."""

    measure: str
    """`throughput on two cores`."""
    median: str
    """Or why there is none, in a word or two, where it is `missing`."""
    effect: str = ""
    """Against the baseline: `26 % less [16 to 34]`, `undecided`; empty without a contrast."""
    verdict: Verdict | None = None
    why: str = ""
    """Why it is undecided, or has no figure."""
    more: str = ""
    """What would decide it."""
    missing: bool = False


@dataclass(frozen=True, slots=True)
class MetricRow:
    """One driver on one path."""

    driver: str
    figures: tuple[MetricFigure, ...]
    said: str = ""
    """What takes the place of all figures, where there is none."""
    badges: tuple[str, ...] = ()
    """What limits its figures: its own caveats between containers, and those of single figures."""


@dataclass(frozen=True, slots=True)
class PathRows:
    """The drivers on one path, the baseline first."""

    path: str
    """`east-west`."""
    rows: tuple[MetricRow, ...]


def path_rows(info: RunInfo, analysis: Analysis, digest: Digest) -> tuple[PathRows, ...]:
    """Return the rows of each path that was measured."""
    made = _Rows(info, analysis, digest)
    paths = grouped((key.path, (key, metric)) for key, metric in _measures(info, analysis))
    drivers = driver_costs(info, analysis, digest)
    return tuple(
        PathRows(path, tuple(made.row(driver, measures) for driver in drivers))
        for path, measures in paths.items()
    )


def _measures(info: RunInfo, analysis: Analysis) -> tuple[tuple[CellKey, str], ...]:
    """Return cell and metric of what the run is judged by, compared or not."""
    found = (
        (key_of(cell), cell.metric)
        for cell in analysis.cells
        if cell.median is not None
        and is_primary(info.plan, cell.probe, cell.placement, cell.metric)
    )
    return tuple(dict.fromkeys((*primary_measures(analysis), *found)))


@dataclass(frozen=True, slots=True)
class _Rows:
    """Makes the rows of a run."""

    info: RunInfo
    analysis: Analysis
    digest: Digest

    def row(self, driver: DriverCost, measures: Sequence[tuple[CellKey, str]]) -> MetricRow:
        """Return a driver's row of the measures of one path."""
        name = driver.driver
        own = {(cost.key, cost.metric): cost for cost in driver.costs}
        costs = {measure: own[measure] for measure in measures if measure in own}
        figures = tuple(
            self._figure(name, key, metric, costs.get((key, metric))) for key, metric in measures
        )
        badges = (*driver.badges[measures[0][0].path], *_of_figures(costs.values()))
        return MetricRow(plain(name), figures, self._instead(driver, figures), badges)

    def _figure(
        self, driver: str, key: CellKey, metric: str, cost: MeasureCost | None
    ) -> MetricFigure:
        contrast, median = (cost.contrast, cost.median) if cost else (None, "")
        if cost is None:
            median = median_of(self.analysis, driver, key, metric)
        named = what(key, metric)
        baseline = self.analysis.baseline
        if contrast is None and median and driver != baseline:
            why = f"no figure of {plain(baseline)} to compare with"
            both = median_of(self.analysis, baseline, key, metric)
            return MetricFigure(named, median, why="no block has both" if both else why)
        if contrast is None:
            word, why = absence(self.digest, driver, key)
            absent = MetricFigure(named, word, why=plain(why), missing=True)
            return MetricFigure(named, median) if median else absent
        undecided = contrast.verdict is Verdict.UNDECIDED
        strong, rest = effect(self.analysis, contrast)
        return MetricFigure(
            measure=named,
            median=median,
            effect=strong if undecided else f"{strong} {rest}".strip(),
            verdict=contrast.verdict,
            why=rest if undecided else "",
            more=needed(self.info, self.analysis, contrast) if undecided else "",
        )

    def _instead(self, driver: DriverCost, figures: Sequence[MetricFigure]) -> str:
        """Return what is said of a driver that has the same reason for having no figure at all."""
        if driver.isolated:
            return answer_of(self.info, self.analysis, self.digest, driver.driver).said
        same = {(figure.median, figure.why) for figure in figures}
        if len(same) > 1 or not all(figure.missing for figure in figures):
            return ""
        word, why = same.pop()
        return why if _BY_DESIGN in why else ": ".join(filter(None, (word, why)))


def _of_figures(costs: Collection[MeasureCost]) -> Iterator[str]:
    """Yield what limits single figures, and which if a metric was measured in several ways."""
    for cost in costs:
        alone = sum(other.metric == cost.metric for other in costs) == 1
        where = "" if alone else f" ({what(cost.key, cost.metric)})"
        yield from (f"{badge}{where}" for badge in cost.badges)
