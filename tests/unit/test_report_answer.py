import re
from dataclasses import replace

import pytest
from support.synthetic import Reported, contrast_of, reported

from netbench.analysis import Contrast, Verdict
from netbench.analysis.cell_key import CellKey
from netbench.record import METRICS
from netbench.report.answer import answers, headline, noun
from netbench.report.conditions import Badges
from netbench.spec import Path, Placement

RTT = {"metric": "rtt_p50", "unit": "s", "probe": "tcp-rr"}


def said(run: Reported, driver: str, *contrasts: Contrast) -> str:
    """Return the sentence of one driver, of these contrasts in place of the run's own."""
    analysis = replace(run.analysis, contrasts=contrasts) if contrasts else run.analysis
    found = answers(run.info, analysis, run.digest)
    return str(next(answer for answer in found if answer.driver == driver))


def answer_of(run: Reported, *contrasts: Contrast) -> str:
    """Return the headline of a run, of these contrasts in place of its own."""
    analysis = replace(run.analysis, contrasts=contrasts) if contrasts else run.analysis
    return headline(run.info, analysis, run.digest)


@pytest.mark.parametrize(
    ("contrast", "expected"),
    [
        (contrast_of(), "22 % less throughput [19 to 25] on two cores"),
        (
            contrast_of(ratio=1.071, low=1.058, high=1.084, verdict=Verdict.FASTER),
            "7.1 % more throughput [5.8 to 8.4] on two cores",
        ),
        (
            contrast_of(
                **RTT,
                ratio=1.3,
                low=1.25,
                high=1.35,
                difference=4.3e-6,
                difference_low=3.7e-6,
                difference_high=5.1e-6,
            ),
            "4.3 µs longer round trip [3.7 to 5.1] on two cores",
        ),
        (
            contrast_of(
                **RTT,
                ratio=0.9,
                low=0.87,
                high=0.93,
                verdict=Verdict.FASTER,
                difference=-0.4e-6,
                difference_low=-0.5e-6,
                difference_high=-0.3e-6,
            ),
            "0.4 µs shorter round trip [0.3 to 0.5] on two cores",
        ),
        (contrast_of(verdict=Verdict.EQUIVALENT), "throughput on two cores equivalent within 5 %"),
        (
            contrast_of(verdict=Verdict.UNDECIDED, reason="host-vs-host differs by 7 %"),
            "throughput on two cores undecided (host-vs-host differs by 7 %)",
        ),
        (
            contrast_of(by_sign=True, low=0.6, high=1.1, blocks=7),
            "less throughput on two cores, in each of 7 blocks (size not known)",
        ),
        (
            contrast_of(
                metric="connections", unit="1/s", probe="tcp-crr", ratio=0.5, low=0.4, high=0.6
            ),
            "50 % fewer connections per second of tcp-crr [40 to 60] on two cores",
        ),
    ],
)
def test_a_contrast_is_said_by_its_size_or_its_reason(contrast: Contrast, expected: str) -> None:
    assert said(reported(drivers=("host", "bridge")), "bridge", contrast) == f"bridge: {expected}"


def test_one_end_of_an_interval_says_at_least() -> None:
    open_ended = contrast_of(low=None, high=0.81)

    text = said(reported(drivers=("host", "bridge")), "bridge", open_ended)

    assert text == "bridge: at least 19 % less throughput on two cores"


@pytest.mark.parametrize(
    ("low", "high"),
    [(-0.1e-6, 5e-6), (None, None), (0.2e-6, 8e-6)],  # holds 0, is unbounded, is far wider
)
def test_a_time_whose_difference_tells_less_than_the_ratio_is_in_percent(
    low: float | None, high: float | None
) -> None:
    contrast = contrast_of(
        **RTT,
        ratio=1.3,
        low=1.25,
        high=1.35,
        difference=3e-6,
        difference_low=low,
        difference_high=high,
    )

    text = said(reported(drivers=("host", "bridge")), "bridge", contrast)

    assert text == "bridge: 30 % longer round trip [25 to 35] on two cores"


def test_a_point_outside_of_its_interval_is_not_shown() -> None:
    """The difference is a median over the blocks, its interval is of their mean."""
    contrast = contrast_of(
        **RTT,
        ratio=1.3,
        low=1.2,
        high=1.4,
        difference=3e-6,
        difference_low=3.2e-6,
        difference_high=4.8e-6,
    )

    text = said(reported(drivers=("host", "bridge")), "bridge", contrast)

    assert text == "bridge: 3.2 to 4.8 µs longer round trip on two cores"


def test_what_is_undecided_says_what_would_decide_it() -> None:
    run = reported(drivers=("host", "bridge"))
    timed = replace(run, info=replace(run.info, wall=600.0))
    reason = "interval 0.97 to 1.08 holds 1"
    blocks = max(point.block for point in run.analysis.points)
    undecided = contrast_of(
        verdict=Verdict.UNDECIDED, reason=reason, forecast_verdict=blocks + 12, forecast=blocks + 40
    )

    text = said(timed, "bridge", undecided)

    minutes = 600 / blocks * 12 / 60
    assert f"undecided ({reason}; about 12 more blocks, " in text
    assert int(re.findall(r"(\d+) min", text)[0]) == pytest.approx(minutes, abs=1)
    hopeless = replace(undecided, forecast_verdict=4000)
    assert f"({reason}; more than 1000 blocks needed)" in said(timed, "bridge", hopeless)


def test_what_is_decided_stands_before_what_is_not() -> None:
    run = reported(drivers=("host", "bridge"))
    undecided = contrast_of(verdict=Verdict.UNDECIDED, reason="x")
    slower = contrast_of(**RTT, placement=Placement.SAME, ratio=1.3, low=1.2, high=1.4)
    same = contrast_of(**RTT, verdict=Verdict.EQUIVALENT)

    text = said(run, "bridge", undecided, same, slower)

    assert text == (
        "bridge: 30 % longer round trip [20 to 40] on one core, round trip on two cores "
        "equivalent within 5 %, throughput on two cores undecided (x)"
    )


def test_the_baseline_is_told_by_its_own_figures() -> None:
    text = said(reported(), "host")

    assert re.search(r"host: [\d.]+ Gbit/s throughput on two cores, ", text)
    assert re.search(r", [\d.]+ µs round trip on one core", text)


def test_isolation_is_told_with_what_was_tried() -> None:
    text = said(reported(), "none")

    assert text == "none: isolated by design (2 connection attempts failed, as intended)"


def test_what_has_too_few_blocks_is_never_told_as_an_effect() -> None:
    run = reported(blocks=3)
    for answer in answers(run.info, run.analysis, run.digest):
        verdicts = [clause.verdict for path in answer.paths for clause in path.clauses]
        assert set(verdicts) <= {None, Verdict.UNDECIDED}


def test_the_headline_of_one_comparison_is_that_drivers_sentence() -> None:
    run = reported(drivers=("host", "bridge"))

    assert answer_of(run) == said(run, "bridge").replace("bridge:", "bridge against host:")


def test_the_headline_of_several_gives_magnitudes_by_measure() -> None:
    run = reported(drivers=("none", "host", "bridge", "bridge:user", "container", "overlay"))
    of = contrast_of
    contrasts = (
        of(driver="bridge", ratio=0.73, low=0.7, high=0.76),
        of(driver="bridge:user", ratio=0.76, low=0.7, high=0.82),
        of(driver="container", ratio=1.01, low=0.9, high=1.1, verdict=Verdict.UNDECIDED),
        of(driver="overlay", ratio=1.0, low=0.99, high=1.01, verdict=Verdict.EQUIVALENT),
        of(**RTT, driver="bridge", ratio=1.3, low=1.2, high=1.4),
        of(driver="bridge", path=Path.NORTH_SOUTH, ratio=0.1, low=0.09, high=0.11),
    )

    assert answer_of(run, *contrasts) == (
        "Against host: throughput on two cores 24 to 27 % less with bridge:user and bridge, "
        "equivalent within 5 % with overlay, undecided with container; round trip on two cores "
        "30 % longer with bridge; no path between containers with none, by design"
    )


def test_all_drivers_of_a_measure_are_told_in_one_unit() -> None:
    run = reported(drivers=("host", "bridge", "overlay"))
    known = {"difference": 3e-6, "difference_low": 2.8e-6, "difference_high": 3.2e-6}
    both = (
        contrast_of(**RTT, **known, driver="bridge", ratio=1.3, low=1.28, high=1.32),
        contrast_of(**RTT, driver="overlay", ratio=1.1, low=1.08, high=1.12),
    )

    assert "30 % longer round trip [28 to 32]" in said(run, "bridge", *both)
    assert "10 to 30 % longer with overlay and bridge" in answer_of(run, *both)
    assert "3.0 µs longer round trip [2.8 to 3.2]" in said(run, "bridge", both[0])


def test_a_headline_names_a_few_drivers_and_counts_the_rest() -> None:
    names = [f"bridge@mtu={number}" for number in range(1400, 1406)]
    contrasts = [contrast_of(driver=name) for name in names]

    text = answer_of(reported(), *contrasts)

    assert f"22 % less with {names[0]}, {names[1]}, {names[2]} and 3 more" in text


def test_a_headline_without_a_contrast_says_what_there_is() -> None:
    alone = reported(drivers=("host",))
    assert re.match(r"host alone: [\d.]+ Gbit/s throughput on two cores, ", answer_of(alone))

    apart = reported(blocks=1, drivers=("none",), baseline="none")
    assert answer_of(apart) == (
        "none alone: isolated by design (2 connection attempts failed, as intended)"
    )
    two = replace(alone.info, plan=replace(alone.info.plan, drivers=("host", "bridge")))
    text = headline(two, replace(alone.analysis, contrasts=()), alone.digest)
    assert text == "Nothing could be compared with host"


def test_caveats_stand_with_the_drivers_that_they_limit() -> None:
    run = reported(drivers=("none", "host", "bridge", "container", "macvlan:bridge", "overlay"))
    badges = Badges(run.info, run.analysis, run.digest)

    assert badges.of_driver("host") == ("over loopback, MTU 65536",)
    assert badges.of_driver("host", Path.NORTH_SOUTH) == ()
    assert badges.of_driver("overlay") == ("VXLAN not crossed",)
    assert badges.of_driver("bridge") == badges.of_driver("none") == ()
    assert badges.of_run[0] == "one machine"
    assert "host and container: over loopback, MTU 65536" in badges.lines()


@pytest.mark.parametrize("metric", [name for name, one in METRICS.items() if one.primary])
def test_what_decides_has_a_name_that_a_sentence_takes(metric: str) -> None:
    """A title, which begins with a capital, stands at the head of a column."""
    key = CellKey("east-west", "tcp-rr", Placement.CROSS)

    assert noun(key, metric).removeprefix("UDP ")[0].islower()
