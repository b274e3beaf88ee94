"""Processes of one engine, each of which ends with netbench, unless they may be kept."""

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final, TypeVar

from netbench.engines.netns.confinement import Confinement, Groups
from netbench.engines.netns.holder import BOUND, NamespaceProcess, inner_process, unshare
from netbench.engines.owner import this_process
from netbench.errors import EngineError
from netbench.record import Completed
from netbench.system.interrupts import Pool

_Started = TypeVar("_Started")
_NOTHING: Final[Mapping[str, str]] = MappingProxyType({})


class Spawner:
    """Starts processes from one thread that lives as long as the engine.

    When the *thread* that started a process ends, its parent-death signal is sent: prctl(2).
    """

    def __init__(self, run: str, *, keep: bool = False) -> None:
        """Take the id of the run, which marks every process so that leftovers are found.

        With `keep`, holders and programs may outlive netbench.
        """
        owner = this_process()
        self._marks = {"NETBENCH_RUN": run, "NETBENCH_OWNER": owner}
        self._bound = () if keep else BOUND
        self._holders: dict[int, subprocess.Popen[bytes]] = {}
        self._programs: set[subprocess.Popen[str]] = set()
        self._thread = Pool(max_workers=1)
        self.confinement = Confinement()
        self._groups = Groups(run, owner)

    def hold(self, network_of: int | None = None) -> int:
        """Make namespaces, of which net is that of process `network_of` if given.

        Return a process in them; they last until `release` or `close`. EngineError if refused.
        """
        environment = {**os.environ, **self._marks}
        process = self._begin(lambda: unshare(environment, network_of, self._bound))
        try:
            holder = inner_process(process)
            self._groups.make(holder)
        except BaseException:
            process.kill()
            process.wait()
            raise
        finally:
            if process.stderr:
                process.stderr.close()
        self._holders[holder] = process
        return holder

    def release(self, holder: int) -> None:
        """End a holder with everything in it, once."""
        process = self._holders.pop(holder, None)
        if process:
            process.kill()
            process.wait()
            self._groups.remove(holder)

    def tool(self, holder: int, argv: tuple[str, ...], cpu: int | None) -> NamespaceProcess:
        """Start a tool in all namespaces of a holder, in its cgroups from its first instruction."""
        groups, confined = self._groups.of(holder), self.confinement.options
        return self._begin(lambda: NamespaceProcess(holder, argv, cpu, groups, confined))

    def program(
        self,
        place: int,
        argv: tuple[str, ...],
        *,
        stdin: int = subprocess.DEVNULL,
        environment: Mapping[str, str] = _NOTHING,
    ) -> subprocess.Popen[str]:
        """Start a program of the host's in the network namespace of a process, until `end`.

        It has netbench's process numbers, so /proc/PID/ns/net means the same to it, and two pipes.
        """
        enter = (*self._bound, "nsenter", f"--net=/proc/{place}/ns/net")

        def start() -> subprocess.Popen[str]:
            return subprocess.Popen(
                (*enter, *argv),
                stdin=stdin,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env={**os.environ, **self._marks, **environment},
                text=True,
                errors="replace",
                start_new_session=True,
            )

        process = self._begin(start)
        self._programs.add(process)
        return process

    def end(self, process: subprocess.Popen[str]) -> None:
        """Kill a program with its children, which lead a session of their own."""
        self._programs.discard(process)
        _kill(process)
        for stream in (process.stdout, process.stderr):
            if stream:
                stream.close()

    def _begin(self, start: Callable[[], _Started]) -> _Started:
        """Start a process in the thread that outlives it; EngineError if the system has no more."""
        try:
            return self._thread.submit(start).result()
        except OSError as exc:
            raise EngineError(f"the system starts no process: {exc.strerror or exc}") from exc

    def command(
        self,
        place: int,
        argv: tuple[str, ...],
        stdin: str = "",
        *,
        environment: Mapping[str, str] = _NOTHING,
        timeout: float = 10.0,
    ) -> Completed:
        """Run such a program to its end, for `timeout` seconds at most; a missing one gives 127."""
        began = time.monotonic()
        process = self.program(place, argv, stdin=subprocess.PIPE, environment=environment)
        timed_out = False
        try:
            out, err = process.communicate(stdin, timeout)
        except subprocess.TimeoutExpired:
            timed_out = True
            _kill(process)
            out, err = process.communicate()
        finally:
            self.end(process)
        seconds = time.monotonic() - began
        return Completed(argv, process.returncode, out, err, timed_out, seconds)

    def close(self, *, keep: bool = False) -> None:
        """End everything that still runs, unless it is kept, and the thread."""
        for process in () if keep else tuple(self._programs):
            self.end(process)
        for holder in () if keep else reversed(tuple(self._holders.values())):
            holder.kill()
            holder.wait()
        self._holders.clear()
        self._thread.shutdown()
        self.confinement.close()
        if not keep:
            self._groups.close()


def _kill(process: subprocess.Popen[str]) -> None:
    if process.poll() is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
