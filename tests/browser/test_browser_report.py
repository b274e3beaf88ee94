"""The report page in a real browser: drawn, quiet, complete, and closed to the network."""

import base64
import shutil
import tempfile
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from support.require import require_or_skip
from support.synthetic import reported

from netbench.report import html

try:
    from selenium import webdriver
    from selenium.webdriver.support.wait import WebDriverWait
except ImportError:
    webdriver = None

FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
)
HOSTILE = "<img src=x onerror='window.owned=1'></script><script>window.owned=1</script>"
WIDE, NARROW = (1280, 900), (390, 844)


class Site:
    """Serves one page on loopback and writes down every request."""

    def __init__(self, page: bytes) -> None:
        self.asked: list[str] = []
        asked = self.asked

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                asked.append(self.path)
                self.send_response(200)
                self.send_header("Content-Type", "text/html; charset=utf-8")
                self.end_headers()
                self.wfile.write(page)

            def log_message(self, *args: object) -> None:
                """Say nothing: the list of requests is what counts."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=self.server.serve_forever)
        self.thread.start()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}/report.html"

    def close(self) -> None:
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    run = reported()
    served = Site(html(run.info, run.analysis, run.digest).encode())
    yield served
    served.close()


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    chromium, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if webdriver is None or chromium is None or driver is None:
        require_or_skip("browser", "chromium, chromedriver or the package selenium is missing")
    profile = tempfile.mkdtemp(prefix="netbench-browser-")
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for flag in (*FLAGS, f"--user-data-dir={profile}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    live = webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))
    yield live
    live.quit()
    shutil.rmtree(profile, ignore_errors=True)


def opened(
    browser: Any, address: str, *, size: tuple[int, int] = WIDE, dark: bool = False, js: bool = True
) -> Any:
    """Return the browser with the page in it, figures drawn where scripts may run."""
    width, height = size
    metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
    scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [scheme]})
    browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": not js})
    browser.get_log("browser")
    browser.get(address)
    if js:
        drawn = "return document.documentElement.dataset.drawn === 'true'"
        WebDriverWait(browser, 60).until(lambda live: live.execute_script(drawn))
    return browser


def texts(browser: Any, selector: str) -> list[str]:
    return [
        element.text for element in browser.find_elements("css selector", selector) if element.text
    ]


def count(browser: Any, selector: str) -> int:
    return len(browser.find_elements("css selector", selector))


def test_every_figure_is_drawn_without_a_word_on_the_console(browser: Any, site: Site) -> None:
    live = opened(browser, site.address)

    assert live.get_log("browser") == []
    assert count(live, ".plot") == 11
    assert count(live, ".plot .main-svg .traces, .plot .main-svg .trace") >= 11
    assert all(element.is_displayed() for element in live.find_elements("css selector", ".plot"))


def test_the_page_asks_for_nothing_but_itself(browser: Any, site: Site) -> None:
    site.asked.clear()
    live = opened(browser, site.address)

    loaded = live.execute_script(
        "return performance.getEntriesByType('resource').map((entry) => entry.name)"
    )

    assert site.asked == ["/report.html"]
    assert [name for name in loaded if not name.startswith(("blob:", "data:"))] == []


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


@pytest.mark.parametrize("size", [WIDE, NARROW, (320, 640)])
def test_no_screen_scrolls_sideways(browser: Any, site: Site, size: tuple[int, int]) -> None:
    live = opened(browser, site.address, size=size)

    assert live.execute_script("return document.documentElement.scrollWidth") <= size[0]


def test_dark_and_light_differ_in_page_and_figures(browser: Any, site: Site) -> None:
    colours = (
        "return [getComputedStyle(document.body).backgroundColor,"
        " getComputedStyle(document.querySelector('.plot .xtick text')).fill]"
    )

    light = opened(browser, site.address).execute_script(colours)
    dark = opened(browser, site.address, dark=True).execute_script(colours)

    assert light == ["rgb(255, 255, 255)", "rgb(85, 96, 107)"]
    assert dark == ["rgb(20, 24, 28)", "rgb(165, 176, 186)"]


def test_tables_of_figures_are_folded_once_drawn_and_open_by_keyboard(
    browser: Any, site: Site
) -> None:
    live = opened(browser, site.address)
    first = live.find_element("css selector", "figure.plotted details")

    assert first.get_attribute("open") is None
    first.find_element("css selector", "summary").send_keys("\ue007")
    assert first.get_attribute("open") is not None


def test_records_are_filtered_by_all_words(browser: Any, site: Site) -> None:
    live = opened(browser, site.address)
    rows = "#record-table tbody tr:not([hidden])"

    assert count(live, rows) == 144
    live.find_element("id", "filter").send_keys("container cross tcp-rr")
    assert count(live, rows) == 8
    assert texts(live, "#filter-count") == ["8 of 144 rows"]


def test_without_javascript_verdict_table_and_drawings_stand(browser: Any, site: Site) -> None:
    live = opened(browser, site.address, js=False)

    assert texts(live, ".lead")[0].startswith("Against host, ")
    assert len(texts(live, ".answer tbody tr")) == 5
    assert count(live, ".forest svg .dot") == 9
    assert count(live, "svg.path") == 5
    assert count(live, "figure.plotted details[open] table") == 11
    assert not any(e.is_displayed() for e in live.find_elements("css selector", ".plot"))
    assert count(live, ".main-svg") == 0


def test_print_gives_a_document_with_figures_in_light(browser: Any, site: Site) -> None:
    live = opened(browser, site.address, dark=True)
    fill = "getComputedStyle(document.querySelector('.plot .xtick text')).fill"
    live.execute_script(f"addEventListener('beforeprint', () => {{ window.printed = {fill}; }})")

    pdf = live.execute_cdp_cmd("Page.printToPDF", {"printBackground": True})["data"]

    assert base64.b64decode(pdf).startswith(b"%PDF-")
    assert live.execute_script("return window.printed") == "rgb(85, 96, 107)"
    assert live.execute_script(f"return {fill}") == "rgb(165, 176, 186)"


def test_a_page_from_a_folder_works_as_well(browser: Any, tmp_path: Path) -> None:
    run = reported()
    page = tmp_path / "report.html"
    page.write_text(html(run.info, run.analysis, run.digest), encoding="utf-8")

    live = opened(browser, page.as_uri())

    assert live.get_log("browser") == []
    assert count(live, ".plot .main-svg") >= 11


def test_hostile_names_run_nothing(browser: Any, tmp_path: Path) -> None:
    run = reported(blocks=3, drivers=("host", HOSTILE))
    page = tmp_path / "report.html"
    page.write_text(html(run.info, run.analysis, run.digest), encoding="utf-8")

    live = opened(browser, page.as_uri())

    assert live.get_log("browser") == []
    assert live.execute_script("return window.owned") is None
    assert HOSTILE in texts(live, ".answer th[scope=row]")
