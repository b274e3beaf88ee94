"""What a run measures, as far as a budget may speak of it: drivers, cells and their metrics."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import ClassVar

from netbench.drivers import Closed, Driver, full_name
from netbench.errors import ConfigurationError
from netbench.plan.drivers import split_name
from netbench.probes import PROBES
from netbench.record import Budget, PlanSummary
from netbench.spec import Cell, Path

_LISTED = 12
"""Cells that an error names."""


@dataclass(frozen=True, slots=True)
class Offer:
    """The cells of a run and what they measure."""

    cells: tuple[Cell, ...]
    metrics: Mapping[str, tuple[str, ...]]
    """What each probe may give."""
    baseline: str
    closed: Mapping[tuple[str, Path], str] = field(default_factory=dict)
    """Paths that a driver rules out by design, with the reason."""
    bounded_by: ClassVar[str] = "a driver"
    """What `references` are."""

    @property
    def drivers(self) -> tuple[str, ...]:
        """Every driver of the run."""
        return tuple(dict.fromkeys(cell.driver for cell in self.cells))

    @property
    def references(self) -> tuple[str, ...]:
        """What a bound may be taken from: a driver of the same run."""
        return self.drivers

    @property
    def named(self) -> tuple[str, ...]:
        """What an error names of the drivers that there are."""
        return self.drivers

    def subject(self, text: str) -> str:
        """Return the name that a budget's left side has in `cells`, be it there or not."""
        return canonical(text)

    @property
    def words(self) -> tuple[str, ...]:
        """Everything that tells a driver's cells apart: placements, paths, probes."""
        cells = self.cells
        placements = (cell.placement.value for cell in cells)
        paths = (cell.path.value for cell in cells)
        return tuple(dict.fromkeys((*placements, *paths, *(cell.probe for cell in cells))))

    def mismatch(self, budget: Budget) -> str | None:
        """Return why a budget stands for no cell, with what it could stand for; else None."""
        own = [cell for cell in self.cells if cell.driver == budget.driver]
        having = [cell for cell in own if budget.metric in self.metrics.get(cell.probe, ())]
        if not having:
            given = dict.fromkeys(m for cell in own for m in self.metrics.get(cell.probe, ()))
            return f"no probe of this run measures {budget.metric}; measured: {', '.join(given)}"
        covered = [cell for cell in having if budget.covers(cell)]
        if not covered:
            shown = [f"{budget.driver}.{budget.metric}@{_words(cell)}" for cell in having]
            more = f" and {len(shown) - _LISTED} more" if len(shown) > _LISTED else ""
            return f"no cell fits; there are: {', '.join(shown[:_LISTED])}{more}"
        reasons = [self._closed(budget, cell) for cell in covered]
        return reasons[0] if all(reasons) else None

    def _closed(self, budget: Budget, cell: Cell) -> str | None:
        """Return why a cell can never be judged: for a ratio the baseline's A/A is needed too."""
        named = (budget.driver, budget.reference)
        for driver in (*named, self.baseline if budget.reference else None):
            reason = self.closed.get((driver, cell.path)) if driver else None
            if reason is not None:
                role = "" if driver in named else ", the baseline whose A/A is needed,"
                return f"{driver}{role} carries no {cell.path} traffic: {reason}"
        return None


def _words(cell: Cell) -> str:
    return f"{cell.probe}@{cell.placement.value}@{cell.path.value}"


def offered(
    cells: tuple[Cell, ...],
    probes: Mapping[str, tuple[str, ...]],
    baseline: str,
    drivers: Iterable[Driver] = (),
) -> Offer:
    """Return the offer of a run.

    Args:
        cells: of the run.
        probes: what each of its probes declares to measure.
        baseline: the driver whose second arm is the A/A of every cell.
        drivers: those of the run, to know the paths that they rule out.
    """
    closed = {
        (driver.name, path): way.reason
        for driver in drivers
        for path, way in driver.ways.items()
        if isinstance(way, Closed)
    }
    return Offer(cells, probes, baseline, closed)


def offered_by(plan: PlanSummary) -> Offer:
    """Return the offer of a recorded run; which paths are closed, its records tell."""
    kinds = {kind: probe().metrics for kind, probe in PROBES.items()}
    given = kinds | {probe.name: probe.metrics for probe in plan.probes}
    return offered(plan.cells, given, plan.baseline)


def canonical(driver: str) -> str:
    """Return a driver's name with its usual mode, and its options in alphabetical order."""
    try:
        name, options = split_name(driver)
    except ConfigurationError:
        return driver
    label = "+".join(f"{key}={value}" for key, value in sorted(options.items()))
    return f"{full_name(name)}@{label}" if label else full_name(name)


def nearest(word: str, known: Iterable[str]) -> str:
    """Return `; did you mean 'host'?`, empty where nothing is near."""
    words = list(known)
    same = [other for other in words if other.casefold() == word.casefold()]
    found = same or get_close_matches(word, words, n=1, cutoff=0.6)
    return f"; did you mean {found[0]!r}?" if found else ""
