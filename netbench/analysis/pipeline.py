"""The analysis from end to end: records -> frames -> states -> contrasts, cells, doubts."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Final

import pandas as pd

from netbench.analysis import cells, family, quality, states
from netbench.analysis.budgets import judge_budgets, kept
from netbench.analysis.ceiling import ceilings
from netbench.analysis.contrasts import (
    Comparison,
    Key,
    Target,
    Terms,
    by_key,
    targets,
)
from netbench.analysis.derived import with_buffer_delay
from netbench.analysis.frame import CELL, Frames, collect
from netbench.analysis.ground import ground_of
from netbench.analysis.model import (
    Analysis,
    Contrast,
    NullContrast,
    QualityWarning,
    Stopped,
    Tally,
    Verdict,
)
from netbench.analysis.saturation import saturations
from netbench.analysis.stats import ALPHA
from netbench.analysis.stopping import forecast, settles
from netbench.record import METRICS, PlanSummary, Record, RunInfo, Settled
from netbench.spec import Cell, Path, Placement

_ENDINGS: Final = {
    "out-of-time": Stopped.OUT_OF_TIME,
    "interrupted": Stopped.INTERRUPTED,
    "engine-lost": Stopped.ENGINE_LOST,
    "running": Stopped.UNFINISHED,
}
"""Why contrasts stopped that had not left before, by the run's status."""
_SETTLED: Final = (Stopped.PRECISE, Stopped.DECIDED, Stopped.FOR_BUDGET)


def analyse(info: RunInfo, records: Iterable[Record]) -> Analysis:
    """Return all that can be said of a run; `netbench.analysis.analyse` has the details."""
    frames = collect(records)
    thresholds = states.thresholds(frames.trials)
    frames = with_buffer_delay(states.assign(frames, thresholds), info.plan)
    owed = targets(frames.trials, frames.numbers, info.plan)
    primary = family.size(info.plan, _skipped(frames.trials))
    used_up = saturations(frames.numbers, info.plan)
    terms = Terms(info.plan.baseline, ALPHA / max(primary, 1), info.plan.margin, used_up)
    compared = _comparisons(frames.numbers, info.plan, terms)
    contrasts = tuple(_contrasts(frames, info, owed, compared, terms.alpha))
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


def _skipped(trials: pd.DataFrame) -> frozenset[Cell]:
    """Return the cells that were never more than skipped, whichever arm."""
    every, tried = (
        {
            Cell(driver, Path(path), probe, Placement(placement))
            for driver, path, probe, placement in zip(
                *(rows[column] for column in ("driver", *CELL)), strict=True
            )
        }
        for rows in (trials, trials[trials["outcome"] != "skip"])
    )
    return frozenset(every - tried)


def _comparisons(values: pd.DataFrame, plan: PlanSummary, terms: Terms) -> dict[Key, Comparison]:
    """Return one comparison a cell and metric, cells in the plan's order, metrics as declared."""
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
    return {key: Comparison(key, every[key], terms) for key in sorted(every, key=rank)}


def _contrasts(
    frames: Frames,
    info: RunInfo,
    owed: tuple[Target, ...],
    compared: dict[Key, Comparison],
    alpha: float,
) -> Iterator[Contrast]:
    """Yield contrasts by cell and metric, drivers in the plan's order."""
    drivers = {driver: rank for rank, driver in enumerate(info.plan.drivers)}
    left = {settled.cell: settled for settled in info.settled}
    leading = family.leading(info.plan)
    blocks = int(frames.trials["block"].max()) if len(frames.trials) else 0
    for key, comparison in compared.items():
        here = [target for target in owed if target.key == key]
        for target in sorted(here, key=lambda t: drivers.get(t.driver, len(drivers))):
            gone = left.get(_cell(target))
            until = blocks if gone is None else gone.block
            missing = quality.incomplete(
                frames.trials, target, comparison, info.plan.baseline, until
            )
            for contrast in comparison.contrasts(target, missing):
                leads = contrast.headline and leading.get(key.probe) == key.metric
                stopped = _stopped(info, gone, contrast, leads=leads)
                ahead = None
                if stopped not in _SETTLED and contrast.headline:
                    ahead = forecast(contrast, info.plan, alpha, until)
                yield _with_doubt(
                    replace(
                        contrast,
                        stopped=stopped,
                        stopped_after=None if gone is None else gone.block,
                        forecast=ahead,
                    )
                )


def _cell(target: Target) -> Cell:
    key = target.key
    return Cell(target.driver, Path(key.path), key.probe, Placement(key.placement))


def _stopped(info: RunInfo, gone: Settled | None, contrast: Contrast, *, leads: bool) -> Stopped:
    """Return why a contrast stopped, by what the run noted when it did."""
    if gone is not None:
        return Stopped(gone.why) if leads or gone.why == "no-contrast" else Stopped.LEADING
    ended = info.plan.adaptive and info.status in {"complete", "out-of-time"}
    if ended and leads and info.plan.require and settles(contrast, info.plan) is not None:
        return Stopped.FOR_BUDGET
    whole = Stopped.OUT_OF_BLOCKS if info.plan.adaptive else Stopped.FIXED_PLAN
    return _ENDINGS.get(info.status, whole)


def _with_doubt(contrast: Contrast) -> Contrast:
    """Add a warning where a verdict that had stopped a contrast does not stand any more."""
    if contrast.stopped is not Stopped.DECIDED or contrast.verdict is not Verdict.UNDECIDED:
        return contrast
    doubt = QualityWarning(
        "verdict-taken-back",
        f"after block {contrast.stopped_after} a verdict stood and the contrast left the run; by "
        "what later blocks showed of the machine and of the baseline it does not stand any more",
        "run it again with --blocks, so that it stays to the end",
    )
    return replace(contrast, warnings=(*contrast.warnings, doubt))


def _nulls(
    compared: dict[Key, Comparison], contrasts: tuple[Contrast, ...]
) -> Iterator[NullContrast]:
    """Yield A/A of every cell and metric, in each state that a contrast is judged in."""
    judged = {(c.path, c.probe, c.placement.value, c.metric, c.state) for c in contrasts}
    for key, comparison in compared.items():
        yield from comparison.nulls(frozenset(s for *place, s in judged if tuple(place) == key))
