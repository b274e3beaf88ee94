import math
import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.golden import Case, case, cases

from netbench.errors import ConfigurationError, ProbeError
from netbench.probes import LoadedRoundTrip, TcpRoundTrip, UdpRoundTrip, strerror_name
from netbench.record import Completed, Sample

PROBE = TcpRoundTrip(seconds=1, size=14)
GOOD = {"ok", "veth", "held", "few-observations"}
CASES = cases("sockperf")
SUCCESSES = [case for case in CASES if case.name in GOOD]
FAILURES = [case for case in CASES if case.name not in GOOD]


def parse(completed: Completed) -> Sample:
    return PROBE.parse(completed, None)


def printed(text: str, label: str) -> float:
    """Return the number that stands behind a label in sockperf's output."""
    (value,) = re.findall(re.escape(label) + r" *([\d.]+)", text)
    return float(value)


@pytest.mark.parametrize("golden", SUCCESSES, ids=str)
def test_the_median_is_the_one_printed_in_seconds(golden: Case) -> None:
    text = golden.completed.stdout
    sample = parse(golden.completed)

    median = printed(text, "percentile 50.000 =")
    assert sample.value("rtt_p50") == pytest.approx(median / 1e6, rel=1e-12)
    assert sample.value("rtt_max") == pytest.approx(
        printed(text, "<MAX> observation =") / 1e6, rel=1e-12
    )


@pytest.mark.parametrize("golden", SUCCESSES, ids=str)
def test_transactions_and_mean_multiply_to_the_concurrency_of_a_closed_loop(golden: Case) -> None:
    sample = parse(golden.completed)
    details = dict(sample.details)
    rate, mean = sample.value("transactions"), details["sockperf.mean_rtt"]
    assert rate is not None
    assert isinstance(mean, float)

    if golden.name == "few-observations":  # paced by --mps, so mostly idle
        assert rate * mean < 0.1
    else:
        assert rate * mean == pytest.approx(1, abs=0.05)
    assert details["sockperf.concurrency"] == pytest.approx(rate * mean)


@pytest.mark.parametrize("golden", SUCCESSES, ids=str)
def test_received_counts_every_message_that_came_back(golden: Case) -> None:
    sample = parse(golden.completed)
    total = golden.completed.stdout.partition("[Total Run]")[2].partition("\n")[0]

    assert sample.received == printed(total, "ReceivedMessages=") * 14


def test_quantiles_ascend_from_least_to_largest() -> None:
    sample = parse(case("sockperf", "3.7", "ok"))
    positions = [position for position, _ in sample.quantiles]

    assert positions == [0.0, 0.25, 0.5, 0.75, 0.9, 0.99, 0.999, 0.9999, 1.0]
    assert sample.quantiles == tuple(sorted(sample.quantiles))


@pytest.mark.parametrize("version", ["3.6", "3.7"])
def test_percentiles_beyond_the_observations_are_left_out(version: str) -> None:
    sample = parse(case("sockperf", version, "few-observations"))

    assert dict(sample.details)["sockperf.observations"] == 54
    assert sample.value("rtt_p90") is not None
    assert sample.value("rtt_p99") is None
    assert sample.value("rtt_p999") is None


@pytest.mark.parametrize(
    ("observations", "metric", "known"),
    [
        (100, "rtt_p99", True),
        (99, "rtt_p99", False),
        (1000, "rtt_p999", True),
        (999, "rtt_p999", False),
    ],
)
def test_a_percentile_needs_one_observation_beyond_it(
    observations: int, metric: str, *, known: bool
) -> None:
    golden = case("sockperf", "3.7", "ok")
    text = re.sub(r"Total \d+ obs", f"Total {observations} obs", golden.stdout)

    assert (parse(replace(golden, stdout=text)).value(metric) is not None) is known


@pytest.mark.parametrize("golden", FAILURES, ids=str)
def test_exit_code_zero_proves_nothing(golden: Case) -> None:
    with pytest.raises(ProbeError, match=r"^sockperf"):
        parse(replace(golden.completed, exit_code=0))


@pytest.mark.parametrize("version", ["3.6", "3.7"])
@pytest.mark.parametrize(
    ("name", "words", "errno"),
    [
        ("refused", "Can`t connect socket (errno=111 Connection refused)", "ECONNREFUSED"),
        ("network-unreachable", "errno=101 Network is unreachable", "ENETUNREACH"),
        ("no-route-to-host", "errno=113 No route to host", "EHOSTUNREACH"),
        ("no-answer", "No messages were received from the server", None),
        ("server-killed", "A connection was forcibly closed by a peer", None),
        ("client-interrupted", "interrupted by user", None),
        ("client-terminated", "missing or cut short", None),
        ("usage", "Invalid duration: 0", None),
        ("half-round-trip", "Summary: Latency is", None),
    ],
)
def test_a_failure_is_told_in_the_tools_own_words(
    version: str, name: str, words: str, errno: str | None
) -> None:
    with pytest.raises(ProbeError) as caught:
        parse(case("sockperf", version, name))

    assert words in caught.value.message
    assert strerror_name(caught.value.message) == errno


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        (r"percentile 50\.000 = .*", "percentile 50.000 =    0.000"),
        (r"percentile 50\.000 = .*", "percentile 50.000 = 999999.000"),
        (r"percentile 50\.000 = .*\n", "\n"),
        (r"percentile 50\.000 = .*", "percentile 50.000 = nan"),
        (r"Total \d+ obs", "Total 0 obs"),
        (r"Total \d+ obs", "Total 1 obs"),
        (r"Total \d+ obs", "Total 999999999 obs"),
        (r"Duration\] RunTime=\S+", "Duration] RunTime=0.000"),
        (r"Run\] RunTime=\S+", "Run] RunTime=0.300"),
        (r"Run\] RunTime=\S+", "Run] RunTime=9.000"),
        (r"<MIN>.*", ""),
    ],
)
def test_figures_that_cannot_be_true_are_refused(pattern: str, text: str) -> None:
    golden = case("sockperf", "3.7", "ok")
    assert re.search(pattern, golden.stdout)

    with pytest.raises(ProbeError):
        parse(replace(golden, stdout=re.sub(pattern, text, golden.stdout)))


@pytest.mark.parametrize("exit_code", [7, -15, None])
def test_output_of_a_process_that_did_not_end_well_does_not_count(exit_code: int | None) -> None:
    with pytest.raises(ProbeError):
        parse(replace(case("sockperf", "3.7", "ok"), exit_code=exit_code))


def test_a_client_killed_by_the_deadline_says_so() -> None:
    with pytest.raises(ProbeError, match=r"not ended after 8\.0 s and was killed"):
        parse(replace(case("sockperf", "3.7", "ok"), timed_out=True, seconds=8.0))


@given(st.sampled_from(SUCCESSES), st.data())
def test_no_truncation_gives_a_number(golden: Case, data: st.DataObject) -> None:
    whole = golden.completed.stdout.rstrip()
    whole = re.sub(r"\x1b\[[0-9;]*m$", "", whole)
    length = data.draw(st.integers(0, len(whole) - 1))

    with pytest.raises(ProbeError):
        parse(replace(golden.completed, stdout=whole[:length]))


@given(st.text())
def test_other_text_is_an_error_and_nothing_else(text: str) -> None:
    with pytest.raises(ProbeError):
        parse(Completed((), 0, text, "", timed_out=False, seconds=1.0))


@given(st.sampled_from(SUCCESSES), st.data())
def test_any_figure_in_place_of_any_other_gives_a_true_number_or_an_error(
    golden: Case, data: st.DataObject
) -> None:
    text = golden.completed.stdout
    spot = data.draw(st.sampled_from(list(re.finditer(r"\d+(?:\.\d+)?", text))))
    figure = data.draw(st.floats().map(repr) | st.integers().map(str) | st.just("9" * 5000))
    changed = text[: spot.start()] + figure + text[spot.end() :]
    try:
        sample = parse(replace(golden.completed, stdout=changed))
    except ProbeError:
        return

    median = sample.value("rtt_p50")
    assert median is not None
    assert median > 0
    assert sample.received > 0
    assert all(math.isfinite(m.value) and m.value >= 0 for m in sample.measurements)


def test_the_commands_measure_full_round_trips() -> None:
    probe = TcpRoundTrip(seconds=2, size=100)

    argv = probe.client_argv("198.18.0.2", 11111, "cubic")

    command = "sockperf pp -i 198.18.0.2 -p 11111 --tcp --full-rtt -t 2 -m 100"
    assert " ".join(argv) == f"{command} --full-log /dev/stderr"
    assert " ".join(probe.server_argv("0.0.0.0", 11111)) == "sockperf sr -i 0.0.0.0 -p 11111 --tcp"  # noqa: S104 - an argument, nothing is bound
    assert probe.deadline > probe.holdable + 2


def test_the_commands_over_udp_are_those_over_tcp_without_the_word() -> None:
    tcp, udp = TcpRoundTrip(size=65472), UdpRoundTrip(size=65472)

    for ours, theirs in (
        (udp.client_argv("::1", 5, None), tcp.client_argv("::1", 5, None)),
        (udp.server_argv("::1", 5), tcp.server_argv("::1", 5)),
    ):
        assert ours == tuple(word for word in theirs if word != "--tcp")


@pytest.mark.parametrize("name", ["ok", "veth", "logged"])
def test_round_trips_of_datagrams_are_read_as_those_of_tcp(name: str) -> None:
    golden = case("sockperf-udp", "3.7", name)
    sample = UdpRoundTrip(seconds=1).parse(golden, None)

    median = printed(golden.stdout, "percentile 50.000 =")
    assert sample.value("rtt_p50") == pytest.approx(median / 1e6, rel=1e-12)


def test_a_datagram_of_any_size_counts_in_full() -> None:
    golden = case("sockperf-udp", "3.7", "large")
    sample = UdpRoundTrip(seconds=1, size=65472).parse(golden, None)
    total = golden.stdout.partition("[Total Run]")[2].partition("\n")[0]

    assert sample.received == printed(total, "ReceivedMessages=") * 65472


def test_a_lost_datagram_that_sockperf_hides_is_a_failure() -> None:
    golden = case("sockperf-udp", "3.7", "lost")
    assert "# dropped messages = 0" in golden.stdout
    assert golden.exit_code == 0

    with pytest.raises(ProbeError, match=r"sent nothing for [12]\.\d+ of 3\.\d+ s: it waited"):
        UdpRoundTrip(seconds=3).parse(golden, None)


def test_a_datagram_lost_near_the_end_leaves_the_numbers_of_the_time_before() -> None:
    golden = case("sockperf-udp", "3.7", "lost-late")
    sample = UdpRoundTrip(seconds=3).parse(golden, None)
    details = dict(sample.details)
    silent, seconds = details["sockperf.silent"], details["sockperf.seconds"]
    assert isinstance(silent, float)
    assert isinstance(seconds, float)

    assert 0.1 < silent < 1
    assert seconds + silent == pytest.approx(3 - 0.45, abs=0.15)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("lost-early", "No valid observations found"),
        ("refused", "No messages were received from the server"),
        ("no-route-to-host", "No messages were received from the server"),
        ("network-unreachable", "errno=101 Network is unreachable"),
    ],
)
def test_a_failure_over_udp_is_told_in_the_tools_own_words(name: str, words: str) -> None:
    with pytest.raises(ProbeError) as caught:
        UdpRoundTrip(seconds=1).parse(case("sockperf-udp", "3.7", name), None)

    assert words in caught.value.message


def test_a_long_run_asks_for_no_log_of_its_round_trips() -> None:
    assert "--full-log" in TcpRoundTrip(seconds=10).client_argv("198.18.0.2", 5, None)
    assert "--full-log" not in TcpRoundTrip(seconds=11).client_argv("198.18.0.2", 5, None)


def test_a_load_outlasts_what_it_loads_and_is_no_part_of_the_metrics_of_cost() -> None:
    probe = LoadedRoundTrip(seconds=3)

    assert probe.load.seconds >= probe.seconds + 1
    assert "buffer_delay" in probe.metrics
    assert not [metric for metric in probe.metrics if metric.startswith("cpu_")]


@pytest.mark.parametrize("parameters", [{"seconds": 0}, {"seconds": 1.5}, {"size": 13}])
def test_parameters_that_sockperf_would_refuse_are_refused_first(
    parameters: dict[str, int],
) -> None:
    with pytest.raises(ConfigurationError, match=rf"tcp-rr: `{next(iter(parameters))}`"):
        TcpRoundTrip(**parameters)
