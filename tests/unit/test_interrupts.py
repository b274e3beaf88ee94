"""Signals that come at the worst of moments: a lock has just been taken, and not yet seen to."""

import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from queue import Queue
from typing import Any

import pytest

from netbench.cli import _come_again, _interrupt
from netbench.errors import Interrupted
from netbench.system.interrupts import deferred_signals

AT_ONCE = 1.0
"""Seconds within which a signal is raised, on a busy machine too."""


class Signalled:
    """A lock after whose first taking a signal comes at once."""

    def __init__(self, lock: Any) -> None:
        self._lock = lock
        self._signals = [signal.SIGINT]

    def __getattr__(self, name: str) -> Any:
        return getattr(self._lock, name)

    def __enter__(self) -> Any:
        taken = self._lock.__enter__()
        self._signal()
        return taken

    def __exit__(self, *error: object) -> Any:
        return self._lock.__exit__(*error)

    def _signal(self) -> None:
        if self._signals:
            signal.raise_signal(self._signals.pop())

    def acquire(self, *args: Any) -> Any:
        taken = self._lock.acquire(*args)
        self._signal()
        return taken


@pytest.fixture(autouse=True)
def _handled() -> Iterator[None]:
    """Handle signals as the command line does, for as long as a test lasts."""
    before = {
        number: signal.signal(number, handler)
        for number, handler in ((signal.SIGINT, _interrupt), (signal.SIGALRM, _come_again))
    }
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture
def process() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(("sleep", "600"), stdout=subprocess.PIPE) as started:
        yield started
        started.kill()


def free(lock: Any) -> bool:
    """Tell whether another thread gets a lock."""
    got: list[bool] = []

    def take() -> None:
        got.append(lock.acquire(timeout=2))
        if got[0]:
            lock.release()

    thread = threading.Thread(target=take)
    thread.start()
    thread.join()
    return got == [True]


def interrupted(work: Callable[[], object]) -> float:
    """Return after how many seconds work was interrupted, or what came after it."""
    began = time.monotonic()
    try:
        work()
        time.sleep(5)
    except Interrupted:
        pass
    return time.monotonic() - began


def test_a_process_that_is_looked_at_when_a_signal_comes_can_be_waited_for(
    process: subprocess.Popen[bytes],
) -> None:
    lock = process._waitpid_lock  # type: ignore[attr-defined] # noqa: SLF001 -- what gets stuck
    process._waitpid_lock = Signalled(lock)  # type: ignore[attr-defined] # noqa: SLF001 -- same

    seconds, released = interrupted(process.poll), free(lock)
    process._waitpid_lock = threading.Lock()  # type: ignore[attr-defined] # noqa: SLF001 -- same
    assert seconds < AT_ONCE
    assert released


def test_work_that_is_waited_for_when_a_signal_comes_can_end() -> None:
    with ThreadPoolExecutor() as pool:
        go = threading.Event()
        future = pool.submit(go.wait)
        lock = future._condition._lock  # type: ignore[attr-defined] # noqa: SLF001 -- same
        future._condition._lock = Signalled(lock)  # type: ignore[attr-defined] # noqa: SLF001

        assert interrupted(future.result) < AT_ONCE
        ended = free(lock)
        if not ended:  # the worker would wait for ever, and so would the end of the pool
            lock.release()
        go.set()
    assert ended


def test_what_is_entered_when_a_signal_comes_is_left_again() -> None:
    left: list[bool] = []

    class Entered:
        def __enter__(self) -> None:
            signal.raise_signal(signal.SIGINT)

        def __exit__(self, *_: object) -> None:
            left.append(True)

    def work() -> None:
        with ExitStack() as stack:
            stack.enter_context(Entered())
            time.sleep(5)

    assert interrupted(work) < AT_ONCE
    assert left == [True]


WAITS: dict[str, Callable[[subprocess.Popen[bytes], Future[bool]], object]] = {
    "for a process": lambda process, _: process.wait(),
    "for a process for some time": lambda process, _: process.wait(60),
    "for what a process prints": lambda process, _: process.communicate(),
    "for work": lambda _, future: future.result(),
    "for an event": lambda _, __: threading.Event().wait(),
    "for a queue": lambda _, __: Queue().get(),
    "for a thread": lambda _, __: _worker().join(),
    "for time to pass": lambda _, __: time.sleep(60),
}


def _worker() -> threading.Thread:
    """Return the thread of the pool that works."""
    return next(one for one in threading.enumerate() if one.name.startswith("ThreadPool"))


@pytest.mark.parametrize("what", WAITS)
def test_who_waits_is_interrupted(process: subprocess.Popen[bytes], what: str) -> None:
    go = threading.Event()
    with ThreadPoolExecutor() as pool:
        future = pool.submit(go.wait)
        timer = threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGINT))
        timer.daemon = True
        timer.start()
        try:
            assert interrupted(lambda: WAITS[what](process, future)) < AT_ONCE
        finally:
            go.set()


def test_a_signal_that_was_held_back_is_raised_when_it_may_be() -> None:
    done: list[bool] = []

    def work() -> None:
        with deferred_signals():
            signal.raise_signal(signal.SIGINT)
            time.sleep(0.05)
            done.append(True)

    assert interrupted(work) < AT_ONCE
    assert done == [True]
