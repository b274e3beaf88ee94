"""The decision record and its figure."""

import re
import xml.etree.ElementTree as ET
from dataclasses import replace
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.synthetic import Reported, contrast_of, reported, run_of

from netbench.analysis import Verdict, analyse
from netbench.record import Failure
from netbench.report import DECISION, decision, digest
from netbench.report.labels import ratio_text

FIGURE: Final = "decision.svg"
SECTIONS: Final = [
    "## Context and Problem Statement",
    "## Decision Drivers",
    "## Considered Options",
    "## Decision Outcome",
    "### Consequences",
    "### Confirmation",
    "## Pros and Cons of the Options",
    "## More Information",
]
SVG: Final = "{http://www.w3.org/2000/svg}"


def files(run: Reported) -> tuple[str, str]:
    made = decision(run.info, run.analysis, run.digest)
    assert set(made) == {DECISION, FIGURE}
    return made[DECISION], made[FIGURE]


def failed(blocks: int = 2) -> Reported:
    """Return a run that gave no number at all."""
    run = run_of(blocks=blocks)
    lost = tuple(
        replace(r, outcome=Failure("create", "no such network", "evidence"), path=None)
        for r in run.records
    )
    analysis = analyse(run.info, lost)
    return Reported(run.info, lost, analysis, digest(analysis, lost))


def section(text: str, title: str) -> str:
    level = title.partition(" ")[0]
    rest = text.partition(f"\n{title}\n")[2]
    return re.split(rf"^#{{1,{len(level)}}} ", rest, maxsplit=1, flags=re.MULTILINE)[0]


def test_the_sections_are_madrs_in_their_order() -> None:
    text, _ = files(reported())

    headings = re.findall(r"^#{1,3} .+$", text, re.MULTILINE)
    options = [f"### {driver}" for driver in reported().info.plan.drivers]
    assert headings[0].startswith("# Choose")
    assert [h for h in headings[1:] if h not in options] == SECTIONS
    assert [h for h in headings if h in options] == options
    assert text.startswith("---\nstatus: proposed\n")


def test_the_outcome_is_left_to_the_author() -> None:
    text, _ = files(reported())

    outcome = text.partition("## Decision Outcome\n")[2].partition("### Consequences")[0]
    assert re.fullmatch(r"\s*<!-- For the author: .* -->\s*", outcome)


def test_every_contrast_that_the_run_is_judged_by_has_its_figures() -> None:
    run = reported()
    text, figure = files(run)

    primary = [c for c in run.analysis.contrasts if c.primary]
    rows = [line for line in section(text, "### Consequences").splitlines() if line[:2] == "| "]
    assert len(rows) - 1 == len(primary)
    for contrast in primary:
        shown = ratio_text(contrast)
        assert any(contrast.driver in row and shown in row for row in rows)
        assert shown in figure
    bridge = section(text, "### bridge")
    assert "Bad, because throughput on two cores" in bridge
    assert f"]({FIGURE})" in text


def test_what_it_holds_for_is_told() -> None:
    run = reported()
    text, _ = files(run)

    more = section(text, "## More Information")
    command = "netbench run --drivers " + ",".join(run.info.plan.drivers)
    for word in (run.info.id, "seed 1", "docker 26.1.5", "6.12.41", "AMD EPYC", command):
        assert word in more
    assert "virtual machine: waking" in more


@pytest.mark.parametrize(
    "run", [failed(), failed(1), reported(blocks=1), reported(drivers=("host",))]
)
def test_there_is_a_record_where_nothing_could_be_compared(run: Reported) -> None:
    text, figure = files(run)

    assert all(f"\n{title}\n" in text for title in SECTIONS)
    ET.fromstring(figure)  # noqa: S314 - our own
    assert all(f"\n### {driver}\n" in text for driver in run.info.plan.drivers)


def test_without_a_contrast_the_figure_says_so() -> None:
    text, figure = files(failed())

    assert "Nothing could be compared with host" in figure
    assert "no such network" in text
    assert "| option |" not in text


@given(st.text(min_size=1))
def test_no_name_breaks_the_table_or_the_figure(name: str) -> None:
    run = reported()
    analysis = replace(run.analysis, contrasts=(contrast_of(driver=name), contrast_of()))

    text, figure = files(replace(run, analysis=analysis))

    rows = [line for line in section(text, "### Consequences").splitlines() if line[:1] == "|"]
    assert len({len(re.findall(r"(?<!\\)\|", row)) for row in rows[:4]}) == 1
    shown = ET.fromstring(figure)  # noqa: S314 - our own
    assert len(shown.findall(f".//{SVG}circle")) == 2


def test_no_markup_of_others_gets_through() -> None:
    hostile = "<script>alert(1)</script>[x](javascript:x) --> ```"
    run = reported()
    info = replace(run.info, command=("netbench", hostile), engine_why=hostile)
    contrast = contrast_of(driver=hostile, verdict=Verdict.SLOWER)

    text, figure = files(
        replace(run, info=info, analysis=replace(run.analysis, contrasts=(contrast,)))
    )

    fence = re.search(r"^(`{4,})sh\n(.*)\n\1$", text, re.MULTILINE)
    assert fence
    assert "<script>" in fence[2]
    assert "<script" not in text.replace(fence[0], "").replace("\\<script", "")
    assert "](javascript" not in text.replace(fence[0], "").replace("\\]", "")
    assert "<script" not in figure


def test_a_contrast_without_bounds_is_drawn_to_the_edges() -> None:
    run = reported()
    contrast = contrast_of(low=None, high=None, verdict=Verdict.UNDECIDED)

    _, figure = files(replace(run, analysis=replace(run.analysis, contrasts=(contrast,))))

    assert 'stroke-dasharray="3 5"' in figure
