"""What a session or trial cost in CPU time, read while its load was steady.

Costs are ratios of rates over nearly the same window, CPU seconds per second over bytes per second,
so that neither what the engine does to start a tool nor a tool's own warm-up is in them.
"""

import math
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from operator import sub, truediv
from typing import Final, Literal

from netbench.engines.base import Endpoint, Engine, Process
from netbench.errors import FactError
from netbench.facts.cpu_time import (
    TICK,
    Counters,
    CycleCounters,
    Machine,
    counters,
    machine,
    of_both,
    process_time,
    threads,
    tick,
)
from netbench.record import Absent, FactValue
from netbench.spec import Cpus
from netbench.system.cgroups import (
    ControlGroup,
    CpuUsage,
    Mount,
    Version,
    files_of,
    group_of,
    mounts,
    usage,
)
from netbench.system.files import Files, FrozenFiles, needed, text

Facts = tuple[tuple[str, FactValue], ...]
SHORTEST: Final = 20 * TICK  # seconds: a shorter window has too few ticks for a cost
_KINDS: Final = ("user", "nice", "system", "irq", "softirq")
_NO_TICK: Final = Absent("no tick of /proc/stat passed")
_NO_SHARE: Final = Absent("its share in the kernel is unknown")
_UNPINNED: Final = Absent("client and server were not pinned")


@dataclass(frozen=True, slots=True)
class Reading(Counters):
    """The counters at one moment, or what passed between two."""

    at: float  # CLOCK_MONOTONIC seconds; the length of a window
    machine: Machine
    client: CpuUsage | Absent  # CPU time of the client's end
    server: CpuUsage | Absent
    source: Literal["cgroup", "processes"] | Absent  # what the ends' CPU time was read from
    cycles: int | Absent


def idle_rate(passed: Reading) -> float | Absent:
    """Return CPU seconds per second of a window in which nothing ran."""
    if passed.at < SHORTEST:
        return Absent(f"the idle window of {passed.at:.2f} s is too short for ticks of {TICK:g} s")
    return passed.machine.all.busy * TICK / passed.at


def cost_facts(passed: Reading, idle: float | Absent, cpus: Cpus) -> Facts:
    """Return the trial facts of a window: rates in CPU seconds per second, thus in CPUs.

    `trial.unattributed` is `trial.busy_above_idle` less both ends, and may be negative: ticks
    undercount, and softirq time may be charged to the task that it interrupts.
    """
    seconds, every = passed.at, passed.machine.all
    if every.total <= 0 or seconds <= 0:
        return (("trial.busy", _NO_TICK), ("trial.steal", _NO_TICK))
    busy = every.busy * TICK / seconds
    above = of_both(sub, busy, idle)
    client, client_system = _rates(passed.client, seconds)
    server, server_system = _rates(passed.server, seconds)
    return (
        ("trial.busy", 1 - (every.idle + every.iowait) / every.total),
        ("trial.steal", every.steal / every.total),
        ("trial.cost_window", seconds),
        ("trial.cost_resolution", TICK / seconds),
        *((f"trial.busy_{kind}", getattr(every, kind) * TICK / seconds) for kind in _KINDS),
        *_by_pin(passed.machine, seconds, cpus),
        ("trial.idle_busy", idle),
        ("trial.busy_above_idle", above),
        ("trial.softirq_share", every.softirq / every.busy if busy else _NO_TICK),
        ("trial.cgroup_source", passed.source),
        ("trial.cgroup_client", client),
        ("trial.cgroup_server", server),
        ("trial.cgroup_client_system", client_system),
        ("trial.cgroup_server_system", server_system),
        ("trial.unattributed", of_both(sub, of_both(sub, above, client), server)),
        ("trial.cycles", of_both(truediv, passed.cycles, seconds)),
    )


def _by_pin(passed: Machine, seconds: float, cpus: Cpus) -> Iterator[tuple[str, FactValue]]:
    """Yield the busy rate of the client's CPU, of the server's, and of all others together."""
    rates = {cpu: times.busy * TICK / seconds for cpu, times in passed.each.items()}
    for end, cpu in (("client", cpus.client), ("server", cpus.server)):
        unseen = Absent(f"/proc/stat has no CPU {cpu}")
        yield f"trial.busy_{end}_cpu", _UNPINNED if cpu is None else rates.get(cpu, unseen)
    pins = {cpus.client, cpus.server}
    others = math.fsum(rate for cpu, rate in rates.items() if cpu not in pins)
    yield "trial.busy_other_cpus", _UNPINNED if pins == {None} else others


def _rates(used: CpuUsage | Absent, seconds: float) -> tuple[float | Absent, float | Absent]:
    """Return CPU seconds per second of one end: all of it, and that in the kernel."""
    if isinstance(used, Absent):
        return used, used
    return used.total / seconds, _NO_SHARE if used.system is None else used.system / seconds


_UNREAD: Final = Absent("CPU time of the engine's machine is not readable, or in other ticks")
_NOT_HERE: Final = Absent("cycles are counted on this process's own machine alone")
_NO_TOOLS: Final = Absent("no tools ran at two ends")
_STAT: Final = "/proc/stat"
UNPINNED: Final = Cpus(None, None)
_NO_REST: Final = Absent("no idle window came before")
_NOT_BEGUN: Final = Absent("the window was not begun")
_REST: Final = 0.25  # seconds of an idle window


class Clock:
    """CLOCK_MONOTONIC."""

    def now(self) -> float:
        """Return the moment, in seconds."""
        return time.monotonic()

    def until(self, moment: float) -> None:
        """Wait until a moment."""
        time.sleep(max(0.0, moment - self.now()))

    def sleep(self, seconds: float) -> None:
        """Wait."""
        self.until(self.now() + seconds)


@dataclass(frozen=True, slots=True)
class TrialEnd:
    """One end of a session or trial."""

    endpoint: Endpoint  # where its tools run
    tools: tuple[Process, ...]

    def pids(self) -> tuple[int, ...]:
        """Return the tools' processes, those that are to be seen."""
        return tuple(pid for tool in self.tools if (pid := tool.pid()) is not None)

    def time(self, pids: tuple[int, ...], files: Files) -> CpuUsage | Absent:
        """Return the CPU time of the tools themselves, whose processes `pids` are."""
        used = [process_time(pid, files) for pid in pids]
        if len(pids) < len(self.tools) or any(one is None for one in used):
            return Absent(f"the CPU time of {self.tools[0].argv[0]} is not readable")
        return CpuUsage(sum(one for one in used if one is not None), None)


Ends = tuple[TrialEnd, TrialEnd]  # client and server
Groups = tuple[ControlGroup, ControlGroup]


class MachineMeter:
    """Reads CPU time around the windows in which a load is steady."""

    def __init__(self, engine: Engine, clock: Clock | None = None) -> None:
        """Take the engine whose machine is metered, and the clock of its windows."""
        self.clock = clock or Clock()
        self.files = engine.files
        self._local = engine.local
        readable = (engine.local or tick(self.files) == TICK) and self.files.read(_STAT)
        self.unread = None if readable else _UNREAD
        self.idle: float | Absent = _NO_REST  # CPU seconds per second while nothing ran
        self._mounts: Mapping[Version, Mount] = {}

    def rest(self) -> None:
        """Read the machine while nothing runs: the baseline of all windows until the next rest."""
        window = Windows(self, None, _NO_TOOLS, _NO_TOOLS)
        window.open()
        if self.unread is None:
            self.clock.sleep(_REST)
        window.close()
        if window.passed is not None:
            self.idle = idle_rate(window.passed)

    def windows(self, ends: Ends | None = None) -> "Windows":
        """Return what reads windows; `ends` where tools run at two."""
        if self.unread is not None:
            return Windows(self, ends, _NO_TOOLS, self.unread)
        cpus = tuple(machine(needed(self.files, _STAT)).each)
        cycles = counters(cpus) if self._local else _NOT_HERE
        return Windows(self, ends, self._groups(ends) if ends else _NO_TOOLS, cycles)

    def _groups(self, ends: Ends) -> Groups | Absent:
        """Return both ends' cgroups, where they hold nothing else."""
        self._mounts = self._mounts or mounts(text(self.files, "/proc/self/mountinfo") or "")
        pids: Sequence[int | Literal["self"]] = (*(end.endpoint.pid for end in ends), "self")
        try:
            one, other, own = (group_of(pid, self.files, self._mounts) for pid in pids)
        except FactError as exc:
            return Absent(str(exc))
        if one.holds(other) or other.holds(one) or one.holds(own) or other.holds(own):
            return Absent("the endpoints have no cgroups of their own")
        return one, other


@dataclass
class Windows:
    """Adds up the CPU time of many windows: ticks of 10 ms are coarse in a single slice."""

    meter: MachineMeter
    ends: Ends | None
    groups: Groups | Absent
    cycles: CycleCounters | Absent
    passed: Reading | None = None  # in all windows so far; None if nothing is readable
    _first: Reading | None = None

    def open(self) -> None:
        """Note where the counters stand before a window."""
        self._first = None if self.meter.unread else self._reading()

    def close(self) -> None:
        """Add what has passed since."""
        if self._first is not None:
            passed = self._reading() - self._first
            self.passed = passed if self.passed is None else passed + self.passed

    def end(self, cpus: Cpus = UNPINNED) -> Facts:
        """Return the trial facts of all windows; `cpus` are the session's or trial's pins."""
        self.release()
        if self.passed is None:
            why = self.meter.unread or _NOT_BEGUN
            return (("trial.busy", why), ("trial.steal", why), ("trial.load1", why))
        load = (text(self.meter.files, "/proc/loadavg") or "").split()
        load1 = float(load[0]) if load else Absent("/proc/loadavg is not readable")
        return (*cost_facts(self.passed, self.meter.idle, cpus), ("trial.load1", load1))

    def release(self) -> None:
        """Close the counters, whether or not the facts are asked for."""
        if isinstance(self.cycles, CycleCounters):
            self.cycles.close()

    def _reading(self) -> Reading:
        groups = () if isinstance(self.groups, Absent) else self.groups
        tools = [end.pids() for end in self.ends] if self.ends and not groups else []
        counted = [path for group in groups for path in files_of(group)]
        counted += [threads(pid) for pids in tools for pid in pids]
        cycles = self.cycles.read() if isinstance(self.cycles, CycleCounters) else self.cycles
        begun = self.meter.clock.now()
        taken = FrozenFiles(self.meter.files, _STAT, *counted)
        # Where another machine is asked, the answer is of some moment between question and answer.
        at = (begun + self.meter.clock.now()) / 2
        seen = machine(needed(taken, _STAT))
        if self.ends is None:
            return Reading(at, seen, _NO_TOOLS, _NO_TOOLS, _NO_TOOLS, cycles)
        if not isinstance(self.groups, Absent):
            client, server = (_used(group, taken) for group in self.groups)
            return Reading(at, seen, client, server, "cgroup", cycles)
        used = [end.time(pids, taken) for end, pids in zip(self.ends, tools, strict=True)]
        client, server = used
        unread = any(isinstance(one, Absent) for one in used)
        return Reading(at, seen, client, server, self.groups if unread else "processes", cycles)


def _used(group: ControlGroup, files: Files) -> CpuUsage | Absent:
    try:
        return usage(group, files)
    except FactError as exc:
        return Absent(str(exc))
