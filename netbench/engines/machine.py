"""Tools on the machine that netbench runs on, in no namespaces but netbench's own."""

import threading
from typing import Final

from netbench.engines.base import MOST_OUTPUT
from netbench.engines.child_process import BOUND, ChildProcess
from netbench.errors import EngineError
from netbench.system.interrupts import Pool

_WRITES: Final = ("prlimit", f"--fsize={MOST_OUTPUT}")


class MachineTools:
    """Starts tools from one thread, with which they end; safe to use from several threads."""

    def __init__(self) -> None:
        """Start nothing yet."""
        self._lock = threading.Lock()
        self._thread: Pool | None = None

    def start(self, argv: tuple[str, ...], cpu: int | None) -> ChildProcess:
        """Start a tool; EngineError if the system starts no process."""
        with self._lock:
            self._thread = self._thread or Pool(max_workers=1)
        try:
            return self._thread.submit(ChildProcess, argv, cpu, *_WRITES, *BOUND).result()
        except OSError as exc:
            raise EngineError(f"the system starts no process: {exc.strerror or exc}") from exc

    def close(self) -> None:
        """End all that still run."""
        with self._lock:
            if self._thread is not None:
                self._thread.shutdown()
