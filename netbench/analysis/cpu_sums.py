"""CPU times of many trials, added up as they pass: as they are, and over what they paid for."""

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from functools import partial
from typing import Final

from netbench.analysis.cell_key import CellKey
from netbench.analysis.digest_model import CostSplit, CpuMeans
from netbench.record import Absent, FactValue, Record, Sample

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


REST: Final = "rest"
_ENDS: Final = ("client", "server")


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


def split(facts: dict[str, FactValue], cost: float) -> dict[str, float]:
    """Return what of a trial's cost went where, in the cost's unit; empty where it is not told.

    An end's time is split in user mode and kernel where the share in the kernel was read. The
    parts of client, server and rest add up to the cost; `softirq` overlaps them.
    """
    busy = facts.get("trial.busy_above_idle")
    ends = {end: facts.get(f"trial.cgroup_{end}") for end in _ENDS}
    rest = facts.get("trial.unattributed")
    if not isinstance(busy, float) or not busy or not isinstance(rest, float):
        return {}
    found: dict[str, float] = {}
    for end, total in ends.items():
        kernel = facts.get(f"trial.cgroup_{end}_system")
        if isinstance(total, float) and isinstance(kernel, float):
            found |= {f"{end}, user": total - kernel, f"{end}, kernel": kernel}
        elif isinstance(total, float):
            found[end] = total
    softirq = facts.get("trial.busy_softirq")
    found |= {REST: rest} | ({"softirq": softirq} if isinstance(softirq, float) else {})
    return {name: seconds / busy * cost for name, seconds in found.items()}


class CpuTable:
    """The sums of every driver in every cell that has a cost."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self.sums: defaultdict[tuple[str, CellKey], _CpuSums] = defaultdict(_CpuSums)
        self.ways: defaultdict[tuple[str, CellKey, str], defaultdict[tuple[str, ...], _Sums]]
        self.ways = defaultdict(partial(defaultdict, _Sums))

    def add(self, record: Record, sample: Sample) -> None:
        """Add a trial, unless it has no cost or is the baseline's second."""
        if record.replica:
            return
        costs = [(m.metric, m.value) for m in sample.measurements if m.metric in PER and m.value]
        if not costs:
            return
        cell = record.cell
        key = CellKey(cell.path, cell.probe, cell.placement)
        facts = dict(record.facts)
        self.sums[cell.driver, key].add(facts)
        for metric, cost in costs:
            parts = split(facts, cost)
            if parts:
                self.ways[cell.driver, key, PER[metric]][tuple(parts)].add(parts)

    def means(self) -> tuple[CpuMeans, ...]:
        """Return the means, in the order of the records."""
        return tuple(sums.view(*where) for where, sums in self.sums.items())

    def splits(self) -> tuple[CostSplit, ...]:
        """Return where the costs went, of those trials of a cell that tell it in one way."""
        return tuple(
            _split(*where, max(ways.values(), key=lambda sums: sums.trials))
            for where, ways in self.ways.items()
        )


def _split(driver: str, cell: CellKey, per: str, sums: _Sums) -> CostSplit:
    means = {name: total / sums.trials for name, total in sums.total.items()}
    softirq = means.pop("softirq", None)
    return CostSplit(driver, cell, per, sums.trials, tuple(means.items()), softirq)
