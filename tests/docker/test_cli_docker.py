"""netbench from the command line on a real Docker Engine."""

import dataclasses
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import docker
import pytest
from support.dockerd import Lab
from support.hang import HANG
from support.program import (
    Program,
    assert_cleaned,
    is_held,
    records,
    sampled,
    tool_processes,
    wait_for,
)

from netbench.drivers import DRIVERS
from netbench.engines.docker import DockerEngine
from netbench.facts.inside import InsideReader
from netbench.facts.netlink import NetlinkReader
from netbench.record import Namespaces, PairFacts
from netbench.spec import Arm
from netbench.store import load
from netbench.topology.pairs import LiveBlock, LivePair

ALL = "none,host,bridge,bridge:user,container"
CARRYING = {"host", "bridge", "bridge:user", "container"}
LABEL = "netbench.run"
SOCKET_GROUP = 65533
"""The group that `lab` opens its socket to."""
STREAMS = 7
"""So many that no other run has as many."""


@pytest.fixture
def program(lab: Lab, tmp_path: Path) -> Program:
    return lab.beside(Program(tmp_path))


@pytest.fixture
def own_lab() -> Iterator[Lab]:
    """An engine that the test may break."""
    started = Lab.start()
    yield started
    started.stop()


def labelled(api: docker.APIClient, run: str | None = None) -> list[str]:
    """Ids of containers and networks that carry our label, by a client that is not ours."""
    filters = {"label": f"{LABEL}={run}" if run else LABEL}
    found = (*api.containers(all=True, filters=filters), *api.networks(filters=filters))
    return [thing["Id"] for thing in found]


def assert_every_driver_proved(folder: Path, document: Any, reader: str) -> None:
    found = records(folder)
    samples = sampled(found)

    assert {r["cell"]["driver"] for r in samples} == CARRYING
    assert all(r["path"]["held"] and r["path"]["reader"] == reader for r in samples)
    assert all(check["held"] for r in found for check in r["promises"])
    for r in found:
        if r["cell"]["driver"] == "none":
            assert r["outcome"]["kind"] == "skip"
            assert r["outcome"]["by_design"]
            assert "ECONNREFUSED" in r["outcome"]["evidence"]
            assert "ENETUNREACH" in r["outcome"]["evidence"]
    compared = {c["driver"] for c in document["contrasts"]}
    assert compared == CARRYING - {"host"}


def test_every_driver_is_measured_and_its_path_proved(
    program: Program, api: docker.APIClient
) -> None:
    done = program(
        *("run", "--engine", "docker", "--drivers", ALL, "--blocks", "1"),
        *("--suite", program.suite(), "--json"),
    )

    assert done.code == 0, done.stderr
    assert_every_driver_proved(program.run_folder(), done.json, "netlink")
    assert labelled(api) == []


def test_a_user_of_the_socket_alone_gets_the_same_proof(
    lab: Lab, plain_user: Callable[..., Program]
) -> None:
    program = lab.beside(plain_user(group=SOCKET_GROUP))

    done = program(
        *("run", "--engine", "docker", "--drivers", ALL, "--blocks", "1"),
        *("--suite", program.suite(), "--json"),
    )

    assert done.code == 0, done.stderr
    assert_every_driver_proved(program.run_folder(), done.json, "engine")


def flat(facts: PairFacts) -> dict[str, Any]:
    """Facts one by one, without what may differ: counters, and ids that one reader cannot read."""
    found: dict[str, Any] = {"target": facts.target, "ipam": facts.ipam}
    for end in (facts.client, facts.server, facts.host):
        for field in ("pid", "namespaces", "addresses", "routes", "congestion_control"):
            found[f"{end.role} {field}"] = getattr(end, field)
        for link in end.links:
            for field in dataclasses.fields(link):
                if field.name != "counters":
                    name = f"{end.role} link {link.index} {field.name}"
                    found[name] = getattr(link, field.name)
    return found


def test_both_readers_give_equal_facts_of_every_driver(engine: DockerEngine) -> None:
    arms = [Arm(name) for name in ALL.split(",")]
    given = [(arm, DRIVERS[arm.driver]) for arm in arms]
    block = LiveBlock(engine, NetlinkReader(), given, prefix="netbench-readers", cpus=())
    with block:
        time.sleep(3)  # IPv6 addresses of the host's new links appear with a delay
        for arm in arms:
            live = block.pairs[arm]
            assert isinstance(live, LivePair), live
            (seen,) = InsideReader().read([live.pair])
            (ours_now,) = NetlinkReader().read([live.pair])

            assert isinstance(seen, PairFacts), seen
            assert isinstance(ours_now, PairFacts), ours_now
            ours, theirs = flat(ours_now), flat(seen)
            names = ours.keys() | theirs.keys()
            differing = {
                n: (ours.get(n), theirs.get(n)) for n in names if ours.get(n) != theirs.get(n)
            }
            assert differing == {}, arm
            judged = [promise.judge(seen).held for promise in live.driver.promises]
            assert judged == [True] * len(judged)
            read = [seen.client.namespaces, seen.server.namespaces, seen.host.namespaces]
            assert Namespaces() not in read


def test_iperf3_killed_in_the_middle_is_a_failure_with_its_words(program: Program) -> None:
    suite = program.suite(
        f"[probes.tcp-throughput]\nrounds = 12\nstreams = {STREAMS}\n"
        '[[cell]]\nprobe = "tcp-throughput"\nplacement = "cross"\n'
    )
    running = program.popen(
        *("run", "--engine", "docker", "--drivers", "host,bridge", "--blocks", "1"),
        *("--suite", suite),
    )
    pid = wait_for(let_go)
    os.kill(pid, signal.SIGKILL)
    _, stderr = running.communicate(timeout=HANG)

    found = records(program.run_folder())
    failed = [r["outcome"] for r in found if r["outcome"]["kind"] == "failure"]
    assert running.returncode == 3, stderr
    assert len(failed) == 1
    assert failed[0]["stage"] == "output"
    assert len(found) == 3
    assert (program.run_folder() / "report.html").exists()


def let_go() -> int | None:
    """Return the client of a session whose slice it is; None while not all others are held."""
    clients = tool_processes("iperf3", ("-c", "-P", str(STREAMS)))
    free = [pid for pid in clients if not is_held(pid)]
    return free[0] if len(clients) > 1 and len(free) == 1 else None


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stopped_run_keeps_its_records_and_leaves_nothing(
    program: Program, api: docker.APIClient, number: signal.Signals
) -> None:
    running = program.popen(
        "run", "--engine", "docker", "--blocks", "5", "--suite", program.suite()
    )
    wait_for(program.so_far)
    running.send_signal(number)
    _, stderr = running.communicate(timeout=HANG)

    run = load(program.run_folder())
    assert running.returncode == 130, stderr
    assert run.info.status == "interrupted"
    assert list(run.records())
    assert (program.run_folder() / "report.html").exists()
    assert labelled(api) == []


def test_clean_removes_what_a_killed_run_left_and_nothing_else(
    program: Program, api: docker.APIClient, engine: DockerEngine
) -> None:
    foreign = api.create_container(
        engine.facts()["engine.image"],
        ["sleep", "600"],
        name="netbench-not-ours",
        labels={"netbench": "no"},
    )["Id"]
    network = api.create_network("netbench-not-ours-either")["Id"]
    try:
        running = program.popen(
            *("run", "--engine", "docker", "--drivers", "host,bridge:user"),
            *("--suite", program.suite()),
        )
        wait_for(program.so_far)
        running.kill()
        running.communicate(timeout=HANG)
        assert list(load(program.run_folder()).records())
        run = load(program.run_folder()).info.id
        before = labelled(api, run)
        assert before

        listed = program("clean", "--dry-run", "--json")
        rows = [row for row in listed.json["clean"] if row["run"] == run]
        assert len(rows) == len(before)
        assert {row["action"] for row in rows} == {"would go"}
        assert labelled(api, run) == before
        cleaned = program("clean")

        assert_cleaned(cleaned)
        assert labelled(api, run) == []
        assert api.inspect_container(foreign)["Id"] == foreign
        assert api.inspect_network(network)["Id"] == network
    finally:
        api.remove_container(foreign, force=True)
        api.remove_network(network)


def test_a_daemon_that_stops_in_the_middle_loses_no_record(own_lab: Lab, tmp_path: Path) -> None:
    program = own_lab.beside(Program(tmp_path))
    running = program.popen(
        "run", "--engine", "docker", "--blocks", "5", "--suite", program.suite()
    )
    wait_for(program.so_far)
    os.kill(own_lab.pid, signal.SIGTERM)
    _, stderr = running.communicate(timeout=HANG)

    run = load(program.run_folder())
    found = list(run.records())
    assert running.returncode == 3, stderr
    assert run.info.status == "engine-lost"
    assert found
    assert (program.run_folder() / "report.html").exists()
    mount = Path(f"/proc/{own_lab.holder}/ns/net").readlink()
    tools = [*tool_processes("iperf3"), *tool_processes("sockperf")]
    assert not [pid for pid in tools if _netns(pid) == mount]


def _netns(pid: int) -> Path | None:
    try:
        return Path(f"/proc/{pid}/ns/net").readlink()
    except OSError:
        return None


def test_docker_is_preferred_where_it_answers(program: Program) -> None:
    listed = program("drivers", "--json")

    assert listed.json["engine"] == "docker"
    refused = [row["reason"] for row in listed.json["drivers"] if row["possible"] is False]
    known = ("modprobe", "--init-swarm", "--engine netns", "rootless Podman's")
    assert all(any(word in reason for word in known) for reason in refused), refused


def test_a_missing_socket_is_told_with_the_fix(tmp_path: Path) -> None:
    program = Program(tmp_path, environment={"DOCKER_HOST": f"unix://{tmp_path}/none.sock"})

    done = program("run", "--engine", "docker", "--json")

    assert done.code == 4
    assert "none.sock" in done.json["error"]["message"]
    assert done.json["error"]["hint"]
    assert not (tmp_path / "reports").exists()


def test_a_forbidden_socket_is_told_with_the_fix(
    lab: Lab, plain_user: Callable[..., Program]
) -> None:
    program = lab.beside(plain_user())

    done = program("run", "--engine", "docker", "--json")

    assert done.code == 4
    assert "permi" in done.json["error"]["message"].lower()
    assert "docker" in done.json["error"]["hint"]


def test_inspect_shows_a_bridge_pair_on_docker(program: Program) -> None:
    shown = program("inspect", "--drivers", "bridge", "--engine", "docker", "--json").json

    for end in shown["endpoints"]:
        shared = {kind: space["shared"] for kind, space in end["namespaces"].items()}
        assert shared["net"] == shared["mnt"] == shared["pid"] == "own"
        assert shared["user"] == shared["time"] == "host"
    assert [hop["namespace"] for hop in shown["path"]] == [
        *("client", "host", "host", "host", "server")
    ]
    assert all(check["held"] for check in shown["promises"])


def test_the_engines_own_networks_are_as_before(program: Program, lab: Lab) -> None:
    def links() -> list[str]:
        argv = (*lab.before, "ip", "-br", "link")
        shown = subprocess.run(argv, capture_output=True, text=True, check=True).stdout
        return [line.split()[0] for line in shown.splitlines()]

    before = links()
    done = program(
        *("run", "--engine", "docker", "--drivers", "host,bridge:user", "--blocks", "1"),
        *("--suite", program.suite()),
    )

    assert done.code == 0, done.stderr
    assert links() == before
