"""What gathers while a session or a trial runs, and the record that it becomes."""

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from ipaddress import ip_address
from typing import Final

from msgspec.structs import replace as changed

from netbench.engines.base import Engine
from netbench.errors import ENGINE_FAILURES, EngineError, FactError
from netbench.facts.base import Heard, Reader, StopListening
from netbench.facts.cpu_time import TICK, frequency
from netbench.facts.procfs import SocketAddress
from netbench.plan import Step
from netbench.record import (
    Absent,
    Completed,
    EndpointFacts,
    FactValue,
    Failure,
    Measurement,
    Outcome,
    PairFacts,
    PathProof,
    Pins,
    PromiseCheck,
    Record,
    Sample,
    SentinelWindow,
    Skip,
    Slice,
    ToolRun,
    TrialTimes,
)
from netbench.record.checks import impossible
from netbench.runner.machine import SHORTEST, Facts, MachineMeter
from netbench.runner.prepared import EVIDENCE, Prepared, TrialFailed
from netbench.sentinel import Sentinel, method_for
from netbench.spec import MACHINE_PATHS, Cpus, Path, Placement, Role
from netbench.system.files import text
from netbench.topology.paths import trimmed
from netbench.topology.proof import prove
from netbench.units import SECONDS
from netbench.watch import ConnectionWatch
from netbench.watch.ports import DatagramWatch, PortWatch, PublishedWatch, together
from netbench.watch.rootless import UserNetworkWatch

_BITS: Final = 8
_LOOKS: Final = 2  # at broken promises: others' links come and go while the host is read
_UNPINNED: Final = Pins(None, None, None, None)
_NO_WINDOW: Final = SentinelWindow("none", None, None, "it never ran")
SaveRaw = Callable[[int, Role, str, int], str]  # stores a record's output; returns its path
Watch = PublishedWatch | ConnectionWatch | UserNetworkWatch


@dataclass(frozen=True, slots=True)
class Recorder:
    """What reads for all records, and keeps raw output."""

    engine: Engine
    reader: Reader
    save_raw: SaveRaw
    meter: MachineMeter
    sentinel: Sentinel

    def window(
        self, placement: Placement, cpus: Cpus, before: SentinelWindow | None = None
    ) -> SentinelWindow:
        """Return the sentinel's reading of now, as the first of a window or with the one before."""
        found, method = self.sentinel.read(cpus.client, cpus.server), method_for(placement)
        reading, note = (None, found.reason) if isinstance(found, Absent) else (found, "")
        if before is None:
            return SentinelWindow(method, reading, None, note)
        notes = "; ".join(dict.fromkeys(filter(None, (before.note, note))))
        return SentinelWindow(method, before.before, reading, notes)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")


ENGINES: Final = SentinelWindow(
    "none", None, None, "the engine's work is pinned to no CPU whose state could be read"
)
"""What stands for the sentinel where the engine's own work is timed."""


@dataclass(slots=True)
class Recording:
    """What gathers while one session or trial runs; whatever stops it, it goes into the record."""

    recorder: Recorder
    number: int  # of the record in the run
    block: int
    attempt: int
    step: Step
    window: SentinelWindow = _NO_WINDOW
    started: str = field(default_factory=_now)
    monotonic: float = field(default_factory=time.monotonic)
    measuring: float = 0.0
    pins: Pins = _UNPINNED
    tools: tuple[ToolRun, ...] = ()
    endpoints: tuple[EndpointFacts, ...] = ()
    promises: tuple[PromiseCheck, ...] = ()
    path: PathProof | None = None
    facts: Facts = ()
    slices: tuple[Slice, ...] = ()
    frequency: FactValue = field(default_factory=lambda: Absent("the tools never ran"))
    watches: tuple[Watch, ...] = ()
    stop_listening: StopListening | None = None
    heard: Heard | None = None

    def begin(self, window: SentinelWindow) -> None:
        """Count the time from now; `window` is the sentinel's, around what is recorded."""
        self.started, self.monotonic, self.window = _now(), time.monotonic(), window

    def read(self, prepared: Prepared) -> PairFacts:
        """Return the facts of now, and listen from the first reading to the second.

        Raises `FactError`, and `TrialFailed` where the driver's promises do not hold any more.
        """
        live = prepared.live
        first = self.stop_listening is None
        if first:
            self.stop_listening = self.recorder.reader.listen(live.pair, live.facts)
        failed: tuple[PromiseCheck, ...] = ()
        for _ in range(_LOOKS):
            facts = self.recorder.reader.again(live.pair, live.facts)
            self.endpoints = trimmed(facts, live.driver.hops(self.step.cell.path, facts))
            self.promises = tuple(promise.judge(facts) for promise in live.driver.promises)
            failed = tuple(check for check in self.promises if not check.held)
            if not failed:
                self.heard = None if first else self._stop()
                return facts
        raise TrialFailed(broken(failed))

    def end_listening(self) -> None:
        """Stop listening to link events, whatever stopped the session or trial."""
        with suppress(*ENGINE_FAILURES):
            self._stop()

    def _stop(self) -> Heard | None:
        stop, self.stop_listening = self.stop_listening, None
        return stop() if stop is not None else None

    def watch(self, prepared: Prepared) -> None:
        """Begin to watch how a published port is served, and what many connections leave behind."""
        watches: list[Watch] = []
        pair, probe = prepared.live.pair, prepared.probe
        crossed = self.step.cell.path in MACHINE_PATHS
        outside = crossed and prepared.live.facts.outside is not None
        for one in prepared.own if prepared.call.published is not None else ():
            kind = PortWatch if "tcp" in probe.protocols else DatagramWatch
            address, port, _ = one.goal
            server = prepared.live.server
            if kind is DatagramWatch and address in (server.address, server.address6):
                continue  # routed to the server itself, which datagrams show by the path alone
            target = SocketAddress(str(ip_address(address)), port)
            also = () if one.second is None else (one.second,)
            watches.append(kind(pair.host, pair.server, target, one.port, also, outside=outside))
        if pair.machine is not None and outside:
            watches.append(UserNetworkWatch(pair.machine))
        if "connections" in probe.metrics:
            callers = {Path.NORTH_SOUTH: pair.lan, Path.OUTSIDE: pair.machine}
            client = callers.get(self.step.cell.path) or pair.client
            watches.append(ConnectionWatch(client, prepared.listens, pair.host))
        for watch in watches:
            watch.start()
        self.watches = tuple(watches)

    def watched(self) -> Facts:
        """Return what the watches have seen, and the clock of the CPUs."""
        found = [(isinstance(one, PublishedWatch), one.stop()) for one in self.watches]
        ports = together([facts for of_port, facts in found if of_port])
        others = (fact for of_port, facts in found if not of_port for fact in facts)
        return (("trial.frequency", self.frequency), *ports, *others)

    def look(self, cpus: Cpus) -> None:
        """Read the clock of the slower of the CPUs, while the tools work on them."""
        found = [
            frequency((cpus.client, cpus.server), partial(text, part.files))
            for part in self.recorder.engine.nodes.values()
        ]
        known = [one for one in found if isinstance(one, float)]
        self.frequency = min(known) if known else found[0]

    def note(self, role: Role, done: Completed) -> None:
        """Note what a tool left, its raw output stored."""
        turn = sum(tool.role is role for tool in self.tools)
        save = self.recorder.save_raw
        tool = ToolRun(
            role=role,
            argv=done.argv,
            exit_code=done.exit_code,
            timed_out=done.timed_out,
            seconds=done.seconds,
            stdout_file=save(self.number, role, done.stdout, turn) if done.stdout else "",
            stderr=done.stderr[:EVIDENCE],
        )
        self.tools = (*self.tools, tool)

    def proved(
        self, prepared: Prepared, sample: Sample, before: PairFacts, after: PairFacts
    ) -> Outcome:
        """Return the sample if its path is proved, else the failure."""
        driver, path, back = prepared.live.driver, self.step.cell.path, sample.returned
        self.path = prove(
            driver,
            path,
            prepared.call.target,
            (before, after),
            sample.received - back,
            returned=back,
            slices=self.slices,
            heard=self.heard,
        )
        if not self.path.held:
            problems = "; ".join(self.path.problems)
            return Failure("path", f"the path is not proved: {problems}", self.path.route)
        return _otherwise_published(driver.recipe.published, dict(self.facts)) or sample

    def record(self, outcome: Outcome, seconds: float | None = None) -> Record:
        """Return the record; a sample with an impossible number, as a rate of 0, is a failure."""
        step = self.step
        wrong = impossible(outcome) if isinstance(outcome, Sample) else ""
        if wrong:
            outcome = Failure("output", f"the tool gave a number that cannot be: {wrong}", "")
        if seconds is None:
            seconds = time.monotonic() - self.monotonic
        far = [end.node for end in self.endpoints if end.role is Role.CLIENT_HOST]
        where = (("trial.client_node", far[0].value),) if far else ()
        return Record(
            number=self.number,
            block=self.block,
            position=step.position,
            attempt=self.attempt,
            cell=step.cell,
            replica=step.arm.replica,
            outcome=outcome,
            clock=TrialTimes(self.started, self.monotonic, seconds, self.measuring),
            pins=self.pins,
            sentinel=self.window,
            tools=self.tools,
            endpoints=self.endpoints,
            promises=self.promises,
            path=self.path,
            facts=(*self.facts, *where),
            slices=self.slices,
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


def congestion(facts: PairFacts) -> Facts:
    """Return the congestion control of both ends' namespaces as trial facts."""
    unread = Absent("tcp_congestion_control is not readable in that namespace")
    return (
        ("trial.congestion_control_client", facts.client.congestion_control or unread),
        ("trial.congestion_control_server", facts.server.congestion_control or unread),
    )


def broken(checks: tuple[PromiseCheck, ...]) -> Failure:
    """Return the outcome where a driver does not keep these promises."""
    texts = ", ".join(check.promise for check in checks)
    return Failure("promise", f"broken: {texts}", "; ".join(check.evidence for check in checks))


def failure_of(error: EngineError | FactError | TrialFailed) -> Failure | Skip:
    """Return the outcome that an error is."""
    return error.outcome if isinstance(error, TrialFailed) else Failure("engine", str(error), "")


def priced(sample: Sample, facts: Facts, declared: tuple[str, ...]) -> Sample:
    """Return a sample with its costs: the busy rate above idle over the rate of bytes or times.

    A rate that is not a tick above that of the idle window gives no cost, nor does a short window.
    """
    known = dict(facts)
    busy, window = known.get("trial.busy_above_idle"), known.get("trial.cost_window")
    if not isinstance(busy, float) or not isinstance(window, float) or window < SHORTEST:
        return sample
    bits = sample.value("throughput")
    per_byte = bits / _BITS if bits else None
    per_time = sample.value("transactions") or sample.value("connections")
    rates = {"cpu_per_byte": per_byte, "cpu_per_transaction": per_time}
    costs = tuple(
        Measurement(metric, busy / rate, SECONDS)
        for metric, rate in rates.items()
        if metric in declared and rate and busy > TICK / window
    )
    cycles, details = known.get("trial.cycles"), sample.details
    if isinstance(cycles, float) and per_byte and "cpu_per_byte" in declared:
        details = (*details, ("cycles_per_byte", cycles / per_byte))
    return changed(sample, measurements=(*sample.measurements, *costs), details=details)
