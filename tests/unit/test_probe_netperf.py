"""Connections per second in slices: netperf makes them, the kernel counts them."""

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.golden import Case, cases, held

from netbench.errors import ConfigurationError, ProbeError
from netbench.probes import Count, TcpConnect, strerror_name
from netbench.record import Completed

PROBE = TcpConnect()
WHOLE = held("connections")
FAILURES = cases("netperf")


def by_hand() -> list[float]:
    found = []
    for window in WHOLE.windows:
        assert window.counts
        first, last = window.counts
        found.append((last.server - first.server) / (last.at - first.at))
    return found


def test_a_slices_value_is_what_the_kernel_accepted_over_its_time() -> None:
    session = WHOLE.read()
    values = by_hand()

    assert [one.value for one in session.slices] == pytest.approx(values)
    mean = math.exp(sum(map(math.log, values)) / len(values))
    assert session.sample.value("connections") == pytest.approx(mean)
    made = sum(w.counts[1].server - w.counts[0].server for w in WHOLE.windows if w.counts)
    assert session.sample.received == made


def test_each_connection_carries_a_request_of_its_size() -> None:
    one = replace(WHOLE, probe=TcpConnect(rounds=3, slice=0.1, size=64))

    assert one.read().sample.received == 64 * WHOLE.read().sample.received


@pytest.mark.parametrize(("missing", "reason"), [(None, "could not be"), ("none", "no connection")])
def test_a_slice_without_connections_has_a_reason(missing: str | None, reason: str) -> None:
    first = WHOLE.windows[0]
    still = (Count(1.0, 5), Count(1.1, 5)) if missing else None
    one = replace(WHOLE, windows=(replace(first, counts=still), *WHOLE.windows[1:]))

    assert one.read().slices[0].value is None
    assert reason in one.read().slices[0].reason
    assert one.read().slices[0].received == 0
    two = replace(one, windows=(*[replace(w, counts=still) for w in WHOLE.windows[:2]], first))
    with pytest.raises(ProbeError, match=rf"^netperf: 1 of 3 slices gave a number: .*{reason}"):
        two.read()


@pytest.mark.parametrize("golden", FAILURES, ids=str)
@pytest.mark.parametrize("exit_code", [None, 0])
def test_a_client_that_ended_by_itself_had_an_error(golden: Case, exit_code: int | None) -> None:
    code = golden.completed.exit_code if exit_code is None else exit_code
    with pytest.raises(ProbeError, match=r"^netperf \(exit code "):
        replace(WHOLE, client=replace(golden.completed, exit_code=code)).read()


@pytest.mark.parametrize(
    ("name", "words", "errno"),
    [
        ("connections-refused", "are you sure there is a netserver listening on 127.0.0.1", None),
        ("connections-server-killed", "recv_data failed: Connection reset", "ECONNRESET"),
    ],
)
def test_a_failure_is_told_in_the_tools_own_words(name: str, words: str, errno: str | None) -> None:
    with pytest.raises(ProbeError) as caught:
        held(name).read()

    assert words in caught.value.message
    assert strerror_name(caught.value.message) == errno


@given(st.text(), st.text(), st.sampled_from([0, 1, -15, -9, None]))
def test_no_text_gives_another_number(out: str, err: str, code: int | None) -> None:
    one = replace(WHOLE, client=Completed((), code, out, err, timed_out=False, seconds=1.0))
    if code == -9:
        assert one.read() == WHOLE.read()
        return
    with pytest.raises(ProbeError):
        one.read()


@pytest.mark.parametrize(
    "printed",
    [
        "nsenter: failed to execute netserver: No such file or directory",
        "taskset: failed to execute netserver: No such file or directory",
        "timeout: failed to run command \u2018netperf\u2019: No such file or directory",
    ],
)
def test_a_missing_netperf_is_told_with_its_package(printed: str) -> None:
    done = Completed(("netserver",), 127, "", printed, timed_out=False, seconds=0.0)

    assert "package netperf" in (PROBE.cannot(done) or "")
    assert PROBE.cannot(replace(done, exit_code=255)) is None
    assert PROBE.cannot(replace(done, stderr="Connection refused")) is None


def test_the_commands_are_of_one_family_and_run_until_they_are_ended() -> None:
    probe = TcpConnect(size=64)

    assert " ".join(probe.server_argv("::1", 9)) == "netserver -D -f -6 -L ::1 -p 9"
    argv = " ".join(probe.session_argv("198.18.0.2", 9, "cubic", 12.3))
    assert argv == "netperf -4 -H 198.18.0.2 -p 9 -t TCP_CRR -l 13 -- -r 64"
    assert " ".join(probe.through((argv,), 18001)) == f"{argv} -P ,18001"


def test_the_time_of_a_connection_is_that_of_as_many_as_there_are_clients() -> None:
    """The kernel counts for all; each client has always one under way, so Little's law gives it."""
    many = replace(WHOLE.probe, clients=4)
    one, four = WHOLE.read(), many.read_clients([(WHOLE.client, None)] * 4, WHOLE.windows)
    rate = one.sample.value("connections")

    assert rate is not None
    assert one.sample.value("connect_time") == pytest.approx(1 / rate)
    assert four.sample.value("connections") == pytest.approx(rate)
    assert four.sample.value("connect_time") == pytest.approx(4 / rate)
    assert dict(four.sample.details)["netperf.clients"] == 4


def test_one_client_of_several_that_ended_by_itself_fails_all() -> None:
    gone = replace(WHOLE.client, exit_code=1, stderr="recv_response: Connection refused")

    with pytest.raises(ProbeError, match=r"Connection refused \[ECONNREFUSED\]"):
        TcpConnect(rounds=3, clients=2).read_clients(
            [(WHOLE.client, None), (gone, None)], WHOLE.windows
        )


@pytest.mark.parametrize(
    "parameters",
    [{"rounds": 1}, {"slice": 0.01}, {"size": 0}, {"size": 7e4}, {"clients": 0}, {"clients": 65}],
)
def test_parameters_that_make_no_sense_are_refused_first(parameters: dict[str, int]) -> None:
    with pytest.raises(ConfigurationError, match=rf"tcp-crr: `{next(iter(parameters))}`"):
        TcpConnect(**parameters)
