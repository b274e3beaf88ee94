"""Probes: one tool with one configuration each. Argv in, the tool's text in, numbers out."""

from typing import Final

from netbench.probes.base import AnyProbe, Birth, Lifecycle, Lived, Probe, Search, chooses
from netbench.probes.iperf3 import TcpThroughput, UdpRate, UdpSearch
from netbench.probes.lifecycle import ControlPlane
from netbench.probes.netperf import TcpConnect
from netbench.probes.sockperf import LoadedRoundTrip, TcpRoundTrip, UdpRoundTrip
from netbench.probes.strerror import strerror_name

PROBES: Final[dict[str, type[AnyProbe]]] = {
    probe.name: probe
    for probe in (
        TcpThroughput,
        TcpRoundTrip,
        UdpRoundTrip,
        LoadedRoundTrip,
        TcpConnect,
        UdpRate,
        UdpSearch,
        ControlPlane,
    )
}
"""Every kind of probe by the name that suites use."""

__all__ = [
    "PROBES",
    "AnyProbe",
    "Birth",
    "ControlPlane",
    "Lifecycle",
    "Lived",
    "LoadedRoundTrip",
    "Probe",
    "Search",
    "TcpConnect",
    "TcpRoundTrip",
    "TcpThroughput",
    "UdpRate",
    "UdpRoundTrip",
    "UdpSearch",
    "chooses",
    "strerror_name",
]
