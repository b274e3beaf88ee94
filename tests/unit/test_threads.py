"""A signal in the middle of the start of a thread."""

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from netbench.system.interrupts import Pool, start_thread

STARTS = {"start_new_thread", "start_joinable_thread"}
"""What makes a thread, by Python's release."""


class Stop(Exception):
    """What a signal becomes."""


def _stop(*_: object) -> None:
    raise Stop


@contextmanager
def signalled_in_a_start() -> Iterator[None]:
    """Send SIGINT once the next thread runs, before who starts it has taken note of that."""

    def look(_: object, event: str, function: object) -> None:
        if event == "c_return" and getattr(function, "__name__", "") in STARTS:
            sys.setprofile(None)
            signal.raise_signal(signal.SIGINT)

    former = signal.signal(signal.SIGINT, _stop)
    sys.setprofile(look)
    try:
        yield
    finally:
        sys.setprofile(None)
        signal.signal(signal.SIGINT, former)


def test_a_pool_has_started_its_thread_before_the_signal_is_heard() -> None:
    ran = threading.Event()
    with Pool(1) as pool:
        with signalled_in_a_start(), pytest.raises(Stop):
            pool.submit(ran.set)
        assert ran.wait(10)


def test_a_thread_has_started_before_the_signal_is_heard() -> None:
    ran = threading.Event()
    thread = threading.Thread(target=ran.set)
    with signalled_in_a_start(), pytest.raises(Stop):
        start_thread(thread)
    thread.join(10)

    assert ran.is_set()
