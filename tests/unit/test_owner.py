"""Whether the netbench that made a thing still runs, by real processes."""

import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from netbench.engines.local_process import started
from netbench.engines.owner import maker_lives, this_process


@pytest.fixture
def process() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(("sleep", "60")) as started_here:
        yield started_here
        started_here.kill()


def mark_of(pid: int) -> str:
    """Return the mark that a process of this machine would leave."""
    boot, namespace, _, _ = this_process().split(":")
    return f"{boot}:{namespace}:{pid}:{started(pid)}"


def state(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


def test_a_process_that_runs_lives() -> None:
    assert maker_lives(this_process())


def test_a_stopped_process_lives(process: "subprocess.Popen[bytes]") -> None:
    mark = mark_of(process.pid)
    process.send_signal(19)
    while state(process.pid) != "T":
        time.sleep(0.001)

    assert maker_lives(mark)


def test_a_dead_process_does_not_live_before_its_parent_has_asked_how_it_ended(
    process: "subprocess.Popen[bytes]",
) -> None:
    mark = mark_of(process.pid)
    process.kill()
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)

    assert state(process.pid) == "Z"
    assert maker_lives(mark) is False
    process.wait()
    assert maker_lives(mark) is False


def test_a_killed_process_does_not_live_while_the_kernel_has_yet_to_end_it(
    process: "subprocess.Popen[bytes]",
) -> None:
    group = Path("/sys/fs/cgroup/freezer") / f"netbench-test-{process.pid}"
    try:
        group.mkdir()
        (group / "cgroup.procs").write_text(f"{process.pid}\n")
    except OSError as exc:
        pytest.skip(f"only the freezer of cgroups v1 holds a killed process back: {exc}")
    mark = mark_of(process.pid)
    try:
        (group / "freezer.state").write_text("FROZEN\n")
        while (group / "freezer.state").read_text() != "FROZEN\n":
            time.sleep(0.001)
        assert maker_lives(mark)
        process.kill()

        assert state(process.pid) != "Z"
        assert maker_lives(mark) is False
    finally:
        (group / "freezer.state").write_text("THAWED\n")
        process.wait()
        group.rmdir()


def test_another_process_of_the_same_number_is_not_the_maker() -> None:
    boot, namespace, pid, ticks = this_process().split(":")

    assert maker_lives(f"{boot}:{namespace}:{pid}:{int(ticks) + 1}") is False


@pytest.mark.parametrize("pid", ["", "-1", "1" * 5000, "\N{FULLWIDTH DIGIT SIX}", "self", "../1"])
def test_a_mark_that_names_no_process_tells_nothing(pid: str) -> None:
    boot, namespace, _, ticks = this_process().split(":")

    assert maker_lives(f"{boot}:{namespace}:{pid}:{ticks}") is None
