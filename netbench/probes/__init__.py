"""Probes: one tool with one configuration each. Argv in, the tool's text in, numbers out.

Other distributions add theirs by entry points of the group `netbench.probes`.
"""

import inspect
import re
from collections.abc import Iterator
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
from netbench.probes.name_lookup import NameLookup as NameLookup
from netbench.probes.netperf import TcpConnect
from netbench.probes.replacement import Attempt as Attempt
from netbench.probes.replacement import Replacement as Replacement
from netbench.probes.sockperf import LoadedRoundTrip as LoadedRoundTrip
from netbench.probes.sockperf import TcpRoundTrip as TcpRoundTrip
from netbench.probes.sockperf import UdpRoundTrip
from netbench.record import METRICS
from netbench.system.entry_points import Registry

PROBE_NAME: Final = re.compile(r"[a-z0-9][a-z0-9_.-]{0,39}")  # it stands in file names


def unfit(name: str, kind: object) -> Iterator[str]:
    """Yield what keeps a kind of probe out of the table under a name."""
    if not isinstance(kind, type) or not issubclass(kind, Probe | Sliced):
        yield "it is no class that derives from netbench.probes.Sliced or Probe"
        return
    if inspect.isabstract(kind):
        yield f"it lacks {', '.join(sorted(kind.__abstractmethods__))}"
        return
    if absent := [word for word in ("summary", "tool", "metrics") if not hasattr(kind, word)]:
        yield f"it lacks {', '.join(absent)}"
        return
    probe = kind()  # a ConfigurationError says what is wrong with the parameters' own values
    if probe.name != name:
        yield f"the probe's own name is {probe.name!r}"
    if not PROBE_NAME.fullmatch(name):
        yield "a probe's name is of letters in lower case, digits, dots, hyphens and underscores"
    if unknown := [metric for metric in probe.metrics if metric not in METRICS]:
        yield f"netbench has no metric {', '.join(map(repr, unknown))}"
    elif [METRICS[metric].primary for metric in probe.metrics].count(True) != 1:
        yield "its metrics have not one, and one only, that a run can be judged by"
    elif not METRICS[probe.metrics[0]].primary:
        yield "the metric that a run can be judged by is not the first of its metrics"


PROBES: Final = Registry[type[AnyProbe]](  # every kind of probe by the name that suites use
    "netbench.probes",
    {
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
            NameLookup,
        )
    },
    unfit,
)
