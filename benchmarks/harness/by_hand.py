"""The tools as one runs them by hand: plain processes, and one number out of what they print.

Nothing of netbench's runner, probes or parsers is used here; that is what they are held against.
"""

import itertools
import json
import re
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from netbench.engines.base import Endpoint, Engine, Process
from netbench.spec import Cpus

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

    def kill(self) -> None:
        """End it."""
        ...


class Plain:
    """A process in the network namespace of an endpoint, as one starts it from a shell."""

    def __init__(self, endpoint: Endpoint, argv: tuple[str, ...], cpu: int | None) -> None:
        """Start it in a session of its own, as from a terminal; it dies with this program."""
        pin = () if cpu is None else ("taskset", "--cpu-list", str(cpu))
        enter = ("nsenter", f"--net=/proc/{endpoint.pid}/ns/net")
        self._process = subprocess.Popen(
            ("setpriv", "--pdeathsig", "KILL", *enter, *pin, *argv),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def output(self) -> str:
        """Return what it printed."""
        try:
            return self._process.communicate(timeout=PATIENCE)[0]
        except subprocess.TimeoutExpired as late:
            raise NoNumber(f"by hand: not done after {PATIENCE:.0f} s") from late

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

    def kill(self) -> None:
        """End it and take its exit status."""
        if not self._waited:
            self._waited = True
            self._process.signal("KILL")
            self._process.wait(PATIENCE)


def start(engine: Engine, endpoint: Endpoint, argv: tuple[str, ...], cpu: int | None) -> Tool:
    """Start a tool by hand in an endpoint, pinned to a CPU."""
    if engine.name == "netns":
        return Plain(endpoint, argv, cpu)
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


@dataclass(frozen=True, slots=True)
class Whole:
    """How a tool is run whole."""

    server: tuple[str, ...]
    client: tuple[str, ...]
    """Both without address and port."""
    where: tuple[str, ...]
    """Options that take the address and the port."""
    number: Callable[[str], float]
    """What it prints -> the metric in its unit."""


WHOLE: Final = {
    "tcp-throughput": Whole(
        server=("iperf3", "-s", "-1"),
        client=("iperf3", "-J", "-O", "1", "-t", "2"),
        where=("-c", "-p"),
        number=throughput,
    ),
    "tcp-rr": Whole(
        server=("sockperf", "sr", "--tcp"),
        client=("sockperf", "pp", "--tcp", "--full-rtt", "-t", "1", "-m", "14"),
        where=("-i", "-p"),
        number=rtt_p50,
    ),
}
_PORTS = itertools.cycle(range(19001, 21000))


def measure_whole(
    engine: Engine, probe: str, pair: tuple[Endpoint, Endpoint], address: str, cpus: Cpus
) -> float:
    """Run a probe's tool whole, on one connection, and return its metric in the metric's unit.

    Args:
        engine: that made the endpoints.
        probe: whose tool it is.
        pair: client and server.
        address: of the server, as the client reaches it.
        cpus: that both are pinned to.

    Raises:
        NoNumber: it printed none.
    """
    whole, port, (client, server) = WHOLE[probe], next(_PORTS), pair
    bind = ("-i", address) if probe == "tcp-rr" else ()
    serving = start(engine, server, (*whole.server, *bind, "-p", str(port)), cpus.server)
    try:
        wait_for_listener(server, port)
        to = (whole.where[0], address, whole.where[1], str(port))
        asking = start(engine, client, (*whole.client, *to), cpus.client)
        try:
            return whole.number(asking.output())
        finally:
            asking.kill()
    finally:
        serving.kill()
