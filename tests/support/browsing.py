"""The report page in headless Chromium, for tests."""

import base64
import json
import re
import shutil
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from support.require import require_or_skip

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
READY = (
    "return !document.querySelector('script') || document.documentElement.dataset.ready === 'true'"
)
PATIENCE = 120
"""Seconds that a page may take for anything, on a machine that is busy otherwise."""
WIDE, NARROW = (1280, 900), (390, 844)
UNFOLD = "for (const one of document.querySelectorAll('.evidence > details')) one.open = true;"
DRAW = (
    UNFOLD
    + """
const done = arguments[0];
(async () => {
  for (const figure of document.querySelectorAll("figure.plotted")) {
    figure.scrollIntoView();
    while (!figure.querySelector(".main-svg")) await new Promise((go) => setTimeout(go, 10));
  }
  scrollTo(0, 0);
  done();
})();
"""
)


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


@contextmanager
def chromium() -> Iterator[Any]:
    """Start a browser with a profile of its own; skip or fail where there is none."""
    binary, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if webdriver is None or binary is None or driver is None:
        require_or_skip("browser", "chromium, chromedriver or the package selenium is missing")
    profile = tempfile.mkdtemp(prefix="netbench-browser-")
    options = webdriver.ChromeOptions()
    options.binary_location = binary
    for flag in (*FLAGS, f"--user-data-dir={profile}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    live = webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))
    live.set_script_timeout(PATIENCE)  # while a page draws, no script is answered
    try:
        yield live
    finally:
        live.quit()
        shutil.rmtree(profile, ignore_errors=True)


@dataclass(frozen=True, slots=True)
class Look:
    """How a reader looks at the page."""

    width: int = 1280
    height: int = 900
    dark: bool = False
    scripts: bool = True


def opened(browser: Any, address: str, look: Look = Look()) -> Any:
    """Return the browser with the page in it, its script done."""
    metrics = {
        "width": look.width,
        "height": look.height,
        "deviceScaleFactor": 1,
        "mobile": False,
    }
    scheme = {"name": "prefers-color-scheme", "value": "dark" if look.dark else "light"}
    still = {"name": "prefers-reduced-motion", "value": "reduce"}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [scheme, still]})
    browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": not look.scripts})
    browser.get("about:blank")
    for name in ("browser", "performance"):
        browser.get_log(name)
    browser.get(address)
    if look.scripts:
        until(browser, READY)
    return browser


LOOKS = tuple(Look(width, 900, dark=dark) for width in (390, 1280, 1920) for dark in (False, True))
"""Every screen that a page is looked at on."""


def named(look: Look) -> str:
    """Return `390-dark`."""
    return f"{look.width}-{'dark' if look.dark else 'light'}"


def sideways(browser: Any) -> int:
    """Return by how many pixels the page is wider than its window."""
    script = "const r = document.documentElement; return r.scrollWidth - r.clientWidth"
    found: int = browser.execute_script(script)
    return found


def printed(browser: Any, path: Path) -> Any:
    """Return the browser with the page as on paper, and write it as a PDF."""
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    pdf = browser.execute_cdp_cmd("Page.printToPDF", {"printBackground": True})["data"]
    path.write_bytes(base64.b64decode(pdf))
    return browser


def pages_of(pdf: Path) -> int:
    """Return the number of pages of a PDF."""
    return len(re.findall(rb"/Type\s*/Page\b(?!s)", pdf.read_bytes()))


def cut_words(browser: Any, selector: str) -> list[str]:
    """Return the words of elements that a line's end cuts in two."""
    script = """
    const cut = [];
    for (const one of document.querySelectorAll(arguments[0])) {
      const range = document.createRange();
      for (const node of one.childNodes) {
        if (node.nodeType !== Node.TEXT_NODE) continue;
        for (const { 0: word, index } of node.data.matchAll(/[^\\s-]+/g)) {
          range.setStart(node, index);
          range.setEnd(node, index + word.length);
          if (range.getClientRects().length > 1) cut.push(word);
        }
      }
    }
    return cut;
    """
    found: list[str] = browser.execute_script(script, selector)
    return found


def drawn(browser: Any) -> Any:
    """Return the browser once all evidence is unfolded and every figure is drawn."""
    browser.execute_async_script(DRAW)
    return browser


def with_evidence(browser: Any) -> Any:
    """Return the browser with all evidence unfolded."""
    browser.execute_script(UNFOLD)
    return browser


def unfolded(browser: Any, table: str) -> Any:
    """Return the browser once a long table has come near, and shows all it has."""
    box = f"document.querySelector('[data-table={table}]')"
    with_evidence(browser).execute_script(f"{box}.scrollIntoView()")
    until(browser, f"return {box}.querySelector('.tools') !== null")
    return browser


def until(browser: Any, script: str) -> None:
    """Wait until a script returns something true."""
    WebDriverWait(browser, PATIENCE, 0.05).until(lambda live: live.execute_script(script))


def requests(browser: Any) -> list[str]:
    """Return the addresses that were asked for since the page was opened, but blob: and data:."""
    events = (json.loads(entry["message"])["message"] for entry in browser.get_log("performance"))
    found = (
        event["params"]["request"]["url"]
        for event in events
        if event["method"] == "Network.requestWillBeSent"
    )
    return [address for address in found if not address.startswith(("blob:", "data:"))]


def picture(browser: Any, path: Path) -> None:
    """Write the whole page as a picture."""
    shot = browser.execute_cdp_cmd("Page.captureScreenshot", {"captureBeyondViewport": True})
    path.write_bytes(base64.b64decode(shot["data"]))


def texts(browser: Any, selector: str) -> list[str]:
    """Return the texts that are shown, of all elements that match."""
    script = (
        "return [...document.querySelectorAll(arguments[0])]"
        ".filter((one) => one.checkVisibility()).map((one) => one.innerText.trim()).filter(Boolean)"
    )
    found: list[str] = browser.execute_script(script, selector)
    return found


def count(browser: Any, selector: str) -> int:
    """Return how many elements match."""
    return len(browser.find_elements("css selector", selector))


def shown(browser: Any, selector: str) -> int:
    """Return how many elements match and are not hidden."""
    script = (
        "return [...document.querySelectorAll(arguments[0])]"
        ".filter((one) => one.checkVisibility()).length"
    )
    found: int = browser.execute_script(script, selector)
    return found


def assert_whole_and_quiet(live: Any, site: Site, sections: Sequence[str]) -> None:
    """Every section is there with words in it, nothing lies beside the screen, nothing complained.

    Nothing was asked for but the page itself.
    """
    found = {name: len(text) for name in sections for text in texts(live, f"main > section#{name}")}
    assert sideways(live) <= 0
    assert set(found) == set(sections)
    assert min(found.values()) > 40
    assert live.get_log("browser") == []
    assert requests(live) == [site.address]
