"""The page of all runs of a folder in a real browser."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.axe import violations
from support.browsing import LOOKS, Look, Site, count, named, opened, picture, requests, sideways
from support.several import run, saved

from netbench.store import list_runs
from netbench.workflow.reporting import write_index

LONG = "plugin:" + "very_long_name/" * 12


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Two runs, one of them with a report, and a folder that is none."""
    parent: Path = tmp_path_factory.mktemp("runs")
    (saved(run(1, blocks=1), parent) / "report.html").write_text("<!doctype html>")
    saved(run(2, blocks=1, drivers=("host", LONG)), parent)
    (parent / "broken").mkdir()
    (parent / "broken" / "run.json").write_text("{")
    served = Site(write_index(parent, list_runs(parent)).read_bytes())
    yield served
    served.close()


@pytest.mark.parametrize("look", LOOKS, ids=named)
def test_every_screen_shows_every_run_quietly(
    browser: Any, index: Site, pictures: Path, axe: str, look: Look
) -> None:
    live = opened(browser, index.address, look)
    picture(live, pictures / f"index-{named(look)}.png")

    assert sideways(live) <= 0
    assert count(live, ".runs > li") == 3
    assert count(live, ".runs h2 a[href$='/report.html']") == 1
    assert live.get_log("browser") == []
    assert requests(live) == [index.address]
    assert violations(live, axe) == []
