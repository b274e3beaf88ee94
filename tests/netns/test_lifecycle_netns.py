"""The control plane on bare namespaces: figures that can be true, and nothing left behind."""

import signal
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest
from support.hang import HANG, SOON
from support.program import Program, records, sampled, wait_for

from netbench.store import load

DRIVERS = "host,none,bridge,bridge:user,bridge:user@family=6,container,macvlan,overlay"
MADE = {"bridge:user", "bridge:user@family=6", "overlay"}
"""Drivers whose network the engine makes as a thing of its own."""
SUITE = """
[probes.few]
kind = "control-plane"
endpoints = {endpoints}
[[cell]]
probe = "few"
"""
Processes = Callable[[], list[str]]


def values(record: dict[str, Any]) -> dict[str, float]:
    return {m["metric"]: m["value"] for m in record["outcome"]["measurements"]}


def test_every_driver_is_timed_and_its_promises_held(
    program: Program, own_processes: Processes
) -> None:
    suite = program.suite(SUITE.format(endpoints=4))
    done = program("run", "--drivers", DRIVERS, "--blocks", "1", "--suite", suite, "--json")

    assert done.code in (0, 3), done.stderr
    samples = sampled(records(program.run_folder()))
    absent = {"macvlan:bridge", "overlay", "bridge:user@family=6"}
    assert {r["cell"]["driver"] for r in samples} >= {*DRIVERS.split(",")} - absent - {
        "none",
        "macvlan",
    }
    for record in samples:
        driver, found = record["cell"]["driver"], values(record)
        starts = [point["value"] for point in record["outcome"]["series"]]
        assert len(starts) == 4
        assert 0 < min(starts) <= found["start_time"] <= max(starts) < 10
        assert ("create_time" in found) == (driver in MADE), driver
        assert 0 < found["remove_time"] < 10
        assert record["promises"]
        assert all(check["held"] for check in record["promises"])
        # What is under the clock is a part of the trial, and the endpoints follow each other.
        assert sum(starts) < record["clock"]["measuring"] < record["clock"]["seconds"]
        points = record["outcome"]["series"]
        assert all(a["end"] <= b["start"] for a, b in pairwise(points))
    (isolated,) = [r for r in records(program.run_folder()) if r["cell"]["driver"] == "none"]
    assert isolated["outcome"]["by_design"]
    wait_for(lambda: not own_processes(), within=SOON)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_run_stopped_among_its_endpoints_leaves_nothing(
    program: Program, own_processes: Processes, number: signal.Signals
) -> None:
    suite = program.suite(SUITE.format(endpoints=200))
    running = program.popen("run", "--drivers", "bridge:user", "--suite", suite)
    wait_for(lambda: any("socat" in process for process in own_processes()))
    running.send_signal(number)
    _, stderr = running.communicate(timeout=HANG)

    assert running.returncode == 130, stderr
    assert load(program.run_folder()).info.status == "interrupted"
    wait_for(lambda: not own_processes(), within=SOON)


def test_a_run_killed_among_its_endpoints_leaves_nothing(
    program: Program, own_processes: Processes
) -> None:
    suite = program.suite(SUITE.format(endpoints=200))
    running = program.popen("run", "--drivers", "bridge:user", "--suite", suite)
    wait_for(lambda: any("socat" in process for process in own_processes()))
    running.kill()
    running.communicate(timeout=HANG)

    wait_for(lambda: not own_processes(), within=SOON)


def test_an_ordinary_user_times_the_control_plane(rootless: Callable[..., Program]) -> None:
    user = rootless()
    suite = user.suite(SUITE.format(endpoints=2))
    argv = ("run", "--engine", "netns", "--drivers", "host,bridge:user", "--blocks", "1")
    done = user(*argv, "--suite", suite)

    assert done.code == 0, done.stderr
    found = records(user.run_folder())
    assert [r["outcome"]["kind"] for r in found] == ["sample"] * 3
