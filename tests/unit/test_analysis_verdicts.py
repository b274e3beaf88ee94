import math
from dataclasses import replace

import numpy as np
import pytest

from netbench.analysis import Verdict
from netbench.analysis.block_pairs import Pairs
from netbench.analysis.boundary import Looks, interval
from netbench.analysis.contrasts import Judgement, evidence_of, judge, read
from netbench.analysis.gates import ContrastEvidence
from netbench.analysis.stats import Floats
from netbench.record import METRICS

NOISE = np.array([0.010, -0.012, 0.004, -0.006, 0.011, -0.009, 0.002, 0.001])
LIMIT = math.log(1.05)
ALPHA = 0.05


def once(n: int) -> Looks:
    """One look, after these blocks."""
    return Looks(max(n, 6), max(n, 6))


def evidence(
    deltas: Floats, null: Floats = NOISE, levels: Floats | float = 1.0
) -> ContrastEvidence:
    """A contrast with these log ratios over a quiet baseline, both times the levels."""
    baselines = levels * 20e9 * np.exp(np.resize(NOISE, len(deltas)))
    return evidence_of(
        METRICS["throughput"],
        "host",
        Pairs(tuple(range(1, len(deltas) + 1)), baselines * np.exp(deltas), baselines),
        interval(null, once(len(null)), ALPHA),
        margin=0.05,
        looks=once(len(deltas)),
        share=ALPHA,
    )


def kinds(found: Judgement) -> list[str]:
    assert all(w.message and w.advice for w in found.warnings)
    return [w.kind for w in found.warnings]


@pytest.mark.parametrize(
    ("low", "high", "more", "less"),
    [
        (LIMIT + 0.001, 0.2, Verdict.FASTER, Verdict.SLOWER),
        (-0.3, -LIMIT - 0.001, Verdict.SLOWER, Verdict.FASTER),
        (0.001 - LIMIT, LIMIT - 0.001, Verdict.EQUIVALENT, Verdict.EQUIVALENT),
        (0.01, 0.03, Verdict.EQUIVALENT, Verdict.EQUIVALENT),
        (0.01, LIMIT + 0.001, Verdict.FASTER, Verdict.SLOWER),
        (-0.2, -0.001, Verdict.SLOWER, Verdict.FASTER),
        (-0.001, LIMIT + 0.001, Verdict.UNDECIDED, Verdict.UNDECIDED),
        (-0.3, 0.3, Verdict.UNDECIDED, Verdict.UNDECIDED),
    ],
)
def test_an_interval_that_leaves_out_one_is_an_answer(
    low: float, high: float, more: Verdict, less: Verdict
) -> None:
    assert read((low, high), 0.05, METRICS["throughput"]) is more
    assert read((low, high), 0.05, METRICS["rtt_p50"]) is less


@pytest.mark.parametrize(
    ("shift", "verdict"),
    [(-0.25, Verdict.SLOWER), (0.25, Verdict.FASTER), (0.0, Verdict.EQUIVALENT)],
)
def test_quiet_evidence_passes_every_gate(shift: float, verdict: Verdict) -> None:
    assert judge(evidence(shift - NOISE)) == Judgement(verdict, "", by_sign=False, warnings=())


def test_five_blocks_decide_nothing_however_clear() -> None:
    found = judge(evidence((NOISE - 0.5)[:5]))

    assert (found.verdict, found.reason) == (
        Verdict.UNDECIDED,
        "5 usable blocks, at least 6 needed",
    )
    assert kinds(found) == ["too-few-blocks"]


def test_an_interval_that_holds_one_is_told_with_its_ends() -> None:
    found = judge(evidence(0.02 + 8 * NOISE))

    assert found.verdict is Verdict.UNDECIDED
    assert found.reason.startswith("interval 0.9")
    assert found.reason.endswith(" holds 1")
    assert found.warnings == ()


def test_an_end_close_to_one_is_told_with_more_digits() -> None:
    deltas = 0.04 + 5 * (NOISE - NOISE.mean())
    half = evidence(deltas).interval.half_width
    assert half is not None
    found = judge(evidence(deltas - 0.04 + half - 0.002))

    assert found.reason.startswith("interval 0.9980 to 1.")


def test_every_block_on_one_side_decides_although_the_interval_holds_one() -> None:
    deltas = -np.array([0.02, 0.03, 0.9, 0.02, 0.01, 0.04, 0.02, 0.03, 0.02, 0.02, 0.8, 0.03])
    case = evidence(deltas)
    assert case.interval.bounds is not None

    assert case.interval.bounds[1] > 0
    assert judge(case).verdict is Verdict.SLOWER
    assert judge(case).by_sign
    assert judge(evidence(np.append(deltas, 0.001))).verdict is Verdict.UNDECIDED


def test_a_baseline_that_differs_from_itself_takes_back_what_is_not_clear_of_it() -> None:
    apart = 0.06 + NOISE
    near, clear = judge(evidence(-0.07 - NOISE, apart)), judge(evidence(-0.25 - NOISE, apart))

    assert (near.verdict, near.reason) == (Verdict.UNDECIDED, "host-vs-host differs by 6 %")
    assert (clear.verdict, clear.reason) == (Verdict.SLOWER, "")
    assert kinds(near) == kinds(clear) == ["null-differs"]


def test_nothing_is_equivalent_beside_a_baseline_that_differs_by_more_than_the_margin() -> None:
    far, near = judge(evidence(-NOISE, 0.06 + NOISE)), judge(evidence(-NOISE, 0.02 + NOISE))

    assert (far.verdict, far.reason) == (Verdict.UNDECIDED, "host-vs-host differs by 6 %")
    assert near.verdict is Verdict.EQUIVALENT
    assert kinds(far) == kinds(near) == ["null-differs"]


@pytest.mark.parametrize("null", [NOISE[:3], 10 * NOISE, NOISE[:0]])
@pytest.mark.parametrize(("shift", "verdict"), [(-0.1, Verdict.SLOWER), (0.0, Verdict.EQUIVALENT)])
def test_no_verdict_is_withheld_because_the_noise_floor_is_wide_or_unbounded(
    null: Floats, shift: float, verdict: Verdict
) -> None:
    assert judge(evidence(shift - NOISE, null)).verdict is verdict
    assert judge(evidence(shift - NOISE, null)).warnings == ()


def groups(gap: float, middle: float = 0.0) -> Floats:
    """Log ratios in two groups of four, this far apart around the middle."""
    return middle + NOISE / 10 + gap * np.array([0.5, -0.5, 0.5, -0.5, -0.5, 0.5, 0.5, -0.5])


def test_two_groups_as_far_apart_as_the_effect_take_the_verdict_back() -> None:
    wide = np.concatenate([groups(0.3, 0.14)] * 4)
    found = judge(evidence(wide))

    assert (found.verdict, found.reason) == (Verdict.UNDECIDED, "values fall in two groups")
    assert kinds(found) == ["split-values"]


def test_two_groups_that_agree_on_the_sign_are_only_told() -> None:
    found = judge(evidence(groups(0.3, 0.7)))

    assert found.verdict is Verdict.FASTER
    assert kinds(found) == ["split-values"]


def test_two_levels_that_both_arms_share_are_no_groups() -> None:
    deltas = -0.25 - NOISE

    assert judge(evidence(deltas, levels=np.exp(groups(0.7)))) == judge(evidence(deltas))


def test_a_median_on_the_other_side_takes_the_verdict_back() -> None:
    """Most blocks are a little ahead; a few are so far behind that the mean is behind."""
    deltas = 0.03 + NOISE.repeat(3) / 10
    deltas[[2, 7, 12, 17, 22]] = -0.3, -0.6, -0.9, -1.2, -0.45
    case = evidence(deltas)
    found = judge(replace(case, interval=replace(case.interval, half_width=0.08)))

    assert (found.verdict, found.reason) == (Verdict.UNDECIDED, "mean and median disagree")
    assert kinds(found) == ["median-disagrees"]


def test_a_median_that_only_says_less_leaves_the_verdict() -> None:
    deltas = np.array([-0.115, -0.12, -0.11, -0.12, -0.115, -0.12, -0.11, -0.045])

    assert judge(evidence(deltas)).verdict is Verdict.SLOWER
    assert judge(evidence(deltas)).warnings == ()


def test_drift_is_told_and_leaves_the_verdict() -> None:
    found = judge(evidence(np.linspace(-0.4, -0.3, 8)))

    assert (found.verdict, kinds(found)) == (Verdict.SLOWER, ["autocorrelation"])


def test_a_wider_margin_turns_a_difference_into_equivalence() -> None:
    case = evidence(-0.08 - NOISE)

    assert judge(case).verdict is Verdict.SLOWER
    assert judge(replace(case, margin=0.15)).verdict is Verdict.EQUIVALENT
