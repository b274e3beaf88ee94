"""CPU time as the kernel counts it for the whole machine and for one process, and CPU cycles.

Unlike seconds, cycles do not drift with the clock frequency. Halted CPUs count none. They are
counted by perf_event_open(2), where the kernel allows that.
"""

import ctypes
import os
import re
import struct
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, fields
from operator import add, sub
from typing import Any, Final, Self, TypeVar

from netbench.errors import FactError
from netbench.facts.procfs import ReadText, read_local
from netbench.record import Absent, FactValue
from netbench.system.files import LOCAL, Files

_T = TypeVar("_T")
TICK: Final = 1 / os.sysconf("SC_CLK_TCK")  # seconds, in which the kernel prints CPU time
_FIELDS: Final = 8
_NANO: Final = 1e-9
_VECTOR: Final = "/proc/self/auxv"  # getauxval(3), in pairs of 64-bit words
_CLOCK_TICK: Final = 17  # AT_CLKTCK, ticks a second
_NAME: Final = re.compile(r"cpu[0-9]{0,9}")  # of all CPUs together, and of each
_TICKS: Final = re.compile(r"[0-9]{1,20}")  # a counter of 64 bits
_CLOCK: Final = "/sys/devices/system/cpu/cpu{}/cpufreq/scaling_cur_freq"
_KILO: Final = 1000.0  # the kernel counts in kHz (Documentation/admin-guide/pm/cpufreq.rst)


def of_both(how: Callable[[_T, _T], _T], one: _T | Absent, other: _T | Absent) -> _T | Absent:
    """Return what becomes of two values, or the first of them that is absent."""
    if isinstance(one, Absent):
        return one
    return other if isinstance(other, Absent) else how(one, other)


@dataclass(frozen=True, slots=True)
class Counters:
    """Counters of one moment, or what has passed between two, field by field and key by key."""

    def __sub__(self, earlier: Self) -> Self:
        """Return what has passed since."""
        return self._with(earlier, sub)

    def __add__(self, other: Self) -> Self:
        """Return what has passed in two windows together."""
        return self._with(other, add)

    def _with(self, other: Self, how: Callable[[Any, Any], Any]) -> Self:
        def both(one: Any, two: Any) -> Any:
            if isinstance(one, Mapping):
                return {key: how(one[key], two[key]) for key in sorted(one.keys() & two.keys())}
            return one if isinstance(one, str) else of_both(how, one, two)

        names = [each.name for each in fields(self)]
        return type(self)(*(both(getattr(self, name), getattr(other, name)) for name in names))


@dataclass(frozen=True, slots=True)
class CpuTimes(Counters):
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


@dataclass(frozen=True, slots=True)
class Machine(Counters):
    """/proc/stat: all CPUs together, and each."""

    all: CpuTimes
    each: Mapping[int, CpuTimes]


def machine(text: str) -> Machine:
    """Parse /proc/stat; raises `FactError` if it is not that file's text."""
    rows = {}
    for line in text.splitlines():
        name, *words = line.split() or [""]
        if _NAME.fullmatch(name):
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
    """Return the tick of the machine that files are read on, in seconds; None if unknown."""
    vector = files.read(_VECTOR).get(_VECTOR, b"")
    pairs = struct.iter_unpack("=QQ", vector[: len(vector) // 16 * 16])
    ticks = dict(pairs).get(_CLOCK_TICK)
    return 1 / ticks if ticks else None


def threads(pid: int) -> str:
    """Return the pattern of the files that count the CPU time of a process's threads."""
    return f"/proc/{pid}/task/*/schedstat"


def process_time(pid: int, files: Files = LOCAL) -> float | None:
    """Return the CPU seconds that a process's living threads have used; None if it is gone.

    From schedstat, which counts ns where `stat` counts ticks; a thread that ends takes its share
    with it, so both readings must be taken while the same threads run.
    """
    try:
        each = [int(counts.split()[0]) for counts in files.read(threads(pid)).values()]
    except (ValueError, LookupError):
        return None
    return sum(each) * _NANO if each else None


def frequency(cpus: Iterable[int | None], read: ReadText = read_local) -> FactValue:
    """Return the clock in Hz of the slowest of these CPUs, which must be at work, or why not."""
    clocks = []
    for cpu in dict.fromkeys(cpus):
        if cpu is None:
            return Absent("unpinned")
        text = (read(_CLOCK.format(cpu)) or "").strip()
        if not text.isdecimal():
            return Absent(f"no cpufreq driver tells the clock of CPU {cpu}")
        clocks.append(int(text) * _KILO)
    return min(clocks) if clocks else Absent("unpinned")


_CALLS: Final = {"x86_64": 298, "aarch64": 241, "riscv64": 241}  # of perf_event_open, asm/unistd.h
_SIZE: Final = 112  # bytes of struct perf_event_attr that we fill, PERF_ATTR_SIZE_VER5
_CLOEXEC: Final = 8
_ALL, _NO_GROUP = -1, -1
CYCLES: Final = 0, 0  # PERF_COUNT_HW_CPU_CYCLES, type and configuration, linux/perf_event.h
CLOCK: Final = 1, 0  # PERF_COUNT_SW_CPU_CLOCK, in ns: needs no hardware


class CycleCounters:
    """One running counter on each CPU; `close` ends them."""

    def __init__(self, cpus: tuple[int, ...], event: tuple[int, int] = CYCLES) -> None:
        """Start counting; raises `OSError` if the kernel or the hardware does not let us."""
        call = _CALLS.get(os.uname().machine)
        if call is None:
            raise OSError(f"the number of the call on {os.uname().machine} is not known")
        libc = ctypes.CDLL(None, use_errno=True)
        # type, size, config, and no sampling: all further bits are 0.
        attributes = struct.pack("=IIQ", event[0], _SIZE, event[1]).ljust(_SIZE, b"\0")
        self._files: list[int] = []
        for cpu in cpus:
            file = libc.syscall(call, attributes, _ALL, cpu, _NO_GROUP, _CLOEXEC)
            if file < 0:
                self.close()
                number = ctypes.get_errno()
                raise OSError(number, os.strerror(number))
            self._files.append(file)

    def read(self) -> int:
        """Return what all CPUs have counted so far."""
        return sum(int.from_bytes(os.read(file, 8), "little") for file in self._files)

    def close(self) -> None:
        """Stop counting."""
        while self._files:
            os.close(self._files.pop())


def counters(cpus: tuple[int, ...]) -> CycleCounters | Absent:
    """Return running counters of cycles, or why there are none."""
    try:
        return CycleCounters(cpus)
    except OSError as exc:
        return Absent(f"perf_event_open: {exc.strerror or exc}")
