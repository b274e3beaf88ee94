"""Hundreds of small runs in a row on one engine, with random kills, and what they leave behind.

    soak.py [--runs N] [--engine netns|docker] [--seed N] [--seconds S]
            [--kill netbench|dockerd]

One process measures run after run by netbench's Python interface, as a service would. Before a run
it is drawn whether that process is killed in it, or the engine's daemon, and when; `netbench clean`
follows a kill, once that process is ended, and another one goes on. `--kill` has one of them killed
in the second run, whatever is drawn. What is counted is compared between the end of the first run
and the end: of the process that measures only its longest life. Needs root; an engine of its own is
started. Exit code 1 if anything was left, a record was lost, or descriptors grew.
"""

import argparse
import gc
import json
import math
import os
import random
import re
import secrets
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

sys.path.insert(0, str(Path(__file__).parents[2] / "tests"))

from support.dockerd import Lab
from support.edge_walks import SHORTEST
from support.inventory import inventory
from support.program import Program
from support.walks import CGROUPS, folders

from netbench.store import load

MARK: Final = "NETBENCH_TEST_MARK"
_ENGINES: Final = {"netns": "host,bridge", "docker": "host,bridge:user"}
_KILLS: Final = {"netbench": 0.2, "dockerd": 0.1}
"""Share of the runs in which something is killed."""
_WITHIN: Final = 5.0  # seconds of a run in which it is
_PATIENCE: Final = 180.0  # seconds that a run may take
_MORE: Final = 4  # descriptors that a daemon may hold for a moment more
_OFTEN: Final = 10  # runs between two lines of progress
_PAGE: Final = os.sysconf("SC_PAGE_SIZE")


def measured(folder: str, engine: str, seed: int) -> dict[str, Any]:
    """Measure and report once in this process; return how it ended."""
    from netbench import measure  # noqa: PLC0415 -- in the process that measures alone
    from netbench.errors import NetbenchError  # noqa: PLC0415
    from netbench.workflow.options import RunOptions  # noqa: PLC0415
    from netbench.workflow.reporting import report_run  # noqa: PLC0415

    plan = {"engine": engine, "drivers": _ENGINES[engine], "suite": f"{folder}/tiny.toml"}
    try:
        how = RunOptions(output=Path(folder, "reports"))
        run = measure(how, blocks="1", seed=str(seed), **plan)
        report_run(run.path)
    except NetbenchError as exc:
        return {"ended": "error", "said": exc.message}
    gc.collect()  # a lost engine's sockets are in cycles
    return {"ended": run.info.status, "said": ""}


def be_worker(folder: str, engine: str) -> None:
    """Measure once for each line that comes, and say how it ended."""
    for line in sys.stdin:
        sys.stdout.write(json.dumps(measured(folder, engine, int(line))) + "\n")
        sys.stdout.flush()


def used_by(pid: int) -> dict[str, int]:
    """Return what a process holds: resident memory in bytes, descriptors, threads."""
    with suppress(OSError):
        resident = int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * _PAGE
        count = len(list(Path(f"/proc/{pid}/fd").iterdir()))
        return {
            "memory": resident,
            "descriptors": count,
            "threads": len(list(Path(f"/proc/{pid}/task").iterdir())),
        }
    return {}


class Worker:
    """The process that measures."""

    def __init__(self, program: Program, engine: str) -> None:
        """Start it where netbench would be started."""
        argv = (sys.executable, __file__, "--worker", str(program.folder), "--engine", engine)
        self.errors = program.folder / "errors"
        self.process = subprocess.Popen(
            (*program.before, *argv),
            env={**os.environ, **(program.environment or {})},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.errors.open("w"),
            text=True,
        )
        self.held: list[dict[str, int]] = []
        """What it held after each of its runs."""

    def begin(self, seed: int) -> None:
        """Start a run."""
        assert self.process.stdin
        self.process.stdin.write(f"{seed}\n")
        self.process.stdin.flush()

    def ended(self) -> dict[str, Any]:
        """Wait for the run's end, and return it."""
        assert self.process.stdout
        line = self.process.stdout.readline()
        if not line:
            return {"ended": "died", "said": self.errors.read_text()[-1000:]}
        self.held.append(used_by(self.process.pid))
        found: dict[str, Any] = json.loads(line)
        return found

    def kill(self) -> None:
        """End it at once."""
        self.process.kill()
        self.process.communicate()


@dataclass
class Soak:
    """A row of runs."""

    program: Program
    engine: str
    lab: Lab | None
    draw: random.Random
    sure: str | None
    """What is killed in the second run."""
    lives: list[Worker] = field(default_factory=list)
    told: Counter[str] = field(default_factory=Counter)
    """How often runs ended how, and what was killed."""
    lost: list[str] = field(default_factory=list)

    def once(self, number: int) -> None:
        """One run, in which something may be killed."""
        if not self.lives or self.lives[-1].process.poll() is not None:
            self.lives.append(Worker(self.program, self.engine))
        worker, killed = self.lives[-1], self._drawn() if number > 1 else None
        if number == 2 and self.sure:  # noqa: PLR2004 -- the first one tells how it is at the start
            killed = self.sure
        worker.begin(self.draw.randrange(10**6))
        if killed is None:
            self._ended(worker)
            return
        time.sleep(self.draw.uniform(0, _WITHIN))
        self.told[f"kills of {killed}"] += 1
        if killed == "dockerd" and self.lab:
            self.lab.kill()
            try:
                self._ended(worker)
            finally:
                self.lab.restart()
        # What a process that lives has made counts as in use, whatever became of its run.
        worker.kill()
        done = self.program("clean")
        if done.code not in (0, 3) or "failed" in done.stdout:  # 3: others may be at work here
            self.lost.append(f"run {number}: clean ended with {done.code}: {done.stdout}")

    def _drawn(self) -> str | None:
        at = self.draw.random()
        for what, share in _KILLS.items():
            if (at := at - share) < 0:
                return None if what == "dockerd" and self.lab is None else what
        return None

    def _ended(self, worker: Worker) -> None:
        ended = worker.ended()
        if ended["ended"] == "died":
            self.lost.append(f"the process that measures died: {ended['said']}")
            worker.kill()
        self.told[f"runs that ended: {ended['ended']}"] += 1

    def found(self) -> dict[str, Any]:
        """Return everything that could be left, one by one or as a number."""
        if self.lab:
            return {k: v for k, v in inventory(self.lab).items() if k != "swarm"}
        marked = _marked(self.program)
        ours = {str(one.process.pid) for one in self.lives}
        groups = (path.name.split(":") for path in folders(CGROUPS, "netbench-*:*"))
        mounts = Path("/proc/self/mountinfo").read_text().splitlines()
        return {
            "processes": len(marked - ours),
            "cgroups": sum(not ours.isdisjoint(name) for name in groups),
            "links": len([*Path("/sys/class/net").glob("nb*")]),
            "mounted namespaces": sum(" nsfs " in line and "netbench" in line for line in mounts),
        }

    def records(self) -> tuple[int, int]:
        """Return how many run folders and records there are; what is unreadable is `lost`."""
        runs = [path.parent for path in (self.program.folder / "reports").glob("*/run.json")]
        count = 0
        for path in runs:
            run = load(path)
            count += len(list(run.records()))
            notes = [n for n in run.notes if "cut short" not in n and "nothing that was" not in n]
            self.lost += [f"{path.name}: {note}" for note in notes]
            if run.info.status == "complete" and not (path / "records.jsonl").stat().st_size:
                self.lost.append(f"{path.name}: complete, without a record")
        return len(runs), count


def _number(value: Any) -> int:
    if isinstance(value, Mapping):
        return sum(value.values())
    return value if isinstance(value, int) else len(value)


def _marked(program: Program) -> set[str]:
    mark = (program.environment or {}).get(MARK, "").encode()
    found = set()
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if mark in (folder / "environ").read_bytes():
                found.add(folder.name)
    return found


@contextmanager
def placed(engine: str) -> Iterator[tuple[Program, Lab | None]]:
    """Give netbench a place: beside an engine of its own, or with none to be seen."""
    with tempfile.TemporaryDirectory(prefix="netbench-soak-", dir="/tmp") as folder:
        mark = {MARK: secrets.token_hex(8), "DOCKER_HOST": "unix:///nowhere.sock"}
        program = Program(Path(folder), environment=mark)
        (program.folder / "tiny.toml").write_text(SHORTEST)
        if engine == "netns":
            yield program, None
            return
        lab = Lab.start()
        try:
            yield lab.beside(program), lab
        finally:
            lab.stop()


def table(soak: Soak, first: Mapping[str, Any], daemon: Mapping[str, int]) -> list[str]:
    """Print what there was after the first run and at the end; return what is not as it was."""
    last, wrong = soak.found(), []
    life = max((one.held for one in soak.lives), key=len)
    rows = [(name, first[name], last[name], last[name] != first[name]) for name in first]
    if soak.lab:
        now = used_by(soak.lab.pid)
        rows += [(f"dockerd: {k}", daemon[k], now[k], _grew(k, daemon[k], now[k])) for k in now]
    mine = f"netbench ({len(life)} runs)"
    start = life[min(1, len(life) - 1)]
    rows += [
        (f"{mine}: {k}", start[k], life[-1][k], _grew(k, start[k], life[-1][k])) for k in start
    ]
    print(f"{'':36}{'start':>14}{'end':>14}")
    for name, before, after, is_wrong in rows:
        print(f"{name:36}{_number(before):14,}{_number(after):14,}{'  !' if is_wrong else ''}")
        wrong += [f"{name}: {before} at the start, {after} at the end"] if is_wrong else []
    return wrong


def _grew(name: str, before: int, after: int) -> bool:
    """Tell whether a process holds more than it may; of memory only the table tells."""
    return name == "descriptors" and after > before + _MORE


def carry_out(engine: str, runs: int, seed: int, sure: str | None, seconds: float) -> int:
    """Measure so many times; return the exit code."""
    began = time.monotonic()
    with placed(engine) as (program, lab):
        soak = Soak(program, engine, lab, random.Random(seed), sure)  # noqa: S311 -- no secret
        soak.once(1)
        first, daemon = soak.found(), used_by(lab.pid) if lab else {}
        for number in range(2, runs + 1):
            if time.monotonic() - began > seconds:
                print(f"{number - 1} of {runs} runs in that time")
                break
            soak.once(number)
            if number % _OFTEN == 0:
                print(f"{number} of {runs} runs, {time.monotonic() - began:.0f} s", flush=True)
        program("clean")
        wrong = table(soak, first, daemon)
        soak.lives[-1].kill()
        kept, records = soak.records()
        for name, count in sorted(soak.told.items()):
            print(f"{name}: {count}")
        print(f"run folders: {kept}, with {records} records; seed {seed}")
    for line in (*wrong, *soak.lost):
        print("wrong:", re.sub(r"\s+", " ", line))
    return 1 if wrong or soak.lost else 0


def main() -> None:
    """Read the options."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=200)
    parser.add_argument("--engine", choices=sorted(_ENGINES), default="docker")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=math.inf, help="begin no run after them")
    parser.add_argument("--kill", choices=sorted(_KILLS))
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.worker:
        be_worker(given.worker, given.engine)
    else:
        sys.exit(carry_out(given.engine, given.runs, given.seed, given.kill, given.seconds))


if __name__ == "__main__":
    main()
