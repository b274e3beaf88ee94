"""The analysis from end to end: records -> frames -> states -> contrasts, cells, doubts."""

from collections.abc import Iterable, Iterator

import pandas as pd

from netbench.analysis import cells, quality, states
from netbench.analysis.budgets import judge_budgets, kept
from netbench.analysis.ceiling import ceilings
from netbench.analysis.contrasts import (
    Comparison,
    Key,
    Target,
    Terms,
    by_key,
    targets,
    usable,
)
from netbench.analysis.derived import with_buffer_delay
from netbench.analysis.frame import Frames, collect
from netbench.analysis.ground import ground_of
from netbench.analysis.model import Analysis, Contrast, NullContrast, Tally
from netbench.analysis.saturation import saturations
from netbench.analysis.stats import ALPHA
from netbench.record import METRICS, PlanSummary, Record, RunInfo


def analyse(info: RunInfo, records: Iterable[Record]) -> Analysis:
    """Return all that can be said of a run; `netbench.analysis.analyse` has the details."""
    frames = collect(records)
    thresholds = states.thresholds(frames.trials)
    frames = with_buffer_delay(states.assign(frames, thresholds), info.plan)
    owed = targets(frames.trials, frames.numbers, info.plan.baseline)
    primary = sum(target.metric.primary for target in owed)
    used_up = saturations(frames.numbers, info.plan)
    terms = Terms(info.plan.baseline, ALPHA / max(primary, 1), info.plan.margin, used_up)
    compared = _comparisons(frames.numbers, info.plan, terms)
    contrasts = tuple(_contrasts(frames, info, owed, compared))
    found = states.describe(frames.trials, thresholds)
    budgets = judge_budgets(info.plan, ground_of(info.plan, frames))
    limits = ceilings(info, frames.numbers)
    return Analysis(
        baseline=info.plan.baseline,
        primary_contrasts=primary,
        alpha=terms.alpha,
        margin=terms.margin,
        contrasts=contrasts,
        nulls=tuple(_nulls(compared, contrasts)),
        cells=cells.summarise(frames.trials, frames.numbers, info.plan, used_up),
        states=found,
        points=cells.points(frames.numbers),
        sentinel=states.timeline(frames.trials, thresholds),
        warnings=quality.of_run(info, frames.trials, frames.numbers, found, limits),
        measuring_share=quality.measuring_share(info, frames.trials),
        tally=_tally(frames.trials),
        budgets=budgets,
        budgets_kept=kept(budgets, allow_undecided=info.plan.allow_undecided),
        ceilings=limits,
    )


def _tally(trials: pd.DataFrame) -> Tally:
    skipped = trials["outcome"] == "skip"
    by_design = int((skipped & trials["by_design"].astype(bool)).sum())
    return Tally(
        samples=int((trials["outcome"] == "sample").sum()),
        failures=int((trials["outcome"] == "failure").sum()),
        by_design=by_design,
        impossible=int(skipped.sum()) - by_design,
    )


def _comparisons(values: pd.DataFrame, plan: PlanSummary, terms: Terms) -> dict[Key, Comparison]:
    """Return one comparison a cell and metric, cells in the plan's order, metrics as declared."""
    fit = by_key(usable(values))
    places = [(c.path.value, c.probe, c.placement.value) for c in plan.cells]
    metrics = [name for name, metric in METRICS.items() if metric.compared]

    def rank(key: Key) -> tuple[int, int, Key]:
        place = key[:3]
        return (
            places.index(place) if place in places else len(places),
            metrics.index(key.metric),
            key,
        )

    every = {key: rows for key, rows in by_key(values).items() if key.metric in metrics}
    return {
        key: Comparison(key, fit.get(key, every[key].iloc[:0]), every[key], terms)
        for key in sorted(every, key=rank)
    }


def _contrasts(
    frames: Frames, info: RunInfo, owed: tuple[Target, ...], compared: dict[Key, Comparison]
) -> Iterator[Contrast]:
    """Yield contrasts by cell and metric, drivers in the plan's order."""
    drivers = {driver: rank for rank, driver in enumerate(info.plan.drivers)}
    for key, comparison in compared.items():
        here = [target for target in owed if target.key == key]
        for target in sorted(here, key=lambda t: drivers.get(t.driver, len(drivers))):
            missing = quality.incomplete(frames.trials, target, comparison, info.plan.baseline)
            yield from comparison.contrasts(target, missing)


def _nulls(
    compared: dict[Key, Comparison], contrasts: tuple[Contrast, ...]
) -> Iterator[NullContrast]:
    """Yield A/A of every cell and metric, in each state that a contrast is judged in."""
    judged = {(c.path, c.probe, c.placement.value, c.metric, c.state) for c in contrasts}
    for key, comparison in compared.items():
        yield from comparison.nulls(frozenset(s for *place, s in judged if tuple(place) == key))
