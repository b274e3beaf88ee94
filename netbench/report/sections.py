"""What the page's template shows, as values ready to print."""

from dataclasses import dataclass
from itertools import groupby
from typing import Final

from netbench import units
from netbench.analysis.model import Analysis, Contrast, NullContrast
from netbench.drivers import DRIVERS
from netbench.facts.registry import FACTS
from netbench.probes import PROBES
from netbench.record import Absent, FactValue, HopProof, Link, RunInfo
from netbench.report.ceiling import USED_UP
from netbench.report.sentences import fact, measure, primaries
from netbench.report.sharing import NamespaceRow, namespace_rows, network_isolation
from netbench.report.stops import stop_words
from netbench.report.views import CommandLine, Digest, DriverView, WayView
from netbench.report.words import (
    PLACEMENTS,
    SIGNS,
    CellKey,
    capital,
    change,
    concerns,
    interval,
    key_of,
    plain,
)

_MINUTE: Final = 60


@dataclass(frozen=True, slots=True)
class Cost:
    """One cell of the first table: a driver's primary metric."""

    path: str
    measure: str
    verdict: str
    """Empty for the baseline and where there is no contrast."""
    headline: str
    figures: str
    medians: str
    stopped: str = ""
    """Why it got no more blocks; empty where there is no contrast."""


@dataclass(frozen=True, slots=True)
class Answer:
    """One row of the first table: what a driver isolates and costs."""

    driver: str
    baseline: bool
    isolated: bool
    network: str
    isolates: str
    costs: tuple[Cost, ...]
    view: DriverView | None


@dataclass(frozen=True, slots=True)
class ProbeLine:
    """One probe as the suite configured it."""

    name: str
    summary: str
    parameters: str


@dataclass(frozen=True, slots=True)
class FactLine:
    """One line of the environment."""

    name: str
    value: str
    meaning: str
    absent: bool


@dataclass(frozen=True, slots=True)
class PathView:
    """A driver's path: what stands in the table below its drawing."""

    view: DriverView
    way: WayView
    hops: tuple[HopProof, ...]
    required: str
    route: str
    links: tuple[tuple[str, Link], ...]
    """(namespace, link) of the endpoints where there is no path."""
    published: str
    """How the published port was served, with the evidence; empty where none was."""
    trial: str


@dataclass(frozen=True, slots=True)
class NamespaceView:
    """The eight namespaces of a driver's ends."""

    driver: str
    rows: tuple[NamespaceRow, ...]


def answers(info: RunInfo, analysis: Analysis, digest: Digest) -> tuple[Answer, ...]:
    """Return a row for each driver, the baseline first."""
    ordered = sorted(info.plan.drivers, key=lambda driver: driver != analysis.baseline)
    return tuple(_answer(analysis, digest, driver) for driver in ordered)


def measures(analysis: Analysis) -> tuple[tuple[CellKey, str], ...]:
    """Return the columns of the first table: cell and primary metric."""
    found = primaries(analysis)
    keys = [(key_of(c), c.metric) for c in found]
    return tuple(dict.fromkeys(keys))


def measure_name(key: CellKey, metric: str) -> str:
    """Return a column's heading."""
    return capital(measure(key, metric))


def _answer(analysis: Analysis, digest: Digest, driver: str) -> Answer:
    view = digest.view(driver)
    return Answer(
        driver=driver,
        baseline=driver == analysis.baseline,
        isolated=view is not None and view.isolated is not None,
        network=network_isolation(view),
        isolates=_isolates(driver),
        costs=tuple(
            _cost(analysis, digest, driver, key, metric) for key, metric in measures(analysis)
        ),
        view=view,
    )


def _isolates(driver: str) -> str:
    """Return what a driver isolates, by its name without the variant."""
    known = DRIVERS.get(driver.partition("@")[0])
    return known.isolates if known else "as it does: see the promises and the path below"


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
        headline=f"{SIGNS[contrast.verdict]} {_effect(contrast)}",
        figures=f"{units.ratio(contrast.ratio)} {interval(contrast.low, contrast.high)}",
        medians=f"{units.quantity(contrast.driver_median, contrast.unit)} against "
        f"{units.quantity(contrast.baseline_median, contrast.unit)}{_used_up(contrast)}",
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
        return Cost(key.path, name, "", units.MISSING, "", "no pair of trials to compare")
    what = "not possible here" if problem.kind == "skip" else "failed"
    return Cost(key.path, name, "", what, "", problem.reason)


def _effect(contrast: Contrast) -> str:
    if contrast.verdict in {"faster", "slower"} and contrast.ratio is not None:
        return change(contrast.metric, contrast.ratio)
    return contrast.verdict.value


def paths(info: RunInfo, digest: Digest) -> tuple[PathView, ...]:
    """Return every path of every driver."""
    views = (digest.view(driver) for driver in info.plan.drivers)
    return tuple(_path(view, way) for view in views if view is not None for way in view.ways)


def namespaces(info: RunInfo, digest: Digest) -> tuple[NamespaceView, ...]:
    """Return the namespaces of every driver with a trial whose endpoints were read."""
    views = (digest.view(driver) for driver in info.plan.drivers)
    return tuple(
        NamespaceView(view.driver, namespace_rows(view.example.endpoints))
        for view in views
        if view is not None and view.example is not None and view.example.endpoints
    )


def _path(view: DriverView, way: WayView) -> PathView:
    record = way.example
    path = record.path if record else None
    ends = record.endpoints if record else ()
    facts = dict(record.facts) if record else {}
    via, evidence = (facts.get(f"trial.published_{name}") for name in ("via", "evidence"))
    return PathView(
        view=view,
        way=way,
        hops=path.hops if path else (),
        required=units.quantity(float(path.required), units.BYTES) if path else units.MISSING,
        route=path.route if path else "",
        links=() if path else tuple((end.role.value, link) for end in ends for link in end.links),
        published=f"{fact_text(via)}: {fact_text(evidence)}" if via is not None else "",
        trial=f"record {record.number}, {record.cell.probe} {PLACEMENTS[record.cell.placement]}"
        if record
        else "",
    )


def host_text(info: RunInfo) -> str:
    """Return name, processor and kind of the host, as far as they were read."""
    cpus = fact(info, "host.cpus")
    parts = [
        fact_text(value)
        for value in (fact(info, "host.name"), fact(info, "host.cpu_model"))
        if isinstance(value, str)
    ]
    parts += [f"{cpus} CPUs"] if isinstance(cpus, int) else []
    parts += ["virtual machine"] if fact(info, "host.hypervisor") is True else []
    return ", ".join(parts) or "not read"


def environment(info: RunInfo) -> tuple[FactLine, ...]:
    """Return every fact of the run as text, with its meaning."""
    return tuple(_fact(name, value) for name, value in info.facts)


def engine_named(info: RunInfo) -> str:
    """Return the engine with its version, or what it says of itself where it has none."""
    version, name = fact(info, "engine.version"), fact(info, "engine.name")
    if isinstance(version, str):
        return plain(f"{info.engine} {version}")
    return plain(name if isinstance(name, str) else info.engine)


def fact_text(value: FactValue | None, unit: str = "") -> str:
    """Return a fact for people."""
    match value:
        case None:
            return units.MISSING
        case Absent():
            return f"not read: {plain(value.reason)}"
        case bool():
            return "yes" if value else "no"
        case tuple():
            return ", ".join(plain(part) for part in value)
        case int() | float():
            return _number(value, unit)
        case str():
            return plain(value)


def _number(value: float, unit: str) -> str:
    if unit == units.SECONDS and value >= _MINUTE:
        return units.duration(value)
    if unit in {units.BYTES, units.SECONDS}:
        return units.quantity(value, unit)
    return f"{value:g}"


def _fact(name: str, value: FactValue) -> FactLine:
    known = FACTS.get(name)
    return FactLine(
        name=name,
        value=fact_text(value, known.unit if known else ""),
        meaning=known.meaning if known else "",
        absent=isinstance(value, Absent),
    )


def probe_lines(info: RunInfo) -> tuple[ProbeLine, ...]:
    """Return every probe of the run with its parameters; none where the run does not tell."""
    return tuple(
        ProbeLine(
            name=probe.name,
            summary=PROBES[probe.kind].summary if probe.kind in PROBES else probe.kind,
            parameters=", ".join(f"{name} {fact_text(value)}" for name, value in probe.parameters),
        )
        for probe in info.plan.probes
    )


def command_groups(digest: Digest) -> tuple[tuple[CommandLine, ...], ...]:
    """Return the command lines by probe and role, the most used one of each first."""
    groups = groupby(digest.commands, key=lambda command: (command.probe, command.role))
    return tuple(tuple(sorted(group, key=lambda command: -command.times)) for _, group in groups)


def aa_rows(analysis: Analysis) -> tuple[NullContrast, ...]:
    """Return the A/A contrasts of the primary metrics."""
    main = {(c.path, c.probe, c.placement, c.metric) for c in analysis.contrasts if c.primary}
    return tuple(n for n in analysis.nulls if (n.path, n.probe, n.placement, n.metric) in main)
