"""The documentation as a site: built strictly, and asking nothing of any other host."""

import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

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
    env = {name: text for name, text in os.environ.items() if name != "NETBENCH_REPOSITORY"}
    done = subprocess.run(
        argv, cwd=ROOT, env=env, capture_output=True, text=True, check=False, timeout=HANG
    )
    assert done.returncode == 0, done.stderr
    return folder


def hooks() -> ModuleType:
    """Return docs/hooks.py, which lies in no package."""
    spec = importlib.util.spec_from_file_location("netbench_hooks", ROOT / "docs" / "hooks.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("repository", "text", "shown"),
    [
        (
            "",
            "see [the run](../reports/sample/summary.md)",
            "see the run (`reports/sample/summary.md`)",
        ),
        ("", "[`benchmarks/quick.toml`](../benchmarks/quick.toml)", "`benchmarks/quick.toml`"),
        ("", "[all](../reports/sample/report.html)", "[all](sample/report.html)"),
        (
            "https://a.example/x/",
            "[run](../benchmarks/q)",
            "[run](https://a.example/x/benchmarks/q)",
        ),
    ],
)
def test_a_link_out_of_the_pages_needs_no_repository(
    repository: str, text: str, shown: str
) -> None:
    config = SimpleNamespace(extra={"repository": repository})

    assert hooks().on_page_markdown(text, config) == shown


def test_no_link_leads_out_of_the_site(site: Path) -> None:
    for page in site.glob("*.html"):
        for link in re.findall(r'href="?(\.\./[^" >]+)', page.read_text()):
            raise AssertionError(f"{page.name}: {link}")


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
