"""Watches the processes by which traffic gets into a rootless engine, and out of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from netbench.facts.cpu_time import TICK
from netbench.facts.pair import NamespaceSet
from netbench.facts.procfs import cpu_ticks
from netbench.record import Absent, FactValue
from netbench.system.files import processes
from netbench.watch.ports import may_be_in

_FACT: Final = "trial.user_network_cpu"
_NAMES: Final = (
    *("slirp4netns", "pasta", "pasta.avx2", "vpnkit", "gvproxy"),  # networks
    *("rootlesskit", "rootlessport"),  # ports
)
"""Of their commands, proc(5) `comm`."""


@dataclass
class UserNetworkWatch:
    """Watches them over one session or trial: those of every rootless engine of the machine."""

    machine: NamespaceSet  # whose network they use
    _before: Mapping[int, int] = field(default_factory=dict)  # clock ticks used, by process

    def start(self) -> None:
        """Note where their CPU time stands before the trial."""
        files = self.machine.files
        found = (pid for name in _NAMES for pid in processes(files, name))
        ticks = {pid: cpu_ticks(pid, files) for pid in found if may_be_in(pid, self.machine)}
        self._before = {pid: used for pid, used in ticks.items() if used is not None}

    def look(self) -> None:
        """Look at nothing while the trial runs."""

    @property
    def carriers(self) -> tuple[int, ...]:
        """Process numbers of those that may carry the traffic."""
        return tuple(self._before)

    def stop(self) -> tuple[tuple[str, FactValue], ...]:
        """Return the CPU time that they have used since `start`."""
        now = {pid: cpu_ticks(pid, self.machine.files) for pid in self._before}
        used = [ticks - self._before[pid] for pid, ticks in now.items() if ticks is not None]
        if not used:
            return ((_FACT, Absent("no process of a user-mode network is to be seen")),)
        return ((_FACT, sum(used) * TICK),)
