"""CPU cycles of the whole machine, by perf_event_open(2), where the kernel lets us count them.

Unlike seconds, cycles do not drift with the clock frequency. Halted CPUs count none.
"""

import ctypes
import os
import struct
from dataclasses import dataclass
from typing import Final

from netbench.record import Absent

_CALLS: Final = {"x86_64": 298, "aarch64": 241, "riscv64": 241}
"""Number of perf_event_open, asm/unistd.h."""
_SIZE: Final = 112
"""Bytes of struct perf_event_attr that we fill, PERF_ATTR_SIZE_VER5."""
_CLOEXEC: Final = 8
_EVERYBODY, _NO_GROUP = -1, -1


@dataclass(frozen=True, slots=True)
class Event:
    """A counter of the kernel's, linux/perf_event.h."""

    type: int
    config: int


CYCLES: Final = Event(0, 0)
"""PERF_COUNT_HW_CPU_CYCLES."""
CLOCK: Final = Event(1, 0)
"""PERF_COUNT_SW_CPU_CLOCK, in ns: needs no hardware."""


class CycleCounters:
    """One running counter on each CPU; `close` ends them."""

    def __init__(self, cpus: tuple[int, ...], event: Event = CYCLES) -> None:
        """Start counting.

        Raises:
            OSError: the kernel or the hardware does not let us.
        """
        call = _CALLS.get(os.uname().machine)
        if call is None:
            raise OSError(f"the number of the call on {os.uname().machine} is not known")
        libc = ctypes.CDLL(None, use_errno=True)
        # type, size, config, and no sampling: all further bits are 0.
        attributes = struct.pack("=IIQ", event.type, _SIZE, event.config).ljust(_SIZE, b"\0")
        self._files: list[int] = []
        for cpu in cpus:
            file = libc.syscall(call, attributes, _EVERYBODY, cpu, _NO_GROUP, _CLOEXEC)
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
