"""netbench killed at random times: what `clean` leaves is what was there before."""

import io
import random
import secrets
import signal
import subprocess
from collections.abc import Callable
from contextlib import suppress

import docker
import pytest
from support.dockerd import Lab
from support.faults import Bed, assert_kept, nothing_left
from support.program import assert_cleaned
from support.walks import CGROUPS

from netbench.engines.docker.endpoints import OWNER, RUN
from netbench.engines.owner import this_process

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
        with nothing_left(bed):
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


def test_what_an_engine_forgot_of_a_container_goes_with_it(docker_bed: Bed, lab: Lab) -> None:
    """As one leaves them that is killed while it starts a container."""
    client = docker.APIClient(base_url=f"unix://{lab.socket}")
    empty = io.BytesIO(b"\0" * 10240)
    client.import_image_from_data(empty.getvalue(), repository="empty", tag="1")
    roots = [path.parent for path in CGROUPS.glob("*/release_agent")] or [CGROUPS]  # version 1, 2
    groups = [root / f"netbench-lab-{lab.holder}" for root in roots]
    for group in groups:
        group.mkdir(exist_ok=True)
    with nothing_left(docker_bed):
        made = client.create_container("empty:1", ["x"], labels={RUN: "1", OWNER: _dead()})["Id"]
        with subprocess.Popen(("sleep", "600")) as running:
            for group in groups:
                (group / made).mkdir()
                with suppress(OSError):  # cpuset of version 1 takes none before it has CPUs
                    (group / made / "cgroup.procs").write_text(f"{running.pid}\n")
            cleaned = docker_bed.program("clean")
            ended = running.poll()
            running.kill()
        assert_cleaned(cleaned)
        assert ended == -signal.SIGKILL
    client.remove_image("empty:1")
    client.close()


def _dead() -> str:
    """Return the mark of a process of this machine that has ended."""
    boot, space, _, ticks = this_process().split(":")
    with subprocess.Popen(("true",)) as ended:
        return f"{boot}:{space}:{ended.pid}:{ticks}"
