"""Trials in which a container is replaced while a client goes on sending from the same port."""

import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Final

from netbench.drivers import Driver
from netbench.engines.base import Endpoint, Network, Process
from netbench.engines.local_process import attempts
from netbench.errors import ENGINE_FAILURES, EngineError, FactError, ProbeError, Unsupported
from netbench.facts.base import ports_in_use
from netbench.facts.procfs import BOUND
from netbench.probes import Attempt, Replacement
from netbench.record import Completed, Failure, Outcome, Record, SentinelWindow, Skip
from netbench.runner.prepared import TrialFailed, said, see_it_can
from netbench.runner.recording import Recording, failure_of
from netbench.spec import MACHINE_PATHS, Attach, Path, Port, Role
from netbench.system.files import text
from netbench.topology.pairs import Creations, stems
from netbench.topology.paths import Call, FixedPorts, call_of, namespaces_of

_SOURCES: Final = range(12_000, 13_000)  # ports that clients send from
_LISTENS: Final = 10.0  # seconds that a server may take
_LIMIT: Final = 300.0  # seconds after which a tool ends by itself
_TIMEOUT: Final = 10.0  # seconds for one datagram
_TRIES: Final = 3  # datagrams before, of which one is answered: a neighbour is looked up first
_QUOTED: Final = 500  # characters of connection tracking's entries, as evidence
_TRACKED: Final = "/proc/net/nf_conntrack"
_WINDOW: Final = SentinelWindow("none", None, None, "nothing is pinned, so no CPU could be read")


def run_replacement(recording: Recording, driver: Driver, probe: Replacement) -> Record:
    """Run a trial and return its record, whatever comes of it; raises `EngineLost`."""
    recording.begin(_WINDOW)
    stem = stems(f"re{recording.number}", (recording.step.arm,))[recording.step.arm]
    trial = _Trial(recording, probe, driver, stem, Creations(recording.recorder.engine))
    outcome: Outcome
    try:
        outcome = trial.run()
    except Unsupported as exc:
        outcome = Skip(str(exc))
    except (TrialFailed, EngineError, FactError) as exc:
        outcome = failure_of(exc)
    finally:
        trial.made.remove_all()
    if trial.made.left:
        outcome = Failure("engine", f"not removed: {'; '.join(trial.made.left)}", "")
    return recording.record(outcome)


@dataclass(slots=True)
class _Trial:
    """One trial under way."""

    recording: Recording
    probe: Replacement
    driver: Driver
    stem: str  # start of the names of all that it makes
    made: Creations
    network: Network | None = None
    port: int = 0  # that servers listen on
    publish: tuple[Port, ...] = ()

    def run(self) -> Outcome:
        """Make, replace and remove everything; return the numbers, or raise `TrialFailed`."""
        recipe, path = self.driver.recipe, self.recording.step.cell.path
        if path is not Path.NORTH_SOUTH and Attach.PEER in (recipe.client, recipe.server):
            raise TrialFailed(Skip("the client is in the server's namespace, and goes with it"))
        if path in MACHINE_PATHS:
            raise TrialFailed(Skip("the probe's client is a container, or on the emulated LAN"))
        self._choose_port()
        if recipe.network is not None:
            self.network = self.made.network(self.stem, recipe.network)
        old = self._server("old")
        client = old if path is Path.NORTH_SOUTH else self._make("c", Role.CLIENT, old)
        call = self._call(client, old)
        source = secrets.choice(_SOURCES)
        argv = self.probe.client_argv(call.target, self._outside(call), source)
        with self._serving(old, call):
            self._see_it_answer(call, argv)
        began = time.monotonic()
        self.made.remove_endpoint(old)
        # One comes while there is none to answer: what is remembered of it matters, too.
        asked = time.monotonic()
        self._send(call, argv)
        began += time.monotonic() - asked  # which is no part of the engine's work
        new = self._server("new")
        again = self._call(client if path is not Path.NORTH_SOUTH else new, new)
        if (again.target, self._outside(again)) != (call.target, self._outside(call)):
            raise TrialFailed(Skip(f"the new container is at {again.target}, not {call.target}"))
        with self._serving(new, again):
            return self._numbers(call, argv, began)

    def _choose_port(self) -> None:
        engine = self.made.engine
        self.port = FixedPorts(engine, 1).take()[0]
        self.publish = (Port(self.port, ("udp",), fixed=True),)

    def _server(self, name: str) -> Endpoint:
        return self._make(name, Role.SERVER, None)

    def _make(self, name: str, role: Role, peer: Endpoint | None) -> Endpoint:
        path, recipe = self.recording.step.cell.path, self.driver.recipe
        published = role is Role.SERVER and path is not Path.EAST_WEST and self._publishes
        publish = self.publish if published else ()
        full = f"{self.stem}-{name}"
        return self.made.endpoint(full, role, recipe, self.network, peer=peer, publish=publish)

    @property
    def _publishes(self) -> bool:
        """Whether the path leads through a published port."""
        way = self.driver.ways[self.recording.step.cell.path]
        return getattr(way, "via", None) == "published"

    def _call(self, client: Endpoint, server: Endpoint) -> Call:
        path, engine = self.recording.step.cell.path, self.made.engine
        lan = None if path is Path.EAST_WEST else engine.lan()
        if self.network is not None and self.network.lan is not None:
            lan = self.network.lan
        return call_of(self.driver, path, client, server, lan)

    def _outside(self, call: Call) -> int:
        return self.port if call.published is None else call.published[0].host_port

    @contextmanager
    def _serving(self, server: Endpoint, call: Call) -> Iterator[None]:
        """Have a container answer; raises `TrialFailed` if it does not listen."""
        engine, space = self.made.engine, namespaces_of(self.made.engine, server)
        alone = call.published is None
        argv = self.probe.server_argv(call.bind, self.port, alone=alone)
        process = engine.start(server, argv, cpu=None, limit=_LIMIT)
        try:
            self._await(process, lambda: self.port in ports_in_use(space, BOUND, "udp"))
            yield
        finally:
            with suppress(*ENGINE_FAILURES):
                process.signal("KILL")
                self.recording.note(Role.SERVER, process.wait(2.0))

    def _await(self, process: Process, listens: Callable[[], bool]) -> None:
        for _ in attempts(_LISTENS, 0.01):
            if listens():
                return
            if not process.alive():
                break
        process.signal("KILL")
        done = process.wait(1.0)
        see_it_can(self.probe, done)
        raise TrialFailed(Failure("server", f"nothing listens on UDP port {self.port}", said(done)))

    def _send(self, call: Call, argv: tuple[str, ...]) -> Completed:
        return self.made.engine.start(call.client, argv, cpu=None, limit=_LIMIT).wait(_TIMEOUT)

    def _see_it_answer(self, call: Call, argv: tuple[str, ...]) -> None:
        done = self._send(call, argv)
        for _ in range(_TRIES):
            if done.stdout:
                self.recording.note(Role.CLIENT, done)
                return
            done = self._send(call, argv)
        see_it_can(self.probe, done)
        raise TrialFailed(Failure("client", "the first container answers no datagram", said(done)))

    def _numbers(self, call: Call, argv: tuple[str, ...], began: float) -> Outcome:
        """Return what came of the datagrams to the new container."""
        found = []
        for _ in range(self.probe.datagrams):
            sent = time.monotonic() - began
            found.append(Attempt(sent, bool(self._send(call, argv).stdout)))
        self.recording.measuring += time.monotonic() - began
        try:
            return self.probe.conclude(found)
        except ProbeError as exc:
            return Failure("client", str(exc), self._tracked())

    def _tracked(self) -> str:
        """Return connection tracking's entries of the flow, as far as they can be read."""
        listed = text(self.made.engine.files, _TRACKED)
        if listed is None:
            with suppress(*ENGINE_FAILURES):
                host = namespaces_of(self.made.engine, self.made.engine.host())
                listed = host.run(("cat", _TRACKED))
        lines = (line for line in (listed or "").splitlines() if f"dport={self.port} " in line)
        return "\n".join(lines)[:_QUOTED]
