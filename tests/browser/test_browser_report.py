"""The report page in a real browser: drawn, quiet, complete, and closed to the network."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from support.browsing import (
    LOOKS,
    Look,
    Site,
    assert_whole_and_quiet,
    count,
    cut_words,
    drawn,
    named,
    opened,
    pages_of,
    picture,
    printed,
    requests,
    shown,
    sideways,
    texts,
    until,
    with_evidence,
)
from support.synthetic import reported

from netbench import api
from netbench.record import Absent
from netbench.report import digest, html
from netbench.report.long_tables import FIRST

HOSTILE = "<img src=x onerror='window.owned=1'></script><script>window.owned=1</script>"
LONG = "plugin:" + "very_long_name/" * 12
ROOT = Path(__file__).parents[2]
RIGHT_TO_LEFT = "plugin:رسالة-עברית"
SECTIONS = (
    *("answer", "paths", "meaning", "measures", "trials", "tails", "series", "machine"),
    *("path", "namespaces", "environment", "method", "glossary", "warnings", "commands"),
    "records",
)


@pytest.mark.parametrize("look", LOOKS, ids=named)
def test_every_screen_shows_everything_quietly(
    browser: Any, site: Site, pictures: Path, look: Look
) -> None:
    live = opened(browser, site.address, look)
    picture(live, pictures / f"report-{named(look)}.png")
    charts = "[...document.querySelectorAll('#answer .scroll')]"
    beyond = f"return {charts}.map((box) => box.scrollWidth - box.clientWidth)"

    assert sideways(live) <= 0
    assert max(live.execute_script(beyond)) <= 0
    assert shown(live, ".evidence > details[open]") == 0
    assert len(texts(live, ".evidence h2")) == len(SECTIONS) - 3
    assert_whole_and_quiet(with_evidence(live), site, SECTIONS)


def test_ten_drivers_stand_on_three_screens_and_five_pages_of_paper(
    browser: Any, pictures: Path
) -> None:
    page = pictures / "sample.html"
    run = api.load(ROOT / "reports" / "sample")
    page.write_text(html(run.info, run.analysis, digest(run.analysis, run.records())), "utf-8")
    live = opened(browser, page.as_uri(), Look(width=1440, height=900))
    picture(live, pictures / "sample-1440.png")

    ends = "return document.getElementById('meaning').getBoundingClientRect().bottom + scrollY"
    assert len(run.info.plan.drivers) == 10
    assert live.execute_script(ends) <= 3 * 900
    assert page.stat().st_size <= 2_500_000
    printed(live, pictures / "sample.pdf")
    assert pages_of(pictures / "sample.pdf") <= 5
    for width in (1024, 390):
        narrow = opened(browser, page.as_uri(), Look(width=width))
        picture(narrow, pictures / f"sample-{width}.png")
        assert sideways(narrow) <= 0
        names = texts(narrow, ".overview tbody th bdi")
        assert sorted(names) == sorted(run.info.plan.drivers)
        assert cut_words(narrow, ".overview tbody th bdi, .strips .who bdi") == []


def test_every_figure_is_drawn_when_it_comes_near(browser: Any, site: Site, pictures: Path) -> None:
    live = opened(browser, site.address)
    first = count(live, ".plot .main-svg")
    drawn(live)
    picture(live, pictures / "report-drawn.png")

    assert first < count(live, ".plot")
    assert count(live, ".plot") == 8
    assert shown(live, ".plot .main-svg") >= 8
    assert shown(live, "figure.plotted > details[open]") == 0
    assert live.get_log("browser") == []
    assert requests(live) == [site.address]


def test_the_policy_stops_a_foreign_script(browser: Any, site: Site) -> None:
    live = opened(browser, site.address)

    ran = live.execute_async_script(
        "const done = arguments[0];"
        "addEventListener('securitypolicyviolation', (e) => done(e.effectiveDirective));"
        "const s = document.createElement('script'); s.textContent = 'window.owned = 1';"
        "document.body.append(s);"
    )

    assert ran == "script-src-elem"
    assert live.execute_script("return window.owned") is None


def test_dark_and_light_differ_in_page_and_figures(browser: Any, site: Site) -> None:
    colours = (
        "return [getComputedStyle(document.body).backgroundColor,"
        " getComputedStyle(document.querySelector('.plot .xtick text')).fill]"
    )
    figures = "return document.querySelector('.plot .xtick text') !== null"
    found = []
    for dark in (False, True):
        live = with_evidence(opened(browser, site.address, Look(dark=dark)))
        live.execute_script("document.querySelector('figure.plotted').scrollIntoView()")
        until(live, figures)
        found.append(live.execute_script(colours))

    assert found == [
        ["rgb(255, 255, 255)", "rgb(85, 96, 107)"],
        ["rgb(20, 24, 28)", "rgb(165, 176, 186)"],
    ]


def test_the_data_of_a_figure_opens_by_keyboard(browser: Any, site: Site) -> None:
    live = with_evidence(opened(browser, site.address))
    first = live.find_element("css selector", "figure.plotted details")

    assert first.get_attribute("open") is None
    first.find_element("css selector", "summary").send_keys("\ue007")
    assert first.get_attribute("open") is not None
    until(live, "return document.querySelectorAll('#trials details tr').length > 7")


def test_without_scripts_the_answer_is_drawn_and_every_figure_is_a_table(
    browser: Any, site: Site, pictures: Path
) -> None:
    live = opened(browser, site.address, Look(scripts=False))
    picture(live, pictures / "report-without-scripts.png")

    assert sideways(live) <= 0
    assert texts(live, "#answer-title")[0].startswith("Against host: throughput on two cores 2")
    assert count(live, ".overview tbody .dot") == 9
    assert len(texts(live, ".strips li")) == 5
    with_evidence(live)
    assert len(texts(live, ".answers .verdicts")) == 5
    assert count(live, ".forest .dot") == 9
    assert count(live, "svg.path") == 5
    assert shown(live, "figure.plotted > details[open]") == 8
    assert shown(live, ".plot, .view") == 0
    assert count(live, "#record-table tbody tr") == FIRST
    assert live.get_log("browser") == []


def test_print_gives_a_document_in_light_with_the_data_of_every_figure(
    browser: Any, site: Site, pictures: Path
) -> None:
    live = drawn(opened(browser, site.address, Look(dark=True)))
    printed(live, pictures / "report.pdf")
    picture(live, pictures / "report-print.png")
    label = "return getComputedStyle(document.body).color"

    assert count(live, ".forest .dot") == 9
    assert shown(live, ".plot, .side, .tools") == 0
    assert live.execute_script(label) == "rgb(27, 33, 39)"
    assert (pictures / "report.pdf").read_bytes().startswith(b"%PDF-")


@pytest.mark.parametrize("name", [HOSTILE, LONG, RIGHT_TO_LEFT], ids=["html", "long", "rtl"])
def test_names_from_outside_run_nothing_and_break_nothing(
    browser: Any, tmp_path: Path, name: str
) -> None:
    run = reported(blocks=3, drivers=("host", name))
    unread = ("host.governor", Absent(f"/sys/{name} is not readable"))
    info = replace(run.info, facts=(*run.info.facts, unread), notes=(f"seen: {name}",))
    page = tmp_path / "report.html"
    page.write_text(html(info, run.analysis, run.digest), encoding="utf-8")

    live = drawn(opened(browser, page.as_uri(), Look(width=390)))

    assert live.get_log("browser") == []
    assert live.execute_script("return window.owned") is None
    assert sideways(live) <= 0
    assert name in texts(live, ".overview th bdi")
    assert name in texts(live, ".answers dt bdi")
    assert name in live.execute_script(
        "return [...document.querySelectorAll('#view [name=driver]')].map((one) => one.value)"
    )
