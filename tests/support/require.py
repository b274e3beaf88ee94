"""Prerequisites of tests: a missing one skips on a laptop and fails where it is required."""

import os
from typing import NoReturn

import pytest


def require_or_skip(name: str, reason: str) -> NoReturn:
    """Skip the test, or fail it where `NETBENCH_TEST_REQUIRE` lists `name`."""
    if name in os.environ.get("NETBENCH_TEST_REQUIRE", "").split(","):
        pytest.fail(f"{name} is required here: {reason}")
    pytest.skip(reason)
