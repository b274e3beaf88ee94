"""Trials of the engine itself: a network and its endpoints, made and removed against the clock.

Each endpoint's figure ends with an answer over the network under test, and the driver's promises
are judged on the first endpoint and the last. No sentinel runs: no CPU is pinned for the engine.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from ipaddress import ip_address
from typing import Final, Literal

from msgspec.structs import replace as changed

from netbench.drivers import Driver
from netbench.engines.base import Endpoint, Network
from netbench.errors import ENGINE_FAILURES, EngineError, FactError, ProbeError, Unsupported
from netbench.facts.base import ports_in_use
from netbench.probes import Birth, ControlPlane, Lived
from netbench.record import Completed, Failure, Outcome, Record, Skip
from netbench.runner.machine import MachineMeter
from netbench.runner.prepared import TrialFailed, see_it_can
from netbench.runner.recording import ENGINES, Recording, broken, failure_of
from netbench.spec import CONTROL_PORTS, PUBLISHED_PORTS, Attach, Path, Port, Role
from netbench.system.interrupts import Pool
from netbench.topology.pairs import Creations, Made, read_pairs, stems
from netbench.topology.paths import ANY, call_of, namespaces_of, trimmed

_KILLED: Final = 2.0  # seconds a killed tool may take to be gone
_BEYOND: Final = 30.0  # seconds beyond its use after which a tool ends even if it is not waited for
_AT_ONCE: Final = 4  # neighbours made, or removed, at a time
_CLOCK_STEP: Final = 0.005  # seconds that the clock of the day may drift during one endpoint
_ELSEWHERE: Final = Skip(
    "the engine is on another machine, whose clock cannot be compared with this one's",
    "the control plane is timed from a request here to an answer there",
)


def run_lifecycle(recording: Recording, driver: Driver, probe: ControlPlane) -> Record:
    """Run a trial and return its record, whatever comes of it; raises `EngineLost`."""
    engine, arm = recording.recorder.engine, recording.step.arm
    recording.begin(ENGINES)
    window = MachineMeter(engine).windows()
    window.open()
    stem = stems(f"cp{recording.number}", (arm,))[arm]
    trial = _Trial(recording, probe, driver, stem, Creations(engine))
    outcome: Outcome
    try:
        outcome = trial.run() if engine.local else _ELSEWHERE
    except (TrialFailed, EngineError, FactError) as exc:
        outcome = failure_of(exc)
    finally:
        trial.made.remove_all()
    window.close()
    recording.facts = window.end()
    trial.note_calls()
    if trial.made.left:
        outcome = Failure("engine", f"not removed: {'; '.join(trial.made.left)}", "")
    return recording.record(trial.with_births(outcome))


@dataclass(slots=True)
class _Trial:
    """One trial under way."""

    recording: Recording
    probe: ControlPlane
    driver: Driver
    stem: str  # start of the names of all that it makes
    made: Creations
    network: Network | None = None
    births: list[Birth] = field(default_factory=list)
    calls: list[Completed] = field(default_factory=list)
    ports: tuple[Port, ...] = ()  # that each endpoint publishes

    def run(self) -> Outcome:
        """Make, judge and remove everything; return the numbers, or raise `TrialFailed`."""
        spec, self.ports = self.driver.recipe.network, self._published()
        if spec is not None:
            with _making():
                self.network = self.made.network(self.stem, spec)
        created = self._spent(self.network.took if self.network else None)
        answerer = self._make("s", Role.SERVER, None)
        neighbours = self._neighbours(answerer)
        with self._answering(answerer) as argv:
            born = self._born(answerer, argv)
            self._judge(answerer, (born[0], born[-1]))
        removals = []
        for endpoint in reversed(born):
            seconds = self.made.remove_endpoint(endpoint)
            self._spent(seconds)
            removals.append(seconds)
        with Pool(max_workers=_AT_ONCE) as pool:
            list(pool.map(self.made.remove_endpoint, neighbours))
        self.made.remove_endpoint(answerer)
        removed = self._spent(self.made.remove_network(self.network) if self.network else None)
        return self.probe.conclude(Lived(created, tuple(self.births), tuple(removals), removed))

    def _make(
        self, name: str, role: Role, peer: Endpoint | None, ports: tuple[Port, ...] = ()
    ) -> Endpoint:
        with _making():
            recipe, full = self.driver.recipe, f"{self.stem}-{name}"
            return self.made.endpoint(full, role, recipe, self.network, peer=peer, publish=ports)

    def _published(self) -> tuple[Port, ...]:
        """Return the ports that each endpoint publishes; raises `TrialFailed` where none is."""
        if not self.probe.ports:
            return ()
        engine, driver = self.recording.recorder.engine, self.driver
        if not driver.publishes(Path.NORTH_SOUTH):
            raise TrialFailed(Skip("the driver publishes no ports"))
        if driver.recipe.client is Attach.PEER:
            reason = "an endpoint in another's network namespace publishes no ports of its own"
            raise TrialFailed(Skip(reason))
        if lacking := engine.unsupported(driver.recipe, Path.NORTH_SOUTH):
            raise TrialFailed(Skip(lacking))
        with _making():
            engine.lan()  # whose address the ports are published at
        return tuple(map(Port, PUBLISHED_PORTS[: self.probe.ports]))

    def _neighbours(self, answerer: Endpoint) -> list[Endpoint]:
        """Make those that are there before the clock runs."""
        names = [f"n{number + 1}" for number in range(self.probe.neighbours)]
        with Pool(max_workers=_AT_ONCE) as pool:
            return list(pool.map(lambda name: self._make(name, Role.CLIENT, answerer), names))

    def _spent(self, seconds: float | None) -> float | None:
        """Count what was under the clock."""
        self.recording.measuring += seconds or 0.0
        return seconds

    @contextmanager
    def _answering(self, answerer: Endpoint) -> Iterator[tuple[str, ...]]:
        """Have an endpoint answer, itself first; yield the command that calls it."""
        engine, driver = self.recording.recorder.engine, self.driver
        call = call_of(driver, Path.EAST_WEST, answerer, answerer, None)
        used = ports_in_use(namespaces_of(engine, answerer), None)
        port = next(port for port in CONTROL_PORTS if port not in used)
        shared = ip_address(call.bind).is_loopback
        bind = call.bind if shared else ANY[driver.recipe.family]
        limit = self.probe.deadline + self.probe.patience + _BEYOND
        argv = self.probe.answerer_argv(bind, port)
        server = engine.start(answerer, argv, cpu=None, limit=limit)
        try:
            calling = self.probe.caller_argv(call.target, port)
            self._answered(self._call(answerer, calling), "server")
            yield calling
        finally:
            with suppress(*ENGINE_FAILURES):
                server.signal("KILL")
                server.wait(_KILLED)

    def _call(self, endpoint: Endpoint, calling: tuple[str, ...]) -> Completed:
        """Have an endpoint call the one that answers."""
        patience, engine = self.probe.patience, self.recording.recorder.engine
        return engine.start(endpoint, calling, cpu=None, limit=patience + _BEYOND).wait(patience)

    def _answered(self, done: Completed, stage: Literal["server", "client"]) -> float:
        """Return when a call was answered, on the clock of the day."""
        see_it_can(self.probe, done)
        try:
            return self.probe.answered(done)
        except ProbeError as exc:
            raise TrialFailed(Failure(stage, str(exc), "")) from exc

    def _born(self, answerer: Endpoint, calling: tuple[str, ...]) -> list[Endpoint]:
        """Make the endpoints one after another, each answered before the next is asked for."""
        began, first = time.monotonic(), time.time()
        born: list[Endpoint] = []
        while len(born) < self.probe.endpoints:
            if time.monotonic() - began > self.probe.deadline:
                within = f"within {self.probe.deadline:.0f} s"
                reason = f"{len(born)} of {self.probe.endpoints} endpoints were answered {within}"
                raise TrialFailed(Failure("create", reason, ""))
            born.append(self._birth(f"c{len(born) + 1}", answerer, calling, first))
        return born

    def _birth(
        self, name: str, answerer: Endpoint, calling: tuple[str, ...], first: float
    ) -> Endpoint:
        """Make one endpoint and have it call; `first` is the moment that its times count from.

        Times are of the clock of the day, the only one in a tool's log. That it was not set
        meanwhile shows on the monotonic one.
        """
        drift = time.time() - time.monotonic()
        asked = time.time()
        endpoint = self._make(name, Role.CLIENT, answerer, self.ports)
        made = time.time()
        done = self._call(endpoint, calling)
        ended = time.time()
        drift -= ended - time.monotonic()
        self.calls.append(done)
        answered = self._answered(done, "client")
        if abs(drift) > _CLOCK_STEP or not made <= answered <= ended:
            reason = "the machine's clock was set while an endpoint was timed"
            raise TrialFailed(Failure("output", reason, f"{made=} {answered=} {ended=} {drift=}"))
        self._spent(answered - asked)
        self.births.append(Birth(asked - first, made - first, answered - first))
        return endpoint

    def _judge(self, answerer: Endpoint, ends: tuple[Endpoint, Endpoint]) -> None:
        """See that the driver's promises hold for the first endpoint made and for the last."""
        recorder, lan = self.recording.recorder, self.network.lan if self.network else None
        arm, driver = self.recording.step.arm, self.driver
        made = [Made(arm, driver, end, answerer, self.network, lan) for end in dict.fromkeys(ends)]
        for live in read_pairs(recorder.engine, recorder.reader, made):
            if isinstance(live, FactError):
                raise live
            hops = driver.hops(Path.EAST_WEST, live.facts)
            self.recording.endpoints = trimmed(live.facts, hops)
            self.recording.promises = live.promises
            if live.broken:
                raise TrialFailed(broken(live.broken))

    def note_calls(self) -> None:
        """Note the calls as one tool: their logs lie in one file, one after another."""
        if self.calls:
            logs = "\n".join(done.stderr.strip() for done in self.calls)
            seconds = sum(done.seconds for done in self.calls)
            whole = replace(self.calls[-1], argv=self.calls[0].argv, stdout=logs, seconds=seconds)
            self.recording.note(Role.CLIENT, whole)

    def with_births(self, outcome: Outcome) -> Outcome:
        """Return a failure with what was seen before it."""
        if not isinstance(outcome, Failure) or not self.births:
            return outcome
        seconds = ", ".join(f"{birth.answered - birth.asked:.4f}" for birth in self.births)
        before = f"answered before that, seconds after each request: {seconds}"
        return changed(outcome, evidence="; ".join(filter(None, (outcome.evidence, before))))


@contextmanager
def _making() -> Iterator[None]:
    """Turn an engine's refusal into the outcome of the trial."""
    try:
        yield
    except Unsupported as exc:
        raise TrialFailed(Skip(str(exc))) from exc
    except EngineError as exc:
        raise TrialFailed(Failure("create", str(exc), "")) from exc
