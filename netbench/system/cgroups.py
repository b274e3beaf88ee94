"""Control groups: which one a process is in, and the CPU time that a group has used.

Version 1 keeps CPU time in the hierarchy of the controller cpuacct, in ns
(Documentation/admin-guide/cgroup-v1/cpuacct.rst); version 2 in `cpu.stat` of every group, in µs,
whether or not the controller cpu is on (Documentation/admin-guide/cgroup-v2.rst).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from operator import add, sub
from pathlib import Path
from typing import Final, Literal

from netbench.errors import FactError
from netbench.system.files import LOCAL, Files, needed
from netbench.system.files import text as text_of

Version = Literal[1, 2]
_VERSIONS: Final[tuple[Version, ...]] = (1, 2)
"""In the order they are asked: a hybrid system keeps all of its groups in version 1 alone."""
_FILES: Final[Mapping[Version, tuple[str, ...]]] = {
    1: ("cpuacct.usage", "cpuacct.usage_sys"),
    2: ("cpu.stat",),
}
_NANO, _MICRO = 1e9, 1e6  # in a second
_DIGITS: Final = 20  # of a counter of 64 bits
_CONTROLLER: Final = "cpuacct"


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
    system: float | None
    """In the kernel, as far as the kernel samples it; None if it does not say."""

    def __sub__(self, earlier: "CpuUsage") -> "CpuUsage":
        """Return what was used since."""
        return self._with(earlier, sub)

    def __add__(self, other: "CpuUsage") -> "CpuUsage":
        """Return both together."""
        return self._with(other, add)

    def _with(self, other: "CpuUsage", how: Callable[[float, float], float]) -> "CpuUsage":
        total = how(self.total, other.total)
        if self.system is None or other.system is None:
            return CpuUsage(total, None)
        return CpuUsage(total, how(self.system, other.system))


def mounts(mountinfo: str) -> dict[Version, Mount]:
    """Parse /proc/<pid>/mountinfo into the mounts that show CPU time, by version."""
    found: dict[Version, Mount] = {}
    for line in mountinfo.splitlines():
        fields, dash, rest = line.partition(" - ")
        words, kinds = fields.split(), rest.split()
        if not dash or len(words) < 5 or len(kinds) < 3:  # noqa: PLR2004 - proc(5), mountinfo
            continue
        mount = Mount(Path(words[4].replace("\\040", " ")), words[3])
        if kinds[0] == "cgroup2":
            found.setdefault(2, mount)
        elif kinds[0] == "cgroup" and _CONTROLLER in kinds[2].split(","):
            found.setdefault(1, mount)
    return found


def names(cgroup: str) -> dict[Version, str]:
    """Parse /proc/<pid>/cgroup into the names of the process's groups, by version."""
    found: dict[Version, str] = {}
    for line in cgroup.splitlines():
        number, _, rest = line.partition(":")
        controllers, colon, name = rest.partition(":")
        if colon and _CONTROLLER in controllers.split(","):
            found[1] = name
        elif colon and (number, controllers) == ("0", ""):
            found[2] = name
    return found


def group_in(seen: Mapping[Version, Mount], cgroup: str) -> ControlGroup:
    """Return the group of a process by the text of its /proc/<pid>/cgroup and the mounts here.

    Raises:
        FactError: no mount shows it.
    """
    named = names(cgroup)
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
    """Return the group of a process, by the files and the mounts of its machine.

    Raises:
        FactError: the process is gone, or its group is not to be seen.
    """
    seen = seen or mounts(needed(files, "/proc/self/mountinfo"))
    return group_in(seen, needed(files, f"/proc/{pid}/cgroup"))


def files_of(group: ControlGroup) -> tuple[str, ...]:
    """Return the files that hold the CPU time of a group, the one that it must have first."""
    return tuple(str(group.folder / name) for name in _FILES[group.version])


def usage(group: ControlGroup, files: Files = LOCAL) -> CpuUsage:
    """Return the CPU time of a group and all groups in it.

    Raises:
        FactError: it is gone, or may not be read.
    """
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
