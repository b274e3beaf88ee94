"""At which clock CPUs run just now."""

from collections.abc import Iterable
from typing import Final

from netbench.facts.procfs import ReadText, read_local
from netbench.record import Absent, FactValue

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
