"""TCP by iperf3: one stream or several, one way, the other, or both at once.

In slices, the kernel counts at both edges how much the receiver has read (`rchar`, proc_pid_io(5)):
what iperf3 itself counts, without its intervals of 0.1 s. The session is ended by SIGTERM, upon
which both ends print their totals, which must bear the kernel's count out. At a rate it is run
whole: what is paced by a clock catches up after a pause.
"""

import math
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, geometric_mean
from typing import Annotated, ClassVar, Final, Literal

from netbench.errors import ProbeError
from netbench.probes.base import Argv, Count, Counted, Probe, Session, Sliced, Span, Window
from netbench.probes.iperf3 import document as iperf3
from netbench.probes.iperf3.document import Table
from netbench.record import Completed, FactValue, Sample, SeriesPoint, Slice
from netbench.spec import Role
from netbench.units import bit_rate

_TRUSTED: Final = 0.98  # of what the kernel says it has read, iperf3 must report this share


@dataclass(frozen=True, slots=True)
class TcpThroughput(iperf3.Iperf3, Sliced):
    """Bytes that TCP delivers, counted at the receiver."""

    name: ClassVar[str] = "tcp-throughput"
    summary: ClassVar[str] = "TCP throughput at the receiver, in slices (iperf3)"
    metrics: ClassVar[tuple[str, ...]] = ("throughput", "retransmits", "cpu_per_byte")
    counted: ClassVar[Counted] = "bytes"
    ended_by: ClassVar[Literal["ALRM", "TERM", "KILL"]] = "TERM"

    slice: Annotated[float, Span(0.05, 60)] = 0.2
    """Seconds of each."""
    streams: Annotated[int, Span(1, iperf3.STREAMS)] = 1
    """Parallel connections."""
    reverse: bool = False
    """The server sends."""
    bidirectional: bool = False
    """Both send at once; the throughput is the sum of both directions."""

    def conflicts(self) -> Iterable[str]:
        """Yield that only one of two options may be given."""
        if self.reverse is True and self.bidirectional is True:
            yield iperf3.ONE_WAY

    def server_argv(self, address: str, port: int) -> Argv:
        """Return a server for one session."""
        return (*iperf3.Iperf3.server_argv(self, address, port), "-i", "0.1")

    def session_argv(
        self, address: str, port: int, congestion_control: str | None, seconds: float
    ) -> Argv:
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
                series=tuple(
                    SeriesPoint(one.start - slices[0].start, one.end - slices[0].start, one.value)
                    for one in slices
                    if one.value is not None
                ),
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
        rate = sum(carried.values()) * 8 / (last.at - first.at)
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
    counts = [found.number("retransmits") for found in sums]
    return next((count for count in counts if count is not None), None)


def _received(document: Table) -> float:
    """Return the bytes of all streams by an end's totals: intervals may lose a percent."""
    ends = (row.part("receiver") for row in document.table("end").rows("streams"))
    return math.fsum(end.number("bytes") or 0.0 for end in ends if end.get("sender") is False)


def _details(
    sender: Table, slices: Sequence[Slice], *, both: bool
) -> Iterator[tuple[str, FactValue]]:
    """Yield what stands beside the numbers, and what each direction carried where there are two."""
    yield from iperf3.details(sender)
    if both:
        whole = [one for one in slices if one.value is not None]
        for name, count in (("forward", "received"), ("reverse", "returned")):
            rates = (getattr(one, count) * 8 / (one.end - one.start) for one in whole)
            yield f"iperf3.{name}", fmean(rates)


@dataclass(frozen=True, slots=True)
class TcpRate(iperf3.Iperf3, Probe):
    """Bytes that TCP delivers at a rate that every driver reaches: costs are compared there."""

    name: ClassVar[str] = "tcp-rate"
    summary: ClassVar[str] = "TCP at a rate that is kept to (iperf3)"
    metrics: ClassVar[tuple[str, ...]] = ("throughput", "retransmits", "cpu_per_byte")

    seconds: Annotated[int, Span(1, 86_400)] = 2
    """Length of the measured window."""
    omit: Annotated[int, Span(0, 600)] = 1
    """Seconds before it that do not count."""
    interval: Annotated[float, Span(0.1, 60)] = 0.1
    """Seconds between two points of the series."""
    streams: Annotated[int, Span(1, iperf3.STREAMS)] = 1
    """Parallel connections."""
    reverse: bool = False
    """The server sends."""
    bidirectional: bool = False
    """Both send at once; the throughput is the sum of both directions."""
    rate: str = "1G"
    """Bit/s that each direction keeps to, all its streams together."""

    def conflicts(self) -> Iterable[str]:
        """Yield that only one of two options may be given."""
        if self.reverse is True and self.bidirectional is True:
            yield iperf3.ONE_WAY

    def client_argv(self, address: str, port: int, congestion_control: str | None) -> Argv:
        """Return the client's command."""
        # Not a number of bytes: 3.16 and later see that they have gone when an interval ends.
        argv = (*iperf3.client_argv(address, port), "-t", str(self.seconds), "-O", str(self.omit))
        argv += ("-i", f"{self.interval:g}")
        argv += ("-P", str(self.streams)) if self.streams > 1 else ()
        argv += ("-R",) if self.reverse else ()
        argv += ("--bidir",) if self.bidirectional else ()
        argv += ("-b", str(round(bit_rate(self.rate) / self.streams)))
        return argv if congestion_control is None else (*argv, "-C", congestion_control)

    @property
    def expected(self) -> float:
        """Seconds."""
        return self.omit + self.seconds

    @property
    def steady(self) -> tuple[float, float]:
        """The measured window, without its edges."""
        return self.omit + iperf3.EDGE, self.expected - iperf3.EDGE / 2

    @property
    def deadline(self) -> float:
        """Seconds; iperf3 has no deadline of its own and hangs where the path goes dead."""
        return self.expected + iperf3.GRACE

    def parse(self, client: Completed, server: Completed | None) -> Sample:  # noqa: ARG002 - the client's JSON holds both ends' figures
        """Return throughput, retransmits and the series."""
        document = iperf3.read(client, "TCP")
        flows = self._flows(document)
        iperf3.check_window(document, self.seconds)
        shares = {
            f"iperf3.{name}": math.fsum(flow.rate for flow in flows if flow.forward is way)
            for way, name in ((True, "forward"), (False, "reverse"))
            if self.bidirectional
        }
        totals = _added(document, flows, shares.values()) if shares else _packaged(client.stdout)
        throughput, retransmits = totals
        wanted = bit_rate(self.rate)
        words = "{asked} were to be kept to, and {came} came"
        iperf3.check_rate(wanted * (1 + self.bidirectional), throughput, words)
        returned = sum(flow.received for flow in flows if not flow.forward)
        given = (*shares.items(), ("iperf3.rate", wanted))
        return Sample(
            measurements=iperf3.measurements(throughput, retransmits),
            received=sum(flow.received for flow in flows),
            returned=returned,
            series=tuple(_series(document, both=self.bidirectional)),
            details=(*iperf3.details(document), *given, *iperf3.connection(document)),
        )

    def _flows(self, document: Table) -> "tuple[_Flow, ...]":
        """Return the streams, after holding the result against what was asked."""
        flows = tuple(_flow(row) for row in document.table("end").rows("streams"))
        test = document.table("start", "test_start")
        ways = {flow.forward for flow in flows}
        wanted = {True, False} if self.bidirectional else {not self.reverse}
        count = self.streams * len(wanted)
        if ways != wanted or len(flows) != count or bool(test.get("reverse")) != self.reverse:
            way = "two-way" if self.bidirectional else "reverse" if self.reverse else "one-way"
            raise ProbeError(f"iperf3's output is not that of a {way} TCP test of {count} streams")
        if not all(any(f.received for f in flows if f.forward is way) for way in wanted):
            raise ProbeError("iperf3: the receiver counted no bytes")
        return flows


@dataclass(frozen=True, slots=True)
class _Flow:
    forward: bool  # whether the client sends
    received: int  # bytes, by its receiver
    rate: float  # bit/s over the receiver's window
    retransmits: float | None


_Totals = tuple[float, float | None]  # bit/s by the receivers, and retransmits where they are known


def _flow(row: Table) -> _Flow:
    sender, receiver = row.part("sender"), row.part("receiver")
    start, end = receiver.number("start"), receiver.number("end")
    if start is None or end is None or end <= start:
        raise ProbeError("iperf3: a stream without a window")
    received = receiver.number("bytes")
    if received is None:
        raise ProbeError("iperf3: a stream without a count of bytes")
    retransmits = sender.number("retransmits")
    rate = int(received) * 8 / (end - start)
    return _Flow(bool(receiver.get("sender")), int(received), rate, retransmits)


def _packaged(text: str) -> _Totals:
    """Return the totals as the package `iperf3` reads them, held against bytes over time."""
    from iperf3 import TestResult  # noqa: PLC0415 - ctypes costs start-up time of every command

    try:
        result = TestResult(text)
        throughput = iperf3.number(result.received_bps)
        received = result.json["end"]["sum_received"]
        rate = received["bytes"] * 8 / received["seconds"]
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as exc:
        raise ProbeError(f"iperf3: unreadable result: {exc!r}") from exc
    if not throughput or not math.isclose(throughput, rate, rel_tol=0.01):
        raise ProbeError(f"iperf3: {throughput} bit/s is not what its bytes and seconds give")
    return throughput, iperf3.number(result.retransmits)


def _added(document: Table, flows: Iterable[_Flow], shares: Collection[float]) -> _Totals:
    """Return the totals of two directions, given bit/s of each.

    The package reads one direction alone, and before 3.11 both have the same names in the sums.
    """
    reported = document.table("end", "sum_received").number("bits_per_second")
    if reported is None or not any(math.isclose(reported, share, rel_tol=0.01) for share in shares):
        raise ProbeError(f"iperf3: {reported} bit/s is not what the bytes of its streams give")
    return math.fsum(shares), iperf3.total(flow.retransmits for flow in flows)


def _series(document: Table, *, both: bool) -> Iterator[SeriesPoint]:
    """Yield the measured intervals, end to end; of two directions their sum.

    Start and length of the first one after the omitted part are misprinted by 3.12 to 3.18 (a
    length of two intervals for the bytes of one), and a broken test prints its last interval
    twice; `end` and `bytes` are right in all.
    """
    before = 0.0
    for interval in document.rows("intervals"):
        whole = interval.part("sum")
        if not whole or whole.get("omitted"):
            continue
        parts = interval.rows("streams") if both else [whole]
        end, moved = whole.number("end"), iperf3.total(part.number("bytes") for part in parts)
        if end is not None and parts and moved is not None and end > before:
            yield SeriesPoint(before, end, moved * 8 / (end - before))
            before = end
