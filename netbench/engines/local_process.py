"""What this machine tells of processes, programs and CPUs, and the signals it delivers."""

import os
import shutil
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from signal import SIGALRM, SIGCONT, SIGKILL, SIGSTOP, SIGTERM, SIGXFSZ, Signals
from typing import IO, Final

from netbench.engines.base import FLOODED, KEPT_OF_FLOOD, MOST_OUTPUT, BytesRead, Signal
from netbench.errors import EngineError
from netbench.record import Completed
from netbench.spec import CpuTopology
from netbench.system.files import LOCAL, Files, process_status, text
from netbench.units import cpu_list

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
_SIBLINGS: Final = "/sys/devices/system/cpu/cpu{}/topology/thread_siblings_list"


def attempts(seconds: float, pause: float) -> Iterator[None]:
    """Yield at once, and again after each pause until the time is over."""
    deadline = time.monotonic() + seconds
    yield
    while time.monotonic() < deadline:
        time.sleep(pause)
        yield


def call(*argv: str, timeout: float = 20.0) -> "subprocess.CompletedProcess[str]":
    """Run a program to its end; code 126 and the reason if it cannot be run, or does not end."""
    argv = (find_program(argv[0], *SYSTEM) or argv[0], *argv[1:])
    try:
        return subprocess.run(
            argv, capture_output=True, text=True, errors="replace", timeout=timeout, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as exc:
        why = str(exc) if isinstance(exc, OSError) else f"it did not end within {timeout:g} s"
        return subprocess.CompletedProcess(argv, NOT_RUN, "", why)


def started(pid: int) -> int | None:
    """Return the clock ticks since boot at which a process was started; with the pid a name.

    None if it does not live: it is gone, not waited for, or killed and not yet out of a call.
    """
    fields = (text(LOCAL, f"/proc/{pid}/stat") or "").rpartition(")")[2].split()
    pending = process_status(LOCAL, pid, "SigPnd")  # signals that wait for it, bit by bit
    if not fields or pending is None:
        return None
    state, flags, ticks = fields[0], int(fields[6]), int(fields[19])
    killed = int(pending, 16) >> (SIGKILL - 1) & 1
    return None if state in _DEAD or flags & _EXITING or killed else ticks


def deliver(pid: int, name: Signal) -> None:
    """Send a signal, if the process has not ended; PermissionError if this user may not."""
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


def completed(
    argv: tuple[str, ...],
    code: int | None,
    out: IO[bytes],
    err: IO[bytes],
    *,
    timed_out: bool,
    seconds: float,
) -> Completed:
    """Return what an ended tool left in its files, which are closed."""
    flooded = code == -SIGXFSZ
    most = KEPT_OF_FLOOD if flooded else MOST_OUTPUT
    texts = []
    for stream in (out, err):
        with stream:
            stream.seek(0)
            texts.append(stream.read(most).decode(errors="replace"))
    said = f"{FLOODED}\n{texts[1]}" if flooded else texts[1]
    return Completed(argv, code, texts[0], said, timed_out, seconds)


def find_program(name: str, *folders: str) -> str | None:
    """Return the path of a program: on the PATH, or else in one of the folders."""
    return shutil.which(name, path=os.pathsep.join([os.environ.get("PATH", ""), *folders]))


def cpu_topology(files: Files) -> CpuTopology:
    """Return the CPUs that the reader of `files` may use, by core if known; or EngineError."""
    try:
        usable = cpu_list(process_status(files, "self", "Cpus_allowed_list") or "")
    except ValueError as error:
        raise EngineError(f"the CPUs of the engine's machine are unreadable: {error}") from error
    siblings = files.read(*(_SIBLINGS.format(cpu) for cpu in usable))
    cores: set[tuple[int, ...]] = set()
    if len(siblings) == len(usable):
        with suppress(ValueError):
            lists = [cpu_list(found.decode(errors="replace")) for found in siblings.values()]
            cores = {tuple(cpu for cpu in one if cpu in usable) for one in lists}
    return CpuTopology(usable, tuple(sorted(cores)))
