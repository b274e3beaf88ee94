"""The netns engine's emulated LAN, what it publishes there, and what it forwards."""

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import partial
from ipaddress import ip_network
from itertools import product
from pathlib import Path as File
from typing import Any

import pytest
from support.hang import SOON
from support.program import wait_for

from netbench.engines.base import Endpoint, Network
from netbench.engines.netns.engine import NetnsEngine
from netbench.engines.netns.firewall import Firewall
from netbench.engines.netns.holder import NamespaceProcess
from netbench.engines.subnets import NumberPool
from netbench.errors import EngineError, Unsupported
from netbench.record import Completed
from netbench.spec import Attach, NetworkSpec, Path, Port, Recipe, Role
from netbench.system.setns import in_netns

BRIDGE = NetworkSpec("bridge", ipv6=True)
MACVLAN = NetworkSpec("macvlan", mode="bridge")
PASSTHRU = NetworkSpec("macvlan", mode="passthru")
Echo = Callable[[Endpoint, int], None]
PORTS = (Port(20001), Port(20002))


def make(engine: NetnsEngine, name: str, network: Network, **publish: Any) -> Endpoint:
    return engine.create_endpoint(
        name, Role.SERVER, Attach.NETWORK, network=network, peer=None, cpus=(), **publish
    )


def tables(engine: NetnsEngine) -> set[str]:
    """Return family and name of the nftables tables in the world."""
    done = engine.run(engine.host(), ("nft", "-j", "list", "tables"), timeout=10)

    assert done.exit_code == 0, done.stderr
    items = json.loads(done.stdout)["nftables"]
    found = [item["table"] for item in items if "table" in item]
    return {f"{table['family']} {table['name']}" for table in found}


def rules(engine: NetnsEngine) -> str:
    return engine.run(engine.host(), ("nft", "-s", "list", "ruleset"), timeout=10).stdout


def links(engine: NetnsEngine, place: Endpoint | None = None) -> set[str]:
    """Names of a place's links, the host's if none is named."""
    rows = engine.run(place or engine.host(), ("ip", "-br", "link"), timeout=10).stdout.splitlines()
    return {row.split()[0].partition("@")[0] for row in rows}


def setting(pid: int, name: str) -> str:
    return in_netns(pid, lambda: File("/proc/sys/net", name).read_text().strip())


def answers(engine: NetnsEngine, client: Endpoint, address: str, port: int, kind: str) -> str:
    """Return what an echo server sent back, nothing where it was not reached."""
    wrapped = f"[{address}]" if ":" in address else address
    script = f"echo token | socat -t3 -T3 - {kind}:{wrapped}:{port}"
    script += ",connect-timeout=3" if kind == "TCP" else ""
    return engine.run(client, ("sh", "-c", script), timeout=20).stdout.strip()


def reached(engine: NetnsEngine, *calls: tuple[Endpoint, str | None, int]) -> list[bool]:
    """Tell for each call, over TCP and then over UDP, whether an echo came back."""
    wanted = [(*call, kind) for call in calls for kind in ("TCP", "UDP")]
    with ThreadPoolExecutor(8) as pool:
        found = pool.map(lambda w: answers(engine, w[0], w[1] or "", w[2], w[3]), wanted)
    return [answer == "token" for answer in found]


@pytest.fixture
def echo(engine: NetnsEngine) -> Iterator[Echo]:
    """Let an endpoint send back what comes to a port, over TCP and UDP, IPv4 and IPv6."""
    started: list[NamespaceProcess] = []

    def serve(server: Endpoint, port: int) -> None:
        started.extend(
            engine.start(server, ("socat", service, "PIPE"), cpu=None, limit=60)
            for service in (
                f"TCP6-LISTEN:{port},fork,reuseaddr,ipv6only=0",
                f"UDP6-RECVFROM:{port},fork,ipv6only=0",
            )
        )
        for name in ("tcp6", "udp6"):
            seen = File(f"/proc/{server.pid}/net/{name}")
            wait_for(partial(_listed, seen, port))

    yield serve
    for process in started:
        process.signal("KILL")
        process.wait(SOON)


def _listed(file: File, port: int) -> bool:
    return f":{port:04X} " in file.read_text()


def proxies(run: str) -> list[str]:
    """Return the docker-proxy processes of a test's engines."""
    found = []
    for folder in File("/proc").glob("[0-9]*"):
        try:
            words = (folder / "cmdline").read_bytes()
            if b"docker-proxy" in words and run.encode() in (folder / "environ").read_bytes():
                found.append(words.replace(b"\0", b" ").decode())
        except OSError:
            continue
    return found


def test_it_is_made_once_whoever_asks(engine: NetnsEngine, echo: Echo) -> None:
    with ThreadPoolExecutor(4) as pool:
        found = set(pool.map(lambda _: engine.lan(), range(8)))

    (lan,) = found
    assert lan.link == "nblan0"
    assert "nblan0-lan0" in lan.done
    assert lan.client.address is not None
    echo(engine.host(), 25009)
    for address in (lan.host, lan.host6 or ""):
        assert answers(engine, lan.client, address, 25009, "TCP") == "token"


def test_without_it_nothing_of_ipv6_is_filtered_or_forwarded(engine: NetnsEngine) -> None:
    network = engine.create_network("net", MACVLAN)
    make(engine, "box", network)
    make(engine, "other", engine.create_network("overlay", NetworkSpec("overlay")))

    ipv4 = {"ip filter", "ip nat"}
    assert tables(engine) == ipv4
    assert setting(engine.host().pid, "ipv6/conf/all/forwarding") == "0"
    assert {link for link in links(engine) if not link.startswith("nbv")} == {
        *("lo", "nb0", "nblan0", "nblan1")
    }
    engine.lan()
    assert tables(engine) == ipv4 | {"ip6 filter", "ip6 nat"}
    assert setting(engine.host().pid, "ipv4/ip_forward") == "1"
    assert setting(engine.host().pid, "ipv6/conf/all/forwarding") == "1"


def test_the_worlds_default_route_leads_there(engine: NetnsEngine) -> None:
    lan = engine.lan()
    for family, outside in (("-4", lan.client.address), ("-6", lan.client.address6)):
        argv = ("ip", family, "-j", "route", "show", "default")
        (route,) = json.loads(engine.run(engine.host(), argv, timeout=10).stdout)
        assert (route["gateway"], route["dev"]) == (outside, lan.link)


@pytest.mark.parametrize("served", ["nat", "proxy"])
def test_a_published_port_leads_to_its_endpoint_and_to_nothing_afterwards(
    engine: NetnsEngine, echo: Echo, run_id: str, served: str
) -> None:
    recipe = Recipe(Attach.NETWORK, Attach.NETWORK, BRIDGE, published="proxy")
    lacking = engine.unsupported(recipe, Path.NORTH_SOUTH)
    if served == "proxy" and lacking:
        pytest.skip(lacking)
    lan = engine.lan()
    network = engine.create_network("net", BRIDGE)
    bare = rules(engine)
    server = make(engine, "s", network, publish=PORTS, published=served)
    neighbour = make(engine, "c", network)
    echo(server, PORTS[1].number)

    assert [one.port for one in server.published] == list(PORTS)
    port = server.published[1].host_port
    assert port != server.published[0].host_port
    clients = (lan.client, neighbour, server, engine.host())
    calls = product(clients, (lan.host, lan.host6 or ""), (port,))
    assert reached(engine, *calls) == [True] * 16
    assert bool(proxies(run_id)) == (served == "proxy")
    assert (rules(engine) == bare) == (served == "proxy")
    engine.remove_endpoint(server)
    assert rules(engine) == bare
    assert proxies(run_id) == []
    assert answers(engine, lan.client, lan.host, port, "TCP") == ""


def test_networks_reach_the_lan_and_neither_each_other_nor_the_lan_them(
    engine: NetnsEngine, echo: Echo
) -> None:
    lan = engine.lan()
    one, other, shut = (
        make(engine, f"box{number}", engine.create_network(f"net{number}", spec))
        for number, spec in enumerate((BRIDGE, BRIDGE, NetworkSpec("bridge", internal=True)))
    )
    for number, server in enumerate((lan.client, one, other, shut)):
        echo(server, 25000 + number)

    outside = lan.client
    open_to = [(one, outside.address, 25000), (one, outside.address6, 25000)]
    open_to.append((engine.host(), one.address6, 25001))
    closed_to = [(shut, outside.address, 25000), (outside, shut.address, 25003)]
    for client in (outside, other, shut):
        closed_to += [(client, one.address, 25001), (client, one.address6, 25001)]
    assert reached(engine, *open_to) == [True] * 6
    assert reached(engine, *closed_to) == [False] * 16


def test_loopback_is_tracked_as_beside_a_docker_engine(engine: NetnsEngine, echo: Echo) -> None:
    engine.lan()
    world = engine.host()
    tracked = File(f"/proc/{world.pid}/net/nf_conntrack")  # /proc/net is the test's own namespace
    if not tracked.exists():
        pytest.skip("no /proc/PID/net/nf_conntrack in this kernel")
    echo(world, 25009)

    assert answers(engine, world, "127.0.0.1", 25009, "TCP") == "token"
    assert answers(engine, world, "::1", 25009, "TCP") == "token"
    rows = [row for row in tracked.read_text().splitlines() if " dport=25009 " in row]
    assert {row.split()[0] for row in rows} == {"ipv4", "ipv6"}


def test_a_port_that_cannot_be_served_leaves_nothing(
    engine: NetnsEngine, echo: Echo, run_id: str
) -> None:
    recipe = Recipe(Attach.NETWORK, Attach.NETWORK, BRIDGE, published="proxy")
    lacking = engine.unsupported(recipe, Path.NORTH_SOUTH)
    if lacking:
        pytest.skip(lacking)
    engine.lan()
    network = engine.create_network("net", BRIDGE)
    echo(engine.host(), 30002)
    before, owned = links(engine), len(engine.owned(run_id))

    with pytest.raises(EngineError, match=r"docker-proxy does not serve the port: .*in use"):
        make(engine, "s", network, publish=PORTS, published="proxy")
    assert links(engine) == before
    assert proxies(run_id) == []
    wait_for(lambda: len(engine.owned(run_id)) == owned, within=SOON)


def test_passthru_takes_its_parent_and_gives_it_back(engine: NetnsEngine) -> None:
    network = engine.create_network("net", PASSTHRU)
    before = make(engine, "a", network)
    for number in range(3):
        with pytest.raises(EngineError, match="passthru beneath nblan1: Invalid argument"):
            make(engine, f"second{number}", network)
        engine.remove_endpoint(before)
        before = make(engine, f"next{number}", network)


def test_a_macvlan_of_the_hosts_own_reaches_the_children_of_its_parent(
    engine: NetnsEngine, echo: Echo
) -> None:
    network = engine.create_network("net", MACVLAN)
    container, host = make(engine, "a", network), engine.host()
    assert network.ipam is not None
    assert network.lan is not None
    subnet = ip_network(network.ipam.subnet)
    taken = {network.lan.host, network.lan.client.address, container.address}
    address = next(str(x) for x in subnet.hosts() if str(x) not in taken)
    echo(host, 25010)
    echo(container, 25011)
    calls = ((host, container.address, 25011), (container, address, 25010))
    assert not any(reached(engine, *calls, (container, network.lan.host, 25010)))

    for command in (
        f"link add mv0 link {network.ipam.parent} type macvlan mode bridge",
        f"address add {address}/32 dev mv0",
        "link set mv0 up",
        f"route add {container.address} dev mv0 src {address}",
    ):
        done = engine.run(host, ("ip", *command.split()), timeout=10)
        assert done.exit_code == 0, done.stderr
    assert all(reached(engine, *calls))
    engine.run(host, ("ip", "link", "del", "mv0"), timeout=10)


def test_wires_are_apart_and_end_one_by_one(engine: NetnsEngine, echo: Echo) -> None:
    first, second = (engine.create_network(name, MACVLAN) for name in ("a", "b"))

    assert first.lan is not None
    assert second.lan is not None
    assert first.lan.link != second.lan.link
    assert first.ipam is not None
    assert first.ipam.parent == first.lan.link
    assert first.ipam.gateway == first.lan.client.address
    assert first.lan.client.pid == second.lan.client.pid
    engine.remove_network(first)
    echo(engine.host(), 25009)
    assert answers(engine, second.lan.client, second.lan.host, 25009, "TCP") == "token"
    assert first.lan.link not in links(engine)


def test_an_overlay_leaves_neither_links_nor_its_sandbox(engine: NetnsEngine, run_id: str) -> None:
    lan = engine.lan()
    outside = links(engine, lan.client)
    before, owned = links(engine), len(engine.owned(run_id))
    for _ in range(2):
        network = engine.create_network("net", NetworkSpec("overlay"))
        server = make(engine, "s", network)
        assert network.sandbox is not None
        assert network.sandbox.role is Role.SANDBOX
        engine.remove_endpoint(server)
        engine.remove_network(network)

    assert links(engine) == before
    assert links(engine, lan.client) == outside
    wait_for(lambda: len(engine.owned(run_id)) == owned, within=SOON)


def test_no_address_is_tentative_and_each_family_has_its_subnet(engine: NetnsEngine) -> None:
    network = engine.create_network("net", BRIDGE)
    box = make(engine, "box", network)
    found = engine.run(box, ("ip", "-6", "addr", "show", "dev", "eth0"), timeout=10).stdout

    assert network.ipam is not None
    assert network.ipam.subnet6 is not None
    assert f"inet6 {box.address6}/64 scope global nodad" in found
    assert network.ipam.gateway6 == network.ipam.subnet6.replace("::/64", "::1")


def test_programs_that_refuse_are_told_as_what_is_missing() -> None:
    refused = Completed(("nft",), 1, "", "Error: Could not process rule\nmore", False, 0.1)
    firewall = Firewall(1, lambda *_: refused)

    words = "refused the world's rules: Error: Could not process rule"
    assert firewall.lacking == f"iptables {words}; nftables {words}"
    assert firewall.backend == "none"


def test_publishing_without_the_means_is_unsupported(engine: NetnsEngine) -> None:
    """A world whose nft is gone by the time of publishing; the endpoint is not half-made."""
    network = engine.create_network("net", BRIDGE)
    world = engine._world  # noqa: SLF001 -- there is no other way to take nft away
    world.firewall.lacking = "nft not found"
    before = links(engine)

    with pytest.raises(Unsupported, match="nft not found"):
        make(engine, "s", network, publish=PORTS)
    assert links(engine) - {"nblan0"} == before
    recipe = Recipe(Attach.DEFAULT, Attach.DEFAULT)
    assert engine.unsupported(recipe, Path.EAST_WEST) is None
    assert engine.unsupported(recipe, Path.NORTH_SOUTH) == "nft not found"
    assert engine.unsupported(Recipe(Attach.HOST, Attach.HOST), Path.NORTH_SOUTH) is None


def test_numbers_come_back_last_and_run_out_with_a_reason() -> None:
    numbers = NumberPool(range(2), "ports")
    with ExitStack() as undo:
        first = numbers.take(undo)

    assert [numbers.take(undo), numbers.take(undo)] == [1, first]
    with pytest.raises(EngineError, match="all 2 ports are in use"):
        numbers.take(undo)


def test_everything_ends_with_the_engine(engine: NetnsEngine, run_id: str) -> None:
    engine.lan()
    for name, spec in (("b", BRIDGE), ("m", MACVLAN), ("o", NetworkSpec("overlay"))):
        network = engine.create_network(name, spec)
        make(engine, f"{name}-s", network, publish=PORTS, published="nat")
    assert engine.owned(run_id)
    engine.close()

    wait_for(lambda: engine.owned(run_id) == (), within=SOON)
