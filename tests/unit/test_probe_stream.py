"""TCP throughput in slices: what is read of sessions of iperf3 as they really ended."""

import json
import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.golden import Held, case, held

from netbench.errors import ConfigurationError, ProbeError
from netbench.probes import Count, TcpThroughput, Window
from netbench.record import Completed, Sample
from netbench.spec import Role

STREAM, BOTH = held("stream"), held("stream-bidirectional")
WHOLE = [held(f"stream{way}") for way in ("", "-parallel", "-reverse", "-bidirectional")]
CHANGED = Callable[[dict[str, Any]], None]


def by_hand(one: Held) -> list[float]:
    """Return bit/s of each slice from what the kernel had counted at its edges."""
    found = []
    for window in one.windows:
        assert window.counts
        first, last = window.counts
        server, client = last.server - first.server, last.client - first.client
        reverse, both = "-R" in one.client.argv, "--bidir" in one.client.argv
        count = server + client if both else client if reverse else server
        found.append(8 * count / (last.at - first.at))
    return found


def changed(done: Completed, change: CHANGED) -> Completed:
    document = json.loads(done.stdout)
    change(document)
    return replace(done, stdout=json.dumps(document))


def with_counts(one: Held, *counts: tuple[Count, Count] | None) -> Held:
    """Return a session whose first slices were counted otherwise."""
    windows = [
        replace(window, counts=edges) for window, edges in zip(one.windows, counts, strict=False)
    ]
    return replace(one, windows=(*windows, *one.windows[len(counts) :]))


@pytest.mark.parametrize("one", WHOLE, ids=str)
def test_a_slices_value_is_what_the_kernel_counted_over_its_time(one: Held) -> None:
    session = one.read()
    values = by_hand(one)

    assert [s.value for s in session.slices] == pytest.approx(values)
    mean = math.exp(sum(map(math.log, values)) / len(values))
    assert session.sample.value("throughput") == pytest.approx(mean)
    assert [(s.round, s.order) for s in session.slices] == [(n, 1) for n in (1, 2, 3, 4)]
    assert [(s.start, s.end) for s in session.slices] == [(w.start, w.end) for w in one.windows]
    assert all(s.reason == "" for s in session.slices)


@pytest.mark.parametrize("one", WHOLE, ids=str)
def test_the_kernels_count_is_what_iperf3_itself_counted_meanwhile(one: Held) -> None:
    """The session holds a wake-up, edges and pauses beside what the slices count."""
    sample, server = one.read().sample, one.server
    assert server
    totals = [
        json.loads(end.stdout)["end"][f"sum_received{way}"]["bytes"]
        for end in (one.client, server)
        for way in ("", "_bidir_reverse")
        if f"sum_received{way}" in json.loads(end.stdout)["end"]
    ]

    assert 0.25 * sum(totals) < sample.received <= sum(totals)


@pytest.mark.parametrize("one", WHOLE, ids=str)
def test_bytes_are_told_by_direction(one: Held) -> None:
    sample = one.read().sample
    reverse, both = "-R" in one.client.argv, "--bidir" in one.client.argv

    assert sample.received >= sample.returned
    assert (sample.returned > 0) == (reverse or both)
    assert (sample.received > sample.returned) == (not reverse)
    assert sample.received == sum(s.received + s.returned for s in one.read().slices)


@pytest.mark.parametrize(("one", "ends"), [(w, e) for w, e in zip(WHOLE, "ccsb", strict=True)])
def test_retransmits_are_those_of_whoever_sent(one: Held, ends: str) -> None:
    assert one.server
    told = {
        "c": json.loads(one.client.stdout)["end"]["sum_sent"].get("retransmits"),
        "s": json.loads(one.server.stdout)["end"]["sum_sent"].get("retransmits"),
    }
    if ends == "b":
        back = json.loads(one.server.stdout)["end"]["sum_sent_bidir_reverse"]["retransmits"]
        told["b"] = told["c"] + back

    assert one.read().sample.value("retransmits") == told[ends]


def test_each_direction_is_told_where_there_are_two() -> None:
    details = dict(BOTH.read().sample.details)
    forward, back = details["iperf3.forward"], details["iperf3.reverse"]
    assert isinstance(forward, float)
    assert isinstance(back, float)

    slices = BOTH.read().slices
    rates = [8 * one.received / (one.end - one.start) for one in slices]
    assert forward == pytest.approx(sum(rates) / len(rates))
    assert forward + back == pytest.approx(sum(by_hand(BOTH)) / len(slices), rel=0.02)


def test_the_series_is_the_slices_since_the_first_one() -> None:
    session = STREAM.read()

    assert [p.value for p in session.sample.series] == [s.value for s in session.slices]
    assert session.sample.series[0].start == 0
    assert session.sample.series[1].start == pytest.approx(
        session.slices[1].start - session.slices[0].start
    )


def test_details_name_version_and_congestion_control() -> None:
    details = dict(STREAM.read().sample.details)

    assert details["iperf3.version"] == "iperf 3.18"
    assert details["congestion_control"] in {"bbr", "cubic"}
    assert details["iperf3.mss"] == 32768


def test_a_slice_that_was_not_counted_has_a_reason_and_the_others_give_the_number() -> None:
    one = with_counts(STREAM, None)
    session = one.read()

    assert session.slices[0].value is None
    assert session.slices[0].reason == "what iperf3 has read could not be counted"
    rest = by_hand(STREAM)[1:]
    mean = math.exp(sum(map(math.log, rest)) / len(rest))
    assert session.sample.value("throughput") == pytest.approx(mean)
    assert len(session.sample.series) == 3


def test_a_slice_in_which_nothing_came_is_no_slice_of_zero() -> None:
    counts = STREAM.windows[1].counts
    assert counts
    still = (counts[0], replace(counts[0], at=counts[1].at))
    session = with_counts(STREAM, STREAM.windows[0].counts, still).read()

    assert session.slices[1].value is None
    assert session.slices[1].reason == "no bytes came"
    assert session.slices[1].received == 0


def test_one_direction_that_stood_still_is_no_slice_of_two() -> None:
    counts = BOTH.windows[0].counts
    assert counts
    half = (counts[0], replace(counts[1], server=counts[0].server))

    assert with_counts(BOTH, half).read().slices[0].reason == "no bytes came"


@pytest.mark.parametrize("missing", [1, 2, 3, 4])
def test_half_of_the_slices_must_be_whole(missing: int) -> None:
    one = with_counts(STREAM, *[None] * missing)
    if missing <= 2:
        assert one.read().sample.value("throughput")
        return
    with pytest.raises(ProbeError, match=rf"{4 - missing} of 4 slices .*could not be counted$"):
        one.read()


def test_slices_that_were_never_measured_count_as_missing() -> None:
    assert replace(STREAM, windows=STREAM.windows[:2]).read().sample.received
    with pytest.raises(ProbeError, match="1 of 4 slices gave a number"):
        replace(STREAM, windows=STREAM.windows[:1]).read()
    with pytest.raises(ProbeError, match="0 of 4 slices gave a number"):
        replace(STREAM, windows=()).read()


@pytest.mark.parametrize("name", ["stream", "stream-reverse", "stream-bidirectional"])
def test_what_the_kernel_counted_and_iperf3_did_not_is_no_number(name: str) -> None:
    """Another reader of the same process, or a counter that is not the receiver's."""
    one = held(name)
    client, server = one.client, one.server
    assert server

    def half(document: dict[str, Any]) -> None:
        for row in document["end"]["streams"]:
            row["receiver"]["bytes"] //= 4

    if name != "stream-reverse":
        one = replace(one, server=changed(server, half))
    else:
        one = replace(one, client=changed(client, half))
    with pytest.raises(ProbeError, match=r"says that it received \d+ bytes where its process read"):
        one.read()


def test_a_client_that_ended_by_itself_gives_what_was_measured_until_then() -> None:
    one = held("stream-ended")
    session = one.read()

    assert one.client.exit_code == 0
    assert [s.value is None for s in session.slices] == [False, False, False, True]


def test_a_server_that_complains_after_its_client_ended_has_served_it() -> None:
    """Seen of iperf3 3.18: its timer looks at a socket that is closed by then."""
    assert STREAM.server
    first = '"error":\t"the client has terminated"'
    assert STREAM.server.stdout.count(first) == 1
    second = f'{first},\n\t"error":\t"getsockopt - Bad file descriptor"'
    both = replace(STREAM.server, stdout=STREAM.server.stdout.replace(first, second))
    other = replace(both, stdout=both.stdout.replace(first, '"error":\t"unable to read"'))

    assert replace(STREAM, server=both).read() == STREAM.read()
    with pytest.raises(ProbeError, match=r"^iperf3: unable to read$"):
        replace(STREAM, server=other).read()


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("stream-server-killed", "control socket has closed unexpectedly"),
        ("stream-refused", "Connection refused"),
    ],
)
def test_a_session_that_failed_says_so_in_the_tools_own_words(name: str, words: str) -> None:
    with pytest.raises(ProbeError, match=words):
        held(name).read()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"server": None}, "server did not end with its client"),
        ({"server": STREAM.client}, "interrupt - the client has terminated"),
        ({"client": STREAM.server}, "^iperf3: the client has terminated"),
        ({"client": replace(STREAM.client, exit_code=-9)}, "killed by signal 9"),
        ({"client": replace(STREAM.client, exit_code=None)}, "ended unseen"),
        ({"client": replace(STREAM.client, timed_out=True)}, "was killed"),
        ({"server": replace(STREAM.client, stdout="")}, "no output"),
        ({"client": case("iperf3", "3.18", "udp")}, "not that of a TCP test"),
        ({"client": case("iperf3", "3.18", "usage")}, "parameter error"),
        ({"client": replace(STREAM.client, stdout="[]")}, "JSON that is no result"),
        (
            {"client": changed(STREAM.client, lambda d: d.update(error="interrupt"))},
            "iperf3: interrupt",
        ),
    ],
)
def test_anything_but_a_session_that_we_ended_is_an_error(
    change: dict[str, Completed | None], words: str
) -> None:
    with pytest.raises(ProbeError, match=words):
        replace(STREAM, **change).read()  # type: ignore[arg-type] # fields of a session


@settings(deadline=None)
@given(st.data())
def test_no_truncation_gives_a_number(data: st.DataObject) -> None:
    one = data.draw(st.sampled_from(WHOLE))
    assert one.server
    role = data.draw(st.sampled_from(["client", "server"]))
    done = getattr(one, role)
    text = done.stdout.rstrip()
    cut = replace(done, stdout=text[: data.draw(st.integers(0, len(text) - 1))])

    with pytest.raises(ProbeError):
        replace(one, **{role: cut}).read()


VALUES = (
    st.none() | st.booleans() | st.floats() | st.integers() | st.text() | st.just([]) | st.just({})
)


@settings(deadline=None)
@given(st.sampled_from(WHOLE), st.sampled_from(["client", "server"]), VALUES, st.data())
def test_any_value_in_place_of_any_other_gives_a_true_number_or_an_error(
    one: Held, role: str, value: object, data: st.DataObject
) -> None:
    done = getattr(one, role)
    document = json.loads(done.stdout)
    table = document
    while True:
        keys = sorted(table) if isinstance(table, dict) else range(len(table))
        key = data.draw(st.sampled_from(list(keys)))
        if not table[key] or not isinstance(table[key], dict | list) or data.draw(st.booleans()):
            break
        table = table[key]
    table[key] = value
    spoiled = replace(done, stdout=json.dumps(document))
    try:
        sample = replace(one, **{role: spoiled}).read().sample
    except ProbeError:
        return

    assert_sound(sample)
    assert sample.value("throughput") == one.read().sample.value("throughput")


def assert_sound(sample: Sample) -> None:
    for measurement in sample.measurements:
        assert math.isfinite(measurement.value)
        assert measurement.value >= 0


@given(st.text(), st.text(), st.sampled_from([0, 1, -9, None]))
def test_other_text_is_an_error_and_nothing_else(out: str, err: str, code: int | None) -> None:
    done = Completed((), code, out, err, timed_out=False, seconds=1.0)
    for changes in ({"client": done}, {"server": done}, {"client": done, "server": done}):
        with pytest.raises(ProbeError):
            replace(STREAM, **changes).read()  # type: ignore[arg-type] # fields of a session


def test_the_commands_measure_until_they_are_ended() -> None:
    probe = TcpThroughput()

    assert " ".join(probe.session_argv("198.18.0.2", 5301, "cubic", 20.5)) == (
        "iperf3 -J -c 198.18.0.2 -p 5301 -t 21 -i 0.1 -C cubic"
    )
    both = replace(probe, streams=4, bidirectional=True)
    assert " ".join(both.session_argv("::1", 5, None, 1.0)) == (
        "iperf3 -J -c ::1 -p 5 -t 1 -i 0.1 -P 4 --bidir"
    )
    back = replace(probe, reverse=True).session_argv("127.0.0.1", 5, None, 1.0)
    assert " ".join(back) == "iperf3 -J -c 127.0.0.1 -p 5 -t 1 -i 0.1 -R"
    assert " ".join(probe.server_argv("127.0.0.1", 5)) == (
        "iperf3 -s -1 -J -B 127.0.0.1 -p 5 -i 0.1"
    )


def test_whose_reading_is_counted_follows_the_direction() -> None:
    probe = TcpThroughput()

    assert probe.receivers == (Role.SERVER,)
    assert replace(probe, reverse=True).receivers == (Role.CLIENT,)
    assert replace(probe, bidirectional=True).receivers == (Role.SERVER, Role.CLIENT)


@pytest.mark.parametrize(
    "parameters",
    [
        *({"rounds": 1}, {"rounds": 2.5}, {"slice": 0.04}, {"slice": "1"}, {"streams": 129}),
        *({"streams": 0}, {"reverse": 1}, {"bidirectional": "yes"}),
        {"reverse": True, "bidirectional": True},
    ],
)
def test_parameters_that_make_no_session_are_refused_first(parameters: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError, match=rf"tcp-throughput: `{next(iter(parameters))}`"):
        TcpThroughput(**parameters)


def test_a_window_is_what_was_timed() -> None:
    """Slices keep the edges that they were measured at, whatever the counts say of the time."""
    edges = Count(0.0, 0), Count(1.0, 10**9)
    window = Window(1, 1, 5.0, 5.02, 6.0, edges)
    one = replace(STREAM, windows=(window, *STREAM.windows[1:]))

    assert one.read().slices[0].value == 8e9
    assert (one.read().slices[0].start, one.read().slices[0].end) == (5.02, 6.0)
