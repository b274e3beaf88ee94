"""One block: the probes one after another, each with its rounds or its trials (METHOD §1)."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import Final

from netbench.errors import EngineError, EngineLost, FactError
from netbench.plan import BlockPlan, Plan, Step, round_order
from netbench.probes import ControlPlane, Sliced
from netbench.record import Failure, Record, SentinelWindow, Skip
from netbench.runner.feasibility import Feasibility
from netbench.runner.lifecycle import run_lifecycle
from netbench.runner.prepared import PreparedSession, TrialFailed
from netbench.runner.recording import Recorder, Recording, failure_of
from netbench.runner.rounds import SessionRunner
from netbench.runner.run_state import Event, RunState, TrialFinished, TrialStarted
from netbench.runner.setup import TrialSetup
from netbench.runner.trial import run_trial
from netbench.spec import Cpus
from netbench.system.interrupts import Pool
from netbench.topology.pairs import LiveBlock, LivePair
from netbench.topology.paths import trimmed

_AT_ONCE: Final = 16  # sessions prepared at a time
_AHEAD: Final = 12
"""Sessions that may wait for their turn; those of the next probe may, however many they are."""
_UNPINNED: Final = Cpus(None, None)
_NOT_UP: Final = Failure("create", "the pair is not up", "")
_Started = PreparedSession | Failure | Skip | EngineLost | None
"""What came of starting a session's tools; None if they were not to be started."""
_Sessions = dict[Step, _Started]


@dataclass(frozen=True, slots=True)
class BlockRunner:
    """Runs the probes of a block on its pairs."""

    feasibility: Feasibility
    state: RunState
    setup: TrialSetup
    recorder: Recorder

    @property
    def plan(self) -> Plan:
        """Of the run."""
        return self.setup.plan

    def run(self, block: BlockPlan, live: LiveBlock) -> Iterator[Event]:
        """Run the block probe by probe; raises `EngineLost` after the records that saw it.

        Clients that pause before they work are started before an earlier probe is measured: those
        of the next probe, and of further ones as long as they are few, for some keep much memory.
        """
        groups, started = block.groups, _Sessions()
        try:
            for at, group in enumerate(groups):
                self._start_ahead(groups[at:], started, live)
                if at == 0:
                    self.recorder.meter.rest()
                yield TrialStarted(group[0], self.state.attempts(block.number) + 1)
                if isinstance(self.plan.probes[group[0].cell.probe], Sliced):
                    mine = {step: started.pop(step) for step in group}
                    later = groups[at + 1] if groups[at + 1 :] else ()
                    following = _prepared(started.get(step) for step in later)
                    yield from self._sessions_of(block, group, live, mine, following)
                else:
                    yield from self._trials_of(block, group, live)
        finally:
            for one in _prepared(started.values()):
                one.end()

    def _start_ahead(
        self, groups: Sequence[Sequence[Step]], started: _Sessions, live: LiveBlock
    ) -> None:
        """Start the sessions of the first of these probes, and of those after it that are due."""
        due: list[Sequence[Step]] = []
        count = 0
        for number, group in enumerate(groups):
            count += len(group)
            probe = self.plan.probes[group[0].cell.probe]
            if isinstance(probe, Sliced) and group[0] not in started:
                few = number == 1 or count <= _AHEAD
                if number == 0 or (probe.pause > 0 and few):
                    due.append(group)
        # That the engine went away meanwhile is left to the group to record and to raise.
        with Pool(max_workers=_AT_ONCE) as pool:
            begun = {
                step: pool.submit(self._start_session, pair, step, len(group))
                for group in due
                for step in group
                if (pair := self._up(step, live)) is not None
            }
        started |= {step: None for group in due for step in group}
        started |= {step: future.result() for step, future in begun.items()}

    def _up(self, step: Step, live: LiveBlock) -> LivePair | None:
        """Return the pair on which a step's tools can be started, None if they cannot."""
        pair = live.pairs.get(step.arm)
        with suppress(EngineLost):
            if isinstance(pair, LivePair) and self.feasibility.ruled_out(step, pair) is None:
                return pair
        return None

    def _start_session(
        self, pair: LivePair, step: Step, arms: int
    ) -> PreparedSession | Failure | Skip | EngineLost:
        try:
            return self.setup.prepare_session(pair, step, arms)
        except (TrialFailed, EngineError, FactError) as exc:
            return failure_of(exc)
        except EngineLost as exc:
            return exc

    def _sessions_of(
        self,
        block: BlockPlan,
        group: Sequence[Step],
        live: LiveBlock,
        started: _Sessions,
        following: Sequence[PreparedSession],
    ) -> Iterator[Event]:
        """Run the rounds of one probe; yield a record of every arm."""
        recordings = [self._recording(block, step) for step in group]
        probe = self.plan.probes[group[0].cell.probe]
        arms = [step.arm for step in group]
        count = probe.rounds if isinstance(probe, Sliced) else 0
        rounds = round_order(self.plan.seed, block.number, group[0].place, count, arms)
        ready = [
            (recording, one)
            for recording in recordings
            if isinstance(one := started[recording.step], PreparedSession)
        ]

        def measured() -> list[Record]:
            done = SessionRunner(self.recorder).carry_out(ready, rounds, following)
            records = {record.number: record for record in done}
            return [
                records.get(one.number) or self._without(one, live, started[one.step])
                for one in recordings
            ]

        yield from self._recorded(recordings, live, measured)

    def _without(self, recording: Recording, live: LiveBlock, found: _Started) -> Record:
        """Return the record of a session that could not be prepared; raises `EngineLost` if so."""
        if isinstance(found, EngineLost):
            raise found
        if not isinstance(found, Failure | Skip):
            found = self.feasibility.ruled_out(recording.step, live.pairs.get(recording.step.arm))
        return recording.record(found or _NOT_UP, 0.0)

    def _trials_of(
        self, block: BlockPlan, group: Sequence[Step], live: LiveBlock
    ) -> Iterator[Event]:
        """Run the trials of one probe, one after another, after a reading of the sentinel."""
        placement = group[0].cell.placement
        cpus = self.plan.cpus.get(placement, _UNPINNED)
        window = self.recorder.window(placement, cpus)
        for step in group:
            recording = self._recording(block, step)
            measured = partial(self._trial, recording, live, window)
            yield from self._recorded([recording], live, measured)

    def _trial(
        self, recording: Recording, live: LiveBlock, window: SentinelWindow
    ) -> tuple[Record]:
        """Return the record of one trial."""
        step = recording.step
        pair, probe = live.pairs.get(step.arm), self.plan.probes[step.cell.probe]
        ruled_out = self.feasibility.ruled_out(step, pair)
        if ruled_out is not None or not isinstance(pair, LivePair):
            return (recording.record(ruled_out or _NOT_UP),)
        if isinstance(probe, ControlPlane):
            return (run_lifecycle(recording, pair.driver, probe),)
        return (run_trial(recording, self.setup, pair, window),)

    def _recording(self, block: BlockPlan, step: Step) -> Recording:
        self.state.number += 1
        attempt = self.state.attempts(block.number) + 1
        return Recording(self.recorder, self.state.number, block.number, attempt, step)

    def _recorded(
        self,
        recordings: Sequence[Recording],
        live: LiveBlock,
        measured: Callable[[], Sequence[Record]],
    ) -> Iterator[Event]:
        """Yield records with what is known of each pair; raises `EngineLost` after its records."""
        try:
            records = measured()
        except EngineLost as exc:
            lost = Failure("engine", f"the engine went away: {exc}", "")
            for one in recordings:
                yield TrialFinished(_with_facts(one.record(lost, 0.0), one.step, live))
            raise
        for one, record in zip(recordings, records, strict=True):
            whole = _with_facts(record, one.step, live)
            self.state.take(whole)
            yield TrialFinished(whole)


def _prepared(sessions: Iterable[object]) -> list[PreparedSession]:
    return [one for one in sessions if isinstance(one, PreparedSession)]


def _with_facts(record: Record, step: Step, live: LiveBlock) -> Record:
    """Add what is known of the pair to a record, where the trial itself read nothing."""
    pair = live.pairs.get(step.arm)
    if not isinstance(pair, LivePair):
        return record
    hops = pair.driver.hops(record.cell.path, pair.facts)
    endpoints = record.endpoints or trimmed(pair.facts, hops)
    return replace(record, promises=record.promises or pair.promises, endpoints=endpoints)
