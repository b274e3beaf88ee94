"""CPU time of the machine, of processes, and cycles."""

import os
import threading
import time
from pathlib import Path

import pytest

from netbench.errors import FactError
from netbench.facts.cpu_time import (
    CLOCK,
    TICK,
    CpuTimes,
    CycleCounters,
    counters,
    machine,
    process_time,
)
from netbench.record import Absent

STAT = (Path(__file__).parent.parent / "golden" / "procfs" / "stat.txt").read_text()


def later(text: str) -> str:
    """100 ticks later: 60 user, 10 system, 3 softirq, 17 idle, 5 waiting for I/O, 5 stolen."""
    fields = [int(word) for word in text.splitlines()[0].split()[1:]]
    more = [60, 0, 10, 17, 5, 0, 3, 5, 60, 0]
    return "cpu  " + " ".join(str(old + new) for old, new in zip(fields, more, strict=True))


def test_what_passed_between_two_readings_by_kind() -> None:
    passed = (machine(later(STAT)) - machine(STAT)).all

    assert passed == CpuTimes(60, 0, 10, 17, 5, 0, 3, 5)
    assert (passed.busy, passed.total) == (73, 100)


def test_the_cpus_add_up_to_the_machine() -> None:
    seen = machine(STAT)

    assert len(seen.each) >= 2
    together = sum(times.busy for times in seen.each.values())
    assert together == pytest.approx(seen.all.busy, abs=6 * len(seen.each))


@pytest.mark.parametrize("text", ["", "cpu", "cpu 1 2 3", "cpu a b c d e f g h", "intr 1"])
def test_times_are_never_made_up(text: str) -> None:
    with pytest.raises(FactError, match="/proc/stat"):
        machine(text)


def test_a_process_has_the_time_of_all_its_threads() -> None:
    before = process_time(os.getpid())
    ended = threading.Event()

    def work() -> None:
        while time.thread_time() < 3 * TICK:
            pass
        ended.set()
        go_on.wait()

    go_on = threading.Event()
    worker = threading.Thread(target=work)
    worker.start()
    ended.wait()
    after = process_time(os.getpid())
    go_on.set()
    worker.join()

    assert before is not None
    assert after is not None
    assert after - before >= 2 * TICK


def test_a_process_that_is_gone_has_none() -> None:
    assert process_time(2**22 + 1) is None


def test_counters_count_or_say_why_not() -> None:
    """The clock needs no hardware; where even that is refused, it is for want of a right."""
    cpus = tuple(sorted(os.sched_getaffinity(0)))
    try:
        running = CycleCounters(cpus, CLOCK)
    except OSError as exc:
        assert isinstance(exc, PermissionError)  # noqa: PT017 - both ends of the test hold
        assert isinstance(counters(cpus), Absent)
        return
    first = running.read()
    time.sleep(0.01)
    second = running.read()
    running.close()

    assert second - first >= 0.01e9


def test_an_event_that_is_not_there_leaves_nothing_open() -> None:
    before = len([*Path("/proc/self/fd").iterdir()])
    with pytest.raises(OSError, match=r"."):
        CycleCounters((0,), (250, 0))

    assert len([*Path("/proc/self/fd").iterdir()]) == before


def test_a_number_that_no_cpu_has_is_no_cpus() -> None:
    line = "0 0 1 0 0 0 0 0"
    seen = machine(f"cpu  {line}\ncpu0 {line}\ncpu{'9' * 5000} {line}\ncpu\u0661 {line}\n")

    assert list(seen.each) == [0]
