"""Under what a run measured: its plan, machine and tools, and the links that carried its bytes."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from netbench.probes import PROBES, AnyProbe
from netbench.record import Absent, FactValue, HopProof, Link, Record, RunInfo, Sample
from netbench.spec import Placement, Role

_TRIAL: Final = (
    "trial.published_via",
    "trial.congestion_control_client",
    "trial.congestion_control_server",
    "trial.cgroup_source",
)
"""Facts of trials that must agree between runs."""
_HOP: Final = ("mode", "mtu", "qdisc", "offloads")
"""What a path's proof tells of each of its links."""
_LINK: Final = ("txqlen", "gso_max_size", "gro_max_size", "tso_max_size", "carrier")
"""What the endpoints' facts tell of it beside that."""
_ENDS: Final = (Role.CLIENT, Role.SERVER, Role.LAN)
"""Namespaces in which a link has the same name in every run."""


@dataclass(frozen=True, slots=True)
class Scope:
    """The trials that a fact is about; None for all."""

    driver: str | None = None
    path: str | None = None
    probe: str | None = None
    placement: str | None = None
    detail: str = ""
    """Which of several: a link of the path, in words."""

    def covers(self, drivers: Iterable[str], path: str, probe: str, placement: str) -> bool:
        """Tell whether the fact is about trials of one of these drivers in this cell."""
        return (
            (self.driver is None or self.driver in drivers)
            and self.path in {None, path}
            and self.probe in {None, probe}
            and self.placement in {None, placement}
        )

    def __str__(self) -> str:
        """Return `bridge, east-west, client eth0`; empty for the whole run."""
        parts = (self.driver, self.path, self.probe, self.placement, self.detail)
        return ", ".join(part for part in parts if part)


Conditions = Mapping[tuple[str, Scope], FactValue]
"""Values by a fact's name and the trials that it is about."""


def of_run(info: RunInfo) -> dict[tuple[str, Scope], FactValue]:
    """Return what stands in `run.json`."""
    found = {(name, Scope()): value for name, value in info.facts}
    found["netbench.version", Scope()] = info.version
    return found | _plan(info) | _probes(info) | _tools(info)


def _plan(info: RunInfo) -> dict[tuple[str, Scope], FactValue]:
    plan = info.plan
    found: dict[tuple[str, Scope], FactValue] = {
        ("plan.suite", Scope()): plan.suite,
        ("plan.drivers", Scope()): plan.drivers,
        ("plan.baseline", Scope()): plan.baseline,
        ("plan.blocks", Scope()): plan.blocks,
        ("plan.adaptive", Scope()): plan.adaptive,
        ("plan.margin", Scope()): plan.margin,
        ("plan.seed", Scope()): plan.seed,
        ("plan.congestion_control", Scope()): plan.congestion_control or "the system's own",
        ("plan.max_time", Scope()): "none" if plan.max_time is None else plan.max_time,
    }
    if plan.adaptive:
        found["plan.precision", Scope()] = plan.precision
    for at in plan.placements:
        if at.placement != Placement.NONE:
            told = f"client {at.client}, server {at.server}"
            found["plan.cpus", Scope(placement=at.placement)] = told
    return found


def _probes(info: RunInfo) -> dict[tuple[str, Scope], FactValue]:
    found: dict[tuple[str, Scope], FactValue] = {}
    for probe in info.plan.probes:
        here = Scope(probe=probe.name)
        found["probe.kind", here] = probe.kind
        found |= {(f"probe.{name}", here): value for name, value in probe.parameters}
    return found


def _tools(info: RunInfo) -> dict[tuple[str, Scope], FactValue]:
    """Return versions: a probe's tools concern its cells, the others no cell's result."""
    needed = {
        name: _tools_of(PROBES[kind]()) for name, kind in _kinds(info).items() if kind in PROBES
    }
    carrying = {tool for tools in needed.values() for tool in tools}
    found: dict[tuple[str, Scope], FactValue] = {
        (f"helper.{tool}", Scope()): version for tool, version in info.tools if tool not in carrying
    }
    for tool, version in info.tools:
        for name, tools in needed.items():
            if tool in tools:
                found[f"tool.{tool}", Scope(probe=name)] = version
    return found


def _kinds(info: RunInfo) -> dict[str, str]:
    """Return the kind of each probe of the run; in runs of old its name is its kind."""
    named = {cell.probe: cell.probe for cell in info.plan.cells}
    return named | {probe.name: probe.kind for probe in info.plan.probes}


def _tools_of(probe: AnyProbe) -> frozenset[str]:
    load = getattr(probe, "load", None)
    return frozenset(tool for tool in (probe.tool, load.tool if load else "") if tool)


class Watcher:
    """Notes, as records pass by, under what each driver's trials ran."""

    def __init__(self) -> None:
        """Nothing has passed yet."""
        self._seen: defaultdict[tuple[str, Scope], dict[FactValue | None, None]] = defaultdict(dict)

    def watching(self, records: Iterable[Record]) -> Iterator[Record]:
        """Yield every record as it is."""
        for record in records:
            if isinstance(record.outcome, Sample):
                self._take(record)
            yield record

    def conditions(self) -> dict[tuple[str, Scope], FactValue]:
        """Return what was seen; where trials differ, every value, joined."""
        return {key: _joined(list(values)) for key, values in self._seen.items()}

    def _take(self, record: Record) -> None:
        cell = record.cell
        facts = dict(record.facts)
        for name in _TRIAL:
            if name in facts:
                self._seen[name, Scope(cell.driver, cell.path.value)][facts[name]] = None
        if record.path is None:
            return
        links = {
            (end.role.value, link.index): link for end in record.endpoints for link in end.links
        }
        hops = record.path.hops
        told = tuple(f"{hop.namespace} {hop.kind or hop.link}" for hop in hops)
        self._seen["path.links", Scope(cell.driver, cell.path.value)][told] = None
        for number, hop in enumerate(hops, 1):
            here = Scope(cell.driver, cell.path.value, detail=_name(number, hop))
            for name, value in _values(hop, links.get((hop.namespace, hop.index))):
                self._seen[f"link.{name}", here][value] = None


def _values(hop: HopProof, link: Link | None) -> Iterator[tuple[str, FactValue]]:
    for name in _HOP:
        yield name, _told(getattr(hop, name))
    for name in _LINK:
        yield name, _told(getattr(link, name, None))


def _told(value: FactValue | None) -> FactValue:
    return Absent("not readable there") if value is None else value


def _name(number: int, hop: HopProof) -> str:
    """Return a link's name where every run has the same, else its kind and place on the path."""
    if hop.namespace in _ENDS:
        return f"{hop.namespace} {hop.link}"
    return f"{hop.namespace} {hop.kind or hop.link} (link {number})"


def _joined(values: list[FactValue | None]) -> FactValue:
    known = [value for value in values if value is not None and not isinstance(value, Absent)]
    if not known:
        return next(value for value in values if value is not None)
    if len(known) == 1:
        return known[0]
    return tuple(sorted(str(value) for value in known))
