"""Sessions over fakes: rounds of slices, who works when, and what proves a path in each slice."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest
from support.fake_reader import FakeReader, ScriptedSentinel
from support.fake_tools import HEADERS, RATE, RTT, FakeProcess
from support.fakes import FakeEngine
from support.golden import case, held
from support.plans import CONNECT, LOADED, MANY, ROUND_TRIP, THROUGHPUT, plan_of
from support.running import Run, failure, of, records

from netbench.errors import EngineLost
from netbench.plan import Plan
from netbench.probes import TcpThroughput
from netbench.record import Failure, Record, Sample, Skip
from netbench.runner.run_state import Event
from netbench.spec import Path, Placement, Role

STREAM = (("tcp-throughput", Placement.CROSS),)
TRIPS = (("tcp-rr", Placement.SAME),)
LOADS = (("tcp-rr-loaded", Placement.SAME),)
CONNECTIONS = (("tcp-crr", Placement.SAME),)
EVERY = (STREAM, TRIPS, LOADS, CONNECTIONS)
ROUNDS = 4
ARMS = {"b1-host": ("host", 0), "b1-host-aa": ("host", 1), "b1-bridge": ("bridge", 0)}


def three(kinds: tuple[tuple[str, Placement], ...] = STREAM, **more: Any) -> Plan:
    """Return a plan of both host arms and a bridge."""
    return plan_of("host", "bridge", kinds=kinds, **more)


def clients(engine: FakeEngine, tool: str = "") -> list[FakeProcess]:
    """Return the clients of sessions; of round trips under load the one that measures."""
    return [
        one
        for one in engine.processes
        if one.role is Role.CLIENT and one.tool == (tool or one.tool) and one.held_once
    ]


def sample(record: Record) -> Sample:
    assert isinstance(record.outcome, Sample), record.outcome
    return record.outcome


def arm(record: Record) -> tuple[str, int]:
    return record.cell.driver, record.replica


def orders(found: Iterable[Record]) -> dict[int, list[tuple[str, int]]]:
    """Return the arms of each round in the order in which they had their slices."""
    told: dict[int, list[tuple[float, tuple[str, int]]]] = {}
    for record in found:
        for one in record.slices:
            told.setdefault(one.round, []).append((one.start, arm(record)))
    return {number: [who for _, who in sorted(slices)] for number, slices in told.items()}


@pytest.mark.parametrize("kinds", EVERY, ids=lambda kinds: kinds[0][0])
def test_every_arm_gets_one_slice_a_round_and_every_slice_is_in_its_record(kinds: Any) -> None:
    found = Run(three(kinds)).records()

    assert [arm(record) for record in found] != []
    assert {arm(record) for record in found} == {*ARMS.values()}
    for record in found:
        assert sample(record).received > 0
        assert [one.round for one in record.slices] == [1, 2, 3, 4]
        assert all(one.value for one in record.slices)
        assert all(one.reason == "" for one in record.slices)
        assert record.path
        assert record.path.held
    for number, who in orders(found).items():
        assert len(who) == len({*who}) == 3
        placed = {arm(r): one.order for r in found for one in r.slices if one.round == number}
        assert [placed[one] for one in who] == [1, 2, 3]


@pytest.mark.parametrize("kinds", EVERY, ids=lambda kinds: kinds[0][0])
def test_no_two_clients_of_different_arms_ever_work_at_once(kinds: Any) -> None:
    """But at their start, and when they are asked to print what they have."""
    engine = FakeEngine()
    Run(three(kinds), engine).records()

    working = sorted(
        (*edge, one.pair) for one in clients(engine) for edge in one.edges()[1 : ROUNDS + 2]
    )
    assert len(working) == (ROUNDS + 1) * len(clients(engine))
    for (_, end, pair), (start, _, other) in pairwise(working):
        assert end <= start or pair == other
    if kinds is not LOADS:
        said = [(name, pair) for name, role, _, pair in engine.log if role is Role.CLIENT]
        rounds = [x for x in said if x[0] in {"CONT", "STOP"}][len(ARMS) :][: 6 * (ROUNDS + 1)]
        for (name, pair), (then, other) in zip(rounds[::2], rounds[1::2], strict=True):
            assert (name, then, pair) == ("CONT", "STOP", other)


def test_a_load_goes_on_before_what_it_loads_and_is_held_with_it() -> None:
    engine = FakeEngine()
    found = Run(three(LOADS), engine).records()

    for one in clients(engine, "sockperf"):
        (load,) = [x for x in clients(engine, "iperf3") if x.pair == one.pair]
        assert load.slices[:ROUNDS] == one.slices[:ROUNDS]
    said = [(name, tool) for name, role, tool, pair in engine.log if pair == "b1-bridge"]
    going = [tool for name, tool in said if name == "CONT"]
    assert going[::2] == ["iperf3"] * (ROUNDS + 2)
    for record in found:
        carried = dict(sample(record).details)["load.throughput"]
        assert carried == pytest.approx(8 * RATE, rel=0.01)
        assert sample(record).value("rtt_p50") == pytest.approx(RTT, rel=0.01)
        length = LOADED.slice - 0.02
        assert record.slices[0].received == pytest.approx(RATE * length, rel=0.01)


def test_several_clients_are_one_session_with_a_server_and_a_connection_each() -> None:
    """All are let go on and held together, and the numbers are of all their round trips."""
    engine = FakeEngine()
    plan = three(TRIPS)
    found = Run(replace(plan, probes={**plan.probes, "tcp-rr": MANY}), engine).records()

    assert len(found) == len(ARMS)
    for record in found:
        rate = sample(record).value("transactions")
        assert sample(record).value("rtt_p50") == pytest.approx(RTT, rel=0.01)
        assert rate == pytest.approx(MANY.clients / RTT, rel=0.02)
        details = dict(sample(record).details)
        assert details["sockperf.clients"] == MANY.clients
        assert details["sockperf.concurrency"] == pytest.approx(MANY.clients, rel=0.02)
        roles = [tool.role for tool in record.tools]
        assert roles.count(Role.CLIENT) == roles.count(Role.SERVER) == MANY.clients
        servers = [tool.argv for tool in record.tools if tool.role is Role.SERVER]
        assert len({argv[argv.index("-p") + 1] for argv in servers}) == MANY.clients
    for pair in ARMS:
        own = [one for one in clients(engine) if one.pair == pair]
        assert len(own) == MANY.clients
        rounds = [one.edges()[-ROUNDS:] for one in own]
        for edges in zip(*rounds, strict=True):
            starts, ends = zip(*edges, strict=True)
            assert max(starts) < min(ends), "they did not work at the same time"


def test_a_client_that_is_held_after_its_pause_is_started_anew() -> None:
    """It would have begun, and with it the time that it runs for."""

    class Busy(FakeEngine):
        """Takes three seconds to hold each pair's client for the first time."""

        def note(self, process: FakeProcess, name: Any) -> None:
            held = [pair for kind, *_, pair in self.log if kind == "STOP"]
            super().note(process, name)
            if name == "STOP" and process.pair not in held:
                self.clock.until(self.clock.now() + 3)

    engine = Busy()
    found = Run(three(TRIPS), engine).records()

    assert all(isinstance(record.outcome, Sample) for record in found)
    tools = [one for one in engine.processes if one.tool == "sockperf"]
    started = Counter(one.pair for one in tools if one.role is Role.CLIENT)
    # Arms are started side by side on one clock: what one waits for may be too long for another.
    assert all(2 <= started[pair] <= 3 for pair in ARMS), started


def test_a_session_of_which_one_client_dies_gives_no_number() -> None:
    plan = three(TRIPS)
    plan = replace(plan, probes={**plan.probes, "tcp-rr": MANY})
    found = Run(plan, FakeEngine(dies={"bridge": 2})).records()

    assert failure(found, "bridge").stage == "output"
    assert all(isinstance(one.outcome, Sample) for one in of(found, "host"))


def test_numbers_are_those_of_the_slices() -> None:
    """Both tools of paper do the same in every second in which they are let go on."""
    stream, trips, connections = (
        Run(three(kinds)).records() for kinds in (STREAM, TRIPS, CONNECTIONS)
    )

    for record in stream:
        assert sample(record).value("throughput") == pytest.approx(8 * RATE)
        length = THROUGHPUT.slice - 0.02
        assert sample(record).received == pytest.approx(ROUNDS * RATE * length)
        assert record.clock.measuring == pytest.approx(ROUNDS * THROUGHPUT.slice)
    for record in trips:
        assert sample(record).value("rtt_p50") == pytest.approx(RTT, rel=0.01)
        assert sample(record).value("transactions") == pytest.approx(1 / RTT, rel=0.02)
        assert record.clock.measuring == pytest.approx(ROUNDS * ROUND_TRIP.slice)
    for record in connections:
        assert sample(record).value("connections") == pytest.approx(1 / RTT, rel=0.02)
        assert record.clock.measuring == pytest.approx(ROUNDS * CONNECT.slice)


@pytest.mark.parametrize(
    ("way", "received", "returned"),
    [({}, 1, 0), ({"reverse": True}, 0, 1), ({"bidirectional": True}, 1, 1)],
    ids=["forward", "reverse", "both"],
)
def test_bytes_are_counted_where_they_are_read(
    way: dict[str, bool], received: int, returned: int
) -> None:
    plan = three()
    probe = TcpThroughput(rounds=ROUNDS, slice=0.1, **way)
    plan = replace(plan, probes={**plan.probes, probe.name: probe})
    for record in Run(plan).records():
        for one in record.slices:
            count = pytest.approx(RATE * 0.08)
            assert one.received == (count if received else 0)
            assert one.returned == (count if returned else 0)
        assert record.path
        assert record.path.held


def test_the_order_differs_between_rounds_and_follows_the_seed() -> None:
    drivers = ("host", "bridge", "container", "bridge:user")
    plan = plan_of(*drivers, blocks=2)
    one, again = (Run(plan).records() for _ in range(2))
    other = Run(replace(plan, seed=2)).records()

    def blocks(found: list[Record]) -> list[dict[int, list[tuple[str, int]]]]:
        return [orders(r for r in found if r.block == number) for number in (1, 2)]

    assert blocks(one) == blocks(again)
    assert blocks(one) != blocks(other)
    first, second = blocks(one)
    assert first != second
    assert len({tuple(order) for order in first.values()}) > 1
    for before, after in pairwise(first[number] for number in sorted(first)):
        assert before[-1] != after[0]


@pytest.mark.parametrize("kinds", [STREAM, TRIPS, LOADS, CONNECTIONS], ids=lambda k: k[0][0])
@pytest.mark.parametrize("after", [1, 3])
def test_a_session_that_dies_midway_fails_alone(kinds: Any, after: int) -> None:
    found = Run(three(kinds), FakeEngine(dies={"bridge": after})).records()
    outcome = failure(found, "bridge")

    assert outcome.stage == "output"
    assert outcome.evidence
    (record,) = of(found, "bridge")
    assert [one.round for one in record.slices] == [*range(1, after + 1)]
    assert all(one.value is None and one.reason == outcome.reason for one in record.slices)
    for other in of(found, "host"):
        assert len(other.slices) == ROUNDS
    assert len(record.tools) == (4 if kinds is LOADS else 2)


def test_one_of_the_baselines_arms_that_dies_leaves_the_other() -> None:
    found = Run(three(), FakeEngine(dies={"b1-host-aa": 2})).records()

    outcomes = {arm(record): type(record.outcome) for record in found}
    assert outcomes == {("host", 0): Sample, ("host", 1): Failure, ("bridge", 0): Sample}


@pytest.mark.parametrize("kinds", [STREAM, TRIPS, LOADS], ids=lambda kinds: kinds[0][0])
def test_a_client_that_cannot_be_let_go_on_fails_alone(kinds: Any) -> None:
    """Its launcher is gone: every signal to it is an error of the engine."""

    class Deaf(FakeEngine):
        """Takes no more signals for a pair, once all of them are prepared."""

        def note(self, process: FakeProcess, name: Any) -> None:
            super().note(process, name)
            ready = sum(kind == "STOP" for kind, *_ in self.log) >= len(ARMS)
            self.deaf = frozenset({"bridge"}) if ready else frozenset()

    found = Run(three(kinds), Deaf()).records()
    outcome = failure(found, "bridge")

    assert (outcome.stage, outcome.reason) == ("engine", "its launcher has ended")


@pytest.mark.parametrize("kinds", [STREAM, TRIPS, CONNECTIONS], ids=lambda kinds: kinds[0][0])
@pytest.mark.parametrize("number", [1, 3, 4])
def test_a_link_that_stood_still_in_one_slice_is_a_failure_that_names_the_round(
    kinds: Any, number: int
) -> None:
    """In the whole session it moved far more than the receiver got in it."""
    engine = FakeEngine(standing={"bridge": frozenset({number})})
    found = Run(three(kinds), engine).records()
    outcome = failure(found, "bridge")

    assert outcome.stage == "path"
    assert f"round {number}: client eth0 moved 0 bytes, the receiver got" in outcome.reason
    assert f"round {number % 4 + 1}: " not in outcome.reason
    (record,) = of(found, "bridge")
    assert record.path
    assert not record.path.held
    standing = record.slices[number - 1]
    assert {count for count in standing.moved if count is not None} == {0}
    assert [one.value is None for one in record.slices] == [False] * ROUNDS


def test_a_link_that_only_sent_nothing_back_is_a_failure_too() -> None:
    plan = three()
    probe = TcpThroughput(rounds=ROUNDS, slice=0.1, reverse=True)
    plan = replace(plan, probes={**plan.probes, probe.name: probe})
    engine = FakeEngine(standing={"bridge": frozenset({2})})
    outcome = failure(Run(plan, engine).records(), "bridge")

    assert "round 2: client eth0 moved 0 bytes back, the client got" in outcome.reason


@pytest.mark.parametrize("kinds", EVERY, ids=lambda kinds: kinds[0][0])
def test_bytes_of_another_arm_on_a_shared_link_never_prove_a_path(kinds: Any) -> None:
    """Both host arms use one `lo`. What one of them moves there proves nothing of the other.

    Around the whole session `lo` has counted enough for both: `rx_after - rx_before` says so.
    """
    found = Run(three(kinds), FakeEngine(unmoved=frozenset({"b1-host-aa"}))).records()
    outcomes = {arm(record): record for record in found}

    other = outcomes["host", 1]
    assert isinstance(other.outcome, Failure)
    assert other.outcome.stage == "path"
    assert "round 1: " in other.outcome.reason
    assert "lo moved 0 bytes, the receiver got" in other.outcome.reason
    assert other.path
    for hop in other.path.hops:
        assert hop.rx_after - hop.rx_before > other.path.required, "others moved it"
        assert hop.moved == 0
    assert sample(outcomes["host", 0])
    assert sample(outcomes["bridge", 0])


def test_what_links_moved_is_told_of_each_slice() -> None:
    trips = Run(three(TRIPS)).records()
    for record in Run(three()).records() + trips:
        assert record.path
        for one in record.slices:
            assert len(one.moved) == len(one.back) == len(record.path.hops)
            for count, hop in zip(one.moved, record.path.hops, strict=True):
                assert (count is None) == (hop.counted == "none")
                assert count is None or count >= one.received
    messages = ROUND_TRIP.slice / RTT
    assert trips[0].slices[0].moved[0] == pytest.approx(messages * (14 + HEADERS), rel=0.02)


def test_a_published_paths_slices_are_proved_too() -> None:
    engine = FakeEngine(standing={"bridge": frozenset({2})})
    found = Run(three(paths=(Path.NORTH_SOUTH,)), engine).records()

    assert "round 2: lan lan0 moved 0 bytes" in failure(found, "bridge").reason


@pytest.mark.parametrize("after", [2, 7, 14])
def test_an_engine_lost_in_a_group_leaves_records_of_all_its_arms(after: int) -> None:
    run = Run(three(blocks=2), FakeEngine(lost_after=after))
    seen: list[Event] = []
    with pytest.raises(EngineLost):
        seen.extend(run.runner)

    found = records(seen)
    assert {arm(record) for record in found} == {*ARMS.values()}
    for record in found:
        assert isinstance(record.outcome, Failure)
        assert record.outcome.stage == "engine"
        assert "stopped answering" in record.outcome.reason
        assert record.endpoints


def test_sessions_of_tools_that_pause_are_prepared_before_the_group_ahead_of_theirs() -> None:
    engine = FakeEngine()
    kinds = (*STREAM, *TRIPS)
    found = Run(three(kinds), engine).records()

    assert {type(record.outcome) for record in found} == {Sample}
    first = [name for name, *_ in engine.log].index("CONT")
    assert sum(name == "start" for name, *_ in engine.log[:first]) == 12
    for one in clients(engine, "sockperf"):
        assert one.spans[1].start - one.spans[0].start >= ROUND_TRIP.pause
    trips, streams = (clients(engine, tool) for tool in ("sockperf", "iperf3"))
    waited = max(x.spans[1].start for x in trips) - max(x.slices[-1][1] for x in streams)
    assert waited < ROUND_TRIP.pause, "the pause passed while streams were measured"


def test_every_group_of_tools_that_pause_has_all_the_time_that_its_command_gives() -> None:
    """The last one's clients must not have been woken before the first one was measured."""
    kinds = tuple(
        (probe, place)
        for probe in ("tcp-rr", "tcp-rr-loaded")
        for place in (Placement.SAME, Placement.CROSS, Placement.NONE)
    )
    drivers = ("host", "bridge", "container", "bridge:user", "macvlan:bridge", "ipvlan:l2")
    found = Run(plan_of(*drivers, kinds=kinds)).records()

    assert len(found) == 7 * len(kinds)
    assert [record.outcome for record in found if not isinstance(record.outcome, Sample)] == []
    assert {len(record.slices) for record in found} == {ROUNDS}


@pytest.mark.parametrize("kinds", [STREAM, TRIPS, LOADS], ids=lambda kinds: kinds[0][0])
def test_slices_are_longer_where_signals_take_long(kinds: Any) -> None:
    latency = 0.01
    found = Run(three(kinds), FakeEngine(latency=latency)).records()

    for record in found:
        assert sample(record)
        for one in record.slices:
            assert one.end - one.start >= 18 * latency - 1e-9
    assert {len(record.slices) for record in found} == {ROUNDS}


@pytest.mark.parametrize("late", [0.5, 2.5])
def test_a_client_that_was_held_before_its_pause_is_waited_for(late: float) -> None:
    """Nothing shows when a client that sends datagrams is ready; its pause then begins late."""
    found = Run(three(TRIPS), FakeEngine(late={"bridge": late})).records()

    for record in found:
        assert sample(record).value("rtt_p50") == pytest.approx(RTT, rel=0.01)
        assert [one.value is None for one in record.slices] == [False] * ROUNDS


def test_a_client_that_never_works_fails_alone_and_in_time() -> None:
    engine = FakeEngine(late={"bridge": 1e6})
    outcome = failure(Run(three(TRIPS), engine).records(), "bridge")

    assert outcome.reason == "sockperf logged no round trip"
    assert engine.clock.now() < 1020


def test_trials_of_probes_that_are_paced_run_whole_as_before() -> None:
    engine = FakeEngine()
    kinds = (("tcp-rate", Placement.CROSS), *STREAM)
    found = Run(three(kinds), engine).records()
    paced = [record for record in found if record.cell.probe == "tcp-rate"]

    assert len(paced) == 3
    for record in paced:
        assert sample(record).value("throughput") == pytest.approx(200e6, rel=0.05)
        assert record.slices == ()
        assert record.path
        assert record.path.held
    whole = [p for p in engine.processes if "-b" in p.argv]
    assert [one.signals for one in whole] == [[]] * 3
    starts = [one.spans[0].start for one in whole]
    assert len({*starts}) == 3, "one after the other"


def test_the_sentinel_is_read_at_the_edges_of_each_group_alone() -> None:
    for kinds, reads in ((STREAM, 2), (TRIPS, 2), ((*STREAM, *TRIPS), 4)):
        sentinel = ScriptedSentinel()
        found = Run(three(kinds), sentinel=sentinel).records()

        assert sentinel.reads == reads
        assert all(record.sentinel.before and record.sentinel.after for record in found)


def test_a_sentinel_that_reads_nothing_leaves_the_numbers() -> None:
    found = Run(three(), sentinel=ScriptedSentinel([None, None])).records()

    for record in found:
        assert sample(record)
        assert (record.sentinel.before, record.sentinel.after) == (None, None)
        assert record.sentinel.note == "no sentinel here"


def test_a_session_that_cannot_be_prepared_leaves_the_others_their_rounds() -> None:
    found = Run(three(TRIPS), FakeEngine(dead_servers=frozenset({"bridge"}))).records()

    assert failure(found, "bridge").stage == "server"
    assert of(found, "bridge")[0].slices == ()
    for record in of(found, "host"):
        assert [one.order for one in record.slices] == [1, 2, 1, 2] or len(record.slices) == ROUNDS


def test_a_skip_of_a_tool_comes_from_what_it_said_at_its_end() -> None:
    done = replace(held("stream-refused").client, stderr="iperf3: unrecognized option '--bidir'")
    found = Run(three(), FakeEngine(output={"bridge": done})).records()
    (record,) = of(found, "bridge")

    assert record.outcome == Skip(
        "this iperf3 has no --bidir; 3.7 and later do",
        record.outcome.evidence,  # type: ignore[union-attr] # it is a skip
    )


def test_a_client_that_never_connects_is_a_failure_in_its_own_words() -> None:
    engine = FakeEngine(output={"bridge": case("iperf3", "3.18", "no-route-to-host")})
    outcome = failure(Run(three(), engine).records(), "bridge")

    assert outcome.stage == "output"
    assert "No route to host" in outcome.reason


def test_facts_are_read_around_the_slices_and_never_within_one() -> None:
    engine = FakeEngine()

    class Watching(FakeReader):
        """Notes when it was asked."""

        def again(self, pair: Any, seen: Any) -> Any:
            moments.append(engine.clock.now())
            return super().again(pair, seen)

    moments: list[float] = []
    Run(three(), engine, Watching(engine)).records()

    assert len(moments) == 2 * len(ARMS)
    working = [edge for one in clients(engine) for edge in one.slices[:ROUNDS]]
    assert not [m for m in moments for start, end in working if start < m < end]
