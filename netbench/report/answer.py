"""The answer: what each driver costs, in one sentence, and all of them in one headline.

Page, terminal, summary, decision record and JSON say it in the same words.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from netbench import units
from netbench.analysis.block_pairs import grouped
from netbench.analysis.cell_key import PATHS, PLACEMENTS, CellKey, plain
from netbench.analysis.digest_model import Digest, DriverView, WayView
from netbench.analysis.model import Analysis, Contrast, Verdict
from netbench.analysis.multiplicity import is_primary
from netbench.record import METRICS, RunInfo
from netbench.report.labels import (
    DECIDED,
    at_least,
    capital,
    concerns,
    counted,
    interval_ends,
    joined,
    key_of,
    metric_title,
    rounded,
)
from netbench.report.sentences import (
    PLAIN,
    attempts,
    declared_driver,
    primaries,
    primary_measures,
    trouble,
)
from netbench.report.stopping import needed
from netbench.spec import Path

_NOUNS: Final = {
    "throughput": "throughput",
    "ndr": "UDP rate without loss",
    "rtt_p50": "round trip",
    "connections": "connections per second",
    "start_time": "time to the first byte",
}
"""Metrics in few words; a round trip is the median one, as every output says beside its table."""
_TIMES: Final = ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs"), (1e-9, "ns"))
_WIDER: Final = 1.5  # times that the interval of a difference may be wider than that of its ratio
_WHOLE_FROM: Final = 10  # from here on the ends of a range have no decimals
_NAMED: Final = 4  # drivers of one group that a headline names
_WAYS: Final[dict[str, str]] = {
    Path.EAST_WEST: "between containers",
    Path.NORTH_SOUTH: "from the LAN",
    Path.HAIRPIN: "by hairpin",
}


@dataclass(frozen=True, slots=True)
class Clause:
    """One thing that is said of a driver."""

    before: str  # `round trip on two cores`; empty where the figure comes first
    strong: str  # what one reads at a glance: `42 % less throughput`, `undecided`
    after: str  # `[39 to 44] on two cores`, `within 5 %`, or in brackets why it is undecided
    verdict: Verdict | None = None

    def __str__(self) -> str:
        """Return it as text."""
        return " ".join(filter(None, (self.before, self.strong, self.after)))


@dataclass(frozen=True, slots=True)
class PathAnswer:
    """What is said of a driver on one path."""

    opening: str
    """`from the LAN, by its published port (nat):`; empty for container to container."""
    clauses: tuple[Clause, ...]

    def __str__(self) -> str:
        """Return it as text."""
        said = ", ".join(map(str, self.clauses))
        return f"{self.opening} {said}" if self.opening else said


@dataclass(frozen=True, slots=True)
class DriverAnswer:
    """What is said of one driver."""

    driver: str
    paths: tuple[PathAnswer, ...]
    isolates: str

    def __str__(self) -> str:
        """Return its sentence: `bridge: 42 % less throughput [39 to 44] on two cores, ...`."""
        return f"{plain(self.driver)}: {'; '.join(map(str, self.paths))}"


def answers(info: RunInfo, analysis: Analysis, digest: Digest) -> tuple[DriverAnswer, ...]:
    """Return an answer for each driver, the baseline first."""
    ordered = sorted(info.plan.drivers, key=lambda driver: driver != analysis.baseline)
    return tuple(
        DriverAnswer(
            driver=driver,
            paths=_paths(info, analysis, digest.view(driver), driver),
            isolates=isolates(driver),
        )
        for driver in ordered
    )


def headline(info: RunInfo, analysis: Analysis, digest: Digest) -> str:
    """Return the answer of the run in one sentence.

    Of one driver that was compared it is that driver's own. Of several it gives for each measure
    of the run's first path how far the drivers are from the baseline, by groups.
    """
    baseline = plain(analysis.baseline)
    compared = list(dict.fromkeys(c.driver for c in primaries(analysis)))
    path = primary_measures(analysis)[0][0].path if compared else Path.EAST_WEST.value
    if not compared:
        said = _alone(info, analysis, digest)
    elif len(compared) == 1:
        paths = _paths(info, analysis, digest.view(compared[0]), compared[0])
        said = f"{plain(compared[0])} against {baseline}: {'; '.join(map(str, paths))}"
    else:
        where = f" {PATHS.get(path, path)}".rstrip()
        said = f"Against {baseline}{where}: {'; '.join(_by_measure(analysis, path))}"
    said_already = compared if len(compared) == 1 else [analysis.baseline]
    closed = [
        view.driver
        for view in digest.drivers
        for way in view.ways
        if way.path == path and way.closed is not None and view.driver not in said_already
    ]
    where = _WAYS.get(path, path)
    return f"{said}; no path {where} with {_names(closed)}, by design" if closed else said


def _alone(info: RunInfo, analysis: Analysis, digest: Digest) -> str:
    """Return the outcome of a run without a contrast: what its only driver did, if it was alone."""
    baseline = plain(analysis.baseline)
    if len(info.plan.drivers) > 1:
        return f"Nothing could be compared with {baseline}"
    paths = _paths(info, analysis, digest.view(analysis.baseline), analysis.baseline)
    return f"{baseline} alone: {'; '.join(map(str, paths))}"


def title(info: RunInfo, analysis: Analysis) -> str:
    """Return what a report is about: `bridge against host`, `10 network drivers`."""
    compared = [plain(d) for d in info.plan.drivers if d != analysis.baseline]
    if len(compared) > _NAMED:
        return f"{len(compared)} network drivers against {plain(analysis.baseline)}"
    baseline = plain(analysis.baseline)
    return f"{joined(compared)} against {baseline}" if compared else f"{baseline} alone"


def isolates(driver: str) -> str:
    """Return what a driver isolates, by its name without the variant."""
    known = declared_driver(driver)
    return known.isolates if known else "as it does: see its promises and its path below"


def isolated(driver: str) -> bool:
    """Return whether a driver promises that no traffic at all is possible."""
    known = declared_driver(driver)
    return known is not None and known.isolated


def _paths(
    info: RunInfo, analysis: Analysis, view: DriverView | None, driver: str
) -> tuple[PathAnswer, ...]:
    if isolated(driver):
        return (PathAnswer("", (Clause("", "isolated by design", _tried(view)),)),)
    if driver == analysis.baseline:
        return (PathAnswer("", _baseline(info, analysis)),)
    found = [
        PathAnswer(_opening(view, path), _clauses(info, analysis, driver, path))
        for path in dict.fromkeys(c.path for c in primaries(analysis, driver))
    ]
    closed = [way.path for way in view.ways if way.closed is not None] if view else []
    if closed:
        ways = joined([_WAYS.get(path, path) for path in closed])
        said = f"{ways}, by design {_tried(view)}".strip()
        found.append(PathAnswer("", (Clause("", "no path", said),)))
    return tuple(found) or (PathAnswer("", (Clause("", "not compared", f"({trouble(view)})"),)),)


def _tried(view: DriverView | None) -> str:
    """Return how the isolation was tried, where nothing at all could pass."""
    tries = len(attempts(view)) if view is not None else 0
    return f"({counted(tries, 'connection attempt')} failed, as intended)" if tries else ""


def _opening(view: DriverView | None, path: str) -> str:
    if path == Path.EAST_WEST:
        return ""
    way = next((way for way in view.ways if way.path == path), None) if view else None
    served = served_by(way) if way else ""
    by = f", by its published port ({served})" if served else ""
    return f"{_WAYS.get(path, path)}{by}:"


def served_by(way: WayView) -> str:
    """Return how published ports were served on a path; empty where there are none."""
    return joined([plain(via) for via, _ in way.published])


def way_title(path: str) -> str:
    """Return a path as a heading names it: `Container to container`, `From the LAN`."""
    return "Container to container" if path == Path.EAST_WEST else capital(_WAYS.get(path, path))


def _baseline(info: RunInfo, analysis: Analysis) -> tuple[Clause, ...]:
    """Return the medians of the baseline's first arm on the first path that was measured."""
    own = [
        cell
        for cell in analysis.cells
        if (cell.driver, cell.replica) == (analysis.baseline, 0)
        and is_primary(info.plan, cell.probe, cell.placement, cell.metric)
        and cell.median is not None
    ]
    return tuple(
        Clause("", units.quantity(cell.median, cell.unit), what(key_of(cell), cell.metric))
        for cell in own
        if cell.path == own[0].path
    ) or (Clause("", "not measured", ""),)


def noun(key: CellKey, metric: str) -> str:
    """Return what a sentence calls a metric, with the probe if that is not the plain one."""
    probe = "" if key.probe in PLAIN else f" of {plain(key.probe)}"
    return f"{_NOUNS.get(metric, metric_title(metric))}{probe}"


def what(key: CellKey, metric: str) -> str:
    """Return what is measured, without its path: `round trip on one core`."""
    return f"{noun(key, metric)} {PLACEMENTS[key.placement]}"


def _clauses(info: RunInfo, analysis: Analysis, driver: str, path: str) -> tuple[Clause, ...]:
    """Return what is decided first, then what is equivalent, then what is open."""
    found = [c for c in primaries(analysis, driver) if c.path == path]
    open_ = (Verdict.EQUIVALENT, Verdict.UNDECIDED)
    found.sort(key=lambda c: open_.index(c.verdict) if c.verdict in open_ else -1)
    return tuple(clause_of(info, analysis, c) for c in found)


def clause_of(info: RunInfo, analysis: Analysis, contrast: Contrast) -> Clause:
    """Return what one contrast says."""
    verdict, key = contrast.verdict, key_of(contrast)
    strong, rest = effect(contrast, analysis.margin)
    if verdict is Verdict.EQUIVALENT:
        return Clause(what(key, contrast.metric), strong, rest, verdict)
    if verdict is Verdict.UNDECIDED:
        more = needed(info, analysis, contrast)
        why = f"({rest}{f'; {more}' if more else ''})"
        return Clause(what(key, contrast.metric), strong, why, verdict)
    place = PLACEMENTS[key.placement]
    after = f"{place}, {rest}" if contrast.by_sign else f"{rest} {place}".strip()
    return Clause("", f"{strong} {noun(key, contrast.metric)}", after, verdict)


def effect(contrast: Contrast, margin: float, *, in_percent: bool = False) -> tuple[str, str]:
    """Return what a contrast says of its metric in two or three words, and what bounds that.

    `26 % less` and `[16 to 34]`, `2.9 µs longer` and `[1.3 to 4.6]`, `equivalent` and
    `within 5 %`, `undecided` and the reason. Times are in their unit, unless `in_percent`.
    """
    if contrast.verdict is Verdict.EQUIVALENT:
        return "equivalent", f"within {margin * 100:g} %"
    if contrast.verdict is Verdict.UNDECIDED:
        return "undecided", plain(contrast.reason) or "no reason was kept"
    if contrast.by_sign:
        blocks = counted(contrast.blocks, "block")
        return direction(contrast), f"in each of {blocks} (size not known)"
    size = size_of(contrast, in_percent=in_percent)
    if size is None:
        return f"{at_least(contrast)} {direction(contrast)}".strip(), ""
    return f"{size} {direction(contrast)}", size.interval


def direction(contrast: Contrast) -> str:
    """Return `less`, `more`, `longer` ... for what a decided contrast says of its metric."""
    known = METRICS[contrast.metric]
    above = (contrast.verdict is Verdict.FASTER) == (known.better == "higher")
    if contrast.unit == units.SECONDS:
        return "longer" if above else "shorter"
    fewer = "fewer" if contrast.unit == units.PER_SECOND else "less"
    return "more" if above else fewer


@dataclass(frozen=True, slots=True)
class EffectSize:
    """How far a decided contrast is from no effect, without its sign."""

    value: float  # seconds where it is timed, else percent of the baseline
    low: float
    high: float
    timed: bool

    @property
    def width(self) -> float:
        """The interval's width over the size."""
        return (self.high - self.low) / self.value if self.value else math.inf

    def __str__(self) -> str:
        """Return it with its unit: `1.9 µs`, `42 %`, or `1.2 to 2.3 µs` if it has no point."""
        scale, unit = _unit(self.high) if self.timed else (1.0, "%")
        if self.low <= self.value <= self.high:
            return f"{self._texts(scale)[1]} {unit}"
        first, _, last = self._texts(scale)
        return f"{first} to {last} {unit}"

    @property
    def interval(self) -> str:
        """`[1.8 to 2.0]`, in the unit of the size."""
        if not self.low <= self.value <= self.high:
            return ""
        first, _, last = self._texts(_unit(self.high)[0] if self.timed else 1.0)
        return f"[{first} to {last}]"

    def _texts(self, scale: float) -> list[str]:
        return rounded([part / scale for part in (self.low, self.value, self.high)])


def size_of(contrast: Contrast, *, in_percent: bool = False) -> EffectSize | None:
    """Return the size of a decided contrast; None where its interval does not give one.

    It is in percent of the baseline. Of times it is the difference, unless `in_percent`, where
    the interval of the mean difference lies on the verdict's side of 0 and tells about as much:
    in few blocks it can be many times wider than that of the ratio.
    """
    ratio, ends = contrast.ratio, interval_ends(contrast)
    if contrast.by_sign or ratio is None or len(ends) < 2:  # noqa: PLR2004 -- two ends
        return None
    percent = EffectSize(abs(ratio - 1) * 100, ends[0], ends[1], timed=False)
    low, high = contrast.difference_low, contrast.difference_high
    if in_percent or contrast.unit != units.SECONDS or low is None or high is None:
        return percent
    near, far = sorted((abs(low), abs(high)))
    timed = EffectSize(abs(contrast.difference or 0.0), near, far, timed=True)
    same_side = min(low, ratio - 1) > 0 or max(high, ratio - 1) < 0
    return timed if same_side and timed.width <= _WIDER * percent.width else percent


def _unit(seconds: float) -> tuple[float, str]:
    """Return the unit of a time, in seconds, and its name; 0.4 µs rather than 400 ns."""
    return next((unit for unit in _TIMES if seconds >= unit[0] / 10), _TIMES[-1])


def _by_measure(analysis: Analysis, path: str) -> Iterator[str]:
    """Yield for each measure of a path how the drivers fare, those of one verdict together."""
    for key, metric in primary_measures(analysis):
        if key.path != path:
            continue
        own = [c for c in primaries(analysis) if concerns(c, key, metric)]
        own.sort(key=lambda c: abs(math.log(c.ratio or 1)))
        groups = grouped((c.verdict, c) for c in own)
        order = (*DECIDED, Verdict.EQUIVALENT, Verdict.UNDECIDED)
        said = [
            f"{_fared(groups[verdict], analysis.margin)} with "
            + _names([c.driver for c in groups[verdict]])
            for verdict in order
            if verdict in groups
        ]
        yield f"{what(key, metric)} {', '.join(said)}"


def _fared(contrasts: Sequence[Contrast], margin: float) -> str:
    """Return what contrasts of one measure and verdict say: `24 to 27 % less`, `undecided`."""
    verdict = contrasts[0].verdict
    if verdict is Verdict.EQUIVALENT:
        return f"equivalent within {margin * 100:g} %"
    if verdict is Verdict.UNDECIDED:
        return "undecided"
    sizes = [size_of(c) for c in contrasts]
    if not all(size and size.timed for size in sizes):
        sizes = [size_of(c, in_percent=True) for c in contrasts]
    found = [size for size in sizes if size is not None]
    word = direction(contrasts[0])
    if len(found) < len(contrasts):
        return word
    least, most = min(size.value for size in found), max(size.value for size in found)
    scale, unit = _unit(most) if found[0].timed else (1.0, "%")
    first, last = _range(least / scale, most / scale)
    return f"{first} {unit} {word}" if first == last else f"{first} to {last} {unit} {word}"


def _range(least: float, most: float) -> tuple[str, str]:
    """Return two sizes with the decimals that the larger one needs, or as many as tell from 0."""
    digits = 0 if most >= _WHOLE_FROM else 1
    first, last = (f"{size:.{digits}f}" for size in (least, most))
    if not float(first):
        first, last = rounded((least, most))
    return first, last


def _names(drivers: Sequence[str]) -> str:
    """Return a few names; of more of them the first, and how many are left."""
    shown = [plain(driver) for driver in drivers]
    if len(shown) <= _NAMED:
        return joined(shown)
    return f"{', '.join(shown[: _NAMED - 1])} and {len(shown) - _NAMED + 1} more"
