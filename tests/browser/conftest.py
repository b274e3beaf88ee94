"""One browser and one served page for all tests of this folder."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.axe import axe_script
from support.browsing import Site, chromium
from support.synthetic import reported

from netbench.report import html


@pytest.fixture(scope="session")
def site() -> Iterator[Site]:
    run = reported()
    served = Site(html(run.info, run.analysis, run.digest).encode())
    yield served
    served.close()


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    with chromium() as live:
        yield live


@pytest.fixture(scope="session")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder for pictures of the page; CI keeps the one that it names."""
    asked = os.environ.get("NETBENCH_TEST_PICTURES")
    folder = Path(asked) if asked else tmp_path_factory.mktemp("pictures")
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@pytest.fixture(scope="session")
def axe(request: pytest.FixtureRequest) -> str:
    return axe_script(request.config.cache.mkdir("axe"))
