"""Do netbench's slices give what the same tool gives when it runs whole, by hand?

One netbench run for each cell. In every block, over the endpoints that netbench has just made, the
tool runs whole before netbench's sessions and again after them (`by_hand.py`). A block's ratio is
netbench's value, the mean of both baseline arms, over the mean of the two by hand, on logarithms,
so that a machine that drifts during the block moves both alike. Goal: a ratio of 0.98 to 1.02,
known within 2 % for round trips on one core and within 4 % for the rest.
"""

import argparse
import json
import math
import os
import re
import sys
import tempfile
import threading
from collections import defaultdict
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final, cast

from by_hand import NoNumber, measure_whole

from netbench import load as load_run
from netbench.engines.base import Endpoint, Engine, EngineOptions, Process
from netbench.engines.choose import open_engine
from netbench.errors import ConfigurationError, NetbenchError
from netbench.plan import Options, build, parse
from netbench.record import Sample
from netbench.spec import Cpus, Placement, Role
from netbench.topology.pairs import target_of
from netbench.workflow.options import RunOptions
from netbench.workflow.preflight import topology_of
from netbench.workflow.run import measure

CELLS: Final = {
    "tcp-throughput cross": ("tcp-throughput", "cross"),
    "tcp-throughput same": ("tcp-throughput", "same"),
    "tcp-rr cross": ("tcp-rr", "cross"),
    "tcp-rr same": ("tcp-rr", "same"),
}
METRIC: Final = {"tcp-throughput": "throughput", "tcp-rr": "rtt_p50"}
BLOCKS: Final = {"tcp-rr same": 12, "tcp-rr cross": 30}
"""Blocks where 60 are not needed."""
MOST_BLOCKS: Final = 60
OF_A_BLOCK: Final = re.compile(r"b(?P<block>\d+)-")
"""Names of the endpoints of a run's blocks; other endpoints serve the ceiling."""
SECOND_ARM: Final = "-aa-"
"""What the names of the baseline's second pair hold."""


@dataclass(frozen=True, slots=True)
class Block:
    """One block of one cell; values in the metric's unit."""

    engine: str
    driver: str
    cell: str
    block: int
    netbench: float
    """Geometric mean of both baseline arms."""
    before: float
    """By hand, whole, before netbench's sessions."""
    after: float

    @property
    def log_ratio(self) -> float:
        """ln(netbench / by hand)."""
        return math.log(self.netbench) - math.log(self.before * self.after) / 2


@dataclass(slots=True)
class Watched:
    """An engine over whose endpoints the tool also runs by hand; all else is the engine's own."""

    engine: Engine
    driver: str
    probe: str
    cpus: Cpus
    address: Any
    """Server endpoint -> address that its client uses."""
    before: dict[int, float] = field(default_factory=dict)
    """By block."""
    after: dict[int, float] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    _pair: dict[Role, Endpoint] = field(default_factory=dict)
    _block: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __getattr__(self, name: str) -> Any:
        """Hand on to the engine."""
        return getattr(self.engine, name)

    def create_endpoint(self, name: str, role: Role, *given: Any, **more: Any) -> Endpoint:
        """Make an endpoint, and keep those of the baseline's first pair."""
        endpoint = self.engine.create_endpoint(name, role, *given, **more)
        found = OF_A_BLOCK.match(name)
        if found and SECOND_ARM not in name:
            with self._lock:
                self._block = int(found["block"])
                self._pair[role] = endpoint
        return endpoint

    def start(
        self, endpoint: Endpoint, argv: tuple[str, ...], *, cpu: int | None, limit: float
    ) -> Process:
        """Start a tool; before the first of a block, run it by hand."""
        with self._lock:
            self._measure(self.before)
        return self.engine.start(endpoint, argv, cpu=cpu, limit=limit)

    def remove_endpoint(self, endpoint: Endpoint) -> None:
        """Remove an endpoint; before the first of a block, run the tool by hand again."""
        with self._lock:
            self._measure(self.after)
        self.engine.remove_endpoint(endpoint)

    def _measure(self, found: dict[int, float]) -> None:
        if self._block in found or not {Role.CLIENT, Role.SERVER} <= self._pair.keys():
            return
        found[self._block] = math.nan  # a failure is not tried again
        server, client = self._pair[Role.SERVER], self._pair[Role.CLIENT]
        try:
            found[self._block] = measure_whole(
                self.engine, self.probe, (client, server), self.address(server), self.cpus
            )
        except NoNumber as nothing:
            self.notes.append(f"block {self._block}: {nothing}")
            print(f"  block {self._block}: {nothing}", flush=True)


def compare(engine: str, driver: str, cell: str, blocks: int) -> list[Block]:
    """Run one cell and return its blocks.

    Raises:
        NetbenchError: it could not be measured.
    """
    probe, placement = CELLS[cell]
    made: list[Watched] = []
    with tempfile.TemporaryDirectory(prefix="netbench-fidelity-") as place:
        suite = Path(place, "fidelity.toml")
        suite.write_text(f'name = "{cell}"\n[[cell]]\nprobe = "{probe}"\nplacement = "{placement}"')
        options = Options(drivers=driver, engine=engine, suite=str(suite), blocks=str(blocks))

        def opener(name: str, run: str, wishes: EngineOptions) -> Engine:
            live = open_engine(name, run, wishes)
            plan = build(parse(options), topology_of(live))
            recipe = plan.driver(driver).recipe
            cpus = plan.cpus[Placement(placement)]
            made.append(Watched(live, driver, probe, cpus, lambda one: target_of(recipe, one)))
            return cast("Engine", made[-1])

        wishes = RunOptions(
            output=Path(place),
        )
        path, _ = measure(options, wishes, opener=opener)
        return joined(made[0], cell, path)


def joined(watched: Watched, cell: str, path: Path) -> list[Block]:
    """Return the blocks that have all of netbench's values and both by hand."""
    values: dict[int, list[float]] = defaultdict(list)
    for record in load_run(path).records():
        if isinstance(record.outcome, Sample):
            value = record.outcome.value(METRIC[watched.probe])
            if value is not None:
                values[record.block].append(math.log(value))
        else:
            print(f"  block {record.block}: {record.outcome.reason}", flush=True)
    return [
        Block(
            watched.engine.name,
            watched.driver,
            cell,
            block,
            math.exp(math.fsum(logs) / len(logs)),
            watched.before[block],
            watched.after[block],
        )
        for block, logs in sorted(values.items())
        if not math.isnan(watched.before.get(block, math.nan) + watched.after.get(block, math.nan))
    ]


def summary(logs: list[float]) -> tuple[float, float, float]:
    """Return a mean ratio and its 95 % interval by Student's t, from at least two log ratios."""
    from scipy import special  # noqa: PLC0415 -- slow to import

    n = len(logs)
    mean = math.fsum(logs) / n
    deviation = math.sqrt(math.fsum((one - mean) ** 2 for one in logs) / (n - 1))
    half = float(special.stdtrit(n - 1, 0.975)) * deviation / math.sqrt(n)
    return math.exp(mean), math.exp(mean - half), math.exp(mean + half)


def load(path: Path) -> list[Block]:
    """Return the blocks that a file keeps, none where there is no file."""
    lines = path.read_text().splitlines() if path.exists() else []
    return [Block(**json.loads(line)) for line in lines]


def as_root_of_a_user_namespace() -> None:
    """Where we are not root, start this script again as root of a user namespace of its own."""
    if os.geteuid() != 0:
        argv = ["unshare", "--user", "--map-root-user", "--", sys.executable, *sys.argv]
        os.execvp("unshare", argv)  # noqa: S606 -- replaces this process, no shell


def main() -> None:
    """Measure every cell that is asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--engine", choices=("netns", "docker"), default="netns")
    parser.add_argument("--driver", default="bridge", help="any that carries traffic")
    parser.add_argument("--cells", nargs="+", choices=CELLS, default=list(CELLS))
    parser.add_argument("--blocks", type=int, help="of each cell; default: as many as it needs")
    parser.add_argument("--keep", type=Path, metavar="FILE", help="append blocks, JSON lines")
    given = parser.parse_args()
    if given.engine == "netns":
        as_root_of_a_user_namespace()
    try:
        for cell in given.cells:
            blocks = given.blocks or BLOCKS.get(cell, MOST_BLOCKS)
            found = compare(given.engine, given.driver, cell, blocks)
            if len(found) < 2:  # noqa: PLR2004 -- a deviation needs two
                raise ConfigurationError(f"{cell}: {len(found)} of {blocks} blocks were measured")
            ratio, low, high = summary([one.log_ratio for one in found])
            print(f"{cell}: {ratio:.4f} [{low:.4f}, {high:.4f}], {len(found)} blocks", flush=True)
            if given.keep:
                with given.keep.open("a") as file:
                    file.writelines(json.dumps(asdict(one)) + "\n" for one in found)
    except NetbenchError as error:
        print("\n  ".join(filter(None, (error.message, error.hint))), file=sys.stderr)
        sys.exit(error.exit_code)


if __name__ == "__main__":
    main()
