"""Networks of every kind on a real engine: as they were asked for, and gone afterwards."""

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import replace

import docker
import pytest
from support.docker_parts import connects, echo, links, make, read
from support.dockerd import Lab
from support.hang import SOON
from support.program import wait_for

from netbench.drivers import DRIVERS, Driver
from netbench.engines.docker import DockerEngine
from netbench.errors import EngineError, Unsupported
from netbench.facts.base import Reader
from netbench.facts.inside import InsideReader
from netbench.facts.netlink import NetlinkReader
from netbench.plan.drivers import driver_named
from netbench.record import PairFacts
from netbench.spec import USER_MODE, Arm, Attach, NetworkSpec, Path, Recipe
from netbench.topology.pairs import LiveBlock, LivePair

MACVLAN = NetworkSpec("macvlan", mode="bridge")
BOTH = (Path.EAST_WEST, Path.NORTH_SOUTH)


@pytest.fixture
def engine(open_engine: Callable[..., DockerEngine]) -> DockerEngine:
    opened = open_engine("test-run", init_swarm=True)
    opened.prepare()
    return opened


def assert_promises_hold(engine: DockerEngine, driver: Driver) -> None:
    """Bring a pair up and judge its promises by what each reader sees."""
    arm = Arm(driver.name)
    with LiveBlock(engine, NetlinkReader(), [(arm, driver)], prefix="test", paths=BOTH) as block:
        live = block.pairs[arm]
        assert isinstance(live, LivePair), live
        readers: tuple[Reader, ...] = (NetlinkReader(), InsideReader())
        for reader in readers:
            (facts,) = reader.read([live.pair])
            assert isinstance(facts, PairFacts), facts
            judged = [promise.judge(facts) for promise in driver.promises]
            assert [check for check in judged if not check.held] == []
            from_outside = reader is readers[1] or not driver.name.startswith("overlay")
            assert (facts.sandbox is None) == from_outside
    assert block.left == []


@pytest.mark.parametrize(
    "name", [name for name in DRIVERS if not name.startswith(("ipvlan", "netkit", *USER_MODE))]
)
def test_every_driver_keeps_its_promises(engine: DockerEngine, lab: Lab, name: str) -> None:
    engine.lan()
    before = links(lab)
    assert_promises_hold(engine, DRIVERS[name])
    # A new swarm's own link is made here before it moves into a namespace.
    wait_for(lambda: links(lab) - before <= {"docker_gwbridge"} | swarms_own(lab), within=SOON)


def swarms_own(lab: Lab) -> set[str]:
    """The port of the swarm's own namespace, which stays with its bridge until the end."""
    rows = json.loads(lab.inside("ip", "-j", "link", "show", "type", "veth"))
    return {row["ifname"] for row in rows if row.get("master") == "docker_gwbridge"}


@pytest.mark.parametrize(
    "name",
    [
        "bridge:user@mtu=9000",
        "bridge:user@mtu=1280+family=6",
        "bridge:user@internal=true",
        "macvlan:bridge@mtu=9000+family=6",
        "macvlan:private@mtu=1400",
        "overlay@mtu=1300",
    ],
)
def test_every_variant_keeps_its_promises(engine: DockerEngine, name: str) -> None:
    assert_promises_hold(engine, driver_named(name))


@pytest.mark.parametrize("name", ["netkit", "bridge:user@rules=none", "bridge:user@rules=nftables"])
def test_what_is_of_the_netns_engine_is_refused_by_name(engine: DockerEngine, name: str) -> None:
    reason = engine.unsupported(driver_named(name).recipe, Path.EAST_WEST)

    assert reason
    assert "for the netns engine" in reason
    assert "--engine netns" in reason


@pytest.mark.parametrize("mode", ["l2", "l3", "l3s"])
def test_ipvlan_works_or_is_unsupported_by_name(
    engine: DockerEngine, lab: Lab, api: docker.APIClient, mode: str
) -> None:
    driver = DRIVERS[f"ipvlan:{mode}"]
    reason = engine.unsupported(driver.recipe, Path.EAST_WEST)
    if reason is None:
        assert_promises_hold(engine, driver)
        return
    before = links(lab)

    assert reason.startswith("the kernel has no ipvlan (modprobe ipvlan): ")
    assert driver.recipe.network
    with pytest.raises(Unsupported, match=r"modprobe ipvlan"):
        engine.create_network("net", driver.recipe.network)
    assert links(lab) == before
    assert api.networks(filters={"label": "netbench.run=test-run"}) == []


def test_a_macvlan_is_a_neighbour_of_the_lan_and_not_of_its_own_host(engine: DockerEngine) -> None:
    network = engine.create_network("net", replace(MACVLAN, ipv6=True))
    one = make(engine, Attach.NETWORK, network=network)
    lan = network.lan
    assert lan
    assert network.ipam
    assert lan.client.id == engine.lan().client.id
    assert (network.ipam.parent, network.ipam.gateway) == (lan.link, lan.client.address)
    assert lan.host6
    assert one.address
    assert one.address6
    echo(engine, lan.client, 21001)
    echo(engine, engine.host(), 21002)
    echo(engine, one, 21003)

    for own, outside, host in (
        (one.address, lan.client.address, lan.host),
        (one.address6, lan.client.address6, lan.host6),
    ):
        assert outside
        assert connects(engine, one, outside, 21001)
        assert connects(engine, lan.client, own, 21003)
        assert not connects(engine, one, host, 21002)
        assert connects(engine, lan.client, host, 21002)


def test_the_engine_gives_no_macvlan_the_addresses_of_host_and_gateway(
    engine: DockerEngine,
) -> None:
    network = engine.create_network("net", MACVLAN)
    names = ("one", "two", "three")
    made = [make(engine, Attach.NETWORK, name, network=network) for name in names]

    assert network.lan
    theirs = {network.lan.host, network.lan.client.address}
    assert theirs.isdisjoint({endpoint.address for endpoint in made})


def test_macvlans_do_not_share_a_wire_and_their_wires_go_with_them(
    engine: DockerEngine, lab: Lab
) -> None:
    engine.lan()
    before = links(lab)
    first, second = (engine.create_network(name, MACVLAN) for name in ("one", "two"))
    assert first.lan
    assert second.lan

    assert links(lab) - before == {first.lan.link, second.lan.link}
    assert first.ipam
    assert second.ipam
    assert first.ipam.subnet != second.ipam.subnet
    engine.remove_network(first)
    assert links(lab) - before == {second.lan.link}
    engine.remove_network(second)
    engine.remove_network(second)
    assert links(lab) == before


def test_a_network_is_removed_after_its_wire_is_gone(engine: DockerEngine, lab: Lab) -> None:
    network = engine.create_network("net", MACVLAN)
    assert network.lan
    lab.inside("ip", "link", "del", network.lan.link)

    engine.remove_network(network)
    assert [t for t in engine.owned("test-run") if t.kind == "network"] == []


def test_a_refused_network_leaves_no_wire(engine: DockerEngine, lab: Lab) -> None:
    engine.lan()
    before = links(lab)
    with pytest.raises(EngineError, match=r"nosuch0"):
        engine.create_network("net", replace(MACVLAN, options=(("parent", "nosuch0"),)))

    assert links(lab) == before
    again = engine.create_network("net", MACVLAN)
    assert again.ipam
    assert again.ipam.subnet == "198.18.1.0/24"


def test_one_passthru_takes_the_whole_parent(engine: DockerEngine) -> None:
    network = engine.create_network("net", replace(MACVLAN, mode="passthru"))
    make(engine, Attach.NETWORK, "first", network=network)

    with pytest.raises(EngineError, match="invalid argument"):
        make(engine, Attach.NETWORK, "second", network=network)


def test_containers_are_kept_apart_without_icc(engine: DockerEngine) -> None:
    together = engine.create_network("together", NetworkSpec("bridge"))
    apart = engine.create_network("apart", NetworkSpec("bridge", icc=False))
    reached = []
    for network in (together, apart):
        server = make(engine, Attach.NETWORK, "server", network=network)
        client = make(engine, Attach.NETWORK, "client", network=network)
        echo(engine, server, 21001)
        assert server.address
        reached.append(connects(engine, client, server.address, 21001))

    # Where bridged frames do not pass the host's packet filter, the engine cannot keep them apart.
    filtered = engine.facts()["engine.bridge_nf_iptables"]
    assert reached == [True, not filtered]


def test_an_internal_network_has_no_way_out(engine: DockerEngine) -> None:
    network = engine.create_network("net", NetworkSpec("bridge", internal=True, ipv6=True))
    inner = make(engine, Attach.NETWORK, network=network)

    assert inner.address6
    assert "default" not in read(engine, inner, "ip", "-4", "route")
    assert "default" not in read(engine, inner, "ip", "-6", "route")


def test_options_of_the_engines_own_reach_it(engine: DockerEngine, lab: Lab) -> None:
    options = (("com.docker.network.bridge.name", "nbtestbr"),)
    network = engine.create_network("net", NetworkSpec("bridge", options=options))

    assert network.ipam
    assert network.ipam.bridge == "nbtestbr"
    assert "nbtestbr" in links(lab)


@pytest.fixture
def real(lab: Lab) -> Iterator[str]:
    """A link of the host's that stands for a real one."""
    lab.inside("ip", "link", "add", "nbreal", "type", "veth", "peer", "name", "nbswitch")
    lab.inside("ip", "link", "set", "nbreal", "up")
    lab.inside("ip", "link", "set", "nbswitch", "up")
    yield "nbreal"
    lab.inside("ip", "link", "del", "nbreal")


def test_equal_networks_share_a_named_parent(
    real: str, lab: Lab, open_engine: Callable[..., DockerEngine]
) -> None:
    engine = open_engine("parent", parent=real)
    before = links(lab)
    first, second = (engine.create_network(name, MACVLAN) for name in ("one", "two"))
    endpoint = make(engine, Attach.NETWORK, network=second)

    assert first == second
    assert first.lan is None
    assert first.ipam
    assert first.ipam.parent == real
    assert links(lab) == before
    recipe = Recipe(Attach.NETWORK, Attach.NETWORK, MACVLAN)
    assert engine.unsupported(recipe, Path.EAST_WEST) is None
    assert real in (engine.unsupported(recipe, Path.NORTH_SOUTH) or "")
    with pytest.raises(EngineError, match="already using parent"):
        engine.create_network("three", replace(MACVLAN, mode="private"))
    engine.remove_network(first)
    assert [t.id for t in engine.owned("parent") if t.kind == "network"] == [first.id]
    engine.remove_endpoint(endpoint)
    engine.remove_network(second)
    assert [t.id for t in engine.owned("parent") if t.kind == "network"] == []


def test_what_needs_a_setting_is_named(engine: DockerEngine) -> None:
    six = Recipe(Attach.DEFAULT, Attach.DEFAULT, family=6)
    proxied = Recipe(Attach.DEFAULT, Attach.DEFAULT, published="proxy")
    cni = Recipe(Attach.NETWORK, Attach.NETWORK, NetworkSpec("cni"))

    assert "bridge:user@family=6" in (engine.unsupported(six, Path.EAST_WEST) or "")
    assert engine.unsupported(proxied, Path.HAIRPIN) is None
    assert "--paths hairpin" in (engine.unsupported(proxied, Path.NORTH_SOUTH) or "")
    assert "netns engine" in (engine.unsupported(cni, Path.EAST_WEST) or "")


def test_an_internal_macvlan_needs_a_dummy_link_that_the_kernel_may_lack(
    engine: DockerEngine,
) -> None:
    spec = replace(MACVLAN, internal=True)
    reason = engine.unsupported(Recipe(Attach.NETWORK, Attach.NETWORK, spec), Path.EAST_WEST)
    if reason is None:
        network = engine.create_network("net", spec)
        assert network.lan is None
        return
    assert "modprobe dummy" in reason
    with pytest.raises(Unsupported, match="modprobe dummy"):
        engine.create_network("net", spec)


def test_both_readers_see_the_same_of_a_macvlan(engine: DockerEngine) -> None:
    driver = driver_named("macvlan:bridge@family=6")
    arm = Arm(driver.name)
    with LiveBlock(engine, NetlinkReader(), [(arm, driver)], prefix="test", paths=BOTH) as block:
        live = block.pairs[arm]
        assert isinstance(live, LivePair), live
        time.sleep(2)  # IPv6 addresses of new links appear with a delay
        (ours,) = NetlinkReader().read([live.pair])
        (theirs,) = InsideReader().read([live.pair])
        assert isinstance(ours, PairFacts), ours
        assert isinstance(theirs, PairFacts), theirs
        for mine, other in zip(ours.ends, theirs.ends, strict=True):
            assert (mine.role, mine.addresses, mine.routes) == (
                other.role,
                other.addresses,
                other.routes,
            )
            assert [
                replace(x, counters=y.counters)
                for x, y in zip(mine.links, other.links, strict=True)
            ] == list(other.links)
