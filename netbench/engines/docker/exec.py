"""A tool in a container: started, pinned, bounded, signalled and waited for through the engine."""

import math
import secrets
import time
from contextlib import suppress
from dataclasses import dataclass
from signal import SIGKILL, SIGXFSZ
from typing import Final

from netbench.engines import local_process
from netbench.engines.base import FLOODED, BytesRead, Signal
from netbench.engines.docker import procfs
from netbench.engines.docker.launcher import Job, Launcher
from netbench.errors import ENGINE_FAILURES
from netbench.record import Completed
from netbench.system.files import LOCAL, NOWHERE, Files

_GRACE: Final = 10.0
"""Seconds that a killed tool may take to be gone."""
_APPEAR: Final = 5.0
"""Seconds that a started tool may take to show in /proc."""
_POLL: Final = 0.005
_OOM: Final = "out of memory (OOM): the kernel killed a process of its container"


@dataclass(frozen=True, slots=True)
class Launch:
    """What is started, and how."""

    argv: tuple[str, ...]
    """The tool's own command."""
    bound: str
    """The argument by which `timeout` bounds it, in seconds; no other process has the same."""
    limit: float
    """The bound that was asked for, in seconds."""
    processes: Files
    """Files of the machine where processes of containers show; `NOWHERE` if they do not."""


def start(
    launcher: Launcher,
    argv: tuple[str, ...],
    *,
    cpu: int | None,
    limit: float,
    processes: Files = NOWHERE,
) -> "DockerProcess":
    """Start `argv` in the launcher's container; as `Engine.start`."""
    bound = f"{max(1, math.ceil(limit))}.{secrets.randbelow(10**6):06d}"
    pin = () if cpu is None else ("taskset", "-c", str(cpu))
    job = launcher.start(("timeout", "-s", "KILL", bound, *pin, *argv))
    return DockerProcess(launcher, job, Launch(argv, bound, limit, processes))


class DockerProcess:
    """A tool started under `timeout`, which bounds it even if nobody waits.

    `timeout` runs the tool as its child and is never stopped itself, so that its clock runs on
    while the tool is stopped.
    """

    def __init__(self, launcher: Launcher, job: Job, launch: Launch) -> None:
        """Take what has just been started."""
        self._launcher = launcher
        self._job = job
        self._launch = launch
        self._tool: int | None = None
        self._begun = self._released = time.monotonic()
        self._ours = False
        """Whether we have killed it."""
        self._reached: bool | None = None
        """Whether we signal the tool by kill; None before that is known."""
        self._readable: bool | None = None
        """Whether we read its counts in /proc; None before that is known. A rootless engine's user
        may signal tools, but not read this."""

    @property
    def argv(self) -> tuple[str, ...]:
        """The tool's own command."""
        return self._launch.argv

    def alive(self) -> bool:
        """Tell whether the tool runs, or is stopped."""
        return not self._job.ended.is_set()

    def cpus(self) -> str | None:
        """Return the kernel's `Cpus_allowed_list` of the tool, None where unreadable."""
        tool = self.pid()
        files = self._launch.processes
        return None if tool is None else procfs.status(files, tool, "Cpus_allowed_list")

    def signal(self, name: Signal) -> None:
        """Signal the tool: by kill where we may, else by the shell in its container."""
        if self.alive():
            self._ours = self._ours or name == "KILL"
            tool = self._within_reach()
            if tool is None:
                self._launcher.send(self._job, local_process.DELIVERED[name])
            elif procfs.runs(LOCAL, tool, self.argv):  # else it ended and nobody has told us yet
                local_process.deliver(tool, name)
        if name == "CONT":
            self._released = time.monotonic()

    @property
    def latency(self) -> float:
        """Seconds of a round trip to the shell in its container; 0 where we signal it by kill."""
        self._within_reach()
        return 0.0 if self._reached else self._launcher.latency()

    def bytes_read(self) -> BytesRead | None:
        """Return what the tool has read: from /proc where we may, else by the shell."""
        tool = self._within_reach()
        if self._readable is None and self.alive():  # kept, as each way has a clock of its own
            self._readable = tool is not None and local_process.bytes_read(tool) is not None
        if tool is None or not self._readable:
            return self._launcher.bytes_read(self._job)
        return local_process.bytes_read(tool) if procfs.runs(LOCAL, tool, self.argv) else None

    def _within_reach(self) -> int | None:
        """Return the pid of a running tool that is ours to signal, None for every other."""
        if self._launch.processes is not LOCAL or self._reached is False:
            return None
        tool = None
        with suppress(*ENGINE_FAILURES):  # the shell serves where the engine does not tell
            tool = self.pid()
        if self._reached is None and self.alive():
            self._reached = tool is not None and local_process.may_signal(tool)
        return tool if self._reached else None

    def pid(self) -> int | None:
        """Return the tool's pid as the engine's machine has it, None where it is not to be seen."""
        launch = self._launch
        if launch.processes is NOWHERE:
            return None
        deadline = time.monotonic() + _APPEAR
        while self._tool is None and self.alive() and time.monotonic() < deadline:
            shell = self._launcher.pid()
            self._tool = procfs.find(launch.processes, shell, launch.bound, self.argv)
            if self._tool is None:
                time.sleep(_POLL)
        return self._tool if self.alive() else None

    def wait(self, timeout: float) -> Completed:
        """Return what it left, killing it after `timeout` seconds."""
        late = not self._job.ended.wait(timeout)
        if late:
            self.signal("KILL")
        if not self._job.ended.wait(_GRACE):
            return Completed(self.argv, None, "", "", timed_out=True, seconds=timeout)
        left = None if self._job.code is None else self._launcher.fetch(self._job)
        if self._job.code is None or left is None:
            return self._unseen(late=late)
        out, err = (part.decode(errors="replace") for part in left)
        code, ended = self._job.code, self._job.ended_at
        code = 128 - code if 128 < code <= 192 else code  # noqa: PLR2004 - as shells do
        bounded = code == -SIGKILL and ended - self._begun >= self._launch.limit
        return Completed(
            argv=self.argv,
            exit_code=code,
            stdout=out,
            stderr=self._why(code, bounded=bounded) + err,
            timed_out=late or bounded,
            seconds=ended - self._released,
        )

    def _unseen(self, *, late: bool) -> Completed:
        """Return what is known of a tool whose end nobody saw: that of its container's shell."""
        why = self._launcher.fate()
        seconds = time.monotonic() - self._released
        if self._launcher.out_of_memory():
            why = f"{_OOM}; {why}"
        return Completed(self.argv, None, "", f"{why}\n", timed_out=late, seconds=seconds)

    def _why(self, code: int, *, bounded: bool) -> str:
        """Return a line about who killed it, where it was neither itself nor its time."""
        if code == -SIGXFSZ:
            return f"{FLOODED}\n"
        killed = code == -SIGKILL and not (self._ours or bounded)
        return f"{_OOM}\n" if killed and self._launcher.out_of_memory() else ""
