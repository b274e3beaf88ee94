"""In which state is the machine? A short measurement without any network, on a trial's own CPUs.

On two CPUs it is a stream through a UNIX socket pair, on one CPU a ping-pong through it. Neither
touches a network stack, so a reading tells of cores, caches and scheduler only, and nothing that a
driver does can show in it.
"""

import os
import select
import socket
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Final, Literal, Self

from netbench.record import Absent, SentinelReading
from netbench.spec import Placement

Method = Literal["stream", "pingpong", "none"]

SECONDS: Final = 0.05
"""Length of one reading."""
_PATIENCE: Final = 2.0
"""Seconds beyond a reading's length after which a silent worker counts as lost."""
_SCRIPT: Final = Path(__file__).with_name("worker.py")


def method_for(placement: Placement) -> Method:
    """Return how the machine's state is measured for trials of this placement."""
    match placement:
        case Placement.CROSS:
            return "stream"
        case Placement.SAME:
            return "pingpong"
        case Placement.NONE:
            return "none"


class _WorkerError(Exception):
    """A worker said no, fell silent or died."""


@dataclass(frozen=True, slots=True)
class _Worker:
    """One of the two processes and the pipes to it."""

    process: subprocess.Popen[bytes]
    commands: int
    answers: int

    def tell(self, command: str) -> None:
        """Send one command."""
        try:
            os.write(self.commands, command.encode() + b"\n")
        except OSError as exc:
            raise _WorkerError("a sentinel process died") from exc

    def hear(self, until: float) -> str:
        """Return the next answer, at the latest at `until` on CLOCK_MONOTONIC."""
        answer = b""
        while not answer.endswith(b"\n"):
            left = until - time.monotonic()
            if left <= 0 or not select.select([self.answers], [], [], left)[0]:
                raise _WorkerError("a sentinel process fell silent")
            piece = os.read(self.answers, 4096)
            if not piece:
                raise _WorkerError("a sentinel process died")
            answer += piece
        text = answer.decode().strip()
        if text.startswith("error "):
            raise _WorkerError(text.removeprefix("error "))
        return text

    def end(self) -> None:
        """Kill and reap it."""
        self.process.kill()
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                with suppress(OSError):
                    pipe.close()
        self.process.wait()


class Sentinel:
    """Two idle processes that measure on request; a context manager that ends them.

    They need no privilege. They are started at the first reading, and anew after one that failed.
    """

    def __init__(self, seconds: float = SECONDS) -> None:
        """Take the length of one reading."""
        self._seconds = seconds
        self._workers: tuple[_Worker, _Worker] | None = None

    def __enter__(self) -> Self:
        """Return itself; nothing runs yet."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End both processes."""
        self.close()

    def close(self) -> None:
        """End both processes; harmless when there are none."""
        workers, self._workers = self._workers, None
        for worker in workers or ():
            worker.end()

    def read(
        self,
        client_cpu: int | None,
        server_cpu: int | None,
        method: Literal["stream", "pingpong"] | None = None,
    ) -> SentinelReading | Absent:
        """Return the state's figure on these CPUs, or why there is none.

        Two CPUs give a stream in bit/s, one CPU a ping-pong in round trips per second, unless
        `method` says otherwise; the client's CPU sends. Takes little more than the length of the
        reading.
        """
        if client_cpu is None or server_cpu is None:
            return Absent("unpinned")
        method = method or ("pingpong" if client_cpu == server_cpu else "stream")
        try:
            if self._workers is None:
                self._workers = _start()
                _measure(self._workers, client_cpu, server_cpu, method, self._seconds)
            return _measure(self._workers, client_cpu, server_cpu, method, self._seconds)
        except (_WorkerError, OSError) as exc:
            self.close()
            return Absent(f"no sentinel on CPUs {client_cpu} and {server_cpu}: {exc}")
        except BaseException:
            self.close()
            raise

    def copy(self, cpu: int, block: int, seconds: float) -> float | Absent:
        """Return how fast a CPU copies `block` bytes of memory, in bit/s, or why that is unknown.

        Takes `seconds`, and the time to touch twice the block.
        """
        try:
            if self._workers is None:
                self._workers = _start()
            lead, _ = self._workers
            lead.tell(f"copy {block} {cpu} {seconds}")
            done = _figures(lead.hear(time.monotonic() + seconds + _PATIENCE))
            return _rate(done) * 8
        except (_WorkerError, OSError) as exc:
            self.close()
            return Absent(f"no memory copy on CPU {cpu}: {exc}")
        except BaseException:
            self.close()
            raise


def _measure(
    workers: tuple[_Worker, _Worker],
    client_cpu: int,
    server_cpu: int,
    method: Literal["stream", "pingpong"],
    seconds: float,
) -> SentinelReading:
    lead, follow = workers
    until = time.monotonic() + seconds + _PATIENCE
    follow.tell(f"follow {method} {server_cpu} {seconds}")
    # Where the leader is dead its figures follow at once, as a second line; telling it will fail.
    if follow.hear(until).partition("\n")[0] != "ready":
        raise _WorkerError("a sentinel process spoke out of turn")
    lead.tell(f"lead {method} {client_cpu} {seconds}")
    led, followed = _figures(lead.hear(until)), _figures(follow.hear(until))
    counted = followed if method == "stream" else led
    rate = _rate(counted)
    return SentinelReading(
        value=rate * 8 if method == "stream" else rate,
        at=(counted.started + counted.ended) / 2,
    )


@dataclass(frozen=True, slots=True)
class _Figures:
    """What a worker measured; times in CLOCK_MONOTONIC seconds."""

    started: float
    ended: float
    amount: int

    @property
    def seconds(self) -> float:
        return self.ended - self.started


def _rate(counted: _Figures) -> float:
    """Return what was counted per second."""
    if not counted.amount or counted.seconds <= 0:
        raise _WorkerError("nothing was counted")
    return counted.amount / counted.seconds


def _figures(answer: str) -> _Figures:
    try:
        word, started, ended, amount = answer.split()
        figures = _Figures(float(started), float(ended), int(amount))
    except ValueError as exc:
        raise _WorkerError(f"a sentinel process said {answer!r}") from exc
    if word != "done":
        raise _WorkerError(f"a sentinel process said {answer!r}")
    return figures


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
    process = subprocess.Popen(
        (sys.executable, "-I", "-S", str(_SCRIPT), str(end.fileno())),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        bufsize=0,
        pass_fds=(end.fileno(),),
        start_new_session=True,
    )
    if process.stdin is None or process.stdout is None:
        raise _WorkerError("no pipes to a sentinel process")
    return _Worker(process, process.stdin.fileno(), process.stdout.fileno())
