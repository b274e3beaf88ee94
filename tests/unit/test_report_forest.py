import math
from dataclasses import replace
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st
from support.synthetic import contrast_of, reported

from netbench.report.intervals import GAP, forest, ticks

LOGS = st.floats(min_value=0.01, max_value=3)
ANALYSIS = reported().analysis
RATIOS = st.floats(min_value=1e-3, max_value=1e3)


@given(LOGS, LOGS)
def test_marks_are_apart_inside_and_hold_one(below: float, above: float) -> None:
    found = [math.log(mark) for mark in ticks(-below, above)]
    gaps = [b - a for a, b in pairwise(found)]

    assert 0 in found
    assert all(-below <= mark <= above for mark in found)
    assert all(gap >= GAP * (below + above) * 0.999 for gap in gaps)


@given(st.tuples(RATIOS, RATIOS, RATIOS).map(sorted))
def test_every_bar_lies_on_the_axis_in_order(values: list[float]) -> None:
    low, ratio, high = values
    analysis = replace(ANALYSIS, contrasts=(contrast_of(low=low, ratio=ratio, high=high),))

    chart = forest(analysis)

    assert chart is not None
    bar = chart.groups[0].bars[0]
    assert bar.at is not None
    assert 0 <= bar.low <= bar.at <= bar.high <= 100


def test_an_interval_without_bounds_is_open_on_both_sides() -> None:
    contrast = contrast_of(low=None, high=None)

    chart = forest(replace(ANALYSIS, contrasts=(contrast,)))

    assert chart is not None
    bar = chart.groups[0].bars[0]
    assert (bar.low, bar.high, bar.open_low, bar.open_high) == (0, 100, True, True)


def test_without_a_contrast_there_is_no_chart() -> None:
    assert forest(replace(ANALYSIS, contrasts=())) is None
