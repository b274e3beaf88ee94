"""CNI configuration lists run by real plug-ins in the netns engine's world."""

import json
import os
import secrets
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from support.hang import SOON
from support.program import TRICKLE, Program, assert_cleaned, records, wait_for
from support.require import require_or_skip

from netbench.drivers import Driver
from netbench.engines.base import Endpoint, Network
from netbench.engines.netns.engine import NetnsEngine
from netbench.engines.netns.host_namespace import Publication
from netbench.engines.owner import leftovers, remove_leftover, this_process
from netbench.errors import EngineError
from netbench.facts.inside import InsideReader
from netbench.facts.netlink import NetlinkReader
from netbench.plan.drivers import driver_named
from netbench.record import PairFacts
from netbench.spec import Arm, Attach, NetworkSpec, Role
from netbench.spec import Path as Way
from netbench.topology.pairs import LiveBlock, LivePair

PLUGINS = Path("/usr/lib/cni")


def host_local(*subnets: str) -> dict[str, Any]:
    routes = [{"dst": "::/0" if ":" in subnet else "0.0.0.0/0"} for subnet in subnets]
    ranges = [[{"subnet": subnet}] for subnet in subnets]
    return {"type": "host-local", "ranges": ranges, "routes": routes}


def bridge(*subnets: str) -> dict[str, Any]:
    ipam = host_local(*(subnets or ("198.19.9.0/24",)))
    return {"type": "bridge", "bridge": "cni0", "isGateway": True, "ipam": ipam}


PORTMAP = {"type": "portmap", "capabilities": {"portMappings": True}}
MACVLAN = {"type": "macvlan", "ipam": host_local("198.19.8.0/24")}
PTP = {"type": "ptp", "ipam": host_local("198.19.7.0/24")}


@pytest.fixture(autouse=True)
def plugins() -> None:
    missing = [
        name
        for name in ("bridge", "macvlan", "ptp", "portmap", "host-local")
        if not (PLUGINS / name).is_file()
    ]
    if missing:
        require_or_skip(
            "cni", f"no plug-ins {missing} (apt-get install containernetworking-plugins)"
        )


@pytest.fixture
def listed(tmp_path: Path) -> Callable[..., str]:
    """Write a configuration list, return its path."""

    def write(*chain: dict[str, Any], name: str = "demo", version: str = "1.0.0") -> str:
        path = tmp_path / f"{name}.conflist"
        found = {"name": name, "cniVersion": version, "plugins": list(chain)}
        path.write_text(json.dumps(found))
        return str(path)

    return write


@pytest.fixture
def script(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], None]:
    """Add a plug-in that notes its calls in `calls`, then does as the shell's words say.

    `$GIVEN` is the file with what it was given; calls for two containers may come at once.
    """
    folder = tmp_path / "plug-ins"
    folder.mkdir()
    monkeypatch.setenv("CNI_PATH", f"{folder}:{PLUGINS}")

    def add(name: str, words: str) -> None:
        path = folder / name
        path.write_text(
            f"#!/bin/sh\nGIVEN={tmp_path}/{name}-$CNI_COMMAND-$CNI_CONTAINERID.json\n"
            'cat > "$GIVEN"\n'
            f'echo "$CNI_COMMAND {name}" >> {tmp_path}/calls\n{words}\n'
        )
        path.chmod(0o755)

    return add


@contextmanager
def up(engine: NetnsEngine, text: str, *, replicas: int = 1) -> Iterator[list[LivePair]]:
    """Bring pairs of a driver up; afterwards the world is as it was before."""
    engine.lan()
    before = traces(engine)
    driver = driver_named(text)
    arms = [(Arm(driver.name, number), driver) for number in range(replicas)]
    with LiveBlock(engine, NetlinkReader(), arms, prefix="1", paths=tuple(Way)) as live:
        yield [pair(live, arm) for arm, _ in arms]
    assert live.left == []
    assert traces(engine) == before
    assert leases() == []


def pair(live: LiveBlock, arm: Arm) -> LivePair:
    found = live.pairs[arm]
    assert isinstance(found, LivePair), found
    return found


def traces(engine: NetnsEngine) -> tuple[str, ...]:
    """Return links, addresses, rules and routes of the world and of the LAN's client."""
    looks = (
        ("ip", "-br", "link"),
        ("ip", "-br", "-4", "addr"),
        ("ip", "route"),
        ("iptables-save",),
        ("nft", "--stateless", "list", "ruleset"),
    )
    return tuple(
        lasting(argv, line)
        for place in (engine.host(), engine.lan().client)
        for argv in looks
        for line in engine.run(place, argv, timeout=10).stdout.splitlines()
        if not line.startswith("#")  # iptables-save tells the time
    )


def lasting(argv: Sequence[str], line: str) -> str:
    """Return what of a line does not change by itself."""
    if "-br" in argv:  # whether a link is up, which follows that of its peer a moment later
        name, _, *rest = line.partition("<")[0].split()
        return " ".join((name, *rest))
    return line.partition(" [")[0].removesuffix(" linkdown")  # and the packets of each chain


def leases() -> list[str]:
    """Return the addresses that are reserved in the stores of this process."""
    found: list[str] = []
    for mark in Path(tempfile.gettempdir()).glob("netbench-cni-*/owner"):
        with suppress(FileNotFoundError):  # another test run's, just removed
            if this_process() in mark.read_text():
                found += (file.name for file in mark.parent.glob("ipam/*/*"))
    return [name for name in found if name[0].isdigit()]


def reach(engine: NetnsEngine, live: LivePair, path: Way) -> str:
    """Carry a megabyte over a path; return the address of the client that the server saw."""
    call = live.call(path)
    inner, outer = "5201", "5201"
    if call.published is not None:
        inner, outer = str(call.published[0].port.number), str(call.published[0].host_port)
    return carry(engine, call.client, live.server, call.target, (inner, outer))


def carry(
    engine: NetnsEngine,
    client: Endpoint,
    server: Endpoint,
    target: str,
    ports: tuple[str, str] = ("5201", "5201"),
) -> str:
    """Carry a megabyte to an address; return that of the client which the server saw."""
    inner, outer = ports
    listening = engine.start(server, ("iperf3", "-s", "-1", "-J", "-p", inner), cpu=None, limit=30)
    waiting = ("ss", "-Hltn", f"sport = {inner}")
    wait_for(lambda: engine.run(server, waiting, timeout=5).stdout, within=SOON)
    argv = ("iperf3", "-c", target, "-p", outer, "-n", "1M", "--connect-timeout", "2000")
    done = engine.run(client, argv, timeout=10)
    if done.exit_code != 0:
        listening.signal("KILL")
    served = listening.wait(5.0)
    assert done.exit_code == 0, (done.stdout, done.stderr)
    seen = json.loads(served.stdout)
    assert seen["end"]["sum_received"]["bytes"] >= 1 << 20
    return str(seen["start"]["accepted_connection"]["host"])


def own(live: LivePair) -> str:
    assert live.client.address
    return live.client.address


def refusal(engine: NetnsEngine, text: str) -> str:
    """Return why a pair is not up; nothing is left of it."""
    engine.lan()
    before = traces(engine)
    driver = driver_named(text)
    arm = Arm(driver.name)
    with LiveBlock(engine, NetlinkReader(), [(arm, driver)], prefix="1") as live:
        found = live.pairs[arm]
    assert not isinstance(found, LivePair)
    assert traces(engine) == before
    assert leases() == []
    return found.reason


def box(engine: NetnsEngine, network: Network, name: str = "box") -> Endpoint:
    return engine.create_endpoint(
        name, Role.SERVER, Attach.NETWORK, network=network, peer=None, cpus=()
    )


def test_bridge_and_portmap_are_reached_by_published_port(
    engine: NetnsEngine, listed: Callable[..., str]
) -> None:
    with up(engine, f"cni:{listed(bridge(), PORTMAP)}") as (live,):
        assert live.broken == ()
        assert live.facts.ipam
        assert (live.facts.ipam.network, live.facts.ipam.subnet) == ("demo", "198.19.9.0/24")
        assert (live.facts.ipam.gateway, live.facts.ipam.bridge) == ("198.19.9.1", "cni0")
        assert reach(engine, live, Way.EAST_WEST) == own(live)
        assert reach(engine, live, Way.NORTH_SOUTH) == engine.lan().client.address
        assert reach(engine, live, Way.HAIRPIN) == "198.19.9.1"
        hops = live.driver.hops(Way.NORTH_SOUTH, live.facts)
        assert [(hop.role, hop.link.name) for hop in hops] == [
            (Role.LAN, "lan0"),
            (Role.HOST, engine.lan().link),
            (Role.SERVER, "eth0"),
        ]


def test_the_same_by_ipv6(engine: NetnsEngine, listed: Callable[..., str]) -> None:
    path = listed(bridge("198.19.9.0/24", "2001:2:0:fff0::/64"), PORTMAP)

    with up(engine, f"cni:{path}@family=6") as (live,):
        assert live.facts.ipam
        assert live.facts.ipam.subnet6 == "2001:2:0:fff0::/64"
        assert reach(engine, live, Way.EAST_WEST) == live.client.address6
        assert reach(engine, live, Way.NORTH_SOUTH) == engine.lan().client.address6
        assert reach(engine, live, Way.HAIRPIN) == "2001:2:0:fff0::1"


def test_a_bridge_without_portmap_is_reached_at_its_own_address(
    engine: NetnsEngine, listed: Callable[..., str]
) -> None:
    with up(engine, f"cni:{listed(bridge())}") as (live,):
        assert reach(engine, live, Way.NORTH_SOUTH) == engine.lan().client.address


def test_macvlan_is_a_child_of_the_link_to_the_lan(
    engine: NetnsEngine, listed: Callable[..., str]
) -> None:
    with up(engine, f"cni:{listed(MACVLAN)}") as (live,):
        child = live.facts.server.link("eth0")
        assert child
        assert (child.kind, child.mode) == ("macvlan", "bridge")
        assert live.facts.ipam
        assert live.facts.ipam.parent == engine.lan().link
        assert reach(engine, live, Way.EAST_WEST) == own(live)
        assert reach(engine, live, Way.NORTH_SOUTH) == "198.19.8.1"


def test_a_pair_joined_by_ptp_is_routed_by_the_world(
    engine: NetnsEngine, listed: Callable[..., str]
) -> None:
    with up(engine, f"cni:{listed(PTP, PORTMAP, version='0.4.0')}") as (live,):
        assert reach(engine, live, Way.EAST_WEST) == own(live)
        assert reach(engine, live, Way.NORTH_SOUTH) == engine.lan().client.address
        address = str(live.server.address)
        assert carry(engine, engine.host(), live.server, address) == "198.19.7.1"


@pytest.mark.parametrize("chain", [(bridge(), PORTMAP), (MACVLAN,), (PTP,)])
def test_two_pairs_of_one_list_are_in_one_network(
    engine: NetnsEngine, listed: Callable[..., str], chain: tuple[dict[str, Any], ...]
) -> None:
    with up(engine, f"cni:{listed(*chain)}", replicas=2) as pairs:
        addresses = {end.address for live in pairs for end in (live.client, live.server)}
        assert len(addresses) == len(pairs) * 2
        for live in pairs:
            reach(engine, live, Way.EAST_WEST)
            reach(engine, live, Way.NORTH_SOUTH)


def test_one_of_two_networks_of_a_list_may_go_first(
    engine: NetnsEngine, listed: Callable[..., str]
) -> None:
    driver = driver_named(f"cni:{listed(bridge(), PORTMAP)}")
    assert driver.recipe.network
    first, second = (engine.create_network(name, driver.recipe.network) for name in "ab")
    gone, stays = box(engine, first, "gone"), box(engine, second, "stays")

    engine.remove_endpoint(gone)
    engine.remove_network(first)

    assert carry(engine, stays, engine.host(), "198.19.9.1") == stays.address
    engine.remove_endpoint(stays)
    engine.remove_network(second)
    assert "cni0" not in traces(engine)[0]


def test_both_readers_see_the_same(engine: NetnsEngine, listed: Callable[..., str]) -> None:
    with up(engine, f"cni:{listed(bridge(), PORTMAP)}") as (live,):
        (seen,) = InsideReader().read([live.pair])
        assert isinstance(seen, PairFacts)
        checks = [promise.judge(seen) for promise in live.driver.promises]
        assert [check.held for check in checks] == [True, True, True]
        assert checks[-1].evidence.startswith("list 'demo' of sha256 ")
        assert "198.19.9.0/24, gateway 198.19.9.1; client eth0 198.19.9.3" in checks[-1].evidence


def test_a_plugin_gets_what_the_protocol_says(
    engine: NetnsEngine, listed: Callable[..., str], script: Callable[..., None], tmp_path: Path
) -> None:
    def given(call: str) -> list[dict[str, Any]]:
        return [json.loads(path.read_text()) for path in tmp_path.glob(f"{call}-*.json")]

    script("bridge-and-note", f'exec {PLUGINS}/bridge < "$GIVEN"')
    script("note", f'{PLUGINS}/portmap < "$GIVEN"')
    first = {**bridge(), "type": "bridge-and-note"}
    first["ipam"] = {**first["ipam"], "dataDir": "/nowhere/cluster"}

    with up(engine, f"cni:{listed(first, {**PORTMAP, 'type': 'note'})}") as (live,):
        assert len(given("bridge-and-note-ADD")) == 2
        for added in given("bridge-and-note-ADD"):
            assert (added["name"], added["cniVersion"]) == ("demo", "1.0.0")
            assert added["ipam"]["dataDir"].startswith(f"{tempfile.gettempdir()}/netbench-cni-test")
            assert "prevResult" not in added
        (published,) = live.server.published
        assert {live.server.address, live.client.address} <= set(leases())
    for removed in given("note-DEL"):
        assert "capabilities" not in removed
        assert removed["prevResult"]["ips"][0]["address"].startswith("198.19.9.")
    (mapped,) = (removed for removed in given("note-DEL") if "runtimeConfig" in removed)
    assert {
        "hostPort": published.host_port,
        "containerPort": published.port.number,
        "protocol": "tcp",
        "hostIP": engine.lan().host,
    } in mapped["runtimeConfig"]["portMappings"]
    calls = (tmp_path / "calls").read_text().splitlines()
    assert calls[:2] == ["ADD bridge-and-note", "ADD note"]
    assert calls[-2:] == ["DEL note", "DEL bridge-and-note"]


FAILS = """[ $CNI_COMMAND = ADD ] || exit 0
echo '{"cniVersion": "1.0.0", "code": 7, "msg": "no room", "details": "at the inn"}'
exit 1"""


def test_a_chain_that_fails_half_way_is_undone_in_reverse(
    engine: NetnsEngine, listed: Callable[..., str], script: Callable[..., None], tmp_path: Path
) -> None:
    script("passes", 'sed "s/.*prevResult\\": *//; s/}$//" "$GIVEN"')
    script("fails", FAILS)
    path = listed(bridge(), {"type": "passes"}, {"type": "fails"}, PORTMAP)

    reason = refusal(engine, f"cni:{path}")

    assert reason == (
        "CNI plug-in fails of network 'demo': ADD failed: code 7: no room: at the inn; "
        "DEL was run for the whole chain, in reverse"
    )
    calls = (tmp_path / "calls").read_text().splitlines()
    assert calls == ["ADD passes", "ADD fails", "DEL fails", "DEL passes"]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("echo boom >&2; exit 3", "ADD failed: exit code 3: boom"),
        ("echo '[]'", "ADD: no CNI result"),
        ('echo \'{"ips": [{"address": "here"}]}\'', "ADD: 'here' does not appear to be"),
        ("exit 0", "ADD: Expecting value"),
    ],
)
def test_a_plugin_that_does_not_keep_to_the_protocol_is_quoted(
    engine: NetnsEngine,
    listed: Callable[..., str],
    script: Callable[..., None],
    words: str,
    expected: str,
) -> None:
    script("odd", f"[ $CNI_COMMAND = ADD ] || exit 0\n{words}")

    assert expected in refusal(engine, f"cni:{listed(bridge(), {'type': 'odd'})}")


def test_what_a_real_plugin_refuses_leaves_nothing(
    engine: NetnsEngine, listed: Callable[..., str]
) -> None:
    wrong = {**PORTMAP, "conditionsV4": "none"}
    reason = refusal(engine, f"cni:{listed(bridge(), wrong)}")
    assert reason.startswith("CNI plug-in portmap of network 'demo': ADD failed: code ")

    full = bridge("198.19.9.0/30")
    reason = refusal(engine, f"cni:{listed(full)}")
    assert "no IP addresses available" in reason


def test_links_the_kernel_lacks_are_not_an_error_of_the_list(
    engine: NetnsEngine, listed: Callable[..., str]
) -> None:
    driver = driver_named(f"cni:{listed({**MACVLAN, 'type': 'ipvlan'})}")
    with LiveBlock(engine, NetlinkReader(), [(Arm(driver.name), driver)], prefix="1") as live:
        found = live.pairs[Arm(driver.name)]
    if isinstance(found, LivePair):
        pytest.skip("this kernel has ipvlan")
    assert found.impossible
    assert "operation not supported" in found.reason


def test_a_master_that_is_not_there_is_told_with_the_one_that_is(
    engine: NetnsEngine, listed: Callable[..., str]
) -> None:
    reason = refusal(engine, f"cni:{listed({**MACVLAN, 'master': 'bond7'})}")

    assert "has no link 'bond7' to be the master" in reason
    assert f"its link to the LAN is '{engine.lan().link}'" in reason


def test_a_subnet_of_the_worlds_own_is_refused(
    engine: NetnsEngine, listed: Callable[..., str]
) -> None:
    taken = str(engine.lan().host).rpartition(".")[0]

    reason = refusal(engine, f"cni:{listed(bridge(f'{taken}.128/25'))}")

    assert f"has the subnet {taken}.128/25, which overlaps {taken}.0/24" in reason


def test_the_world_numbers_nothing_from_a_lists_subnet(
    engine: NetnsEngine, listed: Callable[..., str]
) -> None:
    made = engine.create_network("first", NetworkSpec("bridge"))
    assert made.ipam
    third = int(made.ipam.subnet.split(".")[2]) + 1
    network = driver_named(f"cni:{listed(bridge(f'198.18.{third}.0/24'))}").recipe.network
    assert network
    ours = engine.create_network("list", network)

    following = engine.create_network("second", NetworkSpec("bridge"))

    assert following.ipam
    assert following.ipam.subnet == f"198.18.{third + 1}.0/24"
    for one in (made, ours, following):
        engine.remove_network(one)


def test_no_plugin_runs_for_a_container_whose_namespace_is_gone(
    engine: NetnsEngine, listed: Callable[..., str], script: Callable[..., None], tmp_path: Path
) -> None:
    script("noted", "exit 1")
    driver = driver_named(f"cni:{listed({'type': 'noted'})}")
    assert driver.recipe.network
    network = engine.create_network("net", driver.recipe.network)
    gone = subprocess.Popen(("true",))
    gone.wait()

    with pytest.raises(EngineError, match="namespace is gone"):
        attach_to(engine, network, gone.pid)
    with pytest.raises(EngineError, match="no network namespace of its own"):
        attach_to(engine, network, engine.host().pid)

    assert not (tmp_path / "calls").exists()


def attach_to(engine: NetnsEngine, network: Network, pid: int) -> None:
    live, _ = engine._networks[network.id]  # noqa: SLF001 -- for a namespace that is not held
    live.attach(Endpoint("box", "box", Role.SERVER, pid, None, None), Publication(), ExitStack())


def test_the_folder_of_a_run_goes_with_its_engine(
    open_engine: Callable[[], NetnsEngine], listed: Callable[..., str], run_id: str
) -> None:
    engine = open_engine()
    driver: Driver = driver_named(f"cni:{listed(bridge())}")
    assert driver.recipe.network
    box(engine, engine.create_network("net", driver.recipe.network))
    (folder,) = leftovers(run_id, "folder")
    assert (folder.kind, folder.run, folder.live) == ("folder", run_id, True)

    engine.close()

    assert leftovers(run_id, "folder") == ()


KILLED = """
import sys, time
from netbench.engines.netns.engine import NetnsEngine
from netbench.plan.drivers import driver_named

engine = NetnsEngine(sys.argv[1], "asked for")
engine.create_network("net", driver_named(sys.argv[2]).recipe.network)
print("up", flush=True)
time.sleep(60)
"""


@pytest.mark.cleans
def test_clean_finds_the_folder_of_a_killed_run(
    program: Program, listed: Callable[..., str]
) -> None:
    run = f"test{secrets.token_hex(4)}"
    root = str(Path(__file__).parent.parent.parent)
    killed = subprocess.Popen(
        (sys.executable, "-c", KILLED, run, f"cni:{listed(bridge())}"),
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": root},
    )
    try:
        assert killed.stdout
        assert killed.stdout.readline() == "up\n"
    finally:
        killed.kill()
        killed.communicate()
    (left,) = leftovers(run, "folder")
    assert not left.live
    remove_leftover(replace(left, run="another"))
    assert leftovers(run, "folder") == (left,)

    listing = program("clean", "--json", "--dry-run").json["clean"]
    found = {row["kind"]: row["action"] for row in listing if row["run"] == run}
    assert found["folder"] == "would go"
    assert set(found) <= {"folder", "cgroup"}
    assert_cleaned(program("clean"))
    assert leftovers(run, "folder") == ()
    assert run not in program("clean", "--dry-run").stdout


def judged(ended: Any, folder: Path) -> dict[tuple[str, str], str]:
    assert ended.code == 0, ended.stderr
    return {
        (row["cell"]["driver"].partition(":")[0], row["cell"]["path"]): row["outcome"]["kind"]
        for row in records(folder)
    }


@pytest.mark.parametrize("chain", [(bridge(), PORTMAP), (MACVLAN,)])
def test_the_command_line_measures_a_list_on_both_paths(
    program: Program, listed: Callable[..., str], chain: tuple[dict[str, Any], ...]
) -> None:
    argv = ("run", "--engine", "netns", "--drivers", f"host,cni:{listed(*chain)}", "--json")
    paths = ("--paths", "east-west,north-south", "--blocks", "1")

    ended = program(*argv, *paths, "--suite", program.suite(TRICKLE))

    assert judged(ended, program.run_folder()) == {
        (driver, path): "sample"
        for driver in ("host", "cni")
        for path in ("east-west", "north-south")
    }
    run = json.loads((program.run_folder() / "run.json").read_text())["id"]
    assert leftovers(run, "folder") == ()


def test_an_ordinary_user_measures_a_list_too(
    rootless: Callable[..., Program],
) -> None:
    program = rootless()
    path = program.folder / "demo.conflist"
    found = {"name": "demo", "cniVersion": "1.0.0", "plugins": [bridge(), PORTMAP]}
    path.write_text(json.dumps(found))
    path.chmod(0o644)
    argv = ("run", "--engine", "netns", "--drivers", f"host,cni:{path}", "--json")
    paths = ("--paths", "east-west,north-south", "--blocks", "1")

    ended = program(*argv, *paths, "--suite", program.suite(TRICKLE))

    assert set(judged(ended, program.run_folder()).values()) == {"sample"}
