"""One `sh` in a container that starts tools there: a message each, much faster than an exec.

It runs one script, to which words are sent, never commands. A tool's output goes into files of the
container's own /tmp while it runs, and is fetched once it has ended.
"""

import io
import itertools
import secrets
import select
import socket
import ssl
import struct
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from signal import Signals
from statistics import median
from typing import Any, Final

from docker.errors import NotFound

from netbench.engines.base import KEPT_OF_FLOOD, MOST_OUTPUT, BytesRead
from netbench.engines.docker.client import Clients
from netbench.engines.local_process import attempts
from netbench.errors import ENGINE_FAILURES, EngineError, EngineLost
from netbench.system.interrupts import start_thread

_SCRIPT: Final = Path(__file__).with_name("launcher.sh").read_text(encoding="utf-8")
_ANSWERS: Final = 10.0  # seconds that the shell may take to answer
_PATIENCE: Final = 2.0  # the same for a question about a running tool
_NEWS: Final = 2.0  # seconds until the engine knows of a killed process
_POLL: Final = 0.02
_FLOODED: Final = 128 + Signals.SIGXFSZ
NOT_RUNNABLE: Final = (126, 127)
_TIMED: Final = 3  # round trips to the shell that its latency is the median of
_THIS_CENTURY: Final = 10**18  # nanoseconds since 1970; less is a `date` that knows no %N

_HEAD: Final = struct.Struct(">BxxxL")  # of a piece of output: 1 or 2, and the length
_PIECE: Final = 65536


class AttachedStream:
    """Both directions at once. The SDK's reader loses what came with the head, and fails on TLS."""

    def __init__(self, stream: Any) -> None:
        """Take what the SDK returns: the raw end of a buffered reader."""
        self._response = getattr(stream, "_response", stream)
        self._socket: socket.socket = getattr(stream, "_sock", stream)
        self._lock = threading.Lock()
        self._socket.setblocking(False)
        self._data = bytearray()
        raw = getattr(self._response, "raw", None)
        buffered = getattr(getattr(raw, "_fp", None), "fp", None)
        if isinstance(buffered, io.BufferedReader):
            with suppress(OSError):
                self._data += buffered.peek()
        self._socket.setblocking(True)
        self._readable = select.poll()
        self._readable.register(self._socket, select.POLLIN)

    def send(self, data: bytes) -> None:
        """Write everything; `OSError` if the other end is closed."""
        with self._lock:
            self._socket.sendall(data)

    def frames(self) -> Iterator[tuple[int, bytes]]:
        """Yield (stream, bytes) to the end; 1 is stdout, 2 stderr; `OSError` if it breaks off."""
        data = self._data
        try:
            while True:
                while len(data) >= _HEAD.size:
                    kind, size = _HEAD.unpack_from(data)
                    end = _HEAD.size + size
                    if len(data) < end:
                        break
                    yield kind, bytes(data[_HEAD.size : end])
                    del data[:end]
                piece = self._piece()
                if piece == b"":
                    return
                data += piece or b""
        finally:
            with suppress(OSError):
                self._response.close()

    def _piece(self) -> bytes | None:
        """Return what has arrived, as soon as anything has; None if TLS kept it to itself."""
        if not (isinstance(self._socket, ssl.SSLSocket) and self._socket.pending()):
            self._readable.poll()  # without the lock, so that others can write meanwhile
        with self._lock:
            self._socket.setblocking(False)
            try:
                return self._socket.recv(_PIECE)
            except (BlockingIOError, ssl.SSLWantReadError):
                return None
            finally:
                self._socket.setblocking(True)

    def end(self) -> None:
        """End both directions; the reader sees the end."""
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)


@dataclass(slots=True)
class Reply:
    """A line of the shell's that is expected: its numbers, and when it came (monotonic)."""

    came: threading.Event = field(default_factory=threading.Event)  # set too if the shell is gone
    at: float = 0.0
    values: tuple[int | None, ...] = ()


@dataclass(frozen=True, slots=True)
class Job:
    """A tool that was started."""

    number: str
    pid: int  # of its `timeout`, in the container's own numbers
    ended: Reply
    began: float
    """When its start was told (monotonic), by the thread that tells when it ended."""

    @property
    def code(self) -> int | None:
        """Exit code as shells report it, 128 and the signal; None if its end was not seen."""
        return self.ended.values[0] if self.ended.values else None


class Launcher:
    """The shell in one container, as one user; safe to use from several threads."""

    def __init__(self, clients: Clients, container: str, user: str) -> None:
        """Start the shell; `EngineError` for instance if the container does not run."""
        self._clients = clients
        self._container = container
        self._mark = secrets.token_hex(16)
        self._numbers = map(str, itertools.count(1))
        self._expected: dict[tuple[str, str], Reply] = {}  # by the first two words of the line
        self._timing = threading.Lock()
        self._latency: float | None = None
        self._dated: bool | None = None  # whether byte counts have the time of the engine's machine
        self._fetching = threading.Lock()
        self._data = bytearray()
        self._arrived = threading.Condition()
        self._pid = 0
        self.gone = False
        command = ["sh", "-c", _SCRIPT, "sh", self._mark, str(MOST_OUTPUT // 512)]
        with clients.lend("start a shell in a container") as api:
            self._exec = str(api.exec_create(container, command, stdin=True, user=user)["Id"])
            self._wire = AttachedStream(api.exec_start(self._exec, socket=True))
        start_thread(threading.Thread(target=self._listen, name="launcher", daemon=True))

    def _listen(self) -> None:
        """Read until the shell ends: its lines from stderr, output of tools from stdout."""
        news = bytearray()
        with suppress(OSError):
            for kind, data in self._wire.frames():
                if kind == 1:
                    with self._arrived:
                        self._data += data
                        self._arrived.notify_all()
                    continue
                news += data
                *lines, news = news.split(b"\n")
                for line in lines:
                    what, number, *words = [*line.decode(errors="replace").split(), "", ""]
                    values = [int(word) if word.isdecimal() else None for word in words[:-2]]
                    self._settle((what, number), tuple(values))
        with self._arrived:
            self.gone = True
            self._data += news  # the engine's own words, if the shell did not start
            self._arrived.notify_all()
        for key in tuple(self._expected):
            self._settle(key)

    def _settle(self, key: tuple[str, str], values: tuple[int | None, ...] = ()) -> None:
        reply = self._expected.pop(key, None)
        if reply is not None:
            reply.at, reply.values = time.monotonic(), values
            reply.came.set()

    def _expect(self, what: str, number: str) -> Reply:
        reply = self._expected[what, number] = Reply()
        if self.gone:  # it may have ended before the reply was there to be settled
            self._settle((what, number))
        return reply

    def _tell(self, order: str, *words: str) -> None:
        lines = [order, str(len(words))]
        for word in words:
            lines += [str(word.count("\n") + 1), word]
        try:
            self._wire.send("".join(f"{line}\n" for line in lines).encode(errors="surrogateescape"))
        except OSError:
            self._wire.end()

    def start(self, command: Iterable[str]) -> Job:
        """Start a command."""
        number = next(self._numbers)
        begun, ended = self._expect("started", number), self._expect("ended", number)
        self._tell("start", number, *command)
        answered = begun.came.wait(_ANSWERS)
        if not begun.values or begun.values[0] is None:
            why = self.fate() if answered else f"its shell is silent for {_ANSWERS:.0f} s"
            raise EngineError(f"nothing can be started in the container: {why}")
        return Job(number, begun.values[0], ended, begun.at)

    def send(self, job: Job, signals: Iterable[Signals]) -> None:
        """Send signals to the tool of a job, one after the other; nothing if it has ended."""
        if not job.ended.came.is_set():
            self._tell("send", str(job.pid), *(str(number.value) for number in signals))

    def latency(self) -> float:
        """Return the seconds of a round trip to the shell, measured at the first call."""
        with self._timing:
            if self._latency is None:
                trips = [self._ask("echo_back") for _ in range(_TIMED)]
                self._latency = median((reply.at or time.monotonic()) - at for at, reply in trips)
            return self._latency

    def bytes_read(self, job: Job) -> BytesRead | None:
        """Return how much the tool of a job has read; None if it has ended or nothing is answered.

        The time is by the clock of the engine's machine if `date` there knows nanoseconds.
        """
        if job.ended.came.is_set():
            return None
        asked, reply = self._ask("count", str(job.pid))
        total, nanoseconds = reply.values or (None, None)
        if total is None:
            return None
        dated = nanoseconds is not None and nanoseconds > _THIS_CENTURY
        with self._timing:
            self._dated = dated if self._dated is None else self._dated
            if dated is not self._dated:  # two clocks must not meet in one difference
                return None
        at = nanoseconds / 10**9 if nanoseconds and dated else (asked + reply.at) / 2
        return BytesRead(at, total)

    def _ask(self, order: str, *words: str) -> tuple[float, Reply]:
        """Return when a question was asked, and what is answered within a bounded time."""
        number = next(self._numbers)
        reply = self._expect("answered", number)
        asked = time.monotonic()
        self._tell(order, number, *words)
        reply.came.wait(_PATIENCE)
        self._expected.pop(("answered", number), None)
        return asked, reply

    def fetch(self, job: Job) -> tuple[bytes, bytes] | None:
        """Return what an ended tool left on stdout and stderr, once; None if the shell is gone."""
        mark = self._mark.encode()

        def arrived() -> bool:
            return self.gone or (self._data.endswith(mark) and self._data.count(mark) > 1)

        with self._fetching:
            most = KEPT_OF_FLOOD if job.code == _FLOODED else MOST_OUTPUT
            self._tell("fetch", job.number, str(most))
            with self._arrived:
                whole = self._arrived.wait_for(arrived, _ANSWERS)
                out, *more = bytes(self._data).split(mark)
                self._data.clear()
        if not whole:
            raise EngineError(f"a tool's output is lost: its shell is silent for {_ANSWERS:.0f} s")
        return (out, more[0]) if len(more) == 2 else None  # noqa: PLR2004 - stderr, nothing

    def pid(self) -> int:
        """Return the shell's pid on the engine's machine; 0 as long as the engine has none."""
        if not self._pid:
            with self._clients.lend("look at the shell in a container") as api:
                self._pid = int(api.exec_inspect(self._exec)["Pid"])
        return self._pid

    def fate(self) -> str:
        """Return why the shell has ended, in words; `EngineLost` if it has not."""
        for _ in attempts(_ANSWERS, _POLL):  # the stream ends before the engine knows why
            with self._clients.lend("look at a container") as api:
                try:
                    if not api.inspect_container(self._container)["State"]["Running"]:
                        return "the container has ended"
                    seen = api.exec_inspect(self._exec)
                except NotFound:
                    return "the container is gone"
            if not seen["Running"] and seen["ExitCode"] in NOT_RUNNABLE:
                return f"sh: {bytes(self._data).decode(errors='replace').strip()}"
            if not seen["Running"]:
                return f"its shell ended with exit code {seen['ExitCode']}"
        raise EngineLost("the engine let go of the shell in a container")

    def out_of_memory(self) -> bool:
        """Tell whether the kernel has killed something in the container for lack of memory."""
        with suppress(*ENGINE_FAILURES):
            for _ in attempts(_NEWS, _POLL):
                with self._clients.lend("look at a container") as api:
                    if api.inspect_container(self._container)["State"].get("OOMKilled"):
                        return True
        return False
