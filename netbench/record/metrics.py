"""The metrics, declared once: name, unit, which direction is good; and budgets, their bounds."""

from dataclasses import dataclass
from typing import Final, Literal

from netbench.spec import Cell
from netbench.units import BITS_PER_SECOND, COUNT, PER_SECOND, RATIO, SECONDS, digits, spelled


@dataclass(frozen=True, slots=True)
class Metric:
    """A quantity that trials measure."""

    name: str
    unit: str
    better: Literal["higher", "lower"]
    title: str
    primary: bool = False  # whether a run is judged by it; the others are shown beside it
    compared: bool = True  # whether it has a ratio; not where 0 is one of its ordinary values


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
        Metric("connect_time", SECONDS, "lower", "Connect, request and close, mean"),
        Metric("cpu_per_byte", SECONDS, "lower", "CPU time per received byte"),
        Metric("cpu_per_transaction", SECONDS, "lower", "CPU time per transaction"),
        Metric("create_time", SECONDS, "lower", "Network created"),
        Metric("start_time", SECONDS, "lower", "Endpoint created to first byte", primary=True),
        Metric("remove_time", SECONDS, "lower", "Endpoint and network removed"),
        Metric("outage_time", SECONDS, "lower", "Unanswered while replaced", primary=True),
        Metric("lookup_outside", SECONDS, "lower", "Lookup of an outside name", primary=True),
        Metric("lookup_outside_first", SECONDS, "lower", "First lookup of an outside name"),
        Metric("lookup_peer", SECONDS, "lower", "Lookup of the peer's name"),
        Metric("lookup_peer_first", SECONDS, "lower", "First lookup of the peer's name"),
        Metric("lookup_missing", SECONDS, "lower", "Lookup of a missing name"),
        Metric("lookup_missing_first", SECONDS, "lower", "First lookup of a missing name"),
        Metric("lookup_failures", RATIO, "lower", "Share of lookups that fail", compared=False),
    )
}


@dataclass(frozen=True, slots=True)
class Budget:
    """One bound on a metric in each cell that it covers: `bridge.rtt_p99@same <= host + 20us`."""

    driver: str  # whose metric is bounded, with mode and variant
    metric: str  # a key of `METRICS`
    words: tuple[str, ...]  # placements, paths and probes that narrow the cells; none for all
    relation: Literal["<=", ">="]
    reference: str | None  # the driver that the bound is taken from; None for an absolute bound
    factor: float  # of the reference's value; 1 where there is no reference
    offset: float  # added to that, in the metric's unit; the bound itself without reference

    def covers(self, cell: Cell) -> bool:
        """Tell whether this is a cell of the driver that the words leave in."""
        facets = (cell.placement.value, cell.path.value, cell.probe)
        return cell.driver == self.driver and all(word in facets for word in self.words)

    @property
    def proportional(self) -> bool:
        """Whether the bound is a factor of the reference's value, and nothing else."""
        return self.reference is not None and self.offset == 0

    def __str__(self) -> str:
        """Return the expression, in the grammar that `--require` takes."""
        left = "@".join((f"{self.driver}.{self.metric}", *self.words))
        return f"{left} {self.relation} {self.bound}"

    @property
    def bound(self) -> str:
        """The right side: `20us`, `0.9 host`, `host + 20us`."""
        unit = METRICS[self.metric].unit
        if self.reference is None:
            return spelled(self.offset, unit)
        factor = "" if self.factor == 1 else f"{digits(self.factor)} "
        sign = "+" if self.offset > 0 else "-"
        offset = f" {sign} {spelled(abs(self.offset), unit)}" if self.offset else ""
        return f"{factor}{self.reference}{offset}"
