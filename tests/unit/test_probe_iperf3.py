"""TCP at a rate, run whole: what iperf3 of every version prints of it."""

import json
import math
from dataclasses import replace
from typing import Any

import iperf3
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.golden import Case, case, cases

from netbench.errors import ConfigurationError, ProbeError
from netbench.probes import TcpRate, strerror_name
from netbench.record import Completed, Sample

PROBE = TcpRate(seconds=1, omit=1, interval=0.5)
ONE_WAY = {
    "ok": PROBE,
    "cubic": PROBE,
    "veth": PROBE,
    "parallel": replace(PROBE, streams=2),
    "reverse": replace(PROBE, reverse=True),
}
TWO_WAY = {
    "bidirectional": replace(PROBE, bidirectional=True),
    "bidirectional-parallel": replace(PROBE, bidirectional=True, streams=2),
}
OTHERS = {
    "paced": replace(PROBE, streams=2, rate="200M"),
}
GOOD = ONE_WAY | TWO_WAY | OTHERS
CASES = [case for case in cases("iperf3") if not case.name.startswith("udp-")]
SUCCESSES = [case for case in CASES if case.name in ONE_WAY]
BOTH_WAYS = [case for case in CASES if case.name in TWO_WAY]
FAILURES = [case for case in CASES if case.name not in GOOD]
STREAMS = [case for case in SUCCESSES if case.name != "parallel"]


def parse(completed: Completed) -> Sample:
    """Return what the probe reads whose command it was; any other case is a plain one.

    What was captured without a rate counts as kept to the rate that came.
    """
    argv = completed.argv
    streams = int(argv[argv.index("-P") + 1]) if "-P" in argv else 1
    probe = replace(PROBE, reverse="-R" in argv, bidirectional="--bidir" in argv)
    rate = came(completed) / (2 if probe.bidirectional else 1)
    return replace(probe, streams=min(streams, 128), rate=str(round(rate))).parse(completed, None)


def came(completed: Completed) -> float:
    """Return the bit/s of all streams by their receivers, a million where that is not told."""
    try:
        ends = [row["receiver"] for row in json.loads(completed.stdout)["end"]["streams"]]
        found = sum(end["bytes"] * 8 / (end["end"] - end["start"]) for end in ends)
    except (ArithmeticError, LookupError, TypeError, ValueError, RecursionError):
        return 1e6
    return found if 1e6 <= found < 1e12 else 1e6


def changed(completed: Completed, path: str, value: object) -> Completed:
    """Return the case with one value of its JSON set, or deleted where it is None."""
    document = json.loads(completed.stdout)
    *parents, last = path.split(".")
    table = document
    for key in parents:
        table = table[key]
    if value is None:
        del table[last]
    else:
        table[last] = value
    return replace(completed, stdout=json.dumps(document))


@pytest.mark.parametrize("golden", SUCCESSES, ids=str)
def test_totals_are_the_receivers_and_those_of_the_package(golden: Case) -> None:
    received = json.loads(golden.completed.stdout)["end"]["sum_received"]
    package = iperf3.TestResult(golden.completed.stdout)

    sample = parse(golden.completed)

    assert sample.value("throughput") == received["bits_per_second"] == package.received_bps
    assert sample.received == received["bytes"] == package.received_bytes
    assert sample.returned == (sample.received if golden.name == "reverse" else 0)
    assert sample.value("retransmits") == package.retransmits


@pytest.mark.parametrize("golden", FAILURES, ids=str)
def test_anything_short_of_a_tcp_result_is_an_error(golden: Case) -> None:
    with pytest.raises(ProbeError, match=r"^iperf3"):
        parse(golden.completed)


@pytest.mark.parametrize(
    ("version", "name", "words", "errno"),
    [
        ("3.7-layout", "refused", "unable to connect to server: Connection", "ECONNREFUSED"),
        ("3.12", "refused", "unable to connect to server: Connection refused", "ECONNREFUSED"),
        ("3.18", "refused", "firewall issue, etc.: Connection refused", "ECONNREFUSED"),
        ("3.18", "network-unreachable", "Network is unreachable", "ENETUNREACH"),
        ("3.22", "no-route-to-host", "No route to host", "EHOSTUNREACH"),
        ("3.9", "refused", "unable to send control message: Bad file descriptor", "EBADF"),
        ("3.9", "server-killed", "control socket has closed unexpectedly", None),
        ("3.18", "server-killed", "control socket has closed unexpectedly", None),
        ("3.18", "server-terminated", "the server has terminated", None),
        ("3.22", "client-terminated", "interrupt - the client has terminated by signal", None),
        ("3.12", "busy", "the server is busy running a test", None),
        ("3.9", "unknown-congestion-control", "unable to set TCP_CONGESTION", None),
        ("3.18", "usage", "exit code 1 and no output: parameter error", None),
        ("3.12", "usage", "not whole JSON: parameter error", None),
        ("3.18", "server-side", "not a client's", None),
        ("3.18", "udp", "not that of a TCP test", None),
        ("3.18", "unknown-option", "exit code 1 and no output: ", None),
    ],
)
def test_a_failure_is_told_in_the_tools_own_words(
    version: str, name: str, words: str, errno: str | None
) -> None:
    with pytest.raises(ProbeError) as caught:
        parse(case("iperf3", version, name))

    assert words in caught.value.message
    assert strerror_name(caught.value.message) == errno


@pytest.mark.parametrize("golden", BOTH_WAYS, ids=str)
def test_both_directions_are_added_in_every_version(golden: Case) -> None:
    streams = json.loads(golden.completed.stdout)["end"]["streams"]
    back = sum(s["receiver"]["bytes"] for s in streams if not s["receiver"]["sender"])
    details = dict(parse(golden.completed).details)

    sample = parse(golden.completed)

    assert sample.returned == back
    assert sample.received == sum(s["receiver"]["bytes"] for s in streams)
    assert sample.value("retransmits") == sum(s["sender"]["retransmits"] for s in streams)
    window = max(s["receiver"]["end"] for s in streams)
    assert sample.value("throughput") == pytest.approx(sample.received * 8 / window)
    assert details["iperf3.reverse"] == pytest.approx(back * 8 / window)
    moved = sum(point.value * (point.end - point.start) / 8 for point in sample.series)
    assert moved == pytest.approx(sample.received, rel=0.08)


@pytest.mark.parametrize(
    ("golden", "probe"),
    [
        (case("iperf3", "3.18", "reverse"), PROBE),
        (case("iperf3", "3.18", "ok"), replace(PROBE, reverse=True)),
        (case("iperf3", "3.9", "bidirectional"), PROBE),
        (case("iperf3", "3.18", "ok"), replace(PROBE, bidirectional=True)),
        (case("iperf3", "3.18", "parallel"), PROBE),
        (case("iperf3", "3.18", "bidirectional-parallel"), TWO_WAY["bidirectional"]),
    ],
)
def test_output_of_another_direction_or_number_of_streams_is_refused(
    golden: Completed, probe: TcpRate
) -> None:
    with pytest.raises(ProbeError, match=r"not that of a .*TCP test of"):
        probe.parse(golden, None)


def test_a_rate_that_was_not_kept_gives_no_number() -> None:
    golden = case("iperf3", "3.18", "paced")
    sample = OTHERS["paced"].parse(golden, None)

    assert sample.value("throughput") == pytest.approx(200e6, rel=0.05)
    assert dict(sample.details)["iperf3.rate"] == 200e6
    with pytest.raises(ProbeError, match=r"250 Mbit/s were to be kept to, and .* came"):
        replace(OTHERS["paced"], rate="250M").parse(golden, None)


def test_an_option_that_a_version_lacks_names_the_version_that_has_it() -> None:
    golden = case("iperf3", "3.18", "unknown-option")
    old = replace(golden, stderr=golden.stderr.replace("no-such-option", "bidir"))

    assert PROBE.cannot(golden) is None
    assert PROBE.cannot(old) == "this iperf3 has no --bidir; 3.7 and later do"


@pytest.mark.parametrize("golden", SUCCESSES, ids=str)
def test_the_series_covers_the_window_without_gap_or_overlap(golden: Case) -> None:
    sample = parse(golden.completed)
    edges = [(point.start, point.end) for point in sample.series]

    assert len(edges) == 2
    assert edges[0][0] == 0
    assert edges[0][1] == edges[1][0]
    assert edges[1][1] == pytest.approx(1, abs=0.05)


@pytest.mark.parametrize("golden", SUCCESSES, ids=str)
def test_the_series_agrees_with_the_senders_total(golden: Case) -> None:
    document = json.loads(golden.completed.stdout)
    sample = parse(golden.completed)
    moved = sum(point.value * (point.end - point.start) / 8 for point in sample.series)
    counted = "sum_received" if golden.name == "reverse" else "sum_sent"

    assert moved == pytest.approx(document["end"][counted]["bytes"], rel=0.05)


def test_a_first_interval_of_misprinted_length_gets_its_true_rate() -> None:
    golden = case("iperf3", "3.12", "ok")
    document = json.loads(golden.stdout)
    first = next(row["sum"] for row in document["intervals"] if not row["sum"]["omitted"])
    first |= {"start": 0.499979, "end": 0.500139, "seconds": 1.0001, "bytes": 1_503_789_056}

    sample = parse(replace(golden, stdout=json.dumps(document)))

    assert sample.series[0].start == 0
    assert sample.series[0].value == pytest.approx(1_503_789_056 * 8 / 0.500139)


def test_an_interval_printed_twice_counts_once() -> None:
    golden = case("iperf3", "3.18", "ok")
    document = json.loads(golden.stdout)
    document["intervals"].append(document["intervals"][-1])

    assert parse(replace(golden, stdout=json.dumps(document))) == parse(golden)


@pytest.mark.parametrize("golden", STREAMS, ids=str)
def test_details_name_congestion_control_and_connection(golden: Case) -> None:
    details = dict(parse(golden.completed).details)

    if golden.name == "cubic":
        assert details["congestion_control"] == "cubic"
    assert details["iperf3.receiver_congestion_control"] == details["congestion_control"]
    assert details["iperf3.mss"] == (1448 if golden.name == "veth" else 32768)
    cpu = details["iperf3.cpu_host_total"]
    assert isinstance(cpu, float)
    assert 0 < cpu < 2
    if golden.name != "reverse":
        rtt = details["iperf3.mean_rtt"]
        assert isinstance(rtt, float)
        assert 1e-6 < rtt < 0.01
        assert details["iperf3.pmtu"] == (1500 if golden.name == "veth" else 65535)


def test_what_iperf3_prints_as_zero_for_unknown_is_left_out() -> None:
    details = dict(parse(case("iperf3", "3.18", "reverse")).details)

    assert "iperf3.mean_rtt" not in details
    assert "iperf3.max_snd_cwnd" not in details


@pytest.mark.parametrize("wrapped", [1.8446744073709552e19, -1])
def test_a_retransmit_count_of_minus_one_is_unknown(wrapped: float) -> None:
    golden = changed(case("iperf3", "3.18", "ok"), "end.sum_sent.retransmits", wrapped)

    sample = parse(golden)

    assert sample.value("retransmits") is None
    assert sample.value("throughput") is not None


def test_a_layout_without_retransmits_and_omitted_flags_is_read() -> None:
    golden = changed(case("iperf3", "3.18", "veth"), "end.sum_sent.retransmits", None)
    document = json.loads(golden.stdout)
    for row in document["intervals"]:
        del row["sum"]["omitted"]

    sample = parse(replace(golden, stdout=json.dumps(document)))

    assert sample.value("retransmits") is None
    assert sample.received == document["end"]["sum_received"]["bytes"]


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("end.sum_received.bytes", 0),
        ("end.sum_received.bytes", 10**400),
        ("end.sum_received.bytes", "many"),
        ("end.sum_received.bytes", True),
        ("end.sum_received.bits_per_second", 0),
        ("end.sum_received.bits_per_second", -1.0),
        ("end.sum_received.bits_per_second", math.inf),
        ("end.sum_received.bits_per_second", math.nan),
        ("end.sum_received.bits_per_second", 1e9),
        ("end.sum_received.seconds", 0),
        ("end.sum_received.seconds", 0.5),
        ("end.sum_sent.seconds", 3.0),
        ("end.sum_received", None),
        ("end.cpu_utilization_percent", None),
        ("end", []),
        ("start", None),
        ("error", ""),
    ],
)
def test_a_total_that_cannot_be_true_is_refused(path: str, value: object) -> None:
    with pytest.raises(ProbeError):
        parse(changed(case("iperf3", "3.18", "ok"), path, value))


@pytest.mark.parametrize("exit_code", [1, -9, None])
def test_output_of_a_process_that_did_not_end_well_does_not_count(exit_code: int | None) -> None:
    with pytest.raises(ProbeError):
        parse(replace(case("iperf3", "3.18", "ok"), exit_code=exit_code))


def test_a_client_killed_by_the_deadline_says_so() -> None:
    killed = replace(case("iperf3", "3.18", "ok"), timed_out=True, exit_code=-9, seconds=8.0)

    with pytest.raises(ProbeError, match=r"not ended after 8\.0 s and was killed"):
        parse(killed)


@given(st.sampled_from(CASES), st.data())
def test_no_truncation_gives_a_number(golden: Case, data: st.DataObject) -> None:
    text = golden.completed.stdout.rstrip()
    length = data.draw(st.integers(0, max(0, len(text) - 1)))

    with pytest.raises(ProbeError):
        parse(replace(golden.completed, stdout=text[:length], exit_code=0))


@given(
    st.text()
    | st.recursive(
        st.none() | st.booleans() | st.floats() | st.integers() | st.text(),
        lambda inner: (
            st.lists(inner)
            | st.dictionaries(
                st.sampled_from(["start", "end", "test_start", "sum_received", "bytes"]), inner
            )
        ),
    ).map(json.dumps)
)
def test_other_text_is_an_error_and_nothing_else(text: str) -> None:
    with pytest.raises(ProbeError):
        parse(Completed((), 0, text, "", timed_out=False, seconds=1.0))


@pytest.mark.parametrize("text", ["[" * 100_000, '{"start":' * 100_000, "9" * 10_000, "null"])
def test_output_made_to_break_a_reader_is_an_error_too(text: str) -> None:
    with pytest.raises(ProbeError):
        parse(Completed((), 0, text, "", timed_out=False, seconds=1.0))


VALUES = st.none() | st.booleans() | st.floats() | st.integers() | st.text() | st.just([])


@given(st.sampled_from(SUCCESSES), VALUES, st.data())
def test_any_value_in_place_of_any_other_gives_a_true_number_or_an_error(
    golden: Case, value: object, data: st.DataObject
) -> None:
    document = json.loads(golden.completed.stdout)
    table = document
    while True:
        keys = sorted(table) if isinstance(table, dict) else range(len(table))
        key = data.draw(st.sampled_from(list(keys)))
        if not table[key] or not isinstance(table[key], dict | list) or data.draw(st.booleans()):
            break
        table = table[key]
    table[key] = value
    try:
        sample = parse(replace(golden.completed, stdout=json.dumps(document)))
    except ProbeError:
        return

    for measurement in sample.measurements:
        assert math.isfinite(measurement.value)
        assert measurement.value >= 0
    throughput = sample.value("throughput")
    assert throughput is not None
    assert throughput > 0
    assert all(point.start < point.end and point.value >= 0 for point in sample.series)


def test_the_client_measures_what_the_parameters_say() -> None:
    probe = TcpRate(seconds=3, omit=2, interval=0.1)

    argv = probe.client_argv("198.18.0.2", 5301, "cubic")

    words = "iperf3 -J -c 198.18.0.2 -p 5301 -t 3 -O 2 -i 0.1 -b 1000000000 -C cubic"
    assert " ".join(argv) == words
    both = TcpRate(seconds=1, omit=0, streams=4, bidirectional=True)
    assert " ".join(both.client_argv("::1", 5301, None)) == (
        "iperf3 -J -c ::1 -p 5301 -t 1 -O 0 -i 0.1 -P 4 --bidir -b 250000000"
    )
    back = TcpRate(reverse=True).client_argv("127.0.0.1", 5301, None)
    assert " ".join(back) == "iperf3 -J -c 127.0.0.1 -p 5301 -t 2 -O 1 -i 0.1 -R -b 1000000000"
    assert probe.deadline > 5


def test_the_server_serves_one_test_on_one_address() -> None:
    argv = PROBE.server_argv("127.0.0.1", 5301)

    assert " ".join(argv) == "iperf3 -s -1 -J -B 127.0.0.1 -p 5301"


@pytest.mark.parametrize(
    "parameters",
    [
        *({"seconds": 0}, {"seconds": 2.5}, {"seconds": "2"}, {"omit": -1}, {"interval": 0.05}),
        *({"streams": 129}, {"streams": 0}, {"reverse": 1}, {"bidirectional": "yes"}),
        *({"rate": "0"}, {"rate": "fast"}, {"rate": 1_000_000}, {"rate": "1Gbit"}),
        {"reverse": True, "bidirectional": True},
    ],
)
def test_parameters_that_iperf3_would_refuse_are_refused_first(
    parameters: dict[str, Any],
) -> None:
    with pytest.raises(ConfigurationError, match=rf"tcp-rate: `{next(iter(parameters))}`"):
        TcpRate(**parameters)
