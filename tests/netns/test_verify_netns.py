"""`verify` and `inspect` on nothing but the kernel: real links, real connects, false promises."""

import json
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path as File
from typing import Any

import pytest
from support.hang import HANG, SOON
from support.program import Ended, Program, wait_for
from support.require import require_or_skip
from support.verified import (
    assert_all_as_promised,
    assert_bridges_are_apart,
    assert_clients_are_seen,
    assert_none_reaches_nothing,
    assert_own_host_is_out_of_reach,
    assert_rows_are_whole,
    assert_there_is_what_readers_check_by_eye,
    measured,
)

from netbench.drivers import DRIVERS, ReachPlace
from netbench.drivers.base import everywhere, reach
from netbench.engines.netns.engine import NetnsEngine
from netbench.spec import Arm, Path, Recipe
from netbench.topology.pairs import LiveBlock, LivePair
from netbench.topology.paths import choose_reader
from netbench.verify import Verified, verify_driver
from netbench.verify.path_mtu import path_mtus

Processes = Callable[[], list[str]]


@pytest.fixture(scope="module")
def whole(namespaces: None, tmp_path_factory: pytest.TempPathFactory) -> Ended:
    """Every driver that there is."""
    del namespaces
    if shutil.which("socat") is None:
        require_or_skip("netns", "socat not found: apt-get install socat")
    program = Program(tmp_path_factory.mktemp("verify"), environment={"NETBENCH_ENGINE": "netns"})
    return program("verify", "--json")


def test_every_driver_is_as_it_promises_or_not_possible_here(whole: Ended) -> None:
    assert whole.code == whole.json["exit"], whole.stderr
    assert_all_as_promised(whole.json)
    assert_rows_are_whole(whole.json)


def test_who_reaches_whom(whole: Ended) -> None:
    assert_none_reaches_nothing(whole.json)
    assert_bridges_are_apart(whole.json)
    assert_own_host_is_out_of_reach(whole.json)
    explained = [
        row["evidence"]
        for row in whole.json["rows"]
        if (row["driver"], row["from"], row["to"]) == ("bridge", "LAN", "pair")
    ]
    assert all("whose firewall decides" in evidence for evidence in explained)


def test_whose_address_the_server_sees(whole: Ended) -> None:
    assert_clients_are_seen(whole.json)


def test_what_readers_check_by_eye_is_there(whole: Ended) -> None:
    assert_there_is_what_readers_check_by_eye(whole.json)


def world_of(listed: list[str]) -> str | None:
    """Return the namespace of the engine's host, found as a meddler would: by its bridge nb0."""
    for line in listed:
        pid, _, command = line.partition(": ")
        if command.startswith("sleep") and any(
            link["ifname"] == "nb0" for link in links_in(f"/proc/{pid}/ns/net")
        ):
            return f"/proc/{pid}/ns/net"
    return None


def links_in(namespace: str) -> list[dict[str, Any]]:
    argv = ("nsenter", f"--net={namespace}", "ip", "-j", "-d", "link", "show")
    done = subprocess.run(argv, capture_output=True, text=True, timeout=10, check=False)
    return json.loads(done.stdout) if done.returncode == 0 and done.stdout else []


def ports_by_bridge(namespace: str) -> Mapping[str, list[dict[str, Any]]]:
    """Return the ports of every bridge that the engine made for a network, in order of making."""
    found: dict[str, list[dict[str, Any]]] = {}
    for link in links_in(namespace):
        if link.get("master", "nb0") != "nb0":
            found.setdefault(link["master"], []).append(link)
    return {name: sorted(ports, key=lambda x: x["ifindex"]) for name, ports in found.items()}


def test_an_endpoint_moved_behind_our_back_is_caught(
    program: Program, own_processes: Processes
) -> None:
    running = program.popen("verify", "--drivers", "bridge:user", "--json")
    namespace = wait_for(lambda: world_of(own_processes()), within=20)

    def both() -> Mapping[str, list[dict[str, Any]]] | None:
        ports = ports_by_bridge(namespace)
        return ports if sorted(map(len, ports.values())) == [1, 2] else None

    ports = wait_for(both, within=20)
    (pairs,) = (name for name in ports if len(ports[name]) == 2)
    (elsewhere,) = (name for name in ports if len(ports[name]) == 1)
    server = ports[pairs][0]["ifname"]
    argv = ("nsenter", f"--net={namespace}", "ip", "link", "set", server, "master", elsewhere)
    subprocess.run(argv, timeout=10, check=True)
    stdout, stderr = running.communicate(timeout=HANG)
    document = json.loads(stdout)

    assert running.returncode == document["exit"] == 3, stderr
    broken = [check for check in document["promises"] if not check["held"]]
    assert any("a port of one bridge" in check["promise"] for check in broken)
    assert any(elsewhere in check["evidence"] for check in broken)
    assert document["mismatches"] >= len(broken)


def test_a_driver_that_promises_what_is_not_so_is_caught(engine: NetnsEngine) -> None:
    """One that says its bridges reach each other, and that it does not reach its pair."""
    false = everywhere(reach(yes="CONTAINER>OTHER", no="CONTAINER>PAIR"))
    liar = replace(DRIVERS["bridge:user"], name="liar", reach=false)
    found = verify_driver(engine, choose_reader(engine), liar)

    assert isinstance(found, Verified)
    wrong = [row for row in found.rows if row.mismatch]
    assert {(row.source, row.target, row.measured) for row in wrong} == {
        (ReachPlace.CONTAINER, ReachPlace.OTHER, "no-reach"),
        (ReachPlace.CONTAINER, ReachPlace.PAIR, "reach"),
    }
    assert len(wrong) == found.mismatches == 8


def test_a_pair_that_does_not_come_up_is_told_and_leaves_nothing(engine: NetnsEngine) -> None:
    """Passthru twice on one parent: the kernel refuses the second."""
    twice = replace(
        DRIVERS["macvlan:passthru"],
        recipe=replace(DRIVERS["macvlan:bridge"].recipe, network=DRIVERS["macvlan:passthru"].other),
    )
    before = links_in(f"/proc/{engine.host().pid}/ns/net")
    found = verify_driver(engine, choose_reader(engine), twice)

    assert not isinstance(found, Verified)
    assert not found.impossible
    assert found.reason
    left = {link["ifname"] for link in links_in(f"/proc/{engine.host().pid}/ns/net")}
    assert left - {link["ifname"] for link in before} <= {"nblan0"}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_stopping_it_leaves_nothing(
    program: Program, own_processes: Processes, number: signal.Signals
) -> None:
    running = program.popen("verify", "--drivers", "bridge:user,macvlan:bridge", "--json")
    wait_for(lambda: any("socat" in line for line in own_processes()), within=20)
    running.send_signal(number)
    stdout, stderr = running.communicate(timeout=HANG)

    assert running.returncode == 130, stderr
    assert json.loads(stdout)["error"]["kind"] == "interrupted"
    wait_for(lambda: not own_processes(), within=SOON)


def test_the_terminal_shows_a_matrix_in_a_hundred_columns(
    program: Program, own_processes: Processes
) -> None:
    done = program("verify", "--drivers", "none,bridge:user")

    assert done.code == 0, done.stderr
    assert max(map(len, done.stdout.splitlines())) <= 100
    assert "bridge:user: 4 promises, none BROKEN; 108 connects, none MISMATCHED" in done.stdout
    matrix = [line.split() for line in done.stdout.splitlines() if line.startswith("container ")]
    assert matrix[0] == ["container", "no", "-", "no", "-", "no", "-"]
    assert matrix[1] == ["container", "yes", "no", "yes", "yes", "yes", "yes"]
    assert "1 of 2: none" in done.stderr
    wait_for(lambda: not own_processes(), within=SOON)


def without(tool: str, folder: File) -> str:
    """Return a PATH that has everything but one tool."""
    for place in ("/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"):
        for program in File(place).glob("*"):
            link = folder / program.name
            if program.name != tool and not link.exists():
                link.symlink_to(program)
    return str(folder)


def test_without_socat_nothing_can_be_connected_and_that_is_said(
    program: Program, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = without("socat", tmp_path_factory.mktemp("tools"))
    bare = replace(program, environment={**(program.environment or {}), "PATH": path})
    done = bare("verify", "--drivers", "none", "--json")

    assert done.code == 4
    assert done.json["error"]["kind"] == "engine-unavailable"
    assert "socat" in done.json["error"]["message"]
    assert "apt-get install socat" in done.json["error"]["hint"]


class Landlocked(NetnsEngine):
    """A world that nobody comes into from outside."""

    def unsupported(self, recipe: Recipe, path: Path) -> str | None:
        return "no way in" if path is Path.NORTH_SOUTH else super().unsupported(recipe, path)


def test_where_nobody_comes_in_from_outside_the_rest_is_verified(
    open_engine: Callable[[], NetnsEngine],
) -> None:
    del open_engine  # that is not Landlocked, but knows whether there can be one
    engine = Landlocked("landlocked", "asked for")
    try:
        found = verify_driver(engine, choose_reader(engine), DRIVERS["bridge:user"])
    finally:
        engine.close()

    assert isinstance(found, Verified)
    assert found.mismatches == 0
    outside = [row for row in found.rows if ReachPlace.LAN in (row.source, row.target)]
    assert {(row.measured, row.evidence) for row in outside} == {("skip", "no way in")}
    inside = [
        row
        for row in found.rows
        if (row.source, row.target) == (ReachPlace.CONTAINER, ReachPlace.PAIR)
    ]
    assert {row.measured for row in inside} == {"reach"}


BAD = [
    (("verify", "--drivers", "brigde"), 2, "did you mean 'bridge'?"),
    (("verify", "--drivers", "none,none"), 2, "twice"),
    (("inspect",), 2, "neither"),
    (("inspect", "--drivers", "none", "--container", "x"), 2, "both"),
    (("inspect", "--drivers", "none,host"), 2, "one driver at a time"),
    (("inspect", "--container", "web"), 3, "no named containers"),
]


@pytest.mark.parametrize(("argv", "code", "words"), BAD, ids=[" ".join(argv) for argv, _, _ in BAD])
def test_bad_input_is_one_clear_error(
    program: Program, argv: tuple[str, ...], code: int, words: str
) -> None:
    done = program(*argv, "--json")

    assert done.code == code
    assert words in done.json["error"]["message"]


def test_a_driver_that_is_named_and_not_possible_is_exit_4_alone_and_3_among_others(
    program: Program,
) -> None:
    alone = program("verify", "--drivers", "plugin:weave", "--json")
    among = program("verify", "--drivers", "none,plugin:weave", "--json")

    assert (alone.code, among.code) == (4, 3)
    (skipped,) = among.json["skipped"]
    assert skipped["driver"] == "plugin:weave"
    assert "Docker" in skipped["reason"]


WAYS = {
    "east-west": [
        *(("client", "veth"), ("host", "veth"), ("host", "bridge")),
        *(("host", "veth"), ("server", "veth")),
    ],
    "north-south": [
        *(("lan", "veth"), ("host", "veth"), ("host", "bridge")),
        *(("host", "veth"), ("server", "veth")),
    ],
}


def test_inspect_shows_the_links_of_every_path(program: Program) -> None:
    done = program("inspect", "--drivers", "bridge:user", "--json")

    assert done.code == 0, done.stderr
    paths = done.json["paths"]
    assert set(paths) == {"east-west", "north-south", "hairpin"}
    for path, hops in WAYS.items():
        assert [(hop["namespace"], hop["kind"]) for hop in paths[path]] == hops
    assert done.json["path"] == paths["east-west"]
    (network,) = done.json["networks"]
    assert network["driver"] == "bridge:user"


def test_inspect_shows_whose_child_a_macvlan_is(program: Program) -> None:
    done = program("inspect", "--drivers", "macvlan:bridge", "--json")
    if done.code == 3 and "macvlan" in done.json.get("error", {}).get("message", ""):
        require_or_skip("netns", done.json["error"]["message"])

    assert done.code == 0, done.stderr
    (network,) = done.json["networks"]
    for end in done.json["endpoints"]:
        (eth0,) = (link for link in end["links"] if link["name"] == "eth0")
        assert (eth0["kind"], eth0["mode"]) == ("macvlan", "bridge")
        assert eth0["parent_name"] == network["parent"]
    kinds = [hop["kind"] for hop in done.json["paths"]["north-south"]]
    assert kinds == ["veth", "veth", "macvlan"]


def test_an_ordinary_user_verifies(rootless: Callable[..., Program]) -> None:
    done = rootless()(
        *("verify", "--engine", "netns", "--drivers", "none,host,bridge:user,macvlan:bridge"),
        "--json",
    )

    assert done.json["exit"] == done.code, done.stderr
    assert done.code == 0, (done.stderr, done.json["skipped"])
    assert measured(done.json, "bridge:user", "LAN", "published port") == {"reach"}
    assert measured(done.json, "macvlan:bridge", "pair", "host") == {"no-reach"}


@pytest.mark.parametrize(
    ("end", "mtu", "said"), [("server", 1400, "vanished"), ("client", 1300, "refused")]
)
def test_a_smaller_mtu_on_the_way_is_found_with_what_becomes_of_larger_packets(
    engine: NetnsEngine, end: str, mtu: int, said: str
) -> None:
    """Behind a bridge nobody tells the sender; the kernel refuses what its own link cannot take."""
    if shutil.which("socat") is None:
        require_or_skip("netns", "socat not found: apt-get install socat")
    arm = Arm("bridge:user")
    block = LiveBlock(engine, choose_reader(engine), [(arm, DRIVERS[arm.driver])], prefix="mtu")
    with block:
        pair = block.pairs[arm]
        assert isinstance(pair, LivePair)
        (whole,) = path_mtus(engine, pair)
        pid = (pair.server if end == "server" else pair.client).pid
        change = ("nsenter", f"--net=/proc/{pid}/ns/net", "ip", "link", "set", "eth0", "mtu")
        subprocess.run((*change, str(mtu)), check=True)
        (cut,) = path_mtus(engine, pair)

    assert (whole.found, whole.short) == (1500, False)
    assert cut.short
    assert cut.found is not None
    assert mtu <= cut.found <= mtu + 4  # a veth lets the 4 bytes of a VLAN tag pass
    assert said in cut.evidence


def test_inspect_and_verify_tell_path_mtus_and_a_network_that_nothing_below_carries(
    program: Program,
) -> None:
    inspected = program("inspect", "--drivers", "bridge:user@mtu=9000", "--json")
    verified = program("verify", "--drivers", "bridge:user", "--json")

    assert inspected.code == 0, inspected.stderr
    found = {row["path"]: (row["link_mtu"], row["path_mtu"]) for row in inspected.json["path_mtus"]}
    assert found["east-west"] == (9000, 9000)
    (warning,) = inspected.json["warnings"]
    assert "give the network mtu=1500" in warning
    assert {row["path_mtu"] for row in verified.json["path_mtus"]} == {1500}
    assert verified.json["warnings"] == []


def test_doctor_tells_a_bridge_whose_mtu_is_above_the_link_to_the_outside(
    namespaces: None,
) -> None:
    del namespaces
    script = """ip link add out mtu 1400 type veth peer name far
ip link set far up; ip link set out up; ip addr add 198.51.100.2/24 dev out
ip route add default via 198.51.100.1
ip link add br-large mtu 1500 type bridge; ip link add br-small mtu 1300 type bridge
exec "$0" -c '
from netbench.workflow.checks import bridge_mtu as check
print(check().ok, check().found, check().fix)'"""
    argv = ("unshare", "--user", "--map-root-user", "--net", "sh", "-ec", script, sys.executable)
    done = subprocess.run(argv, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("False br-large 1500: out, by which packets leave, carries 1400")
    assert '"mtu": 1400 in /etc/docker/daemon.json' in done.stdout
