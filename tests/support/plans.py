"""Plans for the captured tools, records of their steps, and their drivers' names."""

import re
from collections.abc import Mapping
from functools import cache
from typing import Any

from netbench.plan import Plan, Step
from netbench.plan.drivers import driver_named
from netbench.probes import (
    ControlPlane,
    LoadedRoundTrip,
    TcpConnect,
    TcpRate,
    TcpRoundTrip,
    TcpThroughput,
)
from netbench.record import Measurement, Pins, Record, Sample, SentinelWindow, TrialTimes
from netbench.spec import (
    Arm,
    Cpus,
    Path,
    Placement,
)
from netbench.topology.pairs import stems

THROUGHPUT, ROUND_TRIP = TcpThroughput(rounds=4, slice=0.1), TcpRoundTrip(rounds=4)
MANY = TcpRoundTrip(rounds=4, clients=5)
LOADED, CONNECT = LoadedRoundTrip(rounds=4), TcpConnect(rounds=4)
RATED = TcpRate(seconds=1, omit=1, interval=0.5, streams=2, rate="200M")
"""As the captured one was called."""
CONTROL_PLANE = ControlPlane(endpoints=3)
PROBES = (THROUGHPUT, ROUND_TRIP, LOADED, CONNECT, RATED, CONTROL_PLANE)
STEMS: dict[str, str] = {}
"""Drivers by what stands for them in the names of endpoints."""


def driver_of(name: str) -> str:
    """Return the driver from an endpoint's name."""
    return STEMS[_stem(name)]


@cache
def _stem(name: str) -> str:
    return re.sub(r"^(b|cp)\d+-|-second$|-[scn]\d*(-second)?$", "", name).removesuffix("-aa")


def plan_of(
    *drivers: str,
    kinds: tuple[tuple[str, Placement], ...] = (("tcp-throughput", Placement.CROSS),),
    paths: tuple[Path, ...] = (Path.EAST_WEST,),
    blocks: int = 1,
    max_time: float | None = None,
    impossible: Mapping[Placement, str] | None = None,
    **more: Any,
) -> Plan:
    """Return a plan for the captured tools on two CPUs; drivers as users write them."""
    named = tuple(driver_named(driver) for driver in drivers)
    for driver in named:
        STEMS[stems("", (Arm(driver.name),))[Arm(driver.name)][1:]] = driver.name
    lost = dict(impossible or {})
    cpus = {
        Placement.CROSS: Cpus(0, 1),
        Placement.SAME: Cpus(1, 1),
        Placement.NONE: Cpus(None, None),
    }
    return Plan(
        suite="test",
        drivers=named,
        baseline=named[0].name,
        kinds=tuple((probe, path, placement) for probe, placement in kinds for path in paths),
        probes={probe.name: probe for probe in PROBES},
        secondary=frozenset(),
        limits={},
        blocks=blocks,
        cap=blocks,
        max_time=max_time,
        seed=1,
        margin=0.05,
        cpus={placement: pair for placement, pair in cpus.items() if placement not in lost},
        impossible=lost,
        cc=None,
        **more,
    )


def record_of(step: Step, block: int, number: int, *, attempt: int = 1) -> Record:
    """Return the record of a step that took a tenth of a second and gave a throughput of one."""
    began = 10.0 * block + 0.1 * step.position
    return Record(
        number=number,
        block=block,
        position=step.position,
        attempt=attempt,
        cell=step.cell,
        replica=step.arm.replica,
        outcome=Sample((Measurement("throughput", 1.0, "bit/s"),), received=1),
        clock=TrialTimes("2026-01-14T10:15:00+00:00", began, seconds=0.1, measuring=0.1),
        pins=Pins(None, None, None, None),
        sentinel=SentinelWindow("none", None, None),
        tools=(),
        endpoints=(),
        promises=(),
        path=None,
    )
