from dataclasses import replace

import pytest
from support.synthetic import contrast_of, reported

from netbench.analysis import QualityWarning, Verdict
from netbench.report import sentences
from netbench.report.words import change, joined, plain, why_undecided
from netbench.spec import Placement

INSIDE = "the effect lies inside the noise floor of 2.0 %"
RTT = {"metric": "rtt_p50", "unit": "s", "probe": "tcp-rr", "placement": Placement.SAME}


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, "TCP throughput on two cores 22.0 % less"),
        (
            {**RTT, "ratio": 1.239, "low": 1.234, "high": 1.244},
            "median round trip on one core 23.9 % longer",
        ),
        (
            {"verdict": Verdict.EQUIVALENT},
            "TCP throughput on two cores equivalent within 5 %",
        ),
        (
            {"verdict": Verdict.UNDECIDED, "ratio": 1.01, "low": 0.9, "high": 1.13},
            f"TCP throughput on two cores undecided: {INSIDE}",
        ),
    ],
)
def test_a_contrast_in_words(changes: dict[str, object], expected: str) -> None:
    assert sentences.clause(contrast_of(**changes), 0.05) == expected


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"ratio": None}, "no block in which both arms"),
        ({"low": None, "high": None, "blocks": 5}, "5 blocks are too few"),
        ({"noise_floor": None}, "no bounded noise floor"),
        ({"ratio": 1.08, "low": 1.01, "high": 1.16}, "crosses the margin of 5 %"),
        ({"warnings": (QualityWarning("split-values", "two strata", "split"),)}, "split-values"),
    ],
)
def test_undecided_always_has_a_reason(changes: dict[str, object], expected: str) -> None:
    assert expected in why_undecided(contrast_of(**changes), 0.05)


@pytest.mark.parametrize(
    ("metric", "ratio", "expected"),
    [
        ("throughput", 1.5, "50.0 % more"),
        ("rtt_p99", 0.75, "25.0 % shorter"),
        ("transactions", 0.5, "50.0 % less"),
    ],
)
def test_change_speaks_of_the_metric_not_of_the_verdict(
    metric: str, ratio: float, expected: str
) -> None:
    assert change(metric, ratio) == expected


def test_a_baseline_that_differs_from_itself_is_not_to_be_trusted() -> None:
    analysis = reported().analysis
    nulls = tuple(replace(null, contains_one=False) for null in analysis.nulls)

    assert "do not trust" in sentences.baseline_check(replace(analysis, nulls=nulls))
    assert "do not trust" not in sentences.baseline_check(analysis)


def test_the_lead_never_says_no_difference() -> None:
    run = reported()
    undecided = contrast_of(verdict=Verdict.UNDECIDED)

    text = sentences.lead(replace(run.analysis, contrasts=(undecided,)), run.digest)

    assert "bridge is undecided in 1 of 1 measure" in text
    assert "difference" not in text


def test_each_driver_has_a_sentence_that_names_what_it_isolates() -> None:
    run = reported()

    said = {
        driver: sentences.driver_sentence(run.analysis, run.digest, driver)
        for driver in run.info.plan.drivers
    }

    assert said["host"].startswith("host (host's network namespace) is the baseline; ")
    assert said["bridge"].startswith("bridge (own network namespace) against host: ")
    assert "one network namespace for the pair" in said["container"]
    assert said["none"].startswith("none: isolated (")


def test_a_driver_without_a_single_number_says_how_its_trials_ended() -> None:
    run = reported()
    analysis = replace(run.analysis, contrasts=())

    text = sentences.driver_sentence(analysis, run.digest, "bridge:user")

    assert text.endswith("has no contrast with host: 23 samples, 1 failure, 0 skips.")


def test_small_words() -> None:
    assert [joined(parts) for parts in ([], ["a"], ["a", "b"], ["a", "b", "c"])] == [
        "",
        "a",
        "a and b",
        "a, b and c",
    ]
    assert plain("a\nb\x1b[0m\u202ec ") == "a b [0m c"


def test_the_proof_of_isolation_tells_each_promise_once() -> None:
    view = reported().digest.view("none")
    assert view is not None

    text = sentences.isolation_sentence(view)

    assert text.count("the only interface is lo") == 1
    assert "by loopback): ECONNREFUSED; connect to 198.18.0.1 (any other address)" in text
