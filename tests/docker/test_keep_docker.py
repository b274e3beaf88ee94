"""`run --keep` on a real Docker Engine: what stays up, how one gets in, and what removes it."""

import os
import pty
import re
import shlex
import shutil
import signal
import subprocess
from pathlib import Path

import docker
import pytest
from support.dockerd import Lab
from support.faults import docker_bed_of, nothing_left
from support.hang import HANG
from support.program import Program, assert_cleaned, wait_for
from support.require import require_or_skip

from netbench.store import load

LABEL = "netbench.run"
KEEP = ("run", "--engine", "docker", "--drivers", "host,bridge:user", "--keep")
CLOSED = 9
"""A port at which nothing listens."""


@pytest.fixture
def program(lab: Lab, tmp_path: Path) -> Program:
    if shutil.which("docker") is None:
        require_or_skip("docker", "no docker command; install: apt-get install docker-cli")
    return lab.beside(Program(tmp_path))


def labelled(api: docker.APIClient) -> list[str]:
    """Names of containers and networks that carry our label, by a client that is not ours."""
    containers = api.containers(all=True, filters={"label": LABEL})
    networks = api.networks(filters={"label": LABEL})
    return [*(c["Names"][0].lstrip("/") for c in containers), *(n["Name"] for n in networks)]


def ways_in(stderr: str) -> dict[str, tuple[str, ...]]:
    """Return the printed commands by what they lead to."""
    found = re.findall(r"^  (.+): (docker .+)$", stderr, re.MULTILINE)
    return {name: tuple(shlex.split(command)) for name, command in found}


def told(command: tuple[str, ...], script: str) -> str:
    """Return what a script prints in the shell that a printed command opens at a terminal."""
    ours, theirs = pty.openpty()
    try:
        done = subprocess.run(
            (*command, "-c", script),
            env={k: v for k, v in os.environ.items() if k != "DOCKER_HOST"},
            stdin=theirs,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=HANG,
            check=False,
        )
    finally:
        os.close(ours)
        os.close(theirs)
    return done.stdout


def address(command: tuple[str, ...]) -> str:
    """Return the IPv4 address of `eth0` where a command leads."""
    found = re.search(r"inet ([0-9.]+)/", told(command, "ip -c=never -4 addr show eth0"))
    assert found
    return found[1]


def assert_up(ways: dict[str, tuple[str, ...]]) -> None:
    """The pair of the bridge is there: its client reaches the server, which refuses."""
    client, server = (ways[f"bridge:user, {role}"] for role in ("client", "server"))
    target = address(server)

    assert address(client) != target
    said = told(client, f"iperf3 -c {target} -p {CLOSED} --connect-timeout 5000")
    assert "Connection refused" in said
    assert "docker0" in told(ways["host of the engine"], "ip -br link")


def test_the_last_blocks_pairs_stay_up_until_clean(
    program: Program, lab: Lab, api: docker.APIClient
) -> None:
    before = labelled(api)
    done = program(*KEEP, "--blocks", "2", "--suite", program.suite())

    assert done.code == 0, done.stderr
    ways = ways_in(done.stderr)
    pairs = ("bridge:user", "host", "host (A/A)")
    assert set(ways) == {
        *(f"{pair}, {role}" for pair in pairs for role in ("client", "server")),
        "host of the engine",
    }
    assert {way[:3] for way in ways.values()} == {("docker", "--host", f"unix://{lab.socket}")}
    # Those of the first block are gone; the network is there beside its endpoints.
    assert len(labelled(api)) == len(before) + len(ways) + 1
    assert_up(ways)
    run = load(program.run_folder()).info.id
    assert f"to remove all of them (run {run}): netbench clean" in done.stderr
    assert_cleaned(program("clean"))
    assert labelled(api) == before


def test_an_interrupted_run_keeps_the_pairs_that_were_up(
    program: Program, api: docker.APIClient
) -> None:
    before = labelled(api)
    running = program.popen(*KEEP, "--blocks", "9", "--suite", program.suite())
    wait_for(program.so_far)
    running.send_signal(signal.SIGINT)
    _, stderr = running.communicate(timeout=HANG)

    assert running.returncode == 130, stderr
    assert_up(ways_in(stderr))
    assert_cleaned(program("clean"))
    assert labelled(api) == before


def test_what_the_kept_pairs_had_on_the_host_goes_with_them(program: Program, lab: Lab) -> None:
    """The wire of the emulated LAN, rules of published ports, cgroups and all."""
    with nothing_left(docker_bed_of(lab, program.folder)):
        outer = ("--paths", "east-west,north-south")
        done = program(*KEEP, *outer, "--blocks", "1", "--suite", program.suite())
        assert done.code == 0, done.stderr
        assert "client on the emulated LAN" in ways_in(done.stderr)
        assert_cleaned(program("clean"))
