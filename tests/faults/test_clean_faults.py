"""netbench killed at random times: what `clean` leaves is what was there before."""

import random
import secrets
import signal
import subprocess
from collections.abc import Callable
from contextlib import suppress

import pytest
from support.faults import Bed, assert_kept, nothing_left
from support.program import assert_cleaned

TIMES = {"bed": 15, "docker_bed": 5}
LONGEST = {"bed": 4.0, "docker_bed": 9.0}
"""Seconds that a whole run of one block takes here, about."""


@pytest.mark.slow
@pytest.mark.cleans
@pytest.mark.parametrize("where", TIMES)
def test_killed_at_random_times_nothing_is_left(
    where: str, request: pytest.FixtureRequest, record_property: Callable[[str, object], None]
) -> None:
    bed: Bed = request.getfixturevalue(where)
    seed = secrets.randbits(32)
    record_property("seed", seed)
    times = random.Random(seed)  # noqa: S311 -- moments, not secrets
    for turn in range(TIMES[where]):
        with nothing_left(bed, within=10):
            run = bed.start(name=f"{turn}-")
            with suppress(subprocess.TimeoutExpired):
                run.process.wait(times.uniform(0.2, LONGEST[where]))
            run.lines()
            run.process.send_signal(signal.SIGKILL)
            run.process.wait(20)
            assert_cleaned(bed.program("clean"))
        assert_kept(run, truncated=True)
        for folder in (bed.program.folder / "reports").glob("*"):
            folder.rename(bed.program.folder / f"kept-{turn}-{folder.name}")
