"""One real run on every kind of engine that users have; docs/engines.md has what came of them."""

import os
import signal
import subprocess
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from support.away import ENGINE, SOCKET_GROUP, SSH_PORT, TLS_PORT, Away
from support.dockerd import Lab
from support.outcomes import DRIVERS, PATHS, Ways, check, facts_of, measured, ways
from support.program import ONE_SECOND, Program, records, sampled, tool_processes, wait_for

from netbench.spec import MACHINE_PATHS

ROOT = Path(__file__).parent.parent.parent
SSH = f"ssh://root@{ENGINE}:{SSH_PORT}"
TLS = f"tcp://{ENGINE}:{TLS_PORT}"


def assert_every_trial_saw_the_machine(program: Program) -> None:
    """Its state, load and CPU time, of most trials: a busy machine may be late with a few."""
    found = records(program.run_folder())
    samples = sampled(found)
    assert {record["path"]["reader"] for record in samples} == {"engine"}
    windows = [record["sentinel"] for record in samples]
    whole = [window for window in windows if window["before"] and window["after"]]
    assert len(whole) >= len(windows) / 2
    late = [window["note"] for window in windows if window not in whole]
    assert all(note.startswith("no sentinel on CPUs ") for note in late), late
    assert all(w["before"]["value"] > 0 and w["after"]["value"] > 0 for w in whole)
    told = [dict(record["facts"]) for record in samples]
    read = [facts for facts in told if isinstance(facts.get("trial.cgroup_source"), str)]
    assert len(read) >= len(samples) / 2
    assert all(0 < facts["trial.busy"] <= 1 for facts in read)
    assert {facts["trial.cgroup_source"] for facts in read} <= {"cgroup", "processes"}
    assert any(facts["trial.cgroup_client"] > 0 for facts in read)


@pytest.fixture(scope="session")
def local(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Ways:
    """What root sees beside the engine."""
    folder = tmp_path_factory.mktemp("local")
    return measured(lab.beside(Program(folder)))


def test_root_beside_the_engine_proves_every_path(local: Ways) -> None:
    assert set(local) == {(driver, path) for driver in DRIVERS for path in PATHS}
    assert not [way for way in local.values() if isinstance(way, str)]
    check("Docker Engine, as root", "netlink", local)


def test_a_user_with_the_socket_alone_proves_the_same(
    lab: Lab, local: Ways, plain_user: Callable[..., Program]
) -> None:
    found = measured(lab.beside(plain_user(group=SOCKET_GROUP)))

    assert found == local
    check("Docker Engine, as a member of the socket's group", "from inside", found)


def between(program: Program, *drivers: str) -> Ways:
    """Return what came of the paths between containers and the machine netbench runs on."""
    asked = ("--drivers", ",".join(drivers), "--paths", ",".join(MACHINE_PATHS), "--blocks", "1")
    done = program("run", "--engine", "docker", *asked, "--suite", program.suite())

    assert "report: " in done.stdout, done.stderr
    return ways(records(program.run_folder()))


def test_the_host_of_roots_engine_is_the_machine_and_its_ports_are_reached_by_nat(
    lab: Lab, tmp_path: Path
) -> None:
    program = lab.beside(Program(tmp_path))
    found = between(program, "host", "bridge", "macvlan")

    into = (("host", "bridge", "tx"), ("host", "veth", "tx"), ("server", "veth", "rx"))
    assert found["bridge", "outside"] == into
    out = (("client", "veth", "tx"), ("host", "veth", "rx"), ("host", "bridge", "rx"))
    assert found["bridge", "to-outside"] == out
    assert found["host", "outside"] == found["host", "to-outside"] == (("host", None, "tx"),)
    assert "beside its own host by design" in str(found["macvlan", "outside"])
    facts = [dict(map(tuple, one["facts"])) for one in records(program.run_folder())]
    assert {f["trial.published_via"] for f in facts if "trial.published_via" in f} == {"nat"}
    assert not [f for f in facts if "trial.user_network_cpu" in f]


def test_an_engine_elsewhere_has_no_path_from_or_to_this_machine(
    away: Away, keys: Path, lab: Lab, tmp_path: Path
) -> None:
    """Neither one on another machine, nor one whose host netbench is not in."""
    tls = {"DOCKER_HOST": TLS, "DOCKER_TLS_VERIFY": "1", "DOCKER_CERT_PATH": str(keys / "tls")}
    remote = Program(tmp_path / "remote", before=away.spaces.at(tmp_path), environment=tls)
    beside = Program(tmp_path / "beside", environment=lab.environment)
    for program, words in (
        (remote, "the engine's processes are not this machine's"),
        (beside, "netbench is not in the network namespace of the engine's host"),
    ):
        program.folder.mkdir()
        there = (*program.before, "env", f"--chdir={program.folder}")
        found = between(replace(program, before=there), "bridge")

        assert set(found) == {("bridge", path) for path in MACHINE_PATHS}
        assert all(words in str(way) for way in found.values())


@pytest.mark.parametrize("way", ["ssh", "tls"])
def test_an_engine_on_another_machine_is_proved_as_one_here(
    away: Away, keys: Path, local: Ways, tmp_path: Path, way: str
) -> None:
    tls = {"DOCKER_HOST": TLS, "DOCKER_TLS_VERIFY": "1", "DOCKER_CERT_PATH": str(keys / "tls")}
    environment = tls if way == "tls" else away.context("by-ssh", SSH)
    program = Program(tmp_path, before=away.spaces.at(tmp_path), environment=environment)
    named = ("--context", "by-ssh") if way == "ssh" else ()
    found = measured(program, *named, cell=ONE_SECOND)

    assert found == local
    assert_every_trial_saw_the_machine(program)
    facts = facts_of(program)
    assert facts["engine.local"] is False
    assert isinstance(facts["kernel.release"], str)
    assert isinstance(facts["host.cpus"], int)
    name = {"ssh": "Docker Engine over `ssh://`", "tls": "Docker Engine over `tcp://` with TLS"}[
        way
    ]
    check(name, "from inside", found)


@pytest.mark.usefixtures("local")  # whose run leaves its image in the engine
def test_the_other_ways_of_naming_it_lead_there_too(away: Away, keys: Path, tmp_path: Path) -> None:
    """DOCKER_HOST with SSH and the path of the socket, and a context with certificates."""
    by_host = {"DOCKER_HOST": f"{SSH}{away.lab.socket}"}
    by_context = away.context("by-tls", TLS, tls=keys / "tls")
    for environment, option in ((by_host, ()), (by_context, ("--context", "by-tls"))):
        program = Program(tmp_path, before=away.spaces.at(tmp_path), environment=environment)
        done = program("clean", "--dry-run", "--json", *option)

        assert (done.code, done.stderr) == (0, "")
        assert "image" in {thing["kind"] for thing in done.json["clean"]}


OPENED = """
import sys, time
from netbench.engines.docker.tunnel import SocketTunnel

way = SocketTunnel(sys.argv[1])
print(way.socket.parent, flush=True)
time.sleep(60)
"""


def test_clean_finds_the_folder_of_a_way_whose_netbench_was_killed(
    away: Away, tmp_path: Path
) -> None:
    beside = away.spaces.at(tmp_path)
    program = Program(tmp_path, before=beside, environment={"DOCKER_HOST": SSH})
    command = (*program.before, program.python, "-c", OPENED, SSH)
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    opened = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
    try:
        assert opened.stdout
        folder = Path(opened.stdout.readline().strip())
        used = program("clean", "--json").json["clean"]
    finally:
        (process,) = (
            pid
            for pid in tool_processes(Path(program.python).name, (OPENED,))
            if Path(f"/proc/{pid}/ns/pid").readlink() != Path("/proc/self/ns/pid").readlink()
        )
        os.kill(process, signal.SIGKILL)
        opened.communicate()
    left = program("clean", "--json").json["clean"]

    def of_ways(rows: list[dict[str, Any]]) -> dict[str, str]:
        return {row["id"]: row["action"] for row in rows if row["kind"] == "folder"}

    assert of_ways(used)[str(folder)] == "in use"
    assert of_ways(left)[str(folder)] == "removed"
    assert not folder.exists()
    wait_for(lambda: not any(str(folder) in told for told in command_lines("ssh")), 10)


def command_lines(name: str) -> list[str]:
    """Return the command lines of tools that run."""
    found = []
    for pid in tool_processes(name):
        with suppress(OSError):
            found.append(Path(f"/proc/{pid}/cmdline").read_text())
    return found


def test_a_way_that_leads_nowhere_is_told_with_the_words_of_ssh(away: Away, tmp_path: Path) -> None:
    nowhere = {
        f"ssh://root@{ENGINE}:{SSH_PORT}/no/such.sock": "no Docker Engine answers behind",
        f"ssh://root@{ENGINE}:1": "Connection refused",
        f"ssh://root:secret@{ENGINE}": "holds a password",
    }
    for url, words in nowhere.items():
        program = Program(
            tmp_path, before=away.spaces.at(tmp_path), environment={"DOCKER_HOST": url}
        )
        done = program("drivers", "--engine", "docker")

        assert done.code == 4
        assert words in done.stderr
        assert "fix:" in done.stderr
