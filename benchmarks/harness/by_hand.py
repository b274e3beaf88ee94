"""The tools as one runs them by hand: plain processes, and one number out of what they print.

Nothing of netbench's runner, probes or parsers is used here; that is what they are held against.
"""

import json
import re
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Literal, Protocol

from netbench.engines.base import Endpoint, Engine, Process

PATIENCE = 30.0
"""Seconds that a tool may take before it is killed."""
LISTEN = "0A"
"""State of a listening socket in /proc/net/tcp."""


class NoNumber(Exception):
    """A trial gave no number; the text says what was seen."""


class Tool(Protocol):
    """A tool that runs."""

    def output(self) -> str:
        """Return what it printed when it has ended."""
        ...

    def signal(self, name: Literal["STOP", "CONT"]) -> None:
        """Stop it, or let it go on."""
        ...

    def kill(self) -> None:
        """End it."""
        ...


class Plain:
    """A process in the network namespace of an endpoint, as one starts it from a shell."""

    def __init__(
        self, endpoint: Endpoint, argv: tuple[str, ...], cpu: int | None, *, own_session: bool
    ) -> None:
        """Start it; it dies with this program."""
        pin = () if cpu is None else ("taskset", "--cpu-list", str(cpu))
        enter = ("nsenter", f"--net=/proc/{endpoint.pid}/ns/net")
        self._process = subprocess.Popen(
            ("setpriv", "--pdeathsig", "KILL", *enter, *pin, *argv),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=own_session,
        )

    def output(self) -> str:
        """Return what it printed."""
        try:
            return self._process.communicate(timeout=PATIENCE)[0]
        except subprocess.TimeoutExpired as late:
            raise NoNumber(f"by hand: not done after {PATIENCE:.0f} s") from late

    def signal(self, name: Literal["STOP", "CONT"]) -> None:
        """Send the signal; what stands before the tool has become it by then."""
        self._process.send_signal(signal.Signals[f"SIG{name}"])

    def kill(self) -> None:
        """End it and take its exit status."""
        self._process.kill()
        self._process.communicate()


class Exec:
    """A command in a container, as `docker exec` runs it."""

    def __init__(
        self, engine: Engine, endpoint: Endpoint, argv: tuple[str, ...], cpu: int | None
    ) -> None:
        """Start it; the engine bounds it."""
        self._process: Process = engine.start(endpoint, argv, cpu=cpu, limit=PATIENCE)
        self._waited = False

    def output(self) -> str:
        """Return what it printed."""
        self._waited = True
        return self._process.wait(PATIENCE).stdout

    def signal(self, name: Literal["STOP", "CONT"]) -> None:
        """Send the signal by the engine."""
        self._process.signal(name)

    def kill(self) -> None:
        """End it and take its exit status."""
        if not self._waited:
            self._waited = True
            self._process.signal("KILL")
            self._process.wait(PATIENCE)


def start(
    engine: Engine, endpoint: Endpoint, argv: tuple[str, ...], cpu: int | None, *, own_session: bool
) -> Tool:
    """Start a tool by hand in an endpoint.

    Args:
        engine: that made the endpoint.
        endpoint: to run in.
        argv: the tool's command.
        cpu: to pin it to.
        own_session: as from a terminal of its own, which the scheduler's autogroup weighs as one;
            in a container it is in that container's cgroup anyway.
    """
    if engine.name == "netns":
        return Plain(endpoint, argv, cpu, own_session=own_session)
    return Exec(engine, endpoint, argv, cpu)


def wait_for_listener(endpoint: Endpoint, port: int) -> None:
    """Wait until a port is listened on in an endpoint's namespace."""
    pattern = re.compile(rf":{port:04X} \S+ {LISTEN} ")
    until = time.monotonic() + PATIENCE / 6
    while time.monotonic() < until:
        if any(
            pattern.search(Path(f"/proc/{endpoint.pid}/net/{name}").read_text())
            for name in ("tcp", "tcp6")
        ):
            return
        time.sleep(0.005)
    raise NoNumber(f"by hand: nothing listens on port {port}")


def throughput(text: str) -> float:
    """Return iperf3's receiver rate in bit/s."""
    try:
        return float(json.loads(text)["end"]["sum_received"]["bits_per_second"])
    except (ValueError, KeyError) as error:
        raise NoNumber(f"by hand: {text[:300]}") from error


def rtt_p50(text: str) -> float:
    """Return sockperf's median round trip in seconds."""
    found = re.search(r"percentile 50\.000 = +([\d.]+)", text)
    if found is None:
        raise NoNumber(f"by hand: {text[:300]}")
    return float(found[1]) * 1e-6


PARSE: dict[str, Callable[[str], float]] = {"tcp-throughput": throughput, "tcp-rr": rtt_p50}
