"""What each driver costs and isolates: the first screen's sentences, and isolation beside cost."""

from dataclasses import dataclass
from typing import Final

from netbench import units
from netbench.analysis.cell_key import PLACEMENTS, CellKey, plain
from netbench.analysis.cpu_sums import PER
from netbench.analysis.digest_model import Digest, DriverView, WayView
from netbench.analysis.model import Analysis, Contrast, Verdict
from netbench.probes import TcpThroughput
from netbench.record import RunInfo
from netbench.report.labels import (
    DECIDED,
    SIGNS,
    bounded,
    capital,
    concerns,
    counted,
    joined,
    judgement,
    key_of,
    metric_title,
    signed,
)
from netbench.report.sentences import (
    PLAIN,
    SUBJECTS,
    absence,
    attempts,
    declared_driver,
    measure,
    primaries,
    primary_measures,
    trouble,
)
from netbench.report.sharing import network_isolation
from netbench.spec import Path

_WHOLE_FROM: Final = 10  # percent from which on no decimal is shown
_TIMES: Final = ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs"), (1e-9, "ns"))
MINUS: Final = "\N{MINUS SIGN}"
_SUBJECTS: Final = SUBJECTS | {"rtt_p50": "round trip"}
"""Metrics in few words; a round trip is the median one, as the page says below."""
_WAYS: Final[dict[str, str]] = {
    Path.EAST_WEST: "between containers",
    Path.NORTH_SOUTH: "from the LAN",
    Path.HAIRPIN: "by hairpin",
}


@dataclass(frozen=True, slots=True)
class Clause:
    """One thing that is said of a driver."""

    verdict: str  # style class; empty for what is no verdict
    strong: str
    """What one reads at a glance: `▼ 57 to 74 % slower`."""
    rest: str  # measure and place: `throughput on two cores`


@dataclass(frozen=True, slots=True)
class Sentence:
    """Clauses that belong together: those of one path."""

    opening: str
    """`From the LAN, by its published port (nat): `; empty for container to container."""
    clauses: tuple[Clause, ...]


@dataclass(frozen=True, slots=True)
class DriverAnswer:
    """What is said of one driver."""

    driver: str
    sentences: tuple[Sentence, ...]
    isolates: str


def answers(info: RunInfo, analysis: Analysis, digest: Digest) -> tuple[DriverAnswer, ...]:
    """Return an answer for each driver, the baseline first."""
    ordered = sorted(info.plan.drivers, key=lambda driver: driver != analysis.baseline)
    return tuple(
        DriverAnswer(
            driver=driver,
            sentences=_sentences(analysis, digest.view(driver), driver),
            isolates=isolates(driver),
        )
        for driver in ordered
    )


def isolates(driver: str) -> str:
    """Return what a driver isolates, by its name without the variant."""
    known = declared_driver(driver)
    return known.isolates if known else "as it does: see its promises and its path below"


def isolated(driver: str) -> bool:
    """Return whether a driver promises that no traffic at all is possible."""
    known = declared_driver(driver)
    return known is not None and known.isolated


def _sentences(analysis: Analysis, view: DriverView | None, driver: str) -> tuple[Sentence, ...]:
    if isolated(driver):
        return (Sentence("", (Clause("", "Isolated by design", _tried(view)),)),)
    if driver == analysis.baseline:
        return (Sentence("", _baseline(analysis)),)
    found = [
        Sentence(_opening(view, path), clauses)
        for path in dict.fromkeys(c.path for c in primaries(analysis, driver))
        if (clauses := _clauses(analysis, driver, path))
    ]
    closed = [way.path for way in view.ways if way.closed is not None] if view else []
    if closed:
        ways = joined([_WAYS.get(path, path) for path in closed])
        proof = _tried(view)
        said = f"{ways}, by design: {proof}" if proof else f"{ways}, by design"
        found.append(Sentence("", (Clause("", "No path", said),)))
    if not found:
        return (Sentence("", (Clause("", "No contrast", f"{trouble(view)}"),)),)
    return tuple(found)


def _tried(view: DriverView | None) -> str:
    """Return how the isolation was tried, where nothing at all could pass."""
    tries = len(attempts(view)) if view is not None else 0
    if not tries:
        return ""
    return f"{counted(tries, 'connection attempt')} failed, as intended"


def _opening(view: DriverView | None, path: str) -> str:
    if path == Path.EAST_WEST:
        return ""
    way = next((way for way in view.ways if way.path == path), None) if view else None
    served = _served(way) if way else ""
    by = f", by its published port ({served})" if served else ""
    return f"{capital(_WAYS.get(path, path))}{by}:"


def _served(way: WayView) -> str:
    return joined([plain(via) for via, _ in way.published])


def _baseline(analysis: Analysis) -> tuple[Clause, ...]:
    """Return the baseline's own medians, as the chart beside has them."""
    own = {
        (key_of(cell), cell.metric): units.quantity(cell.median, cell.unit)
        for cell in analysis.cells
        if cell.driver == analysis.baseline and not cell.replica and cell.median is not None
    }
    return tuple(
        Clause("", own[key, metric], _what(key, metric))
        for key, metric in primary_measures(analysis)
        if key.path == Path.EAST_WEST and (key, metric) in own
    ) or (Clause("", "The baseline", "nothing was compared with it"),)


def _what(key: CellKey, metric: str) -> str:
    """Return what is measured, in few words; the sentence's opening has named the path."""
    probe = "" if key.probe in PLAIN else f" of {plain(key.probe)}"
    return f"{_SUBJECTS.get(metric, metric_title(metric))}{probe} {PLACEMENTS[key.placement]}"


def _clauses(analysis: Analysis, driver: str, path: str) -> tuple[Clause, ...]:
    found = [c for c in primaries(analysis, driver) if c.path == path]
    decided = [_judged(c, analysis.margin) for c in found if c.verdict is not Verdict.UNDECIDED]
    open_ = [_judged(c, analysis.margin) for c in found if c.verdict is Verdict.UNDECIDED]
    cost = [_cost(c) for c in _costs(analysis, driver, path)]
    return (*decided, *cost, *open_)


def _judged(contrast: Contrast, margin: float) -> Clause:
    """Return `▼ 57 to 74 % slower`, `throughput on two cores`.

    Seconds are given as a difference too: `round trip on one core, +4.3 µs [3.7 to 5.1]`.
    """
    where = _what(key_of(contrast), contrast.metric)
    sized = contrast.verdict in DECIDED and contrast.unit == units.SECONDS
    if sized and contrast.difference is not None:
        where = f"{where}, {_seconds(contrast, contrast.difference)}"
    if contrast.verdict is Verdict.UNDECIDED:
        sign = SIGNS[contrast.verdict]
        reason = judgement(contrast, margin).partition(": ")[2]
        return Clause(contrast.verdict, f"{sign} undecided", f"{where}: {reason}")
    return Clause(contrast.verdict, signed(contrast, margin), where)


def _seconds(contrast: Contrast, size: float) -> str:
    """Return `+4.3 µs [3.7 to 5.1]`; the ends have signs where not both are above 0."""
    scale, name = next(((s, n) for s, n in _TIMES if abs(size) >= s), _TIMES[-1])
    low, high = contrast.difference_low, contrast.difference_high
    text = f"{_signed(size / scale)} {name}"
    if low is None or high is None:
        return text
    ends = [_signed(end / scale) for end in (low, high)]
    first, last = (end.removeprefix("+") for end in ends) if low > 0 else ends
    return f"{text} [{first} to {last}]"


def _signed(value: float) -> str:
    text = units.significant(value, 2) if abs(value) < _WHOLE_FROM else f"{value:.0f}"
    return f"+{text}" if value > 0 else text.replace("-", MINUS)


def _costs(analysis: Analysis, driver: str, path: str) -> list[Contrast]:
    """Return the CPU costs worth a clause: of the plain stream, where there is a verdict."""
    return [
        c
        for c in analysis.contrasts
        if (c.driver, c.path, c.probe) == (driver, path, TcpThroughput.name)
        and c.metric in PER
        and bounded(c)
        and c.verdict in DECIDED
    ]


def _cost(contrast: Contrast) -> Clause:
    low, high = contrast.low or 0.0, contrast.high or 0.0
    return Clause(
        contrast.verdict.value,
        f"{contrast.ratio:.2g} times the CPU time per {PER[contrast.metric]}",
        f"[{low:.2g} to {high:.2g}]",
    )


@dataclass(frozen=True, slots=True)
class MeasureCost:
    """One primary metric of a driver."""

    path: str
    measure: str
    contrast: Contrast | None
    """None for the baseline, and where there is nothing to compare."""
    headline: str
    note: str
    """Why there is no contrast; empty where there is one."""


@dataclass(frozen=True, slots=True)
class Trade:
    """One driver: what it isolates, what it reaches, and what it costs."""

    driver: str
    isolated: bool
    network: str
    isolates: str
    reach: tuple[str, ...]
    """What was reached on each path, and how; as measured."""
    costs: tuple[MeasureCost, ...]
    view: DriverView | None


def trades(info: RunInfo, analysis: Analysis, digest: Digest) -> tuple[Trade, ...]:
    """Return a row for each driver, the baseline first."""
    ordered = sorted(info.plan.drivers, key=lambda driver: driver != analysis.baseline)
    return tuple(_trade(analysis, digest, driver) for driver in ordered)


def _trade(analysis: Analysis, digest: Digest, driver: str) -> Trade:
    view = digest.view(driver)
    return Trade(
        driver=driver,
        isolated=isolated(driver),
        network=network_isolation(view),
        isolates=isolates(driver),
        reach=tuple(_reach(way) for way in view.ways) if view is not None else (),
        costs=tuple(
            _measure_cost(analysis, digest, driver, key, metric)
            for key, metric in primary_measures(analysis)
        ),
        view=view,
    )


def _measure_cost(
    analysis: Analysis, digest: Digest, driver: str, key: CellKey, metric: str
) -> MeasureCost:
    here = [c for c in primaries(analysis) if concerns(c, key, metric)]
    contrast = next((c for c in here if c.driver == driver), None)
    if contrast is not None:
        headline, note = signed(contrast, analysis.margin), ""
    elif driver == analysis.baseline:
        headline, note = units.quantity(here[0].baseline_median, here[0].unit), "baseline"
    else:
        headline, note = absence(digest, driver, key)
    return MeasureCost(key.path, capital(measure(key, metric)), contrast, headline, note)


def _reach(way: WayView) -> str:
    """Return what was measured of one path: reached and proved, or closed."""
    named = "container to container" if way.path == Path.EAST_WEST else _WAYS.get(way.path)
    where = capital(named or way.path)
    if way.closed is not None:
        return f"{where}: no path, by design"
    tried = way.held + way.unheld
    if not tried:
        return f"{where}: not measured"
    served = _served(way)
    by = f", by a published port ({served})" if served else ""
    return f"{where}{by}: {way.held} of {tried} paths proved"
