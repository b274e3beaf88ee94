"""What every folder of tests may use. `tests/support` is made importable here."""

import fcntl
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import settings

sys.path.insert(0, str(Path(__file__).parent))

from support.program import Program
from support.user import program_of_user

from netbench.engines.owner import leftovers, remove_leftover
from netbench.errors import EngineError
from netbench.system.interrupts import ENDING

# How long an example takes is the machine's affair. `pytest --hypothesis-profile long` tries more.
settings.register_profile("short", deadline=None, max_examples=30)
settings.register_profile("long", deadline=None, max_examples=1000)
settings.load_profile("short")

# netbench takes NETBENCH_REQUIRE for budgets: whoever means the tests by it is understood here.
os.environ.setdefault("NETBENCH_TEST_REQUIRE", os.environ.pop("NETBENCH_REQUIRE", ""))


@pytest.fixture(autouse=True)
def _one_cleans_at_a_time(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[None]:
    """Keep those that clean up behind killed runs apart: each would find what another left."""
    if request.node.get_closest_marker("cleans") is None:
        yield
        return
    base = tmp_path_factory.getbasetemp()
    of_all_workers = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    with (of_all_workers / "cleans.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@pytest.fixture(autouse=True)
def _signals_as_before() -> Iterator[None]:
    """Undo what a command line run in this process leaves: ignored signals, which tools inherit."""
    former = {number: signal.getsignal(number) for number in (*ENDING, signal.SIGALRM)}
    yield
    for number, handler in former.items():
        signal.signal(number, handler)


@pytest.fixture(scope="session", autouse=True)
def _no_cgroup_is_left() -> Iterator[None]:
    """Remove what is left of those that tests kill: their cgroups, empty, outlive them."""
    yield
    for group in leftovers(None, "cgroup"):
        if not group.live:
            with suppress(EngineError):
                remove_leftover(group)


@pytest.fixture
def plain_user() -> Iterator[Callable[..., Program]]:
    """netbench as an ordinary user calls it; `plain_user(group=...)` gives one group more."""
    folders: list[Path] = []

    def make(group: int | None = None) -> Program:
        folder = Path(tempfile.mkdtemp(prefix="netbench-test-", dir="/tmp"))
        folders.append(folder)
        return program_of_user(folder, group)

    yield make
    for folder in folders:
        shutil.rmtree(folder, ignore_errors=True)
