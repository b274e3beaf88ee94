"""Probes for campaigns by the hundred: so many bytes or round trips, not so many seconds.

By netperf, whose clock stops with the last byte. `iperf3 -n` ends at the next whole second (seen
with 3.18), and sockperf pauses for two: neither measures a fraction of a second.
"""

from dataclasses import dataclass
from typing import ClassVar, Final, Literal

from netbench.errors import ConfigurationError, ProbeError
from netbench.record import Completed, Measurement, Sample

RATE, UNIT, RECEIVED = "THROUGHPUT", "THROUGHPUT_UNITS", "REMOTE_BYTES_RECVD"
RETRANSMITS, CONTROL = "LOCAL_TRANSPORT_RETRANS", "LOCAL_CONG_CONTROL"
KEYS: Final = f"{RATE},{UNIT},{RECEIVED},{RETRANSMITS},{CONTROL}"
UNITS: Final = {"10^6bits/s": 1e6, "Trans/s": 1.0}


class Short:
    """What both probes share."""

    tool: ClassVar[str] = "netperf"
    protocols: ClassVar[tuple[Literal["tcp", "udp"], ...]] = ("tcp",)
    server_ends: ClassVar[bool] = False
    holdable: ClassVar[float] = 0.0
    second_port: ClassVar[bool] = True

    expected = 0.3
    """Seconds, roughly."""
    steady = (0.0, 0.0)
    """Too short to read the machine's CPU time in."""
    load = None
    deadline = 15.0

    def server_argv(self, address: str, port: int) -> tuple[str, ...]:
        """Return the server's command; it runs until it is ended."""
        return ("netserver", "-D", "-4", "-L", address, "-p", str(port))

    def cannot(self, done: Completed) -> str | None:  # noqa: ARG002 -- every version counts
        """Every version does all that is asked of it."""
        return None


@dataclass(frozen=True, slots=True)
class ShortStream(Short):
    """Bytes that one TCP stream delivers in a fraction of a second, counted by the receiver."""

    name: ClassVar[str] = "short-stream"
    summary: ClassVar[str] = "TCP throughput of one short stream, at the receiver (netperf)"
    metrics: ClassVar[tuple[str, ...]] = ("throughput", "retransmits")

    megabytes: int = 100
    """Payload of a trial, 1e6 bytes."""

    def __post_init__(self) -> None:
        """Refuse what netperf would take for seconds."""
        if self.megabytes < 1:
            raise ConfigurationError(f"{self.name}: `megabytes` is at least 1")

    def client_argv(
        self,
        address: str,
        port: int,
        congestion_control: str | None,  # noqa: ARG002 -- the campaigns leave it to the system
    ) -> tuple[str, ...]:
        """Return the client's command; a negative length is one in bytes."""
        return argv("TCP_STREAM", address, port, self.megabytes * 1_000_000, "-k", KEYS)

    def parse(self, client: Completed, server: Completed | None) -> Sample:  # noqa: ARG002 -- the client prints both ends' figures
        """Return the receiver's bytes over the transfer's time."""
        return read(client, "throughput", "bit/s")


@dataclass(frozen=True, slots=True)
class ShortRoundTrips(Short):
    """Round trips of one message at a time, in a fraction of a second."""

    name: ClassVar[str] = "short-rr"
    summary: ClassVar[str] = "TCP transactions per second, one at a time (netperf)"
    metrics: ClassVar[tuple[str, ...]] = ("transactions",)

    count: int = 10_000
    """Round trips of a trial."""
    size: int = 14
    """Bytes of a message."""

    def __post_init__(self) -> None:
        """Refuse what netperf would take for seconds."""
        if self.count < 1 or self.size < 1:
            raise ConfigurationError(f"{self.name}: `count` and `size` are at least 1")

    def client_argv(
        self,
        address: str,
        port: int,
        congestion_control: str | None,  # noqa: ARG002 -- the campaigns leave it to the system
    ) -> tuple[str, ...]:
        """Return the client's command; a negative length is one in transactions."""
        sizes = f"{self.size},{self.size}"
        return argv("TCP_RR", address, port, self.count, "-r", sizes, "-k", KEYS)

    def parse(self, client: Completed, server: Completed | None) -> Sample:  # noqa: ARG002 -- the client prints both ends' figures
        """Return round trips over their time."""
        return read(client, "transactions", "1/s")


def argv(test: str, address: str, port: int, amount: int, *own: str) -> tuple[str, ...]:
    """Return netperf's command for an amount of something."""
    where = ("netperf", "-4", "-H", address, "-p", str(port))
    return (*where, "-t", test, "-P", "0", "-l", f"-{amount}", "--", *own)


def read(client: Completed, metric: str, unit: str) -> Sample:
    """Return netperf's rate under the name of a metric.

    Raises:
        ProbeError: it is not the output of a test that went well.
    """
    said = dict(line.split("=", 1) for line in client.stdout.splitlines() if "=" in line)
    try:
        rate, received = float(said[RATE]) * UNITS[said[UNIT]], int(said[RECEIVED])
        retransmits, control = int(said[RETRANSMITS]), said[CONTROL]
    except (ValueError, LookupError) as exc:
        raise ProbeError(f"netperf: {(client.stderr or client.stdout).strip()[:300]}") from exc
    if client.exit_code != 0 or rate <= 0 or received <= 0:
        raise ProbeError(f"netperf: exit code {client.exit_code}, rate {rate}, {received} bytes")
    found = [Measurement(metric, rate, unit)]
    if metric == "throughput":
        found.append(Measurement("retransmits", float(retransmits), "count"))
    return Sample(tuple(found), received, details=(("congestion_control", control),))
