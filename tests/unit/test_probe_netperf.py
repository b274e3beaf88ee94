import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.golden import Case, case, cases

from netbench.errors import ConfigurationError, ProbeError
from netbench.probes import TcpConnect
from netbench.record import Completed, Sample

PROBE = TcpConnect(connections=2000)
GOOD = {"ok", "unknown-selector"}
CASES = cases("netperf")
SUCCESSES = [case for case in CASES if case.name in GOOD]
FAILURES = [case for case in CASES if case.name not in GOOD]
OK = case("netperf", "2.7.1", "ok")


def parse(completed: Completed) -> Sample:
    return PROBE.parse(completed, None)


def changed(field: str, value: str) -> Completed:
    text, count = re.subn(rf"^{field}=.*$", f"{field}={value}", OK.stdout, flags=re.MULTILINE)
    assert count == 1
    return replace(OK, stdout=text)


@pytest.mark.parametrize("golden", SUCCESSES, ids=str)
def test_the_rate_is_the_one_printed(golden: Case) -> None:
    sample = parse(golden.completed)

    rate = sample.value("connections")
    assert rate is not None

    assert f"THROUGHPUT={rate:.2f}\n" in golden.completed.stdout
    assert sample.received == 2000
    assert dict(sample.details)["netperf.mean_latency"] == pytest.approx(1 / rate, rel=0.05)


@pytest.mark.parametrize("golden", SUCCESSES, ids=str)
def test_rate_and_mean_multiply_to_the_concurrency_of_a_closed_loop(golden: Case) -> None:
    found = dict(parse(golden.completed).details)["netperf.concurrency"]

    assert found == pytest.approx(1, abs=0.05)


@pytest.mark.parametrize("golden", FAILURES, ids=str)
def test_exit_code_zero_proves_nothing(golden: Case) -> None:
    with pytest.raises(ProbeError, match=r"^netperf"):
        parse(replace(golden.completed, exit_code=0))


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("refused", "are you sure there is a netserver listening on 198.18.0.2"),
        ("network-unreachable", "are you sure there is a netserver listening on 198.19.0.1"),
        ("usage", "The test you requested (NONE) is unknown to this netperf."),
        ("server-killed", "exit code 1"),
        ("client-terminated", "exit code -15"),
        ("stream", "gave no value of REQUEST_SIZE, RESPONSE_SIZE"),
        ("timed", "bytes where 1, 1, 2000, 2000 were asked for"),
    ],
)
def test_a_failure_is_told_in_the_tools_own_words(name: str, words: str) -> None:
    with pytest.raises(ProbeError) as caught:
        parse(case("netperf", "2.7.1", name))

    assert words in caught.value.message


@pytest.mark.parametrize("line", OK.stdout.splitlines())
def test_a_field_that_is_missing_or_empty_or_unmeasured_is_named(line: str) -> None:
    field = line.partition("=")[0]

    for text in ("", "-1", "nan", "1e9"):
        with pytest.raises(ProbeError, match=field if field != "THROUGHPUT_UNITS" else "counted"):
            parse(changed(field, text))
    with pytest.raises(ProbeError):
        parse(replace(OK, stdout=OK.stdout.replace(f"{line}\n", "")))


@pytest.mark.parametrize(
    ("field", "value"),
    [("THROUGHPUT", "0.00"), ("THROUGHPUT", "5000.00"), ("ELAPSED_TIME", "9.00")],
)
def test_figures_that_cannot_be_true_together_are_refused(field: str, value: str) -> None:
    with pytest.raises(ProbeError, match="connections a second are not 2000 in"):
        parse(changed(field, value))


def test_a_client_killed_by_the_deadline_says_so() -> None:
    with pytest.raises(ProbeError, match=r"not ended after 8\.0 s and was killed"):
        parse(replace(OK, timed_out=True, seconds=8.0))


@given(st.text())
def test_other_text_is_an_error_and_nothing_else(text: str) -> None:
    with pytest.raises(ProbeError):
        parse(Completed((), 0, text, "", timed_out=False, seconds=1.0))


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


def test_the_commands_are_of_one_family_and_a_fixed_number_of_connections() -> None:
    probe = TcpConnect(connections=5000, size=64)

    assert " ".join(probe.server_argv("::1", 9)) == "netserver -D -f -6 -L ::1 -p 9"
    argv = " ".join(probe.client_argv("198.18.0.2", 9, "cubic"))
    assert argv.startswith("netperf -4 -H 198.18.0.2 -p 9 -t TCP_CRR -l -5000 -P 0 -j -- -r 64 -k")
    assert "cubic" not in argv


@pytest.mark.parametrize("parameters", [{"connections": 999}, {"size": 0}, {"size": 70_000}])
def test_parameters_that_make_no_sense_are_refused_first(parameters: dict[str, int]) -> None:
    with pytest.raises(ConfigurationError, match=rf"tcp-crr: `{next(iter(parameters))}`"):
        TcpConnect(**parameters)
