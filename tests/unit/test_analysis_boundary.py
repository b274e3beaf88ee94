import itertools
import math

import numpy as np
import pytest

from netbench.analysis.boundary import (
    Looks,
    decided_sign,
    first_decision,
    interval,
    level,
    multiplier,
)
from netbench.analysis.stats import around_mean, tau

ALPHA = 0.05
SIX_TO_TWENTY = Looks(6, 20)


@pytest.mark.parametrize(("cap", "factor"), [(12, 3.6), (20, 2.7), (40, 2.1)])
def test_the_level_is_that_of_the_method(cap: int, factor: float) -> None:
    # METHOD §2 has the interval alone; decisions by sign take a little of the same rate.
    found = level(Looks(6, cap), ALPHA) / (0.8 * ALPHA)

    assert 0.92 * factor < found < 1.01 * factor


@pytest.mark.parametrize(
    ("cap", "share", "published"),
    [
        (40, ALPHA, {8: 3.72, 12: 3.34, 20: 3.17, 40: 3.12}),
        (20, ALPHA, {8: 3.50, 12: 3.19, 20: 3.05}),
        (16, ALPHA / 15, {16: 4.29}),
    ],
)
def test_half_widths_are_those_of_the_method(
    cap: int, share: float, published: dict[int, float]
) -> None:
    found = {n: multiplier(n, Looks(6, cap), share) for n in published}

    assert found == {n: pytest.approx(width, rel=0.02) for n, width in published.items()}


def test_one_look_is_students_t() -> None:
    # 0.8 x 0.05 in both tails of 19 degrees of freedom; the sign's 2^-19 is not to be seen.
    assert multiplier(20, Looks(20, 20), ALPHA) == pytest.approx(2.2047, abs=1e-3)
    assert multiplier(19, Looks(20, 20), ALPHA) is None


def test_more_looks_and_more_contrasts_widen_the_interval() -> None:
    caps = (6, 8, 12, 20, 40, 100, 400, 1000, 5000)
    for share in (ALPHA, ALPHA / 15, ALPHA / 200):
        widths = [multiplier(6 if cap == 6 else 8, Looks(6, cap), share) for cap in caps[1:]]
        known = [math.inf if width is None else width for width in widths]
        assert all(a <= b * 1.01 for a, b in itertools.pairwise(known))
    shares = [multiplier(12, SIX_TO_TWENTY, ALPHA / m) or 0 for m in (1, 2, 3, 5, 8, 15, 30, 100)]
    assert shares == sorted(shares)


def test_the_interval_is_never_wider_than_the_uncalibrated_one() -> None:
    for cap in (12, 40, 200, 1000, 5000):
        for n in (8, 12):
            plain, found = tau(n, 0.6 * ALPHA), multiplier(n, Looks(6, cap), ALPHA)
            assert plain is not None
            assert found is not None
            assert found < plain


def test_too_few_blocks_bound_nothing() -> None:
    few = np.array([0.1, 0.11, 0.1, 0.12, 0.1])

    assert interval(few, SIX_TO_TWENTY, ALPHA).bounds is None
    assert interval(few[:1], Looks(1, 1), ALPHA).bounds is None
    assert interval(few[:0], Looks(1, 1), ALPHA).mean is None


@pytest.mark.parametrize(("first", "cap"), [(0, 3), (7, 6)])
def test_looks_are_in_order(first: int, cap: int) -> None:
    with pytest.raises(ValueError, match="1 <= first <= cap"):
        Looks(first, cap)


def test_beyond_the_cap_both_intervals_hold() -> None:
    values = np.random.default_rng(3).normal(0.1, 0.02, 24)
    planned = interval(values[:12], Looks(6, 12), ALPHA).bounds
    extended = around_mean(values, tau(len(values), 0.2 * ALPHA)).bounds
    found = interval(values, Looks(6, 12), ALPHA)

    assert planned is not None
    assert extended is not None
    both = max(planned[0], extended[0]), min(planned[1], extended[1])
    assert found.bounds == pytest.approx(both)
    assert found.mean == pytest.approx(np.mean(values))


def test_an_extension_that_contradicts_the_plan_stands_alone() -> None:
    noise = np.random.default_rng(4).normal(0, 0.001, 60)
    values = noise + np.where(np.arange(60) < 6, 0.5, -0.01)
    planned = interval(values[:6], Looks(6, 6), ALPHA).bounds
    plain = around_mean(values, tau(len(values), 0.2 * ALPHA)).bounds

    assert planned is not None
    assert plain is not None
    assert plain[1] < planned[0]
    assert interval(values, Looks(6, 6), ALPHA).bounds == plain


def test_one_side_decides_the_sign_where_chance_does_not() -> None:
    above = np.array([0.01, 0.9, 0.02, 0.3, 0.01, 0.01, 0.5, 0.01, 0.01, 0.01])

    # 2^(1 - n) <= 0.2 x 0.05 from eight blocks on, 0.2 x 0.05 / 3 from ten on.
    assert [decided_sign(above[:n], SIX_TO_TWENTY, ALPHA) for n in (6, 7, 8, 10)] == [0, 0, 1, 1]
    assert [decided_sign(-above[:n], SIX_TO_TWENTY, ALPHA / 3) for n in (8, 9, 10)] == [0, 0, -1]
    assert decided_sign(np.append(above, -0.001), SIX_TO_TWENTY, ALPHA) == 0
    assert decided_sign(np.append(above, 0.0), SIX_TO_TWENTY, ALPHA) == 0


def test_a_sign_that_the_plan_could_not_decide_is_not_decided_beyond_it() -> None:
    assert decided_sign(np.full(20, 0.1), Looks(6, 7), ALPHA) == 0


@pytest.mark.parametrize(
    ("looks", "contrasts", "expected"),
    [
        (SIX_TO_TWENTY, 1, 6),
        (SIX_TO_TWENTY, 100, 8),
        (Looks(12, 12), 15, 12),
        (Looks(3, 3), 1, 3),
        (Looks(1, 1), 1, 6),
    ],
)
def test_the_first_decision_is_where_something_is_bounded(
    looks: Looks, contrasts: int, expected: int
) -> None:
    assert first_decision(looks, ALPHA / contrasts) == expected
