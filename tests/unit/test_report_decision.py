"""The decision record, its figure, and the answer as a picture."""

import re
import sys
import xml.etree.ElementTree as ET
from dataclasses import replace
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.synthetic import Reported, contrast_of, reported, run_of

from netbench.analysis import QualityWarning, Verdict, analyse
from netbench.errors import ConfigurationError
from netbench.record import Absent, FactValue, Failure
from netbench.report import (
    DECISION,
    answer_picture,
    decision,
    decision_text,
    digest,
    headline,
    png,
)
from netbench.report.answer import effect
from netbench.report.conditions import Badges, engine_named, where
from netbench.report.sentences import primaries
from netbench.report.summary import escaped

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
THREE: Final = ("host", "bridge", "container")


def files(run: Reported) -> tuple[str, str]:
    made = decision(run.info, run.analysis, run.digest)
    assert set(made) == {DECISION, FIGURE}
    return made[DECISION], made[FIGURE]


def picture_of(run: Reported) -> ET.Element:
    return ET.fromstring(answer_picture(run.info, run.analysis, run.digest))  # noqa: S314 - our own


def texts(drawn: ET.Element) -> list[str]:
    return ["".join(text.itertext()) for text in drawn.iter(f"{SVG}text")]


def failed(blocks: int = 2) -> Reported:
    """Return a run that gave no number at all."""
    run = run_of(blocks=blocks)
    lost = tuple(
        replace(r, outcome=Failure("create", "no such network", "evidence"), path=None)
        for r in run.records
    )
    analysis = analyse(run.info, lost)
    return Reported(run.info, lost, analysis, digest(analysis, lost))


def with_contrast(**changes: object) -> Reported:
    """Return a run whose only contrast is this one, of bridge unless it says another driver."""
    run = reported()
    contrast = contrast_of(**changes)
    info = replace(run.info, plan=replace(run.info.plan, drivers=("host", contrast.driver)))
    return replace(run, info=info, analysis=replace(run.analysis, contrasts=(contrast,)))


def section(text: str, title: str) -> str:
    level = title.partition(" ")[0]
    rest = text.partition(f"\n{title}\n")[2]
    return re.split(rf"^#{{1,{len(level)}}} ", rest, maxsplit=1, flags=re.MULTILINE)[0]


def test_the_sections_are_madrs_in_their_order_and_the_answer_is_the_first() -> None:
    run = reported()
    text, _ = files(run)

    headings = re.findall(r"^#{1,3} .+$", text, re.MULTILINE)
    options = [f"### {driver}" for driver in run.info.plan.drivers]
    assert headings[0].startswith("# Choose")
    assert headings[1] == f"## {escaped(headline(run.info, run.analysis, run.digest))}"
    assert [h for h in headings[2:] if h not in options] == SECTIONS
    assert sorted(h for h in headings if h in options) == sorted(options)
    assert text.startswith("---\nstatus: proposed\n")
    assert "](https://adr.github.io/madr/)" in text


def test_three_options_are_a_page() -> None:
    run = reported(drivers=THREE)

    text, _ = files(run)

    assert text.count("\n") <= 60
    read = re.sub(r"<!--.*?-->|`.*?`|^---.*?^---", "", text, flags=re.DOTALL | re.MULTILINE)
    assert len(re.findall(r"[\w%]+", read)) <= 450


def test_the_outcome_is_left_to_the_author() -> None:
    text, _ = files(reported())

    outcome = text.partition("## Decision Outcome\n")[2].partition("### Consequences")[0]
    assert re.fullmatch(r"\s*<!-- For the author: .* -->\s*", outcome)


@pytest.mark.parametrize(
    ("contrast", "said"),
    [
        ({}, "Bad, because of 22 % less throughput \\[19 to 25\\] on two cores"),
        (
            {"verdict": Verdict.FASTER, "ratio": 1.2, "low": 1.1, "high": 1.3},
            "Good, because of 20 % more throughput \\[10 to 30\\] on two cores",
        ),
        (
            {"verdict": Verdict.EQUIVALENT},
            "Neutral, because throughput on two cores is equivalent within 5 %",
        ),
        (
            {"verdict": Verdict.UNDECIDED, "reason": "interval 0.9 to 1.2 holds 1"},
            "Unknown, because throughput on two cores is undecided (interval 0.9 to 1.2 holds 1)",
        ),
    ],
)
def test_an_option_has_good_bad_neutral_and_unknown(contrast: dict[str, object], said: str) -> None:
    text, _ = files(with_contrast(**contrast))

    assert f"* {said}\n" in section(text, "### bridge")
    words = re.findall(r"^\* (Good|Bad|Neutral|Unknown),", text, re.MULTILINE)
    assert words == [said.partition(",")[0]]


def test_what_is_isolated_is_one_sentence_without_its_evidence() -> None:
    text, _ = files(reported())

    own = section(text, "### none")
    assert "* Neutral, because it is isolated by design (2 connection attempts failed" in own
    assert "ENETUNREACH" not in text


def test_a_warning_stands_at_the_option_that_it_touches_and_nowhere_else() -> None:
    doubt = QualityWarning("split-values", "the blocks fall into two groups", "look at them")
    run = with_contrast(warnings=(doubt,))
    of_run = QualityWarning("neighbour", "the machine was busy", "find what runs")
    run = replace(run, analysis=replace(run.analysis, warnings=(of_run,)))

    text, _ = files(run)

    caveat = "* Caveats: throughput on two cores: the blocks fall into two groups\n"
    assert caveat in section(text, "### bridge")
    assert text.count("two groups") == 1
    assert "the machine was busy" not in text


def test_what_it_holds_for_is_told() -> None:
    run = reported()
    text, _ = files(run)

    more = section(text, "## More Information")
    command = "netbench run --drivers " + ",".join(run.info.plan.drivers)
    for word in (run.info.id, "seed 1", "docker 26.1.5", "6.12.41", "AMD EPYC", command):
        assert word in more
    assert "**Caveats**: one machine, virtual machine" in text


def test_a_record_that_stands_alone_links_to_nothing_beside_it() -> None:
    run = reported()

    text = decision_text(run.info, run.analysis, run.digest, beside=False)

    assert re.findall(r"\]\((.*?)\)", text) == ["https://adr.github.io/madr/"]
    assert text.count("\n## ") == files(run)[0].count("\n## ")


@pytest.mark.parametrize(
    "run", [failed(), failed(1), reported(blocks=1), reported(drivers=("host",))]
)
def test_there_is_a_record_where_nothing_could_be_compared(run: Reported) -> None:
    text, figure = files(run)

    assert all(f"\n{title}\n" in text for title in SECTIONS)
    ET.fromstring(figure)  # noqa: S314 - our own
    assert all(f"\n### {driver}\n" in text for driver in run.info.plan.drivers)


def test_without_a_contrast_record_and_figure_say_so() -> None:
    text, figure = files(failed())

    assert "Nothing could be compared with host" in figure
    assert "\n* Unknown, because it is not compared (" in section(text, "### bridge")


@given(st.text(min_size=1).filter(lambda name: name != "host"))
def test_no_name_breaks_the_record_or_the_figure(name: str) -> None:
    text, figure = files(with_contrast(driver=name))

    assert re.findall(r"^## .*$", text, re.MULTILINE)[1:] == [s for s in SECTIONS if s[2] == " "]
    shown = ET.fromstring(figure)  # noqa: S314 - our own
    assert len(shown.findall(f".//{SVG}circle")) == 1


def test_no_markup_of_others_gets_through() -> None:
    hostile = "<script>alert(1)</script>[x](javascript:x) --> ```"
    run = with_contrast(driver=hostile)
    run = replace(run, info=replace(run.info, command=("netbench", hostile), engine_why=hostile))

    text, figure = files(run)

    code = re.search(r"(`{4,}) (.*?) \1", text)
    assert code
    assert "<script>" in code[2]
    outside = text.replace(code[0], "")
    assert "<script" not in outside.replace("\\<script", "")
    assert "](javascript" not in outside.replace("\\]", "")
    assert "<script" not in figure


def test_the_picture_has_the_answer_every_comparison_and_where_it_is_from() -> None:
    run = reported()
    drawn = picture_of(run)
    shown = " ".join(texts(drawn))

    assert headline(run.info, run.analysis, run.digest) in shown
    for line in (*Badges(run.info, run.analysis, run.digest).lines(), where(run.info, run.digest)):
        assert line in shown
    for contrast in primaries(run.analysis):
        strong, rest = effect(run.analysis, contrast)
        assert strong in shown
        assert rest in shown
    assert len(drawn.findall(f".//{SVG}circle")) == len(primaries(run.analysis))
    assert "No path, by design: none" in shown
    assert {"2026-01-14", "netbench: none, bridge, bridge:user and container against host"} <= set(
        texts(drawn)
    )
    assert decision(run.info, run.analysis, run.digest)[FIGURE].startswith("<svg ")


def test_the_picture_stands_alone_and_nothing_lies_outside() -> None:
    run = reported()
    drawn = picture_of(run)
    width, height = (float(drawn.attrib[name]) for name in ("width", "height"))

    allowed = {"svg", "rect", "text", "tspan", "g", "title", "path", "circle"}
    assert {element.tag.removeprefix(SVG) for element in drawn.iter()} <= allowed
    assert "href" not in answer_picture(run.info, run.analysis, run.digest)
    assert width == 1200
    for text in drawn.iter(f"{SVG}text"):
        assert 0 < float(text.attrib["y"]) < height
        letters = "".join(text.itertext())
        ends = float(text.attrib["x"]) + len(letters) * 0.5 * float(
            text.attrib.get("font-size", 13)
        )
        assert ends <= width or text.attrib.get("text-anchor") == "end"


@pytest.mark.parametrize(
    ("metric", "unit", "verdict", "ratio"),
    [
        ("throughput", "bit/s", Verdict.SLOWER, 0.5),
        ("rtt_p50", "s", Verdict.SLOWER, 2.0),
        ("throughput", "bit/s", Verdict.FASTER, 2.0),
        ("rtt_p50", "s", Verdict.FASTER, 0.5),
    ],
)
def test_right_is_worse(metric: str, unit: str, verdict: Verdict, ratio: float) -> None:
    ends = {"low": ratio * 0.9, "high": ratio * 1.1}
    drawn = picture_of(
        with_contrast(metric=metric, unit=unit, verdict=verdict, ratio=ratio, **ends)
    )

    point = float(drawn.findall(f".//{SVG}circle")[0].attrib["cx"])
    one = next(text for text in drawn.iter(f"{SVG}text") if text.text == "1")
    assert (point > float(one.attrib["x"])) == (verdict is Verdict.SLOWER)


def test_a_contrast_without_bounds_is_drawn_to_the_edges() -> None:
    run = with_contrast(low=None, high=None, verdict=Verdict.UNDECIDED)

    assert 'stroke-dasharray="3 5"' in answer_picture(run.info, run.analysis, run.digest)


def test_a_png_is_twice_as_large_and_shows_letters() -> None:
    run = reported()

    content = png(answer_picture(run.info, run.analysis, run.digest))

    assert content.startswith(b"\x89PNG")
    assert int.from_bytes(content[16:20]) == 2400
    assert len(content) > 50_000


def test_without_a_renderer_a_png_says_what_it_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "resvg_py", None)  # as if it were not installed

    with pytest.raises(ConfigurationError, match="needs resvg") as caught:
        png("<svg/>")

    assert caught.value.hint == "pip install 'netbench[picture]'"


@pytest.mark.parametrize(
    ("facts", "named"),
    [
        ({}, "docker 26.1.5"),
        ({"engine.name": "podman", "engine.version": "5.4.2"}, "podman 5.4.2"),
        ({"engine.name": "podman", "engine.rootless": True}, "rootless podman 26.1.5"),
        ({"engine.rootless": Absent("not told")}, "docker 26.1.5"),
    ],
)
def test_an_engine_is_named_by_what_it_is(facts: dict[str, FactValue], named: str) -> None:
    info = reported().info

    assert engine_named(replace(info, facts=tuple({**dict(info.facts), **facts}.items()))) == named
