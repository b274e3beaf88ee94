"""One run of a trial's tools: started, watched while its load is steady, and ended."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from netbench.errors import ProbeError
from netbench.probes import Probe
from netbench.record import Completed, Failure, Pins, Sample, Skip
from netbench.runner.cost import Facts, priced
from netbench.runner.machine import MachineMeter, TrialEnd
from netbench.runner.prepared import Prepared
from netbench.runner.setup import TrialFailed, TrialSetup, said

_LOOK: Final = 0.15
"""Seconds into the run at which the tools' CPUs are looked at."""


@dataclass(frozen=True, slots=True)
class ToolsResult:
    """What one run left."""

    probe: Probe
    client: Completed
    server: Completed | None
    """None where it serves on."""
    pins: Pins
    facts: Facts
    """What the machine did while the load was steady."""

    def sample(self) -> Sample:
        """Return its numbers.

        Raises:
            TrialFailed: it gave none.
        """
        done, probe = self.client, self.probe
        if done.timed_out:
            reason = f"{probe.tool} did not end within {probe.deadline:.0f} s"
            raise TrialFailed(Failure("client", reason, said(done)))
        cannot = probe.cannot(done)
        if cannot:
            raise TrialFailed(Skip(cannot, said(done)))
        try:
            sample = probe.parse(done, self.server if probe.server_ends else None)
        except ProbeError as exc:
            evidence = "\n".join(said(end) for end in (done, self.server) if end is not None)
            raise TrialFailed(Failure("output", str(exc), evidence)) from exc
        return priced(sample, self.facts, probe.metrics)


def run_tools(
    setup: TrialSetup,
    meter: MachineMeter,
    prepared: Prepared,
    probe: Probe,
    look: Callable[[], None],
) -> ToolsResult:
    """Start a client and return what is left once it has ended.

    Args:
        setup: starts it.
        meter: reads the machine meanwhile.
        prepared: whose server listens.
        probe: what the client runs.
        look: called once while both tools run.
    """
    client = setup.start(prepared, probe)
    began = meter.clock.now()
    meter.clock.until(began + _LOOK)
    look()
    cpus = prepared.cpus
    pins = Pins(cpus.client, cpus.server, client.cpus(), prepared.server.cpus())
    facts = _steady(meter, prepared, probe, began) if client.alive() else ()
    done = prepared.wait(client, probe.deadline)
    served = None if prepared.shares else prepared.end_server()
    return ToolsResult(probe, done, served, pins, facts)


def _steady(meter: MachineMeter, prepared: Prepared, probe: Probe, began: float) -> Facts:
    """Read the machine at both ends of the window in which the load is steady."""
    first, last = (began + seconds for seconds in probe.steady)
    if last <= meter.clock.now() or prepared.client is None:
        return ()
    meter.clock.until(first)
    meter.start(ends_of(prepared))
    meter.clock.until(last)
    return meter.stop(prepared.cpus)


def ends_of(prepared: Prepared) -> tuple[TrialEnd, TrialEnd]:
    """Return who runs at both ends: the clients, and their servers."""
    clients = tuple(part.client for part in prepared.parts if part.client is not None)
    servers = tuple(part.server for part in prepared.parts)
    return TrialEnd(prepared.call.client, clients), TrialEnd(prepared.live.server, servers)
