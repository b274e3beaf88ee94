"""The analysis from end to end: records -> frames -> contrasts, cells, warnings."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Final

import numpy as np

from netbench.analysis import cells, machine, multiplicity, quality
from netbench.analysis.block_pairs import Observed
from netbench.analysis.budgets import judge_budgets, kept
from netbench.analysis.ceiling import ceilings
from netbench.analysis.contrasts import (
    CellComparison,
    ContrastCriteria,
    ContrastTarget,
    Key,
    by_key,
    targets,
)
from netbench.analysis.derived import with_buffer_delay
from netbench.analysis.drift import drifts
from netbench.analysis.frame import Collector, Frames, Trials, collect
from netbench.analysis.model import (
    Analysis,
    Contrast,
    OutcomeCounts,
    QualityWarning,
    Stopped,
    Verdict,
)
from netbench.analysis.observations import observations_of
from netbench.analysis.saturation import saturations
from netbench.analysis.stats import ALPHA
from netbench.analysis.stopping import forecast, forecast_verdict, settles
from netbench.record import METRICS, PlanSummary, Record, RunInfo, Settled
from netbench.spec import Cell, Path, Placement

_ENDINGS: Final = {
    "out-of-time": Stopped.OUT_OF_TIME,
    "interrupted": Stopped.INTERRUPTED,
    "engine-lost": Stopped.ENGINE_LOST,
    "running": Stopped.UNFINISHED,
}
"""Why contrasts stopped that had not left before, by the run's status."""
_WHOLE_CELL: Final = ("described", "no-contrast")
"""Why a cell leaves with all its metrics."""
_SETTLED: Final = (Stopped.PRECISE, Stopped.DECIDED)


def analyse(info: RunInfo, records: Iterable[Record] | Collector) -> Analysis:
    """Return all that can be said of a run; `netbench.analysis.analyse` has the details."""
    return judged(info, framed(info, records))


def framed(info: RunInfo, records: Iterable[Record] | Collector) -> Frames:
    """Read every record once and return the frames."""
    frames = records.frames() if isinstance(records, Collector) else collect(records)
    return with_buffer_delay(frames, info.plan)


def judged(info: RunInfo, frames: Frames) -> Analysis:
    """Return all that can be said of a run by its frames."""
    owed = targets(frames, info.plan)
    observations = observations_of(info.plan, frames)
    primary = multiplicity.size(info.plan, observations.skipped)
    used_up = saturations(frames, info.plan)
    terms = ContrastCriteria(info.plan, ALPHA / max(primary, 1), used_up)
    observed = by_key(frames)
    compared = _comparisons(observed, info.plan, terms)
    moved = tuple(drifts(observed, info.plan.baseline, info.plan.margin))
    del observed  # the comparisons have their own
    contrasts = tuple(_contrasts(frames, info, owed, compared, terms.alpha))
    budgets = judge_budgets(info.plan, observations)
    limits = ceilings(info, frames)
    return Analysis(
        baseline=info.plan.baseline,
        primary_contrasts=primary,
        alpha=terms.alpha,
        margin=info.plan.margin,
        contrasts=contrasts,
        nulls=tuple(comparison.null() for comparison in compared.values()),
        cells=cells.summarise(frames, info.plan, used_up),
        points=cells.points(frames),
        sentinel=machine.readings(frames.trials),
        warnings=quality.of_run(info, frames, moved, limits),
        measuring_share=quality.measuring_share(info, frames.trials),
        tally=_tally(frames.trials),
        budgets=budgets,
        budgets_kept=kept(budgets, allow_undecided=info.plan.allow_undecided),
        ceilings=limits,
    )


def _tally(trials: Trials) -> OutcomeCounts:
    counts = {kind: int(np.sum(trials.outcome.equal(kind))) for kind in ("sample", "failure")}
    by_design = int(np.sum(trials.by_design))
    return OutcomeCounts(
        samples=counts["sample"],
        failures=counts["failure"],
        by_design=by_design,
        impossible=int(np.sum(trials.outcome.equal("skip"))) - by_design,
    )


def _comparisons(
    observed: Mapping[Key, Observed], plan: PlanSummary, terms: ContrastCriteria
) -> dict[Key, CellComparison]:
    """Return one comparison a cell and metric, cells in the plan's order, metrics as declared."""
    every_place = ((c.path.value, c.probe, c.placement.value) for c in plan.cells)
    places = {place: rank for rank, place in enumerate(dict.fromkeys(every_place))}
    metrics = [name for name, metric in METRICS.items() if metric.compared]

    def rank(key: Key) -> tuple[int, int, Key]:
        return places.get(key[:3], len(places)), metrics.index(key.metric), key

    every = (key for key in observed if key.metric in metrics)
    return {key: CellComparison(key, observed[key], terms) for key in sorted(every, key=rank)}


def _contrasts(
    frames: Frames,
    info: RunInfo,
    owed: tuple[ContrastTarget, ...],
    compared: dict[Key, CellComparison],
    alpha: float,
) -> Iterator[Contrast]:
    """Yield contrasts by cell and metric, drivers in the plan's order."""
    drivers = {driver: rank for rank, driver in enumerate(info.plan.drivers)}
    left = {settled.cell: settled for settled in info.settled}
    leading = multiplicity.leading(info.plan)
    blocks = int(np.max(frames.trials.block, initial=0))
    ran = quality.ran(frames.trials)
    targets_of: defaultdict[Key, list[ContrastTarget]] = defaultdict(list)
    for target in owed:
        targets_of[target.key].append(target)
    for key, comparison in compared.items():
        for target in sorted(targets_of[key], key=lambda t: drivers.get(t.driver, len(drivers))):
            gone = left.get(_cell(target))
            until = blocks if gone is None else gone.block
            missing = quality.incomplete(
                ran[key[:3]], target, comparison, info.plan.baseline, until
            )
            contrast = comparison.contrast(target, missing)
            leads = leading.get(key.probe) == key.metric
            stopped = _stopped(info, gone, contrast, leads=leads)
            more = settles(contrast, info.plan) is None
            yield _with_doubt(
                replace(
                    contrast,
                    stopped=stopped,
                    stopped_after=None if gone is None else gone.block,
                    forecast=forecast(contrast, info.plan, alpha, until) if more else None,
                    forecast_verdict=forecast_verdict(contrast, info.plan, alpha, until),
                )
            )


def _cell(target: ContrastTarget) -> Cell:
    key = target.key
    return Cell(target.driver, Path(key.path), key.probe, Placement(key.placement))


def _stopped(info: RunInfo, gone: Settled | None, contrast: Contrast, *, leads: bool) -> Stopped:
    """Return why a contrast stopped, by what the run noted when it did."""
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
