"""What is counted of each driver, and of each of its paths, as records pass."""

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from netbench.analysis.cell_key import TRIED
from netbench.analysis.digest_model import DriverView, PromiseCount, WayView
from netbench.record import PromiseCheck, Record, Skip
from netbench.spec import Path

_CONGESTION_CONTROL: Final = ("trial.congestion_control_client", "trial.congestion_control_server")


@dataclass(slots=True)
class PathCounts:
    """Running counts of one path of a driver."""

    paths: Counter[bool] = field(default_factory=Counter)
    published: Counter[str] = field(default_factory=Counter)
    example: int | None = None  # number of the record that shows it best, with what it proves
    proof: int = 0
    by_design: Skip | None = None
    designed: int = 0
    total: int = 0

    def add(self, record: Record) -> bool:
        """Count one record; tell whether it shows this path better than all before."""
        self.total += 1
        if record.path_held is not None:
            self.paths[record.path_held] += 1
        if isinstance(record.outcome, Skip) and record.outcome.by_design:
            self.designed += 1
            self.by_design = self.by_design or record.outcome
        for name, value in record.facts:
            if name == "trial.published_via" and isinstance(value, str):
                self.published[value] += 1
        proof = 0 if record.replica else _proof(record)
        if proof <= self.proof:
            return False
        self.example, self.proof = record.number, proof
        return True

    def view(self, driver: str, path: str, whole: Mapping[int, Record]) -> WayView:
        """Return the counts as a value."""
        return WayView(
            driver=driver,
            path=path,
            example=None if self.example is None else whole.get(self.example),
            held=self.paths[True],
            unheld=self.paths[False],
            closed=self.by_design if self.designed == self.total else None,
            published=tuple(sorted(self.published.items())),
        )


@dataclass(slots=True)
class DriverCounts:
    """Running counts of one driver."""

    outcomes: Counter[str] = field(default_factory=Counter)
    ways: defaultdict[str, PathCounts] = field(default_factory=lambda: defaultdict(PathCounts))
    promises: dict[str, PromiseCheck] = field(default_factory=dict)
    """The first break of each, else its first check."""
    checks: Counter[tuple[str, bool]] = field(default_factory=Counter)
    congestion_control: set[str] = field(default_factory=set)

    def add(self, record: Record) -> bool:
        """Count one record; tell whether it shows its path better than all before."""
        self.outcomes[record.outcome.kind] += 1
        for name, value in record.facts:
            if name in _CONGESTION_CONTROL and isinstance(value, str):
                self.congestion_control.add(value)
        for check in record.promises:
            self.checks[check.promise, check.held] += 1
            first = self.promises.setdefault(check.promise, check)
            if first.held and not check.held:
                self.promises[check.promise] = check
        return self.ways[record.cell.path].add(record)

    def view(self, driver: str, whole: Mapping[int, Record]) -> DriverView:
        """Return the counts as a value."""
        found = sorted(self.ways.items(), key=lambda item: list(Path).index(Path(item[0])))
        ways = tuple(way.view(driver, path, whole) for path, way in found)
        best = max((way for _, way in found), key=lambda way: way.proof, default=PathCounts())
        closed = [way.closed for way in ways if way.closed is not None]
        closed.sort(key=lambda skip: not skip.evidence.startswith(TRIED))  # what was tried first
        return DriverView(
            driver=driver,
            example=None if best.example is None else whole.get(best.example),
            ways=ways,
            samples=self.outcomes["sample"],
            failures=self.outcomes["failure"],
            skips=self.outcomes["skip"],
            paths_held=sum(way.held for way in ways),
            paths_broken=sum(way.unheld for way in ways),
            promises=tuple(
                PromiseCount(
                    name, self.checks[name, True], self.checks[name, False], check.evidence
                )
                for name, check in self.promises.items()
            ),
            isolated=next(iter(closed), None) if len(closed) == len(ways) else None,
            congestion_control=tuple(sorted(self.congestion_control)),
        )


def _proof(record: Record) -> int:
    """Rank a record as an example: endpoints, then a path, then a path that held."""
    if not record.came_up:
        return 1
    return 2 + (record.path_held is not None) + bool(record.path_held)
