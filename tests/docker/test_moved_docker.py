"""Paths that are moved while they are measured, for all who may use a Docker Engine."""

from collections.abc import Callable
from pathlib import Path

import pytest
from support.detour import moved_in_a_run
from support.dockerd import Lab
from support.program import Program, records

STREAMS = 11
"""So many that no other run has as many."""
SUITE = f"""
[probes.tcp-throughput]
rounds = 6
slice = 0.3
streams = {STREAMS}
[[cell]]
probe = "tcp-throughput"
placement = "none"
"""


@pytest.mark.parametrize("user", ["root", "socket alone"])
def test_a_path_that_is_moved_within_a_session_is_a_failure(
    lab: Lab, plain_user: Callable[..., Program], tmp_path: Path, user: str
) -> None:
    """Rounds of three arms take a second; who has the socket alone reads links from inside."""
    alone = user == "socket alone"
    own = plain_user(group=lab.socket.stat().st_gid) if alone else Program(tmp_path)
    program = lab.beside(own)
    argv = ("--drivers", "host,bridge", "--blocks", "1", "--engine", "docker")
    with moved_in_a_run(STREAMS, after=3.0):
        ended = program("run", *argv, "--suite", program.suite(SUITE))

    assert ended.code == 3, ended.stderr
    for record in records(program.run_folder()):
        outcome = record["outcome"]
        if record["cell"]["driver"] == "host":
            assert outcome["kind"] == "sample", outcome
        else:
            assert (outcome["kind"], outcome["stage"]) == ("failure", "path"), outcome
            assert "round 6: " in outcome["reason"]
            assert "round 1: " not in outcome["reason"]
