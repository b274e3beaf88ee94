"""Round trips by sockperf, over TCP and over UDP, in slices; one message a client at a time.

A closed loop: the next message leaves when the reply to the last one is there, and a client that is
held pauses. By its log of when messages left and replies came, what lies between a slice's edges
makes the slice, without the round trip that was under way when the client was held. TCP repeats
what was lost, which shows as a long round trip; over UDP sockperf waits for it for good, and the
slices after it give no number.

Exit code 0 proves nothing: sockperf (3.6 and 3.7) ends so after a refused connection or a wrong
option too. A session counts only if the whole block of statistics is there.
"""

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import geometric_mean
from typing import Annotated, ClassVar, Final, Literal

import numpy as np

from netbench.errors import ProbeError
from netbench.probes.base import Argv, Counted, Session, Sliced, Span, Window, complaint
from netbench.probes.iperf3 import TcpThroughput
from netbench.probes.sockperf_log import Column, Round, rounds_of
from netbench.record import Completed, FactValue, Measurement, Sample, Slice
from netbench.record.histogram import histogram_of
from netbench.spec import Protocol
from netbench.units import PER_SECOND, SECONDS

_LOG: Final = ("--full-log", "/dev/stderr")  # roots are read-only, and stdout holds the statistics
_MOST_CLIENTS: Final = 64
_TOGETHER: Final = 200_000
"""Messages per second, pauses included, that several clients may send together.

sockperf reserves memory for each. A client that was held catches up: one that keeps to this mean
over all arms' slices is a closed loop as long as one arm's slices carry no more than twice as many.
"""
_UNHURRIED: Final = 0.9  # share of that limit below which no client has waited for it
_SILENT: Final = 0.5  # share of a slice without a message: one is lost, or the machine is busy
_QUANTILES: Final = (0.25, 0.5, 0.75, 0.9, 0.99, 0.999, 0.9999, 0.99999)
_METRICS: Final = {"rtt_p90": 0.9, "rtt_p99": 0.99, "rtt_p999": 0.999}  # of all round trips
_FIGURES: Final = ("rtt_p50", *_METRICS, "rtt_max", "transactions")
_ANSI: Final = re.compile(r"\x1b\[[0-9;]*m")
_INVALID: Final = re.compile(r"Invalid address: (\S+)$", re.MULTILINE)
_STATISTICS: Final = ("[Total Run] RunTime=", "[Valid Duration] RunTime=", "====> avg-rtt=")
"""Parts of what sockperf prints at the end of a whole run, which `_END` closes."""
_END: Final = re.compile(
    r"Total [1-9]\d{0,14} observations;[\s\S]*---> percentile 50\.000 = [\s\S]*"
    r"---> <MIN> observation = +\d{1,12}\.\d{3}$",
    re.MULTILINE,
)
_ANOMALIES: Final = re.compile(
    r"# dropped messages = (\d{1,15}); # duplicated messages = (\d{1,15}); "
    r"# out-of-order messages = (\d{1,15})$",
    re.MULTILINE,
)
_LOSSES: Final = ("dropped", "duplicated", "out_of_order")
_CAUSES: Final = (  # words of the line that says why there are no statistics, or too few
    "ERROR:",
    "No messages were received",
    "No valid observations found",
    "Test end before test start",
    "Invalid",
    "interrupted by user",
    "Latency is",
)


@dataclass(frozen=True, slots=True)
class _PingPong(Sliced):
    """What is the same over both protocols."""

    tool: ClassVar[str] = "sockperf"
    metrics: ClassVar[tuple[str, ...]] = (*_FIGURES, "cpu_per_transaction")
    pause: ClassVar[float] = 2.0  # sockperf sleeps between its warm-up messages and the test
    lead: ClassVar[float] = 0.45  # it leaves the first 0.4 s out of its log, and the last 0.05 s
    ended_by: ClassVar[Literal["ALRM", "TERM", "KILL"]] = "ALRM"

    slice: Annotated[float, Span(0.04, 10)] = 0.1
    """Seconds of each."""
    size: Annotated[int, Span(14, 65_472)] = 14
    """Bytes of a message."""

    def server_argv(self, address: str, port: int) -> Argv:
        """Return the server's command; it runs until it is ended."""
        return ("sockperf", "sr", "-i", address, "-p", str(port), *self._protocol())

    def session_argv(
        self, address: str, port: int, congestion_control: str | None, seconds: float
    ) -> Argv:
        """Return the client's command; sockperf keeps 14 MB for each second that it may take."""
        del congestion_control  # it cannot choose one
        where = ("sockperf", "pp", "-i", address, "-p", str(port), *self._protocol())
        most = ("--mps", str(_TOGETHER // self.clients)) if self.clients > 1 else ()
        how = ("--full-rtt", "-t", str(math.ceil(seconds)), "-m", str(self.size))
        return (*where, *how, *most, *_LOG)

    def _protocol(self) -> Argv:
        return ("--tcp",) if "tcp" in self.protocols else ()

    def cannot(self, done: Completed) -> str | None:
        """IPv6 came with sockperf 3.8; a version without it says that the address is invalid."""
        refused = _INVALID.search(_ANSI.sub("", f"{done.stdout}\n{done.stderr}"))
        if refused is None or ":" not in refused[1]:
            return None
        return f"this sockperf takes no IPv6 address ({refused[1]}); 3.8 and later do"

    def read_session(
        self, client: Completed, server: Completed | None, windows: Sequence[Window]
    ) -> Session:
        """Return the numbers of one client, as `read_clients`."""
        return self.read_clients([(client, server)], windows)

    def read_clients(
        self, ends: Sequence[tuple[Completed, Completed | None]], windows: Sequence[Window]
    ) -> Session:
        """Return percentiles of the round-trip time and transactions per second, of all clients.

        The median is the middle of the slices' medians (`midmean`); other percentiles are of all
        round trips that the slices hold. One is left out where fewer than one observation lies
        beyond it: p99 needs 100 observations and p99.9 needs 1000.
        """
        texts = [_statistics(client) for client, _ in ends]  # servers print no figures
        logs = [rounds_of(client.stderr, windows) for client, _ in ends]
        self._see_unhurried(logs, windows)
        found = list(zip(*logs, strict=True))  # of each slice, every client's
        slices = tuple(self._slice(window, own) for window, own in zip(windows, found, strict=True))
        middle = midmean(self.values_of(slices))
        counted = [own for own, one in zip(found, slices, strict=True) if one.value is not None]
        times = np.sort(np.concatenate([one.times for own in counted for one in own]))
        rate = math.fsum(_rate(own) for own in zip(*counted, strict=True))
        quantiles = {q: _quantile(times, q) for q in _QUANTILES if (1 - q) * len(times) >= 1}
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
                    Measurement("transactions", rate, PER_SECOND),
                ),
                received=sum(one.received for one in slices),
                quantiles=((0.0, float(times[0])), *quantiles.items(), (1.0, float(times[-1]))),
                histogram=histogram_of(times),
                details=tuple(_details(times, rate, texts)),
            ),
            slices,
        )

    def _see_unhurried(self, logs: Sequence[Sequence[Round]], windows: Sequence[Window]) -> None:
        """Raise ProbeError if sockperf's limit of several clients may have held one back."""
        seconds = windows[-1].end - windows[0].released
        most = max(sum(one.replies for one in log) for log in logs) / seconds
        if self.clients > 1 and most > _UNHURRIED * _TOGETHER / self.clients:
            limit = f"{_TOGETHER // self.clients:,} messages per second"
            raise ProbeError(
                f"sockperf: a client came to its limit of {limit}: with {self.clients} clients on "
                "so fast a path it may have waited"
            )

    def _slice(self, window: Window, found: Sequence[Round]) -> Slice:
        """Return one slice; its value is the median of its round trips, those of every client."""
        length = window.end - window.start
        received = sum(one.replies for one in found) * self.size
        flowed = min(one.seconds for one in found)
        if flowed < (1 - _SILENT) * length:
            which = f", of {len(found)} clients the least" if len(found) > 1 else ""
            why = f"messages flowed for {flowed:.3f} of {length:.3f} s{which}"
            return window.slice(None, received, reason=why)
        times = np.concatenate([one.times for one in found])
        return window.slice(_quantile(np.sort(times), 0.5), received)


def midmean(values: Sequence[float]) -> float:
    """Return the geometric mean of the middle half of values > 0: the interquartile mean of logs.

    A slice in which the machine was busy does not move it, and it varies less than the median.
    """
    cut = len(values) // 4
    return geometric_mean(sorted(values)[cut : len(values) - cut])


def _quantile(ascending: Column, q: float) -> float:
    """Return the smallest value that at least this share of them does not exceed."""
    return float(ascending[max(0, math.ceil(q * len(ascending)) - 1)])


def _rate(rounds: Sequence[Round]) -> float:
    """Return a client's round trips per second in these slices."""
    return sum(len(one.times) for one in rounds) / math.fsum(one.seconds for one in rounds)


def _statistics(client: Completed) -> str:
    """Return the statistics of a run that went to its end; else raise ProbeError in its words."""
    if client.timed_out:
        raise ProbeError(f"sockperf had not ended after {client.seconds:.1f} s and was killed")
    text = _ANSI.sub("", client.stdout)
    stopped = client.exit_code != 0 or "interrupted by user" in text or "ERROR" in text
    if stopped or not all(part in text for part in _STATISTICS) or not _END.search(text):
        lines = (line.strip() for line in text.splitlines())
        said = next((line for line in lines if any(word in line for word in _CAUSES)), "")
        said = said[said.find("ERROR:") :] if "ERROR:" in said else said.removeprefix("sockperf: ")
        said = said or "its statistics are missing or cut short"
        raise ProbeError(complaint("sockperf", client, said))
    return text


def _details(times: Column, rate: float, texts: Sequence[str]) -> Iterator[tuple[str, FactValue]]:
    mean = float(times.mean())
    yield "sockperf.observations", len(times)
    yield "sockperf.seconds", len(times) / rate
    yield "sockperf.mean_rtt", mean
    yield "sockperf.clients", len(texts)
    yield "sockperf.concurrency", rate * mean
    anomalies = [found for text in texts if (found := _ANOMALIES.search(text))]
    if len(anomalies) == len(texts):
        for at, name in enumerate(_LOSSES, start=1):
            yield f"sockperf.{name}", sum(int(found[at]) for found in anomalies)


@dataclass(frozen=True, slots=True)
class TcpRoundTrip(_PingPong):
    """Round trips over one TCP connection."""

    name: ClassVar[str] = "tcp-rr"
    summary: ClassVar[str] = "TCP round-trip time, one message at a time (sockperf)"

    clients: Annotated[int, Span(1, _MOST_CLIENTS)] = 1
    """Connections at once, each with one message under way."""


@dataclass(frozen=True, slots=True)
class UdpRoundTrip(_PingPong):
    """Round trips of UDP datagrams; one larger than the MTU travels in fragments."""

    name: ClassVar[str] = "udp-rr"
    summary: ClassVar[str] = "UDP round-trip time, one datagram at a time (sockperf)"
    protocols: ClassVar[tuple[Protocol, ...]] = ("udp",)

    clients: Annotated[int, Span(1, _MOST_CLIENTS)] = 1
    """Clients at once, each with one datagram under way."""


@dataclass(frozen=True, slots=True)
class LoadedRoundTrip(_PingPong):
    """Round trips over one TCP connection while another fills the path, as one session."""

    name: ClassVar[str] = "tcp-rr-loaded"
    summary: ClassVar[str] = "TCP round-trip time beside one full stream (sockperf and iperf3)"
    metrics: ClassVar[tuple[str, ...]] = (*_FIGURES, "buffer_delay")  # CPU time is that of both
    counted: ClassVar[Counted] = "bytes"

    slice: Annotated[float, Span(0.04, 10)] = 0.2
    """Seconds of each."""

    @property
    def load(self) -> TcpThroughput:
        """One stream that is let go on before the first message and held after the last."""
        return TcpThroughput(rounds=self.rounds, slice=self.slice)
