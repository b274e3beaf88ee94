"""One driver in one cell, in two runs: the contrasts of a pairing."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from netbench.analysis import multiplicity
from netbench.analysis.compare.differences import RunDifference, confounders
from netbench.analysis.compare.gates import (
    RunContrastCriteria,
    RunContrastEvidence,
    evidence_of,
    judge,
)
from netbench.analysis.compare.model import Basis, RunContrast, Side
from netbench.analysis.compare.samples import Drawn, Measured, absent, drawn, gives
from netbench.analysis.contrasts import Key
from netbench.analysis.model import Verdict
from netbench.analysis.stats import Floats
from netbench.analysis.verdicts import noise_floor
from netbench.record import METRICS
from netbench.spec import Cell

_ORDER: Final = (Verdict.SLOWER, Verdict.FASTER, Verdict.UNDECIDED, Verdict.EQUIVALENT)
"""Regressions first."""


@dataclass(frozen=True, slots=True)
class OwedContrast:
    """One contrast that a pairing owes."""

    cell: Cell
    metric: str
    basis: Basis
    primary: bool

    @property
    def key(self) -> Key:
        """Where a run keeps its numbers."""
        cell = self.cell
        return Key(cell.path.value, cell.probe, cell.placement.value, self.metric)


def places(left: Measured, right: Measured) -> tuple[OwedContrast, ...]:
    """Return the contrasts of the cells that both runs planned, and did not both rule out.

    A cell's metrics are those that either run has there and that have a ratio; where neither
    has any, the leading one stands for what is missing. The baseline has no ratio to itself, and
    two runs with two baselines have no ratio to a baseline in common.
    """
    return tuple(_places(left, right))


def _places(left: Measured, right: Measured) -> Iterator[OwedContrast]:
    plans = left.run.info.plan, right.run.info.plan
    theirs = set(plans[0].cells) - (left.skipped & right.skipped)
    given = {
        (driver, *key)
        for measured in (left, right)
        for key, seen in measured.numbers.items()
        for driver in seen.driver.seen
    }
    leading = multiplicity.leading(plans[1])
    same_baseline = plans[0].baseline == plans[1].baseline
    for cell in (cell for cell in plans[1].cells if cell in theirs):
        where = cell.driver, cell.path.value, cell.probe, cell.placement.value
        had = [name for name, one in METRICS.items() if one.compared and (*where, name) in given]
        for metric in had or filter(None, [leading.get(cell.probe)]):
            primary = all(multiplicity.is_primary(plan, *where[2:], metric) for plan in plans)
            if same_baseline and cell.driver != plans[1].baseline:
                yield OwedContrast(cell, metric, Basis.RELATIVE, primary)
            yield OwedContrast(cell, metric, Basis.ABSOLUTE, primary)


def contrasts(
    left: Measured, right: Measured, found: Sequence[RunDifference], terms: RunContrastCriteria
) -> tuple[RunContrast, ...]:
    """Return every contrast of two runs, regressions first, the largest of each kind first."""
    made = [_contrast(left, right, place, found, terms) for place in places(left, right)]
    return tuple(sorted(made, key=_rank))


def _rank(contrast: RunContrast) -> tuple[object, ...]:
    size = abs(math.log(contrast.ratio)) if contrast.ratio else 0.0
    return (not contrast.primary, _ORDER.index(contrast.verdict), bool(contrast.withheld), -size)


def _contrast(
    left: Measured,
    right: Measured,
    place: OwedContrast,
    found: Sequence[RunDifference],
    terms: RunContrastCriteria,
) -> RunContrast:
    cell, metric = place.cell, METRICS[place.metric]
    baseline = right.run.info.plan.baseline
    drivers = {cell.driver, baseline} if place.basis is Basis.RELATIVE else {cell.driver}
    withheld = confounders(found, drivers, cell.path.value, cell.probe, cell.placement.value)
    one, other = (drawn(side, place.key, cell.driver, place.basis) for side in (left, right))
    labels = left.run.label, right.run.label
    evidence = evidence_of(metric, place.basis, labels, (one, other), terms, baseline=baseline)
    bare = RunContrast(
        left=_side(left, place, one),
        right=_side(right, place, other),
        basis=place.basis,
        driver=cell.driver,
        baseline=baseline,
        path=cell.path.value,
        probe=cell.probe,
        placement=cell.placement,
        metric=place.metric,
        unit=metric.unit,
        primary=place.primary,
        ratio=None,
        low=None,
        high=None,
        difference=None,
        verdict=Verdict.UNDECIDED,
        noise_floor=None,
        machine=evidence.machine,
        withheld=tuple(dict.fromkeys(str(one) for one in withheld)),
        warnings=(),
    )
    return bare if withheld or not one.blocks or not other.blocks else _figured(bare, evidence)


def _figured(bare: RunContrast, evidence: RunContrastEvidence) -> RunContrast:
    """Return a contrast with what two samples say of it."""
    judged = judge(evidence)
    low, high = evidence.interval.bounds or (None, None)
    return replace(
        bare,
        ratio=_exp(evidence.interval.mean),
        low=_exp(low),
        high=_exp(high),
        difference=float(np.median(evidence.right.values) - np.median(evidence.left.values)),
        verdict=judged.verdict,
        reason=judged.reason,
        noise_floor=noise_floor(evidence.null),
        warnings=judged.warnings,
    )


def _exp(log: float | None) -> float | None:
    return None if log is None else math.exp(log)


def _side(measured: Measured, place: OwedContrast, sample: Drawn) -> Side:
    return Side(
        run=measured.run.label,
        blocks=sample.blocks,
        level=_level(sample.effects),
        median=float(np.median(sample.values)) if len(sample.values) else None,
        measured=gives(measured, place.cell.driver, place.key),
        reason="" if sample.blocks else absent(measured, place.cell, place.key),
    )


def _level(effects: Floats) -> float | None:
    return math.exp(float(np.mean(effects))) if len(effects) else None
