"""Which netbench process made a thing, and whether that process still runs.

The value of the label `netbench.owner` is `boot id:pid namespace:pid:start ticks`: unique over
machines, reboots, containers and reused process numbers.
"""

import os
import re
from pathlib import Path
from typing import Final

from netbench.engines.local_process import started

_PID: Final = re.compile(r"[0-9]{1,10}")


def this_process() -> str:
    """Return what identifies this process on any machine."""
    pid = os.getpid()
    return f"{_boot()}:{_pid_namespace()}:{pid}:{started(pid)}"


def maker_lives(owner: str) -> bool | None:
    """Tell whether the process that a label names runs; None if it is not visible from here.

    One that has been killed does not run, whether or not its parent has noticed.
    """
    boot, namespace, pid, ticks = (owner.split(":") + [""] * 4)[:4]
    if (boot, namespace) != (_boot(), _pid_namespace()) or not _PID.fullmatch(pid):
        return None
    return str(started(int(pid))) == ticks


def _boot() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def _pid_namespace() -> str:
    return str(Path("/proc/self/ns/pid").readlink()).removeprefix("pid:[").rstrip("]")
