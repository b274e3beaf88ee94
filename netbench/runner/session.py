"""One arm's session: read while it is held, let go on for a slice, counted, ended and judged."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Final

from msgspec.structs import replace as changed

from netbench.drivers import ESP, FIREWALL, Hop
from netbench.errors import EngineError, FactError
from netbench.facts.procfs import at_work
from netbench.probes import Count, Session, Window
from netbench.record import Completed, Failure, Outcome, PairFacts, Record, Skip, Slice
from netbench.runner.machine import Clock, Windows
from netbench.runner.prepared import PreparedSession, TrialFailed, reading, see_it_can
from netbench.runner.recording import Recording, congestion, failure_of, priced
from netbench.spec import Role
from netbench.watch import Bytes, LinkBytes, passive_opens
from netbench.watch.ports import PublishedWatch
from netbench.watch.rootless import UserNetworkWatch

SETTLE: Final = 0.02  # seconds at the start of a slice that do not count: caches, windows, wake-ups
_DRAIN: Final = 0.003  # seconds after the hold of a stream in which what had been sent arrives
_PATIENCE: Final = 1.0  # seconds that a receiver may take to read what was sent before a slice
_LATENCIES: Final = 20  # a slice takes at least so many times as long as a signal on its way
_ENDS: Final = 10.0  # seconds that a client may take to print what it has
_Left = tuple[PreparedSession, Completed, Completed]  # what client and server left
_Moved = tuple[int | None, int | None]  # what a link moved in a slice, client to server and back


@dataclass(slots=True)
class LiveSession:
    """One arm's session, from its first look to its record."""

    prepared: PreparedSession
    recording: Recording
    outcome: Outcome | None = None  # once it has failed, or has been judged
    before: PairFacts | None = None
    after: PairFacts | None = None
    hops: tuple[Hop, ...] = ()
    links: LinkBytes | None = None
    usage: Windows | None = None
    windows: list[Window] = field(default_factory=list)
    moved: list[tuple[_Moved, ...]] = field(default_factory=list)  # by slice, of each hop

    @property
    def clock(self) -> Clock:
        """That of the slices."""
        return self.recording.recorder.meter.clock

    @property
    def goes_on(self) -> bool:
        """Whether it can be given a slice."""
        return self.outcome is None and self.prepared.alive

    @contextmanager
    def failing(self) -> Iterator[None]:
        """Keep this session's error as its outcome: others go on. `EngineLost` concerns all."""
        try:
            yield
        except (TrialFailed, EngineError, FactError) as exc:
            self.outcome = self.outcome or failure_of(exc)

    def look(self) -> None:
        """Read all that a proof needs, while the client is held."""
        prepared = self.prepared
        self.before = self.recording.read(prepared)
        self.hops = prepared.live.driver.hops(prepared.step.cell.path, self.before)
        counted = (
            (hop.role, hop.link.name)
            for hop in self.hops
            if hop.counted != "none" and hop.link.name not in (ESP, FIREWALL)
        )
        self.links = LinkBytes(prepared.live.pair, counted)
        self.usage = self.recording.recorder.meter.windows(prepared.ends)
        self.recording.watch(prepared)
        for watch in self.recording.watches:
            watch.look()
        self.recording.pins = prepared.pins()

    def slice(self, number: int, place: int) -> None:
        """Let the client go on for the length of one slice; count at both edges of what counts."""
        prepared, clock, latency = self.prepared, self.clock, self.prepared.latency
        settle = max(SETTLE, 2 * latency)
        length = max(prepared.probe.slice, _LATENCIES * latency)
        if prepared.probe.counted == "bytes":
            self._come_to_rest()
        before = self.links.read() if self.links else {}
        if self.usage is not None:
            self.usage.open()
        released = clock.now()
        try:
            prepared.let_go()
            clock.until(released + settle)
            start, first = clock.now(), self._count()
            if number == 1:
                self.recording.look(prepared.cpus)
            clock.until(start + length - settle)
            last, end = self._count(), clock.now()
        finally:
            prepared.hold()
        if self.usage is not None:
            self.usage.close()
        if prepared.probe.counted == "bytes":
            clock.until(end + _DRAIN)
        after = self.links.read() if self.links else {}
        counts = None if first is None or last is None else (first, last)
        self.windows.append(Window(number, place, released, start, end, counts))
        self.moved.append(tuple(_moved(hop, before, after) for hop in self.hops))
        self.recording.measuring += end - released

    def _come_to_rest(self) -> None:
        """Wait until receivers and a port's proxy have passed on what the last slice sent."""
        clock = self.clock
        deadline, last = clock.now() + _PATIENCE, self._count()
        while last is not None and clock.now() < deadline:
            clock.until(clock.now() + _DRAIN)
            found = self._count()
            still = found and (found.server, found.client) == (last.server, last.client)
            if still and not at_work(self._carriers(), self.prepared.live.pair.host.files):
                return
            last = found

    def _carriers(self) -> Iterator[int]:
        """Yield the processes through which the payload goes on once the client is held."""
        counting = self.prepared.load or self.prepared
        server = counting.server.pid()
        if server is not None:
            yield server
        for watch in self.recording.watches:
            if isinstance(watch, PublishedWatch | UserNetworkWatch):
                yield from watch.carriers

    def _count(self) -> Count | None:
        """Return what the kernel has counted by now; None if it cannot be read."""
        counting = self.prepared.load or self.prepared
        if self.prepared.probe.counted == "connections":
            began = self.clock.now()
            opened = passive_opens(self.prepared.listens)
            return Count((began + self.clock.now()) / 2, opened)
        if self.prepared.probe.counted == "nothing":
            return None
        ends = {Role.SERVER: counting.server, Role.CLIENT: counting.client}
        receivers = counting.probe.receivers
        found = {role: end.bytes_read() for role in receivers if (end := ends[role]) is not None}
        read = {role: counted for role, counted in found.items() if counted is not None}
        if len(read) < len(receivers):
            return None
        server, client = (read[role].total if role in read else 0 for role in ends)
        return Count([*read.values()][-1].at, server, client)

    def look_again(self) -> None:
        """Read once more what a proof needs, after the last slice."""
        self.after = self.recording.read(self.prepared)

    def end_clients(self) -> None:
        """Have the clients print what they have and end."""
        for part in reversed(self.prepared.parts):
            if part.client is not None:
                part.client.signal(part.probe.ended_by)

    def finish(self) -> None:
        """Take what the tools left, and judge the session by it."""
        with self.failing():
            session = self._session()
            recording, prepared = self.recording, self.prepared
            usage = self.usage.end(prepared.cpus) if self.usage is not None else ()
            control = congestion(self.after) if self.after is not None else ()
            recording.facts = (*usage, *control, *recording.watched())
            recording.slices = tuple(
                _with_links(one, moved)
                for one, moved in zip(session.slices, self.moved, strict=True)
            )
            if self.outcome is None and self.before is not None and self.after is not None:
                sample = priced(session.sample, usage, prepared.probe.metrics)
                self.outcome = recording.proved(prepared, sample, self.before, self.after)
        if not self.recording.slices and isinstance(self.outcome, Failure | Skip):
            reason = self.outcome.reason
            self.recording.slices = tuple(
                Slice(w.round, w.order, w.start, w.end, None, reason=reason) for w in self.windows
            )

    def _session(self) -> Session:
        """Return the session's numbers; raises `TrialFailed` if its tools gave none."""
        left: list[_Left] = []
        windows = self.windows
        for part in reversed(self.prepared.parts):
            if part.client is None:
                raise TrialFailed(Failure("client", f"{part.probe.tool} was not started", ""))
            done = part.wait(part.client, _ENDS)
            served = part.end_server()
            self.recording.note(Role.CLIENT, done)
            self.recording.note(Role.SERVER, served)
            left.append((part, done, served))
        for part, done, _ in left:
            see_it_can(part.probe, done)
        with reading(*(end for _, *ends in left for end in ends)):
            loads, own = (
                [one for one in left if (one[0] is self.prepared.load) is wanted]
                for wanted in (True, False)
            )
            session = _read(own, windows)
            return _under(_read(loads, windows), session) if loads else session

    def release(self) -> None:
        """End whatever still runs, and let go of counters."""
        self.prepared.end()
        self.recording.end_listening()
        if self.usage is not None:
            self.usage.release()

    def record(self, seconds: float) -> Record:
        """Return its record; `seconds` is its share of the wall time of all rounds."""
        outcome = self.outcome or Failure("client", "the session gave nothing", "")
        return self.recording.record(outcome, seconds)


def _read(left: Sequence[_Left], windows: Sequence[Window]) -> Session:
    """Return the numbers of all clients of one probe; raises `ProbeError`."""
    probe = left[0][0].probe
    ends = [(done, served if probe.server_ends else None) for _, done, served in left]
    return probe.read_clients(ends, windows)


def _moved(hop: Hop, before: Bytes, after: Bytes) -> _Moved:
    """Return what a link moved between two readings."""
    key = hop.role, hop.link.name
    if key not in before or key not in after:
        return None, None
    came = after[key].rx_bytes - before[key].rx_bytes
    went = after[key].tx_bytes - before[key].tx_bytes
    return (came, went) if hop.counted == "rx" else (went, came)


def _under(load: Session, session: Session) -> Session:
    """Return a session with what its load carried meanwhile."""
    beside = tuple((f"load.{m.metric}", m.value) for m in load.sample.measurements)
    slices = tuple(
        replace(own, received=own.received + other.received, returned=own.returned + other.returned)
        for own, other in zip(session.slices, load.slices, strict=True)
    )
    sample = changed(
        session.sample,
        received=session.sample.received + load.sample.received,
        returned=session.sample.returned + load.sample.returned,
        details=(*session.sample.details, *beside),
    )
    return Session(sample, slices)


def _with_links(one: Slice, moved: Sequence[_Moved]) -> Slice:
    if all(way is None for link in moved for way in link):
        return one
    return replace(one, moved=tuple(way for way, _ in moved), back=tuple(way for _, way in moved))
