"""The plan: everything that will be tried, made exact for one machine, read back, or extended."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from hashlib import sha256
from typing import Any

from netbench.drivers import Driver
from netbench.errors import ConfigurationError, cut
from netbench.plan.drivers import driver_named, third_party_problems
from netbench.plan.order import BlockPlan, block_plan
from netbench.plan.suite import LEAST_BLOCKS
from netbench.probes import PROBES, AnyProbe, Sliced
from netbench.record import (
    Budget,
    FactValue,
    PlacementCpus,
    PlanSummary,
    ProbeSummary,
    PublishedComparison,
)
from netbench.spec import Arm, Cell, Cpus, CpuTopology, Path, Placement, Protocol

DEFAULT_MARGIN = 0.05
DEFAULT_PRECISION = 0.03


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Everything that will be tried, fixed before anything is created."""

    suite: str
    drivers: tuple[Driver, ...]
    baseline: str
    kinds: tuple[tuple[str, Path, Placement], ...]  # of every cell of a driver
    probes: dict[str, AnyProbe]
    secondary: frozenset[tuple[str, Placement]]  # cells that the run is not judged by
    limits: Mapping[tuple[str, Placement], int] = field(default_factory=dict)
    """In how many blocks, the first ones, cells run that only describe."""
    blocks: int  # at most, where `adaptive`
    cap: int  # blocks that were declared when the run began; an extension leaves it as it is
    max_time: float | None
    seed: int
    margin: float = DEFAULT_MARGIN
    cpus: Mapping[Placement, Cpus] = field(default_factory=dict)
    impossible: Mapping[Placement, str] = field(default_factory=dict)  # why, if it cannot be had
    cc: str | None = None
    require: tuple[Budget, ...] = ()
    allow_undecided: bool = False
    published: tuple[PublishedComparison, ...] = ()
    adaptive: bool = False  # whether cells leave once they are settled
    precision: float = DEFAULT_PRECISION
    least: int = LEAST_BLOCKS  # blocks that a contrast has at least before it may be settled
    unhurried: int = 0  # blocks that `max_time` does not prevent, for a verdict

    @property
    def arms(self) -> tuple[Arm, ...]:
        """One arm a driver, and the baseline's second."""
        return (*(Arm(driver.name) for driver in self.drivers), Arm(self.baseline, 1))

    @property
    def paths(self) -> tuple[Path, ...]:
        """Every path that is measured."""
        return tuple(dict.fromkeys(path for _, path, _ in self.kinds))

    @property
    def _published_to(self) -> list[AnyProbe]:
        """The probe of every cell whose path leads through published ports, then their loads."""
        used = [
            self.probes[name]
            for name, path, _ in self.kinds
            if any(driver.publishes(path) for driver in self.drivers)
        ]
        return used + [p.load for p in used if isinstance(p, Sliced) and p.load is not None]

    @property
    def servers(self) -> int:
        """How many servers one driver has behind published ports in a block, loads' included."""
        return sum(one.clients if isinstance(one, Sliced) else 1 for one in self._published_to)

    @property
    def second_ports(self) -> int:
        """How many of them need a second port, with the same number where it is published."""
        return sum(p.clients for p in self._published_to if isinstance(p, Sliced) and p.second_port)

    @property
    def protocols(self) -> tuple[Protocol, ...]:
        """What some probe, or the load beside it, needs of a published port."""
        return tuple(dict.fromkeys(each for one in self._published_to for each in one.protocols))

    def driver(self, name: str) -> Driver:
        """Return the driver of that name."""
        return next(driver for driver in self.drivers if driver.name == name)

    @property
    def cells(self) -> tuple[Cell, ...]:
        """Every cell."""
        return cells_of(self.drivers, self.kinds)

    @property
    def run_cpus(self) -> tuple[int, ...]:
        """CPUs that some trial is pinned to; empty where one is unpinned."""
        return () if Placement.NONE in self.cpus else _numbers(self.cpus)

    def block(self, number: int) -> BlockPlan:
        """Return one block in its seeded order."""
        pausing = frozenset(
            name
            for name, probe in self.probes.items()
            if isinstance(probe, Sliced) and probe.pause > 0
        )
        kinds = tuple(
            (name, path, at)
            for name, path, at in self.kinds
            if number <= self.limits.get((name, at), number)
        )
        return block_plan(number, self.seed, self.arms, kinds, pausing)

    def summary(self) -> PlanSummary:
        """Return what `run.json` keeps of it."""
        measured = dict.fromkeys((name, placement) for name, _, placement in self.kinds)
        probes = {name: self.probes[name] for name, _ in measured}
        return PlanSummary(
            **_alike(self),
            drivers=tuple(driver.name for driver in self.drivers),
            cells=self.cells,
            placements=tuple(
                PlacementCpus(placement.value, pair.client, pair.server)
                for placement, pair in sorted(self.cpus.items())
            ),
            congestion_control=self.cc,
            probes=tuple(
                ProbeSummary(name, probe.name, probe.metrics, parameters(probe))
                for name, probe in probes.items()
            ),
            secondary=tuple(
                (name, at.value) for name, at in measured if (name, at) in self.secondary
            ),
            limits=tuple((name, at.value, most) for (name, at), most in self.limits.items()),
            conflists=tuple(
                (driver.name, sha256(network.conflist.encode()).hexdigest())
                for driver in self.drivers
                if (network := driver.recipe.network) and network.conflist
            ),
        )


def cells_of(
    drivers: tuple[Driver, ...], kinds: tuple[tuple[str, Path, Placement], ...]
) -> tuple[Cell, ...]:
    """Return every cell of some drivers."""
    return tuple(
        Cell(driver.name, path, probe, placement)
        for driver in drivers
        for probe, path, placement in kinds
    )


def _numbers(cpus: Mapping[Placement, Cpus]) -> tuple[int, ...]:
    used = {cpu for pair in cpus.values() for cpu in (pair.client, pair.server)}
    return tuple(sorted(cpu for cpu in used if cpu is not None))


def parameters(probe: AnyProbe) -> tuple[tuple[str, FactValue], ...]:
    """Return a probe's parameters as the suite may give them; what is left open is left out."""
    given = ((one.name, getattr(probe, one.name)) for one in fields(probe))
    return tuple((name, value) for name, value in given if value is not None)


def pinned(pin: str) -> tuple[int, ...]:
    """Return the one or two CPUs that `--pin` names; none for any other text."""
    numbers = re.fullmatch(r" *[0-9]{1,9} *(, *[0-9]{1,9} *)?", pin)
    return tuple(map(int, pin.split(","))) if numbers else ()


def place(
    pin: str, wanted: frozenset[Placement], topology: CpuTopology
) -> tuple[dict[Placement, Cpus], dict[Placement, str], list[str]]:
    """Return CPUs by placement, why some are impossible here, and problems of `--pin`.

    Two physical cores for `cross`, the last ones, so that the first, which serves most
    interrupts, is left to them where there are more than two.
    """
    impossible: dict[Placement, str] = {}
    problems: list[str] = []
    if given := pinned(pin):
        client, server = given[0], given[-1]
        missing = ", ".join(str(cpu) for cpu in given if cpu not in topology.usable)
        if missing:
            usable = ", ".join(map(str, topology.usable))
            problems.append(f"--pin: CPU {missing} is not usable; usable: {usable}")
        if client == server and Placement.CROSS in wanted:
            problems.append(f"--pin {client} names one CPU, and the suite has cells on two cores")
    else:
        cores = topology.cores or tuple((cpu,) for cpu in topology.usable)
        client, server = cores[-2:][0][0], cores[-1][0]
        if client == server:
            reason = "there is one usable physical core: no two to pin to"
            impossible[Placement.CROSS] = reason
    found = {Placement.NONE: Cpus(None, None), Placement.SAME: Cpus(server, server)}
    if client != server:
        found[Placement.CROSS] = Cpus(client, server)
    return {at: found[at] for at in wanted if at in found}, impossible, problems


def restore(kept: PlanSummary, topology: CpuTopology) -> Plan:
    """Return the plan that a run's folder keeps; ConfigurationError where it is impossible here."""
    problems: list[str] = []
    drivers = _drivers(kept, problems)
    probes = _probes(kept, problems)
    own = [cell for cell in kept.cells if cell.driver == kept.drivers[0]]
    cpus = {Placement(p.placement): Cpus(p.client, p.server) for p in kept.placements}
    lost = (cpu for cpu in _numbers(cpus) if cpu not in topology.usable)
    problems += [f"CPU {cpu} of the plan is not usable now" for cpu in lost]
    missing = frozenset(cell.placement for cell in own) - cpus.keys()
    if problems:
        raise ConfigurationError(*problems, *third_party_problems(), hint="start a new run")
    _, impossible, _ = place("auto", missing, topology)
    reason = "this machine did not offer it when the run began"
    return Plan(
        **_alike(kept),
        drivers=drivers,
        kinds=tuple((cell.probe, cell.path, cell.placement) for cell in own),
        probes=probes,
        secondary=frozenset((name, Placement(at)) for name, at in kept.secondary),
        limits={(name, Placement(at)): most for name, at, most in kept.limits},
        cpus=cpus,
        impossible={placement: impossible.get(placement, reason) for placement in missing},
        cc=kept.congestion_control,
    )


def _alike(plan: Plan | PlanSummary) -> dict[str, Any]:
    """Return the fields that a plan and what is kept of it have in common."""
    others = {"drivers", "probes", "secondary", "limits"}  # of the same name and another type
    names = {one.name for one in fields(Plan)} & {one.name for one in fields(PlanSummary)} - others
    return {name: getattr(plan, name) for name in names}


def _drivers(kept: PlanSummary, problems: list[str]) -> tuple[Driver, ...]:
    found = []
    for name in kept.drivers:
        try:
            found.append(driver_named(name))
        except ConfigurationError as exc:
            problems += exc.problems
    return tuple(found)


def _probes(kept: PlanSummary, problems: list[str]) -> dict[str, AnyProbe]:
    found: dict[str, AnyProbe] = {}
    for probe in kept.probes:
        kind = PROBES.get(probe.kind)
        if kind is None:
            problems.append(f"this netbench has no probe {cut(probe.kind)!r}")
            continue
        try:
            found[probe.name] = kind(**dict(probe.parameters))
        except (ConfigurationError, TypeError) as exc:
            problems.append(f"this netbench cannot make the probe {cut(probe.name)!r}: {exc}")
    unknown = sorted({cell.probe for cell in kept.cells} - {probe.name for probe in kept.probes})
    problems += [f"the folder does not say how {cut(name)!r} was configured" for name in unknown]
    return found
