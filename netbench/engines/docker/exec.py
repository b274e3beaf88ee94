"""A tool in a container, by the container's shell and the /proc of the engine's machine."""

import math
import secrets
import threading
import time
from collections.abc import Iterable
from contextlib import suppress
from signal import SIGKILL, SIGXFSZ
from typing import Final

from netbench.engines import local_process
from netbench.engines.base import FLOODED, BytesRead, Signal
from netbench.engines.docker.client import Clients
from netbench.engines.docker.launcher import Launcher
from netbench.errors import ENGINE_FAILURES
from netbench.record import Completed
from netbench.system.files import LOCAL, NOWHERE, Files, FrozenFiles, process_status, text

_GRACE: Final = 10.0  # seconds for a killed tool to be gone
_APPEAR: Final = 5.0  # seconds for a started tool to show in /proc
_POLL: Final = 0.005
_OOM: Final = "out of memory (OOM): the kernel killed a process of its container"
_BECOMES: Final = 2.0  # seconds for a container's first process to become its command
_RUNTIME: Final = ("init",)  # arguments of the runtime (runc) that becomes the command


class Launchers:
    """The shells of a run, each started when first needed; safe to use from several threads."""

    def __init__(self, clients: Clients) -> None:
        """None is started yet."""
        self._clients = clients
        self._lock = threading.Lock()
        self._locks: dict[str, threading.Lock] = {}
        self._made: dict[tuple[str, str], Launcher] = {}

    def of(self, container: str, user: str) -> Launcher:
        """Return the shell in a container as a user."""
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


class DockerProcess:
    """A tool below a `timeout`, which bounds it by a clock that no signal to the tool stops."""

    def __init__(
        self,
        launcher: Launcher,
        argv: tuple[str, ...],
        *,
        cpu: int | None,
        limit: float,
        processes: Files = NOWHERE,
    ) -> None:
        """Start it as `Engine.start`; `processes` shows the container's processes."""
        self.argv = argv
        self._launcher = launcher
        self._limit = limit
        self._processes = processes
        # No other process has the same argument, by which this one is found in /proc.
        self._bound = f"{max(1, math.ceil(limit))}.{secrets.randbelow(10**6):06d}"
        pin = () if cpu is None else ("taskset", "-c", str(cpu))
        self._job = launcher.start(("timeout", "-s", "KILL", self._bound, *pin, *argv))
        self._ended = self._job.ended.came
        self._tool: int | None = None
        self._begun = self._released = self._job.began
        self._killed = False
        # Whether we signal it by kill, and read its counts in /proc; None before that is known. A
        # rootless engine's user may signal tools, but not read this.
        self._reached: bool | None = None
        self._readable: bool | None = None

    def alive(self) -> bool:
        """Tell whether the tool runs, or is stopped."""
        return not self._ended.is_set()

    def cpus(self) -> str | None:
        """Return the kernel's `Cpus_allowed_list` of the tool, None if unreadable."""
        tool, field = self.pid(), "Cpus_allowed_list"
        return None if tool is None else process_status(self._processes, tool, field)

    def signal(self, name: Signal) -> None:
        """Signal the tool: by kill if we may, else by the shell in its container."""
        if self.alive():
            self._killed = self._killed or name == "KILL"
            tool = self._within_reach()
            if tool is None:
                self._launcher.send(self._job, local_process.DELIVERED[name])
            elif runs(LOCAL, tool, self.argv):  # else it has ended a moment ago
                local_process.deliver(tool, name)
        if name == "CONT":
            self._released = time.monotonic()

    @property
    def latency(self) -> float:
        """Seconds of a round trip to the shell in its container; 0 if we signal it by kill."""
        self._within_reach()
        return 0.0 if self._reached else self._launcher.latency()

    def bytes_read(self) -> BytesRead | None:
        """Return what the tool has read: from /proc if we may, else by the shell."""
        tool = self._within_reach()
        if self._readable is None and self.alive():  # kept, as each way has a clock of its own
            self._readable = tool is not None and local_process.bytes_read(tool) is not None
        if tool is None or not self._readable:
            return self._launcher.bytes_read(self._job)
        return local_process.bytes_read(tool) if runs(LOCAL, tool, self.argv) else None

    def _within_reach(self) -> int | None:
        """Return the pid of a running tool that this user may signal by kill, else None."""
        if self._reached is None and self.alive():
            tool = None
            if self._processes is LOCAL:
                with suppress(*ENGINE_FAILURES):  # the shell serves if the engine does not answer
                    tool = self.pid()
            self._reached = tool is not None and local_process.may_signal(tool)
        return self._tool if self._reached and self.alive() else None

    def pid(self) -> int | None:
        """Return the tool's pid on the engine's machine, None if it is not visible."""
        if self._processes is NOWHERE:
            return None
        for _ in local_process.attempts(_APPEAR, _POLL):
            if self._tool is None and self.alive():
                shell = self._launcher.pid()
                self._tool = _find(self._processes, shell, self._bound, self.argv)
            if self._tool is not None or not self.alive():
                break
        return self._tool if self.alive() else None

    def wait(self, timeout: float) -> Completed:
        """Return its result, killing it after `timeout` seconds."""
        late = not self._ended.wait(timeout)
        if late:
            self.signal("KILL")
        if not self._ended.wait(_GRACE):
            return Completed(self.argv, None, "", "", timed_out=True, seconds=timeout)
        code, ended = self._job.code, self._job.ended.at
        left = None if code is None else self._launcher.fetch(self._job)
        if code is None or left is None:
            return self._unseen(late=late)
        out, err = (part.decode(errors="replace") for part in left)
        code = 128 - code if 128 < code <= 192 else code  # noqa: PLR2004 - as shells do
        bounded = code == -SIGKILL and ended - self._begun >= self._limit
        return Completed(
            argv=self.argv,
            exit_code=code,
            stdout=out,
            stderr=self._why(code, bounded=bounded) + err,
            timed_out=late or bounded,
            seconds=max(0.0, ended - self._released),  # it may be let go after it has ended
        )

    def _unseen(self, *, late: bool) -> Completed:
        """Return the result of a tool whose end was not seen: why its container's shell ended."""
        why = self._launcher.fate()
        seconds = time.monotonic() - self._released
        if self._launcher.out_of_memory():
            why = f"{_OOM}; {why}"
        return Completed(self.argv, None, "", f"{why}\n", timed_out=late, seconds=seconds)

    def _why(self, code: int, *, bounded: bool) -> str:
        """Return a line about what killed it, if that was neither we nor its bound."""
        if code == -SIGXFSZ:
            return f"{FLOODED}\n"
        killed = code == -SIGKILL and not (self._killed or bounded)
        return f"{_OOM}\n" if killed and self._launcher.out_of_memory() else ""


def _command(files: Files, pid: int) -> tuple[str, ...]:
    return tuple((text(files, f"/proc/{pid}/cmdline") or "").split("\0")[:-1])


def runs(files: Files, pid: int, argv: tuple[str, ...]) -> bool:
    """Tell whether `pid` runs exactly this command.

    Where netperf cuts an argument in two, at a comma, it ends the first half in place.
    """
    return _cut(_command(files, pid)) == _cut(argv)


def _cut(argv: tuple[str, ...]) -> str:
    return "\0".join(argv).replace(",", "\0")


def _find(files: Files, shell: int, bound: str, argv: tuple[str, ...]) -> int | None:
    """Return the pid that runs `argv` under the `timeout` with this bound, two below a shell."""
    bounded = _children(files, _children(files, (shell,)))
    taken = FrozenFiles(files, *(f"/proc/{pid}/cmdline" for pid in bounded))
    tools = _children(files, [pid for pid in bounded if bound in _command(taken, pid)])
    taken = FrozenFiles(files, *(f"/proc/{pid}/cmdline" for pid in tools))
    return next((pid for pid in tools if runs(taken, pid, argv)), None)


def _children(files: Files, pids: Iterable[int]) -> tuple[int, ...]:
    found = files.read(*(f"/proc/{pid}/task/{pid}/children" for pid in pids))
    return tuple(int(word) for content in found.values() for word in content.split())


def inner_pid(files: Files, pid: int) -> int | None:
    """Return a process's pid in its own pid namespace."""
    numbers = (process_status(files, pid, "NSpid") or "").split()
    return int(numbers[-1]) if numbers else None


def shows(files: Files, pid: int, container: str, argv: tuple[str, ...]) -> bool:
    """Tell whether `pid` there is the main process `argv` of a container.

    Its cgroup names the container, but for some rootless engines. Then its command tells, which
    for a moment is still that of the runtime, or empty.
    """
    if container in (text(files, f"/proc/{pid}/cgroup") or ""):
        return True
    seen: tuple[str, ...] = ()
    for _ in local_process.attempts(_BECOMES, _POLL):
        seen = _command(files, pid)
        becoming = seen[1:] == _RUNTIME or (not seen and text(files, f"/proc/{pid}/stat"))
        if not becoming:
            break
    return seen[-len(argv) :] == argv
