"""Which netbench process made a thing, and whether that process still runs.

The value of the label `netbench.owner` is `boot id:pid:start ticks`: unique over reboots and
reused process numbers.
"""

import os
from pathlib import Path


def _boot_id() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()


def _start_ticks(pid: int) -> str | None:
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    return text.rpartition(")")[2].split()[19]


def owner_of_this_process() -> str:
    """Return the label's value for what this process makes."""
    return f"{_boot_id()}:{os.getpid()}:{_start_ticks(os.getpid())}"


def owner_is_live(owner: str) -> bool:
    """Tell whether the process that the label names still runs on this machine."""
    boot, _, rest = owner.partition(":")
    pid, _, started = rest.partition(":")
    return boot == _boot_id() and pid.isdigit() and _start_ticks(int(pid)) == started
