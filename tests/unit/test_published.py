"""Published comparisons: read from a suite, joined to contrasts, shown in every form of report."""

import io
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console
from support.synthetic import contrast_of, reported

from netbench.analysis import Contrast, Verdict
from netbench.analysis.literature import Agreement, Beside, beside
from netbench.plan import Options, build, load_suite, parse
from netbench.record import METRICS, PublishedComparison
from netbench.report import html, json_document, markdown, terminal
from netbench.spec import CpuTopology, Placement

ROOT = Path(__file__).parent.parent.parent
GOOD = """
[[cell]]
probe = "tcp-rr"
placement = "same"

[[published]]
source = "Somebody 2015"
url = "https://example.org/paper"
driver = "bridge"
path = "north-south"
probe = "tcp-rr"
placement = "same"
metric = "rtt_p50"
ratio = 1.95
conditions = "two machines"

[[published]]
source = "Somebody else"
url = "https://example.org/issue"
driver = "overlay"
baseline = "bridge"
metric = "throughput"
direction = "same"
conditions = "a full link"
comparable = false
why = "there is no link here"
"""
FIRST = PublishedComparison(
    source="Somebody 2015",
    url="https://example.org/paper",
    driver="bridge",
    baseline="host",
    metric="rtt_p50",
    direction="more",
    ratio=1.95,
    conditions="two machines",
    path="north-south",
    probe="tcp-rr",
    placement="same",
)
SECOND = PublishedComparison(
    source="Somebody else",
    url="https://example.org/issue",
    driver="overlay",
    baseline="bridge",
    metric="throughput",
    direction="same",
    ratio=None,
    conditions="a full link",
    incomparable="there is no link here",
)


def suite_file(folder: Path, text: str) -> str:
    path = folder / "own.toml"
    path.write_text(text)
    return str(path)


def test_a_suite_s_comparisons_come_into_the_plan_s_summary(tmp_path: Path) -> None:
    file = suite_file(tmp_path, GOOD)
    plan = build(parse(Options(suite=file)), CpuTopology((0, 1), ((0,), (1,))))

    assert plan.summary().published == (FIRST, SECOND)


@pytest.mark.parametrize(
    ("old", "new", "line", "words"),
    [
        ('source = "Somebody 2015"\n', "", 6, "published 1: source must be text, not None"),
        ('"two machines"', '" "', 15, "published 1: conditions must be text"),
        ('driver = "bridge"', 'driver = "bridgee"', 9, "published 1: unknown driver 'bridgee'"),
        ('driver = "bridge"', 'driver = "host"', 9, "driver and baseline are both host"),
        (
            '"north-south"',
            '"up"',
            10,
            "must be one of east-west, north-south, hairpin, across, outside, to-outside, not",
        ),
        ('"same"\nmetric', '"cross"\nmetric', 11, "the suite has no cell of probe 'tcp-rr' and"),
        ('"rtt_p50"', '"throughput"', 13, "published 1: tcp-rr gives rtt_p50"),
        ('"rtt_p50"', '"speed"', 13, "published 1: metric must be one of throughput, "),
        ('"rtt_p50"', '"retransmits"', 13, "published 1: metric must be one of throughput, "),
        ("1.95", "-1", 14, "published 1: ratio is driver / baseline, above 0, not -1"),
        ("1.95", '1.95\ndirection = "less"', 15, "direction less contradicts the ratio 1.95"),
        ("ratio = 1.95\n", "", 6, "direction must be one of more, less, same, or left to `ratio`"),
        ("comparable = false", "comparable = 0", 25, "comparable is true or false, not 0"),
        ("comparable = false", "comparable = true", 26, "with comparable = false"),
        ('why = "there is no link here"\n', "", 17, "with comparable = false"),
        ('"a full link"', '"a full link"\nyear = 2015', 25, "unknown key 'year'; known: baseline"),
    ],
)
def test_a_mistake_is_told_with_its_line(
    tmp_path: Path, old: str, new: str, line: int, words: str
) -> None:
    assert old in GOOD
    file = suite_file(tmp_path, GOOD.replace(old, new))
    suite, found = load_suite(file)

    assert suite is None
    told = [problem for problem in found if words in problem]
    assert told, found
    assert told[0].startswith(f"{file}:{line}: "), told


@pytest.mark.parametrize("text", ["published = 3", "published = [3]", "[published]\na = 1"])
def test_another_shape_is_a_problem_and_no_crash(tmp_path: Path, text: str) -> None:
    cell = '[[cell]]\nprobe = "tcp-rr"\nplacement = "same"\n'
    suite, found = load_suite(suite_file(tmp_path, text + "\n" + cell))

    assert suite is None
    assert any("published" in problem for problem in found)


def test_the_shipped_suite_is_right_and_its_document_tells_every_source() -> None:
    suite, found = load_suite("published")

    assert found == []
    assert suite
    told = (ROOT / "docs" / "published.md").read_text()
    sources = {one.source.split(",")[0].split(" 20")[0] for one in suite.published}
    assert [source for source in sources if source not in told] == []
    assert {one.baseline for one in suite.published} == {"host"}
    named = {driver.name for driver in suite.drivers}
    assert {one.driver for one in suite.published if not one.incomparable} <= named
    assert all(one.metric in METRICS for one in suite.published)


RUN = reported()
HERE = PublishedComparison(
    source="Somebody 2015",
    url="https://example.org/paper",
    driver="bridge",
    baseline="host",
    metric="throughput",
    direction="less",
    ratio=0.8,
    conditions="two machines",
    path="east-west",
    probe="tcp-throughput",
    placement="cross",
)


def joined(one: PublishedComparison, *contrasts: Contrast) -> Beside:
    plan = replace(RUN.info.plan, published=(one,))
    (found,) = beside(plan, replace(RUN.analysis, contrasts=contrasts))
    return found


@pytest.mark.parametrize(
    ("ratio", "verdict", "direction", "agreement"),
    [
        (0.78, Verdict.SLOWER, "less", Agreement.AGREES),
        (1.20, Verdict.FASTER, "less", Agreement.DISAGREES),
        (1.20, Verdict.FASTER, "more", Agreement.AGREES),
        (1.01, Verdict.EQUIVALENT, "less", Agreement.DISAGREES),
        (1.01, Verdict.EQUIVALENT, "same", Agreement.AGREES),
        (0.78, Verdict.SLOWER, "same", Agreement.DISAGREES),
        (0.78, Verdict.UNDECIDED, "less", Agreement.UNDECIDED),
    ],
)
def test_directions_agree_only_where_the_run_decides_one(
    ratio: float, verdict: Verdict, direction: str, agreement: Agreement
) -> None:
    contrast = contrast_of(ratio=ratio, verdict=verdict)
    found = joined(replace(HERE, direction=direction, ratio=None), contrast)

    assert found.agreement is agreement
    assert found.contrast is contrast
    assert bool(found.reason) == (agreement is Agreement.UNDECIDED)


def test_a_longer_round_trip_is_more_whatever_the_verdict_calls_it() -> None:
    contrast = contrast_of(
        probe="tcp-rr",
        placement=Placement.SAME,
        metric="rtt_p50",
        ratio=1.24,
        verdict=Verdict.SLOWER,
    )
    told = replace(HERE, probe="tcp-rr", placement="same", metric="rtt_p50", direction="more")

    assert joined(told, contrast).agreement is Agreement.AGREES


@pytest.mark.parametrize("change", [{"driver": "container"}, {"ratio": None}])
def test_another_contrast_is_no_counterpart(change: dict[str, object]) -> None:
    assert joined(HERE, contrast_of(**change)).agreement is Agreement.MISSING


@pytest.mark.parametrize(
    ("told", "reason"),
    [
        (replace(HERE, driver="overlay"), "overlay is not among the run's drivers"),
        (replace(HERE, driver="host", baseline="bridge"), "--baseline bridge"),
        (replace(HERE, path="north-south"), "add it to --paths"),
        (replace(HERE, placement="same"), "no such cell"),
        (HERE, "no block has a value of both"),
    ],
)
def test_a_missing_cell_says_why(told: PublishedComparison, reason: str) -> None:
    found = joined(told)

    assert found.agreement is Agreement.MISSING
    assert reason in found.reason


def test_a_cell_that_was_skipped_says_why() -> None:
    plan = replace(RUN.info.plan, published=(replace(HERE, driver="none"),))
    (found,) = beside(plan, RUN.analysis)

    assert found.agreement is Agreement.MISSING
    assert "none: isolated" in found.reason


def test_every_report_shows_them_with_their_conditions() -> None:
    info = replace(RUN.info, plan=replace(RUN.info.plan, published=(HERE, SECOND)))
    run = replace(RUN, info=info)
    page = html(run.info, run.analysis, run.digest)
    text = markdown(run.info, run.analysis, run.digest)
    stream = io.StringIO()
    shown = terminal(run.info, run.analysis, run.digest, verbose=True)
    Console(file=stream, width=400).print(shown)
    document = json_document(run.info, run.analysis, run.digest, "folder", 0)

    assert "Somebody 2015" in page
    assert "Two machines" in page
    assert "there is no link here" in page
    assert "https://example.org/paper" in page
    for form in (text, stream.getvalue()):
        assert "Published directions: " in form
        assert "1 cannot be compared" in form
    published = document["published"]
    (first, second) = published
    assert (first["published_ratio"], first["direction"]) == (0.8, "less")
    assert isinstance(first["ratio"], float)
    assert (second["agreement"], second["ratio"]) == ("cannot be compared", None)


def test_a_run_without_them_has_no_word_of_it() -> None:
    page = html(RUN.info, RUN.analysis, RUN.digest)

    assert "Published beside measured" not in page
    assert "Published directions" not in markdown(RUN.info, RUN.analysis, RUN.digest)
