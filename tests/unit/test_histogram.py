"""Histograms: exact to a bucket."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.golden import held

from netbench.record.histogram import edges, histogram_of, rank_bucket

TIMES = st.floats(min_value=1e-9, max_value=1e5)
WIDTH = 1.0109


def bucket_of(time: float) -> int:
    ((bucket, _),) = histogram_of([time])
    return bucket


@given(TIMES)
def test_a_time_lies_between_the_edges_of_its_bucket(time: float) -> None:
    low, high = edges(bucket_of(time))

    assert low * (1 - 1e-12) <= time < high * (1 + 1e-12)
    assert high / low == pytest.approx(WIDTH, rel=1e-3)


@given(st.lists(TIMES, min_size=1), st.data())
def test_any_rank_is_found_in_the_bucket_of_its_time(
    times: list[float], data: st.DataObject
) -> None:
    rank = data.draw(st.integers(1, len(times)))

    assert rank_bucket(histogram_of(times), rank) == bucket_of(sorted(times)[rank - 1])


def test_a_rank_beyond_the_last_is_an_error() -> None:
    with pytest.raises(ValueError, match="rank 2 of 1"):
        rank_bucket(histogram_of([1.0]), 2)


def test_a_session_counts_every_round_trip_that_its_percentiles_are_made_of() -> None:
    sample = held("udp").read().sample
    count = sum(number for _, number in sample.histogram)

    assert count == dict(sample.details)["sockperf.observations"]
    assert len(sample.quantiles) > 5
    for position, value in sample.quantiles:
        rank = max(math.ceil(position * count), 1)
        assert rank_bucket(sample.histogram, rank) == bucket_of(value)
