"""A clock that moves when somebody waits for it."""

import threading

from netbench.runner.machine import Clock


class FakeClock(Clock):
    """Waiting takes no time: the clock is at the moment that was waited for."""

    def __init__(self, start: float = 1000.0) -> None:
        self._now = start
        self._lock = threading.Lock()

    def now(self) -> float:
        return self._now

    def until(self, moment: float) -> None:
        with self._lock:
            self._now = max(self._now, moment)
