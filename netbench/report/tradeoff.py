"""Isolation beside cost: a row for each driver, with what it reaches and what it costs."""

from dataclasses import dataclass
from typing import Final

from netbench import units
from netbench.analysis.cell_key import CellKey, plain
from netbench.analysis.digest_model import Digest, DriverView, WayView
from netbench.analysis.model import Analysis, Contrast
from netbench.record import RunInfo
from netbench.report.answer import isolated, isolates
from netbench.report.ceiling import USED_UP
from netbench.report.labels import capital, concerns, contrast_id, interval, joined, key_of
from netbench.report.sentences import measure, primaries
from netbench.report.sharing import network_isolation
from netbench.report.stopping import stop_words
from netbench.report.verdict_text import signed
from netbench.spec import Path

WAYS: Final[dict[str, str]] = {
    Path.EAST_WEST: "container to container",
    Path.NORTH_SOUTH: "from the LAN",
    Path.HAIRPIN: "by hairpin",
}


@dataclass(frozen=True, slots=True)
class Cost:
    """One primary metric of a driver."""

    path: str
    measure: str
    verdict: str
    """Empty for the baseline and where there is no contrast."""
    headline: str
    figures: str
    medians: str
    link: str = ""
    """Id of the contrast's place in the detail; empty where there is none."""
    stopped: str = ""
    """Why it got no more blocks; empty where there is no contrast."""


@dataclass(frozen=True, slots=True)
class Trade:
    """One driver: what it isolates, what it reaches, and what it costs."""

    driver: str
    baseline: bool
    isolated: bool
    network: str
    isolates: str
    reach: tuple[str, ...]
    """What was reached on each path, and how; as measured."""
    costs: tuple[Cost, ...]
    view: DriverView | None


def trades(info: RunInfo, analysis: Analysis, digest: Digest) -> tuple[Trade, ...]:
    """Return a row for each driver, the baseline first."""
    ordered = sorted(info.plan.drivers, key=lambda driver: driver != analysis.baseline)
    return tuple(_trade(analysis, digest, driver) for driver in ordered)


def measures(analysis: Analysis) -> tuple[tuple[CellKey, str], ...]:
    """Return the columns: cell and primary metric."""
    found = primaries(analysis)
    keys = [(key_of(c), c.metric) for c in found]
    return tuple(dict.fromkeys(keys))


def measure_name(key: CellKey, metric: str) -> str:
    """Return a column's heading."""
    return capital(measure(key, metric))


def _trade(analysis: Analysis, digest: Digest, driver: str) -> Trade:
    view = digest.view(driver)
    return Trade(
        driver=driver,
        baseline=driver == analysis.baseline,
        isolated=isolated(driver),
        network=network_isolation(view),
        isolates=isolates(driver),
        reach=tuple(_reach(way) for way in view.ways) if view is not None else (),
        costs=tuple(
            _cost(analysis, digest, driver, key, metric) for key, metric in measures(analysis)
        ),
        view=view,
    )


def _cost(analysis: Analysis, digest: Digest, driver: str, key: CellKey, metric: str) -> Cost:
    here = [c for c in primaries(analysis) if concerns(c, key, metric)]
    name = measure_name(key, metric)
    if driver == analysis.baseline:
        first = here[0]
        median = units.quantity(first.baseline_median, first.unit)
        return Cost(key.path, name, "", median, "", "baseline")
    contrast = next((c for c in here if c.driver == driver), None)
    if contrast is None:
        return _no_cost(digest, driver, key, name)
    return Cost(
        path=key.path,
        measure=name,
        verdict=contrast.verdict.value,
        headline=signed(contrast, analysis.margin),
        figures=f"{units.ratio(contrast.ratio)} {interval(contrast.low, contrast.high)}",
        medians=f"{units.quantity(contrast.driver_median, contrast.unit)} against "
        f"{units.quantity(contrast.baseline_median, contrast.unit)}{_used_up(contrast)}",
        link=contrast_id(contrast),
        stopped=stop_words(contrast),
    )


def _used_up(contrast: Contrast) -> str:
    return f"; {USED_UP[contrast.saturated]}" if contrast.saturated else ""


def _no_cost(digest: Digest, driver: str, key: CellKey, name: str) -> Cost:
    """Return why a driver has no figure in a column."""
    view = digest.view(driver)
    closed = [w.closed for w in view.ways if w.path == key.path and w.closed] if view else []
    if closed:
        return Cost(key.path, name, "", "closed by design", "", closed[0].reason)
    problem = next((p for p in digest.problems if (p.driver, p.cell) == (driver, key)), None)
    if problem is None:
        return Cost(key.path, name, "", units.MISSING, "", "no block has a value to compare")
    what = "not possible here" if problem.kind == "skip" else "failed"
    return Cost(key.path, name, "", what, "", problem.reason)


def _reach(way: WayView) -> str:
    """Return what was measured of one path: reached and proved, or closed."""
    where = capital(WAYS.get(way.path, way.path))
    if way.closed is not None:
        return f"{where}: no path, by design"
    tried = way.held + way.unheld
    if not tried:
        return f"{where}: not measured"
    served = joined([plain(via) for via, _ in way.published])
    by = f", by a published port ({served})" if served else ""
    return f"{where}{by}: {way.held} of {tried} paths proved"
