import math
from dataclasses import replace
from itertools import pairwise

import pytest
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


@given(st.tuples(RATIOS, RATIOS, RATIOS).map(sorted), st.sampled_from(["throughput", "rtt_p50"]))
def test_every_bar_lies_on_the_axis_in_order(values: list[float], metric: str) -> None:
    low, ratio, high = values
    contrast = contrast_of(low=low, ratio=ratio, high=high, metric=metric)

    (group,) = forest(replace(ANALYSIS, contrasts=(contrast,)))

    bar = group.bars[0]
    assert bar.at is not None
    assert 0 <= bar.low <= bar.at <= bar.high <= 100


@pytest.mark.parametrize(("metric", "unit"), [("throughput", "bit/s"), ("rtt_p50", "s")])
def test_right_is_worse_and_the_labels_are_ratios(metric: str, unit: str) -> None:
    more = contrast_of(low=1.2, ratio=1.3, high=1.4, metric=metric, unit=unit)
    less = replace(more, driver="overlay", low=0.6, ratio=0.7, high=0.8)

    (group,) = forest(replace(ANALYSIS, contrasts=(more, less)))

    above, below = (group.bars[number].at or 0.0 for number in (0, 1))
    one = group.axis.percent(1)
    labels = [float(text) for _, text in group.axis.marks]
    places = [at for at, _ in group.axis.marks]
    assert places == sorted(places)
    if metric == "throughput":
        assert above < one < below
        assert labels == sorted(labels, reverse=True)
    else:
        assert below < one < above
        assert labels == sorted(labels)
    assert group.axis.percent(1.3) == pytest.approx(above)


def test_measures_of_either_direction_share_one_scale() -> None:
    less = contrast_of(low=0.45, ratio=0.5, high=0.55)
    longer = contrast_of(
        metric="rtt_p50", unit="s", probe="tcp-rr", low=1 / 0.55, ratio=2.0, high=1 / 0.45
    )

    first, second = forest(replace(ANALYSIS, contrasts=(less, longer)))

    assert first.bars[0].at == second.bars[0].at
    assert first.bars[0].low == pytest.approx(second.bars[0].low, abs=0.01)
    assert first.axis.percent(1) == second.axis.percent(1)


def test_an_interval_without_bounds_is_open_on_both_sides() -> None:
    (group,) = forest(replace(ANALYSIS, contrasts=(contrast_of(low=None, high=None),)))

    bar = group.bars[0]
    assert (bar.low, bar.high, bar.open_low, bar.open_high) == (0, 100, True, True)


def test_an_end_that_is_not_known_goes_on_to_its_side() -> None:
    (group,) = forest(replace(ANALYSIS, contrasts=(contrast_of(low=None, ratio=0.8, high=0.9),)))

    bar = group.bars[0]  # a throughput that may be lower still is worse: to the right
    assert (bar.open_low, bar.open_high) == (False, True)


def test_without_a_contrast_there_is_no_chart() -> None:
    assert forest(replace(ANALYSIS, contrasts=())) == ()
