"""Processes of containers as the /proc of the engine's machine shows them; world-readable files."""

import time
from collections.abc import Iterable
from typing import Final

from netbench.system.files import Files, FrozenFiles, text

_BECOMES: Final = 2.0
"""Seconds that a container's first process may take to become its command."""
_POLL: Final = 0.01
_RUNTIME: Final = ("init",)
"""Arguments of the runtime (runc) that becomes the command."""


def status(files: Files, pid: int, field: str) -> str | None:
    """Return a field of /proc/<pid>/status, None where it is not readable."""
    for line in (text(files, f"/proc/{pid}/status") or "").splitlines():
        name, _, value = line.partition(":")
        if name == field:
            return value.strip()
    return None


def command(files: Files, pid: int) -> tuple[str, ...]:
    """Return a process's argv, empty where it is gone."""
    return tuple((text(files, f"/proc/{pid}/cmdline") or "").split("\0")[:-1])


def runs(files: Files, pid: int, argv: tuple[str, ...]) -> bool:
    """Tell whether `pid` runs exactly this command."""
    return command(files, pid) == argv


def find(files: Files, shell: int, bound: str, argv: tuple[str, ...]) -> int | None:
    """Return the pid that runs `argv` under the `timeout` with this bound, in a shell's keeping.

    The shell has a child for each tool, that child has the `timeout`, and this has the tool.
    """
    bounded = _children(files, _children(files, (shell,)))
    taken = FrozenFiles(files, *(f"/proc/{pid}/cmdline" for pid in bounded))
    tools = _children(files, [pid for pid in bounded if bound in command(taken, pid)])
    taken = FrozenFiles(files, *(f"/proc/{pid}/cmdline" for pid in tools))
    return next((pid for pid in tools if runs(taken, pid, argv)), None)


def _children(files: Files, pids: Iterable[int]) -> tuple[int, ...]:
    """Return the children of processes."""
    found = files.read(*(f"/proc/{pid}/task/{pid}/children" for pid in pids))
    return tuple(int(word) for content in found.values() for word in content.split())


def inner_pid(files: Files, pid: int) -> int | None:
    """Return a process's pid in its own pid namespace."""
    numbers = (status(files, pid, "NSpid") or "").split()
    return int(numbers[-1]) if numbers else None


def shows(files: Files, pid: int, container: str, argv: tuple[str, ...]) -> bool:
    """Tell whether `pid` there is the main process `argv` of a container.

    Its cgroup names the container, except where the engine has no cgroups (rootless, cgroup v1).
    There its command is looked at, which for a moment is still that of the runtime.
    """
    if container in (text(files, f"/proc/{pid}/cgroup") or ""):
        return True
    deadline = time.monotonic() + _BECOMES
    seen = command(files, pid)
    while seen[1:] == _RUNTIME and time.monotonic() < deadline:
        time.sleep(_POLL)
        seen = command(files, pid)
    return seen[-len(argv) :] == argv
