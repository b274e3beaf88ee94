import io
from dataclasses import replace

import pytest
from rich.console import Console
from support.synthetic import contrast_of, reported

from netbench.analysis import Verdict
from netbench.report import html, markdown, terminal
from netbench.report.labels import brief, details, judgement, shared_by

UNDECIDED, FASTER = Verdict.UNDECIDED, Verdict.FASTER


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"low": 0.74, "high": 0.78}, "22 to 26 % slower"),
        ({"metric": "rtt_p50", "unit": "s", "low": 1.044, "high": 1.113}, "4 to 11 % slower"),
        ({"low": 1.002, "high": 1.009, "verdict": FASTER}, "0.2 to 0.9 % faster"),
        ({"low": 1.0003, "high": 1.004, "verdict": FASTER}, "0.03 to 0.4 % faster"),
        ({"low": 1.204, "high": 1.2041, "verdict": FASTER}, "20.40 to 20.41 % faster"),
        ({"low": 4.2, "high": 5.6}, "320 to 460 % slower"),
        ({"low": None, "high": 0.993}, "at least 0.7 % slower"),
        ({"low": 1.5, "high": None, "verdict": FASTER}, "at least 50 % faster"),
        ({"low": 1.5, "high": float("inf"), "verdict": FASTER}, "at least 50 % faster"),
        (
            {"low": 0.6, "high": 1.1, "by_sign": True, "blocks": 9},
            "slower in each of 9 blocks; size not known",
        ),
        ({"low": 0.98, "high": 1.01, "verdict": Verdict.EQUIVALENT}, "equivalent within 5 %"),
        (
            {"verdict": UNDECIDED, "reason": "interval 0.97 to 1.08 holds 1"},
            "undecided: interval 0.97 to 1.08 holds 1",
        ),
    ],
)
def test_a_verdict_is_told_with_its_size_or_its_reason(
    changes: dict[str, object], expected: str
) -> None:
    assert judgement(contrast_of(**changes), 0.05) == expected


def test_where_there_is_little_room_the_size_is_left() -> None:
    assert brief(contrast_of(low=0.74, high=0.78)) == "22 to 26 %"
    assert brief(contrast_of(low=0.7, high=1.1, by_sign=True)) == "slower"
    assert brief(contrast_of(verdict=UNDECIDED, reason="host-vs-host differs")) == "undecided"


def test_the_details_show_the_unshared_interval_and_the_median_ratio() -> None:
    assert details(contrast_of()) == "95 % for this one alone [0.760, 0.800], median ratio 0.780"
    assert "alone unbounded" in details(contrast_of(unshared=None, median_ratio=None))


def test_how_many_comparisons_share_the_error_rate_is_told() -> None:
    run = reported()

    assert shared_by(run.analysis) == "95 %, shared by all 9 comparisons"
    assert shared_by(replace(run.analysis, primary_contrasts=1)) == "95 %"


@pytest.mark.parametrize("reason", ["host-vs-host differs by 7 %", "values fall in two groups"])
def test_the_reason_stands_in_the_line_of_its_verdict_everywhere(reason: str) -> None:
    run = reported()
    contrast = contrast_of(verdict=UNDECIDED, reason=reason)
    analysis = replace(run.analysis, contrasts=(contrast,))

    assert f"undecided: {reason}" in html(run.info, analysis, run.digest)
    row = next(
        r for r in markdown(run.info, analysis, run.digest).splitlines() if r[:9] == "| bridge "
    )
    assert f"| undecided: {reason}<br>" in row


def test_no_report_says_that_there_is_no_difference() -> None:
    run = reported()

    stream = io.StringIO()
    Console(file=stream, width=200).print(
        terminal(run.info, run.analysis, run.digest, verbose=True)
    )
    for text in (
        html(run.info, run.analysis, run.digest),
        markdown(run.info, run.analysis, run.digest),
        stream.getvalue(),
    ):
        assert "no difference" not in text.lower()
