"""The plan of a run that is resumed, from what its folder keeps of it."""

from netbench.drivers import Driver
from netbench.errors import ConfigurationError
from netbench.plan.build import Plan
from netbench.plan.drivers import driver_named
from netbench.plan.placement import place
from netbench.probes import PROBES
from netbench.probes.base import AnyProbe
from netbench.record import PlanSummary
from netbench.spec import Cpus, CpuTopology, Placement


def restore(kept: PlanSummary, topology: CpuTopology) -> Plan:
    """Return the plan as the folder has it: fixed before the first trial, or extended since.

    Raises:
        ConfigurationError: this machine or this netbench cannot carry it out; with every reason.
    """
    problems: list[str] = []
    drivers = _drivers(kept, problems)
    probes = _probes(kept, problems)
    own = [cell for cell in kept.cells if cell.driver == kept.drivers[0]]
    kinds = tuple((cell.probe, cell.path, cell.placement) for cell in own)
    cpus = {Placement(p.placement): Cpus(p.client, p.server) for p in kept.placements}
    used = {cpu for pair in cpus.values() for cpu in (pair.client, pair.server)} - {None}
    problems += [
        f"CPU {cpu} of the plan is not usable now"
        for cpu in sorted(used, key=str)
        if cpu not in topology.usable
    ]
    missing = frozenset(placement for _, _, placement in kinds) - cpus.keys()
    _, impossible, _ = place("auto", missing, topology)
    if problems:
        raise ConfigurationError(*problems, hint="start a new run")
    reason = "this machine did not offer it when the run began"
    return Plan(
        suite=kept.suite,
        drivers=drivers,
        baseline=kept.baseline,
        kinds=kinds,
        probes=probes,
        secondary=frozenset((name, Placement(at)) for name, at in kept.secondary),
        limits={(name, Placement(at)): most for name, at, most in kept.limits},
        blocks=kept.blocks,
        cap=kept.cap,
        max_time=kept.max_time,
        seed=kept.seed,
        margin=kept.margin,
        cpus=cpus,
        impossible={placement: impossible.get(placement, reason) for placement in missing},
        cc=kept.congestion_control,
        require=kept.require,
        allow_undecided=kept.allow_undecided,
        published=kept.published,
        adaptive=kept.adaptive,
        precision=kept.precision,
        least=kept.least,
        unhurried=kept.unhurried,
    )


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
            problems.append(f"this netbench has no probe {probe.kind!r}")
            continue
        try:
            found[probe.name] = kind(**dict(probe.parameters))
        except (ConfigurationError, TypeError) as exc:
            problems.append(f"this netbench cannot make the probe {probe.name!r}: {exc}")
    unknown = sorted({cell.probe for cell in kept.cells} - {probe.name for probe in kept.probes})
    problems += [f"the folder does not say how {name!r} was configured" for name in unknown]
    return found
