"""The engine as a swarm: made for a run and undone, or the user's own and left alone."""

from collections.abc import Callable
from typing import Any

import docker
import pytest
from docker.types import ContainerSpec, TaskTemplate
from support.docker_parts import connects, echo, links, make
from support.dockerd import Lab

from netbench.engines.docker import DockerEngine
from netbench.engines.docker.swarm import reason
from netbench.errors import EngineError, Unsupported
from netbench.spec import Attach, NetworkSpec, Path, Port, Recipe

OVERLAY = NetworkSpec("overlay")
RECIPE = Recipe(Attach.NETWORK, Attach.NETWORK, OVERLAY)


def state(api: docker.APIClient) -> str:
    return str(api.info()["Swarm"]["LocalNodeState"])


def networks(api: docker.APIClient) -> set[str]:
    return {network["Name"] for network in api.networks()}


def test_a_swarm_is_made_for_an_overlay_and_undone(
    lab: Lab, open_engine: Callable[..., DockerEngine], api: docker.APIClient
) -> None:
    before = (links(lab), networks(api))
    engine = open_engine("swarm", init_swarm=True)
    assert engine.unsupported(RECIPE, Path.EAST_WEST) is None
    assert state(api) == "inactive"
    network = engine.create_network("net", OVERLAY)
    server = make(engine, Attach.NETWORK, "server", network=network, publish=(Port(20001),))
    client = make(engine, Attach.NETWORK, "client", network=network)
    echo(engine, server, 20001)

    assert state(api) == "active"
    assert network.ipam
    assert network.ipam.vxlan
    assert server.address
    assert connects(engine, client, server.address, 20001)
    lan = engine.lan()
    assert connects(engine, lan.client, lan.host, server.published[0].host_port)
    engine.remove_endpoint(client)
    engine.remove_endpoint(server)
    engine.remove_network(network)
    engine.close()
    assert state(api) == "inactive"
    assert (links(lab), networks(api)) == before


def test_root_is_told_the_way_into_the_overlays_own_namespace(
    open_engine: Callable[..., DockerEngine], lab: Lab
) -> None:
    engine = open_engine("swarm", init_swarm=True)
    network = engine.create_network("net", OVERLAY)
    make(engine, Attach.NETWORK, network=network)

    assert network.sandbox
    assert network.sandbox.netns
    assert lab.pid == network.sandbox.pid
    shown = lab.inside("nsenter", f"--net={network.sandbox.netns}", "ip", "-d", "link")
    assert network.ipam
    assert f"vxlan id {network.ipam.vxlan} " in shown


def test_no_swarm_is_made_unasked(
    open_engine: Callable[..., DockerEngine], api: docker.APIClient
) -> None:
    engine = open_engine("unasked")

    assert "--init-swarm" in (engine.unsupported(RECIPE, Path.EAST_WEST) or "")
    with pytest.raises(Unsupported, match="--init-swarm"):
        engine.create_network("net", OVERLAY)
    assert state(api) == "inactive"


def test_an_overlay_has_no_ipv6(open_engine: Callable[..., DockerEngine]) -> None:
    engine = open_engine("six", init_swarm=True)
    spec = NetworkSpec("overlay", ipv6=True)

    assert "no IPv6" in (
        engine.unsupported(Recipe(Attach.NETWORK, Attach.NETWORK, spec), Path.EAST_WEST) or ""
    )
    with pytest.raises(Unsupported, match="no IPv6"):
        engine.create_network("net", spec)


@pytest.fixture
def users_swarm(api: docker.APIClient) -> Any:
    """A swarm that the user made, with the bridge that belongs to it."""
    api.init_swarm(advertise_addr="127.0.0.1", listen_addr="127.0.0.1:2377")
    yield api
    api.leave_swarm(force=True)
    remove_gateway(api)


def remove_gateway(api: docker.APIClient) -> None:
    for container in api.inspect_network("docker_gwbridge")["Containers"]:
        api.disconnect_container_from_network(container, "docker_gwbridge", force=True)
    api.remove_network("docker_gwbridge")


def test_a_users_swarm_is_used_and_left_alone(
    users_swarm: docker.APIClient, open_engine: Callable[..., DockerEngine]
) -> None:
    engine = open_engine("theirs", init_swarm=True)
    network = engine.create_network("net", OVERLAY)
    one = make(engine, Attach.NETWORK, network=network)

    assert [thing for thing in engine.owned() if thing.kind == "swarm"] == []
    engine.remove_endpoint(one)
    engine.remove_network(network)
    engine.close()
    assert state(users_swarm) == "active"


def test_a_bridge_that_was_there_stays(
    open_engine: Callable[..., DockerEngine], api: docker.APIClient
) -> None:
    api.create_network("docker_gwbridge", driver="bridge")
    try:
        engine = open_engine("bridged", init_swarm=True)
        engine.remove_network(engine.create_network("net", OVERLAY))
        engine.close()

        assert state(api) == "inactive"
        assert "docker_gwbridge" in networks(api)
    finally:
        remove_gateway(api)


def test_a_swarm_that_serves_others_by_now_is_not_left(
    open_engine: Callable[..., DockerEngine], api: docker.APIClient
) -> None:
    engine = open_engine("served", init_swarm=True)
    engine.prepare()
    engine.create_network("net", OVERLAY)
    image = str(engine.facts()["engine.image"])
    service = api.create_service(
        TaskTemplate(ContainerSpec(image)),
        name="theirs",
        mode=docker.types.ServiceMode("replicated", replicas=0),
    )["ID"]
    (swarm,) = (thing for thing in engine.owned("served") if thing.kind == "swarm")

    with pytest.raises(EngineError, match="serves others by now: theirs") as caught:
        engine.remove_owned(swarm)
    assert "docker swarm leave --force" in caught.value.hint
    api.remove_service(service)


INACTIVE = {"LocalNodeState": "inactive", "ControlAvailable": False, "Error": ""}
MANAGER = {"LocalNodeState": "active", "ControlAvailable": True, "Error": ""}


@pytest.mark.parametrize(
    ("seen", "said"),
    [
        (INACTIVE, "--init-swarm"),
        ({**MANAGER, "ControlAvailable": False}, "docker node promote"),
        ({**INACTIVE, "LocalNodeState": "locked"}, "docker swarm unlock"),
        ({**MANAGER, "Error": "rpc error: no leader"}, "rpc error: no leader"),
        ({**INACTIVE, "LocalNodeState": "pending", "Error": "no answer"}, "pending: no answer"),
        ({**INACTIVE, "LocalNodeState": "error", "Error": "expired"}, "expired"),
    ],
)
def test_a_swarm_that_cannot_make_networks_says_why(seen: dict[str, Any], said: str) -> None:
    assert said in (reason(seen, wanted=False) or "")


def test_a_manager_makes_networks() -> None:
    assert reason(MANAGER, wanted=False) is None
    assert reason(INACTIVE, wanted=True) is None
