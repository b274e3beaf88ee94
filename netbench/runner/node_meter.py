"""CPU time of two machines: each is metered by itself, and costs are the sum of both."""

import math
from collections.abc import Mapping
from typing import Final

from netbench.engines.base import Engine
from netbench.record import Absent, FactValue
from netbench.runner.machine import UNPINNED, Ends, Facts, MachineMeter, Windows
from netbench.spec import Cpus, Node
from netbench.topology.paths import kernels

_ONE_KERNEL: Final = Absent("both engines are on one kernel, whose CPU time is counted once")
_WHOLE: Final = Absent("of two machines the CPU time of each is read as a whole")
_SUMS: Final = (
    *("trial.busy_above_idle", "trial.idle_busy", "trial.cost_resolution"),
    *(f"trial.busy_{kind}" for kind in ("user", "nice", "system", "irq", "softirq", "other_cpus")),
)
"""What adds up; of anything else the busier machine's figure stands."""


def meter_of(engine: Engine) -> MachineMeter:
    """Return what meters an engine's machine, or both of two."""
    if len(engine.nodes) == 1:
        return MachineMeter(engine)
    if kernels(engine) == 1:
        return _OneKernel(engine.nodes[Node.FIRST])
    one = MachineMeter(engine.nodes[Node.FIRST])
    return NodesMeter(one, MachineMeter(engine.nodes[Node.PEER], one.clock))


class _OneKernel(MachineMeter):
    """Meters two engines on one kernel, as one machine."""

    def windows(self, ends: Ends | None = None) -> Windows:
        """Return what reads windows of the whole machine."""
        return _Shared(self, super().windows(ends))


class _Shared(Windows):
    def __init__(self, meter: MachineMeter, own: Windows) -> None:
        super().__init__(meter, own.ends, own.groups, own.cycles)

    def end(self, cpus: Cpus = UNPINNED) -> Facts:
        machines = ("trial.busy_client_machine", "trial.busy_server_machine")
        return (*super().end(cpus), *((name, _ONE_KERNEL) for name in machines))


class NodesMeter(MachineMeter):
    """Meters two machines, each by its own counters."""

    def __init__(self, first: MachineMeter, peer: MachineMeter) -> None:
        """Take the meters of both; the clock of the windows is the first one's."""
        self.__dict__.update(first.__dict__)
        self._meters = {Node.FIRST: first, Node.PEER: peer}

    def rest(self) -> None:
        """Read both machines while nothing runs."""
        for meter in self._meters.values():
            meter.rest()

    def windows(self, ends: Ends | None = None) -> Windows:
        """Return what reads windows of both."""
        client = ends[0].endpoint.node if ends else Node.FIRST
        own = {node: meter.windows() for node, meter in self._meters.items()}
        return _Both(self, own[client], own[client.other])


class _Both(Windows):
    """Windows of the client's machine and of the server's."""

    def __init__(self, meter: MachineMeter, client: Windows, server: Windows) -> None:
        super().__init__(meter, None, _WHOLE, _WHOLE)
        self._client, self._server = client, server

    def open(self) -> None:
        self._client.open()
        self._server.open()

    def close(self) -> None:
        self._client.close()
        self._server.close()

    def end(self, cpus: Cpus = UNPINNED) -> Facts:
        client, server = (dict(one.end(cpus)) for one in (self._client, self._server))
        found = {name: _of_both(name, value, server) for name, value in client.items()}
        found["trial.busy_client_cpu"] = client.get("trial.busy_client_cpu", _WHOLE)
        found["trial.busy_server_cpu"] = server.get("trial.busy_server_cpu", _WHOLE)
        for end, facts in (("client", client), ("server", server)):
            found[f"trial.busy_{end}_machine"] = facts.get("trial.busy_above_idle", _WHOLE)
        return tuple(found.items())

    def release(self) -> None:
        self._client.release()
        self._server.release()


def _of_both(name: str, value: FactValue, server: Mapping[str, FactValue]) -> FactValue:
    """Return a fact of both machines: their sum, or the larger; absent where one is."""
    other = server.get(name, _WHOLE)
    for one in (value, other):
        if isinstance(one, Absent):
            return one
    if not isinstance(value, float) or not isinstance(other, float):
        return value
    return math.fsum((value, other)) if name in _SUMS else max(value, other)
