"""What a reader can do with the page: filter, switch, link, download."""

import csv
import time
from pathlib import Path
from typing import Any

import pytest
from support.browsing import Site, count, opened, texts, unfolded, until, with_evidence

CONTRAST = "contrast-bridge-east-west-tcp-rr-same-rtt_p50"
TOP = "return document.getElementById(arguments[0]).getBoundingClientRect().top"
LAST = "return [...document.querySelectorAll('main > section figure.plotted')].at(-1).id"
DRAWN = """
const near = [...document.querySelectorAll("figure.plotted")].filter((one) => {
  const { top, bottom } = one.getBoundingClientRect();
  return one.checkVisibility() && bottom > -500 && top < innerHeight + 500;
});
return near.every((one) => one.querySelector(".main-svg"));
"""
"""Whether every unfolded figure in and near the window is drawn."""


def click(browser: Any, selector: str) -> None:
    browser.execute_script("document.querySelector(arguments[0]).click()", selector)


def fragment(browser: Any) -> str:
    found: str = browser.execute_script("return location.hash")
    return found


def saved(folder: Path, name: str) -> Path:
    """Return a download once it is whole."""
    path = folder / name
    for _ in range(1200):
        if path.exists() and path.stat().st_size:
            return path
        time.sleep(0.05)
    pytest.fail(f"{name} was not saved; there is {[p.name for p in folder.iterdir()]}")


def test_drivers_are_filtered_everywhere_and_the_address_keeps_it(browser: Any, site: Site) -> None:
    live = opened(browser, site.address)
    click(live, "#view [value='bridge:user']")
    click(live, "#view [value='container']")

    assert fragment(live) == "#?driver=none&driver=host&driver=bridge"
    assert texts(live, ".strips .who bdi") == ["host", "none", "bridge"]
    said = texts(unfolded(live, "record-table"), "[data-table=record-table] [role=status]")
    assert said == ["96 of 144 rows match, the first 50 are shown"]

    again = opened(browser, site.address + fragment(live))

    assert texts(again, ".strips .who bdi") == ["host", "none", "bridge"]
    assert texts(again, ".overview tbody th bdi") == ["host", "none", "bridge"]
    with_evidence(again).execute_script("document.querySelector('#trials').scrollIntoView()")
    until(again, "return document.querySelector('[data-figure^=trials] .main-svg') !== null")
    names = again.execute_script(
        "return [...document.querySelector('[data-figure^=trials]').data].map((t) => t.name)"
    )
    assert "bridge" in names
    assert "container" not in names
    click(again, "#view [type=reset]")
    until(again, "return location.hash === ''")
    assert len(texts(again, ".strips .who bdi")) == 5


def test_a_metric_is_filtered(browser: Any, site: Site) -> None:
    live = opened(browser, f"{site.address}#?metric=throughput")
    unfolded(live, "contrasts")

    assert count(live, "#contrasts tbody tr") == 3
    assert len(texts(live, ".forest .group")) == 1
    assert set(texts(live, "#contrasts tbody td:nth-child(5)")) == {"throughput"}


def test_charts_switch_to_absolute_figures(browser: Any, site: Site) -> None:
    live = opened(browser, site.address)
    relative = texts(live, ".overview td[data-metric]")
    click(live, "#view [value=absolute]")
    absolute = texts(live, ".overview td[data-metric]")

    assert fragment(live) == "#?scale=absolute"
    assert any("% less" in text for text in relative)
    assert all(text.endswith(("Gbit/s", "µs")) for text in absolute)


def test_a_link_leads_to_each_contrast(browser: Any, site: Site) -> None:
    live = opened(browser, f"{site.address}#{CONTRAST}")
    ids = live.execute_script(
        "return [...document.querySelectorAll('.overview a')].map((a) => a.hash.slice(1))"
        ".filter((id) => !document.getElementById(id))"
    )

    assert ids == []
    assert count(live, f"#{CONTRAST}.target") == 1
    assert live.execute_script(
        f"const b = document.getElementById('{CONTRAST}').getBoundingClientRect();"
        "return b.top >= 0 && b.bottom <= innerHeight"
    )


def test_a_link_leads_into_the_table_of_all_contrasts(browser: Any, site: Site) -> None:
    name = "contrast-container-east-west-tcp-rr-same-transactions"
    live = opened(browser, f"{site.address}#{name}")

    until(live, f"return document.querySelector('#{name}.target') !== null")


@pytest.mark.parametrize("anchored", [True, False])
@pytest.mark.parametrize("kind", ["series", "figure", "machine"])
def test_a_link_leads_to_what_is_drawn_late_and_it_is_drawn(
    browser: Any, site: Site, kind: str, anchored: bool
) -> None:
    live = opened(browser, site.address)
    place = live.execute_script(LAST) if kind == "figure" else kind
    if anchored:
        opened(browser, f"{site.address}#{place}")
    else:  # as in a browser that lets what is drawn above push away what is read
        live.execute_script("document.documentElement.style.overflowAnchor = 'none'")
        live.execute_script("location.hash = arguments[0]", place)
    until(live, f"return document.querySelector('#{place} .main-svg') !== null")
    until(live, DRAWN)

    assert -1 <= live.execute_script(TOP, place) <= 40


def test_a_reader_who_moves_on_is_not_taken_back(browser: Any, site: Site) -> None:
    live = opened(browser, f"{site.address}#machine")
    until(live, DRAWN)
    live.execute_script(
        "dispatchEvent(new WheelEvent('wheel')); scrollTo({top: 0, behavior: 'instant'})"
    )
    until(live, DRAWN)

    assert live.execute_script("return scrollY") == 0


def test_an_address_keeps_the_place_and_what_is_shown(browser: Any, site: Site) -> None:
    query = "driver=host&driver=bridge&metric=rtt_p50"
    live = opened(browser, f"{site.address}#{CONTRAST}?{query}")

    assert count(live, f"#{CONTRAST}.target") == 1
    assert texts(live, ".strips .who bdi") == ["host", "bridge"]
    assert len(texts(live, ".forest .group")) == 2  # what the link leads to is unfolded
    click(live, "#view [value=absolute]")
    assert fragment(live) == f"#{CONTRAST}?{query}&scale=absolute"


def test_records_are_filtered_by_all_words(browser: Any, site: Site) -> None:
    live = unfolded(opened(browser, site.address), "record-table")
    box = "[data-table=record-table]"

    assert texts(live, f"{box} [role=status]") == ["144 rows, the first 50 are shown"]
    click(live, f"{box} > button")
    assert count(live, "#record-table tbody tr") == 144
    live.find_element("css selector", f"{box} input").send_keys("container cross tcp-rr")
    assert count(live, "#record-table tbody tr") == 8
    assert texts(live, f"{box} [role=status]") == ["8 of 144 rows match"]


def test_tables_and_figures_are_saved_as_files(browser: Any, site: Site, tmp_path: Path) -> None:
    where = {"behavior": "allow", "downloadPath": str(tmp_path)}
    browser.execute_cdp_cmd("Browser.setDownloadBehavior", where)
    live = unfolded(opened(browser, site.address), "record-table")
    figure = live.execute_script("return document.querySelector('.plot').dataset.figure")

    click(live, "[data-table=record-table] .tools button")
    click(live, "figure.plotted .tools button[aria-label$=SVG]")
    click(live, "figure.plotted .tools button[aria-label$=PNG]")

    rows = list(csv.reader(saved(tmp_path, "record-table.csv").read_text("utf-8").splitlines()))
    assert len(rows) == 145
    assert rows[0][:4] == ["No.", "Block", "Order", "Driver"]
    assert saved(tmp_path, f"{figure}.svg").read_text("utf-8").startswith("<svg")
    assert saved(tmp_path, f"{figure}.png").read_bytes().startswith(b"\x89PNG")
