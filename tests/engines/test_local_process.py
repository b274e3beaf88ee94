import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median

import pytest
from support.program import wait_for

from netbench.engines import local_process

_BYTES = 1 << 20
_READER = ("head", "-c", str(_BYTES), "/dev/zero")


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(("sleep", "1234"))
    yield process
    process.kill()
    process.wait()


def state(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


def test_a_process_is_held_and_let_go_on(sleeper: subprocess.Popen[bytes]) -> None:
    for _ in range(20):
        local_process.deliver(sleeper.pid, "STOP")
        wait_for(lambda: state(sleeper.pid) == "T")
        local_process.deliver(sleeper.pid, "CONT")
        wait_for(lambda: state(sleeper.pid) == "S")


@pytest.mark.parametrize("name", ["TERM", "ALRM", "KILL"])
def test_a_held_process_ends_by_what_it_is_sent(
    sleeper: subprocess.Popen[bytes], name: local_process.Signal
) -> None:
    local_process.deliver(sleeper.pid, "STOP")
    local_process.deliver(sleeper.pid, name)

    assert sleeper.wait(10) == -signal.Signals[f"SIG{name}"]
    local_process.deliver(sleeper.pid, name)


def test_what_a_process_has_read_is_counted_within_a_tenth_of_a_millisecond() -> None:
    with subprocess.Popen(("cat",), stdin=subprocess.PIPE, stdout=subprocess.DEVNULL) as reader:
        assert reader.stdin is not None
        first = local_process.bytes_read(reader.pid)
        assert first is not None
        reader.stdin.write(bytes(_BYTES))
        reader.stdin.flush()

        def grown() -> bool:
            now = local_process.bytes_read(reader.pid)
            return now is not None and now.total >= first.total + _BYTES and now.at > first.at

        wait_for(grown)
        assert median(_seconds(reader.pid) for _ in range(99)) < 1e-4
        reader.stdin.close()


def _seconds(pid: int) -> float:
    before = time.perf_counter()
    local_process.bytes_read(pid)
    return time.perf_counter() - before


def test_nothing_is_told_of_a_process_that_is_gone() -> None:
    ended = subprocess.Popen(_READER, stdout=subprocess.DEVNULL)
    ended.wait()

    assert local_process.bytes_read(ended.pid) is None
    assert not local_process.may_signal(ended.pid)


def test_our_own_processes_may_be_signalled() -> None:
    assert local_process.may_signal(os.getpid())
