"""Anonymous namespaces held open by a process that dies with netbench, and tools run in them.

A holder is `sleep` as process 1 of its own PID namespace: when it is killed, by netbench or by its
parent-death signal, the kernel ends every process in there, and the namespaces go. One that may be
kept has no such signal from the start, as it cannot be taken back from outside.
"""

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from netbench.engines import local_process
from netbench.engines.base import MOST_OUTPUT, Signal
from netbench.engines.child_process import BOUND, ChildProcess
from netbench.errors import EngineError
from netbench.system.files import LOCAL, text

NAMESPACES: Final = ("--net", "--ipc", "--uts", "--mount", "--pid")  # that an endpoint has
_BECOME: Final = (
    'ulimit -c 0; ulimit -f "$1"; shift; for file in $0; do echo 0 > "$file" || exit; done; '
    'exec "$@"'
)
"""Script that limits the files it writes, in blocks of 512 bytes, joins cgroups and becomes a tool.
0 stands for the process that writes it. The names of cgroups have no blanks."""
_START: Final = 5.0  # seconds a holder may take to stand
_POLL: Final = 0.02  # seconds between looks at a tool that `nsenter` does not wait for


def unshare(
    environment: Mapping[str, str], network_of: int | None, bound: tuple[str, ...]
) -> subprocess.Popen[bytes]:
    """Start a holder, by `BOUND` or nothing, with the network namespace of a process if given."""
    # Nothing is mounted in there, so mounts may go on propagating; a chroot would refuse a change.
    own = ["--ipc", "--uts", "--mount", "--propagation=unchanged"]
    own += ["--pid", "--fork", "--kill-child=KILL"]
    joined = ["nsenter", f"--net=/proc/{network_of}/ns/net"] if network_of else []
    own += [] if network_of else ["--net"]
    return subprocess.Popen(
        (*bound, *joined, "unshare", *own, "sleep", "infinity"),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        env=environment,
        start_new_session=True,
    )


def inner_process(holder: subprocess.Popen[bytes]) -> int:
    """Wait for the process inside, return its number outside; EngineError if refused."""
    for _ in local_process.attempts(_START, 0.001):
        if holder.poll() is not None:
            said = holder.stderr.read().decode(errors="replace").strip() if holder.stderr else ""
            raise EngineError(f"namespaces refused: {said or f'exit code {holder.returncode}'}")
        child = _only_child(holder.pid)
        if child is not None and text(LOCAL, f"/proc/{child}/comm") == "sleep\n":
            return child
    raise EngineError(f"a namespace holder did not start within {_START:.0f} s")


def _only_child(pid: int) -> int | None:
    found = (text(LOCAL, f"/proc/{pid}/task/{pid}/children") or "").split()
    return int(found[0]) if found else None


class NamespaceProcess(ChildProcess):
    """A tool in a holder's namespaces.

    It ends with the holder. The `nsenter` that waits for it outside may be stopped then, and has a
    parent-death signal of its own, so the thread that starts a tool has to outlive it.

    `nsenter` stops itself when it sees the tool stopped, and sends it SIGCONT when continued. So
    all signals but KILL go to the tool alone, and `nsenter` is continued only after it has ended.
    """

    def __init__(
        self,
        holder: int,
        argv: tuple[str, ...],
        cpu: int | None,
        groups: tuple[Path, ...],
        confined: tuple[str, ...],
    ) -> None:
        """Start `argv`, pinned and in cgroups; `confined` are options of `setpriv` for seccomp."""
        files = " ".join(f"{group}/cgroup.procs" for group in groups)
        self._tool: int | None = None
        self._held = False  # whether the tool was ever stopped, so that `nsenter` may be
        super().__init__(
            argv,
            cpu,
            *("sh", "-c", _BECOME, files, str(MOST_OUTPUT // 512)),
            *(*BOUND, *confined),
            *("nsenter", f"--target={holder}", *NAMESPACES),
        )

    def alive(self) -> bool:
        """Tell whether it still runs."""
        return super().alive() and not self._over()

    def _over(self) -> bool:
        """Tell whether a tool that was held has ended, which a stopped `nsenter` does not show."""
        held = self._tool if self._held else None
        return held is not None and local_process.started(held) is None

    def signal(self, name: Signal) -> None:
        """Send a signal to the tool; KILL to the `nsenter` that waits for it too."""
        self._note(name)
        if name == "KILL":
            if self._process.poll() is None:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(self._process.pid, signal.SIGKILL)
            return
        for _ in local_process.attempts(_START, 0.001):
            tool = self.pid()
            if tool is not None:
                self._held = self._held or name == "STOP"
                local_process.deliver(tool, name)
            if tool is not None or not self.alive():
                return

    def pid(self) -> int | None:
        """Return the tool's process number outside, or None if it has ended."""
        if self._tool is None:
            self._tool = _only_child(self._process.pid)
        return self._tool if self.alive() else None

    def _await_end(self, timeout: float) -> int:
        """Return the exit code, or raise TimeoutExpired; `nsenter` goes on when the tool ends."""
        deadline = time.monotonic() + timeout
        while self._held and self._process.poll() is None:
            if self._over():  # again and again: it may have been about to stop itself
                self._process.send_signal(signal.SIGCONT)
            elif time.monotonic() >= deadline:
                raise subprocess.TimeoutExpired(self.argv, timeout)
            time.sleep(_POLL)
        return self._process.wait(max(0.0, deadline - time.monotonic()))
