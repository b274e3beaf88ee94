"""Runs compared: each beside the first, as independent samples, for their blocks are no pairs."""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Final

import numpy as np

from netbench.analysis import multiplicity
from netbench.analysis.block_pairs import Key, grouped
from netbench.analysis.budgets import kept
from netbench.analysis.compare.budgets import RunsJudge
from netbench.analysis.compare.differences import (
    RunDifference,
    Watcher,
    accepted,
    differences,
    of_run,
)
from netbench.analysis.compare.machine import MachineState
from netbench.analysis.compare.model import (
    Basis,
    ComparedSide,
    Drawn,
    HistoryRead,
    Matched,
    Measured,
    Pairing,
    RunComparison,
    RunContrast,
    ScatterOf,
    Side,
    gives,
    no_history,
)
from netbench.analysis.contrasts import judge, noise_floor
from netbench.analysis.frame import Collector
from netbench.analysis.model import Verdict
from netbench.analysis.pipeline import judged
from netbench.analysis.stats import ALPHA
from netbench.plan.budget_scope import scope_of_runs
from netbench.record import METRICS, Budget, Record, RunInfo
from netbench.record.checks import Damage
from netbench.spec import Placement
from netbench.units import BITS_PER_SECOND, PER_SECOND

_ORDER: Final = (Verdict.SLOWER, Verdict.FASTER, Verdict.UNDECIDED, Verdict.EQUIVALENT)
"""Regressions first."""


def measured(
    label: str, folder: str, info: RunInfo, records: Iterable[Record], damage: Damage | None = None
) -> Measured:
    """Read a run's records once, while `damage` grows; return what the run is compared by."""
    watcher, collector = Watcher(), Collector()
    for record in records:
        watcher.take(record)
        collector.take(record)
    frames = collector.frames(info.plan)
    run = ComparedSide(label, folder, info, judged(info, frames, damage))
    readings = grouped((point.placement, point) for point in run.analysis.sentinel)
    return Measured(
        run=run,
        conditions=of_run(info) | watcher.conditions(),
        frames=frames,
        readings={at: float(np.median([p.value for p in own])) for at, own in readings.items()},
    )


def compare(
    runs: Sequence[Measured],
    accept: tuple[str, ...] = (),
    budgets: Sequence[Budget] = (),
    *,
    allow_undecided: bool = False,
    again: Measured | None = None,
    scatter_of: ScatterOf | None = None,
    history: HistoryRead | None = None,
) -> RunComparison:
    """Hold every run against the first, and budgets between runs against whatever run they name.

    `again` is another run of the last one, by which what misses its budget is judged again.
    `scatter_of` tells how far runs lie apart in which nothing changed, by a history. The primary
    contrasts of all pairings share the error rate of 5 %; their number follows from the plans, and
    from what was skipped every time.
    """
    first, *others = runs
    owed = sum(primary for other in others for _, primary in owed_contrasts(first, other))
    margin = max(one.run.info.plan.margin for one in runs)
    alpha = ALPHA / max(owed, 1)
    scope = scope_of_runs({one.run.label: one.run.info.plan for one in runs})
    between = RunsJudge(tuple(budgets), scope, accept, margin, scatter_of)
    if again is None:
        results = between.results(runs)
    else:
        results = between.confirmed(runs, again, allow_undecided=allow_undecided)
    return RunComparison(
        runs=tuple(one.run for one in runs),
        pairings=tuple(
            _pairing(first, other, accept, alpha, margin, scatter_of=scatter_of) for other in others
        ),
        accept=accept,
        alpha=alpha,
        contrasts=owed,
        margin=margin,
        budgets=results,
        budgets_kept=kept(results, allow_undecided=allow_undecided),
        allow_undecided=allow_undecided,
        confirmation=again.run if again else None,
        history=history,
    )


def _pairing(
    left: Measured,
    right: Measured,
    accept: Sequence[str],
    alpha: float,
    margin: float,
    *,
    scatter_of: ScatterOf | None,
) -> Pairing:
    found = accepted(differences(left.conditions, right.conditions), accept)
    made = [
        _contrast(owed, found, alpha, margin, primary=primary, scatter_of=scatter_of)
        for owed, primary in owed_contrasts(left, right)
    ]
    cells = [run.info.plan.cells for run in (left.run, right.run)]
    return Pairing(
        left=left.run,
        right=right.run,
        differences=found,
        contrasts=tuple(sorted(made, key=_rank)),
        machine=tuple(_machine(left, right)),
        only_left=tuple(cell for cell in cells[0] if cell not in set(cells[1])),
        only_right=tuple(cell for cell in cells[1] if cell not in set(cells[0])),
    )


def _machine(left: Measured, right: Measured) -> Iterator[MachineState]:
    for placement in Placement:
        if placement in left.readings and placement in right.readings:
            unit = PER_SECOND if placement is Placement.SAME else BITS_PER_SECOND
            yield MachineState(placement, left.readings[placement], right.readings[placement], unit)


def owed_contrasts(left: Measured, right: Measured) -> Iterator[tuple[Matched, bool]]:
    """Yield what both runs planned, and did not both rule out, and whether it is primary.

    A cell's metrics are those that either run has there and that have a ratio; where neither
    has any, the leading one stands for what is missing. The baseline has no ratio to itself, and
    two runs with two baselines have no ratio to a baseline in common.
    """
    plans = left.run.info.plan, right.run.info.plan
    theirs = set(plans[0].cells) - (left.frames.skipped & right.frames.skipped)
    leading = multiplicity.leading(plans[1])
    same_baseline = plans[0].baseline == plans[1].baseline
    compared = [name for name, metric in METRICS.items() if metric.compared]
    for cell in (cell for cell in plans[1].cells if cell in theirs):
        had = [m for m in compared if any(gives(side, cell, m) for side in (left, right))]
        for metric in had or filter(None, [leading.get(cell.probe)]):
            primary = all(
                multiplicity.is_primary(plan, cell.probe, cell.placement, metric) for plan in plans
            )
            relative = same_baseline and cell.driver != plans[1].baseline
            for basis in Basis if relative else [Basis.ABSOLUTE]:
                yield Matched(left, right, cell, Key.of(cell, metric), basis), primary


def _rank(contrast: RunContrast) -> tuple[object, ...]:
    """Sort regressions first, the largest of each kind first."""
    size = abs(math.log(contrast.ratio)) if contrast.ratio else 0.0
    return (not contrast.primary, _ORDER.index(contrast.verdict), bool(contrast.withheld), -size)


def _contrast(
    owed: Matched,
    found: Sequence[RunDifference],
    alpha: float,
    margin: float,
    *,
    primary: bool,
    scatter_of: ScatterOf | None,
) -> RunContrast:
    owed = owed.scattered(scatter_of)
    left, right = owed.samples
    evidence = owed.evidence(alpha, margin)
    bare = RunContrast(
        *owed.key,
        left=_side(owed.left, owed, left),
        right=_side(owed.right, owed, right),
        basis=owed.basis,
        driver=owed.cell.driver,
        baseline=owed.baseline,
        unit=evidence.metric.unit,
        primary=primary,
        machine=None if evidence.machine is None else evidence.machine.ratio,
        withheld=owed.withheld(found),
    )
    if bare.withheld or not evidence.blocks:
        return bare
    judgement = judge(evidence)
    low, high = evidence.interval.bounds or (None, None)
    return replace(
        bare,
        ratio=_exp(evidence.interval.mean),
        low=_exp(low),
        high=_exp(high),
        difference=float(np.median(right.values) - np.median(left.values)),
        verdict=judgement.verdict,
        reason=judgement.reason,
        noise_floor=noise_floor(evidence.null),
        warnings=(*judgement.warnings, *no_history(owed, asked=scatter_of is not None)),
        history=owed.scatter,
    )


def _exp(log: float | None) -> float | None:
    return None if log is None else math.exp(log)


def _side(measured: Measured, owed: Matched, sample: Drawn) -> Side:
    return Side(
        run=sample.label,
        blocks=sample.blocks,
        level=_exp(float(np.mean(sample.effects))) if sample.blocks else None,
        median=float(np.median(sample.values)) if sample.blocks else None,
        measured=gives(measured, owed.cell, owed.key.metric),
        reason=sample.absent,
    )
