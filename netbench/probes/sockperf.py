"""TCP round trips by sockperf, read from its text (versions 3.6 and 3.7).

Exit code 0 proves nothing: sockperf ends so after a refused connection and after a wrong option
too. A trial counts only if the whole block of statistics is there.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, Final, Literal

from netbench.errors import ProbeError
from netbench.probes.bounds import hold, outside
from netbench.probes.strerror import strerror_name
from netbench.record import Completed, FactValue, Measurement, Sample
from netbench.units import PER_SECOND, SECONDS

_PAUSE: Final = 2.0
"""Seconds that sockperf sleeps between its warm-up messages and the test."""
_GRACE: Final = 5.0
"""Seconds allowed for connecting, and for the wait of a client that gets no answer."""
_EDGE: Final = 0.1
"""Seconds at both ends of the run that CPU time is not read in."""
_STRAY: Final = 0.25
"""Relative stray of the run time from the time asked for."""
_SMALLEST: Final = 14
"""Bytes of sockperf's own header."""
_LARGEST: Final = 65472

_ANSI: Final = re.compile(r"\x1b\[[0-9;]*m")
_RUN = r"RunTime=(\d{1,9}\.\d{3}) sec;.* SentMessages=(\d{1,15}); ReceivedMessages=(\d{1,15})$"
_INVALID: Final = re.compile(r"Invalid address: (\S+)$", re.MULTILINE)
_TOTAL: Final = re.compile(rf"\[Total Run\] {_RUN}", re.MULTILINE)
_VALID: Final = re.compile(rf"\[Valid Duration\] {_RUN}", re.MULTILINE)
_MEAN: Final = re.compile(
    r"====> avg-rtt=(\d{1,12}\.\d{3}) \(std-dev=(\d{1,12}\.\d{3})\)$", re.MULTILINE
)
_ANOMALIES: Final = re.compile(
    r"# dropped messages = (\d{1,15}); # duplicated messages = (\d{1,15}); "
    r"# out-of-order messages = (\d{1,15})$",
    re.MULTILINE,
)
_COUNT: Final = re.compile(r"Total (\d{1,15}) observations;", re.MULTILINE)
_EXTREME: Final = re.compile(r"---> <(MAX|MIN)> observation = +(\d{1,12}\.\d{3})$", re.MULTILINE)
_PERCENTILE: Final = re.compile(
    r"---> percentile (\d{2}\.\d{3}) = +(\d{1,12}\.\d{3})$", re.MULTILINE
)
_WHOLE: Final = 100_000
"""sockperf prints percentiles in thousandths of a percent."""
_MILLI: Final = {"rtt_p50": 50_000, "rtt_p90": 90_000, "rtt_p99": 99_000, "rtt_p999": 99_900}


@dataclass(frozen=True, slots=True)
class TcpRoundTrip:
    """Round trips of one message at a time over one TCP connection: a closed loop."""

    name: ClassVar[str] = "tcp-rr"
    summary: ClassVar[str] = "TCP round-trip time, one message at a time (sockperf)"
    tool: ClassVar[str] = "sockperf"
    protocols: ClassVar[tuple[Literal["tcp", "udp"], ...]] = ("tcp",)
    server_ends: ClassVar[bool] = False
    holdable: ClassVar[float] = _PAUSE

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
        return ("sockperf", "sr", "-i", address, "-p", str(port), "--tcp")

    def client_argv(
        self,
        address: str,
        port: int,
        congestion_control: str | None,  # noqa: ARG002 - sockperf cannot choose one
    ) -> tuple[str, ...]:
        """Return the client's command; sockperf always uses the system's congestion control."""
        argv = ("sockperf", "pp", "-i", address, "-p", str(port), "--tcp", "--full-rtt")
        return (*argv, "-t", str(self.seconds), "-m", str(self.size))

    @property
    def metrics(self) -> tuple[str, ...]:
        """Round-trip times of the valid duration, and how many there were."""
        return (*_MILLI, "rtt_max", "transactions", "cpu_per_transaction")

    @property
    def expected(self) -> float:
        """Seconds; the pause is shared with other trials."""
        return self.seconds

    @property
    def steady(self) -> tuple[float, float]:
        """The run from its release: messages flow in warm-up and valid duration alike."""
        return _EDGE, self.seconds - _EDGE

    @property
    def load(self) -> None:
        """Nothing runs beside it."""

    @property
    def deadline(self) -> float:
        """Seconds."""
        return _PAUSE + self.seconds + _GRACE

    def cannot(self, done: Completed) -> str | None:
        """IPv6 came with sockperf 3.8; a version without it says that the address is invalid."""
        text = _ANSI.sub("", f"{done.stdout}\n{done.stderr}")
        refused = _INVALID.search(text)
        if refused is None or ":" not in refused[1]:
            return None
        return f"this sockperf takes no IPv6 address ({refused[1]}); 3.8 and later do"

    def parse(self, client: Completed, server: Completed | None) -> Sample:  # noqa: ARG002 - the server prints no figures
        """Return percentiles of the round-trip time and transactions per second.

        A percentile is left out where fewer than one observation lies beyond it: p99 needs 100
        observations and p99.9 needs 1000.
        """
        text = _ANSI.sub("", client.stdout)
        report = _read(text, client)
        if abs(report.total_seconds - self.seconds) > _STRAY * self.seconds:
            raise ProbeError(
                f"sockperf ran {report.total_seconds} s where {self.seconds} s were asked for"
            )
        return Sample(
            measurements=tuple(_measurements(report)),
            received=report.replies * self.size,
            quantiles=(
                (0.0, report.smallest),
                *((milli / _WHOLE, value) for milli, value in report.percentiles),
                (1.0, report.largest),
            ),
            details=tuple(_details(report)),
        )


@dataclass(frozen=True, slots=True)
class _Report:
    """sockperf's statistics; times in seconds."""

    total_seconds: float
    replies: int
    """Messages that came back in the whole run, warm-up included."""
    seconds: float
    """Length of the window that counts."""
    observations: int
    mean: float
    deviation: float
    smallest: float
    largest: float
    percentiles: tuple[tuple[int, float], ...]
    """Thousandths of a percent and value, ascending; only those the observations support."""
    anomalies: tuple[int, int, int] | None
    """Dropped, duplicated and out-of-order messages."""


def _read(text: str, client: Completed) -> _Report:
    """Return the statistics of a run that went to its end."""
    if client.timed_out:
        raise ProbeError(f"sockperf had not ended after {client.seconds:.1f} s and was killed")
    total, valid, mean = _TOTAL.search(text), _VALID.search(text), _MEAN.search(text)
    count = _COUNT.search(text)
    extremes = {name: _seconds(value) for name, value in _EXTREME.findall(text)}
    stopped = client.exit_code != 0 or "interrupted by user" in text or "ERROR" in text
    if stopped or not (total and valid and mean and count and {*extremes} == {"MIN", "MAX"}):
        raise ProbeError(_complaint(text, client))
    observations, seconds = int(count.group(1)), float(valid.group(1))
    percentiles = tuple(_percentiles(text, observations))
    anomalies = _ANOMALIES.search(text)
    report = _Report(
        total_seconds=float(total.group(1)),
        replies=int(total.group(3)),
        seconds=seconds,
        observations=observations,
        mean=_seconds(mean.group(1)),
        deviation=_seconds(mean.group(2)),
        smallest=extremes["MIN"],
        largest=extremes["MAX"],
        percentiles=percentiles,
        anomalies=(int(anomalies[1]), int(anomalies[2]), int(anomalies[3])) if anomalies else None,
    )
    _hold_together(report)
    return report


def _seconds(microseconds: str) -> float:
    return float(f"{microseconds}e-6")


def _percentiles(text: str, observations: int) -> Iterator[tuple[int, float]]:
    """Yield the percentiles that so many observations support, ascending."""
    printed = {int(name.replace(".", "")): value for name, value in _PERCENTILE.findall(text)}
    for milli in sorted(printed):
        if (_WHOLE - milli) * observations >= _WHOLE:
            yield milli, _seconds(printed[milli])


def _hold_together(report: _Report) -> None:
    """Raise where the figures cannot all be true."""
    if not (report.seconds and report.observations and report.replies >= report.observations):
        raise ProbeError("sockperf observed no round trip in its valid duration")
    if _MILLI["rtt_p50"] not in dict(report.percentiles):
        raise ProbeError(f"sockperf: {report.observations} observations give no median")
    curve = [report.smallest, *(value for _, value in report.percentiles), report.largest]
    if not report.percentiles[0][1] or curve != sorted(curve):
        raise ProbeError("sockperf's percentiles are zero or do not ascend")


def _complaint(text: str, client: Completed) -> str:
    """Return why there are no statistics, in sockperf's own words where it has some."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    told = ("ERROR:", "No messages were received", "Invalid", "interrupted by user", "Latency is")
    said = next((line for line in lines if any(word in line for word in told)), "")
    said = said[said.find("ERROR:") :] if "ERROR:" in said else said.removeprefix("sockperf: ")
    code = "unseen" if client.exit_code is None else str(client.exit_code)
    name = strerror_name(said)
    because = said[:300] if said else "its statistics are missing or cut short"
    return f"sockperf (exit code {code}): {because}" + (f" [{name}]" if name else "")


def _measurements(report: _Report) -> Iterator[Measurement]:
    known = dict(report.percentiles)
    for metric, milli in _MILLI.items():
        if milli in known:
            yield Measurement(metric, known[milli], SECONDS)
    yield Measurement("rtt_max", report.largest, SECONDS)
    yield Measurement("transactions", report.observations / report.seconds, PER_SECOND)


def _details(report: _Report) -> Iterator[tuple[str, FactValue]]:
    yield "sockperf.observations", report.observations
    yield "sockperf.seconds", report.seconds
    yield "sockperf.mean_rtt", report.mean
    yield "sockperf.rtt_deviation", report.deviation
    yield "sockperf.concurrency", report.observations / report.seconds * report.mean
    if report.anomalies is not None:
        names = ("dropped", "duplicated", "out_of_order")
        yield from zip((f"sockperf.{name}" for name in names), report.anomalies, strict=True)
