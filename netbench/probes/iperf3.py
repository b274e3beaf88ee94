"""TCP throughput by iperf3, read from its JSON (versions 3.7 to 3.22).

The exit code proves nothing: some releases end with 0 after a failure, and 3.9 leaves the reason
out of the JSON. A trial counts only if the process ended well, the JSON is whole and names no
error, and the receiver counted bytes over about the time that was asked for.
"""

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Final, Literal

from netbench.errors import ProbeError
from netbench.probes.bounds import hold, outside
from netbench.record import Completed, FactValue, Measurement, Sample, SeriesPoint
from netbench.units import BITS_PER_SECOND, COUNT

_STRAY: Final = 0.5
"""Relative stray of the measured window from the time asked for; rates use the window itself.

A receiver drains what is still queued: on a loaded machine 2.7 s were seen for 2 s asked for."""
_GRACE: Final = 5.0
"""Seconds allowed for connecting and for exchanging results."""
_EDGE: Final = 0.2
"""Seconds at the start of the measured window that CPU time is not read in, and half at its end."""
_LARGEST: Final = 2**63
"""Larger counts are a wrapped -1: `retransmits` of 1.8446744073709552e19 means unknown."""


Table = Mapping[str, Any]
"""A JSON object of the tool, before it is read."""


@dataclass(frozen=True, slots=True)
class TcpThroughput:
    """Bytes that one TCP stream delivers, counted by the receiver."""

    name: ClassVar[str] = "tcp-throughput"
    summary: ClassVar[str] = "TCP throughput of one stream, at the receiver (iperf3)"
    tool: ClassVar[str] = "iperf3"
    protocols: ClassVar[tuple[Literal["tcp", "udp"], ...]] = ("tcp",)
    server_ends: ClassVar[bool] = True
    holdable: ClassVar[float] = 0.0
    second_port: ClassVar[bool] = False

    seconds: int = 2
    """Length of the measured window."""
    omit: int = 1
    """Seconds before it that do not count."""
    interval: float = 0.1
    """Seconds between two points of the series."""

    def __post_init__(self) -> None:
        """Refuse what iperf3 itself would refuse, or silently change."""
        hold(
            self.name,
            outside("seconds", self.seconds, 1, 86_400, whole=True),
            outside("omit", self.omit, 0, 600, whole=True),
            outside("interval", self.interval, 0.1, 60, whole=False),
        )

    def server_argv(self, address: str, port: int) -> tuple[str, ...]:
        """Return a server for one test: a persistent one leaks congestion control between tests."""
        return ("iperf3", "-s", "-1", "-J", "-B", address, "-p", str(port))

    def client_argv(
        self, address: str, port: int, congestion_control: str | None
    ) -> tuple[str, ...]:
        """Return the client's command."""
        where = ("iperf3", "-J", "-c", address, "-p", str(port))
        when = ("-t", str(self.seconds), "-O", str(self.omit), "-i", f"{self.interval:g}")
        control = () if congestion_control is None else ("-C", congestion_control)
        return where + when + control

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
    def load(self) -> None:
        """Nothing runs beside it."""

    @property
    def deadline(self) -> float:
        """Seconds; iperf3 has no deadline of its own and hangs where the path goes dead."""
        return self.omit + self.seconds + _GRACE

    def cannot(self, done: Completed) -> str | None:  # noqa: ARG002 - the tool lacks nothing we use
        """Every version does all that is asked of it."""
        return None

    def parse(self, client: Completed, server: Completed | None) -> Sample:  # noqa: ARG002 - the client's JSON holds both ends' figures
        """Return throughput, retransmits and the series."""
        document = _document(client)
        received = _received(document, self.seconds)
        totals = _totals(client.stdout)
        measurements = [Measurement("throughput", totals.throughput, BITS_PER_SECOND)]
        if totals.retransmits is not None:
            measurements.append(Measurement("retransmits", totals.retransmits, COUNT))
        return Sample(
            measurements=tuple(measurements),
            received=received,
            series=tuple(_series(document)),
            details=tuple(_details(document)),
        )


@dataclass(frozen=True, slots=True)
class _Totals:
    """What the PyPI package `iperf3` reads from a TCP result."""

    throughput: float
    """bit/s, by the receiver."""
    retransmits: float | None


def _document(client: Completed) -> Table:
    """Return the JSON of a client that succeeded, by its exit code and its own word."""
    if client.timed_out:
        raise ProbeError(f"iperf3 had not ended after {client.seconds:.1f} s and was killed")
    try:
        document = json.loads(client.stdout)
    except (ValueError, RecursionError) as exc:
        raise ProbeError(_unreadable(client)) from exc
    if not isinstance(document, dict):
        raise ProbeError("iperf3 printed JSON that is no result")
    if "error" in document:
        raise ProbeError(f"iperf3: {_words(str(document['error']))}")
    if client.exit_code != 0:
        raise ProbeError(f"iperf3 {_ending(client)}: {_words(client.stderr) or 'no reason given'}")
    return document


def _unreadable(client: Completed) -> str:
    said = _words(client.stderr)
    what = "no output" if not client.stdout.strip() else "output that is not whole JSON"
    return f"iperf3 {_ending(client)} and {what}" + (f": {said}" if said else "")


def _ending(client: Completed) -> str:
    if client.exit_code is None:
        return "ended unseen"
    if client.exit_code < 0:
        return f"was killed by signal {-client.exit_code}"
    return f"ended with exit code {client.exit_code}"


def _words(text: str) -> str:
    """Return the first line of what iperf3 says, without its own prefixes."""
    line = next((line.strip() for line in text.splitlines() if line.strip()), "")
    return line.removeprefix("iperf3: ").removeprefix("error - ")[:300]


def _received(document: Table, seconds: int) -> int:
    """Return the receiver's bytes, after holding the result against what was asked."""
    start = _table(document, "start")
    if "connecting_to" not in start:
        raise ProbeError("iperf3's output is not a client's")
    test = _table(start, "test_start")
    ends = [_optional(row, "receiver") for row in _rows(_table(document, "end"), "streams")]
    if test.get("protocol") != "TCP" or len({bool(end.get("sender")) for end in ends}) > 1:
        raise ProbeError("iperf3's output is not that of a one-way TCP test")
    total = _table(document, "end", "sum_received")
    count = _number(total.get("bytes"))
    if not count:
        raise ProbeError("iperf3: the receiver counted no bytes")
    for side in ("sum_sent", "sum_received"):
        window = _number(_table(document, "end", side).get("seconds"))
        if window is None or abs(window - seconds) > _STRAY * seconds:
            raise ProbeError(f"iperf3: `{side}` covers {window} s where {seconds} s were asked for")
    return int(count)


def _totals(text: str) -> _Totals:
    """Return the totals as the package `iperf3` reads them, held against bytes over time."""
    from iperf3 import TestResult  # noqa: PLC0415 - ctypes costs start-up time of every command

    try:
        result = TestResult(text)
        throughput = _number(result.received_bps)
        total = result.json["end"]["sum_received"]
        rate = total["bytes"] * 8 / total["seconds"]
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as exc:
        raise ProbeError(f"iperf3: unreadable result: {exc!r}") from exc
    if not throughput or not math.isclose(throughput, rate, rel_tol=0.01):
        raise ProbeError(f"iperf3: {throughput} bit/s is not what its bytes and seconds give")
    return _Totals(throughput, _number(result.retransmits))


def _series(document: Table) -> Iterator[SeriesPoint]:
    """Yield the measured intervals, end to end.

    Start and length of the first one after the omitted part are misprinted by 3.12 to 3.18 (a
    length of two intervals for the bytes of one), and a broken test prints its last interval
    twice; `end` and `bytes` are right in all.
    """
    before = 0.0
    for interval in _rows(document, "intervals"):
        total = interval.get("sum")
        if not isinstance(total, dict) or total.get("omitted"):
            continue
        end, count = _number(total.get("end")), _number(total.get("bytes"))
        if end is None or count is None or end <= before:
            continue
        yield SeriesPoint(before, end, count * 8 / (end - before))
        before = end


def _details(document: Table) -> Iterator[tuple[str, FactValue]]:
    """Yield what stands beside the numbers; what iperf3 prints as 0 for unknown is left out."""
    start, end = _table(document, "start"), _table(document, "end")
    test, cpu = _table(start, "test_start"), _optional(end, "cpu_utilization_percent")
    for name, text in (
        ("congestion_control", end.get("sender_tcp_congestion")),
        ("iperf3.receiver_congestion_control", end.get("receiver_tcp_congestion")),
        ("iperf3.version", start.get("version")),
    ):
        if isinstance(text, str) and text:
            yield name, text
    for name, count in (
        ("streams", test.get("num_streams")),
        ("block_size", test.get("blksize")),
        ("mss", start.get("tcp_mss") or start.get("tcp_mss_default")),
        ("sndbuf", start.get("sndbuf_actual")),
        ("rcvbuf", start.get("rcvbuf_actual")),
        ("sent_bytes", _table(end, "sum_sent").get("bytes")),
    ):
        if value := _number(count):
            yield f"iperf3.{name}", int(value)
    if window := _number(_table(end, "sum_received").get("seconds")):
        yield "iperf3.seconds", window
    for side in ("host", "remote"):
        for part in ("total", "user", "system"):
            if (value := _number(cpu.get(f"{side}_{part}"))) is not None:
                yield f"iperf3.cpu_{side}_{part}", value / 100
    yield from _stream_details(document)


def _stream_details(document: Table) -> Iterator[tuple[str, FactValue]]:
    """Yield what TCP knows of the connection; only one stream has one such answer."""
    streams = _rows(_table(document, "end"), "streams")
    if len(streams) != 1:
        return
    sender = _optional(streams[0], "sender")
    for name in ("min_rtt", "mean_rtt", "max_rtt"):
        if value := _number(sender.get(name)):
            yield f"iperf3.{name}", value / 1e6
    if value := _number(sender.get("max_snd_cwnd")):
        yield "iperf3.max_snd_cwnd", int(value)
    last = (_rows(document, "intervals") or [{}])[-1]
    rows = _rows(last, "streams")
    if rows and (value := _number(rows[0].get("pmtu"))):
        yield "iperf3.pmtu", int(value)


def _table(document: Table, *keys: str) -> Table:
    """Return the object at a path of keys."""
    for key in keys:
        document = document.get(key, ())
        if not isinstance(document, dict):
            raise ProbeError(f"iperf3: no `{'.'.join(keys)}` in its result")
    return document


def _optional(document: Table, key: str) -> Table:
    inner = document.get(key)
    return inner if isinstance(inner, dict) else {}


def _rows(document: Table, key: str) -> list[Table]:
    inner = document.get(key)
    return [row for row in inner if isinstance(row, dict)] if isinstance(inner, list) else []


def _number(value: object) -> float | None:
    """Return a count or quantity, None where it is none that could be meant."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if 0 <= value < _LARGEST else None
