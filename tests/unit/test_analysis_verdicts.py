import math
from dataclasses import replace

import numpy as np
import pytest

from netbench.analysis import Verdict
from netbench.analysis.stats import Floats, t_mixture
from netbench.analysis.verdicts import Evidence, judge, read
from netbench.record import METRICS

NOISE = np.array([0.010, -0.012, 0.004, -0.006, 0.011, -0.009, 0.002, 0.001])
LIMIT = math.log(1.05)


def evidence(deltas: Floats, null: Floats = NOISE, *, metric: str = "throughput") -> Evidence:
    """A contrast with these log ratios over a quiet baseline."""
    baseline = 20e9 * np.exp(NOISE[: len(deltas)])
    shifts = np.array([1, -1, -1, 1, 1, -1, 1, -1, 1, -1], dtype=np.float64)[: len(deltas)]
    return Evidence(
        metric=METRICS[metric],
        interval=t_mixture(deltas, 0.05),
        deltas=deltas,
        driver=baseline * np.exp(deltas),
        baseline=baseline,
        shifts=shifts,
        null=t_mixture(null, 0.05),
        alpha=0.05,
        margin=0.05,
    )


def kinds(case: Evidence) -> tuple[Verdict, list[str]]:
    verdict, warnings = judge(case)
    assert all(w.message and w.advice for w in warnings)
    return verdict, [w.kind for w in warnings]


@pytest.mark.parametrize(
    ("low", "high", "more", "less"),
    [
        (LIMIT + 0.001, 0.2, Verdict.FASTER, Verdict.SLOWER),
        (-0.3, -LIMIT - 0.001, Verdict.SLOWER, Verdict.FASTER),
        (0.001 - LIMIT, LIMIT - 0.001, Verdict.EQUIVALENT, Verdict.EQUIVALENT),
        (LIMIT - 0.001, 0.2, Verdict.UNDECIDED, Verdict.UNDECIDED),
        (0.01, LIMIT + 0.001, Verdict.UNDECIDED, Verdict.UNDECIDED),
        (-0.3, 0.3, Verdict.UNDECIDED, Verdict.UNDECIDED),
    ],
)
def test_the_whole_interval_must_clear_the_margin(
    low: float, high: float, more: Verdict, less: Verdict
) -> None:
    assert read((low, high), 0.05, METRICS["throughput"]) is more
    assert read((low, high), 0.05, METRICS["rtt_p50"]) is less


@pytest.mark.parametrize(
    ("shift", "verdict"),
    [(-0.25, Verdict.SLOWER), (0.25, Verdict.FASTER), (0.0, Verdict.EQUIVALENT)],
)
def test_quiet_evidence_passes_every_gate(shift: float, verdict: Verdict) -> None:
    assert kinds(evidence(shift - NOISE)) == (verdict, [])


def test_five_blocks_decide_nothing_however_clear() -> None:
    assert kinds(evidence((NOISE - 0.5)[:5])) == (Verdict.UNDECIDED, ["too-few-blocks"])


def test_six_blocks_are_too_few_for_eight_contrasts() -> None:
    six = (NOISE - 0.5)[:6]
    shared = replace(evidence(six), alpha=0.05 / 8, interval=t_mixture(six, 0.05 / 8))

    assert kinds(evidence(six)) == (Verdict.SLOWER, [])
    assert kinds(shared) == (Verdict.UNDECIDED, ["too-few-blocks"])


def test_a_baseline_that_differs_from_itself_decides_nothing() -> None:
    verdict, found = kinds(evidence(-0.25 - NOISE, null=0.05 + NOISE))

    assert (verdict, found) == (Verdict.UNDECIDED, ["null-differs"])


@pytest.mark.parametrize("shift", [-0.25, 0.0])
def test_no_noise_floor_no_verdict(shift: float) -> None:
    verdict, found = kinds(evidence(shift - NOISE, null=NOISE[:4]))

    assert (verdict, found) == (Verdict.UNDECIDED, ["no-noise-floor"])


def test_an_effect_within_the_noise_floor_is_undecided() -> None:
    loud = 10 * NOISE

    assert kinds(evidence(-0.1 - NOISE, null=loud)) == (Verdict.UNDECIDED, ["below-noise-floor"])
    assert kinds(evidence(-0.4 - NOISE, null=loud)) == (Verdict.SLOWER, [])


def test_nothing_is_equivalent_below_what_the_baseline_resolves() -> None:
    verdict, found = kinds(evidence(-NOISE, null=10 * NOISE))

    assert (verdict, found) == (Verdict.UNDECIDED, ["coarse-noise-floor"])


@pytest.mark.parametrize("arm", ["driver", "baseline"])
def test_strata_in_either_arm_leave_no_single_ratio(arm: str) -> None:
    speeds = np.array([22.0, 22.1, 11.0, 21.9, 11.1, 11.0, 22.2, 11.2]) * 1e9
    case = evidence(-0.25 - NOISE)
    split = replace(case, driver=speeds) if arm == "driver" else replace(case, baseline=speeds)
    verdict, warnings = judge(split)

    assert (verdict, [w.kind for w in warnings]) == (Verdict.UNDECIDED, ["split-values"])
    assert f"the {arm}'s values fall apart between 11.2 Gbit/s and 21.9" in warnings[0].message


def test_a_mean_that_the_median_does_not_share_is_undecided() -> None:
    """One block reaches across the margin: the range of the rest is what the mean describes."""
    deltas = np.array([-0.115, -0.12, -0.11, -0.12, -0.115, -0.12, -0.11, -0.045])
    case = evidence(deltas)
    assert case.interval.bounds is not None

    assert case.interval.bounds[1] < -LIMIT
    assert kinds(case) == (Verdict.UNDECIDED, ["median-disagrees"])


def test_drift_and_order_are_told_and_leave_the_verdict() -> None:
    drift = np.linspace(-0.4, -0.3, 8)
    case = evidence(drift)
    ordered = replace(evidence(-0.3 - NOISE), shifts=-np.sign(NOISE))

    assert kinds(case) == (Verdict.SLOWER, ["autocorrelation"])
    assert kinds(ordered) == (Verdict.SLOWER, ["position-effect"])


def test_a_wider_margin_turns_a_difference_into_equivalence() -> None:
    case = evidence(-0.08 - NOISE)

    assert kinds(case)[0] is Verdict.SLOWER
    assert kinds(replace(case, margin=0.15))[0] is Verdict.EQUIVALENT
