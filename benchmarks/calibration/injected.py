"""Engines that do something to a run which the run does not know of.

A decorator around netbench's own engine: before each trial it sets a token bucket on the client's
link, or half-way through the run it starts a neighbour. Everything else is the engine's own.
"""

import re
import signal
import subprocess
import sys
import time
from dataclasses import asdict, dataclass, field
from random import Random
from typing import Any, Literal

from netbench.engines.base import Endpoint, Engine, Process
from netbench.errors import EngineError
from netbench.spec import Role

CHANGED = "mtu-1500"
"""What the driver's arms have in their names, and the baseline's two have not."""
LINK = "eth0"
BURST = 131_072
"""Bytes the bucket holds: more than the largest segment that the stack sends at once."""
QUEUE = 1_048_576
"""Bytes that may wait for tokens."""
TOOLS = ("netperf", "sockperf")
NAME = re.compile(r"b(?P<block>\d+)-.*-c")
BUSY = "while True: pass"


@dataclass(frozen=True, slots=True)
class Limiter:
    """A rate for every trial, by arm and by time."""

    rate: float
    """bit/s of the baseline."""
    ratio: float = 1.0
    """The driver's rate over the baseline's: what the run is to find."""
    noise: float = 0.0
    """Standard deviation of the logarithm of each trial's rate."""
    course: Literal["steady", "drift", "step"] = "steady"
    """How the rate of all arms moves: by a thirtieth each block, or by -30 % in mid-run."""
    burst: int = BURST

    def at(self, random: Random, progress: float, *, changed: bool) -> float:
        """Return a trial's rate in bit/s; `progress` is the run's, 0 to 1."""
        course = {
            "steady": 1.0,
            "drift": 1 - 0.3 * progress,
            "step": 1.0 if progress < 1 / 2 else 0.7,
        }[self.course]
        noise = random.lognormvariate(0, self.noise) if self.noise else 1.0
        return self.rate * (self.ratio if changed else 1.0) * course * noise


@dataclass(frozen=True, slots=True)
class Injected:
    """One thing done, as the campaign's folder keeps it."""

    endpoint: str
    at: float
    """CLOCK_MONOTONIC seconds."""
    rate: float
    """bit/s."""


@dataclass(slots=True)
class Disturbed:
    """An engine whose runs are disturbed; what it does not name itself is the engine's."""

    engine: Engine
    expected: float
    """Seconds that a run is expected to take: drift and step are spread over them."""
    blocks: int
    limiter: Limiter | None
    hog_cpu: int | None
    """CPU on which a neighbour is busy from mid-run on; None for no neighbour."""
    random: Random
    done: list[Injected] = field(default_factory=list)
    _began: float = field(default_factory=time.monotonic)
    _hog: subprocess.Popen[bytes] | None = None

    def __getattr__(self, name: str) -> Any:
        """Hand on to the engine."""
        return getattr(self.engine, name)

    def create_endpoint(self, name: str, role: Role, *given: Any, **more: Any) -> Endpoint:
        """Make an endpoint; put a bucket on a client's link before its facts are first read.

        netbench proves that links are the same before and after a trial: later only rates change.
        """
        endpoint = self.engine.create_endpoint(name, role, *given, **more)
        if NAME.fullmatch(name) and self.limiter is not None:
            self._set(endpoint, self.limiter, self.limiter.rate)
        return endpoint

    def start(
        self, endpoint: Endpoint, argv: tuple[str, ...], *, cpu: int | None, limit: float
    ) -> Process:
        """Start a tool; before a client, do what is to be done."""
        found = NAME.fullmatch(endpoint.name)
        if found and endpoint.role is Role.CLIENT and argv[0] in TOOLS:
            if self.limiter is not None:
                self._limit(endpoint, self.limiter)
            if self.hog_cpu is not None and int(found["block"]) > self.blocks // 2:
                self._neighbour(self.hog_cpu)
        return self.engine.start(endpoint, argv, cpu=cpu, limit=limit)

    def close(self) -> None:
        """End the neighbour, then the engine."""
        if self._hog is not None:
            self._hog.send_signal(signal.SIGKILL)
            self._hog.wait()
        self.engine.close()

    def _limit(self, endpoint: Endpoint, limiter: Limiter) -> None:
        progress = min(1.0, (time.monotonic() - self._began) / self.expected)
        rate = limiter.at(self.random, progress, changed=CHANGED in endpoint.name)
        self._set(endpoint, limiter, rate)
        self.done.append(Injected(endpoint.name, time.monotonic(), rate))

    def _set(self, endpoint: Endpoint, limiter: Limiter, rate: float) -> None:
        bucket = ("rate", f"{rate:.0f}bit", "burst", str(limiter.burst), "limit", str(QUEUE))
        argv = ("tc", "qdisc", "replace", "dev", LINK, "root", "handle", "1:", "tbf", *bucket)
        done = self.engine.run(endpoint, argv, timeout=5)
        if done.exit_code != 0:
            raise EngineError(f"tc: {done.stderr.strip() or done.exit_code}")

    def _neighbour(self, cpu: int) -> None:
        if self._hog is None:
            argv = ("setpriv", "--pdeathsig", "KILL", "taskset", "--cpu-list", str(cpu))
            self._hog = subprocess.Popen((*argv, sys.executable, "-c", BUSY))
            self.done.append(Injected("neighbour", time.monotonic(), 0.0))

    def told(self) -> dict[str, object]:
        """Return what was asked and what was done, for the campaign's folder."""
        return {
            "limiter": asdict(self.limiter) if self.limiter else None,
            "neighbour_cpu": self.hog_cpu,
            "done": [asdict(one) for one in self.done],
        }
