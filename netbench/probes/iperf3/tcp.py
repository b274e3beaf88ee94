"""TCP throughput by iperf3, in slices: one stream or several, one way, the other, or both at once.

The client is let go on and held; how much the receiver has read is counted by the kernel at both
edges of each slice (`rchar` of the process, proc_pid_io(5)): what iperf3 itself counts, without the
0.1 s intervals that it counts in. The session is ended by SIGTERM, upon which both ends print what
they have. Its own totals must bear the kernel's count out.
"""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, geometric_mean
from typing import Annotated, ClassVar, Final, Literal

from netbench.errors import ProbeError
from netbench.probes.base import Count, Counted, Session, Sliced, Span, Window
from netbench.probes.iperf3 import document as iperf3
from netbench.probes.iperf3.document import Table
from netbench.record import Completed, FactValue, Sample, SeriesPoint, Slice
from netbench.spec import Role

_BITS: Final = 8
_TRUSTED: Final = 0.98
"""iperf3's own count is at least this share of what the kernel says it has read."""


@dataclass(frozen=True, slots=True)
class TcpThroughput(iperf3.Iperf3, Sliced):
    """Bytes that TCP delivers, counted at the receiver."""

    name: ClassVar[str] = "tcp-throughput"
    summary: ClassVar[str] = "TCP throughput at the receiver, in slices (iperf3)"
    metrics: ClassVar[tuple[str, ...]] = ("throughput", "retransmits", "cpu_per_byte")
    counted: ClassVar[Counted] = "bytes"
    ended_by: ClassVar[Literal["ALRM", "TERM", "KILL"]] = "TERM"

    slice: Annotated[float, Span(0.05, 60)] = 0.2  # seconds of each
    streams: Annotated[int, Span(1, iperf3.STREAMS)] = 1  # parallel connections
    reverse: bool = False  # the server sends
    bidirectional: bool = False  # both send at once; the throughput is the sum of both directions

    def conflicts(self) -> Iterable[str]:
        """Yield that only one of two options may be given."""
        if self.reverse is True and self.bidirectional is True:
            yield iperf3.ONE_WAY

    def server_argv(self, address: str, port: int) -> tuple[str, ...]:
        """Return a server for one session."""
        return (*iperf3.Iperf3.server_argv(self, address, port), "-i", "0.1")

    def session_argv(
        self, address: str, port: int, congestion_control: str | None, seconds: float
    ) -> tuple[str, ...]:
        """Return the client's command; it is ended before its time is up."""
        argv = (*iperf3.client_argv(address, port), "-t", str(math.ceil(seconds)), "-i", "0.1")
        argv += ("-P", str(self.streams)) if self.streams > 1 else ()
        argv += ("-R",) if self.reverse else ()
        argv += ("--bidir",) if self.bidirectional else ()
        return argv if congestion_control is None else (*argv, "-C", congestion_control)

    @property
    def receivers(self) -> tuple[Role, ...]:
        """The server, or where it sends the client."""
        return (Role.SERVER,) * (not self.reverse) + (Role.CLIENT,) * self._returns

    @property
    def _returns(self) -> bool:
        return self.reverse or self.bidirectional

    def read_session(
        self, client: Completed, server: Completed | None, windows: Sequence[Window]
    ) -> Session:
        """Return throughput, retransmits and the slices."""
        at_client = iperf3.read(client, "TCP", stopped=True)
        if server is None:
            raise ProbeError("iperf3's server did not end with its client")
        at_server = iperf3.read(server, "TCP", Role.SERVER, stopped=True)
        slices = tuple(self._slice(window) for window in windows)
        throughput = geometric_mean(self.values_of(slices))
        self._hold_together({Role.CLIENT: at_client, Role.SERVER: at_server}, windows)
        # Of the whole session, pauses included.
        senders = [at_client] * (not self.reverse) + [at_server] * self._returns
        retransmits = iperf3.total(_sent_again(document) for document in senders)
        returned = sum(one.returned for one in slices)
        return Session(
            Sample(
                measurements=iperf3.measurements(throughput, retransmits),
                received=sum(one.received for one in slices) + returned,
                returned=returned,
                series=_series(slices),
                details=tuple(_details(senders[0], slices, both=self.bidirectional)),
            ),
            slices,
        )

    def _slice(self, window: Window) -> Slice:
        if window.counts is None:
            return window.slice(None, reason="what iperf3 has read could not be counted")
        first, last = window.counts
        carried = self._carried(first, last)
        if last.at <= first.at or min(carried.values()) <= 0:
            return window.slice(None, reason="no bytes came")
        rate = sum(carried.values()) * _BITS / (last.at - first.at)
        return window.slice(rate, carried.get(Role.SERVER, 0), carried.get(Role.CLIENT, 0))

    def _carried(self, first: Count, last: Count) -> dict[Role, int]:
        read = {Role.SERVER: last.server - first.server, Role.CLIENT: last.client - first.client}
        return {role: read[role] for role in self.receivers}

    def _hold_together(self, ends: Mapping[Role, Table], windows: Sequence[Window]) -> None:
        """Raise where iperf3 says that it has read less than the kernel counted."""
        counts = [window.counts for window in windows if window.counts]
        for role, read in self._carried(counts[0][0], counts[-1][1]).items():
            reported = _received(ends[role])
            if reported < _TRUSTED * read:
                said = f"received {reported:.0f} bytes where its process read {read}"
                raise ProbeError(f"iperf3 says that it {said}")


def _sent_again(document: Table) -> float | None:
    sums = (document.table("end").part(f"sum_sent{way}") for way in ("", "_bidir_reverse"))
    counts = (found.number("retransmits") for found in sums)
    return next((count for count in counts if count is not None), None)


def _received(document: Table) -> float:
    """Return the bytes of all streams by an end's totals: intervals may lose a percent."""
    ends = (row.part("receiver") for row in document.table("end").rows("streams"))
    return math.fsum(end.number("bytes") or 0.0 for end in ends if end.get("sender") is False)


def _series(slices: Sequence[Slice]) -> tuple[SeriesPoint, ...]:
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
    yield from iperf3.details(sender)
    if both:
        whole = [one for one in slices if one.value is not None]
        for name, count in (("forward", "received"), ("reverse", "returned")):
            rates = (getattr(one, count) * _BITS / (one.end - one.start) for one in whole)
            yield f"iperf3.{name}", fmean(rates)
