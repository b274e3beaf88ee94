"""The page of all runs below a folder in a real browser."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.axe import violations
from support.browsing import LOOKS, Look, Site, count, named, opened, picture, requests, sideways
from support.several import run, saved, with_facts

from netbench.workflow.reporting import write_index

LONG = "plugin:" + "very_long_name/" * 12


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Twelve runs of one machine, two of another without a report, and a broken one."""
    parent: Path = tmp_path_factory.mktemp("runs")
    for number in range(12):
        made = saved(run(number + 1, blocks=1), parent)
        (made / "report.html").write_text("<!doctype html>")
        rows = [{"final": "met"}, {"final": "not met"}]
        lead = "bridge against host: throughput on two cores 21 to 24 % lower. " * 2
        (made / "summary.json").write_text(json.dumps({"lead": lead, "budgets": rows}))
    other = with_facts(run(20, blocks=1, drivers=("host", LONG)), host__cpu_model="Other CPU " * 9)
    saved(other, parent / "elsewhere" / "nightly")
    saved(with_facts(run(21, blocks=1), host__cpu_model="Other CPU " * 9), parent / "elsewhere")
    (parent / "broken").mkdir()
    (parent / "broken" / "run.json").write_text("{")
    served = Site(write_index(parent).read_bytes())
    yield served
    served.close()


@pytest.mark.parametrize("look", LOOKS, ids=named)
def test_every_screen_shows_every_run_quietly(
    browser: Any, index: Site, pictures: Path, axe: str, look: Look
) -> None:
    live = opened(browser, index.address, look)
    picture(live, pictures / f"index-{named(look)}.png")

    assert sideways(live) <= 0
    assert count(live, "main section") == count(live, ".contents a") == 3
    assert count(live, "section > .runs > li") == 10 + 2 + 1
    assert count(live, "details .runs > li") == 2
    assert count(live, ".runs h3 a[href$='/report.html']") == 12
    assert count(live, ".pages a") == 24
    assert count(live, ".runs .broken") == 12
    assert live.get_log("browser") == []
    assert requests(live) == [index.address]
    assert violations(live, axe) == []
