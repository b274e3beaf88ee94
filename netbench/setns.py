"""Work inside another process's network namespace, without leaving our own."""

import ctypes
import os
from collections.abc import Callable
from threading import Thread
from typing import TypeVar

from netbench.errors import FactError

_T = TypeVar("_T")
_CLONE_NEWNET = 0x40000000


def in_netns(pid: int, work: Callable[[], _T]) -> _T:
    """Run `work` in a process's network namespace, in a thread that ends with it.

    A thread of its own never has to find its way back, and netlink sockets belong to the
    namespace of the thread that opens them.

    Raises:
        FactError: the namespace is gone or may not be entered.
    """
    result: list[_T] = []
    failure: list[BaseException] = []

    def enter_and_work() -> None:
        try:
            _enter(pid)
            result.append(work())
        except BaseException as exc:  # noqa: BLE001 -- carried to the caller's thread
            failure.append(exc)

    thread = Thread(target=enter_and_work)
    thread.start()
    thread.join()
    if failure:
        raise failure[0]
    return result[0]


def _enter(pid: int) -> None:
    try:
        fd = os.open(f"/proc/{pid}/ns/net", os.O_RDONLY)
    except OSError as exc:
        raise FactError(f"network namespace of process {pid}: {exc.strerror}") from exc
    try:
        if ctypes.CDLL(None, use_errno=True).setns(fd, _CLONE_NEWNET):
            reason = os.strerror(ctypes.get_errno())
            raise FactError(f"network namespace of process {pid} may not be entered: {reason}")
    finally:
        os.close(fd)


def may_enter(pid: int) -> bool:
    """Tell whether this process can work in another's network namespace by itself."""
    try:
        in_netns(pid, lambda: None)
    except FactError:
        return False
    return True
