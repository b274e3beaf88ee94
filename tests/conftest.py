"""What every folder of tests may use. `tests/support` is made importable here."""

import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import settings

sys.path.insert(0, str(Path(__file__).parent))

from support.program import Program
from support.user import program_of_user

# How long an example takes is the machine's affair.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")

# netbench takes NETBENCH_REQUIRE for budgets: whoever means the tests by it is understood here.
os.environ.setdefault("NETBENCH_TEST_REQUIRE", os.environ.pop("NETBENCH_REQUIRE", ""))


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
