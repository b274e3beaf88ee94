"""Paths that are moved while they are measured, on real links of the netns engine."""

import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from support.detour import Bending, Detour, inside, moved_in_a_run
from support.plans import plan_of
from support.program import Program, records

from netbench.engines.netns.engine import NetnsEngine
from netbench.facts.netlink import NetlinkReader
from netbench.plan import Step
from netbench.plan.drivers import driver_named
from netbench.probes import Sliced, TcpConnect, TcpRoundTrip, TcpThroughput
from netbench.record import Failure, Record, Sample
from netbench.runner.machine import MachineMeter
from netbench.runner.recording import Recorder, Recording
from netbench.runner.rounds import SessionRunner
from netbench.runner.setup import TrialSetup
from netbench.sentinel import Sentinel
from netbench.spec import Arm, Cell, Path, Placement
from netbench.topology.pairs import LiveBlock, LivePair

LENGTH, ROUNDS = 0.5, 4
ARM = Arm("bridge")
STREAM = TcpThroughput(rounds=ROUNDS, slice=LENGTH)
BACK = TcpThroughput(rounds=ROUNDS, slice=LENGTH, reverse=True)
TRIPS = TcpRoundTrip(rounds=ROUNDS, slice=LENGTH, size=1000)
CONNECTIONS = TcpConnect(rounds=ROUNDS, slice=LENGTH, size=1000)
Bend = Callable[[LivePair, int], Bending]


@contextmanager
def bridged(engine: NetnsEngine) -> Iterator[LivePair]:
    driver = driver_named(ARM.driver)
    with LiveBlock(engine, NetlinkReader(), [(ARM, driver)], prefix="m") as live:
        pair = live.pairs[ARM]
        assert isinstance(pair, LivePair), pair
        yield pair


def measured(engine: NetnsEngine, probe: Sliced, bend: Bend) -> Record:
    """Run one session on a bridge, while its path is bent, and return its record."""
    step = Step(1, ARM, Cell(ARM.driver, Path.EAST_WEST, probe.name, Placement.NONE))
    plan = plan_of(ARM.driver)
    plan.probes[probe.name] = probe  # type: ignore[index] # it is a dict
    with bridged(engine) as pair:
        clock = bend(pair, engine.host().pid)
        setup = TrialSetup(engine, plan, clock)
        with Sentinel() as sentinel:
            meter = MachineMeter(engine, clock)
            recorder = Recorder(engine, NetlinkReader(), lambda *_: "", meter, sentinel)
            sessions = SessionRunner(recorder)
            prepared = setup.prepare_session(pair, step, 1)
            recording = Recording(recorder, 1, 1, 1, step)
            (record,) = sessions.carry_out([(recording, prepared)], [[ARM]] * ROUNDS)
    return record


def detour(pair: LivePair) -> Detour:
    assert pair.client.address
    assert pair.server.address
    ends = pair.client.pid, pair.server.pid, pair.client.address, pair.server.address
    return Detour(*ends).build()


def never(pair: LivePair, host: int) -> Bending:
    del host
    detour(pair)
    return Bending(LENGTH, {}, {})


def between(pair: LivePair, host: int) -> Bending:
    del host
    return Bending(LENGTH, {}, {2: detour(pair).take})


def between_and_back(pair: LivePair, host: int) -> Bending:
    del host
    other = detour(pair)
    return Bending(LENGTH, {}, {2: other.take, 3: other.leave})


def within(pair: LivePair, host: int) -> Bending:
    del host
    return Bending(LENGTH, {3: ((0.4, detour(pair).take),)}, {})


def within_and_back(pair: LivePair, host: int) -> Bending:
    del host
    other = detour(pair)
    return Bending(LENGTH, {3: ((0.2, other.take), (0.7, other.leave))}, {})


def ports(pair: LivePair) -> list[str]:
    hops = pair.driver.hops(Path.EAST_WEST, pair.facts)
    return [hop.link.name for hop in hops if hop.role.value == "host" and hop.link.kind == "veth"]


def another_master(pair: LivePair, host: int) -> Bending:
    names = ports(pair)
    assert len(names) == 2
    inside(host, "link add other9 type bridge", "link set other9 up")
    moves = [f"link set {name} master other9" for name in names]
    return Bending(LENGTH, {3: ((0.5, lambda: inside(host, *moves)),)}, {})


def another_master_and_back(pair: LivePair, host: int) -> Bending:
    """Both ports of the pair, and home again before anybody reads them."""
    names = ports(pair)
    home = next(link.master for link in pair.facts.host.links if link.name == names[0])
    inside(host, "link add other9 type bridge", "link set other9 up")

    def move(master: str | None) -> None:
        inside(host, *(f"link set {name} master {master}" for name in names))

    return Bending(LENGTH, {3: ((0.2, lambda: move("other9")), (0.7, lambda: move(home)))}, {})


def another_mtu_and_back(pair: LivePair, host: int) -> Bending:
    name = ports(pair)[0]
    moves = {share: f"link set {name} mtu {mtu}" for share, mtu in ((0.2, 1600), (0.7, 1500))}
    steps = tuple((share, lambda move=move: inside(host, move)) for share, move in moves.items())
    return Bending(LENGTH, {2: steps}, {})


def tc(pid: int, *words: str) -> None:
    argv = ("nsenter", f"--target={pid}", "--net", "tc", "qdisc", *words)
    done = subprocess.run(argv, check=False, text=True, capture_output=True)
    assert done.returncode == 0, (words, done.stderr)


def another_qdisc_and_back(pair: LivePair, host: int) -> Bending:
    """The kernel reports no change of the link itself."""
    name = ports(pair)[0]
    add, remove = ("add", "dev", name, "root", "pfifo"), ("del", "dev", name, "root")
    steps = ((0.2, lambda: tc(host, *add)), (0.7, lambda: tc(host, *remove)))
    return Bending(LENGTH, {2: steps}, {})


def rounds_named(record: Record) -> set[int]:
    """Return the rounds whose links moved too little, by the proof."""
    assert isinstance(record.outcome, Failure), record.outcome
    assert record.outcome.stage == "path", record.outcome
    assert record.path
    told = [problem.split(":")[0] for problem in record.path.problems]
    return {int(word.removeprefix("round ")) for word in told if word.startswith("round ")}


@pytest.mark.alone
@pytest.mark.parametrize("probe", [STREAM, BACK, TRIPS, CONNECTIONS], ids=lambda one: one.name)
def test_a_path_that_stays_is_proved_in_every_slice(engine: NetnsEngine, probe: Sliced) -> None:
    record = measured(engine, probe, never)

    assert isinstance(record.outcome, Sample), record.outcome
    assert [one.value is None for one in record.slices] == [False] * ROUNDS
    for one in record.slices:
        counted = [count for count in one.moved if count is not None]
        assert len(counted) == 4
        assert min(counted) >= one.received


@pytest.mark.alone
@pytest.mark.parametrize("probe", [STREAM, BACK, TRIPS], ids=lambda one: one.name)
@pytest.mark.parametrize(
    ("bend", "rounds"),
    [(between, {3, 4}), (between_and_back, {3}), (within, {3, 4}), (within_and_back, {3})],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_a_path_that_is_moved_is_a_failure_in_the_rounds_in_which_it_was(
    engine: NetnsEngine, probe: Sliced, bend: Bend, rounds: set[int]
) -> None:
    assert rounds_named(measured(engine, probe, bend)) == rounds


def test_ports_that_are_moved_to_another_bridge_within_a_slice_are_a_failure(
    engine: NetnsEngine,
) -> None:
    """Their counters move as before."""
    record = measured(engine, STREAM, another_master)

    assert isinstance(record.outcome, Failure)
    assert record.outcome.stage == "promise"
    assert "other9" in record.outcome.evidence or "a port of one bridge" in record.outcome.reason


@pytest.mark.parametrize(
    ("bend", "words"),
    [
        (another_master_and_back, "master other9"),
        (another_mtu_and_back, "mtu 1600"),
        (another_qdisc_and_back, "it got qdisc pfifo; it lost qdisc pfifo"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_what_is_changed_and_changed_back_between_the_readings_is_a_failure(
    engine: NetnsEngine, bend: Bend, words: str
) -> None:
    record = measured(engine, STREAM, bend)

    assert isinstance(record.outcome, Failure), record.outcome
    assert record.outcome.stage == "path"
    assert "was changed between the readings" in record.outcome.reason
    assert words in record.outcome.reason
    assert record.path
    assert record.path.listened == "netlink events of links and qdiscs of client, server, host"


STREAMS = 13
"""So many that no other run has as many."""
SUITE = f"""
[probes.tcp-throughput]
rounds = 6
slice = 0.3
streams = {STREAMS}
[[cell]]
probe = "tcp-throughput"
placement = "none"
"""


def test_a_path_that_is_moved_in_a_users_own_run_is_a_failure(
    rootless: Callable[..., Program],
) -> None:
    """Rounds of three arms take a second; the path is moved in the third one or the fourth."""
    program = rootless()
    argv = ("--drivers", "host,bridge", "--blocks", "1", "--engine", "netns")
    with moved_in_a_run(STREAMS, after=3.0):
        ended = program("run", *argv, "--suite", program.suite(SUITE))

    assert ended.code == 3, ended.stderr
    for record in records(program.run_folder()):
        outcome = record["outcome"]
        if record["cell"]["driver"] == "host":
            assert outcome["kind"] == "sample", outcome
        else:
            assert (outcome["kind"], outcome["stage"]) == ("failure", "path"), outcome
            assert "round 6: " in outcome["reason"]
            assert "round 1: " not in outcome["reason"]
