"""The plan: a request made exact for one machine."""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, fields
from hashlib import sha256

from netbench.drivers import Driver
from netbench.errors import ConfigurationError
from netbench.plan.order import BlockPlan, block_plan
from netbench.plan.placement import place
from netbench.plan.request import DEFAULT_PRECISION, Request
from netbench.plan.suite import LEAST_BLOCKS
from netbench.probes.base import AnyProbe, Sliced
from netbench.record import (
    Budget,
    FactValue,
    PlacementCpus,
    PlanSummary,
    ProbeSummary,
    PublishedComparison,
)
from netbench.spec import Arm, Cell, Cpus, CpuTopology, Path, Placement, Protocol


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
    limits: Mapping[tuple[str, Placement], int]
    """In how many blocks, the first ones, cells run that only describe."""
    blocks: int
    """At most, where `adaptive`."""
    cap: int
    """Blocks that were declared when the run began; an extension leaves it as it is."""
    max_time: float | None
    seed: int
    margin: float
    cpus: dict[Placement, Cpus]
    impossible: dict[Placement, str]
    """Placements this machine cannot give, with the reason."""
    cc: str | None
    require: tuple[Budget, ...] = ()
    allow_undecided: bool = False
    published: tuple[PublishedComparison, ...] = ()
    """What others measured, as the suite tells it."""
    adaptive: bool = False
    """Whether cells leave once they are settled."""
    precision: float = DEFAULT_PRECISION
    least: int = LEAST_BLOCKS
    """Blocks that a contrast has at least before it may be settled."""
    unhurried: int = 0
    """Blocks that `max_time` does not prevent: a suite's own limit leaves room for a verdict."""

    @property
    def arms(self) -> tuple[Arm, ...]:
        """One arm a driver, and the baseline's second."""
        return (*(Arm(driver.name) for driver in self.drivers), Arm(self.baseline, 1))

    @property
    def paths(self) -> tuple[Path, ...]:
        """Every path that is measured."""
        return tuple(dict.fromkeys(path for _, path, _ in self.kinds))

    @property
    def servers(self) -> int:
        """How many servers the cells of one driver start in a block, loads' included."""
        used = [self.probes[name] for name, _, _ in self.kinds]
        return len(used) + sum(isinstance(p, Sliced) and p.load is not None for p in used)

    @property
    def protocols(self) -> tuple[Protocol, ...]:
        """What some probe, or the load beside it, needs of a published port."""
        used = [self.probes[name] for name, _, _ in self.kinds]
        loads = [probe.load for probe in used if isinstance(probe, Sliced) and probe.load]
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
        return PlanSummary(
            suite=self.suite,
            drivers=tuple(driver.name for driver in self.drivers),
            baseline=self.baseline,
            cells=self.cells,
            blocks=self.blocks,
            cap=self.cap,
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
            limits=tuple((name, at.value, most) for (name, at), most in self.limits.items()),
            require=self.require,
            allow_undecided=self.allow_undecided,
            published=self.published,
            adaptive=self.adaptive,
            precision=self.precision,
            least=self.least,
            unhurried=self.unhurried,
            conflists=tuple(
                (driver.name, sha256(network.conflist.encode()).hexdigest())
                for driver in self.drivers
                if (network := driver.recipe.network) and network.conflist
            ),
        )


def parameters(probe: AnyProbe) -> tuple[tuple[str, FactValue], ...]:
    """Return a probe's parameters as the suite may give them; what is left open is left out."""
    given = ((field.name, getattr(probe, field.name)) for field in fields(probe))
    return tuple((name, value) for name, value in given if value is not None)


def _limits(request: Request) -> dict[tuple[str, Placement], int]:
    """Return in how many blocks cells run that only describe; a budget needs its cells in all."""
    suite, pin = request.suite, request.pin
    budgeted = {
        (name, placement)
        for name, placement in suite.limits
        for budget in request.require
        if budget.metric in suite.probes[name].metrics
    }
    return {
        (name, suite.placed(pin, name, placement)): most
        for (name, placement), most in suite.limits.items()
        if (name, placement) not in budgeted
    }


def build(request: Request, topology: CpuTopology) -> Plan:
    """Return the plan for a machine.

    Raises:
        ConfigurationError: `--pin` names CPUs that are not usable.
    """
    suite, pin = request.suite, request.pin
    measured = suite.kinds(request.paths, pin)
    pinned = frozenset(at for name, _, at in measured if not suite.is_engines(name))
    cpus, impossible, problems = place(pin, pinned, topology)
    if problems:
        raise ConfigurationError(*problems)
    secondary = frozenset((name, suite.placed(pin, name, at)) for name, at in suite.secondary)
    least = min(request.blocks, suite.least)
    return Plan(
        suite=suite.name,
        drivers=request.drivers,
        baseline=request.baseline,
        kinds=measured,
        probes=suite.probes,
        secondary=secondary,
        limits=_limits(request),
        blocks=request.blocks,
        cap=request.blocks,
        max_time=request.max_time,
        seed=secrets.randbits(32) if request.seed is None else request.seed,
        margin=request.margin,
        cpus=cpus,
        impossible=impossible,
        cc=request.cc,
        require=request.require,
        allow_undecided=request.allow_undecided,
        published=request.suite.published,
        adaptive=request.adaptive,
        precision=request.precision,
        least=least,
        unhurried=0 if request.strict else min(least, LEAST_BLOCKS),
    )
