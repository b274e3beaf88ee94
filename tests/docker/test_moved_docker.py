"""Paths that are moved while they are measured, for all who may use a Docker Engine."""

from collections.abc import Callable
from pathlib import Path

import pytest
from support.detour import moved_in_a_run, rewired_in_a_run
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


@pytest.mark.parametrize("user", ["root", "socket alone"])
def test_ports_that_are_moved_to_another_bridge_are_a_failure_for_every_reader(
    lab: Lab, plain_user: Callable[..., Program], tmp_path: Path, user: str
) -> None:
    """Their counters move on, so that only who reads the masters again sees it."""
    alone = user == "socket alone"
    own = plain_user(group=lab.socket.stat().st_gid) if alone else Program(tmp_path)
    program = lab.beside(own)
    argv = ("--drivers", "bridge:user", "--blocks", "1", "--engine", "docker")
    with rewired_in_a_run(STREAMS, after=1.0, host=lab.inside, bridge="other9"):
        ended = program("run", *argv, "--suite", program.suite(SUITE))

    assert ended.code == 3, ended.stderr
    moved = [r for r in records(program.run_folder()) if r["outcome"]["kind"] == "failure"]
    assert len(moved) == 1, [r["outcome"]["reason"] for r in moved]
    assert moved[0]["outcome"]["stage"] == "promise", moved[0]["outcome"]
    (host,) = (end for end in moved[0]["endpoints"] if end["role"] == "host")
    assert [link["master"] for link in host["links"]].count("other9") == 2, host


def test_the_proof_says_what_was_read_once(
    lab: Lab, plain_user: Callable[..., Program], tmp_path: Path
) -> None:
    for own in (plain_user(group=lab.socket.stat().st_gid), Program(tmp_path)):
        program = lab.beside(own)
        argv = ("--drivers", "bridge:user", "--blocks", "1", "--engine", "docker")
        assert program("run", *argv, "--suite", program.suite()).code == 0
        for record in records(program.run_folder()):
            path = record["path"]
            assert path["held"]
            assert ["as of bring-up" in one for one in path["read_once"]] == (
                [True] if path["reader"] == "engine" else []
            )


@pytest.mark.parametrize("user", ["root", "socket alone"])
def test_ports_that_are_moved_and_moved_back_are_a_failure_for_every_reader(
    lab: Lab, plain_user: Callable[..., Program], tmp_path: Path, user: str
) -> None:
    """Neither reading sees it: what the kernel tells in between does."""
    alone = user == "socket alone"
    own = plain_user(group=lab.socket.stat().st_gid) if alone else Program(tmp_path)
    program = lab.beside(own)
    argv = ("--drivers", "bridge:user", "--blocks", "1", "--engine", "docker")
    with rewired_in_a_run(STREAMS, after=1.0, host=lab.inside, bridge="other9", back=True):
        ended = program("run", *argv, "--suite", program.suite(SUITE))

    assert ended.code == 3, ended.stderr
    moved = [r for r in records(program.run_folder()) if r["outcome"]["kind"] == "failure"]
    assert len(moved) == 1
    assert moved[0]["outcome"]["stage"] == "path", moved[0]["outcome"]
    assert moved[0]["outcome"]["reason"].count("master other9") == 2
    heard = "ip monitor link on the host" if alone else "netlink events of links and qdiscs of "
    assert moved[0]["path"]["listened"].startswith(heard)
