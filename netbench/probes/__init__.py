"""Probes: one tool with one configuration each. Argv in, the tool's text in, numbers out."""

from typing import Final

from netbench.probes.base import Probe
from netbench.probes.iperf3 import TcpThroughput
from netbench.probes.sockperf import TcpRoundTrip
from netbench.probes.strerror import strerror_name

PROBES: Final[dict[str, type[Probe]]] = {
    probe.name: probe for probe in (TcpThroughput, TcpRoundTrip)
}
"""Every probe by the name that suites and records use."""

__all__ = ["PROBES", "Probe", "TcpRoundTrip", "TcpThroughput", "strerror_name"]
