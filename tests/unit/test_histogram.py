"""Histograms: exact to a bucket, and what is merged is what was counted together."""

import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.golden import case

from netbench.probes import TcpRoundTrip, UdpRoundTrip
from netbench.record import Absent
from netbench.record.histogram import bucket_of, edges, histogram_of, merge, rank_bucket

TIMES = st.floats(min_value=1e-9, max_value=1e5)
LOGGED = case("sockperf-udp", "3.7", "logged")
PROBE = UdpRoundTrip(seconds=1)
WIDTH = 1.0109


@given(TIMES)
def test_a_time_lies_between_the_edges_of_its_bucket(time: float) -> None:
    low, high = edges(bucket_of(time))

    assert low * (1 - 1e-12) <= time < high * (1 + 1e-12)
    assert high / low == pytest.approx(WIDTH, rel=1e-3)


@given(st.lists(st.lists(TIMES)))
def test_merging_counts_what_counting_together_does(parts: list[list[float]]) -> None:
    together = histogram_of(time for part in parts for time in part)

    assert merge(histogram_of(part) for part in parts) == together
    assert sum(count for _, count in together) == sum(map(len, parts))


@given(st.lists(TIMES, min_size=1), st.data())
def test_any_rank_is_found_in_the_bucket_of_its_time(
    times: list[float], data: st.DataObject
) -> None:
    rank = data.draw(st.integers(1, len(times)))

    assert rank_bucket(histogram_of(times), rank) == bucket_of(sorted(times)[rank - 1])


def test_a_rank_beyond_the_last_is_an_error() -> None:
    with pytest.raises(ValueError, match="rank 2 of 1"):
        rank_bucket(histogram_of([1.0]), 2)


def test_the_log_holds_every_round_trip_that_the_percentiles_are_made_of() -> None:
    sample = PROBE.parse(LOGGED, None)
    observations = dict(sample.details)["sockperf.observations"]
    assert isinstance(observations, int)

    assert sum(count for _, count in sample.histogram) == observations
    assert "sockperf.log" not in dict(sample.details)


def test_the_tools_percentiles_lie_in_the_buckets_of_their_ranks() -> None:
    sample = PROBE.parse(LOGGED, None)
    count = sum(number for _, number in sample.histogram)

    assert len(sample.quantiles) > 5
    for position, value in sample.quantiles:
        rank = min(max(int(0.5 + position * count), 1), count)  # as sockperf's own source has it
        assert abs(rank_bucket(sample.histogram, rank) - bucket_of(value)) <= 1


def test_a_log_that_is_cut_short_gives_no_histogram_and_says_so() -> None:
    half = LOGGED.stderr[: len(LOGGED.stderr) // 2]
    sample = PROBE.parse(replace(LOGGED, stderr=half), None)

    assert sample.histogram == ()
    missing = dict(sample.details)["sockperf.log"]
    assert isinstance(missing, Absent)
    assert re.search(r"tells \d+ of \d+ round trips", missing.reason)
    assert sample.value("rtt_p50") == PROBE.parse(LOGGED, None).value("rtt_p50")


def test_a_round_trip_of_no_time_is_none() -> None:
    text = re.sub(r"(?m)^(0, \S+ \S+) \S+$", r"\1 0.000", LOGGED.stderr)
    assert text != LOGGED.stderr

    assert PROBE.parse(replace(LOGGED, stderr=text), None).histogram == ()


def test_a_run_without_a_log_has_its_numbers_and_no_histogram() -> None:
    sample = TcpRoundTrip(seconds=1).parse(case("sockperf", "3.7", "ok"), None)

    assert sample.histogram == ()
    assert isinstance(dict(sample.details)["sockperf.log"], Absent)
