"""Signals that end a run, and teardown that they do not cut short."""

import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from threading import Thread
from types import FrameType
from typing import Final, ParamSpec, TypeVar

ENDING: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)  # they end a run in good order


@contextmanager
def deferred_signals() -> Iterator[None]:
    """Hold back the signals that end a run until the block ends, then deliver the last one.

    Outside the main thread, where Python runs no signal handlers, it does nothing.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    pending: list[int] = []

    def note(number: int, _: FrameType | None) -> None:
        pending.append(number)

    heeded = (number for number in ENDING if signal.getsignal(number) is not signal.SIG_IGN)
    former = {number: signal.signal(number, note) for number in heeded}
    try:
        yield
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)
        if pending:
            signal.raise_signal(pending[-1])


P = ParamSpec("P")
T = TypeVar("T")


class Pool(ThreadPoolExecutor):
    """A pool of threads, none of which a signal leaves half started, and forgotten by Python."""

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Take work, as every executor does."""
        with deferred_signals():
            return super().submit(fn, *args, **kwargs)


def start_thread(thread: Thread) -> None:
    """Start a thread wholly; see `Pool`."""
    with deferred_signals():
        thread.start()
