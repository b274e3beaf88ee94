"""What the machine as a whole did during a trial: load, busy and stolen time."""

from netbench.engines.base import Engine
from netbench.facts.procfs import CpuTimes, read_local
from netbench.record import Absent, FactValue

_REMOTE = Absent("the engine is on another machine; its /proc/stat is not read for each trial")
_SHORT = Absent("no tick of /proc/stat passed")


class MachineMeter:
    """Reads /proc/stat around a trial."""

    def __init__(self, engine: Engine) -> None:
        """Take the engine whose machine is metered."""
        self._local = engine.local
        self._before: CpuTimes | None = None

    def start(self) -> None:
        """Note where the counters stand."""
        self._before = self._now()

    def stop(self) -> tuple[tuple[str, FactValue], ...]:
        """Return the trial facts since `start`."""
        now = self._now()
        if self._before is None or now is None:
            return (("trial.busy", _REMOTE), ("trial.steal", _REMOTE), ("trial.load1", _REMOTE))
        shares = now.since(self._before)
        busy, steal = shares or (_SHORT, _SHORT)
        load = (read_local("/proc/loadavg") or "").split()
        load1: FactValue = float(load[0]) if load else Absent("/proc/loadavg is not readable")
        return (("trial.busy", busy), ("trial.steal", steal), ("trial.load1", load1))

    def _now(self) -> CpuTimes | None:
        text = read_local("/proc/stat") if self._local else None
        return CpuTimes.parse(text) if text else None
