"""The documentation as a site: built strictly, and asking nothing of any other host."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from support.hang import HANG

ROOT = Path(__file__).parent.parent.parent
REQUEST = re.compile(r"<(?:script|img|iframe|source|video)[^>]*\ssrc=[\"']?(https?:)?//")
LINKED = re.compile(r"<link[^>]*rel=[\"']?(?:stylesheet|preload|icon|preconnect)[^>]*(https?:)?//")
LOADED = re.compile(r"(?:url\(|@import )[\"']?(?:https?:)?//")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    argv = (sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder))
    done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=False, timeout=HANG)
    assert done.returncode == 0, done.stderr
    return folder


def test_every_page_is_in_it(site: Path) -> None:
    for page in (ROOT / "docs").glob("*.md"):
        assert (site / f"{page.stem}.html").exists()
    for run in ("standard", "ipvlan"):
        assert (site / "sample" / run / "report.html").exists()


def test_no_page_asks_another_host(site: Path) -> None:
    for page in site.glob("*.html"):
        text = page.read_text()
        assert not REQUEST.search(text), page.name
        assert not LINKED.search(text), page.name
        assert "api.github.com" not in text
        assert 'data-md-component="source"' not in text  # it would fetch a repository's figures
    for style in site.rglob("*.css"):
        assert not LOADED.search(style.read_text()), style.name
