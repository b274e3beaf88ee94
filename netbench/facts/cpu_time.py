"""CPU time as the kernel counts it for the whole machine and for one process."""

import os
import re
import struct
from collections.abc import Iterable, Mapping
from dataclasses import astuple, dataclass
from typing import Final

from netbench.errors import FactError
from netbench.facts.procfs import ReadText, read_local
from netbench.record import Absent, FactValue
from netbench.system.files import LOCAL, Files

TICK: Final = 1 / os.sysconf("SC_CLK_TCK")
"""Seconds: what the kernel prints CPU time in, 10 ms nearly everywhere."""
_FIELDS: Final = 8
_NANO: Final = 1e-9
_VECTOR: Final = "/proc/self/auxv"
"""What the kernel tells every program at its start, getauxval(3), in pairs of 64-bit words."""
_CLOCK_TICK: Final = 17
"""AT_CLKTCK, ticks a second."""
_TICKS: Final = re.compile(r"[0-9]{1,20}")
"""A counter of 64 bits."""


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

    def plus(self, other: "CpuTimes") -> "CpuTimes":
        """Return both together."""
        pairs = zip(astuple(self), astuple(other), strict=True)
        return CpuTimes(*(one + more for one, more in pairs))


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

    def plus(self, other: "Machine") -> "Machine":
        """Return both together, of the CPUs that are in both."""
        both = self.each.keys() & other.each.keys()
        each = {cpu: self.each[cpu].plus(other.each[cpu]) for cpu in sorted(both)}
        return Machine(self.all.plus(other.all), each)


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
    if len(words) < _FIELDS or not all(map(_TICKS.fullmatch, words[:_FIELDS])):
        raise FactError(f"unreadable line {name} of /proc/stat: {' '.join(words)[:80]!r}")
    return CpuTimes(*map(int, words[:_FIELDS]))


def tick(files: Files) -> float | None:
    """Return the tick of the machine that files are read on, in seconds; None where unknown."""
    vector = files.read(_VECTOR).get(_VECTOR, b"")
    pairs = struct.iter_unpack("=QQ", vector[: len(vector) // 16 * 16])
    ticks = dict(pairs).get(_CLOCK_TICK)
    return 1 / ticks if ticks else None


def threads(pid: int) -> str:
    """Return the pattern of the files that count the CPU time of a process's threads."""
    return f"/proc/{pid}/task/*/schedstat"


def process_time(pid: int, files: Files = LOCAL) -> float | None:
    """Return the CPU seconds that a process's living threads have used; None where it is gone.

    From schedstat, which counts ns where `stat` counts ticks; a thread that ends takes its share
    with it, so both readings must be taken while the same threads run.
    """
    try:
        each = [int(counts.split()[0]) for counts in files.read(threads(pid)).values()]
    except (ValueError, LookupError):
        return None
    return sum(each) * _NANO if each else None


_CLOCK: Final = "/sys/devices/system/cpu/cpu{}/cpufreq/scaling_cur_freq"
_KILO: Final = 1000.0
"""The kernel counts in kHz (Documentation/admin-guide/pm/cpufreq.rst)."""


def frequency(cpus: Iterable[int | None], read: ReadText = read_local) -> FactValue:
    """Return the clock of the slowest of these CPUs in Hz, or why it is not known.

    It tells something only while they work.
    """
    clocks = []
    for cpu in dict.fromkeys(cpus):
        if cpu is None:
            return Absent("unpinned")
        text = (read(_CLOCK.format(cpu)) or "").strip()
        if not text.isdecimal():
            return Absent(f"no cpufreq driver tells the clock of CPU {cpu}")
        clocks.append(int(text) * _KILO)
    return min(clocks) if clocks else Absent("unpinned")
