from dataclasses import replace

import numpy as np
import pytest
from support.synthetic import contrast_of, reported

from netbench.analysis import Contrast, QualityWarning, Verdict
from netbench.analysis.stats import t_mixture
from netbench.analysis.verdicts import VETOES, Evidence, judge
from netbench.record import METRICS
from netbench.report import sentences
from netbench.report.words import DOUBTS, change, joined, key_of, plain, why_undecided
from netbench.spec import Placement

ACROSS = "the interval reaches across the margin of 5 %"
RTT = {"metric": "rtt_p50", "unit": "s", "probe": "tcp-rr", "placement": Placement.SAME}


def doubted(*kinds: str) -> tuple[QualityWarning, ...]:
    return tuple(QualityWarning(kind, "seen", "look") for kind in kinds)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, "throughput on two cores 22.0 % less"),
        (
            {**RTT, "ratio": 1.239, "low": 1.234, "high": 1.244},
            "median round trip on one core 23.9 % longer",
        ),
        (
            {"verdict": Verdict.EQUIVALENT},
            "throughput on two cores equivalent within 5 %",
        ),
        (
            {"verdict": Verdict.UNDECIDED, "ratio": 1.01, "low": 0.9, "high": 1.13},
            f"throughput on two cores undecided: {ACROSS}",
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
        ({"ratio": 1.08, "low": 1.01, "high": 1.16}, ACROSS),
        ({"warnings": doubted("autocorrelation"), "low": 0.9, "high": 1.2}, ACROSS),
        ({"warnings": doubted("odd")}, "warning odd"),
        ({"warnings": doubted("autocorrelation", "split-values")}, "fall apart into groups"),
        ({"warnings": doubted("below-noise-floor")}, "inside the noise floor of 2.0 %"),
        ({"warnings": doubted("too-few-blocks"), "blocks": 5}, "5 complete blocks are too few"),
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


def test_every_gate_that_takes_a_verdict_back_has_its_words() -> None:
    """Whatever a gate says of a contrast, the reason that is told is that gate's."""
    quiet = np.array([0.010, -0.012, 0.004, -0.006, 0.011, -0.009, 0.002, 0.001])
    loud, few = 10 * quiet, quiet[:4]
    odd = np.array([-0.115, -0.12, -0.11, -0.12, -0.115, -0.12, -0.11, -0.045])
    groups = np.repeat([0.0, 1.0], 4)
    cases = {
        "too-few-blocks": (few - 0.2, quiet, 0.0),
        "null-differs": (quiet - 0.2, quiet + 0.3, 0.0),
        "no-noise-floor": (quiet - 0.2, few, 0.0),
        "below-noise-floor": (quiet - 0.1, loud, 0.0),
        "coarse-noise-floor": (quiet, loud, 0.0),
        "split-values": (quiet - 0.2, quiet, groups),
        "median-disagrees": (odd, quiet, 0.0),
    }

    assert {gate.__name__.strip("_").replace("_", "-") for gate in VETOES} == set(cases)
    assert set(DOUBTS) == set(cases)
    for kind, (deltas, null, moved) in cases.items():
        baseline = np.exp(moved + np.zeros(len(deltas)))
        evidence = Evidence(
            metric=METRICS["throughput"],
            interval=t_mixture(deltas, 0.05),
            deltas=deltas,
            driver=baseline * np.exp(deltas),
            baseline=baseline,
            shifts=np.zeros(len(deltas)),
            null=t_mixture(null, 0.05),
            alpha=0.05,
            margin=0.05,
        )
        verdict, warnings = judge(evidence)
        contrast = contrast_of(verdict=verdict, warnings=warnings)
        told = why_undecided(contrast, 0.05)

        assert verdict is Verdict.UNDECIDED
        assert told == DOUBTS[kind].format(blocks=contrast.blocks, floor=2.0)


def test_a_figures_title_tells_every_verdict() -> None:
    analysis = reported().analysis
    contrasts = (
        contrast_of(),
        contrast_of(driver="container", verdict=Verdict.EQUIVALENT, ratio=1.0),
        contrast_of(driver="macvlan", verdict=Verdict.UNDECIDED, ratio=1.0),
    )
    key = key_of(contrasts[0])

    def title(*found: Contrast) -> str:
        return sentences.finding(replace(analysis, contrasts=found), key)

    name = "Throughput on two cores"
    assert title(*contrasts) == (
        f"{name}: bridge 22.0 % less than host; container equivalent to host; macvlan undecided"
    )
    assert title(contrasts[2]) == f"{name}: macvlan undecided"
    assert title(replace(contrasts[2], low=None, high=None)) == f"{name}: no verdict yet"
    assert title() == "tcp-throughput on two cores, east-west: no verdict yet".capitalize()


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
