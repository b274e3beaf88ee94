"""A trial in the making: its tools, started and not let go of before they have ended."""

from contextlib import suppress
from dataclasses import dataclass, field, replace

from netbench.engines.base import Process
from netbench.errors import EngineError
from netbench.plan import Step
from netbench.probes.base import Probe
from netbench.record import Completed
from netbench.spec import Cpus
from netbench.topology import Call, LivePair

_SERVER_GRACE = 2.0
"""Seconds a server that ends by itself may take for it."""
_KILLED = 2.0
"""Seconds a killed tool may take to be gone."""


@dataclass(slots=True)
class Prepared:
    """A trial whose server listens, and whose client may be held in its own pause."""

    live: LivePair
    step: Step
    probe: Probe
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
    released_after: float = 0.0
    """CLOCK_MONOTONIC seconds from which the held client's pause is over."""
    shares: bool = False
    """Whether its server serves other runs too: then it is not this one's to end."""
    _ended: list[Process] = field(default_factory=list)

    def sharing(self, probe: Probe) -> "Prepared":
        """Return one of many runs on this one's server."""
        return replace(self, probe=probe, client=None, shares=True, _ended=[self.server])

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
                with suppress(EngineError):
                    process.signal("KILL")
                    self.wait(process, _KILLED)
