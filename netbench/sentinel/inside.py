"""The sentinel of a machine that we reach by the engine alone: `dd` through a pipe, on its CPUs.

On two CPUs it is a stream, on one CPU as many small messages as fit, each written and read by a
system call of its own. A reading is bounded in time: one bounded in bytes lasts as long as the
machine is slow. Neither touches a network stack. What it reads is compared with other
readings of its own kind only.
"""

import re
import time
from collections.abc import Callable
from typing import Final, Literal

from netbench.errors import EngineError
from netbench.record import Absent, SentinelReading
from netbench.sentinel.measure import SECONDS, Sentinel

Ask = Callable[[str, float], str]
"""Carry out a script on the engine's machine within so many seconds and return what it prints."""

_MESSAGES: Final[dict[Literal["stream", "pingpong"], int]] = {"stream": 128 * 1024, "pingpong": 64}
"""Bytes of a message."""
_SCRIPT: Final = (
    "timeout {seconds} taskset -c {client} dd if=/dev/zero bs={size} 2>/dev/null"
    " | LC_ALL=C taskset -c {server} dd of=/dev/null bs={size} iflag=fullblock 2>&1"
)
_SAID: Final = re.compile(r"^(\d+) bytes.* copied, ([\d.e+-]+) s", re.MULTILINE)
_PATIENCE: Final = 5.0
"""Seconds after which a silent machine gave no reading."""
_NO_COPY: Final = Absent("copies of memory are measured on this process's own machine alone")


class InsideSentinel(Sentinel):
    """Measures on request, by processes that end with each reading."""

    def __init__(self, ask: Ask) -> None:
        """Take what runs a script there."""
        super().__init__()
        self._ask = ask

    def read(
        self,
        client_cpu: int | None,
        server_cpu: int | None,
        method: Literal["stream", "pingpong"] | None = None,
    ) -> SentinelReading | Absent:
        """Return the state's figure on these CPUs; a message is what a round trip is elsewhere."""
        if client_cpu is None or server_cpu is None:
            return Absent("unpinned")
        method = method or ("pingpong" if client_cpu == server_cpu else "stream")
        size, cpus = _MESSAGES[method], {"client": client_cpu, "server": server_cpu}
        script = _SCRIPT.format(seconds=SECONDS, size=size, **cpus)
        begun = time.monotonic()
        try:
            said = self._ask(script, _PATIENCE)
        except EngineError as exc:
            return Absent(f"no sentinel on CPUs {client_cpu} and {server_cpu}: {exc.message}")
        at = (begun + time.monotonic()) / 2
        found = _SAID.search(said)
        if found is None or int(found[1]) < size or float(found[2]) <= 0:
            evidence = repr(said.strip()[:120])
            return Absent(f"no sentinel on CPUs {client_cpu} and {server_cpu}: {evidence}")
        rate = int(found[1]) / float(found[2])
        return SentinelReading(rate * 8 if method == "stream" else rate / size, at)

    def copy(self, cpu: int, block: int, seconds: float) -> float | Absent:
        """Return why there is no figure."""
        del cpu, block, seconds
        return _NO_COPY
