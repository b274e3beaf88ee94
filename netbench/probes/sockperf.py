"""Round trips of one message at a time by sockperf, over TCP and over UDP.

A closed loop: the next message leaves when the reply to the last one is there, so the round-trip
time is the time of service. TCP sends again what was lost, which shows as a long round trip. Over
UDP nobody does: sockperf waits for a lost datagram until the end of the run, tells of no loss, and
takes its statistics from the time before. Where that is less than half of the time that counts,
the run gives no number here; `sockperf.silent` tells how long nothing was sent.
"""

from dataclasses import dataclass
from typing import ClassVar, Final, Literal

from netbench.errors import ProbeError
from netbench.probes import sockperf_text
from netbench.probes.bounds import hold, outside
from netbench.probes.iperf3 import TcpThroughput
from netbench.probes.sockperf_text import PERCENTILES, WHOLE
from netbench.record import Absent, Completed, Sample

_PAUSE: Final = 2.0
"""Seconds that sockperf sleeps between its warm-up messages and the test."""
_GRACE: Final = 5.0
"""Seconds allowed for connecting, and for the wait of a client that gets no answer."""
_EDGE: Final = 0.1
"""Seconds at both ends of the run that CPU time is not read in."""
_STRAY: Final = 0.25
"""Relative stray of the run time from the time asked for."""
_SILENT: Final = 0.5
"""Share of a run over UDP that may be spent without a message: in waiting for a lost datagram, or,
on a machine that is much too busy, for a CPU."""
_AROUND: Final = 2
"""Seconds that a load runs longer than what it loads: before it, and while it counts."""
_LOG: Final = ("--full-log", "/dev/stderr")
"""Where every round trip is told, at the end of the run. Nothing else is written there; roots are
read-only, and standard output holds the statistics, which would be mixed up with it."""
_LOGGED: Final = 10
"""Seconds of a run up to which that is asked for: some 40 bytes for each of up to 100,000 round
trips a second."""
_SMALLEST: Final = 14
"""Bytes of sockperf's own header."""
_LARGEST: Final = 65472
"""Bytes of its longest message, which one UDP datagram holds."""


@dataclass(frozen=True, slots=True)
class _PingPong:
    """What is the same over both protocols."""

    name: ClassVar[str]
    tool: ClassVar[str] = "sockperf"
    protocols: ClassVar[tuple[Literal["tcp", "udp"], ...]]
    server_ends: ClassVar[bool] = False
    holdable: ClassVar[float] = _PAUSE
    second_port: ClassVar[bool] = False

    seconds: int = 1
    """Run time; sockperf cuts 400 ms of warm-up and about 50 ms at the end from it."""
    size: int = 14
    """Bytes of a message."""

    def __post_init__(self) -> None:
        """Refuse what sockperf would answer with its usage text and exit code 0."""
        hold(
            self.name,
            outside("seconds", self.seconds, 1, 36_000, whole=True),
            outside("size", self.size, _SMALLEST, _LARGEST, whole=True),
        )

    def server_argv(self, address: str, port: int) -> tuple[str, ...]:
        """Return the server's command; it runs until it is ended."""
        return ("sockperf", "sr", "-i", address, "-p", str(port), *self._protocol())

    def client_argv(
        self,
        address: str,
        port: int,
        congestion_control: str | None,  # noqa: ARG002 - sockperf cannot choose one
    ) -> tuple[str, ...]:
        """Return the client's command; sockperf always uses the system's congestion control."""
        where = ("sockperf", "pp", "-i", address, "-p", str(port), *self._protocol())
        what = ("--full-rtt", "-t", str(self.seconds), "-m", str(self.size))
        return (*where, *what, *(_LOG if self.seconds <= _LOGGED else ()))

    def _protocol(self) -> tuple[str, ...]:
        return ("--tcp",) if "tcp" in self.protocols else ()

    @property
    def metrics(self) -> tuple[str, ...]:
        """Round-trip times of the valid duration, and how many there were."""
        return (*PERCENTILES, "rtt_max", "transactions", "cpu_per_transaction")

    @property
    def expected(self) -> float:
        """Seconds; the pause is shared with other trials."""
        return self.seconds

    @property
    def steady(self) -> tuple[float, float]:
        """The run from its release: messages flow in warm-up and valid duration alike."""
        return _EDGE, self.seconds - _EDGE

    @property
    def load(self) -> TcpThroughput | None:
        """Nothing runs beside it."""
        return None

    @property
    def deadline(self) -> float:
        """Seconds."""
        return _PAUSE + self.seconds + _GRACE

    def cannot(self, done: Completed) -> str | None:
        """IPv6 came with sockperf 3.8; a version without it says that the address is invalid."""
        refused = sockperf_text.refused_address(done)
        if refused is None or ":" not in refused:
            return None
        return f"this sockperf takes no IPv6 address ({refused}); 3.8 and later do"

    def parse(self, client: Completed, server: Completed | None) -> Sample:  # noqa: ARG002 - the server prints no figures
        """Return percentiles of the round-trip time and transactions per second.

        A percentile is left out where fewer than one observation lies beyond it: p99 needs 100
        observations and p99.9 needs 1000.
        """
        report = sockperf_text.read(client)
        if abs(report.total_seconds - self.seconds) > _STRAY * self.seconds:
            raise ProbeError(
                f"sockperf ran {report.total_seconds} s where {self.seconds} s were asked for"
            )
        if "udp" in self.protocols and report.silent > _SILENT * (report.silent + report.seconds):
            raise ProbeError(
                f"sockperf sent nothing for {report.silent:.3f} of {report.total_seconds} s: it "
                "waited for a datagram that was lost, or for a CPU"
            )
        times = sockperf_text.log(client.stderr, report.observations)
        return Sample(
            measurements=tuple(sockperf_text.measurements(report)),
            received=report.replies * self.size,
            quantiles=(
                (0.0, report.smallest),
                *((milli / WHOLE, value) for milli, value in report.percentiles),
                (1.0, report.largest),
            ),
            histogram=times if isinstance(times, tuple) else (),
            details=(
                *sockperf_text.details(report),
                *((("sockperf.log", times),) if isinstance(times, Absent) else ()),
            ),
        )


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
    """Round trips over one TCP connection while another fills the path, on the same CPUs."""

    name: ClassVar[str] = "tcp-rr-loaded"
    summary: ClassVar[str] = "TCP round-trip time beside one full stream (sockperf and iperf3)"
    protocols: ClassVar[tuple[Literal["tcp", "udp"], ...]] = ("tcp",)

    @property
    def metrics(self) -> tuple[str, ...]:
        """As without a load, with what the load adds; CPU time is that of both and so left out."""
        return (*PERCENTILES, "rtt_max", "transactions", "buffer_delay")

    @property
    def expected(self) -> float:
        """Seconds."""
        return self.load.expected

    @property
    def load(self) -> TcpThroughput:
        """One stream that begins before the first message and ends after the last."""
        return TcpThroughput(seconds=self.seconds + _AROUND, omit=0)
