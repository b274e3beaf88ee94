"""What gathers while a session or a trial runs, and the record that it becomes."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

from netbench.engines.base import Engine
from netbench.errors import EngineError, FactError
from netbench.facts.base import Reader
from netbench.facts.cpu_time import frequency
from netbench.plan import Step
from netbench.record import (
    Absent,
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
    SentinelWindow,
    Skip,
    Slice,
    ToolRun,
    TrialTimes,
)
from netbench.runner.prepared import Prepared
from netbench.runner.setup import EVIDENCE, TrialFailed
from netbench.spec import Cpus, Path, Role
from netbench.system.files import text
from netbench.topology import prove, trimmed
from netbench.watch.connections import ConnectionWatch
from netbench.watch.datagrams import DatagramWatch
from netbench.watch.ports import PortWatch

_LOOKS: Final = 2
"""At facts that break a promise: others' links come and go on the host while it is being read."""
_UNPINNED: Final = Pins(None, None, None, None)
NO_WINDOW: Final = SentinelWindow("none", None, None, "it never ran")
SaveRaw = Callable[[int, Role, str, int], str]
"""Store the raw output of a record's tool, counted by role from 0; return its path there."""
Watch = PortWatch | DatagramWatch


@dataclass(frozen=True, slots=True)
class Where:
    """Which session or trial of the run it is."""

    number: int
    block: int
    attempt: int
    step: Step


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")


@dataclass(slots=True)
class Seen:
    """What gathers while it runs; whatever stops it, this much goes into the record."""

    started: str = field(default_factory=_now)
    monotonic: float = field(default_factory=time.monotonic)
    seconds: float | None = None
    """Wall time; None until it has ended, then of the whole since `monotonic`."""
    measuring: float = 0.0
    pins: Pins = _UNPINNED
    window: SentinelWindow = NO_WINDOW
    tools: tuple[ToolRun, ...] = ()
    endpoints: tuple[EndpointFacts, ...] = ()
    promises: tuple[PromiseCheck, ...] = ()
    path: PathProof | None = None
    facts: tuple[tuple[str, FactValue], ...] = ()
    slices: tuple[Slice, ...] = ()
    frequency: FactValue = field(default_factory=lambda: Absent("the tools never ran"))


class Recorder:
    """Notes what both kinds of measurement have in common: facts, tools, proof."""

    def __init__(self, engine: Engine, reader: Reader, save_raw: SaveRaw) -> None:
        """Take what reads, and what keeps raw output."""
        self._engine = engine
        self._reader = reader
        self._save_raw = save_raw

    def again(self, prepared: Prepared, seen: Seen) -> PairFacts:
        """Return the facts of now, in which the driver's promises still hold.

        Raises:
            TrialFailed: they do not.
            FactError: something is unreadable.
        """
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

    def proved(
        self, prepared: Prepared, sample: Sample, facts: tuple[PairFacts, PairFacts], seen: Seen
    ) -> Outcome:
        """Return the sample if its path is proved, else the failure."""
        driver, path = prepared.live.driver, prepared.step.cell.path
        back = sample.returned
        seen.path = prove(
            driver,
            path,
            prepared.call.target,
            facts,
            sample.received - back,
            returned=back,
            slices=seen.slices,
        )
        if not seen.path.held:
            problems = "; ".join(seen.path.problems)
            return Failure("path", f"the path is not proved: {problems}", seen.path.route)
        return _otherwise_published(driver.recipe.published, dict(seen.facts)) or sample

    def note(self, number: int, seen: Seen, role: Role, done: Completed) -> None:
        """Note what a tool left, its raw output stored."""
        turn = sum(tool.role is role for tool in seen.tools)
        file = self._save_raw(number, role, done.stdout, turn) if done.stdout else ""
        tool = ToolRun(
            role=role,
            argv=done.argv,
            exit_code=done.exit_code,
            timed_out=done.timed_out,
            seconds=done.seconds,
            stdout_file=file,
            stderr=done.stderr[:EVIDENCE],
        )
        seen.tools = (*seen.tools, tool)

    def frequency(self, cpus: Cpus) -> FactValue:
        """Return the clock of the slower of these CPUs, Hz."""
        files = self._engine.files
        return frequency((cpus.client, cpus.server), lambda path: text(files, path))


def port_watch_of(prepared: Prepared) -> Watch | None:
    """Return what watches how a published port is served; None where none is."""
    if prepared.call.published is None:
        return None
    host, server = prepared.live.pair.host, prepared.live.pair.server
    target, outside, port = prepared.call.target, prepared.outside, prepared.port
    if "tcp" in prepared.probe.protocols:
        return PortWatch(host, server, address=target, host_port=outside, port=port)
    return DatagramWatch(host, address=target, host_port=outside, port=port)


def watch_of(prepared: Prepared) -> ConnectionWatch | None:
    """Return what watches the remains of connections, begun, where many are made."""
    if "connections" not in prepared.probe.metrics:
        return None
    pair = prepared.live.pair
    outside = pair.lan if prepared.step.cell.path is Path.NORTH_SOUTH else None
    return ConnectionWatch(outside or pair.client, pair.server, pair.host)


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


def congestion(facts: PairFacts) -> tuple[tuple[str, FactValue], ...]:
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


def never_ran(where: Where, outcome: Outcome) -> Record:
    """Return the record of what never ran."""
    return record_of(where, outcome, Seen())


def record_of(where: Where, outcome: Outcome, seen: Seen) -> Record:
    """Return the record of what has ended now."""
    seconds = time.monotonic() - seen.monotonic if seen.seconds is None else seen.seconds
    return Record(
        number=where.number,
        block=where.block,
        position=where.step.position,
        attempt=where.attempt,
        cell=where.step.cell,
        replica=where.step.arm.replica,
        outcome=outcome,
        clock=TrialTimes(seen.started, seen.monotonic, seconds, seen.measuring),
        pins=seen.pins,
        sentinel=seen.window,
        tools=seen.tools,
        endpoints=seen.endpoints,
        promises=seen.promises,
        path=seen.path,
        facts=seen.facts,
        slices=seen.slices,
    )
