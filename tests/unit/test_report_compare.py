import io
import json
import re
from dataclasses import replace
from html import unescape

import pytest
from rich.console import Console
from support.several import run, scaled, taken, with_facts
from support.synthetic import Run

from netbench.analysis.compare.compare import Wanted, compare
from netbench.analysis.compare.model import RunComparison
from netbench.report.compare import html, json_document, terminal

ONE, TWO = run(1), run(2)
HOSTILE = '<img src=x onerror="alert(1)">\x1b[31m'


def beside(left: Run, right: Run, accept: tuple[str, ...] = ()) -> RunComparison:
    return compare([taken(left, "kept"), taken(right, "today")], Wanted(accept))


def printed(comparison: RunComparison) -> str:
    stream = io.StringIO()
    Console(file=stream, width=200, color_system=None).print(terminal(comparison))
    return stream.getvalue()


def text(page: str) -> str:
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", page)).split())


@pytest.fixture(scope="module")
def slower() -> RunComparison:
    return beside(ONE, with_facts(scaled(TWO, 1.4, "bridge"), host__uptime=1.5))


def test_the_document_has_what_is_fixed(slower: RunComparison) -> None:
    document = json.loads(json.dumps(json_document(slower, "page.html", 0), allow_nan=False))

    assert document["schema"] == 2
    assert (document["left"], document["right"]) == ("reports/kept", "reports/today")
    assert document["verdict_withheld"] is False
    assert document["exit"] == 0
    uptime = next(one for one in document["differences"] if one["fact"] == "host.uptime")
    assert (uptime["left"], uptime["right"], uptime["confounder"]) == (None, 1.5, False)
    first = document["contrasts"][0]
    assert (first["verdict"], first["driver"], first["withheld"]) == ("slower", "bridge", [])
    assert first["low"] < first["ratio"] < first["high"]
    assert {one["basis"] for one in document["contrasts"]} == {"relative", "absolute"}


def test_the_document_says_what_withholds() -> None:
    other = with_facts(TWO, kernel__release="6.13.0")
    document = json_document(beside(ONE, other), "page.html", 3)

    assert document["verdict_withheld"] is True
    assert document["withheld_by"] == ["kernel.release"]


def test_a_terminal_says_what_differs_then_regressions_first(slower: RunComparison) -> None:
    said = printed(slower)

    order = ("kept: reports/kept", "contrasts:", "What differs", "host.uptime", "regressions first")
    places = [said.index(word) for word in order]
    assert places == sorted(places)
    rows = said[places[-1] :]
    slower_at = re.search(r"▼ \d+ to \d+ % slower", rows)
    assert slower_at is not None
    assert slower_at.start() < rows.index("? undecided: ")
    assert "bridge / host" in said
    assert "Two runs are two days of one machine" in said


def test_what_is_accepted_is_printed_wherever_the_result_is() -> None:
    other = with_facts(TWO, kernel__release="6.13.0")
    comparison = beside(ONE, other, accept=("kernel.release",))
    line = "--accept kernel.release: it lets differ kernel.release,"

    assert line in printed(comparison)
    assert line in text(html(comparison))
    assert "confounder, accepted" in text(html(comparison))


def test_the_page_tells_all_and_loads_nothing(slower: RunComparison) -> None:
    page = html(slower)
    said = text(page)

    assert page.count("<script") == 1
    assert "default-src 'none'" in unescape(page)
    assert not re.search(r"(?:src|href)=\"(?!data:|#)", page)
    for word in ("regressions first", "What differs", "Every value", "The runs", "Method"):
        assert word in said
    assert "host.uptime" in said
    slower_at = re.search(r"▼ \d+ to \d+ % slower", page)
    assert slower_at is not None
    assert slower_at.start() < page.index("? undecided")
    ids = re.findall(r' id="([^"]+)"', page)
    assert len(ids) == len(set(ids))


def test_names_from_outside_are_text_alone() -> None:
    renamed = replace(TWO, info=replace(TWO.info, tools=(("iperf3", HOSTILE),)))
    comparison = beside(ONE, renamed)

    assert "<img" not in html(comparison)
    for said in (html(comparison), printed(comparison)):
        assert "\x1b" not in said
