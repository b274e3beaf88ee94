import io
import json
import re
from dataclasses import replace
from functools import cache
from html import unescape

import pytest
from rich.cells import cell_len
from rich.console import Console
from support.schemas import validated
from support.several import BOTH, run, scaled, taken, with_facts, with_mtu
from support.synthetic import Run

from netbench.analysis.compare import compare
from netbench.analysis.compare.model import RunComparison
from netbench.cli.output import print_rich
from netbench.report.compare import html, json_document, terminal
from netbench.report.compare.labels import answer, level, subject
from netbench.report.labels import sized

ONE, TWO = run(1), run(2)
MANY = (
    *("host", "bridge", "bridge:user", "container", "macvlan:bridge", "macvlan:private"),
    *("macvlan:vepa", "ipvlan:l2", "ipvlan:l3", "overlay"),
)
HOSTILE = '<img src=x onerror="alert(1)">\x1b[31m'


def beside(left: Run, right: Run, accept: tuple[str, ...] = ()) -> RunComparison:
    return compare([taken(left, "kept"), taken(right, "today")], accept)


def printed(comparison: RunComparison, width: int = 200) -> str:
    stream = io.StringIO()
    Console(file=stream, width=width, color_system=None).print(terminal(comparison))
    return stream.getvalue()


def text(page: str) -> str:
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", page)).split())


@pytest.fixture(scope="module")
def slower() -> RunComparison:
    changed = with_facts(scaled(TWO, 1.4, "bridge"), host__uptime=1.5, host__load1=2.0)
    return beside(with_facts(ONE, host__load1=1.0), changed)


def test_the_document_has_what_is_fixed(slower: RunComparison) -> None:
    document = json.loads(json.dumps(json_document(slower, "page.html", 0), allow_nan=False))

    validated("compare", document)
    assert document["schema"] == 2
    assert (document["left"], document["right"]) == ("reports/kept", "reports/today")
    assert document["verdict_withheld"] is False
    assert document["exit"] == 0
    uptime = next(one for one in document["differences"] if one["fact"] == "host.uptime")
    assert (uptime["left"], uptime["right"], uptime["confounder"]) == (None, 1.5, False)
    assert uptime["unknown"]
    assert document["answer"] == [answer(one) for one in slower.pairings]
    first = document["contrasts"][0]
    assert (first["verdict"], first["driver"], first["withheld"]) == ("slower", "bridge", [])
    assert first["low"] < first["ratio"] < first["high"]
    assert {one["basis"] for one in document["contrasts"]} == {"relative", "absolute"}


def test_the_document_says_what_withholds() -> None:
    other = with_facts(TWO, kernel__release="6.13.0")
    document = json_document(beside(ONE, other), "page.html", 3)

    assert document["verdict_withheld"] is True
    assert document["withheld_by"] == document["to_accept"] == ["kernel.release"]


def test_a_terminal_says_the_answer_then_what_changed_and_what_differs(
    slower: RunComparison,
) -> None:
    said = printed(slower)

    order = ("today against kept:", "slower first", "kept: reports/kept", "No confounder differs")
    places = [said.index(word) for word in order]
    assert places == sorted(places)
    assert "host.load1" in said[places[-1] :]
    rows = said[places[1] :]
    slower_at = re.search(r"\d+ to \d+ % slower", rows)
    assert slower_at is not None
    assert slower_at.start() < rows.index("undecided: ")
    assert "bridge / host" in said
    assert "Two runs are two days of one machine" in said


def test_the_answer_tells_how_many_changed_and_the_largest_with_its_size(
    slower: RunComparison,
) -> None:
    (said,) = map(answer, slower.pairings)

    assert re.fullmatch(
        r"today against kept: \d of 9 comparisons slower \((most: )?bridge: .* on (one core|two "
        r"cores) \d+ to \d+ %.*\), \d faster \(bridge: throughput on two cores .*\), \d equivalent "
        r"and \d undecided\.",
        said,
    )
    assert printed(slower, 400).splitlines()[0] == said


@pytest.mark.parametrize(
    ("right", "accept", "said"),
    [
        (
            run(3, blocks=4),
            (),
            "undecided in all 9 comparisons (4 usable blocks, at least 6 needed).",
        ),
        (TWO, (), "nothing found slower or faster: of 9 comparisons, "),
        (
            with_facts(TWO, kernel__release="6.13.0"),
            (),
            "no verdict, because kernel.release differs.",
        ),
        (
            with_facts(TWO, kernel__release="6.13.0"),
            ("kernel.*",),
            "nothing found slower or faster: of 9 comparisons, ",
        ),
        (with_mtu(TWO, "bridge", 1400), (), "6 withheld (link.mtu differs)."),
    ],
)
def test_without_a_change_the_answer_says_what_stands_in_its_way(
    right: Run, accept: tuple[str, ...], said: str
) -> None:
    (line,) = map(answer, beside(ONE, right, accept).pairings)

    assert line.startswith("today against kept: ")
    assert said in line


@cache
def all_changed(drivers: tuple[str, ...]) -> RunComparison:
    left = run(1, drivers=drivers)
    changed = with_facts(with_mtu(run(2, drivers=drivers), "host", 1400), host__cpus=4)
    return beside(left, scaled(changed, 1.4), accept=("link.mtu", "host.cpus"))


@pytest.mark.parametrize("drivers", [BOTH, MANY], ids=["two", "ten"])
@pytest.mark.parametrize("width", [40, 60, 80, 100, 200])
def test_no_width_cuts_a_number_or_loses_a_driver(drivers: tuple[str, ...], width: int) -> None:
    comparison = all_changed(drivers)
    said = printed(comparison, width)
    whole = " ".join(said.split())

    assert max(map(cell_len, said.splitlines())) <= width
    assert "…" not in said
    decided = [
        one
        for one in comparison.pairings[0].contrasts
        if one.primary and one.verdict in {"slower", "faster"}
    ]
    assert {one.driver for one in decided} == set(drivers)
    for one in decided:
        assert f" {subject(one)}" in said
        assert sized(one) in whole
        for side in (one.left, one.right):
            assert re.search(rf"(?<![\d.]){re.escape(level(side, one))}", whole)


def test_where_it_is_piped_every_sentence_is_one_line(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, slower: RunComparison
) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    print_rich(terminal(slower))
    lines = capsys.readouterr().out.splitlines()

    assert lines[0] == answer(slower.pairings[0])
    assert max(map(len, lines)) > 160
    assert all(line == line.rstrip() for line in lines)


def test_what_is_accepted_is_printed_wherever_the_result_is() -> None:
    other = with_facts(TWO, kernel__release="6.13.0")
    comparison = beside(ONE, other, accept=("kernel.release",))
    line = "--accept kernel.release: kernel.release differs, which may cause any change."

    assert line in printed(comparison)
    assert line in text(html(comparison))
    assert "confounder, accepted" in text(html(comparison))


def test_the_page_tells_all_and_loads_nothing(slower: RunComparison) -> None:
    page = html(slower)
    said = text(page)

    assert page.count("<script") == 1
    assert "default-src 'none'" in unescape(page)
    assert not re.search(r"(?:src|href)=\"(?!data:|#)", page)
    for word in ("slower first", "What differs", "Every value", "The runs", "Method"):
        assert word in said
    headings = [text(found) for found in re.findall(r"<h2[^>]*>.*?</h2>", page)]
    assert headings[:2] == [answer(slower.pairings[0]), "What changed"]
    assert "host.uptime" in said
    slower_at = re.search(r">\d+ to \d+ % slower", page)
    assert slower_at is not None
    assert slower_at.start() < page.index(">undecided")
    ids = re.findall(r' id="([^"]+)"', page)
    assert len(ids) == len(set(ids))


def test_names_from_outside_are_text_alone() -> None:
    renamed = replace(TWO, info=replace(TWO.info, tools=(("iperf3", HOSTILE),)))
    comparison = beside(ONE, renamed)

    assert "<img" not in html(comparison)
    for said in (html(comparison), printed(comparison)):
        assert "\x1b" not in said
