import re
from dataclasses import replace

import pytest
from support.synthetic import contrast_of, reported

from netbench.analysis import Contrast, Verdict
from netbench.report.answer import DriverAnswer, answers


def text(answer: DriverAnswer) -> str:
    return " ".join(
        f"{sentence.opening} {clause.strong} {clause.rest}"
        for sentence in answer.sentences
        for clause in sentence.clauses
    )


def found(driver: str) -> DriverAnswer:
    run = reported()
    return next(a for a in answers(run.info, run.analysis, run.digest) if a.driver == driver)


RTT = {"metric": "rtt_p50", "unit": "s", "probe": "tcp-rr"}


@pytest.mark.parametrize(
    ("contrast", "expected"),
    [
        (contrast_of(), "▼ 19 to 25 % slower throughput on two cores"),
        (
            contrast_of(ratio=1.071, low=1.058, high=1.084, verdict=Verdict.FASTER),
            "▲ 5.8 to 8.4 % faster throughput on two cores",
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
            "▼ 25 to 35 % slower round trip on two cores, +4.3 µs [3.7 to 5.1]",
        ),
        (
            contrast_of(
                **RTT,
                ratio=0.9,
                low=0.85,
                high=0.95,
                verdict=Verdict.FASTER,
                difference=-1.3e-6,
                difference_low=-1.8e-6,
                difference_high=-0.8e-6,
            ),
            "▲ 5 to 15 % faster round trip on two cores, −1.3 µs [−1.8 to −0.80]",  # noqa: RUF001 - a minus sign
        ),
        (
            contrast_of(verdict=Verdict.EQUIVALENT),
            "= equivalent within 5 % throughput on two cores",
        ),
        (
            contrast_of(verdict=Verdict.UNDECIDED, reason="host-vs-host differs by 7 %"),
            "? undecided throughput on two cores: host-vs-host differs by 7 %",
        ),
    ],
)
def test_a_verdict_has_its_size_or_its_reason(contrast: Contrast, expected: str) -> None:
    run = reported(drivers=("host", "bridge"))
    analysis = replace(run.analysis, contrasts=(contrast,))

    told = next(a for a in answers(run.info, analysis, run.digest) if a.driver == "bridge")

    assert text(told).strip() == expected


def test_a_driver_is_told_by_its_verdicts() -> None:
    said = text(found("bridge"))

    assert re.search(r"▼ \d+ to \d+ % slower throughput on two cores", said)
    assert re.search(r"slower round trip on one core, \+\d\.\d µs \[\d\.\d to \d\.\d\]", said)


def test_the_baseline_is_told_by_its_own_figures() -> None:
    said = text(found("host"))

    assert "Gbit/s throughput on two cores" in said
    assert "µs round trip on one core" in said


def test_isolation_is_told_with_what_was_tried() -> None:
    said = text(found("none"))

    assert said.strip() == "Isolated by design 2 connection attempts failed, as intended"


def test_what_is_undecided_is_never_told_as_an_effect() -> None:
    run = reported(blocks=3)
    for answer in answers(run.info, run.analysis, run.digest):
        verdicts = [c.verdict for s in answer.sentences for c in s.clauses]
        assert set(verdicts) <= {"", Verdict.UNDECIDED.value}
