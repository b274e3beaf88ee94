"""A walk along the edges of one small run: each call that leaves netbench's process is injured.

What must hold whatever was done to one call: a documented exit code; 0 only for a whole run; no
traceback; one clear error, or failures in the records, that say what went wrong; every record kept
and readable; nothing left, at the latest after `netbench clean`.
"""

import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from support.dockerd import Lab
from support.edges import EDGE, Injury
from support.faults import CLEAR, TRIALS, Bed, Running, assert_kept, failures
from support.program import Program

SHORTEST: Final = """
name = "tiny"
[probes.udp-rate]
rate = "10M"
volume = 125_000
[[cell]]
probe = "udp-rate"
placement = "none"
"""
STREAM: Final = "POST /exec/ID/start"
"""The call that becomes a two-way stream."""
_PROXY: Final = Path(__file__).parent / "edge_proxy.py"
_STOPPED: Final = 130
_DOCUMENTED: Final = {0, 2, 3, 4}
_ENDS: Final = 100.0
"""Seconds within which every run ends: netbench's longest patience is a minute."""
_HELD: Final = 1.0  # seconds for which a call hangs before netbench is asked to end


@dataclass(frozen=True)
class Injured:
    """What came of one injury."""

    injury: Injury
    code: int
    said: str
    problems: tuple[str, ...]
    cleaned: bool
    """Whether `netbench clean` was needed."""

    def __str__(self) -> str:
        what = f"{self.injury.how}: {self.injury.name} ({self.injury.nth})"
        return f"{what}: exit code {self.code}\n  {'; '.join(self.problems)}\n{self.said}"


@dataclass
class Walk:
    """The edges of one small run in a bed."""

    bed: Bed
    cell: str
    """The suite of the run."""
    lab: Lab | None = None
    """The engine whose API is walked; None for the calls of netbench's own process."""
    walked: list[Injured] = field(default_factory=list)

    def record(self) -> Counter[str]:
        """Return the names of all calls of a run that nothing is done to."""
        folder = Path(tempfile.mkdtemp(dir=self.bed.program.folder))
        log = folder / "log"
        with self._placed(folder, str(log)) as bed:
            run = bed.start(cell=self.cell)
            assert run.end() == 0, run.said
        return Counter(log.read_text().splitlines())

    def injure(self, injury: Injury) -> Injured | None:
        """Run with one call injured; None if that call never came."""
        folder = Path(tempfile.mkdtemp(dir=self.bed.program.folder))
        mark = folder / "mark"
        before = self.bed.inventory()
        with self._placed(folder, replace(injury, mark=str(mark)).encoded()) as bed:
            run = bed.start(cell=self.cell)
            code = self._end(run, injury, mark)
        if injury.how == "hangs":
            if code == 0:  # it was over before that call came
                return None
        elif not mark.exists():
            return None
        unreported = run.status() == "complete" and not [*folder.glob("reports/*/report.html")]
        problems = [*_judged(run, code, injury, self.bed.program)]
        if self.lab and unreported and code != _STOPPED:
            problems.append("everything was measured, and there is no report")
        cleaned = self._left(before, within=3) != {}
        if cleaned:
            done = self.bed.program("clean")
            left = self._left(before, within=5)
            if left:
                problems.append(f"left after clean: {left} ({done.stdout}{done.stderr})")
        found = Injured(injury, code, run.said, tuple(problems), cleaned)
        self.walked.append(found)
        return found

    def _end(self, run: Running, injury: Injury, mark: Path) -> int:
        """Return the exit code; what hangs is asked to end, and let go soon after."""
        if injury.how == "hangs":
            deadline = time.monotonic() + _ENDS
            while not mark.exists() and run.process.poll() is None:
                assert time.monotonic() < deadline, injury
                time.sleep(0.02)
            time.sleep(_HELD)
            run.signal(signal.SIGTERM)
            time.sleep(_HELD)
            mark.unlink(missing_ok=True)
        return run.end(_ENDS)

    def _left(
        self, before: Mapping[str, object], within: float
    ) -> dict[str, tuple[object, object]]:
        deadline = time.monotonic() + within
        while (after := self.bed.inventory()) != before and time.monotonic() < deadline:
            time.sleep(0.05)
        return {key: (before[key], after[key]) for key in before if before[key] != after[key]}

    @contextmanager
    def _placed(self, folder: Path, told: str) -> Iterator[Bed]:
        """Give the bed whose runs are told of, or injured, in a folder of its own."""
        program = replace(self.bed.program, folder=folder)
        if self.lab is None:
            environment = {**(program.environment or {}), EDGE: told}
            yield replace(self.bed, program=replace(program, environment=environment))
            return
        with tempfile.TemporaryDirectory(prefix="netbench-edge-", dir="/tmp") as short:
            path = Path(short) / "socket"
            argv = (*self.lab.before, f"--mount=/proc/{self.lab.holder}/ns/mnt", sys.executable)
            process = subprocess.Popen(
                (*argv, str(_PROXY), str(path), str(self.lab.socket), told), stdout=subprocess.PIPE
            )
            try:
                assert process.stdout
                assert process.stdout.readline() == b"ready\n"
                environment = {**(program.environment or {}), "DOCKER_HOST": f"unix://{path}"}
                yield replace(self.bed, program=replace(program, environment=environment))
            finally:
                process.kill()
                process.communicate()


def _judged(run: Running, code: int, injury: Injury, program: Program) -> Iterator[str]:
    """Yield what is wrong with how a run ended."""
    asked = injury.how == "hangs" and code == _STOPPED
    if code not in _DOCUMENTED and not asked:
        yield f"exit code {code} is none that is documented"
    if "Traceback" in run.said or "Exception ignored" in run.said:
        yield "a traceback"
    try:
        loaded = assert_kept(run)
        found = failures(loaded) if loaded else []
    except Exception as exc:  # noqa: BLE001 -- whatever is wrong is told of this edge
        yield f"the records are not kept: {exc!r}"
        return
    told = CLEAR.findall(run.said)
    if len(told) > 1:
        yield f"{len(told)} errors"
    if code == 0:
        count = len(list(loaded.records())) if loaded else 0
        if count != TRIALS or found or (loaded and not (loaded.path / "report.html").exists()):
            yield f"exit code 0 though there are {count} records, {len(found)} of them failures"
    elif not told and not found:
        yield "nothing says what failed"
    if loaded and code != 0:
        done = program("report", str(loaded.path))
        if done.code not in (0, 3) or "Traceback" in done.stderr:
            yield f"report ends with {done.code}: {done.stderr}"


def injuries(calls: Counter[str], seed: int, *, api: bool) -> list[Injury]:
    """Return everything that is done to the calls of a run, in random order.

    The first call of every name fails, and another of the same name where it does not only read;
    of an engine's API every single call does, and the answer of each gets lost. A program that is
    started breaks, and does nothing; a stream is cut off. A tenth of all hangs, a tenth is late.
    """
    draw = random.Random(seed)  # noqa: S311 -- no secret
    found = []
    for name, count in sorted(calls.items()):
        some = {1} if name.startswith("read ") else {1, draw.randint(1, count)}
        for nth in range(1, count + 1) if api else sorted(some):
            found += [Injury(name, nth, how, "") for how in ("fails", "is lost")[: 1 + api]]
        if name.startswith("start "):
            found += [Injury(name, 1, how, "") for how in ("breaks", "stalls")]
        if name == STREAM:
            found += [Injury(name, nth, "is cut off", "") for nth in range(1, count + 1)]
    once = [one for one in found if one.how == "fails"]
    for how in ("hangs", "is late"):
        found += [replace(one, how=how) for one in draw.sample(once, len(once) // 10)]
    draw.shuffle(found)
    return found
