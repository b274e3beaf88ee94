"""The state of the machine: a short measurement without any network, on a trial's own CPUs.

On two CPUs it is a stream through a UNIX socket pair, on one CPU a ping-pong through it: a reading
depends on cores, caches and scheduler only, and nothing that a driver does can show in it. On a
machine that is reached by the engine alone it is `dd` through a pipe, on one CPU with small
messages. A reading is bounded in time, and compared with others of its own kind only.
"""

import re
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, Literal, TypeVar

from netbench.errors import EngineError
from netbench.record import Absent, SentinelReading
from netbench.spec import Placement

_T = TypeVar("_T")
Method = Literal["stream", "pingpong", "none"]

SECONDS: Final = 0.05  # length of one reading
_PATIENCE: Final = 2.0  # seconds beyond a reading after which a silent worker counts as lost
_SCRIPT: Final = Path(__file__).with_name("worker.py")
_METHODS: Final[dict[Placement, Method]] = {
    Placement.CROSS: "stream",
    Placement.SAME: "pingpong",
    Placement.NONE: "none",
}


def method_for(placement: Placement) -> Method:
    """Return how the machine's state is measured for trials of this placement."""
    return _METHODS[placement]


class _WorkerError(Exception):
    """A worker said no, fell silent or died."""


@dataclass(frozen=True, slots=True)
class _Worker:
    """One of the two processes, and the socket by which it is asked."""

    process: subprocess.Popen[bytes]
    control: socket.socket  # keeps messages apart

    def send(self, command: str) -> None:
        """Send one command."""
        try:
            self.control.send(command.encode())
        except OSError as exc:
            raise _WorkerError("a sentinel process died") from exc

    def receive(self, until: float) -> str:
        """Return the next answer, at the latest at `until` on CLOCK_MONOTONIC."""
        try:
            self.control.settimeout(max(until - time.monotonic(), 0.001))
            answer = self.control.recv(4096).decode()
        except TimeoutError as exc:
            raise _WorkerError("a sentinel process fell silent") from exc
        except OSError:
            answer = ""
        if not answer:
            raise _WorkerError("a sentinel process died")
        if answer.startswith("error "):
            raise _WorkerError(answer.removeprefix("error "))
        return answer

    def figures(self, until: float) -> tuple[float, float]:
        """Return what was counted per second, and the moment halfway, at the latest at `until`."""
        answer = self.receive(until)
        found = re.fullmatch(r"done ([\d.e+]+) ([\d.e+]+) (\d+)", answer)
        if found is None:
            raise _WorkerError(f"a sentinel process said {answer!r}")
        started, ended, amount = float(found[1]), float(found[2]), int(found[3])
        if not amount or ended <= started:
            raise _WorkerError("nothing was counted")
        return amount / (ended - started), (started + ended) / 2

    def end(self) -> None:
        """Kill and reap it."""
        self.control.close()
        self.process.kill()
        self.process.wait()


class Sentinel(AbstractContextManager["Sentinel"]):
    """Two idle processes that measure on request, started when needed, and ended by the context."""

    _workers: tuple[_Worker, _Worker] | None = None

    def __exit__(self, *_: object) -> None:
        """End both processes."""
        self.close()

    def close(self) -> None:
        """End both processes; harmless where there are none."""
        workers, self._workers = self._workers, None
        for worker in workers or ():
            worker.end()

    def read(self, client_cpu: int | None, server_cpu: int | None) -> SentinelReading | Absent:
        """Return a figure, of two CPUs in bit/s, of one in round trips per second, or why not."""
        if client_cpu is None or server_cpu is None:
            return Absent("unpinned")
        fresh = self._workers is None

        def measure(workers: tuple[_Worker, _Worker]) -> SentinelReading:
            if fresh:  # the first one warms up
                _measure(workers, client_cpu, server_cpu)
            return _measure(workers, client_cpu, server_cpu)

        return self._asked(f"no sentinel on CPUs {client_cpu} and {server_cpu}", measure)

    def copy(self, cpu: int, block: int, seconds: float) -> float | Absent:
        """Return how fast a CPU copies `block` bytes of memory, in bit/s, within `seconds`."""

        def measure(workers: tuple[_Worker, _Worker]) -> float:
            workers[0].send(f"copy {block} {cpu} {seconds}")
            return workers[0].figures(time.monotonic() + seconds + _PATIENCE)[0] * 8

        return self._asked(f"no memory copy on CPU {cpu}", measure)

    def _asked(self, failed: str, measure: Callable[[tuple[_Worker, _Worker]], _T]) -> _T | Absent:
        """Return what the workers measure; both are ended where that fails."""
        try:
            if self._workers is None:
                self._workers = _start()
            return measure(self._workers)
        except (_WorkerError, OSError) as exc:
            self.close()
            return Absent(f"{failed}: {exc}")
        except BaseException:
            self.close()
            raise


def _measure(workers: tuple[_Worker, _Worker], client_cpu: int, server_cpu: int) -> SentinelReading:
    lead, follow = workers
    method = "pingpong" if client_cpu == server_cpu else "stream"
    until = time.monotonic() + SECONDS + _PATIENCE
    follow.send(f"follow {method} {server_cpu} {SECONDS}")
    if follow.receive(until) != "ready":
        raise _WorkerError("a sentinel process spoke out of turn")
    lead.send(f"lead {method} {client_cpu} {SECONDS}")
    led, followed = lead.figures(until), follow.figures(until)
    rate, at = followed if method == "stream" else led
    return SentinelReading(rate * 8 if method == "stream" else rate, at)


def _start() -> tuple[_Worker, _Worker]:
    """Start both workers, joined by a socket pair that only they keep."""
    lead_end, follow_end = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
    with lead_end, follow_end:
        lead = _spawn(lead_end)
        try:
            follow = _spawn(follow_end)
        except BaseException:
            lead.end()
            raise
    return lead, follow


def _spawn(end: socket.socket) -> _Worker:
    """Start one worker in a session of its own, so that Ctrl-C reaches us and not it."""
    control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with theirs:
        given = (end.fileno(), theirs.fileno())
        try:
            process = subprocess.Popen(
                (sys.executable, "-I", "-S", str(_SCRIPT), *map(str, given)),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                pass_fds=given,
                start_new_session=True,
            )
        except BaseException:
            control.close()
            raise
    return _Worker(process, control)


Ask = Callable[[str, float], str]  # run a script within seconds, return its output

_STREAM, _PINGPONG = 128 * 1024, 64  # bytes of a message
_DD: Final = (
    "timeout {seconds} taskset -c {client} dd if=/dev/zero bs={size} 2>/dev/null"
    " | LC_ALL=C taskset -c {server} dd of=/dev/null bs={size} iflag=fullblock 2>&1"
)
_SAID: Final = re.compile(r"^(\d+) bytes.* copied, ([\d.e+-]+) s", re.MULTILINE)
_SILENCE: Final = 5.0  # seconds after which a silent machine gave no reading
_NO_COPY: Final = Absent("copies of memory are measured on this process's own machine alone")


@dataclass
class InsideSentinel(Sentinel):
    """Measures on request, by processes that end with each reading."""

    ask: Ask

    def read(self, client_cpu: int | None, server_cpu: int | None) -> SentinelReading | Absent:
        """Return the state's figure on these CPUs; a message is what a round trip is elsewhere."""
        if client_cpu is None or server_cpu is None:
            return Absent("unpinned")
        stream = client_cpu != server_cpu
        size = _STREAM if stream else _PINGPONG
        script = _DD.format(seconds=SECONDS, size=size, client=client_cpu, server=server_cpu)
        without = f"no sentinel on CPUs {client_cpu} and {server_cpu}"
        begun = time.monotonic()
        try:
            said = self.ask(script, _SILENCE)
        except EngineError as exc:
            return Absent(f"{without}: {exc.message}")
        at = (begun + time.monotonic()) / 2
        found = _SAID.search(said)
        if found is None or int(found[1]) < size or float(found[2]) <= 0:
            return Absent(f"{without}: {said.strip()[:120]!r}")
        rate = int(found[1]) / float(found[2])
        return SentinelReading(rate * 8 if stream else rate / size, at)

    def copy(self, cpu: int, block: int, seconds: float) -> float | Absent:
        """Return why there is no figure."""
        del cpu, block, seconds
        return _NO_COPY


class BothSentinels(Sentinel):
    """The sentinels of two machines: the peer's reading stands beside the first one's."""

    def __init__(self, first: Sentinel, peer: Sentinel) -> None:
        """Take what measures either machine."""
        self._first = first
        self._peer = peer

    def close(self) -> None:
        """End the processes of both."""
        self._first.close()
        self._peer.close()

    def read(self, client_cpu: int | None, server_cpu: int | None) -> SentinelReading | Absent:
        """Return the first machine's figure with the peer's, or why there is none."""
        first, peer = (one.read(client_cpu, server_cpu) for one in (self._first, self._peer))
        if isinstance(first, Absent) or isinstance(peer, Absent):
            return first
        return replace(first, peer=peer.value)

    def copy(self, cpu: int, block: int, seconds: float) -> float | Absent:
        """Return how fast the first machine's CPU copies."""
        return self._first.copy(cpu, block, seconds)
