import json
import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.golden import Case, case, cases

from netbench.errors import ConfigurationError, ProbeError
from netbench.probes import UdpRate, UdpSearch
from netbench.record import Completed, Measurement, Sample
from netbench.units import BITS_PER_SECOND, RATIO

OLD = UdpRate(rate="10M", length=32768)
GOLDEN = {
    ("3.12", "udp"): OLD,
    ("3.18", "udp"): OLD,
    ("3.22", "udp"): OLD,
    ("3.18", "udp-rate"): UdpRate(rate="20M"),
    ("3.18", "udp-burst"): UdpRate(rate="20M", volume=500_000),
    ("3.18", "udp-flooded"): UdpRate(rate="100G", volume=2**26),
}
"""The probes that were run, by version and name of the case."""
FLOODED = case("iperf3", "3.18", "udp-flooded")


def changed(completed: Completed, **values: object) -> Completed:
    """Return the case with values of the receiver's sum set, or deleted where they are None."""
    document = json.loads(completed.stdout)
    total = document["end"]["sum_received"]
    for key, value in values.items():
        total[key] = value
        if value is None:
            del total[key]
    return replace(completed, stdout=json.dumps(document))


@pytest.mark.parametrize(("version", "name"), GOLDEN)
def test_the_numbers_are_the_receivers(version: str, name: str) -> None:
    golden = case("iperf3", version, name)
    end = json.loads(golden.stdout)["end"]
    total = end["sum_received"]

    sample = GOLDEN[version, name].parse(golden, None)

    assert sample.received == total["bytes"]
    assert sample.value("throughput") == pytest.approx(total["bits_per_second"])
    assert sample.value("loss") == pytest.approx(total["lost_percent"] / 100)
    assert sample.value("jitter") == pytest.approx(total["jitter_ms"] / 1000)
    assert dict(sample.details)["iperf3.sent_bytes"] == end["sum_sent"]["bytes"]


def test_what_a_flood_loses_is_in_no_figure_of_what_came() -> None:
    sample = GOLDEN["3.18", "udp-flooded"].parse(FLOODED, None)
    details = dict(sample.details)
    throughput, sent = sample.value("throughput"), details["iperf3.sent_rate"]

    assert throughput is not None
    assert isinstance(sent, float)
    assert throughput < 0.7 * sent


def test_datagrams_that_never_came_are_lost_though_no_later_one_shows_it() -> None:
    golden = case("iperf3", "3.18", "udp-rate")
    half = changed(golden, bytes=1_250_200, bits_per_second=1_250_200 * 8 / 1.003542)

    sample = GOLDEN["3.18", "udp-rate"].parse(half, None)

    held = 212_992 // 1400
    assert dict(sample.details)["iperf3.unseen_packets"] == 894
    assert sample.value("loss") == pytest.approx((894 - held) / 1787)


def test_a_last_datagram_that_the_sender_did_not_count_is_no_contradiction() -> None:
    golden = case("iperf3", "3.18", "udp-rate")

    sample = GOLDEN["3.18", "udp-rate"].parse(changed(golden, lost_packets=1), None)

    assert sample.value("loss") == pytest.approx(1 / 1788)


@pytest.mark.parametrize(
    "values",
    [
        {"bytes": 0},
        {"bytes": None},
        {"bytes": 10**9},
        {"lost_packets": None},
        {"lost_packets": -1},
        {"lost_packets": 10**6},
        {"jitter_ms": None},
        {"jitter_ms": math.nan},
        {"seconds": 0},
        {"seconds": None},
        {"bits_per_second": 1e6},
        {"bits_per_second": None},
    ],
)
def test_a_total_that_cannot_be_true_is_refused(values: dict[str, object]) -> None:
    with pytest.raises(ProbeError, match=r"^iperf3"):
        GOLDEN["3.18", "udp-flooded"].parse(changed(FLOODED, **values), None)


@pytest.mark.parametrize(
    ("version", "name", "words"),
    [
        ("3.18", "udp-too-long", "the receiver counted no datagram"),
        ("3.18", "ok", "not that of a UDP test"),
        ("3.18", "refused", "Connection refused"),
        ("3.18", "server-killed", "control socket has closed unexpectedly"),
        ("3.9", "udp", "no `end.sum_sent`"),
    ],
)
def test_anything_short_of_a_udp_result_is_an_error(version: str, name: str, words: str) -> None:
    with pytest.raises(ProbeError, match=words):
        UdpRate(rate="20M").parse(case("iperf3", version, name), None)


def test_a_sender_that_fell_short_of_its_rate_gives_no_number() -> None:
    golden = case("iperf3", "3.18", "udp-rate")

    with pytest.raises(ProbeError, match=r"30\.0 Mbit/s were to be sent, and the sender sent 20"):
        UdpRate(rate="30M").parse(golden, None)


def test_versions_that_do_not_tell_what_came_are_skipped_by_name() -> None:
    said = UdpRate().cannot(case("iperf3", "3.9", "udp"))

    assert said == "iperf3 3.9 does not report what a UDP receiver got; 3.11 and later do"
    assert all(UdpRate().cannot(case("iperf3", *key)) is None for key in GOLDEN)
    unknown = case("iperf3", "3.18", "unknown-option")
    old = replace(unknown, stderr=unknown.stderr.replace("no-such-option", "dont-fragment"))
    assert UdpRate().cannot(old) == "this iperf3 has no --dont-fragment; 3.10 and later do"


@given(st.sampled_from(cases("iperf3")), st.data())
def test_no_truncation_gives_a_number(golden: Case, data: st.DataObject) -> None:
    completed = golden.completed
    text = completed.stdout.rstrip()
    length = data.draw(st.integers(0, max(0, len(text) - 1)))

    with pytest.raises(ProbeError):
        OLD.parse(replace(completed, stdout=text[:length], exit_code=0), None)


def test_the_client_sends_at_a_rate_and_never_without_one() -> None:
    probe = UdpRate(seconds=2, rate="1.5G", length=1200, dont_fragment=True)

    argv = " ".join(probe.client_argv("198.18.0.2", 5301, "cubic"))

    assert argv == ("iperf3 -J -c 198.18.0.2 -p 5301 -u -b 1500000000 -l 1200 --dont-fragment -t 2")
    assert "-b 0" not in argv


@pytest.mark.parametrize(
    "parameters",
    [{"rate": "0"}, {"rate": "0.0G"}, {"rate": ""}, {"length": 15}, {"length": 65508}],
)
def test_parameters_that_measure_nothing_are_refused(parameters: dict[str, object]) -> None:
    with pytest.raises(ConfigurationError, match=rf"udp-rate: `{next(iter(parameters))}`"):
        UdpRate(**parameters)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("length", "mtu", "family", "fits"),
    [(1472, 1500, 4, True), (1473, 1500, 4, False), (1452, 1500, 6, True), (1453, 1500, 6, False)],
)
def test_a_datagram_must_fit_the_mtu_whole(length: int, mtu: int, family: int, fits: bool) -> None:
    probe = UdpRate(length=length, dont_fragment=True)

    assert (probe.unfit(mtu, 4 if family == 4 else 6) is None) == fits
    assert replace(probe, dont_fragment=False).unfit(mtu, 4) is None


def leg(load: float, loss: float, *, sent: float = 1.0) -> Sample:
    """Return what a trial at a load gives whose sender reached `sent` of it."""
    arrived = load * sent * (1 - loss)
    return Sample(
        (Measurement("throughput", arrived, BITS_PER_SECOND), Measurement("loss", loss, RATIO)),
        received=1000,
        details=(("iperf3.rate", float(load)), ("iperf3.sent_rate", load * sent)),
    )


def searched(probe: UdpSearch, bears: float) -> list[Sample]:
    """Return the trials of a search over a path that loses everything above `bears`."""
    legs: list[Sample] = []
    while (step := probe.following(legs)) is not None:
        load = float(step.rate)
        legs.append(leg(load, max(0.0, 1 - bears / load)))
    return legs


def test_a_search_reports_lower_bounds_with_every_load_it_tried() -> None:
    probe = UdpSearch(lowest="10M", cap="10G", width=0.1)
    legs = searched(probe, 2e9)

    sample = probe.conclude(legs)
    details = dict(sample.details)

    for metric in ("ndr", "pdr01", "pdr05"):
        value = sample.value(metric)
        assert value is not None
        assert 2e9 / 1.11 <= value <= 2e9 * 1.006
        assert details[f"search.{metric}_end"] == "found"
    assert details["search.trials"] == len(legs) <= 20
    tried = details["search.tried"]
    assert isinstance(tried, tuple)
    assert len(tried) == len(legs)
    assert tried[0] == "10000000000 10000000000 2000000000 0.800000"
    assert sample.received == 1000 * len(legs)


def test_each_trial_lasts_as_long_as_the_suite_says() -> None:
    probe = UdpSearch(seconds=0.2, length=1200)
    step = probe.following([leg(10e9, 0.5)])

    assert step is not None
    assert step.expected == pytest.approx(0.2)
    assert step.length == 1200
    first = probe.following([])
    assert first is not None
    assert first.rate == "10000000000"
    assert first.volume == 2**26


def test_goals_that_the_lowest_load_misses_are_said_and_not_invented() -> None:
    probe = UdpSearch(lowest="10M", cap="100M")
    legs: list[Sample] = []
    while (step := probe.following(legs)) is not None:
        legs.append(leg(float(step.rate), 0.003))

    sample = probe.conclude(legs)
    details = dict(sample.details)

    assert [m.metric for m in sample.measurements] == ["pdr05"]
    assert sample.value("pdr05") == 100e6
    assert details["search.pdr05_end"] == "kept at the cap"
    assert details["search.ndr_end"] == "missed at the lowest load"
    with pytest.raises(ProbeError, match=r"no loss goal is kept: at 10000000 bit/s 50\.00% were"):
        probe.conclude([leg(100e6, 0.5), leg(10e6, 0.5), leg(10e6, 0.5)])


def test_a_sender_that_is_slower_than_the_cap_is_told() -> None:
    probe = UdpSearch(cap="10G")
    legs: list[Sample] = []
    while (step := probe.following(legs)) is not None:
        load = float(step.rate)
        legs.append(leg(load, 0.0, sent=min(1.0, 3e9 / load)))

    sample = probe.conclude(legs)
    value = sample.value("ndr")

    assert value is not None
    assert 3e9 / 1.11 <= value <= 3e9 / 0.98
    assert dict(sample.details)["search.sender_limited"] is True


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({"lowest": "1G", "cap": "1G"}, "`lowest` 1G must be below `cap` 1G"),
        ({"lowest": "none"}, "`lowest` is a rate"),
        ({"width": 0}, "`width`"),
        ({"seconds": 0.01}, "`seconds`"),
        ({"trials": 0}, "`trials`"),
        ({"length": 8}, "`length`"),
    ],
)
def test_searches_that_cannot_be_made_are_refused(
    parameters: dict[str, object], words: str
) -> None:
    with pytest.raises(ConfigurationError, match=words):
        UdpSearch(**parameters)  # type: ignore[arg-type]
