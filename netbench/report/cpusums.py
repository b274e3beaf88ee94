"""CPU times of many trials, added up as they pass."""

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import Final

from netbench.record import Absent, FactValue, Record, Sample
from netbench.report.views import CpuMeans
from netbench.report.words import CellKey

PER: Final = {"cpu_per_byte": "byte", "cpu_per_transaction": "transaction"}
"""Cost metrics, and what each is divided by."""
_PARTS: Final = {
    "busy": "trial.busy_above_idle",
    "client": "trial.cgroup_client",
    "server": "trial.cgroup_server",
    "rest": "trial.unattributed",
    "softirq_share": "trial.softirq_share",
    "steal": "trial.steal",
    "window": "trial.cost_window",
    "resolution": "trial.cost_resolution",
}
"""Fields of `CpuMeans` that are means, by the fact that each is of."""


@dataclass(slots=True)
class _Sums:
    """Sums of named numbers."""

    trials: int = 0
    total: defaultdict[str, float] = field(default_factory=lambda: defaultdict(float))
    times: Counter[str] = field(default_factory=Counter)

    def add(self, numbers: dict[str, float]) -> None:
        """Add one of each."""
        self.trials += 1
        for name, value in numbers.items():
            self.total[name] += value
            self.times[name] += 1

    def mean(self, name: str) -> float | None:
        """Return the mean of those that were there."""
        return self.total[name] / self.times[name] if self.times[name] else None


@dataclass(slots=True)
class _CpuSums:
    """Running sums of one driver in one cell."""

    whole: _Sums = field(default_factory=_Sums)
    """Trials in which every part was read: their means add up."""
    partial: _Sums = field(default_factory=_Sums)
    source: str = ""
    reason: str = ""

    def add(self, facts: dict[str, FactValue]) -> None:
        """Add one trial."""
        read = {part: facts.get(name) for part, name in _PARTS.items()}
        numbers = {part: value for part, value in read.items() if isinstance(value, float)}
        (self.whole if len(numbers) == len(_PARTS) else self.partial).add(numbers)
        source = facts.get("trial.cgroup_source")
        self.source = source if isinstance(source, str) else self.source
        absent = [value.reason for value in read.values() if isinstance(value, Absent)]
        self.reason = self.reason or next(iter(absent), "")

    def view(self, driver: str, cell: CellKey) -> CpuMeans:
        """Return the means as a value."""
        sums = self.whole if self.whole.trials else self.partial
        means = {part: sums.mean(part) for part in _PARTS}
        return CpuMeans(driver, cell, sums.trials, **means, source=self.source, reason=self.reason)


class CpuTable:
    """The sums of every driver in every cell that has a cost."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self._sums: defaultdict[tuple[str, CellKey], _CpuSums] = defaultdict(_CpuSums)

    def add(self, record: Record, sample: Sample) -> None:
        """Add a trial, unless it has no cost or is the baseline's second."""
        if record.replica or not any(sample.value(metric) for metric in PER):
            return
        cell = record.cell
        key = CellKey(cell.path, cell.probe, cell.placement)
        self._sums[cell.driver, key].add(dict(record.facts))

    def means(self) -> tuple[CpuMeans, ...]:
        """Return the means, in the order of the records."""
        return tuple(sums.view(*where) for where, sums in self._sums.items())
