"""Trials of the engine itself: a network and its endpoints, made and removed against the clock.

The path needs no byte counters: every endpoint's figure ends with an answer that came over the
network under test, and the driver's promises are judged on the first endpoint and the last.
No sentinel runs, because the engine works on whatever CPUs the kernel gives it.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Final, Literal

from msgspec.structs import replace as changed

from netbench.drivers import Driver
from netbench.engines.base import Endpoint, Engine
from netbench.errors import ENGINE_FAILURES, EngineError, FactError, ProbeError
from netbench.facts.base import Reader, ports_in_use
from netbench.probes import Birth, ControlPlane, Lived
from netbench.record import Completed, Failure, Outcome, Record, SentinelWindow, Skip, ToolRun
from netbench.runner.control_plane import ControlPlaneTrial
from netbench.runner.machine import MachineMeter
from netbench.runner.recording import SaveRaw, Seen, Where, broken, record_of
from netbench.runner.setup import EVIDENCE, TrialFailed, said
from netbench.spec import CONTROL_PORTS, Path, Role
from netbench.topology import ANY, Made, call_of, namespaces_of, trimmed

_KILLED: Final = 2.0
"""Seconds a killed tool may take to be gone."""
_BEYOND: Final = 30.0
"""Seconds beyond its use after which a tool ends even if nobody waits for it any more."""
_CLOCK_STEP: Final = 0.005
"""Seconds by which the clock of the day may drift from the monotonic one during one endpoint."""
_WINDOW: Final = SentinelWindow(
    "none", None, None, "the engine's work is pinned to no CPU whose state could be read"
)
_ELSEWHERE: Final = Skip(
    "the engine is on another machine, whose clock cannot be compared with this one's",
    "the control plane is timed from a request here to an answer there",
)


class LifecycleRunner:
    """Runs the trials of one engine."""

    def __init__(self, engine: Engine, reader: Reader, save_raw: SaveRaw) -> None:
        """Take what every trial needs."""
        self._engine = engine
        self._reader = reader
        self._save_raw = save_raw

    def carry_out(self, where: Where, driver: Driver, probe: ControlPlane) -> Record:
        """Run a trial and return its record, whatever comes of it.

        Raises:
            EngineLost: the engine does not answer.
        """
        seen = Seen(window=_WINDOW)
        meter = MachineMeter(self._engine)
        meter.start()
        scene = ControlPlaneTrial(self._engine, driver, where.step.arm, where.number)
        trial = _Trial(self._engine, self._reader, probe, scene, seen)
        outcome: Outcome
        try:
            with scene:
                outcome = trial.run() if self._engine.local else _ELSEWHERE
        except TrialFailed as exc:
            outcome = exc.outcome
        except (EngineError, FactError) as exc:
            outcome = Failure("engine", str(exc), "")
        seen.facts = meter.stop()
        seen.tools = self._tools(where.number, trial)
        if scene.left:
            outcome = Failure("engine", f"not removed: {'; '.join(scene.left)}", "")
        return record_of(where, trial.with_births(outcome), seen)

    def _tools(self, number: int, trial: "_Trial") -> tuple[ToolRun, ...]:
        """Return the calls as one: their logs lie in one file, one after another."""
        if not trial.calls:
            return ()
        first, last = trial.calls[0], trial.calls[-1]
        text = "\n".join(done.stderr.strip() for done in trial.calls)
        return (
            ToolRun(
                role=Role.CLIENT,
                argv=first.argv,
                exit_code=last.exit_code,
                timed_out=last.timed_out,
                seconds=sum(done.seconds for done in trial.calls),
                stdout_file=self._save_raw(number, Role.CLIENT, text, 0) if text else "",
                stderr=last.stderr[:EVIDENCE],
            ),
        )


@dataclass(slots=True)
class _Trial:
    """One trial under way."""

    engine: Engine
    reader: Reader
    probe: ControlPlane
    scene: ControlPlaneTrial
    seen: Seen
    births: list[Birth] = field(default_factory=list)
    calls: list[Completed] = field(default_factory=list)

    def run(self) -> Outcome:
        """Make, judge and remove everything; return the numbers.

        Raises:
            TrialFailed: with what stopped it.
        """
        created = self._spent(self.scene.make_network())
        answerer = self.scene.make("s", Role.SERVER, None)
        with self._answering(answerer) as argv:
            born = self._born(answerer, argv)
            self._judge(answerer, (born[0], born[-1]))
        removals = tuple(self._spent(self.scene.remove(one)) or 0.0 for one in reversed(born))
        self.scene.remove(answerer)
        removed = self._spent(self.scene.remove_network())
        return self.probe.conclude(Lived(created, tuple(self.births), removals, removed))

    def _spent(self, seconds: float | None) -> float | None:
        """Count what was under the clock."""
        self.seen.measuring += seconds or 0.0
        return seconds

    @contextmanager
    def _answering(self, answerer: Endpoint) -> Iterator[tuple[str, ...]]:
        """Have an endpoint answer, itself first; yield the command that calls it."""
        driver = self.scene.driver
        call = call_of(driver, Path.EAST_WEST, answerer, answerer, None)
        used = ports_in_use(namespaces_of(self.engine, answerer), None)
        port = next(port for port in CONTROL_PORTS if port not in used)
        shared = ip_address(call.bind).is_loopback
        bind = call.bind if shared else ANY[driver.recipe.family]
        limit = self.probe.deadline + self.probe.patience + _BEYOND
        argv = self.probe.answerer_argv(bind, port)
        server = self.engine.start(answerer, argv, cpu=None, limit=limit)
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
        limit = self.probe.patience + _BEYOND
        return self.engine.start(endpoint, calling, cpu=None, limit=limit).wait(self.probe.patience)

    def _answered(self, done: Completed, stage: Literal["server", "client"]) -> float:
        """Return when a call was answered, on the clock of the day."""
        cannot = self.probe.cannot(done)
        if cannot:
            raise TrialFailed(Skip(cannot, said(done)))
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

        The clock of the day is read here and in the endpoint, because it is the only one that a
        tool writes into its log. That nobody set it meanwhile shows on the monotonic one.
        """
        drift = time.time() - time.monotonic()
        asked = time.time()
        endpoint = self.scene.make(name, Role.CLIENT, answerer)
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
        scene = self.scene
        lan = scene.network.lan if scene.network else None
        host = self.engine.host()
        made = [
            Made(scene.arm, scene.driver, end, answerer, scene.network, lan)
            for end in dict.fromkeys(ends)
        ]
        pairs = [one.pair(self.engine, host) for one in made]
        for one, pair, facts in zip(made, pairs, self.reader.read(pairs), strict=True):
            if isinstance(facts, FactError):
                raise facts
            live = one.live(pair, facts)
            self.seen.endpoints = trimmed(facts, scene.driver.hops(Path.EAST_WEST, facts))
            self.seen.promises = live.promises
            if live.broken:
                raise TrialFailed(broken(live.broken))

    def with_births(self, outcome: Outcome) -> Outcome:
        """Return a failure with what was seen before it."""
        if not isinstance(outcome, Failure) or not self.births:
            return outcome
        seconds = ", ".join(f"{birth.answered - birth.asked:.4f}" for birth in self.births)
        told = f"answered before that, seconds after each request: {seconds}"
        return changed(outcome, evidence="; ".join(filter(None, (outcome.evidence, told))))
