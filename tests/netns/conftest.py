import os
import secrets
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.hang import SOON
from support.program import Program, wait_for
from support.require import require_or_skip
from support.user import as_user

from netbench.engines.netns.engine import NetnsEngine
from netbench.engines.netns.spawner import unavailable

MARK = "NETBENCH_TEST_MARK"


@pytest.fixture(scope="session")
def namespaces() -> None:
    """The kernel lets this user make namespaces."""
    reason = unavailable()
    if reason:
        require_or_skip("netns", reason)


@pytest.fixture
def rootless(plain_user: Callable[..., Program]) -> Callable[..., Program]:
    """netbench as an ordinary user calls it, where such a user may make namespaces."""
    argv = (*as_user(), "unshare", "--user", "--map-root-user", "--net", "true")
    tried = subprocess.run(argv, cwd="/", capture_output=True, text=True, check=False)
    if tried.returncode != 0:
        require_or_skip("user", f"an ordinary user makes no namespaces here: {tried.stderr}")
    return plain_user


@pytest.fixture
def run_id() -> str:
    """What everything carries that the engines of a test make."""
    return f"test{secrets.token_hex(4)}"


@pytest.fixture
def open_engine(namespaces: None, run_id: str) -> Iterator[Callable[[], NetnsEngine]]:
    """Make engines in this process; whatever happens, they end with the test."""
    del namespaces
    if os.geteuid() != 0:
        require_or_skip("root", "only the command line enters a user namespace by itself")
    made: list[NetnsEngine] = []

    def make() -> NetnsEngine:
        made.append(NetnsEngine(run_id, "asked for"))
        return made[-1]

    yield make
    for engine in made:
        engine.close()


@pytest.fixture
def engine(open_engine: Callable[[], NetnsEngine]) -> NetnsEngine:
    return open_engine()


@pytest.fixture
def mark() -> str:
    """A word in the environment of every process that a test's netbench starts."""
    return secrets.token_hex(8)


@pytest.fixture
def own_processes(mark: str) -> Callable[[], list[str]]:
    """List what runs of this test's netbench."""

    def look() -> list[str]:
        found = []
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                if mark.encode() in (folder / "environ").read_bytes():
                    command = (folder / "cmdline").read_bytes().decode(errors="replace")
                    found.append(f"{folder.name}: {command}")
            except OSError:
                continue
        return found

    return look


@pytest.fixture
def program(
    namespaces: None, mark: str, own_processes: Callable[[], list[str]], tmp_path: Path
) -> Iterator[Program]:
    """netbench as it is called; every process that comes of it is gone after the test."""
    del namespaces
    yield Program(tmp_path, environment={MARK: mark, "NETBENCH_ENGINE": "netns"})
    wait_for(lambda: not own_processes(), within=SOON)
