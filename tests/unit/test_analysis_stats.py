import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from netbench.analysis.stats import (
    Floats,
    Interval,
    around_mean,
    correlation,
    order_statistics,
    serial_correlation,
    strata,
    tau,
)


def t_mixture(deltas: Floats, alpha: float) -> Interval:
    """The anytime-valid interval at this share of the error rate."""
    return around_mean(deltas, tau(len(deltas), alpha))


BLOCKS = (5, 6, 8, 10, 12, 16, 20, 30, 40)


@pytest.mark.parametrize(
    ("share", "published"),
    [
        (1, (8.45, 5.45, 4.25, 3.87, 3.68, 3.51, 3.42, 3.35, 3.32)),
        (4, (None, 12.9, 6.04, 5.06, 4.64, 4.26, 4.09, 3.91, 3.84)),
        (8, (None, None, 7.33, 5.76, 5.16, 4.65, 4.42, 4.18, 4.09)),
    ],
)
def test_tau_is_that_of_the_method(share: int, published: tuple[float | None, ...]) -> None:
    for n, expected in zip(BLOCKS, published, strict=True):
        found = tau(n, 0.05 / share)

        assert found == (expected if expected is None else pytest.approx(expected, abs=0.05))
        if expected is not None and expected < 10:
            assert found == pytest.approx(expected, abs=0.006)


def test_few_blocks_bound_nothing() -> None:
    assert [tau(n, 0.05) for n in range(5)] == [None] * 5
    assert t_mixture(np.array([0.1]), 0.05).bounds is None
    assert t_mixture(np.array([]), 0.05).mean is None


def test_the_interval_is_tau_standard_errors_around_the_mean() -> None:
    deltas = np.array([-0.25, -0.23, -0.26, -0.24, -0.22, -0.27])
    found = t_mixture(deltas, 0.05)
    width = 5.4497 * np.std(deltas, ddof=1) / math.sqrt(6)

    assert found.bounds == pytest.approx((-0.245 - width, -0.245 + width), rel=1e-4)


@pytest.mark.parametrize(("n", "low", "high"), [(6, 0, 5), (8, 0, 7), (9, 1, 7), (20, 5, 14)])
def test_order_statistics_are_the_tables_of_the_sign_test(n: int, low: int, high: int) -> None:
    values = np.arange(n, dtype=np.float64)

    assert order_statistics(values[::-1]) == (low, high)


def test_five_values_bound_no_median() -> None:
    assert order_statistics(np.arange(5.0)) is None


def test_a_steady_drift_is_autocorrelation() -> None:
    noise = np.random.default_rng(3).normal(0, 0.002, 12)

    assert serial_correlation(np.linspace(0, 0.1, 12) + noise) == pytest.approx(0.75, abs=0.05)


def test_seven_blocks_say_nothing_of_correlation() -> None:
    drift = np.linspace(0, 0.1, 7)

    assert serial_correlation(drift) is None
    assert correlation(drift, drift) is None


def test_an_effect_of_order_is_found() -> None:
    shifts = np.array([1, -1, 2, -2, 1, -1, 2, -1], dtype=np.float64)
    noise = np.random.default_rng(3).normal(0, 0.01, 8)

    assert correlation(0.05 * shifts + noise, shifts) == pytest.approx(1, abs=0.05)


def test_constant_ratios_have_no_correlation() -> None:
    same = np.full(10, math.log(0.78))

    assert serial_correlation(same) is None
    assert correlation(same, np.arange(10.0)) is None


def test_two_speeds_in_one_arm_are_strata() -> None:
    values = np.array([22.1, 21.8, 11.2, 22.4, 10.9, 11.0, 22.0, 11.1]) * 1e9
    above = strata(np.log(values), math.log(1.05))

    assert above is not None
    assert above.tolist() == (values > 15e9).tolist()


@pytest.mark.parametrize(
    "values",
    [
        pytest.param([22.1, 21.8, 22.4, 22.0, 21.9, 22.2, 22.3, 11.0], id="one outlier"),
        pytest.param([10.0, 10.01, 10.02, 10.03, 10.3, 10.31, 10.32, 10.33], id="within margin"),
        pytest.param([10.0, 11.0, 12.1, 13.3, 15.2, 16.7, 18.4, 20.2], id="wide and even"),
        pytest.param([10.0, 10.1, 20.0, 20.1, 20.2], id="five values"),
        pytest.param(
            [10.0, 10.1, 10.2, 11.6, 11.7, 14.9, 15.0, 17.3], id="scatter as wide as its gap"
        ),
    ],
)
def test_values_that_are_one_stratum(values: list[float]) -> None:
    assert strata(np.log(values), math.log(1.05)) is None


@given(
    st.lists(st.floats(10, 11), min_size=3, max_size=9),
    st.lists(st.floats(30, 33), min_size=3, max_size=9),
    st.floats(1e-6, 1e6),
)
def test_strata_are_found_in_any_unit(slow: list[float], fast: list[float], factor: float) -> None:
    above = strata(np.log(np.array(fast + slow) * factor), math.log(1.05))

    assert above is not None
    assert above.tolist() == [True] * len(fast) + [False] * len(slow)


@given(st.lists(st.floats(-2, 2), min_size=5, max_size=30), st.floats(-1, 1))
def test_a_shift_moves_the_interval_and_keeps_its_width(values: list[float], by: float) -> None:
    here, there = (t_mixture(np.array(v), 0.05) for v in (values, [x + by for x in values]))
    assert here.mean is not None
    assert here.half_width is not None

    assert there.mean == pytest.approx(here.mean + by, abs=1e-9)
    assert there.half_width == pytest.approx(here.half_width, abs=1e-9)
