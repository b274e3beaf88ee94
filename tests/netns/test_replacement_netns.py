"""A container replaced at its published port, while a client goes on from the same port."""

import shutil
from typing import Any

import pytest
from support.program import Program, records
from support.require import require_or_skip

from netbench.engines.local_process import find_program

SUITE = """
[probes.udp-replaced]
datagrams = 5
[probes.udp-burst]
kind = "udp-rate"
rate = "100M"
volume = 1_125_000
[[cell]]
probe = "udp-replaced"
placement = "none"
[[cell]]
probe = "udp-burst"
placement = "same"
"""


def figures(record: dict[str, Any]) -> dict[str, float]:
    return {m["metric"]: m["value"] for m in record["outcome"]["measurements"]}


def test_a_flow_goes_on_to_the_new_container_and_a_burst_tells_its_loss(program: Program) -> None:
    """What is tracked of the old one, and of datagrams while there was none, is forgotten."""
    if shutil.which("socat") is None or find_program("nft") is None:
        require_or_skip("netns", "needs socat and nft (nftables)")
    suite = program.suite(SUITE)
    drivers = ("--drivers", "host,bridge:user", "--paths", "north-south", "--blocks", "1")
    done = program("run", *drivers, "--suite", suite)

    assert done.code == 0, done.stderr
    found = records(program.run_folder())
    for record in (one for one in found if one["cell"]["probe"] == "udp-replaced"):
        told = figures(record)
        assert 0 < told["outage_time"] < 10
        assert told["loss"] < 1
        assert dict(record["outcome"]["details"])["replaced.datagrams"] == 5
    bursts = [figures(one) for one in found if one["cell"]["probe"] == "udp-burst"]
    assert len(bursts) == 3
    assert all(0 <= one["loss"] < 1 for one in bursts)


def test_a_container_that_has_another_address_is_not_replaced_for_its_neighbours(
    program: Program,
) -> None:
    if shutil.which("socat") is None:
        require_or_skip("netns", "socat not found: apt-get install socat")
    suite = program.suite('[[cell]]\nprobe = "udp-replaced"\nplacement = "none"\n')
    drivers = ("--drivers", "bridge:user,container", "--blocks", "1")
    program("run", *drivers, "--suite", suite)

    reasons = {
        one["cell"]["driver"]: one["outcome"]["reason"] for one in records(program.run_folder())
    }
    assert reasons["bridge:user"].startswith("the new container is at ")
    assert reasons["container"] == "the client is in the server's namespace, and goes with it"


@pytest.mark.parametrize("placement", ["cross", "same"])
def test_a_placement_is_refused_where_the_engine_does_the_work(
    program: Program, placement: str
) -> None:
    suite = program.suite(f'[[cell]]\nprobe = "udp-replaced"\nplacement = "{placement}"\n')
    done = program("run", "--drivers", "host", "--suite", suite)

    assert done.code == 2
    assert "the engine's own work cannot be pinned" in done.stderr
