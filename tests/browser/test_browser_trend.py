"""The page of a history in a real browser: as quiet, complete and closed as that of a run."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.axe import violations
from support.browsing import (
    Look,
    Site,
    assert_whole_and_quiet,
    count,
    named,
    opened,
    picture,
    shown,
    texts,
)
from support.history import history
from support.several import taken

from netbench.analysis.trend import trend
from netbench.analysis.trend.history import history_run
from netbench.report.trend import html

SECTIONS = ("verdict", "series", "table", "runs", "method")
SEEN = (Look(), Look(width=390), Look(dark=True), Look(scripts=False))


@pytest.fixture(scope="module")
def told() -> Iterator[Site]:
    """Eight runs, eight that are slower, and four under another kernel."""
    made = history([1.0] * 8 + [1.3] * 12, [{}] * 16 + [{"kernel__release": "6.13.0"}] * 4)
    found = trend([history_run(taken(one, f"{day}")) for day, one in enumerate(made)])
    served = Site(html(found).encode())
    yield served
    served.close()


@pytest.mark.parametrize("look", SEEN, ids=named)
def test_every_screen_shows_everything_quietly(
    browser: Any, told: Site, pictures: Path, look: Look
) -> None:
    live = opened(browser, told.address, look)
    picture(live, pictures / f"trend-{named(look)}.png")

    if look.scripts:
        assert_whole_and_quiet(live, told, SECTIONS)
    assert shown(live, "main > section") == len(SECTIONS)
    assert count(live, "#series svg circle") >= 60
    assert count(live, "#series .step") >= 3
    assert count(live, "#series .break") >= 3


@pytest.mark.parametrize("look", SEEN[:3], ids=named)
def test_axe_finds_nothing_serious(browser: Any, told: Site, axe: str, look: Look) -> None:
    assert violations(opened(browser, told.address, look), axe) == []


def test_a_reader_sees_first_what_changed_and_when(browser: Any, told: Site) -> None:
    live = opened(browser, told.address)
    (verdict,) = texts(live, "#verdict")
    first = texts(live, "#series li")

    assert "slower since run 9 (2026-01-09 10:15)" in verdict
    assert first[0].startswith("Step at run 9 (2026-01-09 10:15): ")
    assert first[1] == "Break before run 17 (2026-01-17 10:15): kernel.release differs"
