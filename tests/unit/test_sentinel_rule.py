import math
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.campaign import window

from netbench.sentinel.rule import agree, classify, split, state_between, state_of

READINGS = st.lists(st.floats(1e3, 1e12), min_size=1, max_size=60)


def test_two_speeds_are_two_states() -> None:
    threshold = split([50e9, 49e9, 51e9, 14e9, 20e9, 17e9])

    assert threshold == pytest.approx(math.sqrt(20e9 * 49e9))


@pytest.mark.parametrize(
    "values",
    [
        pytest.param([], id="nothing read"),
        pytest.param([50e9], id="one reading"),
        pytest.param([10.0, 14.9, 22.2, 33.1], id="no gap above a factor 1.5"),
        pytest.param([50e9] * 19 + [10e9], id="one odd reading of twenty"),
    ],
)
def test_one_state(values: list[float]) -> None:
    assert split(values) is None


def test_a_tenth_of_the_readings_is_a_state() -> None:
    assert split([50e9] * 18 + [10e9] * 2) is not None


def test_the_largest_gap_decides_even_where_a_smaller_one_would_do() -> None:
    readings = [50e9] * 10 + [25e9] * 10 + [1e9]

    assert split(readings) is None


def test_a_reading_that_is_no_number_is_refused() -> None:
    with pytest.raises(ValueError, match="math domain"):
        split([50e9, 0.0])


@given(
    st.lists(st.floats(14, 20), min_size=2, max_size=12),
    st.lists(st.floats(45, 60), min_size=2, max_size=12),
    st.floats(1e-3, 1e12),
    st.randoms(),
)
def test_states_are_found_in_any_unit_and_order(
    far: list[float], near: list[float], factor: float, random: Random
) -> None:
    values = [value * factor for value in (*far, *near)]
    random.shuffle(values)
    threshold = split(values)

    assert threshold == pytest.approx(factor * math.sqrt(max(far) * min(near)))
    assert sum(state_of(value, threshold) == "near" for value in values) == len(near)


@given(READINGS)
def test_a_threshold_leaves_a_tenth_on_each_side_and_touches_none(values: list[float]) -> None:
    threshold = split(values)
    if threshold is None:
        return
    far = [value for value in values if state_of(value, threshold) == "far"]
    near = [value for value in values if state_of(value, threshold) == "near"]

    assert min(len(far), len(near)) * 10 >= len(values)
    assert min(near) / max(far) > 1.4999


@pytest.mark.parametrize(
    ("before", "after", "threshold", "state"),
    [
        (50.0, 48.0, None, "single"),
        (50.0, 48.0, 30.0, "near"),
        (20.0, 14.0, 30.0, "far"),
        (50.0, 14.0, 30.0, "mixed"),
        (14.0, 50.0, 30.0, "mixed"),
        (None, 50.0, 30.0, "unknown"),
        (50.0, None, None, "unknown"),
        (None, None, None, "unknown"),
        (0.0, 50.0, None, "unknown"),
        (math.nan, 50.0, None, "unknown"),
    ],
)
def test_a_trial_is_in_a_state_when_both_its_readings_are(
    before: float | None, after: float | None, threshold: float | None, state: str
) -> None:
    assert classify(window(before, after), threshold) == state


def test_a_machine_that_moved_during_a_trial_is_mixed_even_where_the_run_knows_one_state() -> None:
    assert state_between(53.0, 31.5, None) == "mixed"
    assert state_between(31.5, 53.0, None) == "mixed"
    assert state_between(45.0, 31.5, None) == "single"
    assert state_between(53.0, 31.5, 20.0) == "mixed"


@pytest.mark.parametrize(
    ("readings", "expected"),
    [
        ((50.0, 45.0, 40.0, 34.0), True),
        ((50.0, 45.0, 40.0, 33.0), False),
        ((50.0, None, 40.0, None), True),
        ((50.0, None, None, 20.0), False),
        ((None, None, None, None), True),
    ],
)
def test_readings_agree_within_the_factor_that_parts_states(
    readings: tuple[float | None, ...], expected: bool
) -> None:
    assert agree(readings) is expected
