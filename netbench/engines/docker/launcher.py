"""One `sh` in a container that starts tools there: a message each, where an exec takes much longer.

An exec keeps engine and kernel busy for tens of milliseconds. The shell is one exec, and starts any
number of tools. It runs one script; what it reads are words, never commands. A tool's output goes
into files of the container's own /tmp while it runs, and is fetched once it has ended.
"""

import itertools
import secrets
import threading
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from signal import Signals
from statistics import median
from typing import Final

from docker.errors import NotFound

from netbench.engines.base import KEPT_OF_FLOOD, MOST_OUTPUT, BytesRead
from netbench.engines.docker.client import Clients
from netbench.engines.docker.script import SCRIPT
from netbench.engines.docker.stream import AttachedStream
from netbench.errors import ENGINE_FAILURES, EngineError, EngineLost
from netbench.system.interrupts import start_thread

_ANSWERS: Final = 10.0
"""Seconds that the shell may take to answer."""
_NEWS: Final = 2.0
"""Seconds that the news of a killed process may take to reach the engine."""
_POLL: Final = 0.02
_FLOODED: Final = 128 + Signals.SIGXFSZ
_NOT_RUNNABLE: Final = (126, 127)
"""Exit codes of what cannot be run, or is not there."""
_PATIENCE: Final = 2.0
"""Seconds that an answer to a question about a running tool is waited for."""
_TIMED: Final = 3
"""Round trips to the shell that its latency is the median of."""
_THIS_CENTURY: Final = 10**18
"""Nanoseconds since 1970; less is a `date` that knows no %N."""


@dataclass(slots=True)
class Job:
    """A tool that was started, as far as the shell has told."""

    number: int
    begun: threading.Event = field(default_factory=threading.Event)
    ended: threading.Event = field(default_factory=threading.Event)
    """Set too where the shell is gone, and nobody sees the tool's end."""
    pid: int | None = None
    """Of its `timeout`, in the container's own numbers."""
    code: int | None = None
    """As shells tell it: 128 and the signal where one ended it."""
    ended_at: float = 0.0


@dataclass(slots=True)
class Question:
    """A question to the shell, as far as it has answered."""

    answered: threading.Event = field(default_factory=threading.Event)
    """Set too where the shell is gone."""
    at: float = 0.0
    """When the answer came, by our monotonic clock."""
    total: int | None = None
    """Bytes that the tool had read."""
    nanoseconds: int | None = None
    """When that was, by the clock of the engine's machine."""


class Launcher:
    """The shell in one container, as one user; safe to use from several threads."""

    def __init__(self, clients: Clients, container: str, user: str) -> None:
        """Start the shell.

        Raises:
            EngineError: the engine refused, as where the container does not run.
            EngineLost: it does not answer.
        """
        self._clients = clients
        self._container = container
        self._mark = secrets.token_hex(16)
        self._numbers = itertools.count(1)
        self._jobs: dict[int, Job] = {}
        self._questions: dict[int, Question] = {}
        self._timing = threading.Lock()
        self._latency: float | None = None
        self._dated: bool | None = None
        """Whether byte counts carry the time of the engine's machine; None before the first."""
        self._fetching = threading.Lock()
        self._data = bytearray()
        self._arrived = threading.Condition()
        self._pid: int | None = None
        self.gone = False
        """Whether the shell, or the way to it, has ended."""
        command = ["sh", "-c", SCRIPT, "sh", self._mark, str(MOST_OUTPUT // 512)]
        with clients.lend("start a shell in a container") as api:
            self._exec = str(api.exec_create(container, command, stdin=True, user=user)["Id"])
            self._wire = AttachedStream(api.exec_start(self._exec, socket=True))
        start_thread(threading.Thread(target=self._listen, name="launcher", daemon=True))

    def _listen(self) -> None:
        """Take what the shell says until it ends: news by stderr, output of tools by stdout."""
        news = bytearray()
        with suppress(OSError):
            for kind, data in self._wire.frames():
                if kind == 1:
                    with self._arrived:
                        self._data += data
                        self._arrived.notify_all()
                    continue
                news += data
                *lines, rest = news.split(b"\n")
                news = bytearray(rest)
                for line in lines:
                    self._note(line.decode(errors="replace").split())
        with self._arrived:
            self.gone = True
            self._data += news  # the engine's own words, where there never was a shell
            self._arrived.notify_all()
        for job in tuple(self._jobs.values()):
            job.begun.set()
            job.ended.set()
        for question in tuple(self._questions.values()):
            question.answered.set()

    def _note(self, words: list[str]) -> None:
        if len(words) == 4 and words[0] == "answered" and words[1].isdecimal():  # noqa: PLR2004
            self._hear(int(words[1]), *words[2:])
            return
        if len(words) != 3 or not (words[1].isdecimal() and words[2].isdecimal()):  # noqa: PLR2004
            return
        what, number, value = words[0], int(words[1]), int(words[2])
        job = self._jobs.get(number)
        if job is not None and what == "started":
            job.pid = value
            job.begun.set()
        elif job is not None and what == "ended":
            job.code, job.ended_at = value, time.monotonic()
            job.ended.set()

    def _hear(self, number: int, total: str, nanoseconds: str) -> None:
        question = self._questions.get(number)
        if question is not None:
            question.at = time.monotonic()
            question.total = int(total) if total.isdecimal() else None
            question.nanoseconds = int(nanoseconds) if nanoseconds.isdecimal() else None
            question.answered.set()

    def _tell(self, order: str, *words: str) -> None:
        try:
            self._wire.send(_message(order, words))
        except OSError:
            self._wire.end()

    def start(self, command: Iterable[str]) -> Job:
        """Start a command.

        Raises:
            EngineError: it does not start.
            EngineLost: the engine does not answer.
        """
        job = Job(next(self._numbers))
        self._jobs[job.number] = job
        if self.gone:  # it may have ended before the job was there to be told
            job.begun.set()
        self._tell("start", str(job.number), *command)
        begun = job.begun.wait(_ANSWERS)
        if job.pid is None:
            why = self.fate() if begun else f"its shell is silent for {_ANSWERS:.0f} s"
            raise EngineError(f"nothing can be started in the container: {why}")
        return job

    def send(self, job: Job, signals: Iterable[Signals]) -> None:
        """Send signals to the tool of a job, one after the other; nothing if it has ended."""
        if not job.ended.is_set():
            self._tell("send", str(job.pid), *(str(number.value) for number in signals))

    def latency(self) -> float:
        """Return the seconds of a round trip to the shell, measured at the first call."""
        with self._timing:
            if self._latency is None:
                trips = [self._ask("echo_back") for _ in range(_TIMED)]
                self._latency = median(question.at - asked for asked, question in trips)
            return self._latency

    def bytes_read(self, job: Job) -> BytesRead | None:
        """Return how much the tool of a job has read, by the clock of the engine's machine.

        Where that machine's `date` tells no nanoseconds, by our monotonic clock instead, halfway
        between question and answer. None where the tool has ended or nothing is answered.
        """
        if job.ended.is_set():
            return None
        asked, question = self._ask("count", str(job.pid))
        if question.total is None:
            return None
        nanoseconds = question.nanoseconds or 0
        dated = nanoseconds > _THIS_CENTURY
        with self._timing:
            self._dated = dated if self._dated is None else self._dated
            if dated is not self._dated:  # two clocks must not meet in one difference
                return None
        at = nanoseconds / 10**9 if dated else (asked + question.at) / 2
        return BytesRead(at, question.total)

    def _ask(self, order: str, *words: str) -> tuple[float, Question]:
        """Return when a question was asked, and what is answered within a bounded time."""
        number, question = next(self._numbers), Question()
        self._questions[number] = question
        asked = time.monotonic()
        if not self.gone:  # else it may have ended before the question was there to be told
            self._tell(order, str(number), *words)
            question.answered.wait(_PATIENCE)
        del self._questions[number]
        return asked, replace(question, at=question.at or time.monotonic())

    def fetch(self, job: Job) -> tuple[bytes, bytes] | None:
        """Return what an ended tool left on stdout and stderr; None where the shell is gone.

        Called once for each.

        Raises:
            EngineError: the shell does not tell.
        """
        mark = self._mark.encode()
        with self._fetching:
            most = KEPT_OF_FLOOD if job.code == _FLOODED else MOST_OUTPUT
            self._tell("fetch", str(job.number), str(most))
            del self._jobs[job.number]
            with self._arrived:
                whole = self._arrived.wait_for(lambda: self.gone or self._fetched(mark), _ANSWERS)
                out, *more = bytes(self._data).split(mark)
                self._data.clear()
        if not whole:
            raise EngineError(f"a tool's output is lost: its shell is silent for {_ANSWERS:.0f} s")
        return (out, more[0]) if len(more) == 2 else None  # noqa: PLR2004 - stderr, nothing

    def _fetched(self, mark: bytes) -> bool:
        return self._data.endswith(mark) and self._data.count(mark) > 1

    def pid(self) -> int:
        """Return the shell's number as the engine's machine has it; 0 before it is told."""
        if not self._pid:
            with self._clients.lend("look at the shell in a container") as api:
                self._pid = int(api.exec_inspect(self._exec)["Pid"])
        return self._pid

    def fate(self) -> str:
        """Return why the shell has ended, in words.

        Raises:
            EngineLost: it has not, but the engine has let go of it, or does not answer.
        """
        deadline = time.monotonic() + _ANSWERS
        while time.monotonic() < deadline:  # the stream's end outruns the news of a process's
            with self._clients.lend("look at a container") as api:
                try:
                    if not api.inspect_container(self._container)["State"]["Running"]:
                        return "the container has ended"
                    seen = api.exec_inspect(self._exec)
                except NotFound:
                    return "the container is gone"
            if not seen["Running"] and seen["ExitCode"] in _NOT_RUNNABLE:
                return f"sh: {bytes(self._data).decode(errors='replace').strip()}"
            if not seen["Running"]:
                return f"its shell ended with exit code {seen['ExitCode']}"
            time.sleep(_POLL)
        raise EngineLost("the engine let go of the shell in a container")

    def out_of_memory(self) -> bool:
        """Tell whether the kernel has killed something in the container for lack of memory."""
        deadline = time.monotonic() + _NEWS
        with suppress(*ENGINE_FAILURES):
            while time.monotonic() < deadline:
                with self._clients.lend("look at a container") as api:
                    if api.inspect_container(self._container)["State"].get("OOMKilled"):
                        return True
                time.sleep(_POLL)
        return False


def _message(order: str, words: tuple[str, ...]) -> bytes:
    lines = [order, str(len(words))]
    for word in words:
        lines += [str(word.count("\n") + 1), word]
    return "".join(f"{line}\n" for line in lines).encode(errors="surrogateescape")


class Launchers:
    """The shells of a run, each started when first needed; safe to use from several threads."""

    def __init__(self, clients: Clients) -> None:
        """None is started yet."""
        self._clients = clients
        self._lock = threading.Lock()
        self._locks: dict[str, threading.Lock] = {}
        self._made: dict[tuple[str, str], Launcher] = {}

    def of(self, container: str, user: str) -> Launcher:
        """Return the shell in a container as a user; errors as those of `Launcher`."""
        with self._lock:
            lock = self._locks.setdefault(container, threading.Lock())
        with lock:
            found = self._made.get((container, user))
            if found is None or found.gone:
                found = self._made[container, user] = Launcher(self._clients, container, user)
            return found

    def forget(self, container: str) -> None:
        """Forget the shells of a container that is about to be removed; they end with it."""
        with self._lock:
            self._locks.pop(container, None)
            for key in [key for key in self._made if key[0] == container]:
                del self._made[key]
