"""The lab of two engines itself: what joins them carries, is shaped, breaks and is mended."""

import json
import subprocess
import time
from pathlib import Path

import pytest
from support.crossing import (
    LAN,
    MEGABYTE,
    RECOVERS,
    SERVER,
    carries,
    carrying,
    crossed,
    endpoints,
    known,
    measured,
    neighbours,
    overlay,
    removed,
    replies,
)
from support.inventory import difference
from support.program import Program, wait_for
from support.two_engines import WIRE, Cut, Side, TwoEngines
from support.walks import CGROUPS, folders


def test_every_way_leads_to_its_engine_from_either_machine(two_engines: TwoEngines) -> None:
    found = two_engines.contexts()
    ids = {side.name: side.docker("info", "--format", "{{.ID}}") for side in two_engines.sides}

    assert ids["a"] != ids["b"]
    config = f"DOCKER_CONFIG={found['DOCKER_CONFIG']}"
    for here in two_engines.sides:
        for way in ("unix", "ssh", "tls"):
            for name, identity in ids.items():
                command = ("docker", "--context", f"{way}-{name}", "info", "--format", "{{.ID}}")
                assert here.inside("env", config, *command).strip() == identity


@pytest.mark.parametrize("way", ["unix", "ssh", "tls"])
def test_netbench_on_one_machine_finds_the_engine_of_the_other(
    two_engines: TwoEngines, tmp_path: Path, way: str
) -> None:
    a, b = two_engines.sides
    program = Program(tmp_path, before=a.before, environment=two_engines.contexts())
    with b.api() as api:
        labels = {"netbench.run": "lab", "netbench.owner": "0"}
        api.create_network("of-netbench", driver="bridge", labels=labels)
    try:
        done = program("clean", "--dry-run", "--json", "--context", f"{way}-b")
        assert "of-netbench" in done.stdout, done
    finally:
        b.docker("network", "rm", "of-netbench")


def test_machines_reach_each_other(two_engines: TwoEngines) -> None:
    a, b = two_engines.sides
    before = [side.counters() for side in two_engines.sides]
    with endpoints(two_engines, "host"):
        assert replies(a, b.address)
        assert replies(b, a.address)
        assert carries(a, b.address)
        crossed(two_engines, before)


def test_an_overlay_crosses_the_wire_in_vxlan(two_engines: TwoEngines) -> None:
    a, b = two_engines.sides
    with overlay(two_engines) as network:
        carrying(two_engines, network)
        before = [side.counters() for side in two_engines.sides]
        tunnel = {side: side.counters("vxlan0", side.sandbox(network)) for side in (a, b)}

        assert carries(a, SERVER)
        crossed(two_engines, before)
        after = {side: side.counters("vxlan0", side.sandbox(network)) for side in (a, b)}
        assert after[a][1] - tunnel[a][1] > 15 * MEGABYTE
        assert after[b][0] - tunnel[b][0] > 15 * MEGABYTE
        for side, peer in ((a, b), (b, a)):
            assert f" dst {peer.address} " in known(side, network)
            peers = side.docker("network", "inspect", "net", "--format", "{{json .Peers}}")
            assert {one["IP"] for one in json.loads(peers)} == {a.address, b.address}


def test_a_worker_has_an_overlay_as_long_as_it_has_an_endpoint(two_engines: TwoEngines) -> None:
    a, b = two_engines.sides
    listed = ("network", "ls", "--no-trunc", "--format", "{{.ID}}")
    with two_engines.swarm():
        options = ("--driver", "overlay", "--attachable")
        network = a.docker("network", "create", *options, "net")
        assert network in a.docker(*listed)
        assert network not in b.docker(*listed)
        b.endpoint("server", "net")
        assert network in b.docker(*listed)
        b.docker("rm", "--force", "server")
        wait_for(lambda: network not in b.docker(*listed), within=30)
        wait_for(lambda: removed(two_engines, network), within=RECOVERS)


def test_encrypted_traffic_crosses_as_esp_or_not_at_all(two_engines: TwoEngines) -> None:
    """A kernel without ESP drops what it cannot encrypt."""
    a, b = two_engines.sides
    table = "add table netdev seen; add chain netdev seen arriving "
    b.inside("nft", f"{table}{{ type filter hook ingress device {WIRE} priority 0; }}")
    for what in ("ip protocol esp", "udp dport 4789"):
        b.inside("nft", f"add rule netdev seen arriving {what} counter")
    try:
        with overlay(two_engines, "--opt", "encrypted"):
            through = replies(a, SERVER, "client") or replies(a, SERVER, "client")
            listed = json.loads(b.inside("nft", "-j", "list", "table", "netdev", "seen"))
            rules = [one["rule"]["expr"] for one in listed["nftables"] if "rule" in one]
            esp, clear = (rule[-1]["counter"]["packets"] for rule in rules)
            assert clear == 0
            assert through == (esp > 0) == bool(a.inside("ip", "xfrm", "state"))
            missing = _xfrm(a)["XfrmOutNoStates"]
            assert through == (missing == 0)
    finally:
        b.inside("nft", "delete table netdev seen")
        for side in two_engines.sides:  # without ESP the engine's policy outlives its network
            side.inside("ip", "xfrm", "policy", "flush")


def _xfrm(side: Side) -> dict[str, int]:
    rows = side.inside("cat", "/proc/net/xfrm_stat").splitlines()
    return {name: int(value) for name, value in map(str.split, rows)}


def test_a_published_port_is_reached_across(two_engines: TwoEngines) -> None:
    a, b = two_engines.sides
    before = [side.counters() for side in two_engines.sides]
    with endpoints(two_engines, "bridge", "--publish", f"{b.address}:5301:5201"):
        assert carries(a, b.address, "--port", "5301")
        crossed(two_engines, before)
        assert f"Accepted connection from {a.address}" in b.docker("logs", "server")


def test_macvlans_on_the_wire_are_neighbours(two_engines: TwoEngines) -> None:
    a, b = two_engines.sides
    before = [side.counters() for side in two_engines.sides]
    with neighbours(two_engines, "macvlan"):
        assert replies(a, LAN["b"], "client")
        assert carries(a, LAN["b"])
        crossed(two_engines, before)
        assert not replies(b, LAN["b"])


def test_the_wire_is_as_slow_and_as_narrow_as_asked(two_engines: TwoEngines) -> None:
    """Bounds that hold on a busy machine: it is never quicker, and never wider."""
    a, b = two_engines.sides
    try:
        with endpoints(two_engines, "host"):
            for delay in (0, 0.01):
                two_engines.shape("20mbit", delay)
                began = time.monotonic()
                assert replies(a, b.address)
                assert time.monotonic() - began >= 2 * delay
                seen = measured(a, b.address, "--time", "3")
                assert 0 < seen["bits_per_second"] < 25e6
            two_engines.unshape()
            assert carries(a, b.address)
            assert "tbf" not in a.inside("tc", "qdisc")
    finally:
        two_engines.unshape()


@pytest.mark.slow
@pytest.mark.parametrize("how", ["drop", "down"])
def test_machines_apart_do_not_reach_each_other(two_engines: TwoEngines, how: Cut) -> None:
    a, b = two_engines.sides
    with overlay(two_engines) as network:
        carrying(two_engines, network)
        with two_engines.parted(how):
            assert not replies(a, b.address)
            assert not replies(a, SERVER, "client")
        wait_for(lambda: replies(a, b.address), within=30)
        carrying(two_engines, network)


def opens(side: Side, address: str, port: int) -> bool:
    """Tell whether a TCP connection from this machine is answered."""
    try:
        side.inside("socat", "-u", "/dev/null", f"TCP:{address}:{port},connect-timeout=1")
    except subprocess.CalledProcessError:
        return False
    return True


@pytest.mark.slow
def test_single_ports_are_closed_and_opened(two_engines: TwoEngines) -> None:
    a, b = two_engines.sides
    with overlay(two_engines) as network:
        carrying(two_engines, network)
        for port in (2377, 7946):
            assert opens(b, a.address, port)
            a.close_port("tcp", port)
            assert not opens(b, a.address, port)
            a.open_ports()
            assert opens(b, a.address, port)
        b.close_port("udp", 4789)
        assert not replies(a, SERVER, "client")
        assert replies(a, b.address)
        b.open_ports()
        carrying(two_engines, network)


def test_a_killed_engine_is_missed_and_comes_back(two_engines: TwoEngines) -> None:
    a, b = two_engines.sides
    with two_engines.swarm():
        b.kill()
        assert not opens(a, b.address, 2376)
        states = ("node", "ls", "--format", "{{.Status}}")
        wait_for(lambda: "Down" in a.docker(*states), within=60)
        b.restart()
        assert opens(a, b.address, 2376)
        wait_for(lambda: a.docker(*states).split() == ["Ready", "Ready"], within=60)


def test_a_swarm_that_is_left_leaves_nothing(two_engines: TwoEngines) -> None:
    two_engines.leave_swarm()
    before = two_engines.inventory()
    with overlay(two_engines):
        during = difference(before, two_engines.inventory())
        for side in two_engines.sides:
            changed = {name.partition(": ")[2] for name in during if name[0] == side.name}
            assert changed >= {"links", "sandboxes", "networks", "swarm", "containers"}

    def left() -> dict[str, object]:
        return dict(difference(before, two_engines.inventory()))

    try:
        wait_for(lambda: not left(), within=30)
    except AssertionError:
        assert left() == {}


def lives(pid: int) -> bool:
    """Tell whether there is such a process; one that is dead and not waited for is none."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_nothing_of_a_pair_is_left_and_others_stay(two_engines: TwoEngines) -> None:
    other = TwoEngines.start()
    holders = [side.holder for side in other.sides]
    places = [other.folder, *(side.folder for side in other.sides)]
    other.form_swarm()
    other.shape(delay=0.001)
    other.stop()

    assert not [place for place in places if place.exists()]
    assert not [pid for pid in holders if lives(pid)]
    for pid in holders:
        assert not list(folders(CGROUPS, f"netbench-lab-{pid}"))
    assert replies(two_engines.a, two_engines.b.address)
