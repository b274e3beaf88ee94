import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import docker
import pytest
from support.dockerd import Lab
from support.two_engines import TwoEngines

from netbench.engines.base import EngineOptions
from netbench.engines.docker import DockerEngine
from netbench.engines.docker.client import Clients, resolve

SOCKET_GROUP = 65533
"""Group that may use the lab's socket; no user of the machine is in it."""


@pytest.fixture(scope="session")
def lab() -> Iterator[Lab]:
    started = Lab.start(group=SOCKET_GROUP)
    yield started
    started.stop()


@pytest.fixture(scope="session")
def two_engines() -> Iterator[TwoEngines]:
    """Two engines with a wire between them."""
    two = TwoEngines.start()
    yield two
    two.stop()


@pytest.fixture
def open_engine(lab: Lab) -> Iterator[Callable[..., DockerEngine]]:
    """Open an engine of a run; everything that the run made is removed after the test."""
    with contextlib.ExitStack() as stack:

        def opened(run: str, **wishes: Any) -> DockerEngine:
            engine = DockerEngine(Clients(resolve(lab.environment)), run, EngineOptions(**wishes))
            stack.callback(engine.close)
            stack.callback(sweep, engine, run)
            return engine

        yield opened


def sweep(engine: DockerEngine, run: str) -> None:
    for thing in engine.owned(run):
        engine.remove_owned(thing)


@pytest.fixture
def engine(open_engine: Callable[..., DockerEngine]) -> DockerEngine:
    opened = open_engine("test-run")
    opened.prepare()
    return opened


@pytest.fixture
def api(lab: Lab) -> Iterator[docker.APIClient]:
    """A client of the same engine that knows nothing of netbench."""
    client = docker.APIClient(base_url=f"unix://{lab.socket}")
    yield client
    client.close()
