"""What is done to a campaign that the run does not know of: a known rate, or a busy neighbour."""

import subprocess
import sys
from dataclasses import dataclass
from random import Random
from types import TracebackType
from typing import Any, Self

from netbench.engines.base import Endpoint, Engine
from netbench.errors import EngineError
from netbench.spec import Role

CHANGED = "mtu-1500"
"""What the names of the driver's endpoints hold, and those of the baseline's do not."""
LINK = "eth0"
QUEUE = 1_048_576
"""Bytes that may wait for tokens."""


@dataclass(frozen=True, slots=True)
class Limiter:
    """A token bucket on the client's link, with a rate of its own in every session.

    A bucket smaller than a few messages makes a closed loop of round trips wait for its tokens:
    each then takes bytes / rate, which is a delay.
    """

    rate: float
    """bit/s of the baseline."""
    ratio: float
    """The driver's rate over the baseline's."""
    noise: float = 0.03
    """Standard deviation of the logarithm of each session's rate."""
    burst: int = 131_072
    """Bytes that the bucket holds."""

    def draw(self, random: Random, *, changed: bool) -> float:
        """Return a session's rate in bit/s."""
        ratio = self.ratio if changed else 1.0
        return self.rate * ratio * random.lognormvariate(0, self.noise)


@dataclass(slots=True)
class Limited:
    """An engine that puts a limiter on every client's link; all else is the engine's own."""

    engine: Engine
    limiter: Limiter
    random: Random

    def __getattr__(self, name: str) -> Any:
        """Hand on to the engine."""
        return getattr(self.engine, name)

    def create_endpoint(self, name: str, role: Role, *given: Any, **more: Any) -> Endpoint:
        """Make an endpoint, a client's with its limiter, before its facts are first read.

        Raises:
            EngineError: it cannot be made, or the kernel has no token bucket.
        """
        endpoint = self.engine.create_endpoint(name, role, *given, **more)
        if role is Role.CLIENT:
            rate = self.limiter.draw(self.random, changed=CHANGED in name)
            bucket = ("rate", f"{rate:.0f}bit", "burst", str(self.limiter.burst))
            argv = ("tc", "qdisc", "replace", "dev", LINK, "root", "handle", "1:", "tbf")
            limit = ("limit", str(QUEUE))
            done = self.engine.run(endpoint, (*argv, *bucket, *limit), timeout=5)
            if done.exit_code != 0:
                raise EngineError(f"tc: {done.stderr.strip() or done.exit_code}")
        return endpoint


NEIGHBOUR = """
import os, random, sys, time
random.seed(sys.argv[1])
cpus = sorted(os.sched_getaffinity(0))
while True:
    time.sleep(random.expovariate(1 / float(sys.argv[2])))
    os.sched_setaffinity(0, {random.choice(cpus)})
    until = time.monotonic() + random.expovariate(1 / 3)
    while time.monotonic() < until:
        pass
"""
"""Rests, then takes a CPU chosen at random for three seconds in the mean, again and again."""


class Neighbour:
    """A process that takes a CPU for seconds at random, as long as the context lasts."""

    def __init__(self, seed: str, rest: float = 4.0) -> None:
        """Take the seed of its times and CPUs, and the mean of its rests in seconds."""
        python = (sys.executable, "-c", NEIGHBOUR, seed, str(rest))
        self._argv = ("setpriv", "--pdeathsig", "KILL", *python)

    def __enter__(self) -> Self:
        """Start it."""
        self._process = subprocess.Popen(self._argv, stdin=subprocess.DEVNULL)
        return self

    @property
    def pid(self) -> int:
        """Its number."""
        return self._process.pid

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End it."""
        self._process.kill()
        self._process.wait()
