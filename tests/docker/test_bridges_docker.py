"""Bridges and firewall rules that an engine which was killed forgot."""

import json
import shlex
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import docker
import pytest
from support.dockerd import Lab
from support.inventory import difference, inventory
from support.program import Program, assert_cleaned, wait_for

from netbench.engines.docker.ownership import bridge_names, stem

SLOW = """#!/bin/sh
sleep 0.1
PATH={path} exec {name} "$@"
"""


@pytest.fixture
def slow_lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Lab]:
    """An engine that takes its time between one rule and the next."""
    tools = tmp_path / "bin"
    tools.mkdir()
    with monkeypatch.context() as context:
        for name in ("iptables", "ip6tables"):
            path = "/usr/sbin:/usr/bin:/sbin:/bin"
            (tools / name).write_text(SLOW.format(path=path, name=name))
            (tools / name).chmod(0o755)
        context.setenv("PATH", f"{tools}:/usr/sbin:/usr/bin:/sbin:/bin")
        lab = Lab.start()
    yield lab
    lab.stop()


def test_a_network_that_a_killed_engine_was_making_is_found_and_removed(
    slow_lab: Lab, tmp_path: Path
) -> None:
    before = inventory(slow_lab)
    bridge = next(bridge_names("a-run"))
    api = docker.APIClient(base_url=f"unix://{slow_lab.socket}")

    def create() -> None:
        with suppress(docker.errors.DockerException, OSError):
            api.create_network("cut-off", options={"com.docker.network.bridge.name": bridge})

    creating = threading.Thread(target=create)
    creating.start()
    wait_for(lambda: bridge in slow_lab.inside("iptables-save"))
    slow_lab.kill()
    creating.join()
    api.close()
    slow_lab.restart()
    program = slow_lab.beside(Program(tmp_path))

    assert bridge in slow_lab.inside("iptables-save"), "the engine forgot nothing"
    listed = program("clean", "--dry-run", "--json")
    rows = [x for x in listed.json["clean"] if x["kind"] in ("bridge", "rules")]
    assert [(x["id"], x["action"]) for x in rows] == [(bridge, "would go")]
    assert bridge in slow_lab.inside("iptables-save")
    cleaned = program("clean")
    assert_cleaned(cleaned)
    assert difference(before, inventory(slow_lab)) == {}


def rules_of(bridge: str, address: str) -> list[str]:
    """Return what an engine killed at a container's start was seen to leave of its ports."""
    port = f"{address}/32 -p tcp -m tcp --dport 5201"
    return [
        f"-t filter -A DOCKER ! -i {bridge} -o {bridge} -d {port} -j ACCEPT",
        f"-t nat -A POSTROUTING -s {address}/32 -d {port} -j MASQUERADE",
        f"-t nat -A DOCKER ! -i {bridge} -p tcp --dport 32768 -j DNAT --to {address}:5201",
    ]


def test_rules_of_published_ports_go_with_their_bridge_and_no_other_rule(
    lab: Lab, api: docker.APIClient, tmp_path: Path
) -> None:
    gone, there = next(bridge_names("a-run")), next(bridge_names("a-run"))
    foreign = "br-0123456789ab"
    api.create_network("there", options={"com.docker.network.bridge.name": there})
    others = next(bridge_names("of-another-engine"))
    lab.inside("ip", "link", "add", others, "type", "bridge")
    lab.inside("ip", "link", "set", others, "up")
    kept = [
        *rules_of(foreign, "198.18.77.2"),
        *rules_of(there, "198.18.77.3"),
        *rules_of(others, "198.18.77.6"),
        # Another published port of the same address has a network that is there.
        *rules_of(there, "198.18.77.4"),
        # Nobody's, but not of our subnets either.
        rules_of(gone, "172.31.77.2")[1],
    ]
    try:
        for rule in kept:
            lab.inside("iptables", *shlex.split(rule))
        before = inventory(lab)
        for rule in (*rules_of(gone, "198.18.77.5"), *rules_of(gone, "198.18.77.4")[::2]):
            lab.inside("iptables", *shlex.split(rule))

        cleaned = lab.beside(Program(tmp_path))("clean", "--json")

        assert_cleaned(cleaned)
        rows = [x for x in cleaned.json["clean"] if x["kind"] in ("bridge", "rules")]
        assert [x["name"] for x in rows] == [
            f"{gone}, of no network (firewall rules: 4)",
            "198.18.77.5, of no container (firewall rules: 1)",
        ]
        assert difference(before, inventory(lab)) == {}
    finally:
        for rule in kept:
            lab.inside("iptables", *shlex.split(rule.replace(" -A ", " -D ")))
        lab.inside("ip", "link", "del", others)
        api.remove_network("there")


def test_a_bridge_bears_the_name_that_tells_whose_it_is(lab: Lab, tmp_path: Path) -> None:
    program = lab.beside(Program(tmp_path))
    done = program("verify", "--engine", "docker", "--drivers", "bridge:user", "--json")

    assert done.code == 0, done.stderr
    assert json.dumps(done.json).count("br-nb") > 0


def test_names_of_bridges_are_links_names_and_differ() -> None:
    names = bridge_names("a-run")
    given = [next(names) for _ in range(100)]

    assert len(set(given)) == 100
    assert {len(name) for name in given} == {15}
    assert all(name.startswith(stem("a-run")) for name in given)
    assert stem("a-run") != stem("another")
