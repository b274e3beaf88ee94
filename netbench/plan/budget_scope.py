"""What a budget may speak of: drivers, cells and metrics of one run, or of several together."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from difflib import get_close_matches

from netbench.drivers import Closed, Driver, full_name
from netbench.errors import ConfigurationError
from netbench.plan.drivers import split_name
from netbench.probes import PROBES
from netbench.record import Budget, PlanSummary
from netbench.spec import Cell, Path
from netbench.units import some

_LISTED = 12  # cells that an error names


@dataclass(frozen=True, slots=True)
class BudgetSubject:
    """The left side of a budget between runs."""

    run: str
    driver: str
    relative: bool  # whether it is the driver's ratio to the baseline of its own run


@dataclass(frozen=True, slots=True)
class BudgetScope:
    """The cells of a run and what they measure."""

    cells: tuple[Cell, ...]
    metrics: Mapping[str, tuple[str, ...]]
    baseline: str  # the driver whose second arm is the A/A of every cell
    closed: Mapping[tuple[str, Path], str] = field(default_factory=dict)  # ruled out by design: why
    labels: tuple[str, ...] = ()  # of several runs, in the order in which they were given
    subjects: Mapping[str, BudgetSubject] = field(default_factory=dict)  # left sides, between runs

    @property
    def drivers(self) -> tuple[str, ...]:
        """Every driver of the run."""
        return tuple(dict.fromkeys(cell.driver for cell in self.cells))

    @property
    def references(self) -> tuple[str, ...]:
        """What a bound may be taken from: another run, or else a driver."""
        return self.labels or self.drivers

    @property
    def named(self) -> tuple[str, ...]:
        """The drivers as an error names them: without a run or a baseline."""
        return tuple(dict.fromkeys(one.driver for one in self.subjects.values())) or self.drivers

    def subject(self, text: str) -> str:
        """Return the name that a budget's left side has in `cells`, be it there or not."""
        return canonical(text)

    @property
    def words(self) -> tuple[str, ...]:
        """Everything that tells a driver's cells apart: placements, paths, probes."""
        facets = zip(*((c.placement.value, c.path.value, c.probe) for c in self.cells), strict=True)
        return tuple(dict.fromkeys(word for facet in facets for word in facet))

    def mismatch(self, budget: Budget) -> str | None:
        """Return why a budget stands for no cell, with what it could stand for; else None."""
        own = [cell for cell in self.cells if cell.driver == budget.driver]
        having = [cell for cell in own if budget.metric in self.metrics.get(cell.probe, ())]
        if not having:
            given = dict.fromkeys(m for cell in own for m in self.metrics.get(cell.probe, ()))
            return f"no probe of this run measures {budget.metric}; measured: {', '.join(given)}"
        covered = [cell for cell in having if budget.covers(cell)]
        if not covered:
            left = f"{budget.driver}.{budget.metric}"
            shown = [f"{left}@{c.probe}@{c.placement}@{c.path}" for c in having]
            return f"no cell fits; there are: {some(shown, _LISTED)}"
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


def scope_of_cells(
    cells: tuple[Cell, ...],
    metrics: Mapping[str, tuple[str, ...]],
    baseline: str,
    drivers: Iterable[Driver],
) -> BudgetScope:
    """Return the scope of a run, whose drivers tell which paths they rule out."""
    closed = {
        (driver.name, path): way.reason
        for driver in drivers
        for path, way in driver.ways.items()
        if isinstance(way, Closed)
    }
    return BudgetScope(cells, metrics, baseline, closed)


def scope_of(plan: PlanSummary) -> BudgetScope:
    """Return the scope of a recorded run; which paths are closed, its records tell."""
    return BudgetScope(plan.cells, declared(plan), plan.baseline)


def declared(plan: PlanSummary) -> dict[str, tuple[str, ...]]:
    """Return the metrics that each of the run's probes may give, the leading one first."""
    kinds = {kind: probe().metrics for kind, probe in PROBES.items()}
    return kinds | {probe.name: probe.metrics for probe in plan.probes}


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


@dataclass(frozen=True, slots=True)
class RunsScope(BudgetScope):
    """The cells that runs have in common; a cell's driver is a subject, `kept.bridge/host`."""

    def subject(self, text: str) -> str:
        """Return `[RUN.]DRIVER[/BASELINE]` with the driver's full name."""
        run, dot, rest = text.partition(".")
        prefix = f"{run}." if dot and run in self.labels else ""
        driver = rest if prefix else text
        suffix = f"/{self.baseline}" if driver.endswith(f"/{self.baseline}") else ""
        return f"{prefix}{canonical(driver.removesuffix(suffix))}{suffix}"

    def mismatch(self, budget: Budget) -> str | None:
        """Return why a budget stands for no cell of two runs; else None."""
        subject = self.subjects[budget.driver]
        if budget.reference is None:
            others = ", ".join(label for label in self.labels if label != subject.run)
            return (
                f"the bound must name a run ({others}), as in 0.95 {self.labels[0]}; "
                "`netbench report` holds one run against bounds of its own"
            )
        if budget.reference == subject.run:
            return f"run {subject.run} cannot be its own bound: name another run"
        if subject.relative and budget.offset:
            return "a ratio to the baseline is bounded by a factor of the other run's alone"
        return BudgetScope.mismatch(self, budget)


def scope_of_runs(plans: Mapping[str, PlanSummary]) -> RunsScope:
    """Return the scope of recorded runs by label; the last one is bounded where none is named."""
    labels = tuple(plans)
    scopes = [scope_of(plan) for plan in plans.values()]
    last = scopes[-1]
    baseline = last.baseline if len({scope.baseline for scope in scopes}) == 1 else ""
    common = [cell for cell in last.cells if all(cell in scope.cells for scope in scopes)]
    metrics = {
        probe: tuple(m for m in given if all(m in o.metrics.get(probe, ()) for o in scopes))
        for probe, given in last.metrics.items()
    }
    subjects = dict(_subjects(labels, common, baseline))
    cells = tuple(
        replace(cell, driver=name)
        for name, subject in subjects.items()
        for cell in common
        if cell.driver == subject.driver
    )
    return RunsScope(cells, metrics, baseline, {}, labels, subjects)


def _subjects(
    labels: Sequence[str], common: Sequence[Cell], baseline: str
) -> Iterator[tuple[str, BudgetSubject]]:
    drivers = dict.fromkeys(cell.driver for cell in common)
    for prefix, run in (("", labels[-1]), *((f"{label}.", label) for label in labels)):
        for driver in drivers:
            yield f"{prefix}{driver}", BudgetSubject(run, driver, relative=False)
            if baseline and driver != baseline:
                yield f"{prefix}{driver}/{baseline}", BudgetSubject(run, driver, relative=True)
