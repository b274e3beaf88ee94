"""Round trips in slices: sockperf's log, cut where its client was let go on and held."""

import json
import math
import random
import re
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from statistics import median
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.golden import Case, Held, case, cases, held
from support.sockperf_log import log_of

from netbench.errors import ConfigurationError, ProbeError
from netbench.probes import LoadedRoundTrip, TcpRoundTrip, UdpRoundTrip, Window, strerror_name
from netbench.probes.sockperf_log import rounds_of
from netbench.record import Completed, Sample

WHOLE = [held("tcp"), held("udp")]
TCP = WHOLE[0]
FAILURES = [one for one in cases("sockperf") if one.name != "ok"]
ROWS = re.compile(r"^(\d+), ([\d.]+), ([\d.]+), ([\d.]+)$", re.MULTILINE)


def rows(one: Held) -> list[tuple[float, float, float]]:
    """Return when each message left, when its answer came, and the time between, in seconds."""
    found = ROWS.findall(one.client.stderr)
    return [(float(sent), float(came), float(took) * 1e-6) for _, sent, came, took in found]


def by_hand(one: Held) -> list[list[float]]:
    """Return the round trips of each slice, told apart by the pauses of our own making."""
    times = rows(one)
    bursts: list[list[tuple[float, float, float]]] = [[times[0]]]
    for before, row in pairwise(times):
        if row[0] - before[0] > 0.08:
            bursts.append([])
        bursts[-1].append(row)
    assert len(bursts) >= len(one.windows)
    found = []
    for burst, window in zip(bursts, one.windows, strict=False):
        ahead = burst[0][0] - window.released
        first, last = window.start + ahead, window.end + ahead
        found.append([took for sent, came, took in burst if first <= sent and came < last + 0.02])
    return found


@pytest.mark.parametrize("one", WHOLE, ids=str)
def test_a_slices_value_is_the_median_of_its_round_trips(one: Held) -> None:
    session = one.read()
    expected = by_hand(one)

    for found, times in zip(session.slices, expected, strict=True):
        assert found.value == pytest.approx(median(times), rel=0.01)
        assert found.reason == ""
    values = [found.value for found in session.slices]
    logs = [math.log(value) for value in values if value is not None]
    assert len(logs) == 3, "too few for a quarter to be cut off"
    assert session.sample.value("rtt_p50") == pytest.approx(math.exp(sum(logs) / 3))


@pytest.mark.parametrize("one", WHOLE, ids=str)
def test_other_percentiles_are_of_all_round_trips_of_the_session(one: Held) -> None:
    times = sorted(took for burst in by_hand(one) for took in burst)
    sample = one.read().sample

    for metric, q in (("rtt_p90", 0.9), ("rtt_p99", 0.99), ("rtt_p999", 0.999)):
        at = round(q * len(times))
        low, high = (
            times[at - len(times) // 200 - 2],
            times[min(at + len(times) // 200, -1 % len(times))],
        )
        value = sample.value(metric)
        assert value is not None
        assert low * 0.98 <= value <= high * 1.02
    assert sample.value("rtt_max") == pytest.approx(times[-1])
    positions = [position for position, _ in sample.quantiles]
    assert positions[:6] == [0.0, 0.25, 0.5, 0.75, 0.9, 0.99]
    assert sample.quantiles == tuple(sorted(sample.quantiles))


@pytest.mark.parametrize("one", WHOLE, ids=str)
def test_a_hold_is_no_round_trip(one: Held) -> None:
    """The log has one for every hold; each took longer than all others together."""
    longest = max(took for _, _, took in rows(one))
    largest = one.read().sample.value("rtt_max")

    assert longest > 0.1
    assert largest is not None
    assert largest < 0.02


@pytest.mark.parametrize("one", WHOLE, ids=str)
def test_a_closed_loop_keeps_littles_law(one: Held) -> None:
    sample = one.read().sample
    details = dict(sample.details)
    rate, mean = sample.value("transactions"), details["sockperf.mean_rtt"]
    assert rate is not None
    assert isinstance(mean, float)

    assert rate * mean == pytest.approx(1, abs=0.05)
    assert details["sockperf.concurrency"] == pytest.approx(rate * mean)
    assert details["sockperf.observations"] == sum(count for _, count in sample.histogram)


def test_two_clients_give_the_round_trips_of_both() -> None:
    """Each by its own log and clock; the rate is the sum of theirs."""
    one = TCP.read()
    argv = TCP.probe.session_argv("::1", 5, None, 1.0)
    size = int(argv[argv.index("-m") + 1])
    both = TcpRoundTrip(rounds=len(TCP.windows), size=size, clients=2)
    ends = [(TCP.client, None), (TCP.client, None)]
    session = both.read_clients(ends, TCP.windows)
    details = dict(session.sample.details)
    alone = one.sample.value("transactions")

    assert alone is not None
    assert session.sample.value("transactions") == pytest.approx(2 * alone)
    assert session.sample.value("rtt_p50") == pytest.approx(one.sample.value("rtt_p50"))
    assert session.sample.received == 2 * one.sample.received
    assert details["sockperf.concurrency"] == pytest.approx(2, abs=0.1)


def test_a_slice_counts_only_if_every_client_worked_through_it() -> None:
    edges = [(0.0, 0.1), (0.3, 0.4), (0.6, 0.7)]
    windows = [Window(n, 1, a, a + 0.02, b) for n, (a, b) in enumerate(edges, start=1)]
    halves = [edges[0], (0.3, 0.33), edges[2]]
    done = [replace(TCP.client, stderr=log_of(each, ahead=5.0)) for each in (edges, halves)]
    found = TcpRoundTrip(rounds=3, clients=2).read_clients([(one, None) for one in done], windows)

    assert [one.value is None for one in found.slices] == [False, True, False]
    assert "of 2 clients the least" in found.slices[1].reason


def test_clients_that_came_near_their_limit_are_no_closed_loop() -> None:
    edges = [(0.0, 0.1), (0.11, 0.2)]
    windows = [Window(n, 1, a, a + 0.02, b) for n, (a, b) in enumerate(edges, start=1)]
    done = replace(TCP.client, stderr=log_of(edges, ahead=5.0, rtt=1e-5))
    probe = TcpRoundTrip(rounds=2, clients=64)

    assert "--mps" in probe.session_argv("::1", 5, None, 1.0)
    assert "--mps" not in TcpRoundTrip().session_argv("::1", 5, None, 1.0)
    with pytest.raises(ProbeError, match=r"limit of 3,125 messages per second"):
        probe.read_clients([(done, None)] * 64, windows)


@pytest.mark.parametrize("clients", [0, 65, 1.5, True, "8"])
def test_clients_are_a_whole_number_within_bounds(clients: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"`clients` is a whole number from 1 to 64"):
        TcpRoundTrip(clients=clients)


@pytest.mark.parametrize("one", WHOLE, ids=str)
def test_received_is_every_answer_from_being_let_go_on_to_the_slices_end(one: Held) -> None:
    sample, size = one.read().sample, one.probe.session_argv("::1", 5, None, 1.0)
    bytes_each = int(size[size.index("-m") + 1])
    expected = 0
    first = rows(one)[0][0] - one.windows[0].released
    for window in one.windows:
        begun, end = window.released + first - 0.02, window.end + first
        expected += sum(begun <= sent < end for sent, _, _ in rows(one))

    assert sample.received == pytest.approx(expected * bytes_each, rel=0.01)
    assert sample.received % bytes_each == 0
    assert sample.received == sum(found.received for found in one.read().slices)


def test_a_client_that_ended_by_itself_gives_what_was_measured_until_then() -> None:
    session = held("tcp-ended").read()

    assert [found.value is None for found in session.slices] == [False, False, True]
    assert session.slices[2].reason.startswith("messages flowed for 0.000 of 0.0")
    first, second = (found.value for found in session.slices[:2])
    assert first
    assert second
    assert session.sample.value("rtt_p50") == pytest.approx(math.sqrt(first * second))


@pytest.mark.parametrize(
    ("name", "words", "errno"),
    [
        ("tcp-server-killed", "A connection was forcibly closed by a peer", None),
        ("tcp-refused", "Can`t connect socket (errno=111 Connection refused)", "ECONNREFUSED"),
        ("udp-server-killed", "2 of 5 slices gave a number: messages flowed for 0.000 of", None),
    ],
)
def test_a_session_that_failed_says_so(name: str, words: str, errno: str | None) -> None:
    with pytest.raises(ProbeError) as caught:
        held(name).read()

    assert words in caught.value.message
    assert strerror_name(caught.value.message) == errno


RTT = 0.001
"""Seconds of a written log's round trips."""


def written(
    windows: Sequence[Window],
    *,
    ahead: float = 1000.0,
    silent: Sequence[tuple[float, float]] = (),
    rtt: float = RTT,
    wake: bool = True,
) -> str:
    """Return the log of a client that was let go on in these windows, its clock so far ahead.

    Args:
        windows: of the session.
        ahead: seconds.
        silent: times, by our clock, in which the client got no CPU.
        rtt: seconds of a round trip.
        wake: whether the client is let go on once more at the end.
    """
    edges = [(window.released, window.end) for window in windows]
    if wake:
        edges.append((edges[-1][1] + 0.09, edges[-1][1] + 0.12))
    parts = [part for edge in edges for part in _parts(edge, silent)]
    return log_of(parts, ahead=ahead, rtt=rtt)


def _parts(
    edge: tuple[float, float], silent: Sequence[tuple[float, float]]
) -> list[tuple[float, float]]:
    for start, end in silent:
        if edge[0] < start < edge[1]:
            return [(edge[0], start), *([(end, edge[1])] if end < edge[1] else [])]
    return [edge]


def timed(rounds: int, *, length: float = 0.06, hold: float = 0.15, seed: int = 1) -> list[Window]:
    """Return the windows of a session whose holds differ, as rounds in random order make them."""
    rng, at, found = random.Random(seed), 5.0, []  # noqa: S311 - a test's times
    for number in range(1, rounds + 1):
        found.append(Window(number, 1, at, at + 0.02, at + length))
        at += length + hold * rng.uniform(0.4, 2.0)
    return found


def session(windows: Sequence[Window], log: str, **parameters: int) -> Held:
    probe = TcpRoundTrip(rounds=len(windows), **parameters)
    return replace(TCP, probe=probe, client=replace(TCP.client, stderr=log), windows=tuple(windows))


def test_a_round_trip_in_flight_at_a_hold_is_left_out_and_no_other() -> None:
    """Each slice of 40 ms holds 40 messages of 1 ms, the last of which may be in flight."""
    windows = timed(6)
    found = rounds_of(written(windows), windows)

    for one in found:
        assert len(one.times) in {38, 39, 40}
        assert max(one.times) == pytest.approx(RTT)
        assert one.seconds == pytest.approx(0.04, abs=0.003)
        assert one.replies == pytest.approx(60, abs=1)
    sample = session(windows, written(windows)).read().sample
    assert sample.value("rtt_max") == pytest.approx(RTT)


@pytest.mark.parametrize("ahead", [-4.9, 0.0, 3.7e-3, 86_400.0])
def test_the_clock_of_the_log_may_be_any(ahead: float) -> None:
    windows = timed(5)
    expected = rounds_of(written(windows, ahead=0.0), windows)
    found = rounds_of(written(windows, ahead=ahead), windows)

    assert [len(one.times) for one in found] == [
        pytest.approx(len(one.times), abs=1) for one in expected
    ]


def test_the_clock_is_found_although_the_machine_stole_time_within_slices() -> None:
    """Each theft looks like a hold of its own."""
    windows = timed(8)
    silent = [(w.released + 0.022, w.released + 0.05) for w in windows[::2]]
    found = rounds_of(written(windows, silent=silent), windows)

    for at, one in enumerate(found):
        assert len(one.times) == pytest.approx(12 if at % 2 == 0 else 39, abs=2)
    assert max(max(one.times) for one in found[1::2]) == pytest.approx(RTT)


def test_the_clock_is_found_although_the_log_begins_in_a_later_slice() -> None:
    """The client got its CPU late: sockperf leaves out its first 0.4 s."""
    windows = timed(8)
    log = written(windows[1:])
    found = rounds_of(log, windows)

    assert not found[0].times.size
    assert all(len(one.times) == pytest.approx(39, abs=1) for one in found[1:])
    assert [s.value is None for s in session(windows, log).read().slices] == [True] + [False] * 7


@pytest.mark.parametrize("hold", [0.15, 0.01])
def test_the_clock_is_found_although_the_log_begins_late_within_the_first_slice(
    hold: float,
) -> None:
    windows = timed(8, hold=hold)
    late = replace(windows[0], released=windows[0].released + 0.03)
    found = rounds_of(written([late, *windows[1:]]), windows)

    assert len(found[0].times) == pytest.approx(30, abs=2)
    assert all(len(one.times) == pytest.approx(39, abs=1) for one in found[1:])


def test_the_clock_is_found_although_every_hold_is_as_long_as_the_others() -> None:
    """As in a round of one arm; the first slice's beginning is missing."""
    windows, at = [], 5.0
    for number in range(1, 6):
        windows.append(Window(number, 1, at, at + 0.02, at + 0.06))
        at += 0.07
    late = replace(windows[0], released=windows[0].released + 0.01)
    found = rounds_of(written([late, *windows[1:]]), windows)

    assert all(len(one.times) == pytest.approx(39, abs=1) for one in found)


def test_a_slice_in_which_messages_flowed_for_less_than_half_gives_no_value() -> None:
    windows = timed(4)
    stalled = windows[1]
    silent = [(stalled.released + 0.035, stalled.end + 1.0)]
    found = session(windows, written(windows, silent=silent)).read()

    assert [one.value is None for one in found.slices] == [False, True, False, False]
    assert re.fullmatch(r"messages flowed for 0\.01\d of 0\.040 s", found.slices[1].reason)
    assert found.slices[1].received > 0
    assert dict(found.sample.details)["sockperf.observations"] == pytest.approx(117, abs=3)


@pytest.mark.parametrize("stalled", [2, 3])
def test_half_of_the_slices_must_be_whole(stalled: int) -> None:
    windows = timed(4)
    silent = [(w.released + 0.03, w.end + 1.0) for w in windows[:stalled]]
    one = session(windows, written(windows, silent=silent))
    if stalled == 2:
        assert one.read().sample.value("rtt_p50") == pytest.approx(RTT)
        return
    with pytest.raises(ProbeError, match=r"^sockperf: 1 of 4 slices gave a number: messages"):
        one.read()


def test_answers_of_the_slice_before_are_not_counted_however_long_the_next_hold() -> None:
    """What a slice received must lie within what its links moved."""
    windows = timed(3, hold=0.05)
    later = replace(windows[2], released=windows[2].released + 2, start=0.0, end=0.0)
    later = replace(later, start=later.released + 0.02, end=later.released + 0.06)
    windows[2] = later
    found = rounds_of(written(windows), windows)

    assert [one.replies for one in found] == pytest.approx([60, 60, 60], abs=2)


def test_the_outer_quarters_of_the_slices_do_not_move_the_median() -> None:
    windows = timed(4)
    texts = [
        written([window], rtt=rtt * 1e-4, wake=False)
        for window, rtt in zip(windows, (5, 90, 7, 6), strict=True)
    ]
    log = "\n".join(texts)
    found = session(windows, log).read()

    assert [one.value for one in found.slices] == pytest.approx([5e-4, 9e-3, 7e-4, 6e-4])
    assert found.sample.value("rtt_p50") == pytest.approx(math.sqrt(7e-4 * 6e-4))


@pytest.mark.parametrize(
    ("slices", "metrics"),
    [(2, {"rtt_p90"}), (3, {"rtt_p90", "rtt_p99"}), (30, {"rtt_p90", "rtt_p99", "rtt_p999"})],
)
def test_a_percentile_needs_one_observation_beyond_it(slices: int, metrics: set[str]) -> None:
    """A slice of 40 ms holds about 39 messages."""
    windows = timed(slices)
    sample = session(windows, written(windows)).read().sample

    known = {name for name in ("rtt_p90", "rtt_p99", "rtt_p999") if sample.value(name)}
    assert known == metrics


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("7, 1.0, 1.1", "unreadable line of its log"),
        ("7, 1.0, 1.1, many", "unreadable line of its log"),
        ("7, 1.0, 1.1, nan", "round trips of no time"),
        ("7, 1.0, 1.1, 0.0", "round trips of no time"),
        ("7, 1.0, 1.1, 1e300", "round trips of no time"),
        ("7, nan, 1.1, 1.0", "sockperf.s log"),
        ("7, 1.0, inf, 1.0", "times that no run reaches"),
        ("7, -1e9, 1.1, 1.0", "times that no run reaches"),
    ],
)
def test_a_line_that_is_none_of_its_log_is_an_error(line: str, words: str) -> None:
    windows = timed(2)
    with pytest.raises(ProbeError, match=words):
        rounds_of(f"{line}\n", windows)
    with pytest.raises(ProbeError):
        rounds_of(f"{written(windows)}\n{line}\n", windows)


def test_without_a_log_or_a_slice_there_is_no_number() -> None:
    with pytest.raises(ProbeError, match="logged no round trip"):
        replace(TCP, client=replace(TCP.client, stderr="packet, txTime(sec)")).read()
    with pytest.raises(ProbeError, match="no slice was measured"):
        replace(TCP, windows=()).read()


@pytest.mark.parametrize("version", ["3.6", "3.7"])
def test_statistics_of_both_versions_are_a_run_that_went_to_its_end(version: str) -> None:
    printed = case("sockperf", version, "ok").stdout
    one = replace(TCP, client=replace(TCP.client, stdout=printed))

    assert one.read().slices == TCP.read().slices


@pytest.mark.parametrize("golden", FAILURES, ids=str)
def test_exit_code_zero_proves_nothing(golden: Case) -> None:
    done = replace(golden.completed, exit_code=0, stderr=TCP.client.stderr)
    with pytest.raises(ProbeError, match=r"^sockperf"):
        replace(TCP, client=done).read()


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
        replace(TCP, client=case("sockperf", version, name)).read()

    assert words in caught.value.message
    assert strerror_name(caught.value.message) == errno


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("refused", "No messages were received from the server"),
        ("no-route-to-host", "No messages were received from the server"),
        ("network-unreachable", "errno=101 Network is unreachable"),
    ],
)
def test_a_failure_over_udp_is_told_in_the_tools_own_words(name: str, words: str) -> None:
    with pytest.raises(ProbeError) as caught:
        replace(held("udp"), client=case("sockperf-udp", "3.7", name)).read()

    assert words in caught.value.message


@pytest.mark.parametrize("exit_code", [7, -15, None])
def test_output_of_a_process_that_did_not_end_well_does_not_count(exit_code: int | None) -> None:
    with pytest.raises(ProbeError):
        replace(TCP, client=replace(TCP.client, exit_code=exit_code)).read()


def test_a_client_killed_by_the_deadline_says_so() -> None:
    with pytest.raises(ProbeError, match=r"not ended after 8\.0 s and was killed"):
        replace(TCP, client=replace(TCP.client, timed_out=True, seconds=8.0)).read()


SHORT = session(timed(3), written(timed(3)))
"""A log that is quickly read."""


@given(st.text(), st.text())
def test_other_text_is_an_error_and_nothing_else(out: str, err: str) -> None:
    done = Completed((), 0, out, err, timed_out=False, seconds=1.0)
    for client in (done, replace(done, stdout=TCP.client.stdout)):
        with pytest.raises(ProbeError):
            replace(TCP, client=client).read()


@settings(deadline=None)
@given(st.data())
def test_any_figure_in_place_of_any_other_gives_a_true_number_or_an_error(
    data: st.DataObject,
) -> None:
    stream = data.draw(st.sampled_from(["stdout", "stderr"]))
    text = getattr(SHORT.client, stream)
    spots = list(re.finditer(r"\d+(?:\.\d+)?", text))
    spot = spots[data.draw(st.integers(0, len(spots) - 1))]
    figure = data.draw(st.floats().map(repr) | st.integers().map(str) | st.just("9" * 5000))
    spoiled = text[: spot.start()] + figure + text[spot.end() :]
    try:
        sample = replace(SHORT, client=replace(SHORT.client, **{stream: spoiled})).read().sample
    except ProbeError:
        return

    assert_sound(sample)


@settings(deadline=None)
@given(st.data())
def test_no_line_of_the_log_is_needed_for_a_true_number(data: st.DataObject) -> None:
    lines = SHORT.client.stderr.splitlines()
    first = data.draw(st.integers(0, len(lines)))
    last = data.draw(st.integers(first, len(lines)))
    cut = "\n".join(lines[:first] + lines[last:])
    try:
        sample = replace(SHORT, client=replace(SHORT.client, stderr=cut)).read().sample
    except ProbeError:
        return

    assert_sound(sample)
    assert sample.value("rtt_p50") == pytest.approx(RTT)


def assert_sound(sample: Sample) -> None:
    middle = sample.value("rtt_p50")
    assert middle is not None
    assert middle > 0
    assert sample.received > 0
    assert all(math.isfinite(m.value) and m.value >= 0 for m in sample.measurements)
    assert json.dumps(sample.histogram, allow_nan=False)


def test_the_commands_measure_full_round_trips_until_they_are_ended() -> None:
    probe = TcpRoundTrip(size=100)

    argv = probe.session_argv("198.18.0.2", 11111, "cubic", 12.3)

    command = "sockperf pp -i 198.18.0.2 -p 11111 --tcp --full-rtt -t 13 -m 100"
    assert " ".join(argv) == f"{command} --full-log /dev/stderr"
    assert " ".join(probe.server_argv("0.0.0.0", 11111)) == "sockperf sr -i 0.0.0.0 -p 11111 --tcp"  # noqa: S104 - an argument, nothing is bound


def test_the_commands_over_udp_are_those_over_tcp_without_the_word() -> None:
    tcp, udp = TcpRoundTrip(size=65472), UdpRoundTrip(size=65472)

    for ours, theirs in (
        (udp.session_argv("::1", 5, None, 1.0), tcp.session_argv("::1", 5, None, 1.0)),
        (udp.server_argv("::1", 5), tcp.server_argv("::1", 5)),
    ):
        assert ours == tuple(word for word in theirs if word != "--tcp")


def test_a_load_has_the_slices_of_what_it_loads_and_is_no_part_of_the_metrics_of_cost() -> None:
    probe = LoadedRoundTrip(rounds=3, slice=0.3)

    assert (probe.load.rounds, probe.load.slice) == (3, 0.3)
    assert probe.counted == probe.load.counted == "bytes"
    assert "buffer_delay" in probe.metrics
    assert not [metric for metric in probe.metrics if metric.startswith("cpu_")]


@pytest.mark.parametrize(
    "parameters", [{"rounds": 1}, {"rounds": 1.5}, {"slice": 0.03}, {"size": 13}, {"size": 65473}]
)
def test_parameters_that_make_no_session_are_refused_first(parameters: dict[str, int]) -> None:
    with pytest.raises(ConfigurationError, match=rf"tcp-rr: `{next(iter(parameters))}`"):
        TcpRoundTrip(**parameters)
