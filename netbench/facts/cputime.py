"""CPU time as the kernel counts it for the whole machine and for one process."""

import os
from collections.abc import Mapping
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Final

from netbench.errors import FactError

TICK: Final = 1 / os.sysconf("SC_CLK_TCK")
"""Seconds: what the kernel prints CPU time in, 10 ms nearly everywhere."""
_FIELDS: Final = 8
_NANO: Final = 1e-9


@dataclass(frozen=True, slots=True)
class CpuTimes:
    """A line of /proc/stat, or the difference of two, in ticks; guest times lie within user's."""

    user: int
    nice: int
    system: int
    idle: int
    iowait: int
    irq: int
    softirq: int
    steal: int

    @property
    def total(self) -> int:
        """Everything, idle and stolen time too."""
        return self.busy + self.idle + self.iowait + self.steal

    @property
    def busy(self) -> int:
        """What work took: user, nice, system, irq and softirq."""
        return self.user + self.nice + self.system + self.irq + self.softirq

    def since(self, earlier: "CpuTimes") -> "CpuTimes":
        """Return what has passed since."""
        pairs = zip(astuple(self), astuple(earlier), strict=True)
        return CpuTimes(*(now - then for now, then in pairs))


@dataclass(frozen=True, slots=True)
class Machine:
    """/proc/stat: all CPUs together, and each."""

    all: CpuTimes
    each: Mapping[int, CpuTimes]

    def since(self, earlier: "Machine") -> "Machine":
        """Return what has passed since, of the CPUs that were there at both times."""
        both = self.each.keys() & earlier.each.keys()
        each = {cpu: self.each[cpu].since(earlier.each[cpu]) for cpu in sorted(both)}
        return Machine(self.all.since(earlier.all), each)


def machine(text: str) -> Machine:
    """Parse /proc/stat.

    Raises:
        FactError: it is not that file's text.
    """
    rows = {}
    for line in text.splitlines():
        name, *words = line.split() or [""]
        if name.startswith("cpu") and (name == "cpu" or name[3:].isdecimal()):
            rows[name] = _times(name, words)
    if "cpu" not in rows:
        raise FactError(f"unreadable first line of /proc/stat: {text[:80]!r}")
    each = {int(name[3:]): times for name, times in rows.items() if name != "cpu"}
    return Machine(rows["cpu"], each)


def _times(name: str, words: list[str]) -> CpuTimes:
    if len(words) < _FIELDS or not all(w.isascii() and w.isdecimal() for w in words[:_FIELDS]):
        raise FactError(f"unreadable line {name} of /proc/stat: {' '.join(words)[:80]!r}")
    return CpuTimes(*map(int, words[:_FIELDS]))


def process_time(pid: int) -> float | None:
    """Return the CPU seconds that a process's living threads have used; None where it is gone.

    From schedstat, which counts ns where `stat` counts ticks; a thread that ends takes its share
    with it, so both readings must be taken while the same threads run.
    """
    total = 0
    try:
        for task in Path(f"/proc/{pid}/task").iterdir():
            total += int((task / "schedstat").read_text().split()[0])
    except (OSError, ValueError, LookupError):
        return None
    return total * _NANO
