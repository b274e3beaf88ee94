"""One trial: settle, run, drain, and the proof of its path (METHOD §1, §4)."""

import itertools
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime

from netbench.engines.base import Engine, Process
from netbench.errors import EngineError, EngineLost, FactError, ProbeError
from netbench.facts.base import Reader, ports_in_use
from netbench.facts.procfs import ESTABLISHED, LISTEN
from netbench.plan import Plan, Step
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
    SentinelReading,
    SentinelWindow,
    ToolRun,
)
from netbench.runner.machine import MachineMeter
from netbench.runner.prepared import Prepared
from netbench.sentinel.measure import Sentinel, method_for
from netbench.spec import Cpus, Role
from netbench.topology import LivePair, prove, trimmed

_LISTEN_WITHIN = 5.0
"""Seconds a server may take to listen."""
_SERVER_GRACE = 2.0
"""Seconds a server that ends by itself may take for it."""
_LIMIT = 1800.0
"""Seconds after which a tool ends even if nobody waits for it any more."""
_WARM_UP = 0.1
"""Seconds from a held client's connection to its stop: its few warm-up messages are through."""
_MARGIN = 0.1
"""Seconds beyond a held client's own pause before it is released."""
_LOOK = 0.15
"""Seconds into the trial at which the tools' CPUs are looked at."""
_PORTS = range(21001, 31000)
"""Below the usual ephemeral range, 32768 and up."""
_EVIDENCE = 600
"""Characters of raw output kept in a record; the whole lies in `raw/`."""

SaveRaw = Callable[[int, Role, str], str]
"""Store the raw output of a record's tool, return its path in the run folder."""


class TrialFailed(Exception):
    """A trial cannot go on; carries the outcome."""

    def __init__(self, failure: Failure) -> None:
        """Take the outcome."""
        super().__init__(failure.reason)
        self.failure = failure


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
class _Seen:
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


class TrialRunner:
    """Runs trials on live pairs of one engine."""

    def __init__(
        self, engine: Engine, reader: Reader, plan: Plan, sentinel: Sentinel, save_raw: SaveRaw
    ) -> None:
        """Take what every trial needs."""
        self._engine = engine
        self._reader = reader
        self._plan = plan
        self._sentinel = sentinel
        self._save_raw = save_raw
        self._ports: Iterator[int] = itertools.cycle(_PORTS)
        self._meter = MachineMeter(engine)

    def prepare(self, live: LivePair, step: Step) -> Prepared:
        """Start the server, see it listen, and bring a holdable client into its pause.

        Raises:
            TrialFailed: the server does not come up.
            EngineLost: the engine does not answer.
        """
        probe = self._plan.probes[step.cell.probe]
        cpus = self._plan.cpus[step.cell.placement]
        address, port = live.target or "", self._free_port(live)
        argv = probe.server_argv(address, port)
        server = self._start(live, Role.SERVER, argv, cpus.server)
        prepared = Prepared(live, step, probe, cpus, port, server)
        try:
            self._see_it_listen(prepared)
            if probe.holdable:
                self._hold(prepared, address)
        except BaseException:
            prepared.end()
            raise
        return prepared

    def _see_it_listen(self, prepared: Prepared) -> None:
        live, server, port = prepared.live, prepared.server, prepared.port
        if not self._until(server, lambda: self._has(live, port, LISTEN)):
            server.signal("KILL")
            said = _said(prepared.wait(server, 1.0))
            reason = f"no server listens on port {port} within {_LISTEN_WITHIN:.0f} s"
            raise TrialFailed(Failure("server", reason, said))

    def carry_out(self, where: Where, prepared: Prepared) -> Record:
        """Run a prepared trial and return its record, whatever comes of it."""
        seen = _Seen()
        outcome: Outcome
        try:
            outcome = self._run(where.number, prepared, seen)
        except TrialFailed as exc:
            outcome = exc.failure
        except EngineLost:
            raise
        except (EngineError, FactError) as exc:
            outcome = Failure("engine", str(exc), "")
        finally:
            prepared.end()
        return _record(where, outcome, seen)

    def _hold(self, prepared: Prepared, address: str) -> None:
        probe, live = prepared.probe, prepared.live
        argv = probe.client_argv(address, prepared.port, self._plan.cc)
        client = self._start(live, Role.CLIENT, argv, prepared.cpus.client)
        prepared.client = client
        connected = self._until(client, lambda: self._has(live, prepared.port, ESTABLISHED))
        prepared.released_after = time.monotonic() + probe.holdable + _MARGIN
        if connected:
            time.sleep(_WARM_UP)
            client.signal("STOP")

    def _run(self, number: int, prepared: Prepared, seen: _Seen) -> Outcome:
        before = self._again(prepared.live, seen)
        self._meter.start()
        first = self._state(prepared.cpus)
        client = self._release(prepared)
        time.sleep(_LOOK)
        seen.pins = Pins(
            prepared.cpus.client, prepared.cpus.server, client.cpus(), prepared.server.cpus()
        )
        done = prepared.wait(client, prepared.probe.deadline)
        seen.measuring = done.seconds
        last = self._state(prepared.cpus)
        seen.window = _window(prepared, first, last)
        seen.facts = self._meter.stop()
        served = self._end_server(prepared)
        seen.tools = tuple(
            self._tool(number, role, completed)
            for role, completed in ((Role.CLIENT, done), (Role.SERVER, served))
        )
        after = self._again(prepared.live, seen)
        seen.facts = (*seen.facts, *_congestion(after))
        return self._judge(prepared, (done, served), (before, after), seen)

    def _state(self, cpus: Cpus) -> SentinelReading | Absent:
        if not self._engine.local:
            return Absent("the engine's CPUs are not this process's to measure on")
        return self._sentinel.read(cpus.client, cpus.server)

    def _again(self, live: LivePair, seen: _Seen) -> PairFacts:
        """Return the facts of now, in which the driver's promises still hold."""
        facts = self._reader.again(live.pair, live.facts)
        seen.endpoints = trimmed(facts, live.driver.path(facts))
        seen.promises = tuple(promise.judge(facts) for promise in live.driver.promises)
        failed = tuple(check for check in seen.promises if not check.held)
        if failed:
            raise TrialFailed(broken(failed))
        return facts

    def _judge(
        self,
        prepared: Prepared,
        tools: tuple[Completed, Completed],
        facts: tuple[PairFacts, PairFacts],
        seen: _Seen,
    ) -> Outcome:
        done, served = tools
        if done.timed_out:
            reason = f"{prepared.probe.tool} did not end within {prepared.probe.deadline:.0f} s"
            return Failure("client", reason, _said(done))
        try:
            sample = prepared.probe.parse(done, served if prepared.probe.server_ends else None)
        except ProbeError as exc:
            return Failure("output", str(exc), f"{_said(done)}\n{_said(served)}".strip())
        seen.path = prove(prepared.live.driver, facts[0], facts[1], sample.received)
        if not seen.path.held:
            problems = "; ".join(seen.path.problems)
            return Failure("path", f"the path is not proved: {problems}", seen.path.route)
        return sample

    def _release(self, prepared: Prepared) -> Process:
        if prepared.client is None:
            argv = prepared.probe.client_argv(
                prepared.live.target or "", prepared.port, self._plan.cc
            )
            prepared.client = self._start(prepared.live, Role.CLIENT, argv, prepared.cpus.client)
        else:
            time.sleep(max(0.0, prepared.released_after - time.monotonic()))
            prepared.client.signal("CONT")
        return prepared.client

    def _end_server(self, prepared: Prepared) -> Completed:
        if prepared.probe.server_ends:
            return prepared.wait(prepared.server, _SERVER_GRACE)
        prepared.server.signal("KILL")
        return prepared.wait(prepared.server, _SERVER_GRACE)

    def _start(self, live: LivePair, role: Role, argv: tuple[str, ...], cpu: int | None) -> Process:
        endpoint = live.client if role is Role.CLIENT else live.server
        try:
            return self._engine.start(endpoint, argv, cpu=cpu, limit=_LIMIT)
        except EngineLost:
            raise
        except EngineError as exc:
            failure = (
                Failure("client", str(exc), " ".join(argv))
                if role is Role.CLIENT
                else Failure("server", str(exc), " ".join(argv))
            )
            raise TrialFailed(failure) from exc

    def _free_port(self, live: LivePair) -> int:
        used = ports_in_use(live.pair.server, None, local=self._engine.local)
        return next(port for port in self._ports if port not in used)

    def _has(self, live: LivePair, port: int, state: str) -> bool:
        return port in ports_in_use(live.pair.server, state, local=self._engine.local)

    @staticmethod
    def _until(process: Process, seen: Callable[[], bool]) -> bool:
        """Wait until something is seen; False once the process ended or time is up."""
        deadline = time.monotonic() + _LISTEN_WITHIN
        while time.monotonic() < deadline:
            if seen():
                return True
            if not process.alive():
                return False
            time.sleep(0.005)
        return False

    def _tool(self, number: int, role: Role, done: Completed) -> ToolRun:
        file = self._save_raw(number, role, done.stdout) if done.stdout else ""
        return ToolRun(
            role=role,
            argv=done.argv,
            exit_code=done.exit_code,
            timed_out=done.timed_out,
            seconds=done.seconds,
            stdout_file=file,
            stderr=done.stderr[:_EVIDENCE],
        )


def broken(checks: tuple[PromiseCheck, ...]) -> Failure:
    """Return the outcome of a trial whose driver does not keep these promises."""
    texts = ", ".join(check.promise for check in checks)
    return Failure("promise", f"broken: {texts}", "; ".join(check.evidence for check in checks))


def never_ran(where: Where, outcome: Outcome) -> Record:
    """Return the record of a trial that never ran."""
    return _record(where, outcome, _Seen())


def _record(where: Where, outcome: Outcome, seen: _Seen) -> Record:
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


def _said(done: Completed) -> str:
    """Return the start of what a tool printed, for evidence."""
    text = "\n".join(part.strip() for part in (done.stderr, done.stdout) if part.strip())
    ended = "ended by our deadline" if done.timed_out else f"exit code {done.exit_code}"
    return f"{done.argv[0] if done.argv else '?'}: {ended}; {text[:_EVIDENCE]}"
