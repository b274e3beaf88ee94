"""Which reading tells the machine's state? Trials over loopback between readings of every kind.

    python benchmarks/calibration/sentinel.py measure --rounds 150 --output FILE
    python benchmarks/calibration/sentinel.py table FILE...

A round is one trial of iperf3 and one of sockperf, a second each, on the two CPUs of `cross` in a
network namespace of the script's own. Before and after each trial stand readings of the stream and
of the ping-pong across both CPUs, of every length, in random order, and around all that a moment
in which nothing of ours runs, whose busy CPUs tell whether the machine is ours. Two rounds in a row
are an A/A pair: the same thing measured twice, a few seconds apart, as a block does. `--calm` waits
before each round until nobody else works. Lines are appended as trials end; `table` prints what
`studies.py` makes of them.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Final, Literal, Self

from studies import tables

from netbench.facts.cputime import CpuTimes, machine
from netbench.facts.procfs import LISTEN, read_local, tcp_ports
from netbench.plan.placement import place
from netbench.probes import PROBES, Probe
from netbench.record import Completed, SentinelReading
from netbench.sentinel.measure import Sentinel
from netbench.spec import CpuTopology, Placement

LENGTHS: Final = (0.02, 0.05, 0.1)
METHODS: Final[tuple[Literal["stream", "pingpong"], ...]] = ("stream", "pingpong")
CONFIGURED: Final = {
    "tcp-throughput": {"seconds": 1, "omit": 0},
    "tcp-rr": {"seconds": 1},
}
LEADING: Final = {"tcp-throughput": "throughput", "tcp-rr": "rtt_p50"}
_PAUSE: Final = 2.2
"""Seconds from sockperf's start after which its own pause is over."""
_IDLE: Final = 0.2
"""Seconds of a moment in which nothing of ours runs."""
CALM: Final = 0.1
"""CPUs busy in such a moment, up to which the machine counts as ours alone."""
_PATIENCE: Final = 10.0
_PORTS: Final = range(21001, 31000)


@dataclass(frozen=True, slots=True)
class Pinned:
    """A tool on one CPU; the client may be stopped in its own pause."""

    process: subprocess.Popen[str]
    began: float

    def output(self) -> Completed:
        """Return what it left."""
        out, err = self.process.communicate(timeout=_PATIENCE)
        seconds = time.monotonic() - self.began
        return Completed((), self.process.returncode, out, err, timed_out=False, seconds=seconds)


@contextmanager
def pinned(argv: tuple[str, ...], cpu: int) -> Iterator[Pinned]:
    """Start a tool on a CPU; it is gone when this ends."""
    process = subprocess.Popen(
        ("setpriv", "--pdeathsig", "KILL", "taskset", "--cpu-list", str(cpu), *argv),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        yield Pinned(process, time.monotonic())
    finally:
        process.kill()
        with suppress(ValueError):
            process.communicate()


def others_busy() -> float:
    """Return how many CPUs are busy while nothing of ours runs."""
    first = cpu_time()
    time.sleep(_IDLE)
    passed = cpu_time().since(first)
    return passed.busy / max(passed.total, 1) * (os.cpu_count() or 1)


def cpu_time() -> CpuTimes:
    """Return where the counters of all CPUs stand."""
    return machine(read_local("/proc/stat") or "").all


class Study:
    """Rounds of trials over `lo`, each between readings."""

    def __init__(self, cpus: tuple[int, int], seed: int) -> None:
        """Take the client's and the server's CPU."""
        self._cpus = cpus
        self._random = Random(seed)  # noqa: S311 -- an order, not a secret
        self._ports = iter(_PORTS)
        self._sentinels = {length: Sentinel(length) for length in LENGTHS}

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """End the readings' processes."""
        for sentinel in self._sentinels.values():
            sentinel.close()

    def round(self) -> Iterator[dict[str, object]]:
        """Yield one trial of each tool, the round trips last: their client pauses meanwhile."""
        with ExitStack() as stack:
            held = {
                name: self._prepared(PROBES[name](**given), stack)
                for name, given in CONFIGURED.items()
            }
            for name, (probe, client) in held.items():
                yield self._trial(name, probe, client, stack)

    def _prepared(self, probe: object, stack: ExitStack) -> tuple[Probe, Pinned | int]:
        """Start the server, and a client that pauses by itself; else return the server's port."""
        assert isinstance(probe, Probe)
        port = next(self._ports)
        stack.enter_context(pinned(probe.server_argv("127.0.0.1", port), self._cpus[1]))
        until = time.monotonic() + _PATIENCE
        while port not in tcp_ports(read_local("/proc/net/tcp") or "", LISTEN):
            if time.monotonic() > until:
                raise SystemExit(f"{probe.tool} does not listen")
            time.sleep(0.005)
        if not probe.holdable:
            return probe, port
        client = stack.enter_context(self._client(probe, port))
        time.sleep(0.15)
        client.process.send_signal(signal.SIGSTOP)
        return probe, client

    def _client(self, probe: Probe, port: int) -> "contextmanager[Pinned]":  # type: ignore[type-arg]
        return pinned(probe.client_argv("127.0.0.1", port, None), self._cpus[0])

    def _trial(
        self, name: str, probe: Probe, client: Pinned | int, stack: ExitStack
    ) -> dict[str, object]:
        if isinstance(client, Pinned):
            time.sleep(max(0.0, client.began + _PAUSE - time.monotonic()))
        idle_before = others_busy()
        before = self._readings()
        first = cpu_time()
        if isinstance(client, Pinned):
            client.process.send_signal(signal.SIGCONT)
        else:
            client = stack.enter_context(self._client(probe, client))
        done = client.output()
        passed = cpu_time().since(first)
        after = self._readings()
        idle_after = others_busy()
        value = probe.parse(done, None).value(LEADING[name])
        return {
            "probe": name,
            "value": value,
            "at": time.monotonic(),
            "busy": passed.busy / max(passed.total, 1),
            "steal": passed.steal / max(passed.total, 1),
            "idle_before": idle_before,
            "idle_after": idle_after,
            "before": before,
            "after": after,
        }

    def _readings(self) -> dict[str, float]:
        """Return one reading of every kind by `method@length`; one that failed is left out."""
        kinds = [(method, length) for method in METHODS for length in LENGTHS]
        self._random.shuffle(kinds)
        found = {}
        for method, length in kinds:
            reading = self._sentinels[length].read(*self._cpus, method)
            if isinstance(reading, SentinelReading):
                found[f"{method}@{length}"] = reading.value
        return found


def measure(output: Path, rounds: int, seconds: float, seed: int, *, calm: bool) -> None:
    """Append so many rounds to a file, fewer where time is up."""
    usable = tuple(sorted(os.sched_getaffinity(0)))
    topology = CpuTopology(usable=usable, cores=tuple((cpu,) for cpu in usable))
    found, impossible, _ = place("auto", frozenset({Placement.CROSS}), topology)
    if impossible:
        raise SystemExit(impossible[Placement.CROSS])
    cpus = found[Placement.CROSS]
    assert cpus.client is not None
    assert cpus.server is not None
    until = time.monotonic() + seconds
    with Study((cpus.client, cpus.server), seed) as study, output.open("a") as file:
        for number in range(1, rounds + 1):
            while calm and others_busy() > CALM and time.monotonic() < until:
                time.sleep(1.0)
            if time.monotonic() > until:
                break
            for trial in study.round():
                file.write(json.dumps({"round": number, **trial}) + "\n")
                file.flush()


def in_a_namespace_of_our_own() -> None:
    """Start this script again in a network namespace of its own, in which `lo` is up."""
    mark = "NETBENCH_STUDY_NAMESPACE"
    if mark in os.environ:
        subprocess.run(("ip", "link", "set", "lo", "up"), check=True)
        return
    user = () if os.geteuid() == 0 else ("--user", "--map-root-user")
    argv = ["unshare", *user, "--net", "--", sys.executable, *sys.argv]
    os.execvpe("unshare", argv, {**os.environ, mark: "1"})  # noqa: S606 -- replaces this process


def main() -> None:
    """Measure, or tell what was measured."""
    parser = argparse.ArgumentParser(description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    measuring = commands.add_parser("measure", help="append trials to a file")
    measuring.add_argument("--rounds", type=int, default=150)
    measuring.add_argument("--seconds", type=float, default=1200.0, help="most it may take")
    measuring.add_argument("--seed", type=int, default=1)
    measuring.add_argument("--calm", action="store_true", help="wait while others work")
    measuring.add_argument("--output", type=Path, required=True)
    telling = commands.add_parser("table", help="print what the trials say")
    telling.add_argument("files", type=Path, nargs="+")
    given = parser.parse_args()
    if given.command == "measure":
        in_a_namespace_of_our_own()
        measure(given.output, given.rounds, given.seconds, given.seed, calm=given.calm)
    else:
        print(tables(given.files))


if __name__ == "__main__":
    main()
