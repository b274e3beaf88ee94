"""A tool that netbench starts on its own machine, and what it leaves."""

import subprocess
import time
from tempfile import TemporaryFile
from typing import IO, Final

from netbench.engines import local_process
from netbench.engines.base import BytesRead, Signal
from netbench.record import Completed
from netbench.system.files import LOCAL, process_status

BOUND: Final = ("setpriv", "--pdeathsig", "KILL")  # until the thread that starts it ends: prctl(2)


class ChildProcess:
    """A tool as a child of netbench; implements `engines.base.Process`."""

    latency = 0.0

    def __init__(self, argv: tuple[str, ...], cpu: int | None, *before: str) -> None:
        """Start it, pinned; each program `before` it in the command becomes the next one."""
        pin = () if cpu is None else ("taskset", "--cpu-list", str(cpu))
        self.argv = argv
        self._out: IO[bytes] = TemporaryFile()  # noqa: SIM115 -- closed by wait
        self._err: IO[bytes] = TemporaryFile()  # noqa: SIM115 -- closed by wait
        self._started = time.monotonic()
        self._process = subprocess.Popen(
            (*before, *pin, *argv),
            stdin=subprocess.DEVNULL,
            stdout=self._out,
            stderr=self._err,
            start_new_session=True,
        )

    def alive(self) -> bool:
        """Tell whether it still runs."""
        return self._process.poll() is None

    def signal(self, name: Signal) -> None:
        """Send a signal."""
        self._note(name)
        for number in local_process.DELIVERED[name]:
            self._process.send_signal(number)

    def _note(self, name: Signal) -> None:
        """Let its time begin anew when it goes on."""
        if name == "CONT":
            self._started = time.monotonic()

    def bytes_read(self) -> BytesRead | None:
        """Return what it has read."""
        pid = self.pid()
        return None if pid is None else local_process.bytes_read(pid)

    def cpus(self) -> str | None:
        """Return its `Cpus_allowed_list`."""
        pid = self.pid()
        return None if pid is None else process_status(LOCAL, pid, "Cpus_allowed_list")

    def pid(self) -> int | None:
        """Return its process number, or None if it has ended."""
        return self._process.pid if self.alive() else None

    def wait(self, timeout: float) -> Completed:
        """Return what it left, killing it after `timeout` seconds."""
        timed_out = False
        try:
            code = self._await_end(timeout)
        except subprocess.TimeoutExpired:
            timed_out = True
            self.signal("KILL")
            code = self._process.wait()
        except BaseException:
            self.signal("KILL")
            self._process.wait()
            raise
        seconds = time.monotonic() - self._started
        return local_process.completed(
            self.argv, code, self._out, self._err, timed_out=timed_out, seconds=seconds
        )

    def _await_end(self, timeout: float) -> int:
        """Return the exit code, or raise TimeoutExpired."""
        return self._process.wait(timeout)
