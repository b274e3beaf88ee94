"""Connections per second by netperf's TCP_CRR, read from its KEY=VALUE lines (version 2.7.1).

Each transaction connects, sends a request, takes the response and closes, one after the other. A
selector that netperf does not know gives an empty field and exit code 0, and a figure that it did
not measure is -1: a trial counts only if every field that was asked for holds a number that could
be meant.

A trial makes a fixed number of connections: where netperf is given a time instead, its server
learns of the end only from a timer of its own, 4 s late. So every arm does the same work, and
leaves as many connections behind.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import ClassVar, Final, Literal

from netbench.errors import ProbeError
from netbench.probes.bounds import hold, outside
from netbench.probes.strerror import strerror_name
from netbench.record import Completed, FactValue, Measurement, Sample
from netbench.units import PER_SECOND

_GRACE: Final = 5.0
"""Seconds allowed for connecting and for exchanging results."""
_EDGE: Final = 0.1
"""Seconds at the start of the run that CPU time is not read in."""
_LEAST, _USUAL, _MOST = 300, 6_000, 25_000
"""Connections per second: on a path that is hardly one, between two namespaces, and at the most."""
_TICK, _STRAY = 0.01, 0.01
"""Seconds to which netperf rounds the run time, and its relative stray beside that."""
_MICRO: Final = 1e-6
_NOT_FOUND: Final = (126, 127)
"""Exit codes of whatever starts a tool that is not there."""

_BYTES: Final = ("REQUEST_SIZE", "RESPONSE_SIZE", "LOCAL_BYTES_RECVD", "REMOTE_BYTES_RECVD")
_NUMBERS: Final = (
    "THROUGHPUT",
    "ELAPSED_TIME",
    *_BYTES,
    "MIN_LATENCY",
    "MEAN_LATENCY",
    "P50_LATENCY",
    "P90_LATENCY",
    "P99_LATENCY",
    "MAX_LATENCY",
)
_UNITS: Final = "THROUGHPUT_UNITS"
_LINE: Final = re.compile(r"^([A-Z0-9_]+)=(.*)$", re.MULTILINE)
_NUMBER: Final = re.compile(r"\d{1,15}(?:\.\d{1,9})?")


@dataclass(frozen=True, slots=True)
class TcpConnect:
    """TCP connections that one client makes one after the other, each for one request."""

    name: ClassVar[str] = "tcp-crr"
    summary: ClassVar[str] = "TCP connections per second: connect, request, close (netperf)"
    tool: ClassVar[str] = "netperf"
    protocols: ClassVar[tuple[Literal["tcp", "udp"], ...]] = ("tcp",)
    server_ends: ClassVar[bool] = False
    holdable: ClassVar[float] = 0.0
    second_port: ClassVar[bool] = True

    connections: int = 10_000
    """Made one after the other."""
    size: int = 1
    """Bytes of the request, and of the response."""

    def __post_init__(self) -> None:
        """Refuse what is too short to be measured, or would take too long."""
        hold(
            self.name,
            outside("connections", self.connections, 1_000, 1_000_000, whole=True),
            outside("size", self.size, 1, 65_536, whole=True),
        )

    def server_argv(self, address: str, port: int) -> tuple[str, ...]:
        """Return the server's command: in the foreground, without a child for each test.

        Neither end's command may hold two values with a comma between them: netperf cuts its own
        arguments there, and the process would show another command than the one it was given.
        """
        return ("netserver", "-D", "-f", _family(address), "-L", address, "-p", str(port))

    def client_argv(
        self,
        address: str,
        port: int,
        congestion_control: str | None,  # noqa: ARG002 - see below
    ) -> tuple[str, ...]:
        """Return the client's command, with the system's own congestion control.

        netperf has an option for another one, takes any name for it in silence, and does not tell
        which one its short connections had.
        """
        where = ("netperf", _family(address), "-H", address, "-p", str(port))
        what = ("-t", "TCP_CRR", "-l", str(-self.connections), "-P", "0", "-j")
        return (*where, *what, "--", "-r", str(self.size), "-k", ",".join((*_NUMBERS, _UNITS)))

    @property
    def metrics(self) -> tuple[str, ...]:
        """The rate, which is all that is exact: netperf's latencies are whole microseconds."""
        return ("connections", "cpu_per_transaction")

    @property
    def expected(self) -> float:
        """Seconds, at the rate that is usual between two namespaces."""
        return self.connections / _USUAL

    @property
    def steady(self) -> tuple[float, float]:
        """What is sure to lie within the run, without its first moment."""
        return _EDGE, self.connections / _MOST

    @property
    def load(self) -> None:
        """Nothing runs beside it."""

    @property
    def deadline(self) -> float:
        """Seconds."""
        return self.connections / _LEAST + _GRACE

    def cannot(self, done: Completed) -> str | None:
        """Tell that the tool is not there: nothing else that we measure needs it."""
        said = f"{done.stdout}\n{done.stderr}"
        missing = done.exit_code in _NOT_FOUND and strerror_name(said) == "ENOENT"
        return "netperf is not installed there (package netperf)" if missing else None

    def parse(self, client: Completed, server: Completed | None) -> Sample:  # noqa: ARG002 - the client has both ends' figures
        """Return the rate, with latencies as details."""
        numbers = _fields(client)
        elapsed, rate = numbers["ELAPSED_TIME"], numbers["THROUGHPUT"]
        exchanged = self.connections * self.size
        asked: tuple[float, ...] = (self.size, self.size, exchanged, exchanged)
        given = tuple(numbers[name] for name in _BYTES)
        if given != asked:
            told = f"{_listed(given)} bytes where {_listed(asked)} were asked for"
            raise ProbeError(f"netperf exchanged {told}")
        if not rate or abs(self.connections / rate - elapsed) > _TICK + _STRAY * elapsed:
            raise ProbeError(
                f"netperf: {rate} connections a second are not {self.connections} in {elapsed} s"
            )
        return Sample(
            measurements=(Measurement("connections", rate, PER_SECOND),),
            received=int(numbers["REMOTE_BYTES_RECVD"]),
            details=tuple(_details(numbers)),
        )


def _listed(numbers: Iterable[float]) -> str:
    return ", ".join(f"{number:g}" for number in numbers)


def _family(address: str) -> str:
    return "-6" if ":" in address else "-4"


def _fields(client: Completed) -> Mapping[str, float]:
    """Return every number that was asked for, from a client that succeeded."""
    if client.timed_out:
        raise ProbeError(f"netperf had not ended after {client.seconds:.1f} s and was killed")
    if client.exit_code != 0:
        raise ProbeError(_complaint(client))
    found = dict(_LINE.findall(client.stdout))
    wrong = [name for name in _NUMBERS if not _NUMBER.fullmatch(found.get(name, ""))]
    if wrong:
        raise ProbeError(f"netperf gave no value of {', '.join(wrong)}")
    if found.get(_UNITS) != "Trans/s":
        raise ProbeError(f"netperf counted {found.get(_UNITS)!r}, not transactions")
    return {name: float(found[name]) for name in _NUMBERS}


def _complaint(client: Completed) -> str:
    """Return what a netperf that failed says, its last words first: those name the cause."""
    code = "unseen" if client.exit_code is None else str(client.exit_code)
    lines = [s.strip() for s in f"{client.stdout}\n{client.stderr}".splitlines() if s.strip()]
    said = next((line for line in reversed(lines) if strerror_name(line)), "")
    said = (said or next(iter(lines), "") or "no reason given")[:300]
    name = strerror_name(said)
    return f"netperf (exit code {code}): {said}" + (f" [{name}]" if name else "")


def _details(numbers: Mapping[str, float]) -> Iterator[tuple[str, FactValue]]:
    yield "netperf.seconds", numbers["ELAPSED_TIME"]
    for name in ("min", "mean", "p50", "p90", "p99", "max"):
        yield f"netperf.{name}_latency", numbers[f"{name.upper()}_LATENCY"] * _MICRO
    yield "netperf.concurrency", numbers["THROUGHPUT"] * numbers["MEAN_LATENCY"] * _MICRO
