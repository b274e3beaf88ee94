"""Processes of one engine, each of which ends with us."""

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import IO, Final, TypeVar

from netbench.engines.netns.confinement import Confinement
from netbench.engines.netns.holder import Holder, NamespaceProcess, begin, marks, settled
from netbench.errors import EngineError
from netbench.record import Completed
from netbench.system.interrupts import Pool

_Started = TypeVar("_Started")
_NOTHING: Final[Mapping[str, str]] = MappingProxyType({})


def end(process: subprocess.Popen[str]) -> None:
    """Kill a program with its children, which lead a session of their own."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


class Spawner:
    """Starts processes from one thread that lives as long as the engine.

    A parent-death signal is sent when the *thread* that started the process ends, prctl(2)
    PR_SET_PDEATHSIG.
    """

    def __init__(self, run: str, owner: str) -> None:
        """Take what marks every process as this run's."""
        self._run = run
        self._owner = owner
        self._thread = Pool(max_workers=1)
        self.confinement = Confinement()

    def hold(self, network_of: int | None = None) -> Holder:
        """Make namespaces, of which net is that of process `network_of` if given.

        Raises:
            EngineError: the kernel refused.
        """
        return settled(self._begin(lambda: begin(self._run, self._owner, network_of)))

    def tool(
        self, holder: int, argv: tuple[str, ...], cpu: int | None, groups: tuple[Path, ...]
    ) -> NamespaceProcess:
        """Start a tool in all namespaces of a holder, in cgroups from its first instruction."""
        confined = self.confinement.options
        return self._begin(lambda: NamespaceProcess(holder, argv, cpu, groups, confined))

    def program(
        self,
        place: int,
        argv: tuple[str, ...],
        *,
        stdin: int | IO[str] = subprocess.DEVNULL,
        environment: Mapping[str, str] = _NOTHING,
    ) -> subprocess.Popen[str]:
        """Start a program of the host's in the network namespace of a process, in no other of it.

        Its process numbers are ours, so paths such as /proc/PID/ns/net mean to it what they mean
        to us. Output goes to two pipes.
        """
        enter = ("setpriv", "--pdeathsig", "KILL", "nsenter", f"--net=/proc/{place}/ns/net")
        env = {**os.environ, **marks(self._run, self._owner), **environment}

        def start() -> subprocess.Popen[str]:
            return subprocess.Popen(
                (*enter, *argv),
                stdin=stdin,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env=env,
                text=True,
                errors="replace",
                start_new_session=True,
            )

        return self._begin(start)

    def _begin(self, start: Callable[[], _Started]) -> _Started:
        """Start a process in the thread that outlives it.

        Raises:
            EngineError: the system has no more descriptors, processes or memory for it.
        """
        try:
            return self._thread.submit(start).result()
        except OSError as exc:
            raise EngineError(f"the system starts no process: {exc.strerror or exc}") from exc

    def command(
        self,
        place: int,
        argv: tuple[str, ...],
        *,
        stdin: str = "",
        environment: Mapping[str, str] = _NOTHING,
        timeout: float = 10.0,
    ) -> Completed:
        """Run such a program to its end; a missing one ends with code 127."""
        began = time.monotonic()
        process = self.program(place, argv, stdin=subprocess.PIPE, environment=environment)
        timed_out = False
        try:
            out, err = process.communicate(stdin, timeout)
        except subprocess.TimeoutExpired:
            timed_out = True
            end(process)
            out, err = process.communicate()
        except BaseException:
            end(process)
            raise
        seconds = time.monotonic() - began
        return Completed(argv, process.returncode, out, err, timed_out, seconds)

    def close(self) -> None:
        """Let the thread end, and with it whatever still runs."""
        self._thread.shutdown()
        self.confinement.close()
