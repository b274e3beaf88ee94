"""Tools, disks, clocks, descriptors and pipes that fail a run, on the netns engine."""

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from support.faults import (
    BUSY,
    TRIALS,
    Bed,
    Running,
    assert_kept,
    assert_one_error,
    failures,
    nothing_left,
    trickle,
)
from support.hang import HANG
from support.require import require_or_skip

from netbench.engines.base import KEPT_OF_FLOOD

REAL = shutil.which("iperf3") or "/usr/bin/iperf3"
CLIENT = f"""#!/bin/sh
case " $* " in
*" -c "*) {{}} ;;
*) exec {REAL} "$@" ;;
esac
"""
SERVER = CLIENT.replace('" -c "', '" -s "')
OLD = f"""#!/bin/sh
# What iperf 3.0.7 says to an option that it does not know.
case "$1" in --version) echo "iperf 3.0.7 (26 August 2014)"; exit 0 ;; esac
echo "{REAL}: unrecognized option: $1" >&2
exit 1
"""


BROKEN = {
    "hangs": (CLIENT.format("exec sleep 600"), "client", "did not end within"),
    "floods its output": (CLIENT.format("exec yes flood"), "output", ""),
    "prints garbage": (CLIENT.format("echo '{{\"start\": \\033[31m'; exit 0"), "output", ""),
    "prints nothing": (CLIENT.format("exit 0"), "output", ""),
    "dies": (CLIENT.format("kill -SEGV $$"), "output", ""),
    "is older": (OLD, "server", ""),
    "finds its port taken": (
        SERVER.format(
            f'socat TCP-LISTEN:"$(echo " $* " | sed "s/.* -p \\([0-9]*\\).*/\\1/")",fork - '
            f'</dev/null >/dev/null & sleep 0.2; exec {REAL} "$@"'
        ),
        "",
        "",
    ),
}


@pytest.mark.parametrize("how", BROKEN)
def test_a_tool_that_does_not_work_is_a_failure_with_evidence(bed: Bed, how: str) -> None:
    script, stage, words = BROKEN[how]
    with nothing_left(bed):
        hurt = replace(bed, program=bed.program.with_tool("iperf3", script))
        run = hurt.start(cell=trickle(1))
        code = run.end()

        assert code == 3, run.said
        assert "Traceback" not in run.said
        loaded = assert_kept(run)
        found = failures(loaded)
        assert len(found) == TRIALS
        assert loaded
        for raw in (loaded.path / "raw").iterdir():
            assert raw.stat().st_size < 2 * KEPT_OF_FLOOD
        for _, failure in found:
            assert stage in ("", failure.stage)
            assert words in failure.reason
            assert failure.evidence
            assert len(failure.evidence) < 4000


@contextmanager
def small_disk(folder: Path, size: str) -> Iterator[Path]:
    """A file system of its own for run folders."""
    folder.mkdir()
    subprocess.run(("mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", folder), check=True)
    try:
        yield folder
    finally:
        subprocess.run(("umount", "--lazy", folder), check=True)


def fill(folder: Path) -> None:
    """Take all the room that is left."""
    with (folder / "filler").open("wb", buffering=0) as file:
        try:
            while True:
                file.write(b"\0" * 4096)
        except OSError:
            return


def remount(folder: Path, how: str) -> None:
    subprocess.run(("mount", "-o", f"remount,{how}", folder), check=True)


DISKS: dict[str, tuple[Callable[[Path], None], Callable[[Path], None], str]] = {
    "full": (fill, lambda folder: (folder / "filler").unlink(), "No space left on device"),
    "read-only": (
        lambda folder: remount(folder, "ro"),
        lambda folder: remount(folder, "rw"),
        "Read-only file system",
    ),
}


@pytest.mark.parametrize("how", DISKS)
def test_a_disk_that_fails_in_the_middle_loses_no_record_and_the_run_goes_on_later(
    bed: Bed, how: str
) -> None:
    hurt, mend, words = DISKS[how]
    with nothing_left(bed), small_disk(bed.program.folder / "reports", "32m") as disk:
        run = bed.start(blocks=2)
        run.until(Running.lines)
        hurt(disk)
        code = run.end()

        assert code == 3, run.said
        assert_one_error(run, words)
        assert "--resume" in run.said
        assert_kept(run)
        mend(disk)
        assert run.folder is not None
        again = bed.call("run", "--resume", str(run.folder), name="again-")
        assert again.end() == 0, again.said
        loaded = assert_kept(run)
        assert loaded is not None
        assert len(list(loaded.records())) == 2 * TRIALS


@pytest.mark.parametrize("how", DISKS)
def test_a_disk_that_fails_at_once_is_one_error_and_nothing_is_made(bed: Bed, how: str) -> None:
    hurt, _, words = DISKS[how]
    with nothing_left(bed), small_disk(bed.program.folder / "reports", "64k") as disk:
        hurt(disk)
        run = bed.start()

        assert run.end() == 2, run.said
        assert_one_error(run, words)
        assert not list(disk.glob("*/"))


def test_a_report_that_cannot_be_written_costs_no_record(bed: Bed) -> None:
    """The page takes megabytes, the records do not."""
    with nothing_left(bed), small_disk(bed.program.folder / "reports", "512k"):
        run = bed.start()
        code = run.end()

        assert code == 3, run.said
        assert_one_error(run, "report.html", "No space left on device")
        loaded = assert_kept(run)
        assert loaded is not None
        assert loaded.info.status == "complete"


@pytest.mark.parametrize("limit", [16, 24, 32, 40, 56])
def test_too_few_file_descriptors_are_one_error_or_failures(bed: Bed, limit: int) -> None:
    few = replace(bed, program=replace(bed.program, before=("prlimit", f"--nofile={limit}")))
    with nothing_left(bed):
        run = few.start()
        code = run.end()

        assert "Traceback" not in run.said, run.said
        loaded = assert_kept(run)
        if loaded is None:
            assert code in (3, 4), run.said
            assert_one_error(run)
        elif code != 0:
            assert code == 3, run.said
            assert failures(loaded) or "fix: " in run.said


def test_a_clock_that_is_stepped_back_changes_no_duration(bed: Bed) -> None:
    library = next(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"), None)
    if library is None:
        require_or_skip("faketime", "no libfaketime; install: apt-get install libfaketime")
    offset = bed.program.folder / "offset"
    offset.write_text("+0")
    environment = {
        **(bed.program.environment or {}),
        "LD_PRELOAD": str(library),
        "FAKETIME_TIMESTAMP_FILE": str(offset),
        "FAKETIME_NO_CACHE": "1",
        "DONT_FAKE_MONOTONIC": "1",
    }
    stepping = replace(bed, program=replace(bed.program, environment=environment))
    with nothing_left(bed):
        run = stepping.start()
        run.until(Running.lines)
        stepped = offset.with_name("stepped")
        stepped.write_text("-2h")
        stepped.replace(offset)  # at once: an empty file is no time, and ends whoever reads it
        code = run.end()

        assert code == 0, run.said
        loaded = assert_kept(run)
        assert loaded is not None
        found = list(loaded.records())
        assert found[-1].clock.started < found[0].clock.started
        assert all(0 < record.clock.seconds < 60 for record in found)
        assert loaded.info.wall is not None
        assert 0 < loaded.info.wall < 60


READERS = {
    "stdout": ("{} 2>stderr | true",),
    "both": ("{} 2>&1 | true",),
    "after a line": ("{} 2>&1 | head -1",),
}


@pytest.mark.parametrize("how", READERS)
def test_whoever_stops_reading_costs_neither_records_nor_report_nor_code(
    bed: Bed, how: str
) -> None:
    (line,) = READERS[how]
    suite = bed.program.suite(trickle())
    argv = (bed.program.python, "-m", "netbench", "run", *bed.options, "--blocks", "1")
    command = line.format(" ".join((*argv, "--suite", suite)))
    with nothing_left(bed):
        done = subprocess.run(
            ("bash", "-c", f"{command}; exit ${{PIPESTATUS[0]}}"),
            cwd=bed.program.folder,
            env={**os.environ, **(bed.program.environment or {})},
            capture_output=True,
            text=True,
            timeout=HANG,
            check=False,
        )
        folder = bed.program.run_folder()

        assert done.returncode == 0, done.stderr
        assert "Traceback" not in done.stdout + done.stderr
        assert "Exception ignored" not in done.stderr
        assert json.loads((folder / "run.json").read_text())["status"] == "complete"
        assert (folder / "report.html").exists()


def test_two_runs_at_once_are_both_valid_and_both_flagged(bed: Bed, tmp_path: Path) -> None:
    other_folder = tmp_path / "other"
    other_folder.mkdir()
    other = replace(bed, program=replace(bed.program, folder=other_folder))
    with nothing_left(bed):
        first = bed.start("--json", blocks=2, cell=BUSY)
        second = other.start("--json", blocks=2, cell=BUSY)
        codes = first.end(), second.end()

        assert codes == (0, 0), first.said + second.said
        ids = []
        for run in (first, second):
            loaded = assert_kept(run)
            assert loaded is not None
            assert len(list(loaded.records())) == 2 * TRIALS
            ids.append(loaded.info.id)
        for run, its in ((first, ids[1]), (second, ids[0])):
            warnings = json.loads(run.stdout.read_text())["warnings"]
            told = [w["message"] for w in warnings if w["kind"] == "another-run"]
            assert any(f"(run {its})" in words and "CPUs were busy" in words for words in told)


def test_a_run_is_not_resumed_while_it_goes_on(bed: Bed) -> None:
    with nothing_left(bed):
        run = bed.start(blocks=9)
        run.until(Running.lines)
        assert run.folder is not None
        second = bed.call("run", "--resume", str(run.folder), name="second-")

        assert second.end() == 2, second.said
        assert "by another netbench" in second.said
        run.signal(signal.SIGTERM)
        assert run.end() == 130
        assert_kept(run)


def test_a_record_is_on_disk_before_anything_else_happens(tmp_path: Path) -> None:
    """By the system calls: written, and synchronised, before the program goes on."""
    if shutil.which("strace") is None:
        require_or_skip("strace", "no strace; install: apt-get install strace")
    script = (
        "from support.synthetic import run_of\n"
        "from netbench.store import RunFolder\n"
        "from pathlib import Path\n"
        "run = run_of(blocks=1)\n"
        f"folder = RunFolder.create(Path({str(tmp_path)!r}), ('host',), run.info)\n"
        "folder.append(run.records[0])\n"
        "print('appended', flush=True)\n"
    )
    support = str(Path(__file__).parent.parent)
    path = os.pathsep.join(filter(None, (support, os.environ.get("PYTHONPATH", ""))))
    trace = tmp_path / "trace"
    subprocess.run(
        (
            "strace",
            "-y",
            "-e",
            "trace=write,fsync,rename",
            "-o",
            trace,
            sys.executable,
            "-c",
            script,
        ),
        env={**os.environ, "PYTHONPATH": path},
        check=True,
        capture_output=True,
        timeout=HANG,
    )
    calls = [
        line
        for line in trace.read_text().splitlines()
        if str(tmp_path) in line or "appended" in line
    ]
    names = [call.partition("(")[0] for call in calls]
    written = next(i for i, call in enumerate(calls) if "records.jsonl" in call)

    assert names[written : written + 3] == ["write", "fsync", "write"], calls
    assert "appended" in calls[written + 2]
    before = names[:written]
    assert before[-2:] == ["fsync", "rename"], calls
