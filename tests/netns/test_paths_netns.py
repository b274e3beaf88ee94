"""Every driver of the netns engine on every path: real connections, and links that carried them."""

import re
from collections.abc import Callable
from pathlib import Path as File

import pytest
from support.hang import SOON
from support.program import wait_for

from netbench.drivers import DRIVERS, FIREWALL, Closed, Driver, PathClaim
from netbench.engines.netns.engine import NetnsEngine
from netbench.facts.netlink import NetlinkReader
from netbench.plan.drivers import driver_named
from netbench.record import PairFacts, PathProof, Skip
from netbench.runner.feasibility import prove_closed
from netbench.spec import MACHINE_PATHS, Arm, Path, Via
from netbench.topology.pairs import LiveBlock, LivePair
from netbench.topology.paths import Call
from netbench.topology.proof import prove

BYTES = 1_000_000
PORT = 25001
VARIANTS = (
    *("host@family=6", "bridge@family=6", "bridge:user@family=6", "container@family=6"),
    *("macvlan:bridge@family=6", "macvlan:passthru@family=6", "ipvlan:l2@family=6"),
    *("ipvlan:l3@family=6", "overlay@family=6", "bridge:user@mtu=9000+family=6"),
    *("bridge:user@icc=false", "bridge:user@internal=true", "macvlan:bridge@internal=true"),
    *("bridge@published=nat", "bridge:user@published=proxy", "container@published=proxy"),
    *("bridge:user@family=6+published=proxy", "macvlan:bridge@mtu=9000", "overlay@mtu=1400"),
    *("macvlan:private@mtu=1280+family=6", "ipvlan:l3@mtu=9000"),
    *("bridge:user@rules=iptables", "bridge:user@family=6+rules=nftables"),
    *("bridge:user@published=proxy+rules=none", "bridge:user@published=proxy+rules=iptables"),
)


def skip_without_br_netfilter(engine: NetnsEngine) -> None:
    if not engine.facts()["engine.bridge_nf_iptables"]:
        pytest.skip("the kernel has no br_netfilter")


def paired(engine: NetnsEngine, name: str) -> tuple[Arm, LiveBlock]:
    """Return a pair of a driver for every path, to be entered; skip what the kernel has not."""
    driver = driver_named(name)
    plain = driver_named(name.partition("@")[0])
    lacking = engine.unsupported(plain.recipe, Path.NORTH_SOUTH)
    if lacking:
        pytest.skip(lacking)
    if "rules=" in name:
        skip_without_br_netfilter(engine)
    assert engine.unsupported(driver.recipe, Path.NORTH_SOUTH) is None
    arm = Arm(driver.name)
    block = LiveBlock(
        engine, NetlinkReader(), [(arm, driver)], prefix="p", paths=tuple(Path), ports=2
    )
    return arm, block


def live_pair(block: LiveBlock, arm: Arm) -> LivePair:
    pair = block.pairs[arm]
    assert isinstance(pair, LivePair), pair
    return pair


def listens(pid: int, port: int) -> bool:
    """Tell whether somebody listens in the network namespace of a process."""
    rows = "".join(File(f"/proc/{pid}/net/{name}").read_text() for name in ("tcp", "tcp6"))
    return f":{port:04X} " in rows and re.search(rf":{port:04X} \S+ 0A ", rows) is not None


Argvs = Callable[[Call, int, int], tuple[tuple[str, ...], tuple[str, ...]]]


def bytes_over_tcp(call: Call, inner: int, outer: int) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return what takes `BYTES` in and what sends them: far less to start than iperf3."""
    bind, target = (f"[{x}]" if ":" in x else x for x in (call.bind, call.target))
    family = 6 if ":" in call.target else 4
    sink = f"TCP{family}-LISTEN:{inner},bind={bind},reuseaddr"
    send = f"head -c {BYTES} /dev/zero | socat -u - TCP:{target}:{outer},connect-timeout=3"
    return ("socat", "-u", sink, "OPEN:/dev/null"), ("sh", "-c", send)


def bytes_over_udp(call: Call, inner: int, outer: int) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return iperf3's server and client, which count what arrives."""
    server = ("iperf3", "-s", "-1", "-p", str(inner), "-B", call.bind)
    client = ("iperf3", "-c", call.target, "-p", str(outer), "-n", str(BYTES))
    return server, (*client, "-u", "-b", "100M", "-l", "1400", "--connect-timeout", "3000")


def carried(
    engine: NetnsEngine, pair: LivePair, path: Path, argvs: Argvs = bytes_over_tcp
) -> PathProof:
    """Send `BYTES` along a path, at most for seconds, and return what the links say of it."""
    call = pair.call(path)
    inner, outer = PORT, PORT
    if call.published is not None:
        inner, outer = call.published[0].port.number, call.published[0].host_port
    serve, send = argvs(call, inner, outer)
    server = engine.start(pair.server, serve, cpu=None, limit=20)
    try:
        wait_for(lambda: listens(pair.server.pid, inner), within=SOON)
        before = NetlinkReader().again(pair.pair, pair.facts)
        done = engine.run(call.client, send, timeout=10)
        assert done.exit_code == 0, (path, done.stdout, done.stderr)
    finally:
        ended = server.wait(SOON)
    assert ended.exit_code == 0, (path, ended)
    after = NetlinkReader().again(pair.pair, pair.facts)
    return prove(pair.driver, path, call.target, (before, after), BYTES)


@pytest.mark.parametrize("name", [*DRIVERS, *VARIANTS])
def test_open_paths_carry_and_closed_ones_do_not(engine: NetnsEngine, name: str) -> None:
    arm, block = paired(engine, name)
    with block:
        pair = live_pair(block, arm)
        assert pair.broken == ()
        elsewhere = (Path.ACROSS, *MACHINE_PATHS)
        here = {path: way for path, way in pair.driver.ways.items() if path not in elsewhere}
        for path, way in here.items():
            if isinstance(way, PathClaim):
                proof = carried(engine, pair, path)
                assert proof.held, (path, proof)
            else:
                assert isinstance(way, Closed)
                assert isinstance(prove_closed(engine, pair, way), Skip)
    assert block.left == []


def test_rules_are_in_the_way_that_have_them_and_nowhere_else(engine: NetnsEngine) -> None:
    """Three hosts at a time: each has the rules that were asked for, and they count."""
    skip_without_br_netfilter(engine)
    seen = []
    for backend in ("none", "iptables", "nftables"):
        driver = driver_named(f"bridge:user@rules={backend}")
        arm = Arm(driver.name)
        with LiveBlock(engine, NetlinkReader(), [(arm, driver)], prefix="p") as block:
            pair = live_pair(block, arm)
            proof = carried(engine, pair, Path.EAST_WEST)
            assert pair.broken == ()
            assert proof.held, proof
            seen += [[(hop.kind, hop.moved >= BYTES) for hop in proof.hops if hop.link == FIREWALL]]
            assert pair.facts.host.rules
            assert bool(pair.facts.host.rules.count) == bool(seen[-1])

    assert seen == [[], [("iptables", True)], [("nftables", True)]]


def test_without_rules_no_port_is_translated(engine: NetnsEngine) -> None:
    plain, proxied = (
        engine.unsupported(driver_named(f"bridge:user@{x}rules=none").recipe, Path.NORTH_SOUTH)
        for x in ("", "published=proxy+")
    )

    assert plain == "no rules are wanted, so no port is translated"
    assert proxied is None


def publishing() -> list[Driver]:
    return [
        driver
        for driver in DRIVERS.values()
        if isinstance(way := driver.ways[Path.NORTH_SOUTH], PathClaim) and way.via is Via.PUBLISHED
    ]


@pytest.mark.parametrize("name", [driver.name for driver in publishing()])
def test_published_ports_carry_udp_too(engine: NetnsEngine, name: str) -> None:
    arm, block = paired(engine, name)
    with block:
        pair = live_pair(block, arm)
        proof = carried(engine, pair, Path.NORTH_SOUTH, bytes_over_udp)

    assert proof.held, proof


def test_the_overlays_frames_cross_the_tunnel(engine: NetnsEngine) -> None:
    arm, block = paired(engine, "overlay")
    with block:
        pair = live_pair(block, arm)
        proof = carried(engine, pair, Path.EAST_WEST)
        facts = pair.facts

    moved = {(hop.namespace, hop.kind): hop.moved for hop in proof.hops if hop.kind != "bridge"}
    assert moved["lan", "vxlan"] >= BYTES
    assert moved["sandbox", "vxlan"] >= BYTES
    # Large packets cross the wire whole and have their headers once.
    assert moved["host", "veth"] > moved["sandbox", "vxlan"]
    assert mtus(facts) == {"client": [1450], "server": [1450, 1500]}
    assert [(r.destination, r.link) for r in facts.client.routes if r.gateway] == []


def mtus(facts: PairFacts) -> dict[str, list[int]]:
    return {
        end.role.value: [link.mtu for link in end.links if link.name != "lo"]
        for end in (facts.client, facts.server)
    }


@pytest.mark.parametrize("name", ["bridge:user", "macvlan:bridge"])
def test_an_mtu_holds_for_every_link_of_the_path(engine: NetnsEngine, name: str) -> None:
    arm, block = paired(engine, f"{name}@mtu=9000")
    with block:
        pair = live_pair(block, arm)
        hops = pair.driver.hops(Path.EAST_WEST, pair.facts)

    assert {hop.link.mtu for hop in hops} == {9000}
