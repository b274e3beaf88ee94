"""The tools of a session or a trial: held, let go on, waited for, and ended in every case."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from typing import Final

from netbench.engines.base import Process, Signal
from netbench.errors import ENGINE_FAILURES, ProbeError
from netbench.facts.pair import NamespaceSet
from netbench.plan import Step
from netbench.probes import ControlPlane, NameLookup, Replacement, Sliced, ToolProbe
from netbench.record import Completed, Failure, Pins, Skip
from netbench.runner.machine import TrialEnd
from netbench.spec import Cpus
from netbench.topology.pairs import LivePair
from netbench.topology.paths import Call

EVIDENCE = 600  # characters of raw output kept in a record; the whole lies in `raw/`
_SERVER_GRACE: Final = 2.0  # seconds a server that ends by itself may take for it
_LATE: Final = 0.005  # seconds for which a signal through an engine's shell is waited for at least
_TURN: Final = 0.001  # seconds that an engine's shell takes for each further signal
_KILLED: Final = 2.0  # seconds a killed tool may take to be gone


class TrialFailed(Exception):
    """A trial cannot go on; carries the outcome."""

    def __init__(self, outcome: Failure | Skip) -> None:
        """Take the outcome."""
        super().__init__(outcome.reason)
        self.outcome = outcome


@dataclass(slots=True)
class Prepared:
    """One arm's tools: a server that listens, and the client that measures against it."""

    live: LivePair
    step: Step
    probe: ToolProbe
    cpus: Cpus
    call: Call
    port: int  # that the server listens on
    goal: tuple[str, int, str | None]  # address, port and congestion control of the client
    server: Process
    second: int | None = None  # the server's second port, where one is published
    client: Process | None = None
    shares: bool = False  # whether its server serves other runs too, and is ended by their owner
    ended: list[Process] = field(default_factory=list)

    def sharing(self, probe: ToolProbe) -> "Prepared":
        """Return one of many runs on this one's server."""
        return replace(self, probe=probe, client=None, shares=True, ended=[self.server])

    @property
    def parts(self) -> "tuple[Prepared, ...]":
        """All tools that run at the same time, by client."""
        return (self,)

    @property
    def own(self) -> "Sequence[Prepared]":
        """All its clients, without what runs beside them."""
        return (self,)

    @property
    def ends(self) -> tuple[TrialEnd, TrialEnd]:
        """What runs at both ends: the clients, and their servers."""
        clients = tuple(part.client for part in self.parts if part.client is not None)
        servers = tuple(part.server for part in self.parts)
        return TrialEnd(self.call.client, clients), TrialEnd(self.call.server, servers)

    @property
    def listens(self) -> NamespaceSet:
        """What reads the namespaces that the server is in."""
        return self.live.space_of(self.call.server)

    def pins(self) -> Pins:
        """Return the CPUs that were asked for, and those that the tools have."""
        client, server = (_shared(end.tools) for end in self.ends)
        return Pins(self.cpus.client, self.cpus.server, client, server)

    def end_server(self) -> Completed:
        """Return what the server left, ended by itself or else by us."""
        if not self.probe.server_ends:
            self.server.signal("KILL")
        return self.wait(self.server, _SERVER_GRACE)

    def wait(self, process: Process, timeout: float) -> Completed:
        """Return what one of the tools left."""
        self.ended.append(process)
        return process.wait(timeout)

    def end(self) -> None:
        """End every tool that has not been waited for."""
        for part in self.parts:
            for process in (part.client, part.server):
                if process is not None and process not in part.ended:
                    with suppress(*ENGINE_FAILURES):
                        process.signal("KILL")
                        part.wait(process, _KILLED)


@dataclass(slots=True)
class PreparedSession(Prepared):
    """The tools of a session: the client is held until its first slice."""

    probe: Sliced
    load: "PreparedSession | None" = None  # what runs beside it
    others: "list[PreparedSession]" = field(default_factory=list)
    """Its further clients, each with its server."""
    ready: float = 0.0  # CLOCK_MONOTONIC seconds from which the held client's own pause is over
    woken: float | None = None  # the same at which the client first worked; None before

    @property
    def parts(self) -> "tuple[PreparedSession, ...]":
        """The load, where there is one, and all its clients: in the order in which they go on."""
        return (*(() if self.load is None else (self.load,)), *self.own)

    @property
    def own(self) -> "tuple[PreparedSession, ...]":
        """All its clients, without the load."""
        return (self, *self.others)

    @property
    def alone(self) -> "tuple[PreparedSession, ...]":
        """Each of its clients by itself; with a load, which goes beside it, all of it."""
        return (replace(self, others=[]), *self.others) if self.others else (self,)

    @property
    def latency(self) -> float:
        """Seconds within which a signal reaches each of its clients; a shell takes them in turn."""
        slowest = max((p.client.latency for p in self.parts if p.client is not None), default=0.0)
        return slowest + _TURN * len(self.others) if slowest else 0.0

    @property
    def alive(self) -> bool:
        """Whether all its clients run, or are held."""
        return all(part.client is not None and part.client.alive() for part in self.parts)

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


def _shared(tools: Sequence[Process]) -> str | None:
    """Return the CPUs of some tools, each list once; None if those of one cannot be read."""
    found = dict.fromkeys(tool.cpus() for tool in tools)
    return None if None in found or not found else " and ".join(filter(None, found))


def see_it_can(probe: ToolProbe | ControlPlane | NameLookup | Replacement, done: Completed) -> None:
    """See that a tool did not end because it lacks something; raises `TrialFailed` if it did."""
    cannot = probe.cannot(done)
    if cannot:
        raise TrialFailed(Skip(cannot, said(done)))


@contextmanager
def reading(*outputs: Completed) -> Iterator[None]:
    """Turn output of tools that gives no numbers into the outcome; raises `TrialFailed`."""
    try:
        yield
    except ProbeError as exc:
        raise TrialFailed(Failure("output", str(exc), "\n".join(map(said, outputs)))) from exc


def said(done: Completed) -> str:
    """Return the start of what a tool printed, for evidence."""
    text = "\n".join(part.strip() for part in (done.stderr, done.stdout) if part.strip())
    ended = "ended by our deadline" if done.timed_out else f"exit code {done.exit_code}"
    return f"{done.argv[0] if done.argv else '?'}: {ended}; {text[:EVIDENCE]}"
