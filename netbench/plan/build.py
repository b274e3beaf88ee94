"""The plan: a request made exact for one machine."""

import secrets
from dataclasses import dataclass, fields

from netbench.drivers import Driver
from netbench.errors import ConfigurationError
from netbench.plan.order import BlockPlan, block_plan
from netbench.plan.placement import place
from netbench.plan.request import Request
from netbench.probes.base import AnyProbe, Probe
from netbench.record import FactValue, PlacementCpus, PlanSummary, ProbeSummary
from netbench.spec import Arm, Cell, Cpus, CpuTopology, Path, Placement


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
    forced = Placement(request.pin) if request.pin in list(Placement) else None
    kinds = dict.fromkeys(
        (probe, path, forced or placement)
        for probe, placement in request.suite.cells
        for path in request.paths
    )
    wanted = frozenset(placement for _, _, placement in kinds)
    cpus, impossible, problems = place(request.pin, wanted, topology)
    if problems:
        raise ConfigurationError(*problems)
    return Plan(
        suite=request.suite.name,
        drivers=request.drivers,
        baseline=request.baseline,
        kinds=tuple(kinds),
        probes=request.suite.probes,
        secondary=frozenset((name, forced or at) for name, at in request.suite.secondary),
        blocks=request.blocks,
        max_time=request.max_time,
        seed=secrets.randbits(32) if request.seed is None else request.seed,
        margin=request.margin,
        cpus=cpus,
        impossible=impossible,
        cc=request.cc,
    )
