import re

import pytest
from support.synthetic import contrast_of, reported

from netbench.analysis import Contrast, Verdict
from netbench.report.answer import Answer, answers, effect

RTT = {"metric": "rtt_p50", "unit": "s", "probe": "tcp-rr"}


def text(answer: Answer) -> str:
    return " ".join(
        f"{sentence.opening} {clause.strong} {clause.rest}"
        for sentence in answer.sentences
        for clause in sentence.clauses
    )


def found(driver: str) -> Answer:
    run = reported()
    return next(a for a in answers(run.info, run.analysis, run.digest) if a.driver == driver)


@pytest.mark.parametrize(
    ("contrast", "expected"),
    [
        (contrast_of(), ("22 % less", "[19 to 25]")),
        (contrast_of(ratio=1.071, low=1.058, high=1.084), ("7.1 % more", "[5.8 to 8.4]")),
        (
            contrast_of(
                **RTT, ratio=1.3, difference=4.3e-6, difference_low=3.7e-6, difference_high=5.1e-6
            ),
            ("+4.3 µs", "[3.7 to 5.1]"),
        ),
        (
            contrast_of(
                **RTT,
                ratio=0.9,
                difference=-1.3e-6,
                difference_low=-1.8e-6,
                difference_high=-0.8e-6,
            ),
            ("−1.3 µs", "[−1.8 to −0.80]"),  # noqa: RUF001 - a minus sign
        ),
        (
            contrast_of(
                **RTT, ratio=1.1, difference=12e-6, difference_low=-1e-6, difference_high=25e-6
            ),
            ("+12 µs", "[−1.0 to +25]"),  # noqa: RUF001 - a minus sign
        ),
        (contrast_of(low=None, high=None), ("22 % less", "")),
        (contrast_of(**RTT, ratio=1.3, difference=4.3e-3), ("+4.3 ms", "")),
    ],
)
def test_an_effect_has_its_size_and_its_interval(
    contrast: Contrast, expected: tuple[str, str]
) -> None:
    assert effect(contrast) == expected


def test_a_driver_is_told_by_its_verdicts() -> None:
    said = text(found("bridge"))

    assert re.search(r"▼ \d+ % less throughput \[\d+ to \d+\] on two cores", said)
    assert re.search(r"▼ round trip \+\d\.\d µs \[\d\.\d to \d\.\d\] on one core", said)


def test_the_baseline_is_told_by_its_own_figures() -> None:
    said = text(found("host"))

    assert "Gbit/s throughput on two cores" in said
    assert "µs round trip on one core" in said


def test_isolation_is_told_with_what_was_tried() -> None:
    said = text(found("none"))

    assert said.strip() == "Isolated by design nothing got through in 2 ways of trying"


def test_what_is_undecided_is_never_told_as_an_effect() -> None:
    run = reported(blocks=3)
    for answer in answers(run.info, run.analysis, run.digest):
        verdicts = [c.verdict for s in answer.sentences for c in s.clauses]
        assert set(verdicts) <= {"", Verdict.UNDECIDED.value}
