"""A look at a container that is not ours."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import docker
import pytest
from support.docker_parts import read

from netbench.engines.base import Endpoint
from netbench.engines.docker import DockerEngine
from netbench.errors import EngineError
from netbench.record import NAMESPACE_KINDS

NAME = "not-netbenchs-own"


@pytest.fixture
def start(engine: DockerEngine, api: docker.APIClient) -> Iterator[Callable[..., str]]:
    """Start a container as any user of the engine might; it is removed after the test."""
    made: list[str] = []

    def started(**host: Any) -> str:
        one = api.create_container(
            engine.facts()["engine.image"],
            name=NAME,
            entrypoint=["sleep", "300"],
            user="1000:1000",
            host_config=api.create_host_config(**host),
        )["Id"]
        made.append(one)
        api.start(one)
        return str(one)

    yield started
    for one in made:
        api.remove_container(one, force=True)


def spaces(engine: DockerEngine, visited: Endpoint) -> dict[str, int | None]:
    """Inodes as the reader from inside puts them together."""
    kinds = " ".join(f"/proc/self/ns/{kind}" for kind in NAMESPACE_KINDS)
    lines = read(engine, visited, "readlink", *kinds.split()).split()
    own = {line.partition(":")[0]: int(line.partition(":")[2].strip("[]")) for line in lines}
    return {**own, **dict(visited.stands_in)}


def kernels(pid: int) -> dict[str, int]:
    return {kind: Path(f"/proc/{pid}/ns/{kind}").stat().st_ino for kind in NAMESPACE_KINDS}


@pytest.mark.parametrize("local", [True, False])
@pytest.mark.parametrize(
    "host",
    [{}, {"network_mode": "host"}, {"network_mode": "none"}, {"pid_mode": "host"}],
    ids=lambda given: "-".join(given.values()) or "plain",
)
def test_a_visit_shows_what_the_kernel_says(
    engine: DockerEngine,
    api: docker.APIClient,
    start: Callable[..., str],
    host: dict[str, str],
    local: bool,
) -> None:
    one = start(**host)
    before = api.inspect_container(one)
    engine._hosting.local = local  # noqa: SLF001 -- as if it were another machine
    visited = engine.visit(NAME)

    assert visited.pid == before["State"]["Pid"]
    assert visited.sandbox_key == before["NetworkSettings"]["SandboxKey"]
    assert visited.netns is None
    assert spaces(engine, visited) == kernels(visited.pid)
    shown = json.loads(read(engine, visited, "ip", "-j", "-d", "addr"))
    addresses = {a["local"] for link in shown for a in link["addr_info"] if "local" in a}
    assert visited.address is None or visited.address in addresses
    assert (visited.address is None) == ("network_mode" in host)
    engine.remove_endpoint(visited)
    after = api.inspect_container(one)
    assert [before[key] for key in ("State", "ExecIDs")] == [
        after[key] for key in ("State", "ExecIDs")
    ]


def test_a_visitor_may_look_and_nothing_else(
    engine: DockerEngine, start: Callable[..., str]
) -> None:
    start()
    visited = engine.visit(NAME)

    status = read(engine, visited, "cat", "/proc/self/status")
    assert status.partition("CapEff:\t")[2][:16] == f"{1 << 19:016x}"  # CAP_SYS_PTRACE
    ours = {thing.id for thing in engine.owned("test-run")}
    assert ours == {engine.host().id, visited.id}
    engine.remove_endpoint(visited)
    assert {thing.id for thing in engine.owned("test-run")} == {engine.host().id}


def test_what_is_not_there_or_does_not_run_is_told_with_the_fix(
    engine: DockerEngine, api: docker.APIClient, start: Callable[..., str]
) -> None:
    with pytest.raises(EngineError, match="no container nosuch") as caught:
        engine.visit("nosuch")
    assert caught.value.hint == "list them: docker ps"
    api.kill(start())
    api.wait(NAME)
    with pytest.raises(EngineError, match="exited") as caught:
        engine.visit(NAME)
    assert caught.value.hint == f"start it: docker start {NAME}"
    assert {thing.id for thing in engine.owned("test-run")} == {engine.host().id}
