"""The probes of iperf3: TCP and UDP streams, and the search for the rate that UDP bears."""

from netbench.probes.iperf3.paced import TcpRate
from netbench.probes.iperf3.search import UdpSearch
from netbench.probes.iperf3.tcp import TcpThroughput
from netbench.probes.iperf3.udp import UdpRate

__all__ = ["TcpRate", "TcpThroughput", "UdpRate", "UdpSearch"]
