"""Sessions of iperf3 and sockperf, held by SIGSTOP and measured slice by slice, as by hand.

Nothing of netbench's runner, probes or parsers is used here: only its engines, which make the
endpoints and start the tools in them. Needs root on the machine of the engines.
"""

import itertools
import math
import os
import signal
import statistics
import time
from bisect import bisect
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal

from by_hand import NoNumber, Plain, wait_for_listener

from netbench.engines.base import Endpoint, Engine, Process

Kind = Literal["stream", "round trips"]
SETTLE: Final = 0.02
"""Seconds at the start of a slice of a stream that do not count."""
HELD: Final = 0.02
"""Seconds between two slices: a gap in the log of round trips that shows where one ended."""
GAP: Final = 0.015
"""Seconds without a round trip that may be the end of a slice."""
EDGE: Final = 5
"""Round trips at each edge of a slice that do not count: one spans the time it was held."""
_FEW: Final = 50
"""Round trips of a slice that are too few for a median."""
_WARM: Final = 2000
"""Times that a client has waited once it measures; sockperf pauses for 2 s before it does."""
_MOVED: Final = 50e6
"""Bytes that a stream has carried once it is beyond its start."""
LONGEST: Final = 60
"""Seconds after which a tool ends by itself; sockperf takes 10 MB of memory for each."""
PATIENCE: Final = 10.0


@dataclass(slots=True)
class Session:
    """A server and a client, started once; the client runs in its slices alone."""

    kind: Kind
    server: "Tool"
    client: "Tool"
    held: bool = False
    values: list[float] = field(default_factory=list)
    """Of a stream's slices, in bit/s."""
    windows: list[tuple[float, float]] = field(default_factory=list)
    """Start and end of the slices of round trips, by the monotonic clock."""

    def hold_when_warm(self, *, wait: bool) -> None:
        """Hold the client once it measures; `wait` until then, else nothing if it does not yet.

        Raises:
            NoNumber: it does not within ten seconds.
        """
        until = time.monotonic() + PATIENCE
        while not self.held:
            if self._measures():
                self.held = True
                self.client.hold()
                if self.kind == "stream":
                    self.server.hold()
            elif not wait:
                return
            elif time.monotonic() > until:
                raise NoNumber(f"process {self.client.pid} does not measure")
            else:
                time.sleep(0.01)

    def _measures(self) -> bool:
        if self.kind == "stream":
            return self.server.bytes_read() > _MOVED
        return self.client.switches() > _WARM

    def slice(self, seconds: float) -> None:
        """Let it run for so many seconds, all others being held."""
        if self.kind == "round trips":
            began = time.monotonic()
            self.client.send(signal.SIGCONT)
            time.sleep(seconds)
            self.windows.append((began, time.monotonic()))
            self.client.send(signal.SIGSTOP)
            time.sleep(HELD)
            return
        self.server.send(signal.SIGCONT)
        self.client.send(signal.SIGCONT)
        time.sleep(SETTLE)
        before, began = self.server.bytes_read(), time.perf_counter()
        time.sleep(seconds - SETTLE)
        after, ended = self.server.bytes_read(), time.perf_counter()
        self.client.send(signal.SIGSTOP)
        self.server.send(signal.SIGSTOP)
        time.sleep(HELD / 4)
        self.values.append((after - before) * 8 / (ended - began))

    def value(self, rounds: int) -> float:
        """Return the session's value: bit/s, or the median round trip in seconds; ends it.

        Raises:
            NoNumber: fewer than half of the slices gave a number.
        """
        if self.kind == "stream":
            if min(self.values, default=0) <= 0:
                raise NoNumber(f"a slice without a byte: {self.values}")
            return math.exp(statistics.fmean(math.log(value) for value in self.values))
        self.client.send(signal.SIGALRM)
        self.client.send(signal.SIGCONT)
        slices = _slices(self.client.output(), self.windows)
        whole = [one for one in slices if len(one) > _FEW]
        if len(whole) < rounds / 2:
            raise NoNumber(f"{len(whole)} slices of {rounds} in the log of {self.client.pid}")
        return statistics.median(statistics.median(one) for one in whole)

    def end(self) -> None:
        """Kill both tools."""
        for tool in (self.client, self.server):
            tool.kill()


class Tool:
    """A tool in an endpoint, with its process number on this machine."""

    def __init__(
        self, engine: Engine | None, endpoint: Endpoint, argv: tuple[str, ...], cpu: int
    ) -> None:
        """Start it and look for it in /proc.

        Without an engine it is a plain process that shares the endpoint's network alone.
        """
        self._process: Process | Plain = (
            engine.start(endpoint, argv, cpu=cpu, limit=LONGEST)
            if engine
            else Plain(endpoint, argv, cpu)
        )
        self.pid = _found(endpoint, argv)
        self._waited = False

    def hold(self) -> None:
        """Stop it for the first time, by its engine, which may have to know of it."""
        if isinstance(self._process, Plain):
            self.send(signal.SIGSTOP)
        else:
            self._process.signal("STOP")

    def send(self, number: signal.Signals) -> None:
        """Send a signal; nothing where it has ended."""
        with suppress(ProcessLookupError):
            os.kill(self.pid, number)

    def bytes_read(self) -> int:
        """Return how much it has read by read(2), in bytes."""
        with Path(f"/proc/{self.pid}/io").open() as file:
            return int(file.readline().split()[1])

    def switches(self) -> int:
        """Return how often it has waited for something; 0 where it has ended."""
        with suppress(OSError):
            text = Path(f"/proc/{self.pid}/status").read_text()
            return int(text.partition("\nvoluntary_ctxt_switches:")[2].split()[0])
        return 0

    def output(self) -> str:
        """Return what it printed, once it has ended."""
        self._waited = True
        if isinstance(self._process, Plain):
            return self._process.output()
        return self._process.wait(PATIENCE).stdout

    def kill(self) -> None:
        """End it and take its exit status."""
        if not self._waited:
            self._waited = True
            if isinstance(self._process, Plain):
                self._process.kill()
            else:
                self._process.signal("KILL")
                self._process.wait(PATIENCE)


def _found(endpoint: Endpoint, argv: tuple[str, ...]) -> int:
    """Return the process with this command in the network namespace of an endpoint."""
    space = Path(f"/proc/{endpoint.pid}/ns/net").stat().st_ino
    wanted = "\0".join(argv)
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        for folder in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                same = (folder / "cmdline").read_text().strip("\0") == wanted
                if same and (folder / "ns/net").stat().st_ino == space:
                    return int(folder.name)
        time.sleep(0.02)
    raise NoNumber(f"not to be seen in /proc: {' '.join(argv)}")


def open_session(
    engine: Engine | None,
    ends: tuple[Endpoint, Endpoint],
    target: str,
    port: int,
    *,
    kind: Kind,
    cpus: tuple[int, int],
) -> Session:
    """Start a session's server, then its client, which runs on until it is held.

    Args:
        engine: that made the endpoints and is to start the tools; None to start them ourselves.
        ends: of client and server.
        target: address that the client connects to.
        port: of the server, not used before.
        kind: what is measured.
        cpus: of client and server.
    """
    client, server = ends
    number = str(port)
    call: tuple[str, ...]
    if kind == "stream":
        serve = ("iperf3", "-s", "-1", "-p", number)
        call = ("iperf3", "-c", target, "-p", number, "-t", str(LONGEST))
    else:
        serve = ("sockperf", "sr", "--tcp", "-p", number)
        call = ("sockperf", "pp", "--tcp", "-i", target, "-p", number, "--full-rtt", "-m", "14")
        call += ("-t", str(LONGEST), "--full-log", "/dev/stdout")
    listening = Tool(engine, server, serve, cpus[1])
    try:
        wait_for_listener(server, port)
        calling = Tool(engine, client, call, cpus[0])
    except BaseException:
        listening.kill()
        raise
    return Session(kind, listening, calling)


def _slices(text: str, windows: list[tuple[float, float]]) -> list[list[float]]:
    """Return the round trips of a log in seconds, slice by slice, without those at the edges.

    The log has a clock of its own. Its offset is the one that puts most round trips into windows.
    """
    rows = [line.split(",") for line in text.splitlines() if line[:1].isdigit()]
    sent = [float(row[1]) for row in rows]
    trips = [float(row[2]) - float(row[1]) for row in rows]
    ends = [one for one, after in itertools.pairwise(sent) if after - one > GAP] + sent[-1:]
    shifts = [stop - end for end in ends for _, stop in windows]

    def bounds(shift: float) -> list[tuple[int, int]]:
        return [(bisect(sent, low - shift), bisect(sent, high - shift)) for low, high in windows]

    best = max(shifts, key=lambda shift: sum(b - a for a, b in bounds(shift)), default=0.0)
    return [trips[low + EDGE : high - EDGE] for low, high in bounds(best)]
