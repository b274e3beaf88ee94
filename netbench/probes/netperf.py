"""Connections per second by netperf's TCP_CRR, in slices.

Each transaction connects, sends a request, takes the response and closes, one after the other for
each client. The clients are let go on and held; how many connections the server's namespace has
accepted is counted by the kernel at both edges of each slice (`PassiveOpens`, RFC 4022, in
/proc/net/snmp). netperf's own figure would be one of the whole session, pauses included, and is
not asked for.
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
from netbench.units import PER_SECOND, SECONDS

_KILLED: Final = -9  # exit code of a client that netbench ended


@dataclass(frozen=True, slots=True)
class TcpConnect(Sliced):
    """TCP connections that clients make, each client one after the other, for one request each."""

    name: ClassVar[str] = "tcp-crr"
    summary: ClassVar[str] = "TCP connections per second: connect, request, close (netperf)"
    tool: ClassVar[str] = "netperf"
    metrics: ClassVar[tuple[str, ...]] = ("connections", "connect_time", "cpu_per_transaction")
    second_port: ClassVar[bool] = True
    counted: ClassVar[Counted] = "connections"
    ended_by: ClassVar[Literal["ALRM", "TERM", "KILL"]] = "KILL"

    rounds: Annotated[int, Span(2, 1000)] = 6
    """Slices of a session."""
    size: Annotated[int, Span(1, 65_536)] = 1
    """Bytes of the request, and of the response."""
    clients: Annotated[int, Span(1, 64)] = 1
    """Clients at once, each with one connection at a time."""

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

    def through(self, argv: Argv, second: int) -> Argv:
        """Return a client's command that has its server listen for data at this port."""
        return (*argv, "-P", f",{second}")

    def cannot(self, done: Completed) -> str | None:
        """Tell that the tool is not there; nothing else needs it."""
        said = f"{done.stdout}\n{done.stderr}"
        missing = done.exit_code in NOT_FOUND and strerror_name(said) == "ENOENT"
        return "netperf is not installed there (package netperf)" if missing else None

    def read_session(
        self, client: Completed, server: Completed | None, windows: Sequence[Window]
    ) -> Session:
        """Return the numbers of one client, as `read_clients`."""
        return self.read_clients([(client, server)], windows)

    def read_clients(
        self, ends: Sequence[tuple[Completed, Completed | None]], windows: Sequence[Window]
    ) -> Session:
        """Return the geometric mean of the slices' rates, of all clients, which the kernel counts.

        The mean time of a connection follows from it by Little's law: each client has always one.
        """
        for client, _ in ends:
            _see_it_ran(client)
        slices = tuple(self._slice(window) for window in windows)
        rate = geometric_mean(self.values_of(slices))
        measurements = (
            Measurement("connections", rate, PER_SECOND),
            Measurement("connect_time", len(ends) / rate, SECONDS),
        )
        received = sum(one.received for one in slices)
        details = (("netperf.clients", len(ends)),)
        return Session(Sample(measurements, received, details=details), slices)

    def _slice(self, window: Window) -> Slice:
        if window.counts is None:
            return window.slice(None, reason="the connections could not be counted")
        first, last = window.counts
        made = last.server - first.server
        if made <= 0 or last.at <= first.at:
            return window.slice(None, made * self.size, reason="no connection was made")
        return window.slice(made / (last.at - first.at), made * self.size)


def _see_it_ran(client: Completed) -> None:
    """Raise ProbeError if a client ended by itself; its last words name the cause."""
    if client.exit_code != _KILLED:
        text = f"{client.stdout}\n{client.stderr}"
        lines = [line.strip() for line in text.splitlines() if line.strip()]
        said = next((line for line in reversed(lines) if strerror_name(line)), "")
        said = said or next(iter(lines), "no reason given")
        raise ProbeError(complaint("netperf", client, said))


def _family(address: str) -> str:
    return "-6" if ":" in address else "-4"
