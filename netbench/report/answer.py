"""The answer in words that all outputs share: what each driver costs, and one headline of all."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from netbench import units
from netbench.analysis.block_pairs import grouped
from netbench.analysis.cell_key import PATHS, PLACEMENTS, CellKey, plain
from netbench.analysis.digest_model import Digest, DriverView, WayView
from netbench.analysis.model import Analysis, Contrast, Verdict
from netbench.analysis.multiplicity import is_primary
from netbench.record import RunInfo
from netbench.report import labels, sentences
from netbench.report.conditions import ONE_MACHINE, machines
from netbench.report.effects import effect, effects
from netbench.report.stopping import needed
from netbench.spec import Path

_NOUNS: Final = {
    "throughput": "throughput",
    "ndr": "UDP rate without loss",
    "rtt_p50": "round trip",
    "connections": "connections per second",
    "start_time": "time to the first byte",
    "outage_time": "time without an answer",
    "lookup_outside": "lookup of an outside name",
    "loss": "datagrams lost",
}
"""Metrics in few words; a round trip is the median one, as every output says beside its table."""
_NAMED: Final = 4  # drivers of one group that a headline names
_WAYS: Final[dict[str, str]] = {
    Path.EAST_WEST: "between containers",
    Path.NORTH_SOUTH: "from the LAN",
    Path.HAIRPIN: "by hairpin",
    Path.ACROSS: "across machines",
    Path.OUTSIDE: "from the machine",
    Path.TO_OUTSIDE: "to the machine",
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

    opening: str  # `from the LAN, by its published port (nat):`; empty for container to container
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

    @property
    def said(self) -> str:
        """What is said of it: `42 % less throughput [39 to 44] on two cores, ...`."""
        return "; ".join(map(str, self.paths))

    def __str__(self) -> str:
        """Return its sentence: `bridge: 42 % less throughput [39 to 44] on two cores, ...`."""
        return f"{plain(self.driver)}: {self.said}"


def answers(info: RunInfo, analysis: Analysis, digest: Digest) -> tuple[DriverAnswer, ...]:
    """Return an answer for each driver, the baseline first."""
    return tuple(
        answer_of(info, analysis, digest, driver) for driver in labels.baseline_first(info)
    )


def answer_of(info: RunInfo, analysis: Analysis, digest: Digest, driver: str) -> DriverAnswer:
    """Return the answer for one driver."""
    return DriverAnswer(driver, _paths(info, analysis, digest.view(driver), driver))


def headline(info: RunInfo, analysis: Analysis, digest: Digest) -> str:
    """Return the answer of the run: of one driver its own, of several how each measure fares."""
    baseline = plain(analysis.baseline)
    compared = list(dict.fromkeys(c.driver for c in sentences.primaries(analysis)))
    path = sentences.primary_measures(analysis)[0][0].path if compared else Path.EAST_WEST.value
    if not compared and len(info.plan.drivers) > 1:
        said = f"Nothing could be compared with {baseline}"
    elif not compared:
        said = f"{baseline} alone: {answer_of(info, analysis, digest, analysis.baseline).said}"
    elif len(compared) == 1:
        answer = answer_of(info, analysis, digest, compared[0])
        said = f"{plain(compared[0])} against {baseline}: {answer.said}"
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
    return (
        f"{said}; no path {where} with {labels.few(closed, _NAMED)}, by design" if closed else said
    )


def title(info: RunInfo, analysis: Analysis) -> str:
    """Return what a report is about: `bridge against host`, `10 network drivers`."""
    compared = [plain(d) for d in info.plan.drivers if d != analysis.baseline]
    baseline, where = plain(analysis.baseline), machines(info)
    on = "" if where == ONE_MACHINE else f" on {where}"
    if len(compared) > _NAMED:
        return f"{len(compared)} network drivers against {baseline}{on}"
    said = f"{labels.joined(compared)} against {baseline}" if compared else f"{baseline} alone"
    return f"{said}{on}"


def isolated(driver: str) -> bool:
    """Return whether a driver promises that no traffic at all is possible."""
    known = sentences.declared_driver(driver)
    return known is not None and known.isolated


def _paths(
    info: RunInfo, analysis: Analysis, view: DriverView | None, driver: str
) -> tuple[PathAnswer, ...]:
    if isolated(driver):
        return (PathAnswer("", (Clause("", "isolated by design", _tried(view)),)),)
    if driver == analysis.baseline:
        return _baseline(info, analysis, view)
    found = [
        PathAnswer(_opening(view, path), _clauses(info, analysis, driver, path))
        for path in dict.fromkeys(c.path for c in sentences.primaries(analysis, driver))
    ]
    closed = [way.path for way in view.ways if way.closed is not None] if view else []
    if closed:
        ways = labels.joined([_WAYS.get(path, path) for path in closed])
        said = f"{ways}, by design {_tried(view)}".strip()
        found.append(PathAnswer("", (Clause("", "no path", said),)))
    why = Clause("", "not compared", f"({sentences.trouble(view)})")
    return tuple(found) or (PathAnswer("", (why,)),)


def _tried(view: DriverView | None) -> str:
    """Return how the isolation was tried, where nothing at all could pass."""
    tries = len(sentences.attempts(view)) if view is not None else 0
    return f"({labels.counted(tries, 'connection attempt')} failed, as intended)" if tries else ""


def _opening(view: DriverView | None, path: str) -> str:
    if path == Path.EAST_WEST:
        return ""
    served = next((served_by(way) for way in view.ways if way.path == path), "") if view else ""
    by = f", by its published port ({served})" if served else ""
    return f"{_WAYS.get(path, path)}{by}:"


def served_by(way: WayView) -> str:
    """Return how published ports were served on a path; empty where there are none."""
    return labels.joined([plain(via) for via, _ in way.published])


def way_title(path: str) -> str:
    """Return a path as a heading names it: `Container to container`, `From the LAN`."""
    title = "container to container" if path == Path.EAST_WEST else _WAYS.get(path, path)
    return labels.capital(title)


def _baseline(info: RunInfo, analysis: Analysis, view: DriverView | None) -> tuple[PathAnswer, ...]:
    """Return the medians of the baseline's first arm on every path, on the first if others differ.

    What is said of other drivers is said against it, path by path.
    """
    own = [
        cell
        for cell in analysis.cells
        if (cell.driver, cell.replica) == (analysis.baseline, 0)
        and is_primary(info.plan, cell.probe, cell.placement, cell.metric)
        and cell.median is not None
    ]
    alone = len(info.plan.drivers) == 1
    found = [
        PathAnswer(
            _opening(view, path) if alone else "",
            tuple(
                Clause(
                    "", units.quantity(one.median, one.unit), what(labels.key_of(one), one.metric)
                )
                for one in cells
            ),
        )
        for path, cells in grouped((cell.path, cell) for cell in own).items()
    ]
    unmeasured = PathAnswer("", (Clause("", "not measured", ""),))
    return tuple(found if alone else found[:1]) or (unmeasured,)


def noun(key: CellKey, metric: str) -> str:
    """Return what a sentence calls a metric, with the probe if that is not the plain one."""
    probe = "" if key.probe in sentences.PLAIN else f" of {plain(key.probe)}"
    return f"{_NOUNS.get(metric, labels.metric_title(metric))}{probe}"


def what(key: CellKey, metric: str) -> str:
    """Return what is measured, without its path: `round trip on one core`."""
    return f"{noun(key, metric)} {PLACEMENTS[key.placement]}"


def _clauses(info: RunInfo, analysis: Analysis, driver: str, path: str) -> tuple[Clause, ...]:
    """Return what is decided first, then what is equivalent, then what is open; alike together."""
    found = [c for c in sentences.primaries(analysis, driver) if c.path == path]
    open_ = (Verdict.EQUIVALENT, Verdict.UNDECIDED)
    found.sort(key=lambda c: open_.index(c.verdict) if c.verdict in open_ else -1)
    clauses = [_clause(info, analysis, contrast) for contrast in found]
    alike = grouped(((c.strong, c.after, c.verdict), c.before) for c in clauses)
    return tuple(Clause(labels.joined(names), *rest) for rest, names in alike.items())


def _clause(info: RunInfo, analysis: Analysis, contrast: Contrast) -> Clause:
    verdict, key = contrast.verdict, labels.key_of(contrast)
    strong, rest = effect(analysis, contrast)
    if verdict is Verdict.EQUIVALENT:
        return Clause(what(key, contrast.metric), strong, rest, verdict)
    if verdict is Verdict.UNDECIDED:
        more = needed(info, analysis, contrast)
        why = f"({rest}{f'; {more}' if more else ''})"
        return Clause(what(key, contrast.metric), strong, why, verdict)
    place = PLACEMENTS[key.placement]
    after = f"{place}, {rest}" if contrast.by_sign else f"{rest} {place}".strip()
    return Clause("", f"{strong} {noun(key, contrast.metric)}", after, verdict)


def _by_measure(analysis: Analysis, path: str) -> Iterator[str]:
    """Yield for each measure of a path how the drivers fare, those of one verdict together."""
    for key, metric in sentences.primary_measures(analysis):
        if key.path != path:
            continue
        own = [c for c in sentences.primaries(analysis) if labels.concerns(c, key, metric)]
        own.sort(key=lambda c: abs(math.log(c.ratio or 1)))
        said = [
            f"{effects(analysis, alike)} with {labels.few([c.driver for c in alike], _NAMED)}"
            for _, alike in labels.by_verdict(own)
        ]
        yield f"{what(key, metric)} {', '.join(said)}"
