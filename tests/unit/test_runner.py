from collections import Counter
from collections.abc import Iterator
from dataclasses import replace

import pytest
from support.facts import HOST_NET, link, with_link, with_links, with_namespaces, without_link
from support.fake_reader import FakeReader, ScriptedSentinel
from support.fake_tools import RATE
from support.fakes import FakeEngine
from support.golden import case
from support.plans import THROUGHPUT, plan_of
from support.running import Run, failure, of, records

from netbench.errors import EngineLost
from netbench.record import Failure, PairFacts, Sample, Skip
from netbench.runner.run_state import (
    BlockFinished,
    BlockStarted,
    Ended,
    Event,
    TrialFinished,
    TrialStarted,
)
from netbench.spec import Placement, Role


def test_a_run_tells_what_happens_and_proves_every_path() -> None:
    run = Run(plan_of("host", "bridge", "bridge:user", "container", blocks=2))
    events = run.events()
    found = records(events)

    kinds = [type(event) for event in events]
    assert kinds[0] is BlockStarted
    assert kinds[-2:] == [BlockFinished, Ended]
    assert events[-1] == Ended("complete")
    assert kinds.count(TrialStarted) == 2, "one probe in each of two blocks"
    assert len(found) == 10
    assert [record.number for record in found] == list(range(1, 11))
    assert all(isinstance(record.outcome, Sample) for record in found)
    assert all(record.path and record.path.held for record in found)
    assert all(record.promises and all(c.held for c in record.promises) for record in found)
    assert Counter((r.block, r.cell.driver, r.replica) for r in found) == Counter(
        (block, *arm)
        for block in (1, 2)
        for arm in (
            ("host", 0),
            ("host", 1),
            ("bridge", 0),
            ("bridge:user", 0),
            ("container", 0),
        )
    )


def test_a_record_holds_its_evidence() -> None:
    run = Run(plan_of("bridge"))
    record = run.records()[0]

    assert [tool.role for tool in record.tools] == [Role.CLIENT, Role.SERVER]
    assert '"interrupt - the client has terminated' in run.raw[record.tools[0].stdout_file]
    assert [end.role for end in record.endpoints] == [Role.CLIENT, Role.SERVER, Role.HOST]
    assert (record.pins.client, record.pins.server) == (0, 1)
    assert (record.pins.client_observed, record.pins.server_observed) == ("0", "0")
    assert record.sentinel.method == "stream"
    assert record.sentinel.before
    assert record.sentinel.after
    facts = dict(record.facts)
    assert facts["trial.congestion_control_client"] == "cubic"
    probe = THROUGHPUT
    assert record.clock.measuring == pytest.approx(probe.rounds * probe.slice)
    assert record.clock.seconds > record.clock.measuring


def test_bytes_that_no_link_counted_are_no_sample() -> None:
    """Without the path proof this would be a number."""
    found = Run(plan_of("host", "bridge"), FakeEngine(unmoved=frozenset({"bridge"}))).records()
    outcome = failure(found, "bridge")

    assert outcome.stage == "path"
    assert "client eth0 moved 0 bytes, the receiver got" in outcome.reason
    (record,) = of(found, "bridge")
    assert record.path
    assert not record.path.held
    assert record.tools


def elsewhere(facts: PairFacts) -> PairFacts:
    """Both ends on another bridge."""
    facts = with_links(facts, "host", link("br9", 9, kind="bridge"))
    facts = with_link(facts, "host", "vethc", master="br9")
    return with_link(facts, "host", "veths", master="br9")


def half_elsewhere(facts: PairFacts) -> PairFacts:
    facts = with_links(facts, "host", link("br9", 9, kind="bridge"))
    return with_link(facts, "host", "vethc", master="br9")


@pytest.mark.parametrize("bend", [elsewhere, half_elsewhere])
def test_a_promise_that_is_broken_from_the_start_starts_no_tool(bend: object) -> None:
    engine = FakeEngine()
    reader = FakeReader(engine, bend={"bridge": bend})
    run = Run(plan_of("host", "bridge"), engine, reader)
    outcome = failure(run.records(), "bridge")

    assert outcome.stage == "promise"
    assert "a port of one bridge" in outcome.reason
    assert "br9" in outcome.evidence
    assert not [p for p in engine.processes if p.endpoint.name.endswith(("bridge-c", "bridge-s"))]


@pytest.mark.parametrize(
    "bend",
    [
        elsewhere,
        half_elsewhere,
        lambda f: without_link(f, "server", "eth0"),
        lambda f: with_namespaces(f, "client", net=HOST_NET),
    ],
)
def test_a_pair_that_changed_since_it_came_up_is_found_out(bend: object) -> None:
    engine = FakeEngine()
    reader = FakeReader(engine, bend_later={"bridge": bend})
    found = Run(plan_of("host", "bridge"), engine, reader).records()

    assert failure(found, "bridge").stage == "promise"
    (record,) = of(found, "bridge")
    assert not all(check.held for check in record.promises)


def test_a_link_that_changes_while_it_is_measured_is_found_out() -> None:
    def later(facts: PairFacts) -> PairFacts:
        client = facts.client.link("eth0")
        measured = client is not None and client.counters.tx_bytes > 3 * RATE * THROUGHPUT.slice
        return with_link(facts, "client", "eth0", mtu=9000) if measured else facts

    engine = FakeEngine()
    reader = FakeReader(engine, bend_later={"bridge": later})
    outcome = failure(Run(plan_of("host", "bridge"), engine, reader).records(), "bridge")

    assert outcome.stage == "path"
    assert "client eth0 changed during the trial" in outcome.reason


def test_a_pair_that_cannot_be_made_is_a_failure_and_the_others_are_measured() -> None:
    engine = FakeEngine(refuses={"bridge": "no more addresses"})
    outcome = failure(Run(plan_of("host", "bridge"), engine).records(), "bridge")

    assert outcome == Failure("create", "no more addresses", "")


def test_a_pair_whose_facts_cannot_be_read_is_not_measured() -> None:
    engine = FakeEngine()
    reader = FakeReader(engine, unreadable=frozenset({"bridge"}))
    outcome = failure(Run(plan_of("host", "bridge"), engine, reader).records(), "bridge")

    assert outcome == Failure("create", "facts: unreadable output of ip", "")


def test_a_pair_whose_facts_cannot_be_read_again_is_a_failure() -> None:
    engine = FakeEngine()
    reader = FakeReader(engine, gone=frozenset({"bridge"}))
    outcome = failure(Run(plan_of("host", "bridge"), engine, reader).records(), "bridge")

    assert outcome == Failure("engine", "the client (process 1000) is gone", "")


def test_a_server_that_never_listens_is_a_failure_of_the_server() -> None:
    engine = FakeEngine(dead_servers=frozenset({"bridge"}))
    outcome = failure(Run(plan_of("host", "bridge"), engine).records(), "bridge")

    assert outcome.stage == "server"
    assert "no server listens on port " in outcome.reason
    assert outcome.evidence.startswith("iperf3: exit code")
    assert ("start", Role.CLIENT, "iperf3", "b1-bridge") not in engine.log


def test_a_client_that_does_not_end_is_killed_and_a_failure() -> None:
    engine = FakeEngine(hanging=frozenset({"bridge"}))
    run = Run(plan_of("host", "bridge"), engine)
    found = run.records()
    outcome = failure(found, "bridge")

    assert outcome.stage == "output"
    assert outcome.reason == "iperf3 had not ended after 10.0 s and was killed"
    (record,) = of(found, "bridge")
    assert (record.tools[0].timed_out, record.tools[0].exit_code) == (True, -9)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("refused", "Connection refused"),
        ("server-killed", "control socket has closed unexpectedly"),
        ("usage", "no output"),
        ("udp", "not that of a TCP test"),
    ],
)
def test_output_that_is_no_result_is_a_failure_with_its_text(name: str, words: str) -> None:
    printed = case("iperf3", "3.18", name)
    run = Run(plan_of("host", "bridge"), FakeEngine(output={"bridge": printed}))
    found = run.records()
    outcome = failure(found, "bridge")

    assert outcome.stage == "output"
    assert words in outcome.reason
    assert printed.stdout.strip()[:100] in outcome.evidence
    (record,) = of(found, "bridge")
    saved = run.raw.get(record.tools[0].stdout_file, "")
    assert saved == printed.stdout


def test_a_tool_that_cannot_be_started_is_a_failure() -> None:
    engine = FakeEngine(unstartable=frozenset({"bridge"}))
    outcome = failure(Run(plan_of("host", "bridge"), engine).records(), "bridge")

    assert (outcome.stage, outcome.reason) == ("server", "exec failed: no such file")
    assert outcome.evidence.startswith("iperf3 -s")


def test_what_the_engine_lacks_is_skipped_and_not_tried() -> None:
    engine = FakeEngine(lacks={"bridge": "no bridges here"})
    found = Run(plan_of("host", "bridge"), engine).records()

    (record,) = of(found, "bridge")
    assert record.outcome == Skip("no bridges here")
    assert not any("bridge" in process.endpoint.name for process in engine.processes)


def test_a_placement_the_machine_lacks_is_skipped() -> None:
    kinds = (("tcp-throughput", Placement.CROSS), ("tcp-throughput", Placement.SAME))
    found = Run(plan_of("host", kinds=kinds, impossible={Placement.CROSS: "one core"})).records()

    outcomes = {(record.cell.placement, type(record.outcome)) for record in found}
    assert outcomes == {(Placement.CROSS, Skip), (Placement.SAME, Sample)}


def test_unpinned_trials_have_no_sentinel_and_say_so() -> None:
    kinds = (("tcp-throughput", Placement.NONE),)
    record = Run(plan_of("host", kinds=kinds), sentinel=ScriptedSentinel([None] * 9)).records()[0]

    assert isinstance(record.outcome, Sample)
    window = record.sentinel
    assert (window.method, window.before, window.after) == ("none", None, None)
    assert window.note == "no sentinel here"


def test_isolation_is_a_result_with_the_errors_of_failed_connects() -> None:
    kinds = (("tcp-throughput", Placement.CROSS), ("tcp-throughput", Placement.SAME))
    engine = FakeEngine()
    found = of(Run(plan_of("host", "none", kinds=kinds), engine).records(), "none")

    assert len(found) == 2
    for record in found:
        assert isinstance(record.outcome, Skip)
        assert record.outcome.by_design
        assert record.outcome.reason == "isolated by design"
        assert "ECONNREFUSED" in record.outcome.evidence
        assert "ENETUNREACH" in record.outcome.evidence
        assert all(check.held for check in record.promises)
    started = [p for p in engine.processes if "none" in p.endpoint.name]
    assert len(started) == 1


@pytest.mark.parametrize(
    "leak", [case("iperf3", "3.18", "ok"), replace(case("iperf3", "3.18", "ok"), stdout="")]
)
def test_a_connect_that_does_not_fail_is_a_broken_isolation(leak: object) -> None:
    engine = FakeEngine(leaks=leak)
    outcome = failure(Run(plan_of("host", "none"), engine).records(), "none")

    assert outcome.stage == "isolation"
    assert "did not fail as it must" in outcome.reason


def test_an_isolated_server_that_does_not_listen_proves_nothing() -> None:
    engine = FakeEngine(dead_servers=frozenset({"none"}))
    outcome = failure(Run(plan_of("host", "none"), engine).records(), "none")

    assert outcome.stage == "isolation"


STREAM = (("tcp-throughput", Placement.CROSS),)
HELD = (("tcp-rr", Placement.SAME),)


@pytest.mark.parametrize(
    ("kinds", "tool"), [*((STREAM, tool) for tool in range(1, 7)), (HELD, 1), (HELD, 2)]
)
def test_an_engine_that_goes_away_leaves_a_record_and_is_told(
    kinds: tuple[tuple[str, Placement], ...], tool: int
) -> None:
    run = Run(plan_of("host", "bridge", kinds=kinds, blocks=2), FakeEngine(lost_at=tool))
    seen: list[Event] = []
    with pytest.raises(EngineLost):
        seen.extend(run.runner)

    last = records(seen)[-1]
    assert isinstance(last.outcome, Failure)
    assert last.outcome.stage == "engine"
    assert "stopped answering" in last.outcome.reason
    assert not any(isinstance(event, Ended) for event in seen)


def close(events: Iterator[Event]) -> None:
    events.close()  # type: ignore[attr-defined] # it is a generator


def test_no_block_starts_that_would_end_too_late() -> None:
    """A block of two arms takes seconds, of which the clock of the test makes nothing."""
    run = Run(plan_of("host", kinds=HELD, blocks=50, max_time=9.0))
    events = run.events()

    blocks = [event for event in events if isinstance(event, BlockFinished)]
    took = {event.seconds for event in blocks}
    assert 2 < max(took) < 4.5
    assert len(blocks) == int(9.0 / max(took))
    assert events[-1] == Ended("out-of-time")


def test_a_run_that_is_left_in_the_middle_of_a_trial_is_torn_down() -> None:
    run = Run(plan_of("host", "bridge"))
    events = iter(run.runner)
    for event in events:
        if isinstance(event, TrialFinished):
            break

    assert run.engine.endpoints
    close(events)
    run.assert_nothing_is_left()
