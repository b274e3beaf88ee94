"""Work done by another process, while this one goes on."""

import os
import signal
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NoReturn


@contextmanager
def aside(work: Callable[[], object]) -> Iterator[Callable[[], bool]]:
    """Have a copy of this process do some work; whoever goes on early ends it.

    Yields:
        What waits for it and tells whether it was done; where not, nothing is said of why.
    """
    with warnings.catch_warnings():
        # newer Pythons warn of other threads: those of numpy are idle, and the child needs none
        warnings.simplefilter("ignore", DeprecationWarning)
        pid = os.fork()
    if not pid:
        _be_done(work)
    ended: list[int] = []

    def done() -> bool:
        if not ended:
            ended.append(os.waitpid(pid, 0)[1])
        return ended == [0]

    try:
        yield done
    finally:
        if not ended:
            os.kill(pid, signal.SIGKILL)
            done()


def _be_done(work: Callable[[], object]) -> NoReturn:
    """Work, and end without ado: nothing here is this process's."""
    code = 1
    try:
        work()
        code = 0
    finally:
        os._exit(code)
