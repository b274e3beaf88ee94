"""What the page's template shows, as values ready to print."""

from dataclasses import dataclass
from typing import Final

from netbench import units
from netbench.analysis.cell_key import PLACEMENTS, plain
from netbench.analysis.digest_model import Digest, DriverView, WayView
from netbench.analysis.model import Analysis, NullContrast
from netbench.facts.registry import FACTS
from netbench.probes import PROBES
from netbench.record import Absent, FactValue, HopProof, Link, RunInfo
from netbench.report.sentences import fact
from netbench.report.sharing import NamespaceRow, namespace_rows

_MINUTE: Final = 60
_COUNTED_BYTES: Final = 100_000
"""Below it every byte is told."""


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
    """Return every fact of the run that was read, as text, with its meaning."""
    return tuple(_fact(name, value) for name, value in info.facts if not isinstance(value, Absent))


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
    if unit == units.BYTES and abs(value) < _COUNTED_BYTES:
        return f"{value:,.0f} {unit}"  # an MTU of 1504 is not one of 1500
    if unit in {units.BYTES, units.SECONDS}:
        return units.quantity(value, unit)
    return f"{value:g}"


def _fact(name: str, value: FactValue) -> FactLine:
    known = FACTS.get(name)
    return FactLine(
        name=name,
        value=fact_text(value, known.unit if known else ""),
        meaning=known.meaning if known else "",
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


def aa_rows(analysis: Analysis) -> tuple[NullContrast, ...]:
    """Return the A/A contrasts of the primary metrics."""
    main = {(c.path, c.probe, c.placement, c.metric) for c in analysis.contrasts if c.primary}
    return tuple(n for n in analysis.nulls if (n.path, n.probe, n.placement, n.metric) in main)
