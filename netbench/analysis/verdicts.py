"""From an interval to a word, and every gate that can take the word back (METHOD §2).

A gate that vetoes turns the verdict into `undecided`; one that advises only leaves its warning
beside the number. Each gate speaks for itself and says what to do.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np

from netbench.analysis.model import QualityWarning, Verdict
from netbench.analysis.pairing import Pairs
from netbench.analysis.stats import (
    MIN_BLOCKS,
    Floats,
    Interval,
    blocks_needed,
    correlation,
    order_statistics,
    serial_correlation,
    strata,
)
from netbench.record import Metric
from netbench.sentinel.rule import SPLIT_RATIO
from netbench.units import interval as shown
from netbench.units import percent, quantity, ratio, share

DECIDED: Final = (Verdict.FASTER, Verdict.SLOWER)


@dataclass(frozen=True, slots=True, kw_only=True)
class Weighed:
    """What every contrast is judged by, within one run and between two."""

    metric: Metric
    interval: Interval
    """Of the effect, on logarithms."""
    null: Interval
    """The same of the baseline's second arm against its first (A/A)."""
    alpha: float
    """This contrast's share of the error rate."""
    margin: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence(Weighed):
    """All that the gates look at for one contrast in one state; arrays are in block order."""

    deltas: Floats
    """ln(driver / baseline) of each block."""
    driver: Floats
    """The driver's values."""
    baseline: Floats
    shifts: Floats
    """Driver's position in the block minus the baseline's."""


def noise_floor(null: Interval) -> float | None:
    """Return the half-width of the A/A interval on the ratio scale, None where unbounded."""
    return None if null.half_width is None else math.expm1(null.half_width)


def contains_one(null: Interval) -> bool:
    """Tell whether the A/A interval contains the ratio 1; an unbounded one does."""
    bounds = null.bounds
    return bounds is None or bounds[0] <= 0 <= bounds[1]


def read(bounds: tuple[float, float] | None, margin: float, metric: Metric) -> Verdict:
    """Return what an interval of the log ratio says against the margin, gates aside.

    Wholly above 1 + margin or wholly below 1 / (1 + margin): `faster` or `slower` by the metric's
    good direction. Wholly inside both: `equivalent`. Anything else: `undecided`.
    """
    if bounds is None:
        return Verdict.UNDECIDED
    low, high = bounds
    limit = math.log1p(margin)
    if low > limit:
        return Verdict.FASTER if metric.better == "higher" else Verdict.SLOWER
    if high < -limit:
        return Verdict.SLOWER if metric.better == "higher" else Verdict.FASTER
    return Verdict.EQUIVALENT if -limit <= low and high <= limit else Verdict.UNDECIDED


def judge(evidence: Evidence) -> tuple[Verdict, tuple[QualityWarning, ...]]:
    """Return the verdict of a contrast with every doubt about it."""
    stated = read(evidence.interval.bounds, evidence.margin, evidence.metric)
    vetoes = [w for gate in VETOES if (w := gate(evidence, stated))]
    advice = [w for gate in ADVICE if (w := gate(evidence, stated))]
    return Verdict.UNDECIDED if vetoes else stated, (*vetoes, *advice)


def _too_few_blocks(evidence: Evidence, _: Verdict) -> QualityWarning | None:
    """METHOD §2: no verdict below 6 pairs, nor where the interval is unbounded."""
    needed = blocks_needed(evidence.alpha)
    if evidence.interval.n >= needed:
        return None
    return QualityWarning(
        "too-few-blocks",
        f"{evidence.interval.n} complete pairs; a verdict needs {needed} "
        f"(at least {MIN_BLOCKS}, more when several contrasts share the error rate)",
        "run more blocks with --blocks",
    )


def _null_differs(evidence: Evidence, _: Verdict) -> QualityWarning | None:
    """METHOD §2: the A/A interval must contain 1."""
    bounds = evidence.null.bounds
    if bounds is None or contains_one(evidence.null):
        return None
    return QualityWarning(
        "null-differs",
        "the baseline differs from its own second pair: "
        f"{shown(math.exp(bounds[0]), math.exp(bounds[1]))} leaves out 1",
        "something beside the driver differs between pairs: quiet the machine, check pins, rerun",
    )


def no_noise_floor(evidence: Weighed, stated: Verdict) -> QualityWarning | None:
    """METHOD §2: an effect must exceed the noise floor, so an unbounded one decides nothing."""
    if evidence.null.half_width is not None or stated is Verdict.UNDECIDED:
        return None
    return QualityWarning(
        "no-noise-floor",
        f"{evidence.null.n} A/A pairs in this state: the noise floor is unbounded",
        "run more blocks with --blocks, so that both baseline pairs share enough of them",
    )


def below_noise_floor(evidence: Weighed, stated: Verdict) -> QualityWarning | None:
    """METHOD §2: an effect smaller than the noise floor is undecided."""
    effect, floor = evidence.interval.mean, evidence.null.half_width
    if stated not in DECIDED or effect is None or floor is None or abs(effect) > floor:
        return None
    return QualityWarning(
        "below-noise-floor",
        f"the effect, {percent(math.exp(effect))}, is within the noise floor of "
        f"{share(math.expm1(floor))}, by which the baseline's own two pairs may differ",
        "run more blocks, or quiet the machine to lower the noise floor",
    )


def coarse_noise_floor(evidence: Weighed, stated: Verdict) -> QualityWarning | None:
    """Nothing is equivalent within a margin finer than what A/A itself resolves."""
    floor = noise_floor(evidence.null)
    if stated is not Verdict.EQUIVALENT or floor is None or floor <= evidence.margin:
        return None
    return QualityWarning(
        "coarse-noise-floor",
        f"the noise floor, {share(floor)}, is wider than the margin, {share(evidence.margin)}",
        "run more blocks, or accept a wider --margin",
    )


def _split_values(evidence: Evidence, _: Verdict) -> QualityWarning | None:
    """METHOD §2: values in strata give no single ratio; `stats.strata` has the rule."""
    arms = (("driver", evidence.driver), ("baseline", evidence.baseline))
    unit = evidence.metric.unit
    found = [
        f"the {name}'s values fall apart between {quantity(gap[0], unit)} "
        f"and {quantity(gap[1], unit)}"
        for name, values in arms
        if (gap := strata(values, math.log1p(evidence.margin)))
    ]
    if not found:
        return None
    return QualityWarning(
        "split-values",
        "; ".join(found) + ": no single ratio describes them",
        "look at the trials by time for a state of the machine that the sentinel did not see",
    )


def _median_disagrees(evidence: Evidence, stated: Verdict) -> QualityWarning | None:
    """METHOD §2: the median's order-statistic interval must give the same verdict.

    Asked only where the mean has decided: then a few odd blocks may have carried it.
    """
    twin = order_statistics(evidence.deltas)
    if stated is Verdict.UNDECIDED or twin is None:
        return None
    robust = read(twin, evidence.margin, evidence.metric)
    if robust is stated:
        return None
    return QualityWarning(
        "median-disagrees",
        f"the mean says {stated}, the median says {robust}: "
        f"{ratio(math.exp(float(np.median(evidence.deltas))))} "
        f"{shown(math.exp(twin[0]), math.exp(twin[1]))}",
        "look for outlying blocks; run more of them",
    )


def _serial_correlation(evidence: Evidence, _: Verdict) -> QualityWarning | None:
    """METHOD §2, with the chance bound of `stats.serial_correlation`."""
    r = serial_correlation(evidence.deltas)
    if r is None:
        return None
    return QualityWarning(
        "autocorrelation",
        f"neighbouring blocks resemble each other: lag-1 autocorrelation {r:+.2f}",
        "the machine drifts; the interval may be too narrow: run longer, or let it settle first",
    )


def _position_correlation(evidence: Evidence, _: Verdict) -> QualityWarning | None:
    """METHOD §2, with the chance bound of `stats.correlation`."""
    r = correlation(evidence.deltas, evidence.shifts)
    if r is None:
        return None
    return QualityWarning(
        "position-effect",
        f"the ratio follows the order within the block: correlation {r:+.2f}",
        "one trial disturbs the next: lengthen the settling time",
    )


def unsteady(pairs: Pairs, used: Pairs, needed: int) -> tuple[QualityWarning, ...]:
    """METHOD §1b: pairs of one state that did not meet one machine, left out or not."""
    moved = int(np.sum(~pairs.steady))
    if not moved:
        return ()
    left_out = len(used) < len(pairs)
    return (
        QualityWarning(
            "unsteady-pairs",
            f"the sentinel differs by more than a factor {SPLIT_RATIO:g} around {moved} of "
            f"{len(pairs)} pairs: "
            + ("they are left out" if left_out else "they count all the same"),
            "the machine changed between their trials; "
            + (
                "run on one whose CPUs are not moved about to lose none"
                if left_out
                else f"run more blocks: from {needed} steady pairs on, only those count"
            ),
        ),
    )


Gate = Callable[[Evidence, Verdict], QualityWarning | None]

VETOES: Final[tuple[Gate, ...]] = (
    _too_few_blocks,
    _null_differs,
    no_noise_floor,
    below_noise_floor,
    coarse_noise_floor,
    _split_values,
    _median_disagrees,
)
ADVICE: Final[tuple[Gate, ...]] = (_serial_correlation, _position_correlation)
