"""netbench as a user runs it: a process, its output, and the run folder it leaves."""

import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from support import warm
from support.forked import Call
from support.hang import HANG
from support.schemas import DOCUMENTS, validated

ONE_SECOND = """
name = "one-second"
[probes.tcp-throughput]
rounds = 4
[[cell]]
probe = "tcp-throughput"
placement = "cross"
"""
TRICKLE = (Path(__file__).parent / "trickle.toml").read_text()
"""Half a megabyte: whether a path carries, not how fast. Unpinned: no sentinel runs."""
TOO_BUSY = re.compile(r"\d+ of \d+ slices gave a number")
"""What netbench says of a session for which the machine was too busy."""
_READ_AT_START = ("PYTHON", "LD_", "LC_", "LANG")
"""Of what an interpreter reads in the environment when it starts."""
_NET = "--net="
"""What nsenter takes where a network namespace is all that is entered."""


@dataclass(frozen=True)
class Ended:
    """One finished call."""

    code: int
    stdout: str
    stderr: str
    command: str = ""
    """The command's name."""

    @property
    def json(self) -> Any:
        """The one document on stdout, which is as its published schema says."""
        document = json.loads(self.stdout)
        name = "run" if self.command == "report" else self.command
        name = "error" if "error" in document else name
        return validated(name, document) if name in DOCUMENTS else document


def assert_cleaned(ended: Ended) -> None:
    """`clean` removed everything but what others use, for others may be at work beside a test."""
    used, failed = ("in use" in ended.stdout, "failed" in ended.stdout)
    assert (ended.code, failed) == (3 if used else 0, False), f"{ended.stdout}{ended.stderr}"


@dataclass(frozen=True)
class Program:
    """How netbench is called: a folder to work in, what stands before the command, environment."""

    folder: Path
    before: tuple[str, ...] = ()
    environment: Mapping[str, str] | None = None
    python: str = sys.executable

    @property
    def _settings(self) -> Mapping[str, str]:
        """The whole environment."""
        return {**os.environ, **(self.environment or {})}

    def popen(self, *argv: str) -> subprocess.Popen[str]:
        """Start netbench; output goes to pipes."""
        return subprocess.Popen(
            (*self.before, self.python, "-m", "netbench", *argv),
            cwd=self.folder,
            env=self._settings,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def start(
        self, argv: Sequence[str], stdout: Path, stderr: Path
    ) -> "warm.Process | subprocess.Popen[bytes]":
        """Start netbench with its output in files, and SIGHUP as by a terminal.

        Where nothing else would differ it is forked from a process that has it imported already.
        """
        if self._forkable():
            netns = self.before[1].removeprefix(_NET) if self.before else None
            for path in (stdout, stderr):  # who looks at once finds them
                path.write_bytes(b"")
            out, err = str(stdout), str(stderr)
            return warm.Process(Call(argv, str(self.folder), self._settings, out, err, netns))
        before = ("env", "--default-signal=HUP", *self.before)
        with stdout.open("wb") as out, stderr.open("wb") as err:
            return subprocess.Popen(
                (*before, self.python, "-m", "netbench", *argv),
                cwd=self.folder,
                env=self._settings,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
            )

    def _forkable(self) -> bool:
        """Tell whether interpreter and surroundings are those of these tests, bar a network."""
        enters = len(self.before) == 2 and self.before[0] == "nsenter"
        here = not self.before or (enters and self.before[1].startswith(_NET))
        same = not any(name.startswith(_READ_AT_START) for name in self.environment or {})
        return here and same and self.python == sys.executable

    def __call__(self, *argv: str, timeout: float = HANG) -> Ended:
        """Run netbench to its end."""
        with tempfile.TemporaryDirectory(prefix="netbench-call-") as folder:
            stdout, stderr = (Path(folder, kind) for kind in ("stdout", "stderr"))
            process = self.start(argv, stdout, stderr)
            try:
                code = process.wait(timeout)
            except BaseException:
                process.kill()
                process.wait()
                raise
            return Ended(code, stdout.read_text(), stderr.read_text(), argv[0] if argv else "")

    def with_tool(self, name: str, script: str) -> "Program":
        """The same program, which finds a script before the machine's tool of that name."""
        folder = self.folder / "bin"
        folder.mkdir()
        (folder / name).write_text(script)
        (folder / name).chmod(0o755)
        path = {"PATH": f"{folder}:{os.environ['PATH']}"}
        return replace(self, environment={**(self.environment or {}), **path})

    def suite(self, text: str = TRICKLE) -> str:
        """Write a suite file, return its path for `--suite`."""
        path = self.folder / "short.toml"
        path.write_text(text)
        return str(path)

    def run_folder(self) -> Path:
        """Return the one run folder under `reports`."""
        (folder,) = (self.folder / "reports").iterdir()
        return folder

    def so_far(self) -> list[dict[str, Any]]:
        """Return the records of the one run that goes on; none before it has a folder."""
        return [
            record for folder in (self.folder / "reports").glob("*") for record in records(folder)
        ]


def records(folder: Path) -> list[dict[str, Any]]:
    """Return the records of a run folder as they stand on disk; not one that is being written."""
    path = folder / "records.jsonl"
    text = path.read_text() if path.exists() else ""
    return [json.loads(line) for line in text.split("\n")[:-1]]


def reasons(found: Sequence[Mapping[str, Any]]) -> str:
    """Return why records have no figure, each reason once."""
    return "; ".join(dict.fromkeys(one["outcome"].get("reason", "") for one in found))


def sampled(found: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the records that have a figure."""
    return [one for one in found if one["outcome"]["kind"] == "sample"]


def assert_measured(found: Sequence[Mapping[str, Any]], *ended: Ended) -> None:
    """A busy machine may leave a session too few slices; nothing else keeps it from its figure.

    Calls end with 0, or with 3 where a session failed so.
    """
    failed = [one["outcome"] for one in found if one["outcome"]["kind"] != "sample"]
    assert len(failed) < len(found), reasons(found)
    told = [(one["kind"], one.get("stage")) for one in failed]
    assert {*told} <= {("failure", "output")}, reasons(found)
    assert all(TOO_BUSY.search(one["reason"]) for one in failed), reasons(found)
    for one in ended:
        assert one.code == (3 if failed else 0), f"{one.stdout}{one.stderr}"


def wait_for(what: Callable[[], Any], within: float = 120.0) -> Any:
    """Return what is seen as soon as it is true; fail after `within` seconds."""
    deadline = time.monotonic() + within
    while time.monotonic() < deadline:
        found = what()
        if found:
            return found
        time.sleep(0.05)
    raise AssertionError(f"not seen within {within:.0f} s: {what}")


def tool_processes(name: str, mark: Sequence[str] = ()) -> list[int]:
    """Return pids of running tools by exact name whose command line holds every mark."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            words = (folder / "cmdline").read_bytes().decode(errors="replace").split("\0")
        except OSError:
            continue
        if Path(words[0]).name == name and all(word in words for word in mark):
            found.append(int(folder.name))
    return found


def is_held(pid: int) -> bool:
    """Tell whether a process is stopped by a signal."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"
    except OSError:
        return False


def children() -> set[str]:
    """Return the processes that this one has started and not waited for; zombies too."""
    found: set[str] = set()
    for each in Path("/proc/self/task").glob("*/children"):
        with suppress(OSError):  # a thread that has just ended
            found |= {*each.read_text().split()}
    return found
