"""The clock that sessions are timed by, apart so that tests need not wait."""

import time


class Clock:
    """CLOCK_MONOTONIC."""

    def now(self) -> float:
        """Return the moment, in seconds."""
        return time.monotonic()

    def until(self, moment: float) -> None:
        """Wait until a moment."""
        time.sleep(max(0.0, moment - self.now()))

    def sleep(self, seconds: float) -> None:
        """Wait."""
        self.until(self.now() + seconds)
