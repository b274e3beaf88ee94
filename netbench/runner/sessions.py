"""The rounds of one probe: every arm's session gets one slice in each, in random order (METHOD §1).

All clients but one are held. What must be read of a session is read while it is held too, so that
nothing disturbs a slice but the two readings of a counter at its edges.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from typing import Final

from netbench.errors import EngineError, EngineLost, FactError, ProbeError
from netbench.facts.connections import ConnectionWatch, passive_opens
from netbench.facts.linkbytes import Bytes, LinkBytes
from netbench.plan import Plan, Step
from netbench.probes import Count, Session, Sliced, Window
from netbench.record import (
    Absent,
    Completed,
    Failure,
    Outcome,
    PairFacts,
    Pins,
    Record,
    SentinelReading,
    SentinelWindow,
    Skip,
    Slice,
)
from netbench.runner.cost import priced
from netbench.runner.leg import ends_of
from netbench.runner.machine import MachineMeter, Windows
from netbench.runner.prepared import Prepared
from netbench.runner.recording import (
    Recorder,
    Seen,
    Where,
    Witness,
    congestion,
    failure_of,
    record_of,
    watch_of,
    witness_of,
)
from netbench.runner.settle import Settler, TrialFailed, said
from netbench.sentinel.measure import Method, Sentinel, method_for
from netbench.spec import Arm, Cpus, Role
from netbench.topology import LivePair

SETTLE: Final = 0.02
"""Seconds at the start of a slice that do not count: caches, windows, wake-ups."""
_WAKE: Final = 0.03
"""Seconds that each client works before the first round."""
_LATE: Final = 1.0
"""Seconds for which such a client is waited for."""
_DRAIN: Final = 0.003
"""Seconds after a hold in which what had been sent arrives."""
_LATENCIES: Final = 20
"""A slice is at least so many times as long as a signal may take: where signals go through an
engine, or over a network, slices are longer."""
_AROUND: Final = 0.03
"""Seconds that a slice takes beside its own length, for forecasts."""
_ENDS: Final = 10.0
"""Seconds that a client may take to print what it has."""
_ROOM: Final = 1.5, 3.0
"""Factor and seconds by which a session may outlast its forecast."""
Links = tuple[tuple[int | None, int | None], ...]
"""What each link of a path moved in a slice, client to server and back."""


@dataclass(slots=True)
class _Running:
    """One arm's session."""

    where: Where
    prepared: Prepared
    probe: Sliced
    seen: Seen = field(default_factory=Seen)
    outcome: Outcome | None = None
    """Once it has failed."""
    before: PairFacts | None = None
    links: LinkBytes | None = None
    hops: tuple[tuple[Role, str, str], ...] = ()
    """Namespace, link and counted direction of each hop."""
    usage: Windows | None = None
    witness: Witness | None = None
    watch: ConnectionWatch | None = None
    windows: list[Window] = field(default_factory=list)
    moved: list[Links] = field(default_factory=list)

    @property
    def goes_on(self) -> bool:
        """Whether it can be given a slice."""
        return self.outcome is None and self.prepared.alive


class SessionRunner:
    """Runs the rounds of sessions on live pairs of one engine."""

    def __init__(
        self,
        plan: Plan,
        settler: Settler,
        recorder: Recorder,
        meter: MachineMeter,
        sentinel: Sentinel,
    ) -> None:
        """Take what every session needs."""
        self._plan = plan
        self._settler = settler
        self._recorder = recorder
        self._meter = meter
        self._clock = meter.clock
        self._sentinel = sentinel

    def prepare(self, live: LivePair, step: Step, arms: int) -> Prepared:
        """Return a session whose client is held; errors as `Settler.prepare_session`.

        Args:
            live: the pair.
            step: of the plan.
            arms: how many take part in its rounds.
        """
        probe = self._plan.probes[step.cell.probe]
        if not isinstance(probe, Sliced):
            raise TrialFailed(Failure("client", f"{probe.name} has no sessions", ""))
        factor, more = _ROOM
        seconds = arms * (probe.rounds * (probe.slice + _AROUND) + 0.2) + 2 * probe.lead
        return self._settler.prepare_session(live, step, probe, factor * seconds + more)

    def carry_out(
        self, sessions: Sequence[tuple[Where, Prepared]], rounds: Sequence[Sequence[Arm]]
    ) -> list[Record]:
        """Run the rounds and return a record of each session, whatever comes of it.

        Raises:
            EngineLost: the engine does not answer.
        """
        began = self._clock.now()
        running = [_running(where, prepared) for where, prepared in sessions]
        try:
            self._open(running)
            by_arm = {one.where.step.arm: one for one in running}
            for number, order in enumerate(rounds, start=1):
                self._round(number, order, by_arm)
            after = self._close(running)
            for one in running:
                self._finish(one, after.get(one.where.number))
        finally:
            for one in running:
                one.prepared.end()
        share = (self._clock.now() - began) / max(1, len(running))
        for one in running:
            one.seen.seconds = share
        return [record_of(one.where, _outcome(one), one.seen) for one in running]

    def wake(self, sessions: Sequence[Prepared]) -> None:
        """Let every client work for a moment, once its own pause is over: its time begins then."""
        waiting = [one for one in sessions if one.woken is None]
        self._clock.until(max((one.ready for one in waiting), default=0.0))
        for one in waiting:
            one.woken = self._clock.now()
            with _met_again():
                one.let_go()
                self._clock.until(one.woken + _WAKE)
                if isinstance(one.probe, Sliced) and one.probe.lead:
                    self._see_it_work(one)
                one.hold()

    def _see_it_work(self, one: Prepared) -> None:
        """Wait until bytes move on the path: on a busy machine a client may be late."""
        hops = one.live.driver.hops(one.step.cell.path, one.live.facts)
        links = LinkBytes.of(one.live.pair, [(h.role, h.link.name) for h in hops])
        patience = self._clock.now() + _LATE
        with suppress(FactError):
            before = links.read()
            while links.read() == before and self._clock.now() < patience:
                one.woken = self._clock.now()
                self._clock.sleep(_WAKE)

    def _open(self, running: Sequence[_Running]) -> None:
        """Wake every client, and read all that a proof needs while they are held again."""
        self.wake([one.prepared for one in running])
        for one in running:
            with _failing(one):
                self._look(one)
        window = self._reading(running)
        for one in running:
            one.seen.window = SentinelWindow(window[0], window[1], None, window[2])
        ready = ((one.prepared.woken or 0.0) + one.probe.lead for one in running)
        self._clock.until(max(ready, default=0.0))

    def _look(self, one: _Running) -> None:
        prepared, cpus = one.prepared, one.prepared.cpus
        one.before = self._recorder.again(prepared, one.seen)
        hops = prepared.live.driver.hops(prepared.step.cell.path, one.before)
        one.hops = tuple((hop.role, hop.link.name, hop.counted) for hop in hops)
        counted = ((role, name) for role, name, way in one.hops if way != "none")
        one.links = LinkBytes.of(prepared.live.pair, counted)
        one.usage = self._meter.windows(ends_of(prepared))
        one.watch = watch_of(prepared)
        one.witness = witness_of(prepared)
        if one.witness is not None:
            one.witness.start()
            one.witness.look()
        client = prepared.client.cpus() if prepared.client is not None else None
        one.seen.pins = Pins(cpus.client, cpus.server, client, prepared.server.cpus())

    def _round(self, number: int, order: Sequence[Arm], by_arm: Mapping[Arm, _Running]) -> None:
        """Give every session that goes on its slice."""
        present = [by_arm[arm] for arm in order if arm in by_arm]
        for place, one in enumerate(present, start=1):
            if one.goes_on:
                with _failing(one):
                    self._slice(one, number, place)

    def _slice(self, one: _Running, number: int, place: int) -> None:
        prepared, probe = one.prepared, one.probe
        latency = prepared.latency
        settle, length = max(SETTLE, 2 * latency), max(probe.slice, _LATENCIES * latency)
        before = one.links.read() if one.links else {}
        if one.usage is not None:
            one.usage.open()
        released = self._clock.now()
        try:
            prepared.let_go()
            self._clock.until(released + settle)
            start, first = self._clock.now(), self._count(one)
            if number == 1:
                one.seen.frequency = self._recorder.frequency(prepared.cpus)
            self._clock.until(start + length - settle)
            last, end = self._count(one), self._clock.now()
        finally:
            prepared.hold()
        if one.usage is not None:
            one.usage.close()
        self._clock.until(end + _DRAIN)
        after = one.links.read() if one.links else {}
        counts = None if first is None or last is None else (first, last)
        one.windows.append(Window(number, place, released, start, end, counts))
        one.moved.append(tuple(_moved(hop, before, after) for hop in one.hops))
        one.seen.measuring += end - released

    def _count(self, one: _Running) -> Count | None:
        """Return what the kernel has counted by now; None where it cannot be read."""
        counting = one.prepared.load or one.prepared
        probe = counting.probe
        if one.probe.counted == "connections":
            began = self._clock.now()
            opened = passive_opens(one.prepared.live.pair.server)
            return Count((began + self._clock.now()) / 2, opened)
        if one.probe.counted == "nothing" or not isinstance(probe, Sliced):
            return None
        found = {
            role: process.bytes_read()
            for role, process in ((Role.SERVER, counting.server), (Role.CLIENT, counting.client))
            if role in probe.receivers and process is not None
        }
        at = [read.at for read in found.values() if read is not None]
        if len(at) < len(probe.receivers):
            return None
        totals = {role: read.total for role, read in found.items() if read is not None}
        return Count(at[-1], totals.get(Role.SERVER, 0), totals.get(Role.CLIENT, 0))

    def _close(self, running: Sequence[_Running]) -> dict[int, PairFacts]:
        """Read once more what proofs need, then end every client."""
        held = self._clock.now()
        method, reading, note = self._reading(running)
        after: dict[int, PairFacts] = {}
        for one in running:
            seen = one.seen
            notes = "; ".join(dict.fromkeys(filter(None, (seen.window.note, note))))
            seen.window = SentinelWindow(method, seen.window.before, reading, notes)
            with _failing(one):
                after[one.where.number] = self._recorder.again(one.prepared, seen)
        if lead := max((one.probe.lead for one in running), default=0.0):
            # The log leaves out what lies just before the last message: let one pass after that.
            self._clock.until(held + lead / 5)
            for one in running:
                with _failing(one):
                    one.prepared.let_go()
            self._clock.until(self._clock.now() + _WAKE)
        for one in running:
            with _failing(one):
                for part in reversed(one.prepared.parts):
                    if part.client is not None and isinstance(part.probe, Sliced):
                        part.client.signal(part.probe.ended_by)
        return after

    def _reading(self, running: Sequence[_Running]) -> tuple[Method, SentinelReading | None, str]:
        """Return one reading of the sentinel on the sessions' CPUs."""
        if not running:
            return "none", None, ""
        first = running[0]
        cpus: Cpus = first.prepared.cpus
        found = self._sentinel.read(cpus.client, cpus.server)
        method = method_for(first.where.step.cell.placement)
        if isinstance(found, Absent):
            return method, None, found.reason
        return method, found, ""

    def _finish(self, one: _Running, after: PairFacts | None) -> None:
        """Take what the tools left, and judge the session by it."""
        with _failing(one):
            session = self._session(one)
            seen = one.seen
            usage = one.usage.end(one.prepared.cpus) if one.usage is not None else ()
            seen.facts = (
                *usage,
                ("trial.frequency", seen.frequency),
                *(congestion(after) if after is not None else ()),
                *(one.witness.stop() if one.witness is not None else ()),
                *(one.watch.stop() if one.watch is not None else ()),
            )
            seen.slices = tuple(
                _with_links(found, moved)
                for found, moved in zip(session.slices, one.moved, strict=True)
            )
            if one.outcome is None and one.before is not None and after is not None:
                sample = priced(session.sample, usage, one.probe.metrics)
                one.outcome = self._recorder.proved(one.prepared, sample, (one.before, after), seen)
        if one.windows and not one.seen.slices and isinstance(one.outcome, Failure | Skip):
            one.seen.slices = _unread(one.windows, one.outcome.reason)

    def _session(self, one: _Running) -> Session:
        """Return the session's numbers, by what its tools printed.

        Raises:
            TrialFailed: they give none.
        """
        number, seen, probe = one.where.number, one.seen, one.probe
        left: list[tuple[Prepared, Completed, Completed]] = []
        for part in reversed(one.prepared.parts):
            if part.client is None:
                raise TrialFailed(Failure("client", f"{part.probe.tool} was not started", ""))
            done = part.wait(part.client, _ENDS)
            served = part.end_server()
            self._recorder.note(number, seen, Role.CLIENT, done)
            self._recorder.note(number, seen, Role.SERVER, served)
            left.append((part, done, served))
        (_, client, server), *beside = left
        for part, done, _ in left:
            cannot = part.probe.cannot(done)
            if cannot:
                raise TrialFailed(Skip(cannot, said(done)))
        try:
            session = probe.read_session(client, server if probe.server_ends else None, one.windows)
            loads = [_load(part, done, served, one.windows) for part, done, served in beside]
        except ProbeError as exc:
            evidence = "\n".join(said(end) for _, *ends in left for end in ends)
            raise TrialFailed(Failure("output", str(exc), evidence)) from exc
        return _under(loads[0], session) if loads else session


def _running(where: Where, prepared: Prepared) -> _Running:
    probe = prepared.probe
    if not isinstance(probe, Sliced):
        raise TypeError(f"{probe.name} is no probe of sessions")
    return _Running(where, prepared, probe)


@contextmanager
def _failing(one: _Running) -> Iterator[None]:
    """Keep what goes wrong with one session as its outcome: the others go on."""
    try:
        yield
    except (TrialFailed, EngineError, FactError) as exc:
        found = failure_of(exc)
        one.outcome = one.outcome or found


@contextmanager
def _met_again() -> Iterator[None]:
    """Pass over what an engine cannot do with a client: its first slice meets it again."""
    try:
        yield
    except EngineLost:
        raise
    except EngineError:
        pass


def _outcome(one: _Running) -> Outcome:
    if one.outcome is not None:
        return one.outcome
    return Failure("client", "the session gave nothing", "")


def _moved(
    hop: tuple[Role, str, str], before: Bytes, after: Bytes
) -> tuple[int | None, int | None]:
    """Return what a link moved between two readings, client to server and back."""
    role, name, way = hop
    key = role, name
    if key not in before or key not in after:
        return None, None
    came = after[key].rx_bytes - before[key].rx_bytes
    went = after[key].tx_bytes - before[key].tx_bytes
    return (came, went) if way == "rx" else (went, came)


def _load(part: Prepared, done: Completed, served: Completed, windows: Sequence[Window]) -> Session:
    if not isinstance(part.probe, Sliced):
        raise ProbeError(f"{part.probe.name} cannot be held, and is no load of a session")
    return part.probe.read_session(done, served, windows)


def _under(load: Session, session: Session) -> Session:
    """Return a session with what its load carried meanwhile."""
    beside = tuple((f"load.{m.metric}", m.value) for m in load.sample.measurements)
    slices = tuple(
        replace(
            own,
            received=own.received + other.received,
            returned=own.returned + other.returned,
        )
        for own, other in zip(session.slices, load.slices, strict=True)
    )
    sample = replace(
        session.sample,
        received=session.sample.received + load.sample.received,
        returned=session.sample.returned + load.sample.returned,
        details=(*session.sample.details, *beside),
    )
    return Session(sample, slices)


def _with_links(one: Slice, moved: Links) -> Slice:
    if all(way is None for link in moved for way in link):
        return one
    return replace(one, moved=tuple(way for way, _ in moved), back=tuple(way for _, way in moved))


def _unread(windows: Sequence[Window], reason: str) -> tuple[Slice, ...]:
    """Return the slices of a session that gave no number."""
    return tuple(Slice(w.round, w.order, w.start, w.end, None, reason=reason) for w in windows)
