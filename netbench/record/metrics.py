"""The metrics: name, unit and which direction is good, declared once."""

from dataclasses import dataclass
from typing import Final, Literal

from netbench.units import BITS_PER_SECOND, COUNT, PER_SECOND, RATIO, SECONDS


@dataclass(frozen=True, slots=True)
class Metric:
    """A quantity that trials measure."""

    name: str
    unit: str
    better: Literal["higher", "lower"]
    title: str
    primary: bool = False
    """Whether a run is judged by it; the others are shown beside it."""
    compared: bool = True
    """Whether it has a ratio; not where 0 is one of its ordinary values."""


METRICS: Final[dict[str, Metric]] = {
    metric.name: metric
    for metric in (
        Metric("throughput", BITS_PER_SECOND, "higher", "Throughput", primary=True),
        Metric("retransmits", COUNT, "lower", "TCP retransmits", compared=False),
        Metric("ndr", BITS_PER_SECOND, "higher", "UDP rate without loss (NDR)", primary=True),
        Metric("pdr01", BITS_PER_SECOND, "higher", "UDP rate at 0.1 % loss (PDR)"),
        Metric("pdr05", BITS_PER_SECOND, "higher", "UDP rate at 0.5 % loss (PDR)"),
        Metric("loss", RATIO, "lower", "Share of datagrams lost", compared=False),
        Metric("jitter", SECONDS, "lower", "Jitter between datagrams, RFC 1889", compared=False),
        Metric("rtt_p50", SECONDS, "lower", "Round-trip time, median", primary=True),
        Metric("rtt_p90", SECONDS, "lower", "Round-trip time, 90th percentile"),
        Metric("rtt_p99", SECONDS, "lower", "Round-trip time, 99th percentile"),
        Metric("rtt_p999", SECONDS, "lower", "Round-trip time, 99.9th percentile"),
        Metric("rtt_max", SECONDS, "lower", "Round-trip time, largest"),
        Metric("transactions", PER_SECOND, "higher", "Transactions per second"),
        Metric("buffer_delay", RATIO, "lower", "Round-trip time added by load", compared=False),
        Metric("connections", PER_SECOND, "higher", "Connections per second", primary=True),
        Metric("cpu_per_byte", SECONDS, "lower", "CPU time per received byte"),
        Metric("cpu_per_transaction", SECONDS, "lower", "CPU time per transaction"),
        Metric("create_time", SECONDS, "lower", "Network created"),
        Metric("start_time", SECONDS, "lower", "Endpoint created to first byte", primary=True),
        Metric("remove_time", SECONDS, "lower", "Endpoint and network removed"),
    )
}
