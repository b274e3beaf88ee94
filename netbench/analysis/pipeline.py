"""The analysis from end to end: records -> frames -> contrasts, cells, warnings."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Final

import numpy as np

from netbench.analysis import machine, multiplicity, quality
from netbench.analysis.block_pairs import Key, grouped, position
from netbench.analysis.budgets import judge_budgets, kept
from netbench.analysis.ceiling import ceilings, saturated, saturations
from netbench.analysis.contrasts import CellComparison, owed
from netbench.analysis.frame import NOT_REACHED, Frames, Trial, framed
from netbench.analysis.missing import missing
from netbench.analysis.model import (
    Analysis,
    CellSummary,
    Contrast,
    OutcomeCounts,
    QualityWarning,
    Stopped,
    TrialPoint,
    Verdict,
)
from netbench.analysis.stats import ALPHA
from netbench.analysis.stopping import forecasts, settles
from netbench.plan.budget_scope import declared
from netbench.record import METRICS, PlanSummary, Record, RunInfo, Settled
from netbench.record.checks import Damage
from netbench.spec import Cell, Path, Place

_ENDINGS: Final = {
    "out-of-time": Stopped.OUT_OF_TIME,
    "interrupted": Stopped.INTERRUPTED,
    "engine-lost": Stopped.ENGINE_LOST,
    "running": Stopped.UNFINISHED,
}
"""Why contrasts stopped that had not left before, by the run's status."""
_WHOLE_CELL: Final = ("described", "no-contrast")  # why a cell leaves with all its metrics
_SETTLED: Final = (Stopped.PRECISE, Stopped.DECIDED)


def analyse(info: RunInfo, records: Iterable[Record], damage: Damage | None = None) -> Analysis:
    """Judge a run by METHOD's rules; `records` are read once, in any order, and `damage` grows."""
    return judged(info, framed(info.plan, records), damage)


def judged(info: RunInfo, frames: Frames, damage: Damage | None = None) -> Analysis:
    """Return all that can be said of a run by its frames."""
    plan = info.plan
    primary = multiplicity.size(plan, frames.skipped)
    used_up = saturations(frames, plan)
    alpha = ALPHA / max(primary, 1)
    compared = _comparisons(frames, plan, alpha)
    budgets = judge_budgets(plan, frames)
    limits = ceilings(info, frames)
    absent = missing(info, frames.trials)
    return Analysis(
        baseline=plan.baseline,
        primary_contrasts=primary,
        alpha=alpha,
        margin=plan.margin,
        contrasts=tuple(
            # What a full wire hides comes after what shows the drivers.
            sorted(_contrasts(info, frames, compared, used_up), key=lambda c: c.saturated == "wire")
        ),
        nulls=tuple(comparison.null() for comparison in compared),
        cells=_summaries(frames, plan, used_up),
        points=frames.points,
        sentinel=machine.readings(frames.trials),
        warnings=(*quality.of_folder(absent, damage), *quality.of_run(info, frames, limits)),
        measuring_share=quality.measuring_share(info, frames.trials),
        tally=_tally(frames.trials),
        budgets=budgets,
        budgets_kept=kept(budgets, allow_undecided=plan.allow_undecided),
        ceilings=limits,
        missing=absent,
    )


def _tally(trials: Sequence[Trial]) -> OutcomeCounts:
    counts = Counter(trial.outcome for trial in trials)
    by_design = sum(trial.by_design for trial in trials)
    return OutcomeCounts(
        samples=counts["sample"],
        failures=counts["failure"],
        by_design=by_design,
        impossible=counts["skip"] - by_design,
    )


def _comparisons(frames: Frames, plan: PlanSummary, alpha: float) -> list[CellComparison]:
    """Return one comparison a cell and metric, cells in the plan's order, metrics as declared."""
    places = list(dict.fromkeys(cell.place for cell in plan.cells))
    metrics = [name for name, metric in METRICS.items() if metric.compared]
    keys = sorted(
        (key for key in frames.values if key.metric in metrics),
        key=lambda key: (position(key.place, places), metrics.index(key.metric), key),
    )
    return [CellComparison(key, frames.values[key], plan, alpha) for key in keys]


def _contrasts(
    info: RunInfo,
    frames: Frames,
    compared: Sequence[CellComparison],
    used_up: Mapping[tuple[str, int, Key], str],
) -> Iterator[Contrast]:
    plan, drivers = info.plan, owed(frames, info.plan)
    left = {settled.cell: settled for settled in info.settled}
    places = grouped((trial.cell.place, trial) for trial in frames.trials)
    leading, blocks = multiplicity.leading(plan), frames.blocks
    for comparison in compared:
        key = comparison.key
        for driver in drivers.get(key, ()):
            contrast = comparison.contrast(driver)
            gone = left.get(Cell(driver, Path(key.path), key.probe, key.placement))
            until = blocks if gone is None else gone.block
            having = [delta.block for delta in contrast.deltas]
            missing = quality.incomplete(places[key.place], having, (driver, plan.baseline), until)
            used, other = (used_up.get((name, 0, key), "") for name in (driver, plan.baseline))
            forecast, forecast_verdict = forecasts(contrast, plan, comparison.alpha, until)
            made = replace(
                contrast,
                saturated=used,
                warnings=(*contrast.warnings, *saturated(used, other), *missing),
                stopped=_stopped(info, gone, contrast, leads=leading.get(key.probe) == key.metric),
                stopped_after=None if gone is None else gone.block,
                forecast=forecast,
                forecast_verdict=forecast_verdict,
            )
            yield _with_doubt(made)


def _stopped(info: RunInfo, gone: Settled | None, contrast: Contrast, *, leads: bool) -> Stopped:
    if gone is not None:
        return Stopped(gone.why) if leads or gone.why in _WHOLE_CELL else Stopped.LEADING
    ended = info.plan.adaptive and info.status in {"complete", "out-of-time"}
    if ended and leads and info.plan.require and settles(contrast, info.plan) is not None:
        return Stopped.FOR_BUDGET
    whole = Stopped.OUT_OF_BLOCKS if info.plan.adaptive else Stopped.FIXED_PLAN
    return _ENDINGS.get(info.status, whole)


def _with_doubt(contrast: Contrast) -> Contrast:
    """Add a warning where a verdict that had stopped a contrast does not stand any more."""
    if contrast.stopped not in _SETTLED or contrast.verdict is not Verdict.UNDECIDED:
        return contrast
    doubt = QualityWarning(
        "verdict-taken-back",
        f"it had a verdict after block {contrast.stopped_after} and left the run; with the later "
        f"blocks of the baseline the verdict does not hold: {contrast.reason}",
        "run again with --blocks, so that it stays to the end",
    )
    return replace(contrast, warnings=(*contrast.warnings, doubt))


REASONS: Final = 20  # distinct reasons of one cell that are named


def _summaries(
    frames: Frames, plan: PlanSummary, used_up: Mapping[tuple[str, int, Key], str]
) -> tuple[CellSummary, ...]:
    """Return one summary for each arm, cell and metric: those seen there, or else declared."""
    trials = grouped(((t.cell.driver, t.replica, t.cell.place), t) for t in frames.trials)
    seen: defaultdict[Place, set[str]] = defaultdict(set)
    units = {name: metric.unit for name, metric in METRICS.items()}
    for key, observed in frames.values.items():
        seen[key.place].add(key.metric)
        units[key.metric] = next(iter(observed.values()))[0].unit
    metrics, order = declared(plan), list(METRICS)
    planned = [
        (cell.driver, replica, cell.place)
        for cell in plan.cells
        for replica in range(1 + (cell.driver == plan.baseline))
    ]
    found = []
    for driver, replica, place in dict.fromkeys([*planned, *sorted(trials.keys() - {*planned})]):
        # Another version of netbench may declare metrics that this one does not know.
        names = seen[place] or [name for name in metrics.get(place[1], ()) if name in units]
        for metric in sorted(names, key=lambda name: (position(name, order), name)):
            key = Key(*place, metric)
            summary = _summary(
                key,
                (driver, replica),
                units[metric],
                trials.get((driver, replica, place)),
                frames.values.get(key, {}).get((driver, replica), ()),
            )
            found.append(replace(summary, saturated=used_up.get((driver, replica, key), "")))
    return tuple(found)


def _summary(
    key: Key,
    arm: tuple[str, int],
    unit: str,
    trials: Sequence[Trial] | None,
    points: Sequence[TrialPoint],
) -> CellSummary:
    quartiles: Sequence[float | None] = (None, None, None)
    if points:
        quartiles = np.quantile([point.value for point in points], [0.25, 0.5, 0.75]).tolist()
    outcomes = [trial.outcome for trial in trials or ()]
    reasons = [trial.reason for trial in trials or () if trial.reason is not None]
    return CellSummary(
        arm[0],
        arm[1],
        *key,
        unit=unit,
        median=quartiles[1],
        p25=quartiles[0],
        p75=quartiles[2],
        trials=len(points),
        failures=outcomes.count("failure"),
        skips=outcomes.count("skip"),
        reasons=(NOT_REACHED,) if trials is None else _distinct(reasons),
    )


def _distinct(reasons: Sequence[str]) -> tuple[str, ...]:
    found = tuple(dict.fromkeys(reasons))
    more = len(found) - REASONS
    return (*found[:REASONS], f"and {more} other reasons") if more > 0 else found
