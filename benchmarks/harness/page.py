"""How soon the first screen of a report stands in headless Chromium, and how large the page is.

The pages are made by `netbench report` from run folders of many records, opened several times each
from disk with an empty cache, and removed. Figures below the first screen are not waited for.
"""

import argparse
import statistics
import sys
import tempfile
from pathlib import Path

from report import ROOT, report_on, written

sys.path.insert(0, str(ROOT / "tests"))

from support.browsing import Look, chromium, opened, until

SHOWN = """
const [paint] = performance.getEntriesByName("first-contentful-paint");
const [page] = performance.getEntriesByType("navigation");
return [paint.startTime, page.domInteractive];
"""
"""Milliseconds after the start: the first paint, and the whole page read."""


def main() -> None:
    """Measure each size and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=int, nargs="+", default=[700, 100_000])
    parser.add_argument("--times", type=int, default=7)
    options = parser.parse_args()

    print(f"{'records':>9}{'report.html':>13}{'first paint':>14}{'page read':>12}   median, worst")
    with chromium() as browser:
        for size in options.records:
            with tempfile.TemporaryDirectory(prefix="netbench-bench-") as parent:
                folder = written(Path(parent), size)
                report_on(folder)
                page = folder / "report.html"
                painted, read = zip(
                    *(look(browser, page.as_uri()) for _ in range(options.times)), strict=True
                )
                print(
                    f"{size:9,}{page.stat().st_size / 1e6:10.2f} MB{told(painted):>16}"
                    f"{told(read):>16}",
                    flush=True,
                )


def look(browser: object, address: str) -> tuple[float, float]:
    """Open the page once and return both times."""
    live = opened(browser, address, Look())
    until(live, "return performance.getEntriesByName('first-contentful-paint').length > 0")
    first, whole = live.execute_script(SHOWN)
    return first, whole


def told(times: tuple[float, ...]) -> str:
    """Return `0.41, 0.52 s`."""
    return f"{statistics.median(times) / 1e3:.2f}, {max(times) / 1e3:.2f} s"


if __name__ == "__main__":
    main()
