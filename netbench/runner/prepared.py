"""A session or a trial in the making: its tools, started and not left before they have ended."""

import time
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Final

from netbench.engines.base import Process, Signal
from netbench.errors import ENGINE_FAILURES
from netbench.plan import Step
from netbench.probes import ToolProbe
from netbench.record import Completed
from netbench.spec import Cpus
from netbench.topology import Call, LivePair

_SERVER_GRACE: Final = 2.0
"""Seconds a server that ends by itself may take for it."""
_LATE: Final = 0.005
"""Seconds for which a signal through an engine's shell is waited for at least."""
_KILLED: Final = 2.0
"""Seconds a killed tool may take to be gone."""


@dataclass(slots=True)
class Prepared:
    """One arm's tools: a server that listens, and of a session also its client, held."""

    live: LivePair
    step: Step
    probe: ToolProbe
    cpus: Cpus
    call: Call
    port: int
    """That the server listens on."""
    outside: int
    """That the client connects to: another one where it is published."""
    server: Process
    load: "Prepared | None" = None
    """What runs beside it."""
    client: Process | None = None
    ready: float = 0.0
    """CLOCK_MONOTONIC seconds from which the held client's own pause is over."""
    woken: float | None = None
    """The same at which the client first worked; None before."""
    shares: bool = False
    """Whether its server serves other runs too: then it is not this one's to end."""
    _ended: list[Process] = field(default_factory=list)

    def sharing(self, probe: ToolProbe) -> "Prepared":
        """Return one of many runs on this one's server."""
        return replace(self, probe=probe, client=None, shares=True, _ended=[self.server])

    @property
    def parts(self) -> tuple["Prepared", ...]:
        """The load, where there is one, and itself: in the order in which they are let go on."""
        return (self,) if self.load is None else (self.load, self)

    @property
    def latency(self) -> float:
        """Seconds within which a signal reaches each of its clients."""
        return max((p.client.latency for p in self.parts if p.client is not None), default=0.0)

    def let_go(self) -> None:
        """Let the clients go on."""
        self._signal("CONT")

    def hold(self) -> None:
        """Hold the clients; they stand still when this returns."""
        self._signal("STOP")
        if self.latency:
            time.sleep(max(_LATE, 2 * self.latency))

    def _signal(self, name: Signal) -> None:
        for part in self.parts:
            if part.client is not None:
                part.client.signal(name)

    @property
    def alive(self) -> bool:
        """Whether all its clients run, or are held."""
        return all(part.client is not None and part.client.alive() for part in self.parts)

    def end_server(self) -> Completed:
        """Return what the server left, ended by itself or else by us."""
        if not self.probe.server_ends:
            self.server.signal("KILL")
        return self.wait(self.server, _SERVER_GRACE)

    def wait(self, process: Process, timeout: float) -> Completed:
        """Return what one of the tools left."""
        self._ended.append(process)
        return process.wait(timeout)

    def end(self) -> None:
        """End every tool that nobody has waited for."""
        if self.load is not None:
            self.load.end()
        for process in (self.client, self.server):
            if process is not None and process not in self._ended:
                with suppress(*ENGINE_FAILURES):
                    process.signal("KILL")
                    self.wait(process, _KILLED)
