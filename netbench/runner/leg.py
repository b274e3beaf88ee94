"""A leg: one run of a trial's tools, released, watched while its load is steady, and ended."""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from netbench.engines.base import Process
from netbench.errors import ProbeError
from netbench.probes import Probe
from netbench.record import Completed, Failure, Pins, Sample, Skip
from netbench.runner.cost import Facts, priced
from netbench.runner.machine import End, MachineMeter
from netbench.runner.prepared import Prepared
from netbench.runner.settle import Settler, TrialFailed, said

_LOOK: Final = 0.15
"""Seconds into the run at which the tools' CPUs are looked at."""


@dataclass(frozen=True, slots=True)
class Leg:
    """What one run left."""

    probe: Probe
    client: Completed
    server: Completed | None
    """None where it serves on."""
    pins: Pins
    facts: Facts
    """What the machine did while the load was steady."""
    load: "Leg | None"
    outlived: bool
    """Whether the load, where there is one, still ran when the client had ended."""

    @property
    def tools(self) -> tuple["Leg", ...]:
        """Itself, and the load beside it."""
        return (self,) if self.load is None else (self, self.load)

    @property
    def measuring(self) -> float:
        """Seconds from the first client's release to the last one's end."""
        return max(part.client.seconds for part in self.tools)

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
        sample = priced(sample, self.facts, probe.metrics)
        return sample if self.load is None else self._under(self.load.sample(), sample)

    def _under(self, load: Sample, sample: Sample) -> Sample:
        """Return the sample with what its load delivered meanwhile."""
        if not self.outlived:
            reason = "the load had ended before what it was to load"
            raise TrialFailed(Failure("output", reason, said(self.client)))
        beside = tuple((f"load.{m.metric}", m.value) for m in load.measurements)
        return replace(
            sample,
            received=sample.received + load.received,
            returned=sample.returned + load.returned,
            details=(*sample.details, *beside),
        )


class LegRunner:
    """Runs what has been prepared."""

    def __init__(self, settler: Settler, meter: MachineMeter) -> None:
        """Take what releases clients, and what reads the machine meanwhile."""
        self._settler = settler
        self._meter = meter

    def run(self, prepared: Prepared, look: Callable[[], None]) -> Leg:
        """Release a client and return what is left once it has ended.

        Args:
            prepared: whose server listens.
            look: called once while both tools run.
        """
        load = prepared.load
        self._settler.await_pause(prepared)
        beneath = None if load is None else self._settler.release(load)
        if load is not None:
            time.sleep(load.probe.steady[0])
        client = self._settler.release(prepared)
        released = time.monotonic()
        self._meter.until(released + _LOOK)
        look()
        cpus = prepared.cpus
        pins = Pins(cpus.client, cpus.server, client.cpus(), prepared.server.cpus())
        running = (client,) if beneath is None else (client, beneath)
        facts = self._steady(prepared, released, running) if client.alive() else ()
        done = prepared.wait(client, prepared.probe.deadline)
        outlived = beneath is None or beneath.alive()
        served = None if prepared.shares else prepared.end_server()
        beside = None if load is None or beneath is None else _ended(load, beneath)
        return Leg(prepared.probe, done, served, pins, facts, beside, outlived)

    def _steady(self, prepared: Prepared, released: float, clients: tuple[Process, ...]) -> Facts:
        """Read the machine at both ends of the window in which the load is steady."""
        first, last = (released + seconds for seconds in prepared.probe.steady)
        if last <= time.monotonic():
            return ()
        self._meter.until(first)
        self._meter.start(_ends(prepared, clients))
        self._meter.until(last)
        return self._meter.stop(prepared.cpus)


def _ends(prepared: Prepared, clients: tuple[Process, ...]) -> tuple[End, End]:
    """Return who runs at both ends: the clients, and their servers."""
    load = prepared.load
    servers = (prepared.server,) if load is None else (prepared.server, load.server)
    return End(prepared.call.client, clients), End(prepared.live.server, servers)


def _ended(load: Prepared, client: Process) -> Leg:
    """Return what a load left, once it has ended by itself."""
    done = load.wait(client, load.probe.deadline)
    pins = Pins(load.cpus.client, load.cpus.server, None, None)
    return Leg(load.probe, done, load.end_server(), pins, (), None, outlived=True)
