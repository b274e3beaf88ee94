"""The plan: a request made exact for one machine."""

import secrets
from dataclasses import dataclass, fields
from typing import Final

from netbench.drivers import Driver
from netbench.errors import ConfigurationError
from netbench.plan.order import BlockPlan, block_plan
from netbench.plan.placement import place
from netbench.plan.request import Request
from netbench.probes.base import AnyProbe, Lifecycle, Probe
from netbench.record import FactValue, PlacementCpus, PlanSummary, ProbeSummary
from netbench.spec import Arm, Cell, Cpus, CpuTopology, Path, Placement, Protocol

_BESIDE: Final = (Path.EAST_WEST,)
"""The path of trials of the engine: to an endpoint on the same network, whatever is asked for."""


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything that will be tried, fixed before anything is created."""

    suite: str
    drivers: tuple[Driver, ...]
    baseline: str
    kinds: tuple[tuple[str, Path, Placement], ...]
    """Probe, path and placement of every cell of a driver."""
    probes: dict[str, AnyProbe]
    secondary: frozenset[tuple[str, Placement]]
    """Cells that the run is not judged by."""
    blocks: int
    max_time: float | None
    seed: int
    margin: float
    cpus: dict[Placement, Cpus]
    impossible: dict[Placement, str]
    """Placements this machine cannot give, with the reason."""
    cc: str | None

    @property
    def arms(self) -> tuple[Arm, ...]:
        """One arm a driver, and the baseline's second."""
        return (*(Arm(driver.name) for driver in self.drivers), Arm(self.baseline, 1))

    @property
    def paths(self) -> tuple[Path, ...]:
        """Every path that is measured."""
        return tuple(dict.fromkeys(path for _, path, _ in self.kinds))

    @property
    def protocols(self) -> tuple[Protocol, ...]:
        """What some probe, or the load beside it, needs of a published port."""
        used = [self.probes[name] for name, _, _ in self.kinds]
        loads = [probe.load for probe in used if isinstance(probe, Probe) and probe.load]
        return tuple(dict.fromkeys(each for probe in (*used, *loads) for each in probe.protocols))

    def driver(self, name: str) -> Driver:
        """Return the driver of that name."""
        return next(driver for driver in self.drivers if driver.name == name)

    @property
    def cells(self) -> tuple[Cell, ...]:
        """Every cell."""
        return tuple(
            Cell(driver.name, path, probe, placement)
            for driver in self.drivers
            for probe, path, placement in self.kinds
        )

    @property
    def run_cpus(self) -> tuple[int, ...]:
        """CPUs that some trial is pinned to; empty where one is unpinned."""
        if Placement.NONE in self.cpus:
            return ()
        used = {cpu for pair in self.cpus.values() for cpu in (pair.client, pair.server)}
        return tuple(sorted(cpu for cpu in used if cpu is not None))

    def block(self, number: int) -> BlockPlan:
        """Return one block in its seeded order."""
        pausing = frozenset(
            name
            for name, probe in self.probes.items()
            if isinstance(probe, Probe) and probe.holdable
        )
        return block_plan(number, self.seed, self.arms, self.kinds, pausing)

    def summary(self) -> PlanSummary:
        """Return what `run.json` keeps of it."""
        return PlanSummary(
            suite=self.suite,
            drivers=tuple(driver.name for driver in self.drivers),
            baseline=self.baseline,
            cells=self.cells,
            blocks=self.blocks,
            max_time=self.max_time,
            seed=self.seed,
            margin=self.margin,
            placements=tuple(
                PlacementCpus(placement.value, pair.client, pair.server)
                for placement, pair in sorted(self.cpus.items())
            ),
            congestion_control=self.cc,
            probes=tuple(
                ProbeSummary(name, probe.name, probe.metrics, parameters(probe))
                for name in dict.fromkeys(name for name, _, _ in self.kinds)
                for probe in (self.probes[name],)
            ),
            secondary=tuple(
                (name, placement.value)
                for name, placement in dict.fromkeys((name, at) for name, _, at in self.kinds)
                if (name, placement) in self.secondary
            ),
        )


def parameters(probe: AnyProbe) -> tuple[tuple[str, FactValue], ...]:
    """Return a probe's parameters as the suite may give them; what is left open is left out."""
    given = ((field.name, getattr(probe, field.name)) for field in fields(probe))
    return tuple((name, value) for name, value in given if value is not None)


def build(request: Request, topology: CpuTopology) -> Plan:
    """Return the plan for a machine.

    Raises:
        ConfigurationError: `--pin` names CPUs that are not usable.
    """
    kinds = dict.fromkeys(
        (name, path, _placed(request, name, placement))
        for name, placement in request.suite.cells
        for path in (_BESIDE if _is_engines(request, name) else request.paths)
    )
    pinned = frozenset(at for name, _, at in kinds if not _is_engines(request, name))
    cpus, impossible, problems = place(request.pin, pinned, topology)
    if problems:
        raise ConfigurationError(*problems)
    return Plan(
        suite=request.suite.name,
        drivers=request.drivers,
        baseline=request.baseline,
        kinds=tuple(kinds),
        probes=request.suite.probes,
        secondary=frozenset(
            (name, _placed(request, name, at)) for name, at in request.suite.secondary
        ),
        blocks=request.blocks,
        max_time=request.max_time,
        seed=secrets.randbits(32) if request.seed is None else request.seed,
        margin=request.margin,
        cpus=cpus,
        impossible=impossible,
        cc=request.cc,
    )


def _is_engines(request: Request, probe: str) -> bool:
    """Tell whether a probe's trials are of the engine itself, with no tool to pin."""
    return isinstance(request.suite.probes[probe], Lifecycle)


def _placed(request: Request, probe: str, placement: Placement) -> Placement:
    """Return a cell's placement: that of `--pin` where it names one, and tools are pinned."""
    forced = request.pin in list(Placement) and not _is_engines(request, probe)
    return Placement(request.pin) if forced else placement
