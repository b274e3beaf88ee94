"""What each driver isolates and reaches, beside what it costs: one row a driver."""

from dataclasses import dataclass, replace
from typing import Final

from netbench import units
from netbench.analysis.cell_key import CellKey
from netbench.analysis.digest_model import Digest, DriverView, WayView
from netbench.analysis.model import Analysis, Contrast, Verdict
from netbench.record import RunInfo
from netbench.report.answer import isolated, isolates, served_by, way_title
from netbench.report.caveats import Badges
from netbench.report.effects import effect
from netbench.report.labels import capital, concerns, judgement, key_of
from netbench.report.sentences import absence, measure, primaries, primary_measures
from netbench.report.sharing import network_isolation
from netbench.spec import Path

NO_PATH: Final = "no path, by design"


@dataclass(frozen=True, slots=True)
class MeasureCost:
    """One primary metric of a driver in one cell."""

    key: CellKey
    metric: str
    measure: str
    median: str
    """Over the sessions of the driver, of the baseline its first arm; empty without a value."""
    contrast: Contrast | None
    """None for the baseline, and where there is nothing to compare."""
    headline: str
    note: str
    """Why there is no contrast; empty where there is one."""
    badges: tuple[str, ...] = ()
    """What limits this figure beyond the driver's own caveats."""


@dataclass(frozen=True, slots=True)
class DriverCost:
    """One driver: what it isolates, what it reaches, and what it costs."""

    driver: str
    isolated: bool
    network: str
    isolates: str
    badges: dict[str, tuple[str, ...]]
    """What limits all its figures, by path."""
    reach: tuple[str, ...]
    """What was reached on each path, and how; as measured."""
    costs: tuple[MeasureCost, ...]
    view: DriverView | None

    def cost(self, key: CellKey, metric: str) -> MeasureCost | None:
        """Return one of its costs; None where the run has no such measure."""
        return next((one for one in self.costs if (one.key, one.metric) == (key, metric)), None)


def driver_costs(info: RunInfo, analysis: Analysis, digest: Digest) -> tuple[DriverCost, ...]:
    """Return a row for each driver, the baseline first."""
    ordered = sorted(info.plan.drivers, key=lambda driver: driver != analysis.baseline)
    badges = Badges(info, analysis, digest)
    return tuple(_driver_cost(analysis, digest, badges, driver) for driver in ordered)


def _driver_cost(analysis: Analysis, digest: Digest, badges: Badges, driver: str) -> DriverCost:
    view = digest.view(driver)
    costs = (
        _measure_cost(analysis, digest, driver, key, metric)
        for key, metric in primary_measures(analysis)
    )
    return DriverCost(
        driver=driver,
        isolated=isolated(driver),
        network=network_isolation(view),
        isolates=isolates(driver),
        badges={path.value: badges.of_driver(driver, path) for path in Path},
        reach=tuple(_reach(way) for way in view.ways) if view is not None else (),
        costs=tuple(
            replace(cost, badges=badges.of_figure(driver, cost.key, cost.metric)) for cost in costs
        ),
        view=view,
    )


def median_of(analysis: Analysis, driver: str, key: CellKey, metric: str) -> str:
    """Return a driver's median, of the baseline its first arm's; empty without a value."""
    own = (driver, 0, key, metric)
    found = (c for c in analysis.cells if (c.driver, c.replica, key_of(c), c.metric) == own)
    cell = next((cell for cell in found if cell.median is not None), None)
    return units.quantity(cell.median, cell.unit) if cell else ""


def _measure_cost(
    analysis: Analysis, digest: Digest, driver: str, key: CellKey, metric: str
) -> MeasureCost:
    median = median_of(analysis, driver, key, metric)
    here = (c for c in primaries(analysis, driver) if concerns(c, key, metric))
    contrast = next(here, None)
    if contrast is not None:
        headline, note = judgement(contrast, analysis.margin), ""
    elif driver == analysis.baseline:
        headline, note = median or "not measured", "baseline"
    else:
        headline, note = absence(digest, driver, key)
    named = capital(measure(key, metric))
    return MeasureCost(key, metric, named, median, contrast, headline, note)


def _reach(way: WayView) -> str:
    """Return what was measured of one path: reached and proved, or closed."""
    where = way_title(way.path)
    if way.closed is not None:
        return f"{where}: no path, by design"
    tried = way.held + way.unheld
    if not tried:
        return f"{where}: not measured"
    served = served_by(way)
    by = f", by a published port ({served})" if served else ""
    return f"{where}{by}: {way.held} of {tried} paths proved"


@dataclass(frozen=True, slots=True)
class CostWords:
    """One cost in a cell of a table; empty texts where there is nothing to say."""

    median: str
    strong: str
    """What one reads at a glance: `26 % less`, `undecided`, `no path, by design`."""
    rest: str
    """`[16 to 34]`, `within 5 %`, or why there is no verdict."""
    badges: tuple[str, ...]
    verdict: Verdict | None = None


def cost_words(analysis: Analysis, own: DriverCost, cost: MeasureCost) -> CostWords:
    """Return what a table says of one cost of a driver."""
    contrast = cost.contrast
    if contrast is not None:
        strong, rest = effect(analysis, contrast)
        return CostWords(cost.median, strong, rest, cost.badges, contrast.verdict)
    ways = own.view.ways if own.view is not None else ()
    if own.isolated or any(way.closed for way in ways if way.path == cost.key.path):
        return CostWords("", NO_PATH, "", ())
    if cost.median:
        return CostWords(cost.median, "", "", cost.badges)
    return CostWords("", cost.headline, cost.note, cost.badges)
