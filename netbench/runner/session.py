"""One arm's session: read while it is held, let go on for a slice, counted, ended and judged."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Final

from msgspec.structs import replace as changed

from netbench.errors import EngineError, FactError, ProbeError
from netbench.probes import Count, Session, Sliced, Window
from netbench.record import Completed, Failure, Outcome, PairFacts, Pins, Record, Skip, Slice
from netbench.runner.cost import priced
from netbench.runner.machine import MachineMeter, Windows
from netbench.runner.prepared import Prepared
from netbench.runner.recording import (
    Recorder,
    Seen,
    Watch,
    Where,
    congestion,
    failure_of,
    port_watch_of,
    record_of,
    watch_of,
)
from netbench.runner.setup import TrialFailed, said
from netbench.runner.tools_run import ends_of
from netbench.spec import Role
from netbench.watch.connections import ConnectionWatch, passive_opens
from netbench.watch.link_bytes import Bytes, LinkBytes

SETTLE: Final = 0.02
"""Seconds at the start of a slice that do not count: caches, windows, wake-ups."""
_DRAIN: Final = 0.003
"""Seconds after the hold of a stream in which what had been sent arrives."""
_PATIENCE: Final = 1.0
"""Seconds that a receiver may take to read what was sent before a slice."""
_LATENCIES: Final = 20
"""A slice is at least so many times as long as a signal may take: where signals go through an
engine, or over a network, slices are longer."""
_ENDS: Final = 10.0
"""Seconds that a client may take to print what it has."""
Links = tuple[tuple[int | None, int | None], ...]
"""What each link of a path moved in a slice, client to server and back."""


@dataclass(slots=True)
class LiveSession:
    """One arm's session, from its first look to its record."""

    where: Where
    prepared: Prepared
    probe: Sliced
    recorder: Recorder
    meter: MachineMeter
    seen: Seen = field(default_factory=Seen)
    outcome: Outcome | None = None
    """Once it has failed, or has been judged."""
    before: PairFacts | None = None
    links: LinkBytes | None = None
    hops: tuple[tuple[Role, str, str], ...] = ()
    """Namespace, link and counted direction of each hop."""
    usage: Windows | None = None
    port_watch: Watch | None = None
    connection_watch: ConnectionWatch | None = None
    windows: list[Window] = field(default_factory=list)
    moved: list[Links] = field(default_factory=list)

    @property
    def goes_on(self) -> bool:
        """Whether it can be given a slice."""
        return self.outcome is None and self.prepared.alive

    @contextmanager
    def failing(self) -> Iterator[None]:
        """Keep what goes wrong with this session as its outcome: the others go on.

        Raises:
            EngineLost: that is no matter of one session.
        """
        try:
            yield
        except (TrialFailed, EngineError, FactError) as exc:
            found = failure_of(exc)
            self.outcome = self.outcome or found

    def look(self) -> None:
        """Read all that a proof needs, while the client is held."""
        prepared, cpus = self.prepared, self.prepared.cpus
        self.before = self.recorder.again(prepared, self.seen)
        hops = prepared.live.driver.hops(prepared.step.cell.path, self.before)
        self.hops = tuple((hop.role, hop.link.name, hop.counted) for hop in hops)
        counted = ((role, name) for role, name, way in self.hops if way != "none")
        self.links = LinkBytes.of(prepared.live.pair, counted)
        self.usage = self.meter.windows(ends_of(prepared))
        self.connection_watch = watch_of(prepared)
        self.port_watch = port_watch_of(prepared)
        if self.port_watch is not None:
            self.port_watch.start()
            self.port_watch.look()
        client = prepared.client.cpus() if prepared.client is not None else None
        self.seen.pins = Pins(cpus.client, cpus.server, client, prepared.server.cpus())

    def slice(self, number: int, place: int) -> None:
        """Let the client go on for the length of one slice; count at both edges of what counts."""
        prepared, probe = self.prepared, self.probe
        latency = prepared.latency
        settle, length = max(SETTLE, 2 * latency), max(probe.slice, _LATENCIES * latency)
        if self.probe.counted == "bytes":
            self._come_to_rest()
        before = self.links.read() if self.links else {}
        if self.usage is not None:
            self.usage.open()
        released = self.meter.clock.now()
        try:
            prepared.let_go()
            self.meter.clock.until(released + settle)
            start, first = self.meter.clock.now(), self._count()
            if number == 1:
                self.seen.frequency = self.recorder.frequency(prepared.cpus)
            self.meter.clock.until(start + length - settle)
            last, end = self._count(), self.meter.clock.now()
        finally:
            prepared.hold()
        if self.usage is not None:
            self.usage.close()
        if self.probe.counted == "bytes":
            self.meter.clock.until(end + _DRAIN)
        after = self.links.read() if self.links else {}
        counts = None if first is None or last is None else (first, last)
        self.windows.append(Window(number, place, released, start, end, counts))
        self.moved.append(tuple(_moved(hop, before, after) for hop in self.hops))
        self.seen.measuring += end - released

    def _come_to_rest(self) -> None:
        """Wait until the receivers have read what the last slice sent.

        On a busy machine they may be late, and what they read then has crossed the links before.
        """
        clock = self.meter.clock
        deadline, last = clock.now() + _PATIENCE, self._count()
        while last is not None and clock.now() < deadline:
            clock.until(clock.now() + _DRAIN)
            found = self._count()
            if found is None or (found.server, found.client) == (last.server, last.client):
                return
            last = found

    def _count(self) -> Count | None:
        """Return what the kernel has counted by now; None where it cannot be read."""
        counting = self.prepared.load or self.prepared
        probe = counting.probe
        if self.probe.counted == "connections":
            began = self.meter.clock.now()
            opened = passive_opens(self.prepared.live.pair.server)
            return Count((began + self.meter.clock.now()) / 2, opened)
        if self.probe.counted == "nothing" or not isinstance(probe, Sliced):
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

    def end_clients(self) -> None:
        """Tell the clients to print what they have and end."""
        for part in reversed(self.prepared.parts):
            if part.client is not None and isinstance(part.probe, Sliced):
                part.client.signal(part.probe.ended_by)

    def finish(self, after: PairFacts | None) -> None:
        """Take what the tools left, and judge the session by it."""
        with self.failing():
            session = self._session()
            seen = self.seen
            usage = self.usage.end(self.prepared.cpus) if self.usage is not None else ()
            seen.facts = (
                *usage,
                ("trial.frequency", seen.frequency),
                *(congestion(after) if after is not None else ()),
                *(self.port_watch.stop() if self.port_watch is not None else ()),
                *(self.connection_watch.stop() if self.connection_watch is not None else ()),
            )
            seen.slices = tuple(
                _with_links(found, moved)
                for found, moved in zip(session.slices, self.moved, strict=True)
            )
            if self.outcome is None and self.before is not None and after is not None:
                sample = priced(session.sample, usage, self.probe.metrics)
                self.outcome = self.recorder.proved(
                    self.prepared, sample, (self.before, after), seen
                )
        if self.windows and not self.seen.slices and isinstance(self.outcome, Failure | Skip):
            self.seen.slices = _unread(self.windows, self.outcome.reason)

    def _session(self) -> Session:
        """Return the session's numbers, by what its tools printed.

        Raises:
            TrialFailed: they give none.
        """
        number, seen, probe = self.where.number, self.seen, self.probe
        left: list[tuple[Prepared, Completed, Completed]] = []
        for part in reversed(self.prepared.parts):
            if part.client is None:
                raise TrialFailed(Failure("client", f"{part.probe.tool} was not started", ""))
            done = part.wait(part.client, _ENDS)
            served = part.end_server()
            self.recorder.note(number, seen, Role.CLIENT, done)
            self.recorder.note(number, seen, Role.SERVER, served)
            left.append((part, done, served))
        (_, client, server), *beside = left
        for part, done, _ in left:
            cannot = part.probe.cannot(done)
            if cannot:
                raise TrialFailed(Skip(cannot, said(done)))
        try:
            session = probe.read_session(
                client, server if probe.server_ends else None, self.windows
            )
            loads = [_load(part, done, served, self.windows) for part, done, served in beside]
        except ProbeError as exc:
            evidence = "\n".join(said(end) for _, *ends in left for end in ends)
            raise TrialFailed(Failure("output", str(exc), evidence)) from exc
        return _under(loads[0], session) if loads else session

    def release(self) -> None:
        """End whatever still runs, and let go of counters."""
        self.prepared.end()
        if self.usage is not None:
            self.usage.release()

    def record(self, seconds: float) -> Record:
        """Return its record; `seconds` is its share of the wall time of all rounds."""
        self.seen.seconds = seconds
        outcome = self.outcome or Failure("client", "the session gave nothing", "")
        return record_of(self.where, outcome, self.seen)


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
    sample = changed(
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
