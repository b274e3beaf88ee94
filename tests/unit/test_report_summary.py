import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.synthetic import ALL, contrast_of, reported

from netbench.analysis import QualityWarning, Verdict
from netbench.report import markdown

RUN = reported()


def columns(line: str) -> int:
    return len(re.findall(r"(?<!\\)\|", line))


def table(text: str) -> list[str]:
    return [line for line in text.splitlines() if line.startswith("|")]


def test_it_opens_with_the_engine_and_the_verdict() -> None:
    run = reported()

    lines = markdown(run.info, run.analysis, run.digest).splitlines()

    assert lines[2] == "Engine docker: its socket unix:///var/run/docker.sock answered"
    assert lines[4].startswith("**Against host, ")
    assert "none is isolated by design" in lines[4]


def test_the_isolation_of_none_is_told_with_its_evidence() -> None:
    run = reported()

    text = markdown(run.info, run.analysis, run.digest)

    assert "none: isolated (" in text
    assert "ENETUNREACH" in text


@given(st.text(min_size=1))
def test_no_name_breaks_the_table(name: str) -> None:
    contrasts = (contrast_of(driver=name), contrast_of())
    analysis = replace(RUN.analysis, contrasts=contrasts)

    lines = table(markdown(RUN.info, analysis, RUN.digest))

    assert len(lines) == 4
    assert len({columns(line) for line in lines}) == 1


def test_no_html_of_others_gets_through() -> None:
    run = reported()
    analysis = replace(run.analysis, contrasts=(contrast_of(driver="<img src=x>"),))

    assert not re.search(r"(?<!\\)<(?!/?sub>)", markdown(run.info, analysis, run.digest))


def test_a_thousand_warnings_stay_short_enough_for_a_comment() -> None:
    run = reported()
    many = tuple(QualityWarning("odd", f"seen {i}", "look again") for i in range(1000))
    analysis = replace(run.analysis, warnings=many)

    text = markdown(run.info, analysis, run.digest)

    assert len(text) < 6_000
    assert "more in report.html" in text


@pytest.mark.parametrize("drivers", [("host", "bridge"), ALL[1:], ALL])
def test_it_is_short_enough_for_a_comment(drivers: tuple[str, ...]) -> None:
    run = reported(drivers=drivers)

    text = markdown(run.info, run.analysis, run.digest)

    assert len(text) <= 6_000
    assert text.count("\n") <= 60


def test_of_many_contrasts_those_with_a_verdict_are_kept() -> None:
    contrasts = [
        contrast_of(driver=f"driver-{i}", verdict=Verdict.UNDECIDED if i % 2 else Verdict.SLOWER)
        for i in range(80)
    ]
    analysis = replace(RUN.analysis, contrasts=tuple(contrasts))

    text = markdown(RUN.info, analysis, RUN.digest)

    assert len(text) <= 6_000
    kept = [line for line in table(text)[2:] if "driver-" in line]
    assert len(kept) == 20
    assert all("slower" in line for line in kept)
    assert "60 more in report.html, 40 of them undecided." in text


def test_names_of_any_length_stay_short_enough() -> None:
    names = tuple(f"plugin:{'long-name ' * 30}{i}" for i in range(12))
    contrasts = tuple(contrast_of(driver=name) for name in names)
    info = replace(RUN.info, plan=replace(RUN.info.plan, drivers=("host", *names)))

    text = markdown(info, replace(RUN.analysis, contrasts=contrasts), RUN.digest)

    assert len(text) <= 9_000
