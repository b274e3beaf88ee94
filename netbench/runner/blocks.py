"""One block: the probes one after another, each with its rounds or its trials (METHOD §1)."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Final

from netbench.errors import EngineError, EngineLost, FactError
from netbench.plan import BlockPlan, Plan, Step, round_order
from netbench.probes import ControlPlane, Sliced
from netbench.record import Absent, Failure, Record, SentinelReading, SentinelWindow, Skip
from netbench.runner.events import Event, TrialFinished, TrialStarted
from netbench.runner.feasibility import Feasibility
from netbench.runner.lifecycle import LifecycleRunner
from netbench.runner.machine import MachineMeter
from netbench.runner.prepared import Prepared
from netbench.runner.recording import Where, failure_of, never_ran
from netbench.runner.run_state import RunState
from netbench.runner.sessions import SessionRunner
from netbench.runner.setup import TrialFailed
from netbench.runner.trial import TrialRunner
from netbench.sentinel.measure import Method, Sentinel, method_for
from netbench.spec import Cpus
from netbench.system.interrupts import Pool
from netbench.topology import LiveBlock, LivePair, NotUp, trimmed

_AT_ONCE: Final = 16
"""Sessions prepared at a time."""
_AHEAD: Final = 12
"""Sessions that may wait for their turn; those of the next probe may, however many they are."""
_UNPINNED: Final = Cpus(None, None)
_Started = Prepared | Failure | Skip | EngineLost
"""What came of starting a session's tools."""
_Sessions = dict[Step, _Started]


class BlockRunner:
    """Runs the probes of a block on its pairs."""

    def __init__(
        self,
        plan: Plan,
        feasibility: Feasibility,
        state: RunState,
        *,
        sessions: SessionRunner,
        trials: TrialRunner,
        lifecycles: LifecycleRunner,
        meter: MachineMeter,
        sentinel: Sentinel,
    ) -> None:
        """Take what runs each kind of probe."""
        self._plan = plan
        self._feasibility = feasibility
        self._state = state
        self._sessions = sessions
        self._trials = trials
        self._lifecycles = lifecycles
        self._meter = meter
        self._sentinel = sentinel

    def run(self, block: BlockPlan, live: LiveBlock) -> Iterator[Event]:
        """Run the block probe by probe.

        The clients of some tools pause before they work. They are started before an earlier probe
        is measured, so that their pause passes meanwhile: those of the next probe, and of further
        ones as long as they are few, for some keep much memory.

        Raises:
            EngineLost: after the records that saw it.
        """
        groups = block.groups
        started: dict[int, _Sessions] = {}
        try:
            for at, group in enumerate(groups):
                self._start_ahead(groups, at, started, live)
                if at == 0:
                    self._meter.rest()
                mine = started.pop(at, {})
                yield TrialStarted(group[0], self._state.attempts(block.number) + 1)
                if self._sliced(group[0]):
                    ahead = started.get(at + 1, {})
                    yield from self._sessions_of(block, group, live, mine, ahead)
                else:
                    yield from self._trials_of(block, group, live)
        finally:
            for left in (one for sessions in started.values() for one in sessions.values()):
                if isinstance(left, Prepared):
                    left.end()

    def _start_ahead(
        self,
        groups: Sequence[Sequence[Step]],
        at: int,
        started: dict[int, _Sessions],
        live: LiveBlock,
    ) -> None:
        """Start the sessions of a probe, and of those after it that are due."""
        due: list[int] = []
        count = sum(len(sessions) for sessions in started.values())
        for number in range(at, len(groups)):
            group = groups[number]
            count += len(group) * (number not in started)
            few = number <= at + 1 or count <= _AHEAD
            wanted = number == at or (self._pauses(group[0]) and few)
            if wanted and number not in started and self._sliced(group[0]):
                due.append(number)
        found = self._prepared([groups[number] for number in due], live)
        for number in due:
            started[number] = {step: found[step] for step in groups[number] if step in found}

    def _sliced(self, step: Step) -> bool:
        return isinstance(self._plan.probes[step.cell.probe], Sliced)

    def _pauses(self, step: Step) -> bool:
        probe = self._plan.probes[step.cell.probe]
        return isinstance(probe, Sliced) and probe.pause > 0

    def _prepared(self, groups: Sequence[Sequence[Step]], live: LiveBlock) -> _Sessions:
        """Start server and held client of every session of some probes that can be had.

        That the engine went away meanwhile is left to the group to record and to raise.
        """
        found: _Sessions = {}
        with Pool(max_workers=_AT_ONCE) as pool:
            begun = {
                step: pool.submit(self._prepare_session, pair, step, len(group))
                for group in groups
                for step in group
                if (pair := self._up(step, live)) is not None
            }
        for step, future in begun.items():
            try:
                found[step] = future.result()
            except EngineLost as exc:
                found[step] = exc
        return found

    def _up(self, step: Step, live: LiveBlock) -> LivePair | None:
        """Return the pair on which a step's tools can be started, None where they cannot."""
        pair = live.pairs.get(step.arm)
        if not isinstance(pair, LivePair):
            return None
        with suppress(EngineLost):
            return pair if self._feasibility.ruled_out(step, pair) is None else None
        return None

    def _prepare_session(self, pair: LivePair, step: Step, arms: int) -> Prepared | Failure | Skip:
        try:
            return self._sessions.prepare(pair, step, arms)
        except (TrialFailed, EngineError, FactError) as exc:
            return failure_of(exc)

    def _sessions_of(
        self,
        block: BlockPlan,
        group: Sequence[Step],
        live: LiveBlock,
        prepared: Mapping[Step, _Started],
        ahead: Mapping[Step, _Started],
    ) -> Iterator[Event]:
        """Run the rounds of one probe; yield a record of every arm."""
        wheres = [self._where(block, step) for step in group]
        probe = self._plan.probes[group[0].cell.probe]
        arms = [step.arm for step in group]
        rounds = round_order(
            self._plan.seed, block.number, group[0].place, getattr(probe, "rounds", 0), arms
        )
        ready = [
            (where, one)
            for where in wheres
            if isinstance(one := prepared.get(where.step), Prepared)
        ]
        later = [one for one in ahead.values() if isinstance(one, Prepared)]
        try:
            done = self._sessions.carry_out(ready, rounds, later)
            records = {one.number: one for one in done}
            for where in wheres:
                if where.number not in records:
                    records[where.number] = self._without(where, live, prepared)
        except EngineLost as exc:
            lost = Failure("engine", f"the engine went away: {exc}", "")
            for where in wheres:
                yield TrialFinished(_with_facts(never_ran(where, lost), _pair(live, where)))
            raise
        for where in wheres:
            record = _with_facts(records[where.number], _pair(live, where))
            self._state.take(record)
            yield TrialFinished(record)

    def _without(self, where: Where, live: LiveBlock, prepared: Mapping[Step, _Started]) -> Record:
        """Return the record of a session that could not be prepared.

        Raises:
            EngineLost: the engine went away.
        """
        found = prepared.get(where.step)
        if isinstance(found, EngineLost):
            raise found
        if found is None or isinstance(found, Prepared):
            found = self._ruled_out(where.step, live)
        return never_ran(where, found)

    def _ruled_out(self, step: Step, live: LiveBlock) -> Failure | Skip:
        pair = live.pairs.get(step.arm)
        return self._feasibility.ruled_out(step, pair) or Failure(
            "create", "the pair is not up", ""
        )

    def _trials_of(
        self, block: BlockPlan, group: Sequence[Step], live: LiveBlock
    ) -> Iterator[Event]:
        """Run the trials of one probe, one after another, between two readings of the sentinel."""
        cpus = self._plan.cpus.get(group[0].cell.placement, _UNPINNED)
        method = method_for(group[0].cell.placement)
        first = self._sentinel.read(cpus.client, cpus.server)
        window = _window(method, first)
        for step in group:
            where = self._where(block, step)
            pair = live.pairs.get(step.arm)
            try:
                record = self._trial(where, pair, window)
            except EngineLost as exc:
                lost = Failure("engine", f"the engine went away: {exc}", "")
                yield TrialFinished(_with_facts(never_ran(where, lost), pair))
                raise
            record = _with_facts(record, pair)
            self._state.take(record)
            yield TrialFinished(record)

    def _trial(self, where: Where, pair: LivePair | NotUp | None, window: SentinelWindow) -> Record:
        """Return the record of one trial."""
        ruled_out = self._feasibility.ruled_out(where.step, pair)
        if ruled_out is not None:
            return never_ran(where, ruled_out)
        if not isinstance(pair, LivePair):
            return never_ran(where, Failure("create", "the pair is not up", ""))
        probe = self._plan.probes[where.step.cell.probe]
        if isinstance(probe, ControlPlane):
            driver = self._plan.driver(where.step.arm.driver)
            return self._lifecycles.carry_out(where, driver, probe)
        try:
            prepared = self._trials.prepare(pair, where.step)
        except (TrialFailed, EngineError, FactError) as exc:
            return never_ran(where, failure_of(exc))
        return self._trials.carry_out(where, prepared, window)

    def _where(self, block: BlockPlan, step: Step) -> Where:
        self._state.number += 1
        attempt = self._state.attempts(block.number) + 1
        return Where(self._state.number, block.number, attempt, step)


def _pair(live: LiveBlock, where: Where) -> LivePair | NotUp | None:
    return live.pairs.get(where.step.arm)


def _window(method: Method, first: SentinelReading | Absent) -> SentinelWindow:
    if isinstance(first, Absent):
        return SentinelWindow(method, None, None, first.reason)
    return SentinelWindow(method, first, None)


def _with_facts(record: Record, pair: LivePair | NotUp | None) -> Record:
    """Add what is known of the pair to a record, where the trial itself read nothing."""
    if not isinstance(pair, LivePair):
        return record
    hops = pair.driver.hops(record.cell.path, pair.facts)
    endpoints = record.endpoints or trimmed(pair.facts, hops)
    return replace(record, promises=record.promises or pair.promises, endpoints=endpoints)
