"""What several runs have in common, as far as a budget between them may speak of it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import ClassVar

from netbench.plan.budget_scope import Offer, canonical, offered_by
from netbench.record import Budget, PlanSummary
from netbench.spec import Cell


@dataclass(frozen=True, slots=True)
class BudgetSubject:
    """The left side of a budget between runs."""

    run: str
    driver: str
    relative: bool
    """Whether it is the driver's ratio to the baseline of its own run."""


@dataclass(frozen=True, slots=True)
class RunsOffer(Offer):
    """The cells that runs have in common; a cell's driver is a subject, `kept.bridge/host`."""

    labels: tuple[str, ...] = ()
    """Of the runs, in the order in which they were given."""
    subjects: Mapping[str, BudgetSubject] = field(default_factory=dict)
    bounded_by: ClassVar[str] = "a run"

    @property
    def references(self) -> tuple[str, ...]:
        """What a bound is taken from: another run."""
        return self.labels

    @property
    def named(self) -> tuple[str, ...]:
        """What an error names: the drivers, as they stand without a run or a baseline."""
        return tuple(dict.fromkeys(subject.driver for subject in self.subjects.values()))

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
        return super(RunsOffer, self).mismatch(budget)


def offered_by_runs(plans: Mapping[str, PlanSummary]) -> RunsOffer:
    """Return the offer of recorded runs by label; the last one is bounded where none is named."""
    labels = tuple(plans)
    offers = [offered_by(plan) for plan in plans.values()]
    baselines = {plan.baseline for plan in plans.values()}
    baseline = offers[-1].baseline if len(baselines) == 1 else ""
    common = [cell for cell in offers[-1].cells if all(cell in offer.cells for offer in offers)]
    metrics = {
        probe: tuple(m for m in given if all(m in o.metrics.get(probe, ()) for o in offers))
        for probe, given in offers[-1].metrics.items()
    }
    subjects = dict(_subjects(labels, common, baseline))
    cells = tuple(
        replace(cell, driver=name)
        for name, subject in subjects.items()
        for cell in common
        if cell.driver == subject.driver
    )
    return RunsOffer(cells, metrics, baseline, {}, labels, subjects)


def _subjects(
    labels: Sequence[str], common: Sequence[Cell], baseline: str
) -> Iterator[tuple[str, BudgetSubject]]:
    drivers = dict.fromkeys(cell.driver for cell in common)
    for prefix, run in (("", labels[-1]), *((f"{label}.", label) for label in labels)):
        for driver in drivers:
            yield f"{prefix}{driver}", BudgetSubject(run, driver, relative=False)
            if baseline and driver != baseline:
                yield f"{prefix}{driver}/{baseline}", BudgetSubject(run, driver, relative=True)
