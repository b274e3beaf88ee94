from datetime import UTC, datetime

import pytest
from support.golden import case

from netbench.errors import ConfigurationError, ProbeError
from netbench.probes import Birth, ControlPlane, Lived
from netbench.record import Completed, Measurement, SeriesPoint


def test_the_answer_s_moment_is_read_from_the_log() -> None:
    """The byte that came back, not the one that was sent."""
    done = case("socat", "1.8.0", "ok")

    (line,) = [x for x in done.stderr.splitlines() if "transferred 1 bytes from 5 to 1" in x]
    expected = datetime.fromisoformat(line[:26].replace("/", "-")).replace(tzinfo=UTC)
    assert ControlPlane().answered(done) == expected.timestamp()


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("refused", "exit code 1.*Connection refused"),
        ("no-answer", "exit code 0.*no byte that came back"),
        ("no-such-tool", "exit code 127"),
    ],
)
def test_a_call_without_an_answer_has_no_moment(name: str, said: str) -> None:
    with pytest.raises(ProbeError, match=rf"(?s)socat \({said}"):
        ControlPlane().answered(case("socat", "1.8.0", name))


def test_a_call_that_had_to_be_killed_has_no_moment() -> None:
    done = case("socat", "1.8.0", "ok")
    killed = Completed(done.argv, -9, "", done.stderr, timed_out=True, seconds=25.0)

    with pytest.raises(ProbeError):
        ControlPlane().answered(killed)


def test_only_a_tool_that_is_not_there_makes_a_skip() -> None:
    probe = ControlPlane()

    assert "socat does not run" in str(probe.cannot(case("socat", "1.8.0", "no-such-tool")))
    assert probe.cannot(case("socat", "1.8.0", "refused")) is None


LIVED = Lived(
    created=0.5,
    births=(Birth(0.0, 0.2, 0.3), Birth(1.0, 1.2, 1.4), Birth(2.0, 2.6, 3.0)),
    removals=(0.1, 0.3, 0.2),
    removed=0.25,
)


def test_the_figures_are_medians_over_the_endpoints_and_the_series_has_every_one() -> None:
    sample = ControlPlane(endpoints=3).conclude(LIVED)

    assert sample.value("start_time") == pytest.approx(0.4)
    assert sample.value("create_time") == 0.5
    assert sample.value("remove_time") == pytest.approx(0.2 + 0.25)
    assert {m.unit for m in sample.measurements} == {"s"}
    assert [point.start for point in sample.series] == [0.0, 1.0, 2.0]
    assert [point.value for point in sample.series] == pytest.approx([0.3, 0.4, 1.0])
    details = dict(sample.details)
    assert details["lifecycle.first_start"] == pytest.approx(0.3)
    assert details["lifecycle.last_start"] == pytest.approx(1.0)
    assert details["lifecycle.engine_start"] == pytest.approx(0.2)
    assert details["lifecycle.network_removal"] == 0.25


def test_a_driver_without_a_network_of_its_own_has_no_create_time() -> None:
    sample = ControlPlane().conclude(Lived(None, (Birth(0.0, 0.25, 0.5),), (0.125,), None))

    assert sample.measurements == (
        Measurement("start_time", 0.5, "s"),
        Measurement("remove_time", 0.125, "s"),
    )
    assert sample.series == (SeriesPoint(0.0, 0.5, 0.5),)
    details = dict(sample.details)
    assert "no network" in str(details["lifecycle.no_create_time"])
    assert "lifecycle.network_removal" not in details


@pytest.mark.parametrize("endpoints", [0, -1, 201, 1.5, "10", True])
def test_more_endpoints_than_a_network_holds_are_refused(endpoints: object) -> None:
    with pytest.raises(ConfigurationError, match="`endpoints` is a whole number from 1 to 200"):
        ControlPlane(endpoints=endpoints)


@pytest.mark.parametrize(
    ("parameters", "said"),
    [
        ({"ports": 101}, "`ports` is a whole number from 0 to 100"),
        ({"ports": -1}, "`ports` is a whole number from 0 to 100"),
        ({"neighbours": 201}, "`neighbours` is a whole number from 0 to 200"),
        ({"neighbours": True}, "`neighbours` is a whole number from 0 to 200"),
        ({"neighbours": 200, "endpoints": 50}, "at most 240 together, not 50 and 200"),
    ],
)
def test_more_ports_or_neighbours_than_there_can_be_are_refused(
    parameters: dict[str, int], said: str
) -> None:
    with pytest.raises(ConfigurationError, match=said):
        ControlPlane(**parameters)


def test_addresses_of_ipv6_are_bracketed() -> None:
    probe = ControlPlane()

    assert "TCP6-LISTEN:31001,fork,reuseaddr,bind=[::]" in probe.answerer_argv("::", 31001)
    assert probe.caller_argv("2001:2::2", 31001)[-1].startswith("TCP6:[2001:2::2]:31001,")
