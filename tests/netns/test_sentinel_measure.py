import math
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from netbench.record import Absent, SentinelReading
from netbench.sentinel import Sentinel, method_for
from netbench.spec import Placement

CPUS = sorted(os.sched_getaffinity(0))
TWO = pytest.mark.skipif(len(CPUS) < 2, reason="only one CPU")


@pytest.fixture
def sentinel() -> Iterator[Sentinel]:
    with Sentinel() as opened:
        yield opened


def workers() -> list[int]:
    """Return the sentinel processes that are our children."""
    children = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
    found = []
    for child in children:
        command = Path(f"/proc/{child}/cmdline").read_bytes()
        if b"sentinel/worker.py" in command:
            found.append(int(child))
    return found


def cpu_ticks(pid: int) -> int:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


def gone(pid: int) -> bool:
    """Tell whether a process that is not our child has ended, within two seconds."""
    for _ in range(200):
        stat = Path(f"/proc/{pid}/stat")
        try:
            if stat.read_text().rpartition(")")[2].split()[0] == "Z":
                return True
        except (FileNotFoundError, ProcessLookupError):
            return True
        time.sleep(0.01)
    return False


@TWO
def test_two_cpus_give_a_stream_and_one_gives_a_ping_pong(sentinel: Sentinel) -> None:
    before = time.monotonic()
    stream = sentinel.read(CPUS[0], CPUS[1])
    pingpong = sentinel.read(CPUS[0], CPUS[0])
    after = time.monotonic()

    assert isinstance(stream, SentinelReading)
    assert isinstance(pingpong, SentinelReading)
    assert stream.value > 1e8  # bit/s: any machine that boots copies more than this
    assert 100 < pingpong.value < 1e7  # round trips per second
    assert before < stream.at < pingpong.at < after


def test_readings_of_one_machine_are_of_one_order(sentinel: Sentinel) -> None:
    readings = [sentinel.read(CPUS[0], CPUS[-1]) for _ in range(9)]
    logs = [math.log10(r.value) for r in readings if isinstance(r, SentinelReading)]

    assert len(logs) == 9
    assert abs(logs[0] - sorted(logs)[4]) < 1  # the first is no start-up artefact


@TWO
def test_each_side_sits_on_its_own_cpu(sentinel: Sentinel) -> None:
    sentinel.read(CPUS[1], CPUS[0])
    lead, follow = workers()

    assert os.sched_getaffinity(lead) == {CPUS[1]}
    assert os.sched_getaffinity(follow) == {CPUS[0]}


def test_the_processes_persist_and_idle_between_readings(sentinel: Sentinel) -> None:
    sentinel.read(CPUS[0], CPUS[-1])
    before = workers()
    ticks = [cpu_ticks(pid) for pid in before]
    time.sleep(0.3)

    assert [cpu_ticks(pid) for pid in before] == ticks
    sentinel.read(CPUS[0], CPUS[-1])
    assert workers() == before


def test_an_interrupt_from_the_terminal_does_not_reach_the_processes(sentinel: Sentinel) -> None:
    sentinel.read(CPUS[0], CPUS[-1])

    assert os.getpgid(0) not in {os.getpgid(pid) for pid in workers()}


def test_unpinned_has_no_reading_and_starts_nothing(sentinel: Sentinel) -> None:
    assert sentinel.read(None, CPUS[0]) == Absent("unpinned")
    assert sentinel.read(CPUS[0], None) == Absent("unpinned")
    assert workers() == []


def test_a_cpu_that_is_not_there_is_a_reason_and_the_next_reading_works(
    sentinel: Sentinel,
) -> None:
    for pins in ((CPUS[0], 4095), (4095, CPUS[0]), (4095, 4095)):
        reading = sentinel.read(*pins)

        assert isinstance(reading, Absent)
        assert "Invalid argument" in reading.reason
        assert "4095" in reading.reason
    assert isinstance(sentinel.read(CPUS[0], CPUS[-1]), SentinelReading)


@pytest.mark.parametrize("victim", [0, 1])
def test_a_dead_process_is_a_reason_and_the_next_reading_works(
    sentinel: Sentinel, victim: int
) -> None:
    sentinel.read(CPUS[0], CPUS[-1])
    os.kill(workers()[victim], signal.SIGKILL)

    reading = sentinel.read(CPUS[0], CPUS[-1])

    assert isinstance(reading, Absent)
    assert "died" in reading.reason
    assert isinstance(sentinel.read(CPUS[0], CPUS[-1]), SentinelReading)


def test_nothing_is_left_after_closing() -> None:
    with Sentinel() as sentinel:
        sentinel.read(CPUS[0], CPUS[-1])
        pids = workers()
        assert len(pids) == 2

    assert workers() == []
    assert all(gone(pid) for pid in pids)


def test_the_processes_end_with_us_even_when_we_are_killed() -> None:
    code = (
        "import os, sys, time; from netbench.sentinel import Sentinel\n"
        f"s = Sentinel(); s.read({CPUS[0]}, {CPUS[-1]})\n"
        "print(open(f'/proc/self/task/{os.getpid()}/children').read(), flush=True)\n"
        "time.sleep(60)"
    )
    with subprocess.Popen((sys.executable, "-c", code), stdout=subprocess.PIPE) as owner:
        assert owner.stdout is not None
        pids = [int(pid) for pid in owner.stdout.readline().split()]
        owner.kill()

    assert len(pids) == 2
    assert all(gone(pid) for pid in pids)


def test_it_needs_no_privilege_but_its_own_user_namespace() -> None:
    code = (
        "from netbench.sentinel import Sentinel\n"
        f"with Sentinel() as s: print(type(s.read({CPUS[0]}, {CPUS[-1]})).__name__)"
    )
    made = subprocess.run(
        ("unshare", "--user", "--net", sys.executable, "-c", code),
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    if made.returncode and "unshare" in made.stderr:
        pytest.skip(f"no user namespaces here: {made.stderr.strip()}")

    assert made.stdout.strip() == "SentinelReading", made.stderr


def test_every_placement_has_its_method() -> None:
    methods = {placement.value: method_for(placement) for placement in Placement}

    assert methods == {"cross": "stream", "same": "pingpong", "none": "none"}
