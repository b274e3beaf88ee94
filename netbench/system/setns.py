"""Work inside another process's network namespace, without leaving our own."""

import ctypes
import os
from collections.abc import Callable
from threading import Thread
from typing import TypeVar

from netbench.errors import FactError
from netbench.system.interrupts import start_thread

_T = TypeVar("_T")
_CLONE_NEWNET = 0x40000000


def in_netns(where: int | str, work: Callable[[], _T]) -> _T:
    """Run `work` in the network namespace of a process or a file, in a thread that ends with it.

    Netlink sockets belong to the namespace of the thread that opens them. FactError if the
    namespace is gone or may not be entered.
    """
    result: list[_T] = []
    failure: list[BaseException] = []

    def enter_and_work() -> None:
        try:
            enter(where)
            result.append(work())
        except BaseException as exc:  # noqa: BLE001 -- carried to the caller's thread
            failure.append(exc)

    thread = Thread(target=enter_and_work)
    start_thread(thread)
    thread.join()
    if failure:
        raise failure[0]
    return result[0]


def enter(where: int | str) -> None:
    """Take the calling thread into a network namespace for good; errors as `in_netns`."""
    path, name = (
        (where, where) if isinstance(where, str) else (f"/proc/{where}/ns/net", f"process {where}")
    )
    try:
        fd = os.open(path, os.O_RDONLY)
    except OSError as exc:
        raise FactError(f"network namespace of {name}: {exc.strerror}") from exc
    try:
        if ctypes.CDLL(None, use_errno=True).setns(fd, _CLONE_NEWNET):
            reason = os.strerror(ctypes.get_errno())
            raise FactError(f"network namespace of {name} may not be entered: {reason}")
    finally:
        os.close(fd)


def may_enter(where: int | str) -> bool:
    """Tell whether this process can work in another network namespace by itself."""
    try:
        in_netns(where, lambda: None)
    except FactError:
        return False
    return True
