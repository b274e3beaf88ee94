"""The page of a comparison in a real browser: as quiet, complete and closed as that of a run."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.axe import violations
from support.browsing import (
    LOOKS,
    Look,
    Site,
    assert_whole_and_quiet,
    count,
    named,
    opened,
    picture,
    printed,
    shown,
    sideways,
    texts,
)
from support.several import run, scaled, taken, with_mtu

from netbench.analysis.compare import compare
from netbench.plan import read_budgets, scope_of_runs
from netbench.report.compare import html

DRIVERS = ("host", "bridge", "bridge:user")
SECTIONS = ("verdict", "differences", "changes", "trials", "runs", "method")
CHANGED = "#changes .changes .what"


@pytest.fixture(scope="module")
def compared() -> Iterator[Site]:
    """Three runs: one that is kept, one whose bridge is slower, one with another MTU."""
    made = {
        "kept": run(1, drivers=DRIVERS),
        "today": scaled(run(2, drivers=DRIVERS), 1.3, "bridge"),
        "upgraded": with_mtu(run(3, drivers=DRIVERS), "bridge:user", 1400),
    }
    problems: list[str] = []
    scope = scope_of_runs({label: one.info.plan for label, one in made.items()})
    budgets = read_budgets(["bridge/host.rtt_p50@same <= 1.05 kept"], scope, problems)
    assert not problems
    found = compare([taken(one, label) for label, one in made.items()], (), budgets)
    served = Site(html(found).encode())
    yield served
    served.close()


@pytest.mark.parametrize("look", LOOKS, ids=named)
def test_every_screen_shows_everything_quietly(
    browser: Any, compared: Site, pictures: Path, look: Look
) -> None:
    live = opened(browser, compared.address, look)
    picture(live, pictures / f"compare-{named(look)}.png")

    assert_whole_and_quiet(live, compared, SECTIONS)


def test_without_scripts_it_is_the_same_page(browser: Any, compared: Site, pictures: Path) -> None:
    rows = len(texts(opened(browser, compared.address), CHANGED))
    live = opened(browser, compared.address, Look(scripts=False))
    picture(live, pictures / "compare-without-scripts.png")

    assert sideways(live) <= 0
    assert len(texts(live, CHANGED)) == rows > 0
    assert count(live, "#trials svg circle") > rows
    assert live.get_log("browser") == []


def test_print_gives_everything_in_light(browser: Any, compared: Site, pictures: Path) -> None:
    live = opened(browser, compared.address, Look(dark=True))
    printed(live, pictures / "compare.pdf")
    picture(live, pictures / "compare-print.png")
    paper = "return getComputedStyle(document.body).backgroundColor"

    assert shown(live, ".side") == 0
    assert shown(live, "main > section") == len(SECTIONS)
    assert live.execute_script(paper) == "rgb(255, 255, 255)"
    assert (pictures / "compare.pdf").read_bytes().startswith(b"%PDF-")


@pytest.mark.parametrize("look", [Look(), Look(width=390), Look(dark=True)], ids=named)
def test_axe_finds_nothing_serious(browser: Any, compared: Site, axe: str, look: Look) -> None:
    assert violations(opened(browser, compared.address, look), axe) == []


def test_a_reader_sees_first_what_changed_and_why_the_rest_was_not_compared(
    browser: Any, compared: Site
) -> None:
    live = opened(browser, compared.address)
    (verdict,) = texts(live, "#verdict")
    first = texts(live, CHANGED)[0]

    assert "slower" in verdict
    assert "link.mtu" in verdict
    assert "bridge" in first
