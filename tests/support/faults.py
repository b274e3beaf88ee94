"""Runs in which something goes wrong: watched to a stage, hurt there, and judged by five things.

The run folder is valid; every record that was there is still there; there is one clear error, or a
`Failure` with its evidence; the exit code is right; nothing is left, at the latest after
`netbench clean` where netbench itself was killed.
"""

import json
import re
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from support.dockerd import Lab
from support.hang import HANG, SOON
from support.inventory import inventory
from support.program import ONE_SECOND, Program, is_held, wait_for
from support.warm import Process

from netbench.record import Failure, Record
from netbench.store import LoadedRun, load

MARK = "NETBENCH_TEST_MARK"
TRIALS = 3
"""Of a block: host twice, and a bridge."""
CLEAR = re.compile(
    r"^netbench: (?!no records\.jsonl|another netbench|resumed at|leftovers).*$", re.MULTILINE
)
"""An error, and not a note of what the run was like."""
_TRICKLE = """
name = "tiny"
[probes.udp-rate]
rate = "10M"
{length}
[[cell]]
probe = "udp-rate"
placement = "none"
"""
BUSY = ONE_SECOND.replace('"cross"', '"none"')
"""Sessions that keep every CPU at work."""
SESSIONS = BUSY.replace("rounds = 4", "rounds = 12")
"""The same for seven seconds."""


def trickle(seconds: int | None = None) -> str:
    """Return a suite whose trials take so long, by the clock; else a second, by what is sent.

    They load nothing, for few faults are about speed, and a busy machine may be late with them
    where only bytes count. Unpinned: no sentinel runs.
    """
    return _TRICKLE.format(length=f"seconds = {seconds}" if seconds else "volume = 1_250_000")


@dataclass
class Running:
    """A netbench that runs, with its output in files that can be read meanwhile."""

    program: Program
    process: "Process | subprocess.Popen[bytes]"
    stdout: Path
    stderr: Path
    seen: list[str] = field(default_factory=list)
    """Lines of records that were on disk at some moment."""

    @property
    def said(self) -> str:
        return self.stderr.read_text(errors="replace")

    @property
    def folder(self) -> Path | None:
        """The run folder, once there is one."""
        return next((self.program.folder / "reports").glob("*/run.json"), Path()).parent or None

    def lines(self) -> list[str]:
        """Return the whole lines of records that are on disk now, and remember them."""
        found = [
            line
            for path in (self.program.folder / "reports").glob("*/records.jsonl")
            for line in path.read_text().splitlines(keepends=True)
            if line.endswith("\n")
        ]
        self.seen = max(self.seen, found, key=len)
        return found

    def status(self) -> str | None:
        """Return the status in `run.json`, None before there is one."""
        for path in (self.program.folder / "reports").glob("*/run.json"):
            return load(path.parent).info.status
        return None

    def until(self, what: Callable[["Running"], Any]) -> Any:
        """Wait for something; fail at once where the run ends before."""

        def seen() -> Any:
            found = what(self)
            assert found or self.process.poll() is None, f"it ended before: {self.said}"
            return found

        return wait_for(seen, HANG)

    def insist(self, number: signal.Signals) -> int:
        """Send a signal again and again until the end; return the exit code."""
        self.signal(number)
        while self.process.poll() is None:
            self.process.send_signal(number)
            with suppress(subprocess.TimeoutExpired):
                self.process.wait(0.03)
        return self.end()

    def signal(self, number: signal.Signals) -> None:
        """Note which records there are, and send a signal."""
        self.lines()
        self.process.send_signal(number)

    def end(self, within: float = HANG) -> int:
        """Wait for the end and return the exit code."""
        try:
            return self.process.wait(within)
        except subprocess.TimeoutExpired:
            waiting = waiting_in(self.process.pid)
            self.process.kill()
            self.process.wait()
            raise AssertionError(f"it does not end: {self.said}\n{waiting}") from None


def waiting_in(pid: int) -> str:
    """Return what the kernel says of each thread of a process: its state, and where it waits."""
    told = []
    for task in Path(f"/proc/{pid}/task").glob("*"):
        with suppress(OSError):
            children = (task / "children").read_text()
            state = (task / "stat").read_text().rpartition(")")[2].split()[0]
            told.append(f"{task.name} {state} {(task / 'wchan').read_text()} {children}")
            told.append((task / "stack").read_text())
    return "\n".join(told)


@dataclass(frozen=True)
class Bed:
    """Where a run is hurt: how netbench is called there, whose processes are its own."""

    program: Program
    options: tuple[str, ...]
    """Of `run`, that choose engine and drivers."""
    ours: Callable[[int], bool]
    """Tells whether a process belongs to what runs here."""
    inventory: Callable[[], Mapping[str, Any]]
    """Everything that a run could leave behind."""
    started: list[int] = field(default_factory=list)
    """Every netbench that was started here."""
    running: list["Process | subprocess.Popen[bytes]"] = field(default_factory=list)

    def end(self) -> None:
        """End what a failed test has left running."""
        for process in self.running:
            if process.poll() is None:
                process.kill()
                process.wait()
                self.program("clean")

    def start(self, *more: str, blocks: int = 1, cell: str = trickle(), name: str = "") -> Running:
        """Start a run of one cell."""
        suite = self.program.suite(cell)
        options = (*self.options, "--blocks", str(blocks), "--suite", suite, *more)
        return self.call("run", *options, name=name)

    def call(self, *argv: str, name: str = "") -> Running:
        """Start netbench with its output in files."""
        program = self.program
        stdout, stderr = (program.folder / f"{name}{kind}" for kind in ("stdout", "stderr"))
        process = program.start(argv, stdout, stderr)
        self.started.append(process.pid)
        self.running.append(process)
        return Running(program, process, stdout, stderr)

    def tools(self, name: str, *words: str) -> list[int]:
        """Return the tools of that name that run here with these words on their command line."""
        return [pid for pid in _called(name, words) if self.ours(pid)]


def _called(name: str, words: tuple[str, ...]) -> Iterator[int]:
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            found = (folder / "cmdline").read_bytes().decode(errors="replace").split("\0")
        except OSError:
            continue
        if Path(found[0]).name == name and all(word in found for word in words):
            yield int(folder.name)


def stages(bed: Bed) -> dict[str, Callable[[Running], Any]]:
    """Return what shows that a run of one block has come to a stage."""
    return {
        "build": lambda run: "engine: " in run.said,
        "create": lambda run: "block 1 of" in run.said,
        "settle": lambda _: bed.tools("iperf3", "-s"),
        "probe": lambda _: bed.tools("iperf3", "-c"),
        "record": lambda run: run.lines(),
        "teardown": lambda run: len(run.lines()) >= TRIALS,
        "report": lambda run: run.status() not in (None, "running"),
    }


def held(bed: Bed) -> bool:
    """Tell whether a client is held while another one works, as in a session's rounds."""
    return {is_held(pid) for pid in bed.tools("iperf3", "-c")} == {True, False}


def assert_kept(run: Running, *, truncated: bool = False) -> LoadedRun | None:
    """The folder, where there is one, is valid, and every record that was ever there still is."""
    if run.folder is None or run.folder == Path():
        assert run.seen == []
        return None
    loaded = load(run.folder)
    list(loaded.records())
    path = run.folder / "records.jsonl"
    text = path.read_text() if path.exists() else ""
    torn = [note for note in loaded.notes if "cut short" in note]

    assert text.startswith("".join(run.seen))
    assert [n for n in loaded.notes if n not in torn and "nothing that was measured" not in n] == []
    assert not torn or truncated
    numbers = [
        json.loads(line)["number"] for line in text.splitlines(keepends=True) if "\n" in line
    ]
    assert numbers == list(range(1, len(numbers) + 1))
    return loaded


def assert_one_error(run: Running, *words: str) -> None:
    """Exactly one error was told, without a traceback, and it says this."""
    assert "Traceback" not in run.said, run.said
    assert "Exception ignored" not in run.said, run.said
    told = CLEAR.findall(run.said)
    assert len(told) == 1, run.said
    for word in words:
        assert word in run.said


def failures(loaded: LoadedRun | None) -> list[tuple[Record, Failure]]:
    """Return the failed records, each of which has words for what happened."""
    assert loaded is not None
    found = [(r, r.outcome) for r in loaded.records() if isinstance(r.outcome, Failure)]
    assert all(failure.reason for _, failure in found)
    return found


@contextmanager
def nothing_left(bed: Bed) -> Iterator[None]:
    """Whatever happens inside: afterwards everything is as it was."""
    before = bed.inventory()
    yield
    deadline = time.monotonic() + SOON
    while (after := bed.inventory()) != before and time.monotonic() < deadline:
        time.sleep(0.05)
    changed = {name: (before[name], after[name]) for name in before if before[name] != after[name]}
    assert changed == {}, changed


def docker_bed_of(lab: Lab, folder: Path) -> Bed:
    """netbench beside an engine."""
    program = lab.beside(Program(folder))
    name = f"netbench-lab-{lab.holder}"

    def ours(pid: int) -> bool:
        try:
            return name in Path(f"/proc/{pid}/cgroup").read_text()
        except OSError:
            return False

    def found() -> dict[str, Any]:
        """Everything but cgroups of the netns engine: whoever uses that, it is not this bed."""
        everything = inventory(lab)
        groups = [group for group in everything["cgroups"] if ":" not in group]
        return {**everything, "cgroups": groups}

    options = ("--engine", "docker", "--drivers", "host,bridge:user")
    return Bed(program, options, ours, found)
