from dataclasses import replace
from typing import Any

import pytest
from support.facts import with_link
from support.fake_reader import FakeReader
from support.fakes import MAKING, REMOVING, FakeEngine
from support.golden import case
from support.plans import CONTROL_PLANE, plan_of
from support.running import Run, failure, of

from netbench.engines.base import Endpoint
from netbench.errors import EngineError, EngineLost
from netbench.plan import Plan
from netbench.probes import ControlPlane
from netbench.record import Failure, PairFacts, Record, Sample, Skip
from netbench.runner.run_state import Event, TrialFinished
from netbench.spec import Placement, Role


def plan(*drivers: str, probe: ControlPlane = CONTROL_PLANE, blocks: int = 1) -> Plan:
    made = plan_of(*drivers, kinds=(("control-plane", Placement.NONE),), blocks=blocks)
    return replace(made, probes={"control-plane": probe})


def sample(record: Record) -> Sample:
    assert isinstance(record.outcome, Sample), record.outcome
    return record.outcome


def test_every_arm_makes_its_endpoints_and_removes_them() -> None:
    run = Run(plan("host", "bridge", "bridge:user", "container", blocks=2))
    found = run.records()

    assert len(found) == 10
    for record in found:
        starts = [point.value for point in sample(record).series]
        assert len(starts) == 3
        assert all(value > 0 for value in starts)
        assert record.promises
        assert all(check.held for check in record.promises)
        assert [end.role for end in record.endpoints] == [Role.CLIENT, Role.SERVER, Role.HOST]
        assert record.path is None
        assert record.sentinel.method == "none"
        assert record.sentinel.note
        assert {"trial.busy", "trial.steal", "trial.load1"} <= set(dict(record.facts))
    assert len([r for r in found if r.replica]) == 2


def test_the_networks_own_seconds_count_and_only_where_one_is_made() -> None:
    found = Run(plan("host", "bridge", "bridge:user", "macvlan:bridge")).records()

    for driver, made in (("host", False), ("bridge", False), ("bridge:user", True)):
        outcome = sample(of(found, driver)[0])
        assert outcome.value("create_time") == (MAKING if made else None)
        endpoint = dict(outcome.details)["lifecycle.endpoint_removal"]
        assert isinstance(endpoint, float)
        assert outcome.value("remove_time") == pytest.approx(endpoint + (REMOVING if made else 0))


def test_a_record_holds_every_call_in_one_file() -> None:
    run = Run(plan("bridge"))
    record = run.records()[0]

    (tool,) = record.tools
    assert run.raw[tool.stdout_file].count("transferred 1 bytes from 5 to 1") == 3
    assert tool.argv[0] == "sh"
    assert record.clock.measuring == pytest.approx(
        sum(point.value for point in sample(record).series), abs=0.05
    )


def test_an_isolated_driver_is_skipped_by_design_with_its_proof() -> None:
    found = Run(plan("host", "none", "macvlan:passthru")).records()

    for driver in ("none", "macvlan:passthru"):
        (record,) = of(found, driver)
        assert isinstance(record.outcome, Skip)
        assert record.outcome.by_design
        assert record.outcome.evidence


class Tiring(FakeEngine):
    """An engine that refuses a driver's third endpoint, or fails to remove it."""

    def __init__(self, *, refuses_third: bool = False, keeps_second: bool = False) -> None:
        super().__init__()
        self._refuses, self._keeps = refuses_third, keeps_second

    def create_endpoint(self, name: str, *args: Any, **more: Any) -> Endpoint:
        if self._refuses and name.endswith("bridge-c3"):
            raise EngineError("no more addresses")
        return super().create_endpoint(name, *args, **more)

    def remove_endpoint(self, endpoint: Endpoint) -> None:
        if self._keeps and endpoint.name.endswith("bridge-c2"):
            self._keeps = False
            raise EngineError("device or resource busy")
        super().remove_endpoint(endpoint)


def test_what_was_answered_before_a_failure_is_kept() -> None:
    found = Run(plan("host", "bridge"), Tiring(refuses_third=True)).records()
    outcome = failure(found, "bridge")

    assert (outcome.stage, outcome.reason) == ("create", "no more addresses")
    assert outcome.evidence.startswith("answered before that")
    assert outcome.evidence.count(",") == 2


def test_an_endpoint_that_stays_is_told_and_no_number() -> None:
    outcome = failure(Run(plan("host", "bridge"), Tiring(keeps_second=True)).records(), "bridge")

    assert outcome.stage == "engine"
    assert "device or resource busy" in outcome.reason


def test_an_endpoint_that_is_not_answered_is_a_failure_in_the_tools_words() -> None:
    engine = FakeEngine(output={"bridge": case("socat", "1.8.0", "refused")})
    outcome = failure(Run(plan("host", "bridge"), engine).records(), "bridge")

    assert outcome.stage == "client"
    assert "Connection refused" in outcome.reason


def test_an_endpoint_that_does_not_answer_itself_is_a_failure_of_the_server() -> None:
    engine = FakeEngine(server_output={"bridge": case("socat", "1.8.0", "refused")})
    outcome = failure(Run(plan("host", "bridge"), engine).records(), "bridge")

    assert outcome.stage == "server"


def test_a_tool_that_is_not_there_is_a_skip_that_names_it() -> None:
    engine = FakeEngine(server_output={"bridge": case("socat", "1.8.0", "no-such-tool")})
    (record,) = of(Run(plan("host", "bridge"), engine).records(), "bridge")

    assert isinstance(record.outcome, Skip)
    assert "install socat" in record.outcome.reason


def test_an_answer_from_another_time_is_no_number() -> None:
    """The captured log is of another day: a clock that is not ours, or was set."""
    engine = FakeEngine(output={"bridge": case("socat", "1.8.0", "ok")})
    outcome = failure(Run(plan("host", "bridge"), engine).records(), "bridge")

    assert (outcome.stage, outcome.reason) == (
        "output",
        "the machine's clock was set while an endpoint was timed",
    )


def test_an_engine_elsewhere_cannot_be_timed() -> None:
    engine = FakeEngine()
    engine.local = False
    (record,) = of(Run(plan("host", "bridge"), engine).records(), "bridge")

    assert isinstance(record.outcome, Skip)
    assert "another machine" in record.outcome.reason


def test_promises_are_judged_on_the_endpoints_of_the_trial() -> None:
    def elsewhere(facts: PairFacts) -> PairFacts:
        return with_link(facts, "host", "vethc", master=None)

    engine = FakeEngine()

    class Later(FakeReader):
        """Sees the pairs of the block as they should be."""

        def _facts(self, pair: Any) -> PairFacts:
            facts = super()._facts(pair)
            return elsewhere(facts) if self._name(pair).startswith("cp") else facts

    found = Run(plan("bridge"), engine, Later(engine)).records()

    for record in found:
        assert isinstance(record.outcome, Failure)
        assert record.outcome.stage == "promise"
        assert not all(check.held for check in record.promises)


def test_a_deadline_ends_a_trial_with_what_was_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ControlPlane, "deadline", property(lambda _: -1.0))
    outcome = failure(
        [
            record
            for record in Run(plan("host", "bridge")).records()
            if record.cell.driver == "bridge"
        ],
        "bridge",
    )

    assert outcome.stage == "create"
    assert outcome.reason == "0 of 3 endpoints were answered within -1 s"


def test_endpoints_publish_ports_where_the_driver_does() -> None:
    engine = Keeping()
    probe = ControlPlane(endpoints=2, ports=3)
    found = Run(plan("host", "bridge", "bridge:user", "container", probe=probe), engine).records()

    assert sample(of(found, "bridge")[0])
    clients = [end for name, end in engine.seen.items() if name.endswith(("bridge-c1", "user-c2"))]
    assert [len(end.published) for end in clients] == [3, 3]
    assert all(not end.published for name, end in engine.seen.items() if name.endswith("bridge-s"))
    for driver, why in (("host", "publishes no ports"), ("container", "no ports of its own")):
        outcome = of(found, driver)[0].outcome
        assert isinstance(outcome, Skip)
        assert why in outcome.reason


def test_neighbours_are_there_before_and_are_removed_without_a_time() -> None:
    engine = Keeping()
    found = Run(plan("bridge:user", probe=ControlPlane(neighbours=5)), engine).records()

    outcome = sample(found[0])
    assert len(outcome.series) == 1
    names = [name.rpartition("-")[2] for name in engine.seen if name.startswith("cp1-")]
    assert sorted(names[1:6]) == ["n1", "n2", "n3", "n4", "n5"]
    assert names[0] == "s"
    assert names[6:] == ["c1"]
    assert not [name for name in engine.endpoints if name.startswith("cp")]


class Keeping(FakeEngine):
    """Remembers every endpoint that it made, in order."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.seen: dict[str, Endpoint] = {}

    def create_endpoint(self, name: str, *args: Any, **more: Any) -> Endpoint:
        self.seen[name] = super().create_endpoint(name, *args, **more)
        return self.seen[name]


class Interrupted(FakeEngine):
    """Ctrl-C while a driver's second endpoint is made."""

    def create_endpoint(self, name: str, *args: Any, **more: Any) -> Endpoint:
        if name.endswith("-c2"):
            raise KeyboardInterrupt
        return super().create_endpoint(name, *args, **more)


def test_an_interrupt_leaves_nothing_behind() -> None:
    run = Run(plan("bridge:user"), Interrupted())
    with pytest.raises(KeyboardInterrupt):
        run.events()

    run.assert_nothing_is_left()


def test_an_engine_that_goes_away_ends_the_run_after_a_record_that_says_so() -> None:
    run = Run(plan("bridge"), FakeEngine(lost_at=3))
    seen: list[Event] = []
    with pytest.raises(EngineLost):
        seen.extend(run.runner)

    last = seen[-1]
    assert isinstance(last, TrialFinished)
    assert isinstance(last.record.outcome, Failure)
    assert "went away" in last.record.outcome.reason
