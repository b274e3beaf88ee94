"""Which netbench process made a thing, and whether that process still runs.

The value of the label `netbench.owner` is `boot id:pid namespace:pid:start ticks`: unique over
machines, reboots, containers and reused process numbers.
"""

import os
from pathlib import Path


def this_process() -> str:
    """Return what identifies this process on any machine."""
    pid = os.getpid()
    return f"{_boot()}:{_pid_namespace()}:{pid}:{_started(pid)}"


def maker_lives(owner: str) -> bool | None:
    """Tell whether the process that a label names runs; None if it is not visible from here."""
    boot, namespace, pid, started = (owner.split(":") + [""] * 4)[:4]
    if (boot, namespace) != (_boot(), _pid_namespace()) or not pid.isdecimal():
        return None
    try:
        return _started(int(pid)) == started
    except OSError:
        return False


def _boot() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def _pid_namespace() -> str:
    return str(Path("/proc/self/ns/pid").readlink()).removeprefix("pid:[").rstrip("]")


def _started(pid: int) -> str:
    stat = Path(f"/proc/{pid}/stat").read_text()
    return stat.rpartition(")")[2].split()[19]
