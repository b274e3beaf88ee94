"""What this machine tells of processes, programs and CPUs, and the signals it delivers."""

import os
import shutil
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from signal import SIGALRM, SIGCONT, SIGKILL, SIGSTOP, SIGTERM, Signals
from typing import Final

from netbench.engines.base import BytesRead, Signal
from netbench.spec import CpuTopology

DELIVERED: Final[Mapping[Signal, tuple[Signals, ...]]] = {
    "STOP": (SIGSTOP,),
    "CONT": (SIGCONT,),
    "TERM": (SIGTERM, SIGCONT),
    "ALRM": (SIGALRM, SIGCONT),
    "KILL": (SIGKILL,),
}
"""The kernel's signals by name: a stopped process handles TERM or ALRM once continued."""
SYSTEM: Final = ("/usr/sbin", "/sbin", "/usr/local/sbin")  # not on every ordinary user's PATH
NOT_RUN: Final = 126  # exit code of a program that cannot be started, as of a shell
_HEAD: Final = 64  # bytes of /proc/PID/io that hold its first line, `rchar: NUMBER`
_DEAD: Final = ("Z", "X")  # states of a process that has ended and is not reaped, proc_pid_stat(5)
_EXITING: Final = 0x4  # its flag on the way there, PF_EXITING of include/linux/sched.h
_PENDING: Final = "SigPnd:"  # signals that wait for a process, bit by bit, proc_pid_status(5)


def attempts(seconds: float, pause: float) -> Iterator[None]:
    """Yield at once, and again after each pause until the time is over."""
    deadline = time.monotonic() + seconds
    yield
    while time.monotonic() < deadline:
        time.sleep(pause)
        yield


def started(pid: int) -> int | None:
    """Return when a process that lives was started, in clock ticks since boot; with the pid a name.

    None if it does not live: it is gone, or has ended and its parent has not asked for its exit
    code, or has been killed and the kernel has yet to finish a call of its (`fsync`). Either may
    take any time.
    """
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        state, flags, ticks = fields[0], int(fields[6]), int(fields[19])
        status = Path(f"/proc/{pid}/status").read_text().splitlines()
    except (OSError, ValueError, IndexError):
        return None
    words = [line.split() for line in status if line.startswith(_PENDING)]
    killed = any(int(pending, 16) >> (SIGKILL - 1) & 1 for _, pending in words)
    return None if state in _DEAD or flags & _EXITING or killed else ticks


def deliver(pid: int, name: Signal) -> None:
    """Send a signal; does nothing if the process has ended.

    Raises:
        PermissionError: this user may not signal the process.
    """
    with suppress(ProcessLookupError):
        for number in DELIVERED[name]:
            os.kill(pid, number)


def may_signal(pid: int) -> bool:
    """Tell whether a process is there and this user may signal it."""
    try:
        os.kill(pid, 0)
    except OSError:
        return False
    return True


def bytes_read(pid: int) -> BytesRead | None:
    """Return `rchar` of a process by the monotonic clock; None if it is not readable."""
    before = time.monotonic()
    try:
        file = os.open(f"/proc/{pid}/io", os.O_RDONLY | os.O_CLOEXEC)
        try:
            words = os.read(file, _HEAD).split()
        finally:
            os.close(file)
    except OSError:
        return None
    after = time.monotonic()
    if len(words) < 2 or words[0] != b"rchar:":  # noqa: PLR2004 - a name and a number
        return None
    return BytesRead((before + after) / 2, int(words[1]))


def find_program(name: str, *folders: str) -> str | None:
    """Return the path of a program: on the PATH, or else in one of the folders."""
    return shutil.which(name, path=os.pathsep.join([os.environ.get("PATH", ""), *folders]))


def call(argv: Sequence[str], timeout: float = 10.0) -> "subprocess.CompletedProcess[str]":
    """Run a program for `timeout` seconds at most; one that cannot be run ends with `NOT_RUN`."""
    try:
        return subprocess.run(
            argv, capture_output=True, text=True, errors="replace", timeout=timeout, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as exc:
        why = str(exc) if isinstance(exc, OSError) else f"it did not end within {timeout:g} s"
        return subprocess.CompletedProcess(argv, NOT_RUN, "", why)


def local_topology() -> CpuTopology:
    """Return usable CPUs grouped by physical core; no groups if sysfs has none."""
    usable = tuple(sorted(os.sched_getaffinity(0)))
    cores: dict[tuple[str, str], list[int]] = {}
    for cpu in usable:
        folder = Path(f"/sys/devices/system/cpu/cpu{cpu}/topology")
        try:
            package = (folder / "physical_package_id").read_text().strip()
            core = (folder / "core_id").read_text().strip()
        except OSError:
            return CpuTopology(usable)
        cores.setdefault((package, core), []).append(cpu)
    return CpuTopology(usable, tuple(tuple(core) for core in cores.values()))
