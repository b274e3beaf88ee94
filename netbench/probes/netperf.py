"""Connections per second by netperf's TCP_CRR, in slices.

Each transaction connects, sends a request, takes the response and closes, one after the other. The
client is let go on and held; how many connections the server's namespace has accepted is counted by
the kernel at both edges of each slice (`PassiveOpens`, RFC 4022, in /proc/net/snmp). netperf's own
figure would be one of the whole session, pauses included, and is not asked for.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Final, Literal

from netbench.errors import ProbeError
from netbench.probes.base import Counted, Session, Window, whole_enough
from netbench.probes.bounds import hold, outside
from netbench.probes.strerror import strerror_name
from netbench.record import Completed, Measurement, Sample, Slice
from netbench.spec import Role
from netbench.units import PER_SECOND

_NOT_FOUND: Final = (126, 127)
"""Exit codes of whatever starts a tool that is not there."""
_KILLED: Final = -9
"""How we end it."""


@dataclass(frozen=True, slots=True)
class TcpConnect:
    """TCP connections that one client makes one after the other, each for one request."""

    name: ClassVar[str] = "tcp-crr"
    summary: ClassVar[str] = "TCP connections per second: connect, request, close (netperf)"
    tool: ClassVar[str] = "netperf"
    protocols: ClassVar[tuple[Literal["tcp", "udp"], ...]] = ("tcp",)
    server_ends: ClassVar[bool] = False
    second_port: ClassVar[bool] = True
    counted: ClassVar[Counted] = "connections"
    pause: ClassVar[float] = 0.0
    lead: ClassVar[float] = 0.0
    ended_by: ClassVar[Literal["ALRM", "TERM", "KILL"]] = "KILL"

    rounds: int = 6
    """Slices of a session."""
    slice: float = 0.2
    """Seconds of each."""
    size: int = 1
    """Bytes of the request, and of the response."""

    def __post_init__(self) -> None:
        """Refuse what is too short to be measured, or would take too long."""
        hold(
            self.name,
            outside("rounds", self.rounds, 2, 1000, whole=True),
            outside("slice", self.slice, 0.05, 10, whole=False),
            outside("size", self.size, 1, 65_536, whole=True),
        )

    def server_argv(self, address: str, port: int) -> tuple[str, ...]:
        """Return the server's command: in the foreground, without a child for each test.

        Neither end's command may hold two values with a comma between them: netperf cuts its own
        arguments there, and the process would show another command than the one it was given.
        """
        return ("netserver", "-D", "-f", _family(address), "-L", address, "-p", str(port))

    def session_argv(
        self,
        address: str,
        port: int,
        congestion_control: str | None,  # noqa: ARG002 - see below
        seconds: float,
    ) -> tuple[str, ...]:
        """Return the client's command, with the system's own congestion control.

        netperf has an option for another one, takes any name for it in silence, and does not tell
        which one its short connections had.
        """
        where = ("netperf", _family(address), "-H", address, "-p", str(port))
        return (*where, "-t", "TCP_CRR", "-l", str(math.ceil(seconds)), "--", "-r", str(self.size))

    @property
    def metrics(self) -> tuple[str, ...]:
        """The rate: netperf's latencies are whole microseconds, and of the whole session."""
        return ("connections", "cpu_per_transaction")

    @property
    def expected(self) -> float:
        """Seconds of measuring."""
        return self.rounds * self.slice

    @property
    def receivers(self) -> tuple[Role, ...]:
        """Nobody: no bytes are counted."""
        return ()

    @property
    def load(self) -> None:
        """Nothing runs beside it."""

    def cannot(self, done: Completed) -> str | None:
        """Tell that the tool is not there: nothing else that we measure needs it."""
        said = f"{done.stdout}\n{done.stderr}"
        missing = done.exit_code in _NOT_FOUND and strerror_name(said) == "ENOENT"
        return "netperf is not installed there (package netperf)" if missing else None

    def read_session(
        self,
        client: Completed,
        server: Completed | None,  # noqa: ARG002 - the kernel counts
        windows: Sequence[Window],
    ) -> Session:
        """Return the geometric mean of the slices' rates."""
        if client.exit_code != _KILLED:
            raise ProbeError(_complaint(client))
        slices = tuple(self._slice(window) for window in windows)
        values = whole_enough("netperf", slices, self.rounds)
        rate = math.exp(math.fsum(map(math.log, values)) / len(values))
        return Session(
            Sample(
                measurements=(Measurement("connections", rate, PER_SECOND),),
                received=sum(one.received for one in slices),
            ),
            slices,
        )

    def _slice(self, window: Window) -> Slice:
        why, rate, made = "the connections could not be counted", None, 0
        if window.counts is not None:
            first, last = window.counts
            made = last.server - first.server
            why = "" if made > 0 and last.at > first.at else "no connection was made"
            rate = None if why else made / (last.at - first.at)
        return Slice(
            round=window.round,
            order=window.order,
            start=window.start,
            end=window.end,
            value=rate,
            received=made * self.size,
            reason=why,
        )


def _family(address: str) -> str:
    return "-6" if ":" in address else "-4"


def _complaint(client: Completed) -> str:
    """Return what a netperf that failed says, its last words first: those name the cause."""
    code = "unseen" if client.exit_code is None else str(client.exit_code)
    lines = [s.strip() for s in f"{client.stdout}\n{client.stderr}".splitlines() if s.strip()]
    said = next((line for line in reversed(lines) if strerror_name(line)), "")
    said = (said or next(iter(lines), "") or "no reason given")[:300]
    name = strerror_name(said)
    return f"netperf (exit code {code}): {said}" + (f" [{name}]" if name else "")
