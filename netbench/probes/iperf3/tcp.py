"""TCP throughput by iperf3, in slices: one stream or several, one way, the other, or both at once.

The client is let go on and held; how much the receiver has read is counted by the kernel at both
edges of each slice (`rchar` of the process, proc_pid_io(5)): what iperf3 itself counts, without the
0.1 s intervals that it counts in. The session is ended by SIGTERM, upon which both ends print what
they have. Its own totals must bear the kernel's count out.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar, Final, Literal

from netbench.errors import ProbeError
from netbench.probes.base import Counted, Session, Window, whole_enough
from netbench.probes.bounds import hold, no_flag, outside
from netbench.probes.iperf3.document import (
    Table,
    client_argv,
    details,
    lacks_option,
    number,
    optional,
    read_ended,
    rows,
    server_argv,
    table,
)
from netbench.record import Completed, FactValue, Measurement, Sample, SeriesPoint, Slice
from netbench.spec import Protocol, Role
from netbench.units import BITS_PER_SECOND, COUNT

STREAMS: Final = 128
"""What iperf3 takes at most."""
_BITS: Final = 8
_TRUSTED: Final = 0.98
"""iperf3's own count is at least this share of what the kernel says it has read."""


@dataclass(frozen=True, slots=True)
class TcpThroughput:
    """Bytes that TCP delivers, counted at the receiver."""

    name: ClassVar[str] = "tcp-throughput"
    summary: ClassVar[str] = "TCP throughput at the receiver, in slices (iperf3)"
    tool: ClassVar[str] = "iperf3"
    protocols: ClassVar[tuple[Protocol, ...]] = ("tcp",)
    server_ends: ClassVar[bool] = True
    second_port: ClassVar[bool] = False
    counted: ClassVar[Counted] = "bytes"
    pause: ClassVar[float] = 0.0
    lead: ClassVar[float] = 0.0
    ended_by: ClassVar[Literal["ALRM", "TERM", "KILL"]] = "TERM"

    rounds: int = 8
    """Slices of a session."""
    slice: float = 0.2
    """Seconds of each."""
    streams: int = 1
    """Parallel connections."""
    reverse: bool = False
    """The server sends."""
    bidirectional: bool = False
    """Both send at once; the throughput is the sum of both directions."""

    def __post_init__(self) -> None:
        """Refuse what iperf3 itself would refuse, or silently change."""
        both = self.reverse is True and self.bidirectional is True
        hold(
            self.name,
            outside("rounds", self.rounds, 2, 1000, whole=True),
            outside("slice", self.slice, 0.05, 60, whole=False),
            outside("streams", self.streams, 1, STREAMS, whole=True),
            no_flag("reverse", self.reverse),
            no_flag("bidirectional", self.bidirectional),
            "`reverse` and `bidirectional` exclude each other: keep one" if both else None,
        )

    def server_argv(self, address: str, port: int) -> tuple[str, ...]:
        """Return a server for one session."""
        return (*server_argv(address, port), "-i", "0.1")

    def session_argv(
        self, address: str, port: int, congestion_control: str | None, seconds: float
    ) -> tuple[str, ...]:
        """Return the client's command; it is ended before its time is up."""
        argv = (*client_argv(address, port), "-t", str(math.ceil(seconds)), "-i", "0.1")
        argv += ("-P", str(self.streams)) if self.streams > 1 else ()
        argv += ("-R",) if self.reverse else ()
        argv += ("--bidir",) if self.bidirectional else ()
        return argv if congestion_control is None else (*argv, "-C", congestion_control)

    @property
    def metrics(self) -> tuple[str, ...]:
        """What receiver and sender count."""
        return ("throughput", "retransmits", "cpu_per_byte")

    @property
    def expected(self) -> float:
        """Seconds of measuring."""
        return self.rounds * self.slice

    @property
    def receivers(self) -> tuple[Role, ...]:
        """The server, or where it sends the client."""
        both = (Role.SERVER, Role.CLIENT)
        return both if self.bidirectional else both[self.reverse :][:1]

    @property
    def load(self) -> None:
        """Nothing runs beside it."""

    def cannot(self, done: Completed) -> str | None:
        """Both directions at once came with iperf3 3.7."""
        return lacks_option(done)

    def read_session(
        self, client: Completed, server: Completed | None, windows: Sequence[Window]
    ) -> Session:
        """Return throughput, retransmits and the slices."""
        theirs = read_ended(client, "TCP")
        if server is None:
            raise ProbeError("iperf3's server did not end with its client")
        ours = read_ended(server, "TCP", of_server=True)
        slices = tuple(self._slice(window) for window in windows)
        values = whole_enough("iperf3", slices, self.rounds)
        self._hold_together(theirs, ours, windows)
        rate = math.exp(math.fsum(map(math.log, values)) / len(values))
        measurements = [Measurement("throughput", rate, BITS_PER_SECOND)]
        retransmits = self._retransmits(theirs, ours)
        if retransmits is not None:
            measurements.append(Measurement("retransmits", retransmits, COUNT))
        sender = ours if self.reverse else theirs
        return Session(
            Sample(
                measurements=tuple(measurements),
                received=sum(one.received + one.returned for one in slices),
                returned=sum(one.returned for one in slices),
                series=_series(slices),
                details=tuple(_details(sender, slices, both=self.bidirectional)),
            ),
            slices,
        )

    def _slice(self, window: Window) -> Slice:
        """Return one slice by what was counted at its edges."""
        plain = Slice(window.round, window.order, window.start, window.end, None)
        if window.counts is None:
            return _without(plain, "what iperf3 has read could not be counted")
        first, last = window.counts
        forward, back = last.server - first.server, last.client - first.client
        wanted = (forward if not self.reverse else 1, back if self._returns else 1)
        if last.at <= first.at or min(wanted) <= 0:
            return _without(plain, "no bytes came")
        carried = (0 if self.reverse else forward) + (back if self._returns else 0)
        return Slice(
            round=window.round,
            order=window.order,
            start=window.start,
            end=window.end,
            value=carried * _BITS / (last.at - first.at),
            received=0 if self.reverse else forward,
            returned=back if self._returns else 0,
        )

    @property
    def _returns(self) -> bool:
        return self.reverse or self.bidirectional

    def _hold_together(self, client: Table, server: Table, windows: Sequence[Window]) -> None:
        """Raise where iperf3 says that it has read less than the kernel counted."""
        counts = [window.counts for window in windows if window.counts]
        first, last = counts[0][0], counts[-1][1]
        ways = (
            (server, last.server - first.server, not self.reverse),
            (client, last.client - first.client, self._returns),
        )
        for document, counted, receives in ways:
            told = _received(document) if receives else 0.0
            if receives and told < _TRUSTED * counted:
                raise ProbeError(
                    f"iperf3 says that it received {told:.0f} bytes where its process read "
                    f"{counted}"
                )

    def _retransmits(self, client: Table, server: Table) -> float | None:
        """Return what the senders sent again in the whole session, pauses included."""
        senders = [client] * (not self.reverse) + [server] * self._returns
        counts = [_sent_again(document) for document in senders]
        known = [count for count in counts if count is not None]
        return math.fsum(known) if len(known) == len(counts) else None


def _without(plain: Slice, reason: str) -> Slice:
    return Slice(plain.round, plain.order, plain.start, plain.end, None, reason=reason)


def _sent_again(document: Table) -> float | None:
    end = table(document, "end")
    for name in ("sum_sent", "sum_sent_bidir_reverse"):
        found = end.get(name)
        if isinstance(found, dict) and (count := number(found.get("retransmits"))) is not None:
            return count
    return None


def _received(document: Table) -> float:
    """Return the bytes that an end says it has received, over all its streams.

    Its totals, not its intervals: on a busy machine iperf3 loses a percent between those.
    """
    ends = (optional(row, "receiver") for row in rows(table(document, "end"), "streams"))
    return math.fsum(number(end.get("bytes")) or 0.0 for end in ends if end.get("sender") is False)


def _series(slices: Sequence[Slice]) -> tuple[SeriesPoint, ...]:
    """Return the slices as a series, in seconds since the first one began."""
    zero = slices[0].start
    return tuple(
        SeriesPoint(one.start - zero, one.end - zero, one.value)
        for one in slices
        if one.value is not None
    )


def _details(
    sender: Table, slices: Sequence[Slice], *, both: bool
) -> Iterator[tuple[str, FactValue]]:
    """Yield what stands beside the numbers, and what each direction carried where there are two."""
    yield from details(sender)
    if both:
        for name, count in (("forward", "received"), ("reverse", "returned")):
            rates = [
                getattr(one, count) * _BITS / (one.end - one.start)
                for one in slices
                if one.value is not None
            ]
            yield f"iperf3.{name}", math.fsum(rates) / len(rates)
