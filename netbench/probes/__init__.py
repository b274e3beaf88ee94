"""Probes: one tool with one configuration each. Argv in, the tool's text in, numbers out."""

from typing import Final

from netbench.probes.base import AnyProbe as AnyProbe
from netbench.probes.base import Count as Count
from netbench.probes.base import Probe as Probe
from netbench.probes.base import Session as Session
from netbench.probes.base import Sliced as Sliced
from netbench.probes.base import ToolProbe as ToolProbe
from netbench.probes.base import Window as Window
from netbench.probes.base import chooses as chooses
from netbench.probes.base import strerror_name as strerror_name
from netbench.probes.iperf3 import TcpRate
from netbench.probes.iperf3 import TcpThroughput as TcpThroughput
from netbench.probes.iperf3.search import UdpSearch as UdpSearch
from netbench.probes.iperf3.udp import UdpRate as UdpRate
from netbench.probes.lifecycle import Birth as Birth
from netbench.probes.lifecycle import ControlPlane as ControlPlane
from netbench.probes.lifecycle import Lived as Lived
from netbench.probes.netperf import TcpConnect
from netbench.probes.replacement import Attempt as Attempt
from netbench.probes.replacement import Replacement as Replacement
from netbench.probes.sockperf import LoadedRoundTrip as LoadedRoundTrip
from netbench.probes.sockperf import TcpRoundTrip as TcpRoundTrip
from netbench.probes.sockperf import UdpRoundTrip

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
        Replacement,
    )
}
