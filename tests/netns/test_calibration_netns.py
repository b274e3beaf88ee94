import os
import shutil
import time
from pathlib import Path

import pytest
from campaigns import Kind, campaign
from injected import Limiter, Neighbour
from support.require import require_or_skip

from netbench.errors import NetbenchError


@pytest.mark.alone
@pytest.mark.skipif(shutil.which("tc") is None, reason="tc (iproute2) is not installed")
def test_a_campaign_finds_the_effect_that_was_injected() -> None:
    limiter = Limiter(0.3e9, 0.5, noise=0.0)
    kind = Kind("half", "", 1, ("limited",), limiter=limiter, truth=0.5)

    try:
        ended = campaign(kind, 1)
    except NetbenchError as error:
        if "tc: " in error.message:
            require_or_skip("tbf", f"the kernel has no token bucket: {error.message}")
        raise

    (found,) = ended.found
    assert (found.probe, found.metric, found.verdict) == ("tcp-throughput", "throughput", "slower")
    assert found.ratio == pytest.approx(0.5, rel=0.05)


def test_a_neighbour_takes_a_cpu_and_ends_with_its_context() -> None:
    with Neighbour("calibration", rest=0.05) as neighbour:
        until = time.monotonic() + 20
        while cpu_seconds(neighbour.pid) < 0.3 and time.monotonic() < until:
            time.sleep(0.05)

        assert cpu_seconds(neighbour.pid) >= 0.3

    assert not Path(f"/proc/{neighbour.pid}").exists()


def cpu_seconds(pid: int) -> float:
    """Return the user time of a process."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) / os.sysconf("SC_CLK_TCK")
