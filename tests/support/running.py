"""Runs over fakes, and what came of them."""

from support.fake_reader import FakeReader, ScriptedSentinel
from support.fakes import FakeEngine

from netbench.plan import Plan
from netbench.record import Failure, Record, Sample
from netbench.runner.machine import MachineMeter
from netbench.runner.recording import Recorder
from netbench.runner.run import Runner
from netbench.runner.run_state import Event, Judge, RunState, TrialFinished
from netbench.spec import Role


class Run:
    """One run over fakes, with what it saved."""

    def __init__(
        self,
        plan: Plan,
        engine: FakeEngine | None = None,
        reader: FakeReader | None = None,
        sentinel: ScriptedSentinel | None = None,
        judge: Judge | None = None,
        *,
        state: RunState | None = None,
    ) -> None:
        self.engine = engine or FakeEngine()
        self.reader = reader or FakeReader(self.engine)
        self.raw: dict[str, str] = {}
        meter = MachineMeter(self.engine, self.engine.clock)
        sentinel = sentinel or ScriptedSentinel()
        recorder = Recorder(self.engine, self.reader, self.save, meter, sentinel)
        self.runner = Runner(plan, recorder, state or RunState(plan, judge))

    def save(self, number: int, role: Role, text: str, turn: int) -> str:
        name = f"raw/{number}-{role}{f'-{turn + 1}' if turn else ''}"
        self.raw[name] = text
        return name

    def events(self) -> list[Event]:
        """Run to the end; whatever happened, nothing may be left."""
        events = list(self.runner)
        self.assert_nothing_is_left()
        return events

    def records(self) -> list[Record]:
        return records(self.events())

    def assert_nothing_is_left(self) -> None:
        assert self.engine.endpoints == {}
        assert self.engine.networks == {}
        assert self.engine.running == []


def records(events: list[Event]) -> list[Record]:
    return [event.record for event in events if isinstance(event, TrialFinished)]


def of(found: list[Record], driver: str) -> list[Record]:
    chosen = [record for record in found if record.cell.driver == driver]
    assert chosen
    return chosen


def failure(found: list[Record], driver: str) -> Failure:
    """Return the failure of a driver's trials, while the other drivers' are samples."""
    others = [record for record in found if record.cell.driver != driver]
    assert all(isinstance(record.outcome, Sample) for record in others)
    (outcome,) = {record.outcome for record in of(found, driver)}
    assert isinstance(outcome, Failure)
    assert outcome.reason
    return outcome
