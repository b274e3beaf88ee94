"""A page whose every name, address and tool output is an attack, in a real browser."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.browsing import Look, Site, drawn, opened, requests, sideways
from support.hostile import MARK, with_hostile_names, write_hostile_run

from netbench.analysis import analyse
from netbench.report import digest, html
from netbench.store import load


@pytest.fixture(scope="module")
def attacked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder: Path = write_hostile_run(tmp_path_factory.mktemp("hostile"))
    with_hostile_names(folder)
    run = load(folder)
    judged = analyse(run.info, run.records())
    served = Site(html(run.info, judged, digest(judged, run.records())).encode())
    yield served
    served.close()


@pytest.mark.parametrize("look", [Look(), Look(390, 844)], ids=["wide", "narrow"])
def test_nothing_of_it_runs_is_asked_for_or_breaks_the_page(
    browser: Any, attacked: Site, look: Look
) -> None:
    live = opened(browser, attacked.address, look)
    live.execute_script("for (const d of document.querySelectorAll('details')) d.open = true")
    drawn(live)

    assert MARK in live.page_source
    assert live.execute_script(f"return window.{MARK}") is None
    assert live.execute_script("return document.querySelectorAll('main img').length") == 0
    assert live.get_log("browser") == []
    assert requests(live) == [attacked.address]
    assert sideways(live) <= 0
