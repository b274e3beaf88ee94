"""One trial: settle, run, drain, and the proof of its path (METHOD §1, §4)."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from netbench.engines.base import Engine
from netbench.errors import EngineError, EngineLost, FactError, ProbeError
from netbench.facts.base import Reader
from netbench.facts.connections import ConnectionWatch
from netbench.facts.datagrams import DatagramWitness
from netbench.facts.frequency import frequency
from netbench.facts.published import PublishedWitness
from netbench.files import text
from netbench.plan import Plan, Step
from netbench.probes import Probe, Search
from netbench.record import (
    Absent,
    Clock,
    Completed,
    EndpointFacts,
    FactValue,
    Failure,
    Outcome,
    PairFacts,
    PathProof,
    Pins,
    PromiseCheck,
    Record,
    Sample,
    SentinelReading,
    SentinelWindow,
    ToolRun,
)
from netbench.runner.leg import LegRunner
from netbench.runner.machine import MachineMeter
from netbench.runner.prepared import Prepared
from netbench.runner.settle import EVIDENCE, Settler, TrialFailed
from netbench.sentinel.measure import Sentinel, method_for
from netbench.spec import Cpus, Path, Role
from netbench.topology import LivePair, prove, trimmed

_LOOKS = 2
"""At facts that break a promise: others' links come and go on the host while it is being read."""
Witness = PublishedWitness | DatagramWitness
SaveRaw = Callable[[int, Role, str, int], str]
"""Store the raw output of a record's tool, counted by role from 0; return its path there."""


@dataclass(frozen=True, slots=True)
class Where:
    """Which trial of the run it is."""

    number: int
    block: int
    attempt: int
    step: Step


_UNPINNED = Pins(None, None, None, None)
_NO_WINDOW = SentinelWindow("none", None, None, "the trial never ran")


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")


@dataclass(slots=True)
class Seen:
    """What gathers while a trial runs; whatever stops it, this much goes into the record."""

    started: str = field(default_factory=_now)
    monotonic: float = field(default_factory=time.monotonic)
    measuring: float = 0.0
    pins: Pins = _UNPINNED
    window: SentinelWindow = _NO_WINDOW
    tools: tuple[ToolRun, ...] = ()
    endpoints: tuple[EndpointFacts, ...] = ()
    promises: tuple[PromiseCheck, ...] = ()
    path: PathProof | None = None
    facts: tuple[tuple[str, FactValue], ...] = ()
    frequency: FactValue = field(default_factory=lambda: Absent("the tools never ran"))


class TrialRunner:
    """Runs trials on live pairs of one engine."""

    def __init__(
        self,
        engine: Engine,
        reader: Reader,
        plan: Plan,
        sentinel: Sentinel,
        save_raw: SaveRaw,
        *,
        meter: MachineMeter | None = None,
    ) -> None:
        """Take what every trial needs."""
        self._engine = engine
        self._reader = reader
        self._plan = plan
        self._settler = Settler(engine, plan)
        self._sentinel = sentinel
        self._save_raw = save_raw
        self._legs = LegRunner(self._settler, meter or MachineMeter(engine))

    def prepare(self, live: LivePair, step: Step) -> Prepared:
        """Return a trial that can be carried out; errors as `Settler.prepare`."""
        probe = self._plan.probes[step.cell.probe]
        first = probe.following(()) if isinstance(probe, Search) else probe
        if not isinstance(first, Probe):
            raise TrialFailed(Failure("client", f"{probe.name} has no tool to run", ""))
        return self._settler.prepare(live, step, first)

    def carry_out(self, where: Where, prepared: Prepared) -> Record:
        """Run a prepared trial and return its record, whatever comes of it."""
        seen = Seen()
        outcome: Outcome
        try:
            outcome = self._run(where.number, prepared, seen)
        except TrialFailed as exc:
            outcome = exc.outcome
        except EngineLost:
            raise
        except (EngineError, FactError) as exc:
            outcome = Failure("engine", str(exc), "")
        finally:
            prepared.end()
        return record_of(where, outcome, seen)

    def _run(self, number: int, prepared: Prepared, seen: Seen) -> Outcome:
        before = self._again(prepared, seen)
        witness = self._witness(prepared)
        watch = self._watch(prepared)
        first = self._state(prepared.cpus)
        try:
            sample = self._numbers(number, prepared, seen, witness)
        finally:
            seen.window = _window(prepared, first, self._state(prepared.cpus))
            seen.facts = (*seen.facts, *(watch.stop() if watch else ()))
        after = self._again(prepared, seen)
        seen.facts = (
            *seen.facts,
            ("trial.frequency", seen.frequency),
            *_congestion(after),
            *(witness.stop() if witness else ()),
        )
        return self._proved(prepared, sample, (before, after), seen)

    def _numbers(
        self, number: int, prepared: Prepared, seen: Seen, witness: Witness | None
    ) -> Sample:
        """Return the numbers of one leg, or of as many as a search takes."""
        probe = self._plan.probes[prepared.step.cell.probe]
        if not isinstance(probe, Search):
            return self._leg(number, prepared, seen, witness)
        following: Probe | None = prepared.probe
        samples: list[Sample] = []
        try:
            while following is not None:
                leg = prepared.sharing(following)
                # The way of one leg is that of all: a look at each would outlast the short ones.
                samples.append(self._leg(number, leg, seen, None if samples else witness))
                following = probe.following(samples)
            return probe.conclude(samples)
        except ProbeError as exc:
            raise TrialFailed(Failure("output", str(exc), "")) from exc
        finally:
            self._note(number, seen, Role.SERVER, prepared.end_server())

    def _leg(self, number: int, prepared: Prepared, seen: Seen, witness: Witness | None) -> Sample:
        """Run one leg, note what it left, return its numbers."""

        def look() -> None:
            if witness is not None:
                witness.look()
            seen.frequency = self._frequency(prepared.cpus)

        try:
            leg = self._legs.run(prepared, look)
        finally:
            prepared.end()
        seen.measuring += leg.measuring
        seen.pins, seen.facts = leg.pins, leg.facts or seen.facts
        for part in leg.tools:
            self._note(number, seen, Role.CLIENT, part.client)
            if part.server is not None:
                self._note(number, seen, Role.SERVER, part.server)
        return leg.sample()

    def _note(self, number: int, seen: Seen, role: Role, done: Completed) -> None:
        """Note what a tool left, its raw output stored."""
        turn = sum(tool.role is role for tool in seen.tools)
        seen.tools = (*seen.tools, self._tool(number, role, done, turn))

    def _state(self, cpus: Cpus) -> SentinelReading | Absent:
        return self._sentinel.read(cpus.client, cpus.server)

    def _frequency(self, cpus: Cpus) -> FactValue:
        files = self._engine.files
        return frequency((cpus.client, cpus.server), lambda path: text(files, path))

    def _witness(self, prepared: Prepared) -> Witness | None:
        """Return what watches how a published port is served, started; None where none is."""
        if prepared.call.published is None:
            return None
        host, server = prepared.live.pair.host, prepared.live.pair.server
        target, outside, port = prepared.call.target, prepared.outside, prepared.port
        witness: Witness
        if "tcp" in prepared.probe.protocols:
            witness = PublishedWitness(host, server, address=target, host_port=outside, port=port)
        else:
            witness = DatagramWitness(host, address=target, host_port=outside, port=port)
        witness.start()
        return witness

    def _watch(self, prepared: Prepared) -> ConnectionWatch | None:
        """Return what watches the remains of connections, where the trial makes many."""
        if "connections" not in prepared.probe.metrics:
            return None
        pair = prepared.live.pair
        outside = pair.lan if prepared.step.cell.path is Path.NORTH_SOUTH else None
        return ConnectionWatch(outside or pair.client, pair.server, pair.host)

    def _again(self, prepared: Prepared, seen: Seen) -> PairFacts:
        """Return the facts of now, in which the driver's promises still hold."""
        live = prepared.live
        failed: tuple[PromiseCheck, ...] = ()
        for _ in range(_LOOKS):
            facts = self._reader.again(live.pair, live.facts)
            seen.endpoints = trimmed(facts, live.driver.hops(prepared.step.cell.path, facts))
            seen.promises = tuple(promise.judge(facts) for promise in live.driver.promises)
            failed = tuple(check for check in seen.promises if not check.held)
            if not failed:
                return facts
        raise TrialFailed(broken(failed))

    def _proved(
        self, prepared: Prepared, sample: Sample, facts: tuple[PairFacts, PairFacts], seen: Seen
    ) -> Outcome:
        """Return the sample if its path is proved."""
        driver, path = prepared.live.driver, prepared.step.cell.path
        back = sample.returned
        target = prepared.call.target
        seen.path = prove(driver, path, target, facts, sample.received - back, returned=back)
        if not seen.path.held:
            problems = "; ".join(seen.path.problems)
            return Failure("path", f"the path is not proved: {problems}", seen.path.route)
        return _otherwise_published(driver.recipe.published, dict(seen.facts)) or sample

    def _tool(self, number: int, role: Role, done: Completed, turn: int) -> ToolRun:
        file = self._save_raw(number, role, done.stdout, turn) if done.stdout else ""
        return ToolRun(
            role=role,
            argv=done.argv,
            exit_code=done.exit_code,
            timed_out=done.timed_out,
            seconds=done.seconds,
            stdout_file=file,
            stderr=done.stderr[:EVIDENCE],
        )


def _otherwise_published(wanted: str | None, facts: dict[str, FactValue]) -> Failure | None:
    """Return the outcome where a published port was not served as the variant demands."""
    via = facts.get("trial.published_via")
    if wanted is None or via is None or via == wanted:
        return None
    evidence = str(facts.get("trial.published_evidence", ""))
    if isinstance(via, Absent):
        reason = f"the port must be published by {wanted}, and what served it is unknown"
        return Failure("path", f"{reason}: {via.reason}", evidence)
    return Failure("path", f"the port was published by {wanted}, and served by {via}", evidence)


def broken(checks: tuple[PromiseCheck, ...]) -> Failure:
    """Return the outcome of a trial whose driver does not keep these promises."""
    texts = ", ".join(check.promise for check in checks)
    return Failure("promise", f"broken: {texts}", "; ".join(check.evidence for check in checks))


def never_ran(where: Where, outcome: Outcome) -> Record:
    """Return the record of a trial that never ran."""
    return record_of(where, outcome, Seen())


def record_of(where: Where, outcome: Outcome, seen: Seen) -> Record:
    """Return the record of a trial that has ended now."""
    seconds = time.monotonic() - seen.monotonic
    return Record(
        number=where.number,
        block=where.block,
        position=where.step.position,
        attempt=where.attempt,
        cell=where.step.cell,
        replica=where.step.arm.replica,
        outcome=outcome,
        clock=Clock(seen.started, seen.monotonic, seconds, seen.measuring),
        pins=seen.pins,
        sentinel=seen.window,
        tools=seen.tools,
        endpoints=seen.endpoints,
        promises=seen.promises,
        path=seen.path,
        facts=seen.facts,
    )


def _window(
    prepared: Prepared, first: SentinelReading | Absent, last: SentinelReading | Absent
) -> SentinelWindow:
    reasons = dict.fromkeys(r.reason for r in (first, last) if isinstance(r, Absent))
    return SentinelWindow(
        method=method_for(prepared.step.cell.placement),
        before=None if isinstance(first, Absent) else first,
        after=None if isinstance(last, Absent) else last,
        note="; ".join(reasons),
    )


def _congestion(facts: PairFacts) -> tuple[tuple[str, FactValue], ...]:
    unread = Absent("tcp_congestion_control is not readable in that namespace")
    return (
        ("trial.congestion_control_client", facts.client.congestion_control or unread),
        ("trial.congestion_control_server", facts.server.congestion_control or unread),
    )
