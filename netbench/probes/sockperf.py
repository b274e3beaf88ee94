"""Round trips of one message at a time by sockperf, over TCP and over UDP, in slices.

A closed loop: the next message leaves when the reply to the last one is there, so the round-trip
time is the time of service. A client that is held simply pauses. Its log tells when each message
left and when its reply came; what lies between a slice's edges makes the slice, and the one round
trip that was under way when the client was held is left out. TCP sends again what was lost, which
shows as a long round trip. Over UDP nobody does: sockperf waits for a lost datagram for good, and
the slices after it give no number.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar, Final, Literal

import numpy as np

from netbench.probes import sockperf_text
from netbench.probes.base import Counted, Session, Window, whole_enough
from netbench.probes.bounds import hold, outside
from netbench.probes.iperf3 import TcpThroughput
from netbench.probes.sockperf_log import Column, Round, rounds_of
from netbench.record import Completed, FactValue, Measurement, Sample, Slice
from netbench.record.histogram import histogram_of
from netbench.spec import Role
from netbench.units import PER_SECOND, SECONDS

_PAUSE: Final = 2.0
"""Seconds that sockperf sleeps between its warm-up messages and the test."""
_LEAD: Final = 0.45
"""Seconds: sockperf leaves the first 0.4 s of the test out of its log, and the last 0.05 s."""
_LOG: Final = ("--full-log", "/dev/stderr")
"""Where every round trip is told, at the end of the run. Nothing else is written there; roots are
read-only, and standard output holds the statistics, which would be mixed up with it."""
_SMALLEST: Final = 14
"""Bytes of sockperf's own header."""
_LARGEST: Final = 65472
"""Bytes of its longest message, which one UDP datagram holds."""
_SILENT: Final = 0.5
"""Share of a slice that may be spent without a message: in waiting for a lost datagram, or, on a
machine that is much too busy, for a CPU."""
_QUANTILES: Final = (0.25, 0.5, 0.75, 0.9, 0.99, 0.999, 0.9999, 0.99999)
_METRICS: Final = {"rtt_p90": 0.9, "rtt_p99": 0.99, "rtt_p999": 0.999}
"""Percentiles of all round trips of a session."""


@dataclass(frozen=True, slots=True)
class _PingPong:
    """What is the same over both protocols."""

    name: ClassVar[str]
    tool: ClassVar[str] = "sockperf"
    protocols: ClassVar[tuple[Literal["tcp", "udp"], ...]]
    server_ends: ClassVar[bool] = False
    second_port: ClassVar[bool] = False
    counted: ClassVar[Counted] = "nothing"
    pause: ClassVar[float] = _PAUSE
    lead: ClassVar[float] = _LEAD
    ended_by: ClassVar[Literal["ALRM", "TERM", "KILL"]] = "ALRM"

    rounds: int = 8
    """Slices of a session."""
    slice: float = 0.1
    """Seconds of each."""
    size: int = 14
    """Bytes of a message."""

    def __post_init__(self) -> None:
        """Refuse what sockperf would answer with its usage text and exit code 0."""
        hold(
            self.name,
            outside("rounds", self.rounds, 2, 1000, whole=True),
            outside("slice", self.slice, 0.04, 10, whole=False),
            outside("size", self.size, _SMALLEST, _LARGEST, whole=True),
        )

    def server_argv(self, address: str, port: int) -> tuple[str, ...]:
        """Return the server's command; it runs until it is ended."""
        return ("sockperf", "sr", "-i", address, "-p", str(port), *self._protocol())

    def session_argv(
        self,
        address: str,
        port: int,
        congestion_control: str | None,  # noqa: ARG002 - sockperf cannot choose one
        seconds: float,
    ) -> tuple[str, ...]:
        """Return the client's command; sockperf always uses the system's congestion control.

        It keeps 14 MB for each second that it may take at most.
        """
        where = ("sockperf", "pp", "-i", address, "-p", str(port), *self._protocol())
        return (*where, "--full-rtt", "-t", str(math.ceil(seconds)), "-m", str(self.size), *_LOG)

    def _protocol(self) -> tuple[str, ...]:
        return ("--tcp",) if "tcp" in self.protocols else ()

    @property
    def metrics(self) -> tuple[str, ...]:
        """Round-trip times, and how many there were a second."""
        return ("rtt_p50", *_METRICS, "rtt_max", "transactions", "cpu_per_transaction")

    @property
    def expected(self) -> float:
        """Seconds of measuring."""
        return self.rounds * self.slice

    @property
    def receivers(self) -> tuple[Role, ...]:
        """Nobody: no bytes are counted."""
        return ()

    @property
    def load(self) -> TcpThroughput | None:
        """Nothing runs beside it."""
        return None

    def cannot(self, done: Completed) -> str | None:
        """IPv6 came with sockperf 3.8; a version without it says that the address is invalid."""
        refused = sockperf_text.refused_address(done)
        if refused is None or ":" not in refused:
            return None
        return f"this sockperf takes no IPv6 address ({refused}); 3.8 and later do"

    def read_session(
        self,
        client: Completed,
        server: Completed | None,  # noqa: ARG002 - the server prints no figures
        windows: Sequence[Window],
    ) -> Session:
        """Return percentiles of the round-trip time and transactions per second.

        The median is the middle of the slices' medians (`midmean`); other percentiles are of all
        round trips that the slices hold. One is left out where fewer than one observation lies
        beyond it: p99 needs 100 observations and p99.9 needs 1000.
        """
        report = sockperf_text.read(client)
        found = rounds_of(client.stderr, windows)
        slices = tuple(self._slice(window, one) for window, one in zip(windows, found, strict=True))
        medians = whole_enough("sockperf", slices, self.rounds)
        counted = [r for r, one in zip(found, slices, strict=True) if one.value is not None]
        times = np.sort(np.concatenate([one.times for one in counted]))
        busy = math.fsum(one.seconds for one in counted)
        quantiles = {q: _quantile(times, q) for q in _QUANTILES if (1 - q) * len(times) >= 1}
        middle = midmean(medians)
        return Session(
            Sample(
                measurements=(
                    Measurement("rtt_p50", middle, SECONDS),
                    *(
                        Measurement(metric, quantiles[q], SECONDS)
                        for metric, q in _METRICS.items()
                        if q in quantiles
                    ),
                    Measurement("rtt_max", float(times[-1]), SECONDS),
                    Measurement("transactions", len(times) / busy, PER_SECOND),
                ),
                received=sum(one.received for one in slices),
                quantiles=((0.0, float(times[0])), *quantiles.items(), (1.0, float(times[-1]))),
                histogram=histogram_of(times),
                details=tuple(_details(times, busy, report)),
            ),
            slices,
        )

    def _slice(self, window: Window, found: Round) -> Slice:
        """Return one slice; its value is the median of its round trips."""
        length = window.end - window.start
        why = ""
        if found.seconds < (1 - _SILENT) * length:
            why = f"messages flowed for {found.seconds:.3f} of {length:.3f} s"
        return Slice(
            round=window.round,
            order=window.order,
            start=window.start,
            end=window.end,
            value=None if why else _quantile(np.sort(found.times), 0.5),
            received=found.replies * self.size,
            reason=why,
        )


def midmean(values: Sequence[float]) -> float:
    """Return the geometric mean of the middle half of some values, all of them above 0.

    The interquartile mean of their logarithms. A slice in which the machine was busy with something
    else does not move it, and it varies less than the median, which leaves out more of the rest.
    """
    logs = sorted(map(math.log, values))
    cut = len(logs) // 4
    middle = logs[cut : len(logs) - cut]
    return math.exp(math.fsum(middle) / len(middle))


def _quantile(ascending: Column, q: float) -> float:
    """Return the smallest value that at least this share of them does not exceed."""
    return float(ascending[max(0, math.ceil(q * len(ascending)) - 1)])


def _details(
    times: Column, busy: float, report: sockperf_text.Report
) -> Iterator[tuple[str, FactValue]]:
    mean = float(times.mean())
    yield "sockperf.observations", len(times)
    yield "sockperf.seconds", busy
    yield "sockperf.mean_rtt", mean
    yield "sockperf.concurrency", len(times) / busy * mean
    if report.anomalies is not None:
        names = ("dropped", "duplicated", "out_of_order")
        yield from zip((f"sockperf.{name}" for name in names), report.anomalies, strict=True)


@dataclass(frozen=True, slots=True)
class TcpRoundTrip(_PingPong):
    """Round trips over one TCP connection."""

    name: ClassVar[str] = "tcp-rr"
    summary: ClassVar[str] = "TCP round-trip time, one message at a time (sockperf)"
    protocols: ClassVar[tuple[Literal["tcp", "udp"], ...]] = ("tcp",)


@dataclass(frozen=True, slots=True)
class UdpRoundTrip(_PingPong):
    """Round trips of UDP datagrams; one larger than the MTU travels in fragments."""

    name: ClassVar[str] = "udp-rr"
    summary: ClassVar[str] = "UDP round-trip time, one datagram at a time (sockperf)"
    protocols: ClassVar[tuple[Literal["tcp", "udp"], ...]] = ("udp",)


@dataclass(frozen=True, slots=True)
class LoadedRoundTrip(_PingPong):
    """Round trips over one TCP connection while another fills the path, on the same CPUs.

    Both are let go on and held together, so that they are one session.
    """

    name: ClassVar[str] = "tcp-rr-loaded"
    summary: ClassVar[str] = "TCP round-trip time beside one full stream (sockperf and iperf3)"
    protocols: ClassVar[tuple[Literal["tcp", "udp"], ...]] = ("tcp",)
    counted: ClassVar[Counted] = "bytes"

    slice: float = 0.2
    """Seconds of each."""

    @property
    def metrics(self) -> tuple[str, ...]:
        """As without a load, with what the load adds; CPU time is that of both and so left out."""
        return ("rtt_p50", *_METRICS, "rtt_max", "transactions", "buffer_delay")

    @property
    def load(self) -> TcpThroughput:
        """One stream that is let go on before the first message and held after the last."""
        return TcpThroughput(rounds=self.rounds, slice=self.slice)
