"""Control groups: which one a process is in, and the CPU time that a group has used.

Version 1 keeps CPU time in the hierarchy of the controller cpuacct, in ns
(Documentation/admin-guide/cgroup-v1/cpuacct.rst); version 2 in `cpu.stat` of every group, in µs,
whether or not the controller cpu is on (Documentation/admin-guide/cgroup-v2.rst).
"""

import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from netbench.errors import FactError
from netbench.system.files import LOCAL, Files, needed
from netbench.system.files import text as text_of

Version = Literal[1, 2]
_VERSIONS: Final[tuple[Version, ...]] = (1, 2)  # hybrid systems keep all groups in 1
_FILES: Final[Mapping[Version, tuple[str, ...]]] = {
    1: ("cpuacct.usage", "cpuacct.usage_sys"),
    2: ("cpu.stat",),
}
_NANO, _MICRO = 1e9, 1e6  # in a second
_DIGITS: Final = 20  # of a counter of 64 bits
_ACCOUNTING, _WEIGHTS = "cpuacct", "cpu"  # controllers that version 1 may have apart
_MOUNT: Final = re.compile(r"^(?:\S+ ){3}(\S+) (\S+) .*? - (cgroup2?) \S+ (\S+)", re.MULTILINE)
"""A line of proc(5) mountinfo: root, folder, kind and options of the file system."""


@dataclass(frozen=True, slots=True)
class Mount:
    """Where a hierarchy that keeps CPU time can be seen."""

    folder: Path
    root: str  # the group that the folder shows


@dataclass(frozen=True, slots=True)
class ControlGroup:
    """A group as a folder."""

    version: Version
    folder: Path

    def holds(self, other: "ControlGroup") -> bool:
        """Tell whether it is the other group, or one of those above it."""
        return other.folder.is_relative_to(self.folder)


@dataclass(frozen=True, slots=True)
class CpuUsage:
    """CPU time that a group has used since it was made, or between two moments, in seconds."""

    total: float
    system: float | None  # in the kernel, as far as the kernel samples it; None if it does not say

    def __sub__(self, earlier: "CpuUsage") -> "CpuUsage":
        """Return what was used since."""
        system = None if earlier.system is None else -earlier.system
        return self + CpuUsage(-earlier.total, system)

    def __add__(self, other: "CpuUsage") -> "CpuUsage":
        """Return both together."""
        total = self.total + other.total
        if self.system is None or other.system is None:
            return CpuUsage(total, None)
        return CpuUsage(total, self.system + other.system)


def mounts(mountinfo: str, controller: str = _ACCOUNTING) -> dict[Version, Mount]:
    """Parse /proc/<pid>/mountinfo into the mounts of a controller by version; 2 serves each."""
    found: dict[Version, Mount] = {}
    for root, folder, kind, options in _MOUNT.findall(mountinfo):
        if kind == "cgroup2" or controller in options.split(","):
            version: Version = 2 if kind == "cgroup2" else 1
            found.setdefault(version, Mount(Path(folder.replace("\\040", " ")), root))
    return found


def names(cgroup: str, controller: str = _ACCOUNTING) -> dict[Version, str]:
    """Parse /proc/<pid>/cgroup into the names of the process's groups, by version."""
    found: dict[Version, str] = {}
    for line in cgroup.splitlines():
        number, _, rest = line.partition(":")
        controllers, colon, name = rest.partition(":")
        if colon and controller in controllers.split(","):
            found[1] = name
        elif colon and (number, controllers) == ("0", ""):
            found[2] = name
    return found


def group_in(
    seen: Mapping[Version, Mount], cgroup: str, controller: str = _ACCOUNTING
) -> ControlGroup:
    """Return the group by the text of /proc/<pid>/cgroup; FactError if no mount shows it."""
    named = names(cgroup, controller)
    for version in _VERSIONS:
        mount, name = seen.get(version), named.get(version)
        if mount is None or name is None or ".." in name.split("/"):
            continue
        inside = Path(name)
        if inside.is_relative_to(mount.root):
            return ControlGroup(version, mount.folder / inside.relative_to(mount.root))
    raise FactError(f"no mounted cgroup hierarchy shows the group {cgroup.strip()[:200]!r}")


def group_of(
    pid: int | Literal["self"], files: Files = LOCAL, seen: Mapping[Version, Mount] | None = None
) -> ControlGroup:
    """Return a process's group by its machine's files and mounts; or FactError."""
    seen = seen or mounts(needed(files, "/proc/self/mountinfo"))
    return group_in(seen, needed(files, f"/proc/{pid}/cgroup"))


def cpu_mounts() -> tuple[Path, ...]:
    """Return the folders of this machine in which groups have CPU time, or weights of it."""
    info = text_of(LOCAL, "/proc/self/mountinfo") or ""
    seen = [mounts(info, one).values() for one in (_ACCOUNTING, _WEIGHTS)]
    return tuple(dict.fromkeys(mount.folder for several in seen for mount in several))


def own_groups() -> tuple[Path, ...]:
    """Return this process's group, and its group of version 1 for weights if it is another one."""
    info, cgroup = (text_of(LOCAL, f"/proc/self/{one}") or "" for one in ("mountinfo", "cgroup"))
    found: list[Path] = []
    for controller in (_ACCOUNTING, _WEIGHTS):
        with suppress(FactError):
            group = group_in(mounts(info, controller), cgroup, controller)
            if group.folder not in found and (not found or group.version == 1):
                found.append(group.folder)
    return tuple(found)


def files_of(group: ControlGroup) -> tuple[str, ...]:
    """Return the files that hold the CPU time of a group, the one that it must have first."""
    return tuple(str(group.folder / name) for name in _FILES[group.version])


def usage(group: ControlGroup, files: Files = LOCAL) -> CpuUsage:
    """Return the CPU time of a group and all groups in it; FactError if it may not be read."""
    total, *system = files_of(group)
    if not system:
        return usage_v2(needed(files, total))
    return usage_v1(needed(files, total), text_of(files, system[0]))


def usage_v1(total: str, system: str | None) -> CpuUsage:
    """Parse cpuacct.usage and, where the kernel has it, cpuacct.usage_sys; errors as `usage`."""
    in_kernel = None if system is None else _number(system, "cpuacct.usage_sys") / _NANO
    return CpuUsage(_number(total, "cpuacct.usage") / _NANO, in_kernel)


def usage_v2(stat: str) -> CpuUsage:
    """Parse cpu.stat; errors as `usage`."""
    values = dict(line.partition(" ")[::2] for line in stat.splitlines())
    system = values.get("system_usec")
    in_kernel = None if system is None else _number(system, "cpu.stat") / _MICRO
    return CpuUsage(_number(values.get("usage_usec", ""), "cpu.stat") / _MICRO, in_kernel)


def _number(text: str, name: str) -> int:
    word = text.strip()
    if not (word.isascii() and word.isdecimal() and len(word) <= _DIGITS):
        raise FactError(f"{name} reads {word[:60]!r}")
    return int(word)
