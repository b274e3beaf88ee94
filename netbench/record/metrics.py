"""The metrics: name, unit and which direction is good, declared once."""

from dataclasses import dataclass
from typing import Final, Literal

from netbench.units import BITS_PER_SECOND, COUNT, PER_SECOND, SECONDS


@dataclass(frozen=True, slots=True)
class Metric:
    """A quantity that trials measure."""

    name: str
    unit: str
    better: Literal["higher", "lower"]
    title: str
    primary: bool = False
    """Whether a run is judged by it; the others are shown beside it."""


METRICS: Final[dict[str, Metric]] = {
    metric.name: metric
    for metric in (
        Metric("throughput", BITS_PER_SECOND, "higher", "TCP throughput", primary=True),
        Metric("retransmits", COUNT, "lower", "TCP retransmits"),
        Metric("rtt_p50", SECONDS, "lower", "Round-trip time, median", primary=True),
        Metric("rtt_p90", SECONDS, "lower", "Round-trip time, 90th percentile"),
        Metric("rtt_p99", SECONDS, "lower", "Round-trip time, 99th percentile"),
        Metric("rtt_p999", SECONDS, "lower", "Round-trip time, 99.9th percentile"),
        Metric("rtt_max", SECONDS, "lower", "Round-trip time, largest"),
        Metric("transactions", PER_SECOND, "higher", "Transactions per second"),
    )
}
