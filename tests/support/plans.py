"""Plans for the captured tools, and the names that stand for their drivers."""

import re
from collections.abc import Mapping
from typing import Any

from netbench.plan import Plan
from netbench.plan.drivers import driver_named
from netbench.probes import ControlPlane, TcpRoundTrip, TcpThroughput
from netbench.spec import (
    Arm,
    Cpus,
    Path,
    Placement,
)
from netbench.topology.block import stems


class _Throughput(TcpThroughput):
    """Fakes answer at once: nothing is steady for any time."""

    steady = (0.0, 0.0)


class _RoundTrip(TcpRoundTrip):
    steady = (0.0, 0.0)


THROUGHPUT, ROUND_TRIP = _Throughput(seconds=1, omit=1), _RoundTrip()
"""The probes as the captured tools were called."""
CONTROL_PLANE = ControlPlane(endpoints=3)
STEMS: dict[str, str] = {}
"""Drivers by what stands for them in the names of endpoints."""


def driver_of(name: str) -> str:
    """Return the driver from an endpoint's name."""
    stem = re.sub(r"^(b|cp)\d+-|-second$|-[sc]\d*(-second)?$", "", name).removesuffix("-aa")
    return STEMS[stem]


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
        probes={probe.name: probe for probe in (THROUGHPUT, ROUND_TRIP, CONTROL_PLANE)},
        secondary=frozenset(),
        blocks=blocks,
        max_time=max_time,
        seed=1,
        margin=0.05,
        cpus={placement: pair for placement, pair in cpus.items() if placement not in lost},
        impossible=lost,
        cc=None,
        **more,
    )
