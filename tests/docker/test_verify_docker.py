"""`verify` and `inspect --container` on a real Docker Engine."""

import json
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import docker
import pytest
from support.dockerd import Lab
from support.hang import HANG, SOON
from support.program import Ended, Program, wait_for
from support.verified import (
    assert_all_as_promised,
    assert_bridges_are_apart,
    assert_clients_are_seen,
    assert_none_reaches_nothing,
    assert_own_host_is_out_of_reach,
    assert_rows_are_whole,
    assert_there_is_what_readers_check_by_eye,
    measured,
    seen,
)

from netbench.drivers import DRIVERS, ReachPlace
from netbench.drivers.base import everywhere, reach
from netbench.engines.docker import DockerEngine
from netbench.record import NAMESPACE_KINDS
from netbench.topology.paths import choose_reader
from netbench.verify import Verified, verify_driver

LABEL = "netbench.run"
SOCKET_GROUP = 65533
"""The group that `lab` opens its socket to."""


def beside(lab: Lab, program: Program) -> Program:
    """The same program in the network of the engine's host."""
    placed = lab.beside(program)
    return replace(placed, environment={**(placed.environment or {}), "NETBENCH_ENGINE": "docker"})


@pytest.fixture
def program(lab: Lab, tmp_path: Path) -> Program:
    return beside(lab, Program(tmp_path))


@pytest.fixture(scope="module")
def whole(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Ended:
    """Every driver that there is; the engine is made a swarm for it, and is none after it."""
    program = beside(lab, Program(tmp_path_factory.mktemp("verify")))
    return program("verify", "--init-swarm", "--json")


def labelled(api: docker.APIClient) -> list[str]:
    """Names of containers and networks that carry our label, by a client that is not ours."""
    filters = {"label": LABEL}
    found = (*api.containers(all=True, filters=filters), *api.networks(filters=filters))
    return [str(thing.get("Names") or thing.get("Name")) for thing in found]


def links(lab: Lab) -> list[dict[str, Any]]:
    found = json.loads(lab.inside("ip", "-j", "-d", "link", "show"))
    assert isinstance(found, list)
    return found


def test_every_driver_is_as_it_promises_or_not_possible_here(
    whole: Ended, api: docker.APIClient, lab: Lab
) -> None:
    document = whole.json

    assert whole.code == document["exit"], whole.stderr
    assert_all_as_promised(document)
    assert_rows_are_whole(document)
    assert document["engine"] == "docker"
    assert document["engine_version"] == api.version()["Version"]
    assert labelled(api) == []
    assert [x["ifname"] for x in links(lab) if x["ifname"].startswith("nb")] == []


def test_who_reaches_whom(whole: Ended) -> None:
    assert_none_reaches_nothing(whole.json)
    assert_bridges_are_apart(whole.json)
    assert_own_host_is_out_of_reach(whole.json)


def test_whose_address_the_server_sees_is_as_documented(whole: Ended, tmp_path: Path) -> None:
    (tmp_path / "verified.json").write_text(whole.stdout)
    script = Path(__file__).parents[2] / "docs" / "client_addresses.py"
    argv = (sys.executable, str(script), "--check", str(tmp_path / "verified.json"))

    done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=HANG)

    assert done.returncode == 0, done.stderr
    assert_clients_are_seen(whole.json)


def test_the_engines_version_stands_beside_what_it_decides(whole: Ended) -> None:
    rows = [
        row
        for row in whole.json["rows"]
        if (row["driver"], row["from"], row["to"]) == ("bridge:user", "LAN", "pair")
    ]

    assert {row["promised"] for row in rows} == {"unspecified"}
    assert all(f"docker {whole.json['engine_version']}" in row["evidence"] for row in rows)


def test_what_readers_check_by_eye_is_there(whole: Ended) -> None:
    assert_there_is_what_readers_check_by_eye(whole.json)
    own = [one for one in whole.json["endpoints"] if one["driver"] == "bridge"]
    assert all("/netns/" in one["sandbox_key"] for one in own)
    if seen(whole.json, "overlay"):
        (server,) = (
            one
            for one in whole.json["endpoints"]
            if (one["driver"], one["role"]) == ("overlay", "server")
        )
        ends = {row["link"]: row["namespace"] for row in server["veth"]}
        assert ends == {"eth0": "sandbox", "eth1": "host"}


def test_an_endpoint_moved_behind_our_back_is_caught(program: Program, lab: Lab) -> None:
    running = program.popen("verify", "--drivers", "bridge:user", "--json")

    def both() -> Mapping[str, list[str]] | None:
        """Return the ports of two new bridges: one with the pair, one with the other container."""
        found: dict[str, list[str]] = {}
        for link in sorted(links(lab), key=lambda x: x["ifindex"]):
            if link.get("master", "").startswith("br-"):
                found.setdefault(link["master"], []).append(link["ifname"])
        return found if sorted(map(len, found.values())) == [1, 2] else None

    ports = wait_for(both, within=60)
    (pairs,) = (name for name in ports if len(ports[name]) == 2)
    (elsewhere,) = (name for name in ports if len(ports[name]) == 1)
    lab.inside("ip", "link", "set", ports[pairs][0], "master", elsewhere)
    stdout, stderr = running.communicate(timeout=HANG)
    document = json.loads(stdout)

    assert running.returncode == document["exit"] == 3, stderr
    broken = [check for check in document["promises"] if not check["held"]]
    assert any("a port of one bridge" in check["promise"] for check in broken)
    assert any(elsewhere in check["evidence"] for check in broken)
    assert document["mismatches"] >= len(broken)


def test_a_driver_that_promises_what_is_not_so_is_caught(engine: DockerEngine) -> None:
    """One that says its bridges reach each other, and that it does not reach its pair."""
    false = everywhere(reach(yes="CONTAINER>OTHER", no="CONTAINER>PAIR"))
    liar = replace(DRIVERS["bridge:user"], name="liar", reach={4: false[4]})
    found = verify_driver(engine, choose_reader(engine), liar)

    assert isinstance(found, Verified)
    wrong = [row for row in found.rows if row.mismatch]
    assert {(row.source, row.target, row.measured) for row in wrong} == {
        (ReachPlace.CONTAINER, ReachPlace.OTHER, "no-reach"),
        (ReachPlace.CONTAINER, ReachPlace.PAIR, "reach"),
    }
    assert len(wrong) == found.mismatches == 4


def test_stopping_it_leaves_nothing(program: Program, api: docker.APIClient, lab: Lab) -> None:
    before = {link["ifname"] for link in links(lab)}
    running = program.popen("verify", "--drivers", "macvlan:bridge,bridge:user", "--json")
    wait_for(
        lambda: any(link.get("linkinfo", {}).get("info_kind") == "veth" for link in links(lab))
    )
    running.send_signal(signal.SIGINT)
    stdout, stderr = running.communicate(timeout=HANG)

    assert running.returncode == 130, stderr
    assert json.loads(stdout)["error"]["kind"] == "interrupted"
    assert labelled(api) == []
    wait_for(lambda: {link["ifname"] for link in links(lab)} == before, within=SOON)


def test_a_user_of_the_socket_alone_verifies(lab: Lab, plain_user: Callable[..., Program]) -> None:
    user = beside(lab, plain_user(group=SOCKET_GROUP))
    done = user("verify", "--drivers", "none,bridge:user,macvlan:bridge", "--json")

    assert done.code == 0, done.stderr
    assert measured(done.json, "bridge:user", "LAN", "published port", 4) == {"reach"}
    assert measured(done.json, "macvlan:bridge", "pair", "host") == {"no-reach"}


@pytest.fixture
def web(api: docker.APIClient, engine: DockerEngine) -> Iterator[str]:
    """A container of somebody else's, made from whatever image is there."""
    del engine  # it has made one
    (image, *_) = (one for one in api.images() if one["RepoTags"])
    made = api.create_container(image["RepoTags"][0], name="web", entrypoint=["sleep", "300"])
    api.start(made)
    yield "web"
    api.remove_container(made, force=True)


def test_inspect_shows_a_container_that_is_there_and_leaves_it_alone(
    program: Program, api: docker.APIClient, web: str
) -> None:
    before = api.inspect_container(web)
    done = program("inspect", "--container", web, "--json")

    assert done.code == 0, done.stderr
    assert_shown(done.json, before)
    after = api.inspect_container(web)
    assert after["State"] == before["State"]
    assert not after["ExecIDs"]


def assert_shown(document: Any, container: Mapping[str, Any]) -> None:
    assert (document["driver"], document["container"]) == (None, "web")
    assert document["path"] == document["promises"] == []
    (end,) = document["endpoints"]
    assert end["pid"] == container["State"]["Pid"]
    assert end["sandbox_key"] == container["NetworkSettings"]["SandboxKey"]
    assert list(end["namespaces"]) == list(NAMESPACE_KINDS)
    shared = {kind: space["shared"] for kind, space in end["namespaces"].items()}
    assert {shared[kind] for kind in ("net", "ipc", "mnt", "pid", "uts")} == {"own"}
    assert {shared["user"], shared["time"]} == {"host"}
    (veth,) = end["veth"]
    assert (veth["namespace"], veth["bridge"]) == ("host", "docker0")
    address = container["NetworkSettings"]["Networks"]["bridge"]["IPAddress"]
    assert f"{address}/16 dev eth0" in end["addresses"]


def test_a_user_of_the_socket_alone_inspects_a_container(
    lab: Lab, plain_user: Callable[..., Program], api: docker.APIClient, web: str
) -> None:
    done = beside(lab, plain_user(group=SOCKET_GROUP))("inspect", "--container", web, "--json")

    assert done.code == 0, done.stderr
    assert done.json["reader"] == "engine"
    assert_shown(done.json, api.inspect_container(web))


def test_a_container_that_is_not_there_is_one_clear_error(program: Program) -> None:
    done = program("inspect", "--container", "nobody", "--json")

    assert done.code == 3
    assert "nobody" in done.json["error"]["message"]
    assert done.json["error"]["hint"]


def test_inspect_shows_a_drivers_links_as_a_tree(program: Program) -> None:
    done = program("inspect", "--drivers", "macvlan:bridge")

    assert done.code == 0, done.stderr
    assert "is macvlan bridge of host nb" in done.stdout
    assert "path north-south" in done.stdout
    assert "BROKEN" not in done.stdout
