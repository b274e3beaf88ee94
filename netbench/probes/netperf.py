"""Connections per second by netperf's TCP_CRR, in slices.

Each transaction connects, sends a request, takes the response and closes, one after the other. The
client is let go on and held; how many connections the server's namespace has accepted is counted by
the kernel at both edges of each slice (`PassiveOpens`, RFC 4022, in /proc/net/snmp). netperf's own
figure would be one of the whole session, pauses included, and is not asked for.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import geometric_mean
from typing import Annotated, ClassVar, Final, Literal

from netbench.errors import ProbeError
from netbench.probes.base import (
    NOT_FOUND,
    Argv,
    Counted,
    Session,
    Sliced,
    Span,
    Window,
    complaint,
    strerror_name,
)
from netbench.record import Completed, Measurement, Sample, Slice
from netbench.units import PER_SECOND

_KILLED: Final = -9  # exit code of a client that netbench ended


@dataclass(frozen=True, slots=True)
class TcpConnect(Sliced):
    """TCP connections that one client makes one after the other, each for one request."""

    name: ClassVar[str] = "tcp-crr"
    summary: ClassVar[str] = "TCP connections per second: connect, request, close (netperf)"
    tool: ClassVar[str] = "netperf"
    metrics: ClassVar[tuple[str, ...]] = ("connections", "cpu_per_transaction")
    second_port: ClassVar[bool] = True
    counted: ClassVar[Counted] = "connections"
    ended_by: ClassVar[Literal["ALRM", "TERM", "KILL"]] = "KILL"

    rounds: Annotated[int, Span(2, 1000)] = 6
    """Slices of a session."""
    size: Annotated[int, Span(1, 65_536)] = 1
    """Bytes of the request, and of the response."""

    def server_argv(self, address: str, port: int) -> Argv:
        """Return the server's command; no value of it may hold a comma, at which netperf cuts."""
        return ("netserver", "-D", "-f", _family(address), "-L", address, "-p", str(port))

    def session_argv(
        self, address: str, port: int, congestion_control: str | None, seconds: float
    ) -> Argv:
        """Return the client's command: netperf does not report which congestion control it used."""
        del congestion_control
        where = ("netperf", _family(address), "-H", address, "-p", str(port))
        return (*where, "-t", "TCP_CRR", "-l", str(math.ceil(seconds)), "--", "-r", str(self.size))

    def cannot(self, done: Completed) -> str | None:
        """Tell that the tool is not there; nothing else needs it."""
        said = f"{done.stdout}\n{done.stderr}"
        missing = done.exit_code in NOT_FOUND and strerror_name(said) == "ENOENT"
        return "netperf is not installed there (package netperf)" if missing else None

    def read_session(
        self, client: Completed, server: Completed | None, windows: Sequence[Window]
    ) -> Session:
        """Return the geometric mean of the slices' rates."""
        del server  # the kernel counts
        if client.exit_code != _KILLED:
            # The last words name the cause.
            text = f"{client.stdout}\n{client.stderr}"
            lines = [line.strip() for line in text.splitlines() if line.strip()]
            said = next((line for line in reversed(lines) if strerror_name(line)), "")
            said = said or next(iter(lines), "no reason given")
            raise ProbeError(complaint("netperf", client, said))
        slices = tuple(self._slice(window) for window in windows)
        rate = geometric_mean(self.values_of(slices))
        received = sum(one.received for one in slices)
        return Session(Sample((Measurement("connections", rate, PER_SECOND),), received), slices)

    def _slice(self, window: Window) -> Slice:
        if window.counts is None:
            return window.slice(None, reason="the connections could not be counted")
        first, last = window.counts
        made = last.server - first.server
        if made <= 0 or last.at <= first.at:
            return window.slice(None, made * self.size, reason="no connection was made")
        return window.slice(made / (last.at - first.at), made * self.size)


def _family(address: str) -> str:
    return "-6" if ":" in address else "-4"
