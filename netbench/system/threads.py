"""Threads that no signal leaves half started."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Thread
from typing import ParamSpec, TypeVar

from netbench.system.interrupts import deferred_signals

P = ParamSpec("P")
T = TypeVar("T")


class Pool(ThreadPoolExecutor):
    """A pool of threads, none of which is left half started by a signal.

    An exception out of `Thread.start` makes Python forget a thread that runs, which then prints a
    traceback of its own.
    """

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Take work, as every executor does."""
        with deferred_signals():
            return super().submit(fn, *args, **kwargs)


def start_thread(thread: Thread) -> None:
    """Start a thread wholly; see `Pool`."""
    with deferred_signals():
        thread.start()
