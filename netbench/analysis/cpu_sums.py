"""CPU times of many trials, added up as they pass: as they are, and over what they paid for."""

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import Final

from netbench.analysis.cell_key import Owner
from netbench.analysis.digest_model import CostSplit, CpuMeans
from netbench.record import Absent, FactValue, Record, Sample

PER: Final = {"cpu_per_byte": "byte", "cpu_per_transaction": "transaction"}
"""Cost metrics, and what each is divided by."""
REST: Final = "rest"
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


def split(facts: dict[str, FactValue], cost: float) -> dict[str, float]:
    """Return what of a trial's cost went where, in the cost's unit; empty if it was not read.

    An end's time is split in user mode and kernel if the share in the kernel was read. The parts
    of client, server and rest add up to the cost; `softirq` overlaps them.
    """
    busy, rest = facts.get("trial.busy_above_idle"), facts.get("trial.unattributed")
    if not isinstance(busy, float) or not busy or not isinstance(rest, float):
        return {}
    found: dict[str, float] = {}
    for end in ("client", "server"):
        total, kernel = facts.get(f"trial.cgroup_{end}"), facts.get(f"trial.cgroup_{end}_system")
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
        self.sums: defaultdict[tuple[Owner, bool], _Sums] = defaultdict(_Sums)
        """Those of trials in which every part was read apart: their means add up."""
        self.sources: dict[Owner, str] = {}
        self.reasons: dict[Owner, str] = {}
        self.ways: defaultdict[tuple[Owner, str], dict[tuple[str, ...], _Sums]] = defaultdict(dict)
        """By what the cost is per, and the parts that it was split in."""

    def add(self, owner: Owner, record: Record, sample: Sample) -> None:
        """Add a trial, unless it has no cost."""
        costs = [(m.metric, m.value) for m in sample.measurements if m.metric in PER and m.value]
        if not costs:
            return
        facts = dict(record.facts)
        read = {part: facts.get(name) for part, name in _PARTS.items()}
        numbers = {part: value for part, value in read.items() if isinstance(value, float)}
        self.sums[owner, len(numbers) == len(_PARTS)].add(numbers)
        source = facts.get("trial.cgroup_source")
        self.sources[owner] = source if isinstance(source, str) else self.sources.get(owner, "")
        absent = (value.reason for value in read.values() if isinstance(value, Absent))
        self.reasons[owner] = self.reasons.get(owner) or next(absent, "")
        for metric, cost in costs:
            if parts := split(facts, cost):
                self.ways[owner, PER[metric]].setdefault(tuple(parts), _Sums()).add(parts)

    def means(self) -> tuple[CpuMeans, ...]:
        """Return the means, in the order of the records."""
        found = []
        for (driver, cell), source in self.sources.items():
            owner = (driver, cell)
            sums = self.sums.get((owner, True)) or self.sums[owner, False]
            means = {part: sums.mean(part) for part in _PARTS}
            reason = self.reasons[owner]
            found.append(CpuMeans(driver, cell, sums.trials, **means, source=source, reason=reason))
        return tuple(found)

    def splits(self) -> tuple[CostSplit, ...]:
        """Return where the costs went, of those trials of a cell that were split in one way."""
        found = []
        for (owner, per), ways in self.ways.items():
            sums = max(ways.values(), key=lambda sums: sums.trials)
            means = {name: total / sums.trials for name, total in sums.total.items()}
            softirq = means.pop("softirq", None)
            found.append(CostSplit(*owner, per, sums.trials, tuple(means.items()), softirq))
        return tuple(found)
