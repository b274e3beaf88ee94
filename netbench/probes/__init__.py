"""Probes: one tool with one configuration each. Argv in, the tool's text in, numbers out."""

from typing import Final

from netbench.probes.base import (
    AnyProbe,
    Count,
    Probe,
    Session,
    Sliced,
    ToolProbe,
    Window,
    chooses,
    strerror_name,
)
from netbench.probes.iperf3 import TcpRate, TcpThroughput
from netbench.probes.iperf3.search import UdpSearch
from netbench.probes.iperf3.udp import UdpRate
from netbench.probes.lifecycle import Birth, ControlPlane, Lived
from netbench.probes.netperf import TcpConnect
from netbench.probes.sockperf import LoadedRoundTrip, TcpRoundTrip, UdpRoundTrip

PROBES: Final[dict[str, type[AnyProbe]]] = {  # every kind of probe by the name that suites use
    probe.name: probe
    for probe in (
        TcpThroughput,
        TcpRoundTrip,
        UdpRoundTrip,
        LoadedRoundTrip,
        TcpConnect,
        TcpRate,
        UdpRate,
        UdpSearch,
        ControlPlane,
    )
}

__all__ = [
    "PROBES",
    "AnyProbe",
    "Birth",
    "ControlPlane",
    "Count",
    "Lived",
    "LoadedRoundTrip",
    "Probe",
    "Session",
    "Sliced",
    "TcpRoundTrip",
    "TcpThroughput",
    "ToolProbe",
    "UdpRate",
    "UdpSearch",
    "Window",
    "chooses",
    "strerror_name",
]
