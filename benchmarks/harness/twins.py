"""Does the netns engine cost what Docker's network costs? Ratios netns / docker, interleaved.

Each block brings the drivers up on both engines, starts a session of the same command on every
pair, and gives each session short slices in random order, all others being held. A block gives one
log ratio for each driver; the interval is Student's t over blocks. Goals: within 3 % for round
trips on one core, within 8 % for throughput on two.

Needs root and a Docker Engine: that of DOCKER_HOST, or with --lab a private one that is started in
namespaces of its own and ended afterwards.
"""

import argparse
import itertools
import json
import math
import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from by_hand import NoNumber
from held_sessions import HELD, Kind, Session, open_session

from netbench.engines.base import Engine, EngineOptions
from netbench.engines.choose import open_engine
from netbench.errors import EngineError
from netbench.plan.drivers import driver_named
from netbench.spec import Arm
from netbench.spec import Path as TrafficPath
from netbench.topology.pairs import LiveBlock, LivePair
from netbench.topology.paths import choose_reader

ROOT: Final = Path(__file__).parent.parent.parent
LAB: Final = ROOT / "tests/lab/dockerd"
DRIVERS: Final = ("host", "bridge", "bridge:user", "container", "macvlan:bridge", "overlay")
PORTS: Final = range(21000, 29000)
T95: Final = (12.71, 4.30, 3.18, 2.78, 2.57, 2.45, 2.36, 2.31, 2.26, 2.23, 2.20, 2.18, 2.16, 2.14)
"""97.5 % quantiles of Student's t with 1, 2, ... degrees of freedom; 2.1 beyond."""


@dataclass(frozen=True, slots=True)
class Cell:
    """What is measured, and on which cores."""

    name: str
    kind: Kind
    cross: bool
    seconds: float
    """Of a slice."""
    rounds: int
    goal: float
    """Largest distance of the ratio from 1."""


CELLS: Final = {
    "rr-same": Cell("round trips, one core", "round trips", cross=False, seconds=0.06, rounds=8,
                    goal=0.03),
    "rr-cross": Cell("round trips, two cores", "round trips", cross=True, seconds=0.08, rounds=8,
                     goal=0.08),
    "stream-cross": Cell("throughput, two cores", "stream", cross=True, seconds=0.2, rounds=8,
                         goal=0.08),
    "stream-same": Cell("throughput, one core", "stream", cross=False, seconds=0.2, rounds=8,
                        goal=0.08),
}  # fmt: skip

Key = tuple[str, str]
"""Engine and driver."""


class Bench:
    """Both engines, and what is measured on them."""

    def __init__(
        self, engines: dict[str, Engine], drivers: list[str], cpus: list[int], *, plain: bool
    ) -> None:
        """Take engines that are prepared, the CPUs for client and server, and who starts tools."""
        self._plain = plain
        self._engines = engines
        self._drivers = drivers
        self._cpus = cpus
        self._ports = itertools.cycle(random.sample(PORTS, len(PORTS)))
        self._blocks = 0
        self.notes: dict[str, None] = {}

    def block(self, cell: Cell) -> dict[Key, float]:
        """Make everything anew and return the value of each session that gave one."""
        self._blocks += 1
        with ExitStack() as stack:
            pairs: dict[Key, LivePair] = {}
            for name, engine in self._engines.items():
                arms = [(Arm(one), driver_named(one)) for one in self._drivers]
                live = stack.enter_context(
                    LiveBlock(engine, choose_reader(engine), arms, prefix=f"t{self._blocks}")
                )
                for arm, pair in live.pairs.items():
                    if isinstance(pair, LivePair):
                        pairs[name, arm.driver] = pair
                    else:
                        self.notes[f"{name}: {arm.driver} is not there: {pair.reason}"] = None
            return self._measured(cell, pairs)

    def _measured(self, cell: Cell, pairs: dict[Key, LivePair]) -> dict[Key, float]:
        sessions: dict[Key, Session] = {}
        try:
            for key, pair in random.sample(list(pairs.items()), len(pairs)):
                call = pair.call(TrafficPath.EAST_WEST)
                cpus = (self._cpus[0], self._cpus[1 if cell.cross else 0])
                sessions[key] = open_session(
                    None if self._plain else self._engines[key[0]],
                    (pair.client, pair.server),
                    call.target,
                    next(self._ports),
                    kind=cell.kind,
                    cpus=cpus,
                )
                for session in sessions.values():
                    session.hold_when_warm(wait=False)
            for session in sessions.values():
                session.hold_when_warm(wait=True)
            time.sleep(HELD)
            for _ in range(cell.rounds):
                for session in random.sample(list(sessions.values()), len(sessions)):
                    session.slice(cell.seconds)
            return self._values(cell, sessions)
        finally:
            for session in sessions.values():
                session.end()

    def _values(self, cell: Cell, sessions: dict[Key, Session]) -> dict[Key, float]:
        found = {}
        for key, session in sessions.items():
            try:
                found[key] = session.value(cell.rounds)
            except NoNumber as error:
                print(f"  {key}: {error}", file=sys.stderr)
        return found


@dataclass(frozen=True, slots=True)
class Ratio:
    """netns / docker of one driver in one cell."""

    logs: tuple[float, ...]
    """ln(netns / docker) of each block."""
    typical: tuple[float, float]
    """Geometric means of the values of both engines, in bit/s or seconds."""

    @property
    def interval(self) -> tuple[float, float]:
        """The 95 % interval of the ratio, Student's t over blocks; unbounded with one block."""
        n = len(self.logs)
        if n < 2:  # noqa: PLR2004 -- no deviation
            return 0.0, math.inf
        quantile = T95[n - 2] if n - 2 < len(T95) else 2.1
        half = quantile * statistics.stdev(self.logs) / math.sqrt(n)
        return math.exp(self.mean - half), math.exp(self.mean + half)

    @property
    def mean(self) -> float:
        """Mean of the logarithms."""
        return statistics.fmean(self.logs)


def ratio_of(blocks: list[dict[Key, float]], driver: str, engines: tuple[str, str]) -> Ratio | None:
    """Return the ratio over the blocks in which both engines gave a value."""
    ours, theirs = ((engine, driver) for engine in engines)
    both = [(block[ours], block[theirs]) for block in blocks if ours in block and theirs in block]
    if not both:
        return None
    logs = tuple(math.log(mine / other) for mine, other in both)
    typical = tuple(statistics.geometric_mean(values) for values in zip(*both, strict=True))
    return Ratio(logs, (typical[0], typical[1]))


def table(cell: Cell, blocks: list[dict[Key, float]], engines: tuple[str, str]) -> Iterator[str]:
    """Yield the lines of one cell's table, in Markdown."""
    first, second = engines
    yield f"\n{cell.name} ({len(blocks)} blocks, {cell.rounds} slices of {cell.seconds} s)\n"
    yield f"| driver | {first} | {second} | {first} / {second} | 95 % interval | goal |"
    yield "|---|--:|--:|--:|---|---|"
    for driver in dict.fromkeys(driver for block in blocks for _, driver in block):
        ratio = ratio_of(blocks, driver, engines)
        if ratio is None:
            yield f"| `{driver}` | | | | one engine gave no value | |"
            continue
        low, high = ratio.interval
        met = abs(math.exp(ratio.mean) - 1) <= cell.goal
        mine, theirs = (_shown(cell, value) for value in ratio.typical)
        yield (
            f"| `{driver}` | {mine} | {theirs} | {math.exp(ratio.mean):.3f} "
            f"| {low:.3f} to {high:.3f} | {'within' if met else 'beyond'} {cell.goal:.0%} |"
        )


def _shown(cell: Cell, value: float) -> str:
    return f"{value / 1e9:.2f} Gbit/s" if cell.kind == "stream" else f"{value * 1e6:.2f} µs"


@contextmanager
def opened(kinds: tuple[str, str]) -> Iterator[dict[str, Engine]]:
    """Open both engines; the second of one kind serves as a control of the instrument."""
    with ExitStack() as stack:
        engines: dict[str, Engine] = {}
        for kind in kinds:
            wishes = EngineOptions(init_swarm=kind == "docker")
            engine = open_engine(kind, f"twins{os.getpid()}x{len(engines)}", wishes)
            stack.callback(engine.close)
            engine.prepare()
            engines[kind if kind not in engines else f"{kind} again"] = engine
        yield engines


@contextmanager
def lab() -> Iterator[tuple[tuple[str, ...], dict[str, str]]]:
    """Start a private dockerd; yield what puts a command beside it, and its environment."""
    folder = Path(tempfile.mkdtemp(prefix="netbench-lab-", dir="/tmp"))
    subprocess.run((LAB, "start", folder), check=True)
    try:
        holder = (folder / "holder").read_text().strip()
        environment = {**os.environ, "DOCKER_HOST": f"unix://{folder}/docker.sock"}
        yield ("nsenter", f"--net=/proc/{holder}/ns/net"), environment
    finally:
        subprocess.run((LAB, "stop", folder), check=True)
        shutil.rmtree(folder, ignore_errors=True)


def arguments() -> argparse.Namespace:
    """Return the options."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--drivers", default=",".join(DRIVERS))
    parser.add_argument("--cells", default="rr-same,stream-cross", help=", ".join(CELLS))
    parser.add_argument("--blocks", type=int, default=8)
    parser.add_argument("--against", default="docker", choices=("docker", "netns"),
                        help="netns: a control, both arms being the same engine")  # fmt: skip
    parser.add_argument(
        "--plain",
        action="store_true",
        help="start the tools beside the engines, in the endpoints' network alone: what differs "
        "then is the network, without cgroups, seccomp and the like",
    )
    parser.add_argument("--lab", action="store_true", help="start a private dockerd for it")
    parser.add_argument("--keep", type=Path, help="append every block to a file as JSON lines")
    return parser.parse_args()


def main() -> None:
    """Measure, and print a table for each cell."""
    options = arguments()
    if options.lab:
        with lab() as (before, environment):
            again = [word for word in sys.argv if word != "--lab"]
            done = subprocess.run((*before, sys.executable, *again), env=environment, check=False)
        raise SystemExit(done.returncode)
    cpus = sorted(os.sched_getaffinity(0))[:2]
    cells = [CELLS[name] for name in options.cells.split(",")]
    with opened(("netns", options.against)) as engines:
        bench = Bench(engines, options.drivers.split(","), cpus, plain=options.plain)
        first, second = engines
        for cell in cells:
            blocks = []
            for number in range(options.blocks):
                try:
                    blocks.append(bench.block(cell))
                except (EngineError, NoNumber) as error:
                    print(f"block {number}: {error}", file=sys.stderr)
                    continue
                keep(options.keep, cell, number, blocks[-1])
            print("\n".join(table(cell, blocks, (first, second))), flush=True)
        for note in bench.notes:
            print(f"\n{note}")


def keep(path: Path | None, cell: Cell, number: int, values: dict[Key, float]) -> None:
    """Append a block to a file."""
    if path:
        found = [{"engine": key[0], "driver": key[1], "value": x} for key, x in values.items()]
        with path.open("a") as file:
            print(json.dumps({"cell": cell.name, "block": number, "values": found}), file=file)


if __name__ == "__main__":
    main()
