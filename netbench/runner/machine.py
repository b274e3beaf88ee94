"""What the machine and both ends of a trial did while its load was steady."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from netbench.engines.base import Endpoint, Engine, Process
from netbench.errors import FactError
from netbench.facts.cpu_time import TICK, Machine, machine, process_time, threads, tick
from netbench.record import Absent
from netbench.runner.cost import Facts, Reading, cost_facts, idle_rate, joined
from netbench.spec import Cpus
from netbench.system.cgroups import (
    ControlGroup,
    CpuUsage,
    Mount,
    Version,
    files_of,
    group_in,
    mounts,
    usage,
)
from netbench.system.files import Files, FrozenFiles, text
from netbench.watch.cycles import CycleCounters, counters


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


_UNREAD: Final = Absent("CPU time of the engine's machine is not readable, or in other ticks")
_NOT_HERE: Final = Absent("cycles are counted on this process's own machine alone")
_NOBODY: Final = Absent("no tools ran at two ends")
_STAT: Final = "/proc/stat"
_ANY: Final = Cpus(None, None)
_NO_REST: Final = Absent("no idle window came before")
_NOT_BEGUN: Final = Absent("the window was not begun")
_REST: Final = 0.25
"""Seconds of an idle window."""
_NAMES: Final = ("trial.busy", "trial.steal", "trial.load1")


@dataclass(frozen=True, slots=True)
class TrialEnd:
    """One end of a trial."""

    endpoint: Endpoint
    """Where its tools run."""
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


@dataclass(frozen=True, slots=True)
class _Ends:
    """Both ends, and the groups that are theirs alone."""

    client: TrialEnd
    server: TrialEnd
    groups: tuple[ControlGroup, ControlGroup] | Absent


class MachineMeter:
    """Reads CPU time around the window in which a trial's load is steady."""

    def __init__(self, engine: Engine, clock: Clock | None = None) -> None:
        """Take the engine whose machine is metered, and the clock of its windows."""
        self.clock = clock or Clock()
        self._files = engine.files
        self._local = engine.local
        counted = engine.local or tick(self._files) == TICK
        self._unread = None if counted and self._files.read(_STAT) else _UNREAD
        self._idle: float | Absent = _NO_REST
        self._mounts: Mapping[Version, Mount] = {}
        self._ends: _Ends | None = None
        self._cycles: CycleCounters | Absent = _NOBODY
        self._before: Reading | None = None

    def rest(self) -> None:
        """Read the machine while nothing runs: what every trial until the next rest is held to."""
        if self._unread:
            return
        before = self._reading(None)
        self.clock.until(before.at + _REST)
        self._idle = idle_rate(before, self._reading(None))

    def windows(self, ends: tuple[TrialEnd, TrialEnd]) -> "Windows":
        """Return what adds up the slices of a session whose tools run at these ends."""
        return Windows(self, ends)

    def start(self, ends: tuple[TrialEnd, TrialEnd] | None = None) -> None:
        """Note where the counters stand; client and server are `ends`, where tools run at all."""
        if self._unread:
            return
        self._mounts = self._mounts or mounts(text(self._files, "/proc/self/mountinfo") or "")
        self._ends = _Ends(*ends, self._groups(*ends)) if ends else None
        self._cycles = counters(tuple(_machine(self._files).each)) if self._local else _NOT_HERE
        self._before = self._reading(self._ends)

    def stop(self, cpus: Cpus = _ANY) -> Facts:
        """Return the trial facts since `start`; `cpus` are the trial's pins."""
        if self._before is None:
            return self.facts((), cpus)
        after = self._reading(self._ends)
        facts = self.facts(((self._before, after),), cpus)
        if isinstance(self._cycles, CycleCounters):
            self._cycles.close()
        self._before = None
        return facts

    def facts(self, windows: Sequence[tuple[Reading, Reading]], cpus: Cpus) -> Facts:
        """Return the facts of all windows together."""
        if not windows:
            return tuple((name, self._unread or _NOT_BEGUN) for name in _NAMES)
        facts = cost_facts(*joined(windows), self._idle, cpus)
        load = (text(self._files, "/proc/loadavg") or "").split()
        unread = Absent("/proc/loadavg is not readable")
        return (*facts, ("trial.load1", float(load[0]) if load else unread))

    def begin(self, ends: tuple[TrialEnd, TrialEnd]) -> "_Opened | None":
        """Return what the windows of a session are read by; None where nothing is readable."""
        if self._unread:
            return None
        self._mounts = self._mounts or mounts(text(self._files, "/proc/self/mountinfo") or "")
        cycles = counters(tuple(_machine(self._files).each)) if self._local else _NOT_HERE
        return _Opened(_Ends(*ends, self._groups(*ends)), cycles)

    def look(self, opened: "_Opened") -> Reading:
        """Return one edge of a window."""
        return self._reading(opened.ends, opened.cycles)

    def _groups(
        self, client: TrialEnd, server: TrialEnd
    ) -> tuple[ControlGroup, ControlGroup] | Absent:
        """Return both ends' cgroups, where they are nobody else's."""
        try:
            one, other = (self._group(str(end.endpoint.pid)) for end in (client, server))
            ours = self._group("self")
        except FactError as exc:
            return Absent(str(exc))
        if one.holds(other) or other.holds(one) or one.holds(ours) or other.holds(ours):
            return Absent("the endpoints have no cgroups of their own")
        return one, other

    def _group(self, pid: str) -> ControlGroup:
        path = f"/proc/{pid}/cgroup"
        found = text(self._files, path)
        if found is None:
            raise FactError(f"{path} is not readable")
        return group_in(self._mounts, found)

    def _reading(
        self, ends: _Ends | None, counted: CycleCounters | Absent | None = None
    ) -> Reading:
        groups = () if ends is None or isinstance(ends.groups, Absent) else ends.groups
        tools = (ends.client.pids(), ends.server.pids()) if ends and not groups else ((), ())
        of_groups = (path for group in groups for path in files_of(group))
        of_tools = (threads(pid) for pids in tools for pid in pids)
        counted = self._cycles if counted is None else counted
        cycles = counted.read() if isinstance(counted, CycleCounters) else counted
        begun = self.clock.now()
        taken = FrozenFiles(self._files, _STAT, *of_groups, *of_tools)
        # Where another machine is asked, the answer is of some moment between question and answer.
        at = (begun + self.clock.now()) / 2
        seen = _machine(taken)
        if ends is None:
            return Reading(at, seen, _NOBODY, _NOBODY, _NOBODY, cycles)
        if isinstance(ends.groups, Absent):
            client, server = ends.client.time(tools[0], taken), ends.server.time(tools[1], taken)
            unread = isinstance(client, Absent) or isinstance(server, Absent)
            return Reading(at, seen, client, server, ends.groups if unread else "processes", cycles)
        client, server = (_used(group, taken) for group in ends.groups)
        return Reading(at, seen, client, server, "cgroup", cycles)


@dataclass(frozen=True, slots=True)
class _Opened:
    """What the windows of one session are read by."""

    ends: _Ends
    cycles: CycleCounters | Absent


class Windows:
    """Adds up what machine and tools did in the slices of one session.

    Ticks of 10 ms are coarse in a slice; over the rounds they add up.
    """

    def __init__(self, meter: MachineMeter, ends: tuple[TrialEnd, TrialEnd]) -> None:
        """Open the counters; nothing is added up yet."""
        self._meter = meter
        self._opened = meter.begin(ends)
        self._first: Reading | None = None
        self._read: list[tuple[Reading, Reading]] = []

    def open(self) -> None:
        """Note where the counters stand before a slice."""
        if self._opened is not None:
            self._first = self._meter.look(self._opened)

    def close(self) -> None:
        """Add what has passed since."""
        if self._opened is not None and self._first is not None:
            self._read.append((self._first, self._meter.look(self._opened)))

    def end(self, cpus: Cpus) -> Facts:
        """Return the trial facts of all slices; `cpus` are the session's pins."""
        self.release()
        return self._meter.facts(self._read, cpus)

    def release(self) -> None:
        """Close the counters, whether or not anybody asks for the facts."""
        if self._opened is not None and isinstance(self._opened.cycles, CycleCounters):
            self._opened.cycles.close()


def _used(group: ControlGroup, files: Files) -> CpuUsage | Absent:
    try:
        return usage(group, files)
    except FactError as exc:
        return Absent(str(exc))


def _machine(files: Files) -> Machine:
    found = text(files, _STAT)
    if found is None:
        raise FactError(f"{_STAT} is not readable")
    return machine(found)
