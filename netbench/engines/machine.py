"""Tools on the machine that netbench runs on, in no namespaces but netbench's own."""

import subprocess
import threading
import time
from tempfile import TemporaryFile
from typing import IO, Final

from netbench.engines import local_process
from netbench.engines.base import MOST_OUTPUT, BytesRead, Signal
from netbench.errors import EngineError
from netbench.record import Completed
from netbench.system.files import LOCAL, process_status
from netbench.system.interrupts import Pool

_BOUND: Final = ("setpriv", "--pdeathsig", "KILL")  # until the thread that starts it ends: prctl(2)
_WRITES: Final = ("prlimit", f"--fsize={MOST_OUTPUT}")


class MachineProcess:
    """A tool there; implements `engines.base.Process`."""

    latency = 0.0

    def __init__(self, argv: tuple[str, ...], cpu: int | None) -> None:
        """Start it; each program before it in the command becomes the next one."""
        pin = () if cpu is None else ("taskset", "--cpu-list", str(cpu))
        self.argv = argv
        self._out: IO[bytes] = TemporaryFile()  # noqa: SIM115 -- closed by wait
        self._err: IO[bytes] = TemporaryFile()  # noqa: SIM115 -- closed by wait
        self._started = time.monotonic()
        self._process = subprocess.Popen(
            (*_WRITES, *_BOUND, *pin, *argv),
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
        if name == "CONT":
            self._started = time.monotonic()
        for number in local_process.DELIVERED[name]:
            self._process.send_signal(number)

    def bytes_read(self) -> BytesRead | None:
        """Return what it has read."""
        return local_process.bytes_read(self._process.pid) if self.alive() else None

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
            code = self._process.wait(timeout)
        except subprocess.TimeoutExpired:
            timed_out = True
            self._process.kill()
            code = self._process.wait()
        except BaseException:
            self._process.kill()
            self._process.wait()
            raise
        seconds = time.monotonic() - self._started
        return local_process.completed(
            self.argv, code, self._out, self._err, timed_out=timed_out, seconds=seconds
        )


class MachineTools:
    """Starts tools from one thread, with which they end; safe to use from several threads."""

    def __init__(self) -> None:
        """Start nothing yet."""
        self._lock = threading.Lock()
        self._thread: Pool | None = None

    def start(self, argv: tuple[str, ...], cpu: int | None) -> MachineProcess:
        """Start a tool; EngineError if the system starts no process."""
        with self._lock:
            self._thread = self._thread or Pool(max_workers=1)
        try:
            return self._thread.submit(MachineProcess, argv, cpu).result()
        except OSError as exc:
            raise EngineError(f"the system starts no process: {exc.strerror or exc}") from exc

    def close(self) -> None:
        """End all that still run."""
        with self._lock:
            if self._thread is not None:
                self._thread.shutdown()
