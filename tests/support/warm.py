"""netbench forked from a process that has it imported already (`support/forked.py`)."""

import atexit
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Final

from support.forked import Call

_SCRIPT: Final = Path(__file__).parent / "forked.py"


class Process:
    """One netbench; to be used like a `subprocess.Popen`."""

    def __init__(self, call: Call) -> None:
        self.returncode: int | None = None
        self._connection = socket.socket(socket.AF_UNIX)
        self._connection.connect(_server())
        self._connection.sendall(call.encoded())
        self._told = b""
        self.pid = int(self._line(None) or 0)

    def _line(self, timeout: float | None) -> str | None:
        """Return the next line, None where it does not come in time."""
        self._connection.settimeout(timeout)
        while b"\n" not in self._told:
            try:
                more = self._connection.recv(64)
            except (TimeoutError, BlockingIOError):
                return None
            assert more, "who forks netbench is gone"
            self._told += more
        line, _, self._told = self._told.partition(b"\n")
        return line.decode()

    def poll(self) -> int | None:
        """Return the exit code, None while it runs."""
        try:
            return self.wait(0)
        except subprocess.TimeoutExpired:
            return None

    def wait(self, timeout: float | None = None) -> int:
        """Return the exit code once it has ended."""
        if self.returncode is None:
            status = self._line(timeout)
            if status is None:
                raise subprocess.TimeoutExpired("netbench", timeout or 0)
            self._connection.close()
            self.returncode = os.waitstatus_to_exitcode(int(status))
        return self.returncode

    def send_signal(self, number: int) -> None:
        """Send a signal, unless it has ended."""
        with suppress(ProcessLookupError):  # it ends between the question and the signal
            if self.poll() is None:
                os.kill(self.pid, number)

    def kill(self) -> None:
        """End it at once."""
        self.send_signal(signal.SIGKILL)


@cache
def _server() -> str:
    """Return the socket of this process's own server, which ends with it."""
    folder = tempfile.mkdtemp(prefix="netbench-warm-", dir="/tmp")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    path = f"{folder}/socket"
    process = subprocess.Popen(
        (sys.executable, str(_SCRIPT), path), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE
    )
    atexit.register(process.kill)
    assert process.stdout
    assert process.stdout.readline() == b"ready\n"
    return path
