"""The netns engine on the kernel that runs the tests."""

import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
from support.fakes import plan_of
from support.hang import SOON
from support.program import wait_for

from netbench.drivers import DRIVERS, Driver, PathClaim
from netbench.engines.base import Endpoint, EngineOptions
from netbench.engines.choose import open_engine as choose_engine
from netbench.engines.netns.engine import NetnsEngine
from netbench.engines.netns.holder import NamespaceProcess
from netbench.engines.netns.netkit import NEEDED
from netbench.engines.owner import leftovers, remove_leftover, this_process
from netbench.errors import ConfigurationError, EngineError, Unsupported
from netbench.facts.inside import InsideReader
from netbench.facts.netlink import NetlinkReader
from netbench.plan.drivers import driver_named
from netbench.record import EndpointFacts, Failure, LinkCounters, PairFacts
from netbench.runner.machine import MachineMeter
from netbench.runner.recording import Recorder
from netbench.runner.run import Runner
from netbench.runner.run_state import BlockFinished, RunState, TrialFinished, TrialStarted
from netbench.sentinel import Sentinel
from netbench.spec import MACHINE_PATHS, USER_MODE, Arm, Attach, NetworkSpec, Recipe, Role
from netbench.spec import Path as TrafficPath
from netbench.topology.pairs import LiveBlock, LivePair

EAST_WEST = TrafficPath.EAST_WEST


def make(engine: NetnsEngine, name: str = "box", attach: Attach = Attach.NONE) -> Endpoint:
    return engine.create_endpoint(name, Role.CLIENT, attach, network=None, peer=None, cpus=())


def arms(engine: NetnsEngine, *names: str) -> list[tuple[Arm, Driver]]:
    """Return arms of these drivers, or of all that the kernel has and a second baseline."""
    if names:
        return [(Arm(name), driver_named(name)) for name in names]
    here = [d for d in DRIVERS.values() if engine.unsupported(d.recipe, EAST_WEST) is None]
    return [*((Arm(d.name), d) for d in here), (Arm("host", 1), DRIVERS["host"])]


def brought_up(engine: NetnsEngine, *names: str) -> LiveBlock:
    """Return pairs of these drivers, east-west alone, to be entered."""
    return LiveBlock(engine, NetlinkReader(), arms(engine, *names), prefix="1")


def text(engine: NetnsEngine, endpoint: Endpoint, *argv: str) -> str:
    done = engine.run(endpoint, argv, timeout=10)

    assert (done.exit_code, done.stderr) == (0, "")
    return done.stdout


def links(engine: NetnsEngine) -> set[str]:
    """Return the names of the world's links."""
    rows = text(engine, engine.host(), "ip", "-br", "link").splitlines()
    return {row.split()[0].partition("@")[0] for row in rows}


def state(pid: int) -> str | None:
    """Return a process's state letter, None where it is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return None


def inside(mark: str) -> list[int]:
    """Return the processes whose command line holds a word of this test alone."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if mark in (folder / "cmdline").read_bytes().decode().split("\0"):
                found.append(int(folder.name))
        except OSError:
            continue
    return sorted(found)


def tool(pids: list[int]) -> int:
    """Return, of a tool and the programs that wait for it, the tool."""
    return next(p for p in pids if Path(f"/proc/{p}/comm").read_text().strip() == "sleep")


def own_length() -> str:
    """A time to sleep that names this test in the command line: about 1000 s."""
    return f"1{secrets.randbelow(10**3):03d}.{secrets.randbelow(10**6):06d}"


def live_pair(live: LiveBlock, arm: Arm) -> LivePair:
    pair = live.pairs[arm]
    assert isinstance(pair, LivePair), pair
    return pair


def test_every_driver_is_what_it_promises_all_brought_up_together(engine: NetnsEngine) -> None:
    with brought_up(engine) as live:
        pairs = {arm: live_pair(live, arm) for arm in live.pairs}

    assert len(pairs) >= 10
    for arm, pair in pairs.items():
        assert pair.broken == (), arm
        carries = isinstance(pair.driver.ways[EAST_WEST], PathClaim)
        assert bool(pair.driver.hops(EAST_WEST, pair.facts)) == carries
    assert live.left == []


@pytest.mark.parametrize("driver", DRIVERS)
def test_both_readers_see_the_same(engine: NetnsEngine, driver: str) -> None:
    lacking = engine.unsupported(DRIVERS[driver].recipe, EAST_WEST)
    if lacking:
        pytest.skip(lacking)
    with brought_up(engine, driver) as live:
        pair = live_pair(live, Arm(driver))
        (seen,) = InsideReader().read([pair.pair])

    assert isinstance(seen, PairFacts)
    for role in ("client", "server", "host", "lan"):
        theirs, ours = getattr(seen, role), getattr(pair.facts, role)
        assert (theirs is None) == (ours is None)
        if ours is not None:
            assert still(without_unread(theirs, theirs)) == still(without_unread(ours, theirs))


def without_unread(end: EndpointFacts, seen: EndpointFacts) -> EndpointFacts:
    """Return facts without the offloads that the reader from inside did not look for."""
    links = zip(end.links, seen.links, strict=True)
    kept = (link if other.offloads else replace(link, offloads=None) for link, other in links)
    return replace(end, links=tuple(kept))


def still(end: EndpointFacts) -> EndpointFacts:
    """Return facts without what moves by itself, and without what only netlink can tell."""
    links = tuple(replace(x, counters=LinkCounters(0, 0, 0, 0, 0, 0)) for x in end.links)
    kept = tuple(sorted((a for a in end.addresses if ":" not in a.address), key=repr))
    routes = tuple(sorted(end.routes, key=repr))
    return replace(end, links=links, addresses=kept, routes=routes, nsids=())


def test_a_pair_passes_traffic_and_another_networks_does_not(engine: NetnsEngine) -> None:
    with brought_up(engine, "bridge", "bridge:user") as live:
        default, user = (live_pair(live, Arm(name)) for name in ("bridge", "bridge:user"))
        server = engine.start(
            user.server, ("iperf3", "-s", "-1", "-p", "21001"), cpu=None, limit=20
        )
        wait_for(lambda: ":5209 " in text(engine, user.server, "cat", "/proc/net/tcp6"))
        argv = ("iperf3", "-c", user.pair.target or "", "-p", "21001", "-n", "1M")
        done = engine.run(user.client, argv, timeout=10)
        server.wait(SOON)

    assert done.exit_code == 0, done.stderr
    assert default.facts.server.namespaces.net != user.facts.server.namespaces.net
    assert default.pair.target != user.pair.target


def test_teardown_leaves_no_link_no_process_and_no_namespace(
    open_engine: Callable[[], NetnsEngine], run_id: str
) -> None:
    engine = open_engine()
    before = links(engine)
    with brought_up(engine) as live:
        facts = [live_pair(live, arm).facts for arm in live.pairs]
        spaces = {end.namespaces.net for pair in facts for end in pair.ends if end is not pair.lan}
        during, inside = engine.owned(run_id), processes_in(spaces)
        assert links(engine) != before
    after = engine.owned(run_id)

    assert len(during) > len(after)
    assert links(engine) - {"nblan0"} == before
    held = {Path(f"/proc/{engine.host().pid}/ns/net").stat().st_ino}
    assert inside
    assert not inside & processes_in(spaces - held)
    world = processes_in(held)
    engine.close()
    wait_for(lambda: engine.owned(run_id) == (), within=SOON)
    assert not world & processes_in(held)


def processes_in(spaces: set[int | None]) -> set[int]:
    """Return the processes in network namespaces; a number is given anew once one is gone."""
    found = set()
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if (folder / "ns" / "net").stat().st_ino in spaces:
                found.add(int(folder.name))
    return found


def test_what_a_netbench_holds_is_live(engine: NetnsEngine, run_id: str) -> None:
    make(engine)
    held = engine.owned(run_id)

    assert "process" in {thing.kind for thing in held} <= {"process", "cgroup"}
    assert all(thing.live for thing in held)
    assert set(held) <= set(engine.owned())


def test_only_what_is_left_of_the_run_asked_for_is_ended() -> None:
    run, another = (f"left{secrets.token_hex(4)}" for _ in range(2))
    ended = this_process().rpartition(":")[0] + ":1"
    left = subprocess.Popen(
        ("sleep", own_length()), env={"NETBENCH_RUN": run, "NETBENCH_OWNER": ended}
    )
    try:
        (found,) = wait_for(lambda: leftovers(run, "process"))
        assert (found.id, found.live) == (str(left.pid), False)
        assert leftovers(another, "process") == ()
        remove_leftover(replace(found, run=another))
        assert left.poll() is None
        remove_leftover(found)
        assert left.wait(SOON) == -signal.SIGKILL
        remove_leftover(found)
    finally:
        left.kill()
        left.wait()


WORLD = """
import sys, time
from netbench.engines.netns.engine import NetnsEngine
from netbench.spec import Attach, Role

engine = NetnsEngine(sys.argv[1], "asked for")
for name in ("a", "b"):
    box = engine.create_endpoint(
        name, Role.CLIENT, Attach.DEFAULT, network=None, peer=None, cpus=()
    )
    tool = engine.start(box, ("sleep", sys.argv[2]), cpu=None, limit=60)
    if name == "b":
        while tool.cpus() is None:
            time.sleep(0.01)
        tool.signal("STOP")
print("up", flush=True)
time.sleep(60)
"""


def test_a_killed_netbench_leaves_nothing_not_even_stopped_tools(namespaces: None) -> None:
    del namespaces
    run, length = f"test{secrets.token_hex(4)}", own_length()
    unshared = () if os.geteuid() == 0 else ("unshare", "--user", "--map-root-user", "--")
    script = subprocess.Popen(
        (*unshared, sys.executable, "-c", WORLD, run, length),
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent.parent)},
    )
    try:
        assert script.stdout
        assert script.stdout.readline() == "up\n"
        wait_for(lambda: [pid for pid in inside(length) if state(pid) == "T"], within=SOON)
        assert leftovers(run, "process")
    finally:
        script.kill()
        script.communicate()

    wait_for(lambda: not leftovers(run, "process") and not inside(length), within=SOON)


def test_a_tool_stopped_and_continued_ends_by_itself(engine: NetnsEngine) -> None:
    """What waits for the tool outside must not stop once more by itself when all go on."""
    box = make(engine)
    started = engine.start(box, ("sleep", "0.7"), cpu=None, limit=20)
    pid = wait_for(lambda: started.cpus() and only_sleep(box))
    started.signal("STOP")
    wait_for(lambda: state(pid) == "T")
    time.sleep(1)
    assert started.alive()
    started.signal("CONT")
    done = started.wait(10)

    assert (done.exit_code, done.timed_out) == (0, False)
    assert done.seconds < 5


def test_a_tool_outlives_the_thread_that_asked_for_it(engine: NetnsEngine) -> None:
    def ask() -> NamespaceProcess:
        asked = engine.start(make(engine), ("sleep", "1"), cpu=None, limit=20)
        wait_for(asked.cpus)
        return asked

    with ThreadPoolExecutor(1) as pool:
        started = pool.submit(ask).result()

    assert started.wait(10).exit_code == 0


def only_sleep(box: Endpoint) -> int | None:
    """Return the pid of the tool `sleep` in an endpoint, beside the one that holds it."""
    mine = Path(f"/proc/{box.pid}/ns/pid").stat().st_ino
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            same = (folder / "ns" / "pid").stat().st_ino == mine
            if same and int(folder.name) != box.pid and (folder / "comm").read_text() == "sleep\n":
                return int(folder.name)
        except OSError:
            continue
    return None


@pytest.mark.parametrize("stopped", [False, True])
def test_a_killed_tool_is_gone_with_all_that_waits_for_it(
    engine: NetnsEngine, *, stopped: bool
) -> None:
    length = own_length()
    started = engine.start(make(engine), ("sleep", length), cpu=None, limit=20)
    wait_for(lambda: any(state(pid) == "S" for pid in inside(length)) and started.cpus())
    if stopped:
        started.signal("STOP")
    started.signal("KILL")
    done = started.wait(10)

    assert (done.timed_out, done.stdout) == (False, "")
    assert done.exit_code != 0
    wait_for(lambda: not inside(length))
    started.signal("KILL")


@pytest.mark.parametrize("stopped", [False, True])
def test_a_tool_that_does_not_end_is_killed_at_its_time(
    engine: NetnsEngine, *, stopped: bool
) -> None:
    length = own_length()
    started = engine.start(make(engine), ("sleep", length), cpu=None, limit=20)
    wait_for(started.cpus)
    if stopped:
        started.signal("STOP")
    done = started.wait(0.3)

    assert done.timed_out
    wait_for(lambda: not inside(length))


def test_a_tool_is_pinned_where_asked(engine: NetnsEngine) -> None:
    cpu = engine.cpu_topology().usable[-1]
    started = engine.start(make(engine), ("sleep", "60"), cpu=cpu, limit=20)

    wait_for(lambda: started.cpus() == str(cpu))
    started.signal("KILL")
    started.wait(SOON)
    assert started.cpus() is None


def test_output_is_whole_and_apart_and_the_exit_code_the_tools(engine: NetnsEngine) -> None:
    box = make(engine)
    size = 3_000_000
    done = engine.run(box, ("head", "-c", str(size), "/dev/zero"), timeout=20)
    failed = engine.run(box, ("cat", "/nothing"), timeout=20)
    missing = engine.run(box, ("nosuchtool",), timeout=20)

    assert (done.exit_code, len(done.stdout), done.stderr) == (0, size, "")
    assert (failed.exit_code, failed.stdout) == (1, "")
    assert "No such file" in failed.stderr
    assert missing.exit_code == 127
    assert "nosuchtool" in missing.stderr
    assert failed.argv == ("cat", "/nothing")


def test_endpoints_are_made_and_removed_from_several_threads(engine: NetnsEngine) -> None:
    def cycle(number: int) -> str | None:
        network = engine.create_network(f"n{number}", NetworkSpec("bridge"))
        box = engine.create_endpoint(
            f"b{number}", Role.SERVER, Attach.NETWORK, network=network, peer=None, cpus=()
        )
        engine.remove_endpoint(box)
        engine.remove_network(network)
        return box.address

    before = links(engine)
    with ThreadPoolExecutor(4) as pool:
        addresses = list(pool.map(cycle, range(8)))

    assert len(set(addresses)) == 8
    assert links(engine) == before


def recipe(spec: NetworkSpec) -> Recipe:
    return Recipe(Attach.NETWORK, Attach.NETWORK, spec)


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        (NetworkSpec("weave"), "plugin:weave needs a Docker Engine"),
        (NetworkSpec("bridge", options=(("a.b", "c"),)), "no options of an engine's own (a.b=c)"),
        (NetworkSpec("macvlan", mode="sideways"), "no macvlan mode sideways"),
        (NetworkSpec("overlay", mtu=9000), "9000 does not fit: the LAN leaves room for 1450"),
    ],
)
def test_what_it_cannot_make_is_said_and_refused(
    engine: NetnsEngine, spec: NetworkSpec, words: str
) -> None:
    before = links(engine)

    for path in TrafficPath:
        assert words in (engine.unsupported(recipe(spec), path) or "")
    with pytest.raises(Unsupported) as refused:
        engine.create_network("net", spec)
    assert words in refused.value.message
    assert links(engine) == before


def test_what_the_kernel_has_is_found_by_trying_and_leaves_nothing(engine: NetnsEngine) -> None:
    before = links(engine)
    found = {
        name: engine.unsupported(driver.recipe, path)
        for name, driver in DRIVERS.items()
        for path in TrafficPath
        if path not in MACHINE_PATHS
    }
    to_machine = {engine.unsupported(DRIVERS["bridge"].recipe, path) for path in MACHINE_PATHS}

    assert links(engine) == before
    assert {"nothing joins to the machine" in str(reason) for reason in to_machine} == {True}
    for name, reason in found.items():
        family = name.partition(":")[0]
        needed = NEEDED if family == "netkit" else f"modprobe {family}"
        lacking = f"the kernel has no {family} ({needed}): Operation not supported"
        if name in USER_MODE:
            lacking = f"{name} is a network of rootless Podman's containers: --engine docker"
        assert reason in (None, lacking)
    assert {*USER_MODE} <= {name for name, reason in found.items() if reason}
    assert found["bridge"] is None
    assert found["host"] is None


def test_there_are_no_named_containers(engine: NetnsEngine) -> None:
    with pytest.raises(EngineError, match="no named containers"):
        engine.visit("web")


def test_a_real_parent_is_refused_before_anything_is_made() -> None:
    with pytest.raises(ConfigurationError, match="--parent needs the docker engine"):
        choose_engine("netns", "run", EngineOptions(parent="eth0"))


def test_removing_twice_is_harmless(engine: NetnsEngine) -> None:
    network = engine.create_network("net", NetworkSpec("bridge"))
    box = make(engine)
    for _ in range(2):
        engine.remove_endpoint(box)
        engine.remove_network(network)


@pytest.mark.parametrize("moved", [1, 2])
def test_an_endpoint_moved_behind_our_back_is_no_sample(engine: NetnsEngine, moved: int) -> None:
    """With both ends on another bridge all traffic flows: only the facts can tell."""
    plan, meter = plan_of("host", "bridge"), MachineMeter(engine)
    recorder = Recorder(engine, NetlinkReader(), lambda *_: "", meter, Sentinel())
    runner = Runner(plan, recorder, RunState(plan))
    outcomes = {}
    events = iter(runner)
    for event in events:
        match event:
            case TrialStarted():  # all sessions of the block's one probe are prepared
                move(engine, moved)
            case TrialFinished(record):
                outcomes[record.cell.driver, record.replica] = record.outcome
            case BlockFinished():
                break
            case _:
                pass
    list(events)

    outcome = outcomes.pop(("bridge", 0))
    assert isinstance(outcome, Failure)
    assert outcome.stage in ("promise", "path")
    assert "br9" in outcome.evidence
    # Beside a busy neighbour another arm may have too little time for a number; it is not moved.
    others = [one for one in outcomes.values() if isinstance(one, Failure)]
    assert len(outcomes) == 2
    assert [one for one in others if one.stage in ("promise", "path")] == []


def move(engine: NetnsEngine, count: int) -> None:
    """Put ports of the default bridge on another one."""
    world = engine.host()
    text(engine, world, "ip", "link", "add", "br9", "type", "bridge")
    text(engine, world, "ip", "link", "set", "br9", "up")
    # No rule accepts what crosses this bridge, so it must not pass the firewall.
    setting = "/proc/sys/net/bridge/bridge-nf-call-iptables"
    text(engine, world, "sh", "-c", f"[ ! -e {setting} ] || echo 0 > {setting}")
    rows = text(engine, world, "ip", "-br", "link", "show", "master", "nb0").splitlines()
    for row in rows[:count]:
        name = row.partition("@")[0]
        text(engine, world, "ip", "link", "set", name, "master", "br9")
