from dataclasses import replace

import pytest
from support.fakes import FakeEngine
from support.golden import case
from support.plans import plan_of
from support.running import Run, of

from netbench.errors import ConfigurationError, ProbeError
from netbench.probes import NameLookup
from netbench.record import Completed, Skip
from netbench.spec import Family, Placement

PROBE = NameLookup(repeats=1, outside="outside.example")
PEER, ADDRESS = "netbench-peer", "198.18.0.2"


def captured(name: str) -> Completed:
    return case("socat-names", "1.8.0", name)


def test_times_are_those_between_question_and_answer_in_the_log() -> None:
    sample = PROBE.conclude(captured("ok"), PEER, ADDRESS)

    assert [m.metric for m in sample.measurements] == list(PROBE.metrics)
    assert all(0 < m.value < 0.1 for m in sample.measurements if m.unit == "s")
    assert sample.value("lookup_failures") == 0
    assert sample.received == 6
    assert [point.value for point in sample.series] == [
        sample.value("lookup_outside_first"),
        sample.value("lookup_outside"),
    ]
    details = dict(sample.details)
    assert details == {
        "lookup.resolver": "a name server beyond the container",
        "lookup.asked": 6,
    }


def test_a_missing_name_that_is_found_is_a_failure_of_its_lookups_alone() -> None:
    sample = PROBE.conclude(captured("every-name-exists"), PEER, "198.18.0.9")

    assert sample.value("lookup_missing") is None
    assert sample.value("lookup_failures") == pytest.approx(2 / 6)
    assert "must not exist" in str(dict(sample.details)["lookup.failed"])


def test_a_peer_at_another_address_is_no_number() -> None:
    with pytest.raises(ProbeError, match=r"looked up as 198\.18\.0\.9, and its address is"):
        PROBE.conclude(captured("every-name-exists"), PEER, ADDRESS)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("refused", r"outside\.example was not .* outside: ECONNREFUSED \(2\)"),
        ("no-answer", r"outside\.example was not .* outside: no answer within 5 s \(2\)"),
        ("no-server", r"exit code 3\): no name server in"),
    ],
)
def test_what_was_not_answered_is_no_number(name: str, said: str) -> None:
    with pytest.raises(ProbeError, match=said):
        PROBE.conclude(captured(name), PEER, ADDRESS)


def test_only_a_tool_that_is_not_there_makes_a_skip() -> None:
    assert "socat does not run" in str(PROBE.cannot(captured("no-such-tool")))
    assert PROBE.cannot(captured("refused")) is None


def test_a_log_that_is_cut_off_or_killed_is_no_number() -> None:
    done = captured("ok")
    for broken in (
        replace(done, timed_out=True),
        replace(done, stderr=done.stderr.rpartition("lookup\n")[0]),
    ):
        with pytest.raises(ProbeError):
            PROBE.conclude(broken, PEER, ADDRESS)


def test_the_sites_own_name_server_is_not_kept() -> None:
    hidden = PROBE.hidden(captured("ok"))

    assert "127.0.0.1:" not in hidden.stderr
    assert "server NAME-SERVER" in hidden.stderr
    assert PROBE.conclude(hidden, PEER, ADDRESS) == PROBE.conclude(captured("ok"), PEER, ADDRESS)


def test_each_question_is_its_own_and_of_the_drivers_family() -> None:
    *_, whole, first, second = NameLookup(repeats=1).argv(None, Family.V6)[:8]

    assert whole == ""
    assert first.startswith("\\000\\001")
    assert second.startswith("\\000\\002")
    assert first.endswith("\\000\\000\\034\\000\\001")  # AAAA, IN


@pytest.mark.parametrize(
    ("parameters", "said"),
    [
        ({"outside": "no name"}, "`outside` is a domain name"),
        ({"outside": ""}, "`outside` is a domain name"),
        ({"outside": "a" * 64}, "`outside` is a domain name"),
        ({"outside": 5}, "`outside` is a domain name"),
        ({"outside": '";reboot"'}, "`outside` is a domain name"),
        ({"repeats": 0}, "`repeats` is a whole number from 1 to 100"),
    ],
)
def test_what_cannot_be_asked_for_is_refused(parameters: dict[str, object], said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        NameLookup(**parameters)


def run(engine: FakeEngine, *drivers: str) -> Run:
    made = plan_of(*drivers, kinds=(("name-lookup", Placement.NONE),), blocks=1)
    return Run(replace(made, probes={"name-lookup": PROBE}), engine)


def test_the_netns_engine_has_no_names() -> None:
    found = run(FakeEngine(), "host", "bridge", "none").records()

    for record in of(found, "bridge"):
        assert isinstance(record.outcome, Skip)
        assert not record.outcome.by_design
        assert "neither names nor a resolver" in record.outcome.reason
    (none,) = of(found, "none")
    assert isinstance(none.outcome, Skip)
    assert none.outcome.by_design
