"""Under what a run measured, and what of it differs from another run: a confounder, or not."""

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from typing import Final

from netbench.analysis.block_pairs import position
from netbench.facts.registry import FACTS, FactDef, declared
from netbench.probes import PROBES
from netbench.record import Absent, FactValue, HopProof, Link, Record, RunInfo, Sample
from netbench.spec import Placement, Role

_LINKS: Final = "path.links"
_TRIAL: Final = (
    "trial.published_via",
    "trial.congestion_control_client",
    "trial.congestion_control_server",
    "trial.cgroup_source",
)
"""Facts of trials that must agree between runs."""
_HOP: Final = ("mode", "mtu", "qdisc", "offloads")  # what a path's proof records of a link
_LINK: Final = ("txqlen", "gso_max_size", "gro_max_size", "tso_max_size", "carrier")
"""What the endpoints' facts record of it beside that."""
_ROUNDING: Final = 1e-9  # relative difference of two numbers that is their rounding's
_ENDS: Final = (Role.CLIENT, Role.SERVER, Role.LAN)  # they name a link alike in every run


@dataclass(frozen=True, slots=True)
class Scope:
    """The trials that a fact is about; None for all."""

    driver: str | None = None
    path: str | None = None
    probe: str | None = None
    placement: str | None = None
    detail: str = ""  # which of several: a link of the path, in words

    @property
    def parts(self) -> tuple[object, ...]:
        """What two runs must have in common for the fact to count: a path, a probe, a placement."""
        return (self.driver, self.path), self.probe, self.placement

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


_BEFORE: Final = dict.fromkeys(("tcp-rr", "udp-rr", "tcp-crr"), (("clients", 1),))
"""Parameters that older runs do not name, by kind of probe: what they were."""
Conditions = Mapping[tuple[str, Scope], FactValue]  # by a fact's name and what it is about


def of_run(info: RunInfo) -> dict[tuple[str, Scope], FactValue]:
    """Return what stands in `run.json`."""
    found = {(name, Scope()): value for name, value in info.facts}
    found["netbench.version", Scope()] = info.version
    found |= _plan(info)
    for probe in info.plan.probes:
        facts = (("kind", probe.kind), *_BEFORE.get(probe.kind, ()), *probe.parameters)
        found |= {(f"probe.{name}", Scope(probe=probe.name)): value for name, value in facts}
    return found | _tools(info)


def _plan(info: RunInfo) -> dict[tuple[str, Scope], FactValue]:
    plan = info.plan
    names = ("suite", "drivers", "baseline", "blocks", "adaptive", "margin", "seed")
    facts: dict[str, FactValue] = {name: getattr(plan, name) for name in names}
    facts["congestion_control"] = plan.congestion_control or "the system's own"
    facts["max_time"] = "none" if plan.max_time is None else plan.max_time
    if plan.adaptive:
        facts["precision"] = plan.precision
    found = {(f"plan.{name}", Scope()): value for name, value in facts.items()}
    for at in plan.placements:
        if at.placement != Placement.NONE:
            text = f"client {at.client}, server {at.server}"
            found["plan.cpus", Scope(placement=at.placement)] = text
    return found


def _tools(info: RunInfo) -> dict[tuple[str, Scope], FactValue]:
    """Return versions: a probe's tools concern its cells, the others no cell's result."""
    kinds = {cell.probe: cell.probe for cell in info.plan.cells}  # of a run that names no kinds
    kinds |= {probe.name: probe.kind for probe in info.plan.probes}
    users: defaultdict[str, list[str]] = defaultdict(list)
    for name, kind in kinds.items():
        probe = PROBES[kind]() if kind in PROBES else None
        for tool in {getattr(one, "tool", "") for one in (probe, getattr(probe, "load", None))}:
            users[tool].append(name)
    found: dict[tuple[str, Scope], FactValue] = {}
    for tool, version in info.tools:
        if tool not in users:
            found[f"helper.{tool}", Scope()] = version
        found |= {(f"tool.{tool}", Scope(probe=name)): version for name in users.get(tool, ())}
    return found


class Watcher:
    """Notes, as records pass by, under what each driver's trials ran."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self._seen: defaultdict[tuple[str, Scope], dict[FactValue | None, None]] = defaultdict(dict)

    def conditions(self) -> dict[tuple[str, Scope], FactValue]:
        """Return what was seen; where trials differ, every value, joined."""
        return {key: _joined(list(values)) for key, values in self._seen.items()}

    def take(self, record: Record) -> None:
        """Note one record's, if it is a sample."""
        cell = record.cell
        if not isinstance(record.outcome, Sample):
            return
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
        route = tuple(f"{hop.namespace} {hop.kind or hop.link}" for hop in hops)
        self._seen[_LINKS, Scope(cell.driver, cell.path.value)][route] = None
        for number, hop in enumerate(hops, 1):
            here = Scope(cell.driver, cell.path.value, detail=_name(number, hop))
            for name, value in _values(hop, links.get((hop.namespace, hop.index))):
                self._seen[f"link.{name}", here][value] = None


def _values(hop: HopProof, link: Link | None) -> Iterator[tuple[str, FactValue]]:
    for source, names in ((hop, _HOP), (link, _LINK)):
        for name in names:
            value = getattr(source, name, None)
            yield name, Absent("not readable there") if value is None else value


def _name(number: int, hop: HopProof) -> str:
    """Return a link's name where every run has the same, else its kind and place on the path."""
    if hop.namespace in _ENDS:
        return f"{hop.namespace} {hop.link}"
    return f"{hop.namespace} {hop.kind or hop.link} (link {number})"


def _joined(values: list[FactValue | None]) -> FactValue:
    read = [value for value in values if value is not None]
    known = [value for value in read if not isinstance(value, Absent)] or read[:1]
    return known[0] if len(known) == 1 else tuple(sorted(str(value) for value in known))


@dataclass(frozen=True, slots=True)
class RunDifference:
    """One fact that two runs do not share."""

    fact: str
    scope: Scope
    left: FactValue | None  # None if that run did not record it
    right: FactValue | None
    confounder: bool  # whether runs that differ in it so are not compared, by the registry's rule
    meaning: str
    accepted: bool = False

    @property
    def unknown(self) -> bool:
        """Whether one of the runs did not record it, so that they may be equal in it."""
        return unread(self.left) or unread(self.right)

    @property
    def withholds(self) -> bool:
        """Whether it keeps the trials that it is about from being compared."""
        return self.confounder and not self.accepted

    def __str__(self) -> str:
        """Return `link.mtu (bridge, east-west, client eth0)`."""
        return f"{self.fact} ({self.scope})" if str(self.scope) else self.fact


def fact_of(difference: str) -> str:
    """Return `link.mtu` of `link.mtu (bridge, east-west, client eth0)`."""
    return difference.partition(" (")[0]


def differences(left: Conditions, right: Conditions) -> tuple[RunDifference, ...]:
    """Return what differs, confounders first, then in the registry's order.

    A fact that only one run recorded is unknown, and a confounder only if runs must have it: what
    another version of netbench did not read yet keeps nothing from being compared. One that
    neither recorded does not differ. What is about a driver's path, a probe or a placement counts
    only where both runs have it, and links one by one only where the paths have the same ones.
    """
    shared = _parts(left) & _parts(right)
    apart = {
        (scope.driver, scope.path)
        for name, scope in (*left, *right)
        if name == _LINKS and left.get((name, scope)) != right.get((name, scope))
    }
    found = []
    for name, scope in dict.fromkeys((*left, *right)):
        if not shared.issuperset(enumerate(scope.parts)):
            continue
        if name.startswith("link.") and (scope.driver, scope.path) in apart:
            continue
        values = left.get((name, scope)), right.get((name, scope))
        if not _same(*values):
            known = declared(name)
            meaning = known.meaning if known else ""
            found.append(RunDifference(name, scope, *values, _confounds(known, values), meaning))
    order = list(FACTS)
    return tuple(
        sorted(found, key=lambda d: (not d.confounder, _rank(d.fact, order), str(d.scope)))
    )


def accepted(found: Iterable[RunDifference], patterns: Sequence[str]) -> tuple[RunDifference, ...]:
    """Return the differences, those whose fact a pattern names as accepted."""
    return tuple(
        replace(one, accepted=any(fnmatchcase(one.fact, pattern) for pattern in patterns))
        for one in found
    )


def confounders(
    found: Iterable[RunDifference], drivers: Iterable[str], path: str, probe: str, placement: str
) -> tuple[RunDifference, ...]:
    """Return what keeps these drivers' trials in this cell from being compared."""
    names = tuple(drivers)
    return tuple(
        one for one in found if one.withholds and one.scope.covers(names, path, probe, placement)
    )


def _parts(conditions: Conditions) -> set[tuple[int, object]]:
    return {part for _, scope in conditions for part in enumerate(scope.parts)}


def _confounds(known: FactDef | None, values: Iterable[FactValue | None]) -> bool:
    """Tell whether two values of a fact keep runs from being compared; one of no name may do so."""
    if any(map(unread, values)):
        return known is not None and known.required
    return known is None or known.confounds


def unread(value: FactValue | None) -> bool:
    """Tell whether a run does not have a fact's value, be it recorded as absent."""
    return value is None or isinstance(value, Absent)


def _same(left: FactValue | None, right: FactValue | None) -> bool:
    if unread(left) or unread(right):
        return unread(left) and unread(right)
    if isinstance(left, float) and isinstance(right, int | float):
        return math.isclose(left, right, rel_tol=_ROUNDING)
    return left == right


def _rank(name: str, order: Sequence[str]) -> int:
    known = declared(name)
    return position(known.name if known else name, order)
