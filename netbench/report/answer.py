"""The first screen's answer: what each driver costs and isolates, in one or two sentences."""

from dataclasses import dataclass
from typing import Final

from netbench import units
from netbench.analysis.cell_key import PLACEMENTS, CellKey, plain
from netbench.analysis.cpu_sums import PER
from netbench.analysis.digest_model import Digest, DriverView
from netbench.analysis.model import Analysis, Contrast, Verdict
from netbench.drivers import DRIVERS
from netbench.probes import TcpThroughput
from netbench.record import RunInfo
from netbench.report.labels import SIGNS, bounded, capital, counted, joined, key_of, metric_title
from netbench.report.sentences import PLAIN, SUBJECTS, attempts, primaries, trouble
from netbench.report.verdict_text import judgement, signed
from netbench.spec import Path

_WHOLE_FROM: Final = 10
"""Percent from which on no decimal is told."""
_TIMES: Final = ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs"), (1e-9, "ns"))
MINUS: Final = "\N{MINUS SIGN}"
_SUBJECTS: Final = SUBJECTS | {"rtt_p50": "round trip"}
"""Metrics in few words; a round trip is the median one, as the page says below."""


@dataclass(frozen=True, slots=True)
class Clause:
    """One thing that is said of a driver."""

    verdict: str
    """Style class; empty for what is no verdict."""
    strong: str
    """What one reads at a glance: `▼ 57 to 74 % slower`."""
    rest: str
    """Measure and place: `throughput on two cores`."""


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
    baseline: bool
    sentences: tuple[Sentence, ...]
    isolates: str


def answers(info: RunInfo, analysis: Analysis, digest: Digest) -> tuple[DriverAnswer, ...]:
    """Return an answer for each driver, the baseline first."""
    ordered = sorted(info.plan.drivers, key=lambda driver: driver != analysis.baseline)
    return tuple(
        DriverAnswer(
            driver=driver,
            baseline=driver == analysis.baseline,
            sentences=_sentences(analysis, digest.view(driver), driver),
            isolates=isolates(driver),
        )
        for driver in ordered
    )


def isolates(driver: str) -> str:
    """Return what a driver isolates, by its name without the variant."""
    known = DRIVERS.get(driver.partition("@")[0])
    return known.isolates if known else "as it does: see its promises and its path below"


def isolated(driver: str) -> bool:
    """Tell whether a driver promises that no traffic at all is possible."""
    known = DRIVERS.get(driver.partition("@")[0])
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


_WAYS: Final[dict[str, str]] = {
    Path.EAST_WEST: "between containers",
    Path.NORTH_SOUTH: "from the LAN",
    Path.HAIRPIN: "by hairpin",
}


def _opening(view: DriverView | None, path: str) -> str:
    if path == Path.EAST_WEST:
        return ""
    way = next((way for way in view.ways if way.path == path), None) if view else None
    served = joined([plain(via) for via, _ in way.published]) if way else ""
    by = f", by its published port ({served})" if served else ""
    return f"{capital(_WAYS.get(path, path))}{by}:"


def _baseline(analysis: Analysis) -> tuple[Clause, ...]:
    """Return the baseline's own medians, as the chart beside has them."""
    seen: dict[tuple[CellKey, str], Contrast] = {}
    for contrast in primaries(analysis):
        if contrast.path == Path.EAST_WEST:
            seen.setdefault((key_of(contrast), contrast.metric), contrast)
    own = {
        (CellKey(cell.path, cell.probe, cell.placement), cell.metric): cell
        for cell in analysis.cells
        if cell.driver == analysis.baseline and not cell.replica and cell.median is not None
    }
    return tuple(
        Clause("", units.quantity(cell.median, cell.unit), f"{_what(c)} {PLACEMENTS[c.placement]}")
        for place, c in seen.items()
        if (cell := own.get(place)) is not None and cell.median is not None
    ) or (Clause("", "The baseline", "nothing was compared with it"),)


def _what(contrast: Contrast) -> str:
    """Return what is measured, in few words; the sentence's opening has named the path."""
    probe = "" if contrast.probe in PLAIN else f" of {plain(contrast.probe)}"
    metric = _SUBJECTS.get(contrast.metric, metric_title(contrast.metric))
    return f"{metric}{probe}"


def _clauses(analysis: Analysis, driver: str, path: str) -> tuple[Clause, ...]:
    found = [c for c in primaries(analysis, driver) if c.path == path]
    told = [_told(c, analysis.margin) for c in found if c.verdict is not Verdict.UNDECIDED]
    open_ = [_told(c, analysis.margin) for c in found if c.verdict is Verdict.UNDECIDED]
    cost = [_cost(c) for c in _costs(analysis, driver, path)]
    return (*told, *cost, *open_)


def _told(contrast: Contrast, margin: float) -> Clause:
    """Return `▼ 57 to 74 % slower`, `throughput on two cores`.

    Seconds are told as a difference too: `round trip on one core, +4.3 µs [3.7 to 5.1]`.
    """
    where = f"{_what(contrast)} {PLACEMENTS[contrast.placement]}"
    seconds = contrast.unit == units.SECONDS and contrast.difference is not None
    if contrast.verdict in (Verdict.FASTER, Verdict.SLOWER) and seconds:
        where = f"{where}, {' '.join(_seconds(contrast)).strip()}"
    if contrast.verdict is Verdict.UNDECIDED:
        sign = SIGNS[contrast.verdict]
        reason = judgement(contrast, margin).partition(": ")[2]
        return Clause(contrast.verdict, f"{sign} undecided", f"{where}: {reason}")
    return Clause(contrast.verdict, signed(contrast, margin), where)


def _seconds(contrast: Contrast) -> tuple[str, str]:
    size = contrast.difference or 0.0
    scale, name = next(((s, n) for s, n in _TIMES if abs(size) >= s), _TIMES[-1])
    low, high = contrast.difference_low, contrast.difference_high
    return f"{_signed(size / scale)} {name}", _ends(low, high, scale)


def _ends(low: float | None, high: float | None, scale: float) -> str:
    """Return `[3.7 to 5.1]`, with signs where not both ends are above 0."""
    if low is None or high is None:
        return ""
    found = [_signed(end / scale) for end in (low, high)]
    first, last = (end.removeprefix("+") for end in found) if low > 0 else found
    return f"[{first} to {last}]"


def _signed(value: float) -> str:
    text = units.significant(value, 2) if abs(value) < _WHOLE_FROM else f"{value:.0f}"
    return f"+{text}" if value > 0 else text.replace("-", MINUS)


def _costs(analysis: Analysis, driver: str, path: str) -> list[Contrast]:
    """Return the CPU costs worth a clause: of the plain stream, where they are told apart."""
    return [
        c
        for c in analysis.contrasts
        if (c.driver, c.path, c.probe) == (driver, path, TcpThroughput.name)
        and c.metric in PER
        and bounded(c)
        and c.verdict in (Verdict.FASTER, Verdict.SLOWER)
    ]


def _cost(contrast: Contrast) -> Clause:
    low, high = contrast.low or 0.0, contrast.high or 0.0
    return Clause(
        contrast.verdict.value,
        f"{contrast.ratio:.2g} times the CPU time per {PER[contrast.metric]}",
        f"[{low:.2g} to {high:.2g}]",
    )
