"""netbench as a user runs it: a process, its output, and the run folder it leaves."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SHORT = """
name = "short"
[probes.tcp-throughput]
seconds = 1
omit = 0
[[cell]]
probe = "tcp-throughput"
placement = "cross"
[[cell]]
probe = "tcp-rr"
placement = "same"
"""
ONE_SECOND = """
name = "one-second"
[probes.tcp-throughput]
seconds = 1
omit = 0
[[cell]]
probe = "tcp-throughput"
placement = "cross"
"""


@dataclass(frozen=True)
class Ended:
    """One finished call."""

    code: int
    stdout: str
    stderr: str

    @property
    def json(self) -> Any:
        """The one document on stdout."""
        return json.loads(self.stdout)


@dataclass(frozen=True)
class Program:
    """How netbench is called: a folder to work in, what stands before the command, environment."""

    folder: Path
    before: tuple[str, ...] = ()
    environment: Mapping[str, str] | None = None
    python: str = sys.executable

    def popen(self, *argv: str) -> subprocess.Popen[str]:
        """Start netbench; output goes to pipes."""
        return subprocess.Popen(
            (*self.before, self.python, "-m", "netbench", *argv),
            cwd=self.folder,
            env={**os.environ, **(self.environment or {})},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def __call__(self, *argv: str, timeout: float = 180) -> Ended:
        """Run netbench to its end."""
        process = self.popen(*argv)
        try:
            stdout, stderr = process.communicate(timeout=timeout)
        except BaseException:
            process.kill()
            process.communicate()
            raise
        return Ended(process.returncode, stdout, stderr)

    def suite(self, text: str = SHORT) -> str:
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
    """Return the records of a run folder as they stand on disk."""
    path = folder / "records.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def wait_for(what: Callable[[], Any], within: float = 60.0) -> Any:
    """Return what is seen as soon as it is true; fail after `within` seconds."""
    deadline = time.monotonic() + within
    while time.monotonic() < deadline:
        found = what()
        if found:
            return found
        time.sleep(0.02)
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
