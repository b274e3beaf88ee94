"""From run folders' records to a comparison: each run beside the first."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from netbench.analysis.budgets import kept
from netbench.analysis.columns import groups
from netbench.analysis.compare.budgets import judge_between
from netbench.analysis.compare.conditions import Watcher, of_run
from netbench.analysis.compare.contrasts import contrasts, places
from netbench.analysis.compare.differences import accepted, differences
from netbench.analysis.compare.gates import RunContrastCriteria
from netbench.analysis.compare.model import ComparedSide, MachineState, Pairing, RunComparison
from netbench.analysis.compare.samples import Measured
from netbench.analysis.contrasts import by_key
from netbench.analysis.observations import observations_of
from netbench.analysis.pipeline import framed, judged
from netbench.analysis.series import SentinelPoint, in_columns
from netbench.analysis.stats import ALPHA
from netbench.plan.budget_scope import offered_by_runs
from netbench.record import Budget, Record, RunInfo
from netbench.spec import Placement
from netbench.units import BITS_PER_SECOND, PER_SECOND


def measured(label: str, folder: str, info: RunInfo, records: Iterable[Record]) -> Measured:
    """Read a run's records once, and return what it is compared by."""
    watcher = Watcher()
    frames = framed(info, watcher.watching(records))
    run = ComparedSide(label, folder, info, judged(info, frames))
    observations = observations_of(info.plan, frames)
    sentinel = in_columns(run.analysis.sentinel, SentinelPoint)
    value = sentinel.numbers("value")
    return Measured(
        run=run,
        conditions=of_run(info) | watcher.conditions(),
        numbers=by_key(frames),
        readings={
            str(placement): float(np.median(value[rows]))
            for (placement,), rows in groups(sentinel.words("placement"))
        },
        reasons=observations.reasons,
        skipped=observations.skipped,
    )


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a comparison is asked for."""

    accept: tuple[str, ...] = ()
    """Facts that may differ, by name or pattern."""
    budgets: tuple[Budget, ...] = ()
    """Between runs, as `offered_by_runs` reads them."""
    allow_undecided: bool = False
    """Whether a budget that is not decided counts as kept."""


def compare(runs: Sequence[Measured], wanted: Wanted = Wanted()) -> RunComparison:
    """Hold every run against the first, and budgets against whatever run they name.

    The primary contrasts of all pairings share the error rate of 5 %; their number follows from
    the plans, and from what was skipped every time.
    """
    first, *others = runs
    owed = sum(place.primary for other in others for place in places(first, other))
    margin = max(one.run.info.plan.margin for one in runs)
    terms = RunContrastCriteria(ALPHA / max(owed, 1), margin)
    offer = offered_by_runs({one.run.label: one.run.info.plan for one in runs})
    results = judge_between(wanted.budgets, offer, runs, wanted.accept, margin)
    return RunComparison(
        runs=tuple(one.run for one in runs),
        pairings=tuple(_pairing(first, other, wanted.accept, terms) for other in others),
        accept=wanted.accept,
        alpha=terms.alpha,
        contrasts=owed,
        margin=margin,
        budgets=results,
        budgets_kept=kept(results, allow_undecided=wanted.allow_undecided),
        allow_undecided=wanted.allow_undecided,
    )


def _pairing(
    left: Measured, right: Measured, accept: Sequence[str], terms: RunContrastCriteria
) -> Pairing:
    found = accepted(differences(left.conditions, right.conditions), accept)
    made = contrasts(left, right, found, terms)
    cells = [run.info.plan.cells for run in (left.run, right.run)]
    return Pairing(
        left=left.run,
        right=right.run,
        differences=found,
        contrasts=made,
        machine=tuple(_machine(left, right)),
        only_left=tuple(cell for cell in cells[0] if cell not in set(cells[1])),
        only_right=tuple(cell for cell in cells[1] if cell not in set(cells[0])),
    )


def _machine(left: Measured, right: Measured) -> Iterator[MachineState]:
    """Yield what the sentinel read of the machine in both runs."""
    for placement in Placement:
        readings = [side.readings.get(placement.value) for side in (left, right)]
        if readings[0] is not None and readings[1] is not None:
            unit = PER_SECOND if placement is Placement.SAME else BITS_PER_SECOND
            yield MachineState(placement, readings[0], readings[1], unit)
