"""Anonymous namespaces held open by a process that dies with us, and tools run in them.

A holder is `sleep` as process 1 of its own PID namespace: when it dies, by us or because we
died (parent-death signal), the kernel ends every process in there and the namespaces vanish.
Nothing is ever named under /run.
"""

import contextlib
import os
import signal
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO

from netbench.engines import local_process
from netbench.engines.base import FLOODED, KEPT_OF_FLOOD, MOST_OUTPUT, BytesRead, Signal
from netbench.errors import EngineError
from netbench.record import Completed

_BECOME = 'ulimit -c 0; ulimit -f "$1"; shift; exec "$@"'
"""Script that bounds what it may write, in blocks of 512 bytes, and becomes a tool: its output goes
into files of ours."""
_JOIN = (
    'ulimit -c 0; ulimit -f "$1"; shift; for file in $0; do echo 0 > "$file" || exit; done; '
    'exec "$@"'
)
"""The same that first puts itself into cgroups; 0 is who writes it. Their names have no blanks."""
_START = 5.0
"""Seconds a holder may take to stand."""
_POLL = 0.02
"""Seconds between looks at a tool that `nsenter` does not wait for, as it is stopped."""
_ENDED = ("Z", "X", None)
"""States of a process that has ended (proc_pid_stat(5)); None where it is gone altogether."""


@dataclass(frozen=True, slots=True)
class Holder:
    """A set of namespaces."""

    process: subprocess.Popen[bytes]
    """The `unshare` that waits for `pid`."""
    pid: int
    """The process inside, as numbered outside."""

    def close(self) -> None:
        """End everything that runs in there."""
        self.process.kill()
        self.process.wait()


def begin(run: str, owner: str, network_of: int | None) -> subprocess.Popen[bytes]:
    """Start a holder, in a thread that outlives it; `settled` waits for it."""
    # Nothing is mounted in there, so mounts may go on propagating; a chroot would refuse a change.
    own = ["--ipc", "--uts", "--mount", "--propagation=unchanged"]
    own += ["--pid", "--fork", "--kill-child=KILL"]
    joined = ["nsenter", f"--net=/proc/{network_of}/ns/net"] if network_of else []
    argv = [
        *("setpriv", "--pdeathsig", "KILL"),
        *joined,
        *("unshare", *own, *(() if network_of else ("--net",))),
        *("sleep", "infinity"),
    ]
    return subprocess.Popen(
        argv,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        env={**os.environ, **marks(run, owner)},
        start_new_session=True,
    )


def marks(run: str, owner: str) -> dict[str, str]:
    """Return the environment by which leftovers are found."""
    return {"NETBENCH_RUN": run, "NETBENCH_OWNER": owner}


def settled(process: subprocess.Popen[bytes]) -> Holder:
    """Wait until a holder's namespaces stand: net, ipc, uts, mnt and pid.

    Raises:
        EngineError: the kernel refused.
    """
    try:
        return Holder(process, _wait_for_child(process, "sleep"))
    except BaseException:
        process.kill()
        process.wait()
        raise
    finally:
        if process.stderr:
            process.stderr.close()


def _wait_for_child(process: subprocess.Popen[bytes], name: str) -> int:
    deadline = time.monotonic() + _START
    while time.monotonic() < deadline:
        if process.poll() is not None:
            said = process.stderr.read().decode(errors="replace").strip() if process.stderr else ""
            raise EngineError(f"namespaces refused: {said or f'exit code {process.returncode}'}")
        child = only_child(process.pid)
        if child is not None and _comm(child) == name:
            return child
        time.sleep(0.001)
    raise EngineError(f"a namespace holder did not start within {_START:.0f} s")


def only_child(pid: int) -> int | None:
    """Return the first child of a process, None where it has none."""
    try:
        text = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    except OSError:
        return None
    return int(text.split()[0]) if text.split() else None


def _comm(pid: int) -> str | None:
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return None


def _state(pid: int) -> str | None:
    """Return a process's state letter, None where it is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return None


class NamespaceProcess:
    """A tool in a holder's namespaces; implements `engines.base.Process`.

    It needs no bound of its own: it ends with the holder, which ends with us. The `nsenter` that
    waits for it outside may be stopped then, and has a parent-death signal of its own, so the
    thread that starts a tool has to outlive it.

    `nsenter` stops itself when it sees the tool stopped, and sends the tool SIGCONT when it is
    continued itself. So all signals but KILL go to the tool alone, and `nsenter`, once stopped, is
    continued only after the tool has ended: until then we look for the tool's end ourselves.
    """

    latency = 0.0

    def __init__(
        self,
        holder: int,
        argv: tuple[str, ...],
        cpu: int | None,
        groups: tuple[Path, ...],
        confined: tuple[str, ...] = (),
    ) -> None:
        """Start `argv` in the namespaces of process `holder`, pinned to `cpu`, in a cgroup.

        `confined` are options of `setpriv` that load a seccomp filter.
        """
        most = str(MOST_OUTPUT // 512)
        bound = (
            ("sh", "-c", _BECOME, "sh", most)
            if not groups
            else ("sh", "-c", _JOIN, " ".join(f"{one}/cgroup.procs" for one in groups), most)
        )
        pin = () if cpu is None else ("taskset", "--cpu-list", str(cpu))
        die = ("setpriv", "--pdeathsig", "KILL", *confined)
        enter = ("nsenter", f"--target={holder}", "--net", "--ipc", "--uts", "--mount", "--pid")
        self.argv = argv
        self._out: IO[bytes] = TemporaryFile()  # noqa: SIM115 -- closed by wait
        self._err: IO[bytes] = TemporaryFile()  # noqa: SIM115 -- closed by wait
        self._tool: int | None = None
        self._held = False
        """Whether the tool was ever stopped, so that `nsenter` may be."""
        self._started = time.monotonic()
        self._process = subprocess.Popen(
            (*bound, *die, *enter, *pin, *argv),
            stdin=subprocess.DEVNULL,
            stdout=self._out,
            stderr=self._err,
            start_new_session=True,
        )

    def alive(self) -> bool:
        """Tell whether it still runs."""
        return self._process.poll() is None and not self._over()

    def _over(self) -> bool:
        """Tell whether a tool that was held has ended, which a stopped `nsenter` does not tell."""
        return self._held and self._tool is not None and _state(self._tool) in _ENDED

    def signal(self, name: Signal) -> None:
        """Send a signal to the tool; KILL to the `nsenter` that waits for it too."""
        if name == "CONT":
            self._started = time.monotonic()
        if name == "KILL":
            if self._process.poll() is None:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(self._process.pid, signal.SIGKILL)
            return
        deadline = time.monotonic() + _START
        while (tool := self.pid()) is None and self.alive() and time.monotonic() < deadline:
            time.sleep(0.001)
        if tool is not None:
            self._held = self._held or name == "STOP"
            local_process.deliver(tool, name)

    def bytes_read(self) -> BytesRead | None:
        """Return what the tool has read."""
        tool = self.pid()
        return None if tool is None else local_process.bytes_read(tool)

    def cpus(self) -> str | None:
        """Return the tool's `Cpus_allowed_list`."""
        child = self.pid()
        try:
            text = Path(f"/proc/{child}/status").read_text() if child else ""
        except OSError:
            return None
        lines = [x for x in text.splitlines() if x.startswith("Cpus_allowed_list:")]
        return lines[0].split()[1] if lines else None

    def pid(self) -> int | None:
        """Return the tool's number out here, None where it has ended."""
        if not self.alive():
            return None
        if self._tool is None:
            self._tool = only_child(self._process.pid)
        return self._tool

    def wait(self, timeout: float) -> Completed:
        """Return what the tool left, killing it after `timeout` seconds."""
        timed_out = False
        try:
            code: int | None = self._await_end(timeout)
        except subprocess.TimeoutExpired:
            timed_out = True
            self.signal("KILL")
            code = self._process.wait()
        except BaseException:
            self.signal("KILL")
            self._process.wait()
            raise
        seconds = time.monotonic() - self._started
        flooded = code == -signal.SIGXFSZ
        most = KEPT_OF_FLOOD if flooded else MOST_OUTPUT
        out, err = _text(self._out, most), _text(self._err, most)
        if flooded:
            err = f"{FLOODED}\n{err}"
        return Completed(self.argv, code, out, err, timed_out, seconds)

    def _await_end(self, timeout: float) -> int:
        """Return the exit code; `nsenter` is let go on as soon as the tool has ended.

        Raises:
            TimeoutExpired: it has not ended within `timeout` seconds.
        """
        deadline = time.monotonic() + timeout
        while self._held and self._process.poll() is None:
            if self._over():  # again and again: it may have been about to stop itself
                self._process.send_signal(signal.SIGCONT)
            elif time.monotonic() >= deadline:
                raise subprocess.TimeoutExpired(self.argv, timeout)
            time.sleep(_POLL)
        return self._process.wait(max(0.0, deadline - time.monotonic()))


def _text(stream: IO[bytes], most: int) -> str:
    with stream:
        stream.seek(0)
        return stream.read(most).decode(errors="replace")
