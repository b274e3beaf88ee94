"""TCP at a rate by iperf3, run whole: what is paced by a clock catches up after a pause."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, Final

from netbench.errors import ProbeError
from netbench.probes.bounds import hold, no_flag, no_rate, outside
from netbench.probes.iperf3.document import (
    KEPT,
    Table,
    client_argv,
    details,
    hold_window,
    lacks_option,
    number,
    optional,
    read,
    rows,
    server_argv,
    table,
)
from netbench.probes.iperf3.tcp import STREAMS
from netbench.record import Completed, FactValue, Measurement, Sample, SeriesPoint
from netbench.spec import Protocol
from netbench.units import BITS_PER_SECOND, COUNT, bit_rate, quantity

_GRACE: Final = 5.0
"""Seconds allowed for connecting and for exchanging results."""
_EDGE: Final = 0.2
"""Seconds at the start of the measured window that CPU time is not read in, and half at its end."""


@dataclass(frozen=True, slots=True)
class TcpRate:
    """Bytes that TCP delivers at a rate that every driver reaches: costs are compared there.

    For a time and not for a number of bytes: iperf3 (3.16 and later) sees that they have gone only
    when an interval ends, and counts the time until then.
    """

    name: ClassVar[str] = "tcp-rate"
    summary: ClassVar[str] = "TCP at a rate that is kept to (iperf3)"
    tool: ClassVar[str] = "iperf3"
    protocols: ClassVar[tuple[Protocol, ...]] = ("tcp",)
    server_ends: ClassVar[bool] = True
    second_port: ClassVar[bool] = False

    seconds: int = 2
    """Length of the measured window."""
    omit: int = 1
    """Seconds before it that do not count."""
    interval: float = 0.1
    """Seconds between two points of the series."""
    streams: int = 1
    """Parallel connections."""
    reverse: bool = False
    """The server sends."""
    bidirectional: bool = False
    """Both send at once; the throughput is the sum of both directions."""
    rate: str = "1G"
    """Bit/s that each direction keeps to, all its streams together."""

    def __post_init__(self) -> None:
        """Refuse what iperf3 itself would refuse, or silently change."""
        both = self.reverse is True and self.bidirectional is True
        hold(
            self.name,
            outside("seconds", self.seconds, 1, 86_400, whole=True),
            outside("omit", self.omit, 0, 600, whole=True),
            outside("interval", self.interval, 0.1, 60, whole=False),
            outside("streams", self.streams, 1, STREAMS, whole=True),
            no_flag("reverse", self.reverse),
            no_flag("bidirectional", self.bidirectional),
            "`reverse` and `bidirectional` exclude each other: keep one" if both else None,
            no_rate("rate", self.rate),
        )

    def server_argv(self, address: str, port: int) -> tuple[str, ...]:
        """Return a server for one test."""
        return server_argv(address, port)

    def client_argv(
        self, address: str, port: int, congestion_control: str | None
    ) -> tuple[str, ...]:
        """Return the client's command."""
        argv = (*client_argv(address, port), "-t", str(self.seconds), "-O", str(self.omit))
        argv += ("-i", f"{self.interval:g}")
        argv += ("-P", str(self.streams)) if self.streams > 1 else ()
        argv += ("-R",) if self.reverse else ()
        argv += ("--bidir",) if self.bidirectional else ()
        argv += ("-b", str(round(bit_rate(self.rate) / self.streams)))
        return argv if congestion_control is None else (*argv, "-C", congestion_control)

    @property
    def metrics(self) -> tuple[str, ...]:
        """What iperf3's receiver and sender count."""
        return ("throughput", "retransmits", "cpu_per_byte")

    @property
    def expected(self) -> float:
        """Seconds."""
        return self.omit + self.seconds

    @property
    def steady(self) -> tuple[float, float]:
        """The measured window, without its edges: the client takes a moment to connect."""
        return self.omit + _EDGE, self.omit + self.seconds - _EDGE / 2

    @property
    def deadline(self) -> float:
        """Seconds; iperf3 has no deadline of its own and hangs where the path goes dead."""
        return self.expected + _GRACE

    def cannot(self, done: Completed) -> str | None:
        """Both directions at once came with iperf3 3.7."""
        return lacks_option(done)

    def parse(self, client: Completed, server: Completed | None) -> Sample:  # noqa: ARG002 - the client's JSON holds both ends' figures
        """Return throughput, retransmits and the series."""
        document = read(client, "TCP")
        flows = self._flows(document)
        hold_window(document, self.seconds)
        totals = _added(document, flows) if self.bidirectional else _packaged(client.stdout)
        self._hold_rate(totals.throughput)
        measurements = [Measurement("throughput", totals.throughput, BITS_PER_SECOND)]
        if totals.retransmits is not None:
            measurements.append(Measurement("retransmits", totals.retransmits, COUNT))
        forward = sum(flow.received for flow in flows if flow.forward)
        back = sum(flow.received for flow in flows if not flow.forward)
        return Sample(
            measurements=tuple(measurements),
            received=forward + back,
            returned=back,
            series=tuple(_series(document, both=self.bidirectional)),
            details=(*details(document), *self._shares(totals), *_connection(document)),
        )

    def _flows(self, document: Table) -> "tuple[_Flow, ...]":
        """Return the streams, after holding the result against what was asked."""
        flows = tuple(_flow(row) for row in rows(table(document, "end"), "streams"))
        test = table(document, "start", "test_start")
        ways = {flow.forward for flow in flows}
        wanted = {True, False} if self.bidirectional else {not self.reverse}
        count = self.streams * len(wanted)
        if ways != wanted or len(flows) != count or bool(test.get("reverse")) != self.reverse:
            way = "two-way" if self.bidirectional else "reverse" if self.reverse else "one-way"
            raise ProbeError(f"iperf3's output is not that of a {way} TCP test of {count} streams")
        if not all(any(f.received for f in flows if f.forward is way) for way in wanted):
            raise ProbeError("iperf3: the receiver counted no bytes")
        return flows

    def _hold_rate(self, throughput: float) -> None:
        """Raise where the streams did not keep their rate: the trial is not one at that rate."""
        wanted = bit_rate(self.rate) * (2 if self.bidirectional else 1)
        if abs(throughput / wanted - 1) > KEPT:
            asked, came = (quantity(value, BITS_PER_SECOND) for value in (wanted, throughput))
            raise ProbeError(f"iperf3: {asked} were to be kept to, and {came} came")

    def _shares(self, totals: "_Totals") -> Iterator[tuple[str, FactValue]]:
        """Yield what each direction carried where there are two, and what was to be kept to."""
        yield from totals.shares
        yield "iperf3.rate", bit_rate(self.rate)


@dataclass(frozen=True, slots=True)
class _Flow:
    """One stream."""

    forward: bool
    """Whether the client sends."""
    received: int
    """Bytes, by its receiver."""
    seconds: float
    """The receiver's window."""
    retransmits: float | None


@dataclass(frozen=True, slots=True)
class _Totals:
    throughput: float
    """bit/s, by the receivers."""
    retransmits: float | None
    shares: tuple[tuple[str, FactValue], ...] = ()
    """bit/s of each direction, where there are two."""


def _flow(row: Table) -> _Flow:
    sender, receiver = optional(row, "sender"), optional(row, "receiver")
    start, end = number(receiver.get("start")), number(receiver.get("end"))
    if start is None or end is None or end <= start:
        raise ProbeError("iperf3: a stream without a window")
    received = number(receiver.get("bytes"))
    if received is None:
        raise ProbeError("iperf3: a stream without a count of bytes")
    forward = bool(receiver.get("sender"))
    return _Flow(forward, int(received), end - start, number(sender.get("retransmits")))


def _packaged(text: str) -> _Totals:
    """Return the totals as the package `iperf3` reads them, held against bytes over time."""
    from iperf3 import TestResult  # noqa: PLC0415 - ctypes costs start-up time of every command

    try:
        result = TestResult(text)
        throughput = number(result.received_bps)
        total = result.json["end"]["sum_received"]
        rate = total["bytes"] * 8 / total["seconds"]
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as exc:
        raise ProbeError(f"iperf3: unreadable result: {exc!r}") from exc
    if not throughput or not math.isclose(throughput, rate, rel_tol=0.01):
        raise ProbeError(f"iperf3: {throughput} bit/s is not what its bytes and seconds give")
    return _Totals(throughput, number(result.retransmits))


def _added(document: Table, flows: tuple[_Flow, ...]) -> _Totals:
    """Return the totals of two directions, stream by stream.

    The package reads one direction alone, and before 3.11 both have the same names in the sums.
    """
    names = {True: "iperf3.forward", False: "iperf3.reverse"}
    shares = {
        name: math.fsum(flow.received * 8 / flow.seconds for flow in flows if flow.forward is way)
        for way, name in names.items()
    }
    told = number(table(document, "end", "sum_received").get("bits_per_second"))
    if told is None or not any(math.isclose(told, s, rel_tol=0.01) for s in shares.values()):
        raise ProbeError(f"iperf3: {told} bit/s is not what the bytes of its streams give")
    counts = [flow.retransmits for flow in flows]
    known = [count for count in counts if count is not None]
    retransmits = math.fsum(known) if len(known) == len(counts) else None
    return _Totals(math.fsum(shares.values()), retransmits, tuple(shares.items()))


def _series(document: Table, *, both: bool) -> Iterator[SeriesPoint]:
    """Yield the measured intervals, end to end; of two directions their sum.

    Start and length of the first one after the omitted part are misprinted by 3.12 to 3.18 (a
    length of two intervals for the bytes of one), and a broken test prints its last interval
    twice; `end` and `bytes` are right in all.
    """
    before = 0.0
    for interval in rows(document, "intervals"):
        total = interval.get("sum")
        if not isinstance(total, dict) or total.get("omitted"):
            continue
        parts = rows(interval, "streams") if both else [total]
        counts = [number(part.get("bytes")) for part in parts]
        end, known = number(total.get("end")), [count for count in counts if count is not None]
        if end is None or not known or len(known) < len(counts) or end <= before:
            continue
        yield SeriesPoint(before, end, math.fsum(known) * 8 / (end - before))
        before = end


def _connection(document: Table) -> Iterator[tuple[str, FactValue]]:
    """Yield what TCP knows of the connection; only one stream has one such answer."""
    streams = rows(table(document, "end"), "streams")
    if len(streams) != 1:
        return
    sender = optional(streams[0], "sender")
    for name in ("min_rtt", "mean_rtt", "max_rtt"):
        if value := number(sender.get(name)):
            yield f"iperf3.{name}", value / 1e6
    if value := number(sender.get("max_snd_cwnd")):
        yield "iperf3.max_snd_cwnd", int(value)
    last = (rows(document, "intervals") or [{}])[-1]
    of_one = rows(last, "streams")
    if of_one and (value := number(of_one[0].get("pmtu"))):
        yield "iperf3.pmtu", int(value)
