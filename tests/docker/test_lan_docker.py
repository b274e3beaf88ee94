"""The emulated LAN through a real engine: made, reached, unmade; ports published to it alone."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import docker
import pytest
from support.docker_parts import as_user, connects, echo, links, make, read
from support.dockerd import Lab

from netbench.engines.docker import DockerEngine
from netbench.spec import Attach, NetworkSpec, Port


def containers(engine: DockerEngine) -> set[str]:
    return {thing.id for thing in engine.owned("test-run") if thing.kind == "container"}


def test_the_lan_is_made_once_and_goes_with_the_engine(
    lab: Lab, open_engine: Callable[..., DockerEngine], api: docker.APIClient
) -> None:
    before = links(lab)
    engine = open_engine("test-run")
    engine.prepare()
    with ThreadPoolExecutor(4) as pool:
        lan, *others = pool.map(lambda _: engine.lan(), range(4))

    assert all(other is lan for other in others)
    assert links(lab) - before == {lan.link}
    assert len(lan.link) <= 15
    assert containers(engine) == {engine.host().id, lan.client.id}
    assert lan.client.name in lan.done
    assert "CAP_NET_ADMIN alone" in lan.done
    engine.close()
    assert links(lab) == before
    assert api.containers(all=True, filters={"label": "netbench.run=test-run"}) == []


def test_the_lan_and_the_host_reach_each_other_by_both_families(engine: DockerEngine) -> None:
    lan, host = engine.lan(), engine.host()
    assert lan.host6
    assert lan.client.address
    assert lan.client.address6
    echo(engine, host, 21001)
    echo(engine, lan.client, 21002)

    assert connects(engine, lan.client, lan.host, 21001)
    assert connects(engine, lan.client, lan.host6, 21001)
    assert connects(engine, host, lan.client.address, 21002)
    assert connects(engine, host, lan.client.address6, 21002)


def test_the_outside_client_is_confined_and_is_no_router(engine: DockerEngine) -> None:
    client = engine.lan().client

    lines = read(engine, client, "cat", "/proc/self/status").splitlines()
    status = dict(line.split(":\t", 1) for line in lines if ":\t" in line)
    assert {"0000000000000000"} == {status[f"Cap{name}"] for name in ("Prm", "Eff", "Bnd", "Amb")}
    assert status["Uid"] == "65534\t65534\t65534\t65534"
    assert status["NoNewPrivs"] == "1"
    assert read(engine, client, "cat", "/proc/sys/net/ipv4/ip_forward") == "0\n"


def test_a_published_port_is_open_at_the_hosts_address_on_the_lan_alone(
    engine: DockerEngine,
) -> None:
    lan = engine.lan()
    ports = (Port(20001, ("tcp", "udp")), Port(20002))
    server = make(engine, Attach.DEFAULT, publish=ports)
    echo(engine, server, 20001)
    echo(engine, server, 20001, "UDP")

    assert [one.port for one in server.published] == list(ports)
    open_one, silent = (one.host_port for one in server.published)
    assert connects(engine, lan.client, lan.host, open_one)
    assert connects(engine, lan.client, lan.host, open_one, "UDP")
    assert not connects(engine, lan.client, lan.host, silent)
    gateway = server.ipam.gateway if server.ipam else None
    assert gateway
    assert not connects(engine, engine.host(), gateway, open_one)
    assert not connects(engine, engine.host(), "127.0.0.1", open_one)


def test_a_network_with_ipv6_publishes_one_number_on_both_addresses(engine: DockerEngine) -> None:
    lan = engine.lan()
    assert lan.host6
    make(engine, Attach.DEFAULT, "first", publish=(Port(20001),))  # the counts differ from now on
    network = engine.create_network("net", NetworkSpec("bridge", ipv6=True))
    ports = (Port(20001, ("tcp", "udp")), Port(20002, ("tcp", "udp")))
    server = make(engine, Attach.NETWORK, "second", network=network, publish=ports)
    echo(engine, server, 20002)
    number = server.published[1].host_port

    assert connects(engine, lan.client, lan.host, number)
    assert connects(engine, lan.client, lan.host6, number)
    echo(engine, server, 20002, "UDP")
    assert connects(engine, lan.client, lan.host, number, "UDP")


@pytest.mark.parametrize("family", [4, 6])
def test_containers_of_a_bridge_reach_the_lan(engine: DockerEngine, family: int) -> None:
    lan = engine.lan()
    network = engine.create_network("net", NetworkSpec("bridge", ipv6=family == 6))
    inner = make(engine, Attach.NETWORK, network=network)
    echo(engine, lan.client, 21001)
    target = lan.client.address if family == 4 else lan.client.address6
    assert target

    assert connects(engine, inner, target, 21001) or family == 6  # whether engines route IPv6
    assert inner.address6 is None or family == 6


def test_a_user_of_the_socket_alone_has_a_lan_too(lab: Lab) -> None:
    before = links(lab)
    told = as_user("outside", lab, 65532, lab.socket.stat().st_gid)

    assert told == {"local": True, "child": True, "published": True}
    assert links(lab) == before


def test_what_an_abandoned_engine_made_is_found_and_removed(
    lab: Lab, open_engine: Callable[..., DockerEngine], engine: DockerEngine
) -> None:
    before = links(lab)
    left = open_engine("left", init_swarm=True)
    lan = left.lan()
    wire = left.create_network("wire", NetworkSpec("macvlan", mode="bridge"))
    child = make(left, Attach.NETWORK, "child", network=wire)
    overlay = left.create_network("net", NetworkSpec("overlay"))
    found = engine.owned("left")

    assert {lan.client.id, left.host().id, child.id, wire.id, overlay.id} <= {x.id for x in found}
    assert [x.run for x in found if x.kind == "swarm"] == ["left"]
    for thing in sorted(found, key=lambda x: ("container", "network", "swarm").index(x.kind)):
        engine.remove_owned(thing)
        engine.remove_owned(thing)
    assert engine.owned("left") == ()
    assert links(lab) == before
