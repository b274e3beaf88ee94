import numpy as np
import pytest

from netbench.analysis.gates import Evidence, group_gap, reach
from netbench.analysis.stats import Bounds, Interval, order_statistics


def evidence(bounds: Bounds | None, limit: float = 0.0, twin: Bounds | None = None) -> Evidence:
    """Six blocks whose mean effect has this interval."""
    low, high = bounds or (0.0, 0.0)
    half = None if bounds is None else (high - low) / 2
    return Evidence(
        baseline="host",
        interval=Interval(6, (low + high) / 2, 1.0, half),
        limit=limit,
        twin=twin,
        gap=0.0,
        agreed=False,
        null=Interval(0, None, None, None),
        null_reach=0.0,
        counts=(6,),
        needed=6,
    )


@pytest.mark.parametrize(
    ("null", "expected"),
    [
        (None, 0.0),
        ((-0.02, 0.03), 0.0),
        ((0.01, 0.03), 0.03),
        ((-0.05, -0.01), 0.05),
    ],
)
def test_an_a_a_interval_reaches_as_far_as_its_far_end_unless_it_holds_zero(
    null: tuple[float, float] | None, expected: float
) -> None:
    assert reach(null) == expected


@pytest.mark.parametrize(
    ("bounds", "limit", "expected"),
    [
        (None, 0.0, 0.0),
        ((-1.0, 1.0), 0.0, 0.0),
        ((2.0, 3.0), 0.0, 2.0),
        ((-3.0, -2.0), 0.0, 2.0),
        ((2.0, 3.0), 5.0, 2.0),
    ],
)
def test_the_clearance_is_that_of_the_end_nearest_to_the_limit(
    bounds: tuple[float, float] | None, limit: float, expected: float
) -> None:
    assert evidence(bounds, limit).clear == expected


@pytest.mark.parametrize(
    ("twin", "expected"),
    [(None, False), ((0.1, 0.4), False), ((-0.1, 0.4), False), ((-0.4, -0.1), True)],
)
def test_only_a_twin_wholly_on_the_other_side_opposes(
    twin: tuple[float, float] | None, *, expected: bool
) -> None:
    assert evidence((0.1, 0.2), twin=twin).opposed is expected
    assert not evidence((-0.1, 0.2), twin=twin).opposed


def test_the_median_of_blocks_with_one_far_off_opposes_their_mean() -> None:
    effects = np.array([0.01, 0.02, 0.03, 0.01, 0.02, 0.03, 0.02, 0.01, -4.0])
    twin = order_statistics(effects)

    assert twin == (0.01, 0.03)
    assert evidence((-0.9, -0.1), twin=twin).opposed
    assert not evidence((0.1, 0.9), twin=twin).opposed


def test_groups_of_one_arm_count_by_what_they_do_to_the_effects() -> None:
    level = np.array([0.0, 0.7, 0.01, 0.71, 0.0, 0.69, 0.02, 0.7])
    small = np.array([0.01, 0.0, 0.02, 0.0, 0.0, 0.01, 0.0, 0.02])

    assert group_gap(level, (level,), 0.05) == pytest.approx(0.6925)
    assert group_gap(small, (level,), 0.05) < 0.01
    assert group_gap(small, (small,), 0.05) == 0
