"""Processes of containers as this machine's /proc shows them; world-readable files only."""

import os
import signal
from contextlib import suppress
from pathlib import Path


def status(pid: int, field: str) -> str | None:
    """Return a field of /proc/<pid>/status, None where it is not readable."""
    with suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            name, _, value = line.partition(":")
            if name == field:
                return value.strip()
    return None


def command(pid: int) -> tuple[str, ...]:
    """Return a process's argv, empty where it is gone."""
    with suppress(OSError):
        text = Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace")
        return tuple(text.split("\0")[:-1])
    return ()


def runs(pid: int, argv: tuple[str, ...]) -> bool:
    """Tell whether `pid` runs exactly this command."""
    return command(pid) == argv


def find(wrapper: int, argv: tuple[str, ...]) -> int | None:
    """Return the pid that runs `argv`: the wrapper itself or a child of it."""
    children: list[int] = []
    with suppress(OSError):
        text = Path(f"/proc/{wrapper}/task/{wrapper}/children").read_text()
        children = [int(pid) for pid in text.split()]
    return next((pid for pid in (wrapper, *children) if runs(pid, argv)), None)


def inner_pid(pid: int) -> int | None:
    """Return a process's pid in its own pid namespace."""
    numbers = (status(pid, "NSpid") or "").split()
    return int(numbers[-1]) if numbers else None


def send(pid: int, number: signal.Signals) -> bool:
    """Signal a process, quietly where it has ended; False where we are not permitted to."""
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return True


def shows(pid: int, container: str, argv: tuple[str, ...]) -> bool:
    """Tell whether `pid` in our /proc is the main process `argv` of a container.

    Its cgroup names the container, except where the engine has no cgroups (rootless, cgroup v1).
    """
    with suppress(OSError):
        if container in Path(f"/proc/{pid}/cgroup").read_text():
            return True
    return command(pid)[-len(argv) :] == argv
