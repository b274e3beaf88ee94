"""The control plane of a real Docker Engine."""

import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import docker
import pytest
from support.dockerd import Lab
from support.hang import HANG
from support.program import Program, assert_cleaned, records, sampled, wait_for

from netbench.store import load

SUITE = """
[probes.few]
kind = "control-plane"
endpoints = {endpoints}
[[cell]]
probe = "few"
"""
MADE = {"bridge:user", "macvlan:bridge", "overlay"}
"""Drivers whose network the engine makes as a thing of its own."""
LABEL = "netbench.run"
SOCKET_GROUP = 65533
"""The group that `lab` opens its socket to."""


@pytest.fixture
def program(lab: Lab, tmp_path: Path) -> Program:
    return lab.beside(Program(tmp_path))


def labelled(api: docker.APIClient) -> list[str]:
    """Ids of containers and networks that carry our label, by a client that is not ours."""
    containers = api.containers(all=True, filters={"label": LABEL})
    return [thing["Id"] for thing in (*containers, *api.networks(filters={"label": LABEL}))]


def values(record: dict[str, Any]) -> dict[str, float]:
    return {m["metric"]: m["value"] for m in record["outcome"]["measurements"]}


def test_every_driver_is_timed_and_nothing_is_left(program: Program, api: docker.APIClient) -> None:
    drivers = "host,none,bridge,bridge:user,container,macvlan,overlay"
    done = program(
        *("run", "--engine", "docker", "--init-swarm", "--drivers", drivers, "--blocks", "1"),
        *("--suite", program.suite(SUITE.format(endpoints=2)), "--json"),
    )

    found = records(program.run_folder())
    samples = sampled(found)
    assert done.code == 0, done.stderr
    assert {r["cell"]["driver"] for r in samples} == {
        "host",
        "bridge",
        "bridge:user",
        "container",
        "macvlan:bridge",
        "overlay",
    }
    for record in samples:
        driver, metrics = record["cell"]["driver"], values(record)
        assert len(record["outcome"]["series"]) == 2
        assert 0.01 < metrics["start_time"] < 20
        assert ("create_time" in metrics) == (driver in MADE), driver
        assert all(check["held"] for check in record["promises"])
        details = dict(record["outcome"]["details"])
        assert 0 < details["lifecycle.engine_start"] < metrics["start_time"]
    assert labelled(api) == []


def test_ports_and_neighbours_are_there_and_their_slopes_are_reported(
    program: Program, api: docker.APIClient
) -> None:
    suite = """
    [probes.ports]
    kind = "control-plane"
    ports = 4
    [probes.neighbours]
    kind = "control-plane"
    neighbours = 3
    [[cell]]
    probe = "control-plane"
    [[cell]]
    probe = "ports"
    [[cell]]
    probe = "neighbours"
    """
    done = program(
        *("run", "--engine", "docker", "--drivers", "bridge,bridge:user,macvlan"),
        *("--blocks", "1", "--suite", program.suite(suite), "--json"),
    )

    folder = program.run_folder()
    found = {(r["cell"]["driver"], r["cell"]["probe"]): r["outcome"] for r in records(folder)}
    assert done.code == 3, done.stderr
    skipped = found.pop(("macvlan:bridge", "ports"))
    assert (skipped["kind"], skipped["reason"]) == ("skip", "the driver publishes no ports")
    assert [outcome for outcome in found.values() if outcome["kind"] != "sample"] == []
    page = (folder / "report.html").read_text()
    assert "The start takes longer for each port: bridge " in page
    assert "for each neighbour: bridge " in page
    assert labelled(api) == []


def test_a_user_of_the_socket_alone_times_it_too(
    lab: Lab, plain_user: Callable[..., Program], api: docker.APIClient
) -> None:
    user = lab.beside(plain_user(group=SOCKET_GROUP))
    done = user(
        *("run", "--engine", "docker", "--drivers", "host,bridge:user", "--blocks", "1"),
        *("--suite", user.suite(SUITE.format(endpoints=2))),
    )

    assert done.code == 0, done.stderr
    found = records(user.run_folder())
    assert [r["outcome"]["kind"] for r in found] == ["sample"] * 3
    assert labelled(api) == []


def test_a_run_stopped_among_its_endpoints_leaves_nothing(
    program: Program, api: docker.APIClient
) -> None:
    running = program.popen(
        *("run", "--engine", "docker", "--drivers", "bridge:user"),
        *("--suite", program.suite(SUITE.format(endpoints=50))),
    )
    wait_for(lambda: [c for c in api.containers() if c["Names"][0].find("-c3-") > 0])
    running.send_signal(signal.SIGINT)
    _, stderr = running.communicate(timeout=HANG)

    assert running.returncode == 130, stderr
    assert load(program.run_folder()).info.status == "interrupted"
    assert labelled(api) == []


def test_clean_finds_what_a_run_killed_among_its_endpoints_left(
    program: Program, api: docker.APIClient
) -> None:
    running = program.popen(
        *("run", "--engine", "docker", "--drivers", "bridge:user"),
        *("--suite", program.suite(SUITE.format(endpoints=50))),
    )
    wait_for(lambda: [c for c in api.containers() if c["Names"][0].find("-c3-") > 0])
    running.kill()
    running.communicate(timeout=HANG)
    assert labelled(api)

    cleaned = program("clean")

    assert_cleaned(cleaned)
    assert labelled(api) == []
