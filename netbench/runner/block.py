"""One block: the rounds or the trials of every probe on its pairs, one probe after the other."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Final

from netbench.errors import EngineError, EngineLost, FactError
from netbench.plan import BlockPlan, Step, round_order
from netbench.probes import AnyProbe, ControlPlane, NameLookup, Replacement, Sliced
from netbench.record import Failure, Record, SentinelWindow, Skip
from netbench.runner.feasibility import Feasibility
from netbench.runner.lifecycle import run_lifecycle
from netbench.runner.lookups import run_lookups
from netbench.runner.prepared import PreparedSession, TrialFailed
from netbench.runner.recording import Recorder, Recording, failure_of
from netbench.runner.replacement import run_replacement
from netbench.runner.rounds import SessionRunner
from netbench.runner.run_state import (
    Event,
    RunState,
    TrialFinished,
    TrialStarted,
)
from netbench.runner.setup import TrialSetup
from netbench.runner.trial import run_trial
from netbench.spec import Cpus
from netbench.system.interrupts import Pool
from netbench.topology.pairs import LiveBlock, LivePair
from netbench.topology.paths import trimmed

_AT_ONCE: Final = 16  # sessions prepared at a time
_AHEAD: Final = 12  # sessions that may wait for their turn, beside those of the next probe
_UNPINNED: Final = Cpus(None, None)
_NOT_UP: Final = Failure("create", "the pair is not up", "")
_Started = PreparedSession | Failure | Skip | EngineLost  # what came of starting a session


@dataclass(frozen=True, slots=True)
class BlockRunner:
    """Runs the probes of one block on its pairs."""

    feasibility: Feasibility
    state: RunState
    setup: TrialSetup
    recorder: Recorder
    block: BlockPlan
    live: LiveBlock
    started: dict[Step, _Started | None] = field(default_factory=dict)
    """Sessions that wait for their turn; None where none can be started."""

    def run(self) -> Iterator[Event]:
        """Run the block probe by probe; raises `EngineLost` after the records that saw it.

        Clients that pause before they work are started before an earlier probe is measured: those
        of the next probe, and of further ones as long as they are few, for some keep much memory.
        """
        groups = self.block.groups
        try:
            for at, group in enumerate(groups):
                self._start_ahead(groups[at:])
                if at == 0:
                    self.recorder.meter.rest()
                yield TrialStarted(group[0], self._attempt)
                probe = self._probe(group[0])
                if isinstance(probe, Sliced):
                    later = groups[at + 1] if groups[at + 1 :] else ()
                    yield from self._sessions_of(group, probe, later)
                else:
                    yield from self._trials_of(group)
        finally:
            for one in _prepared(self.started.values()):
                one.end()

    @property
    def _attempt(self) -> int:
        return self.state.attempts(self.block.number) + 1

    def _probe(self, step: Step) -> AnyProbe:
        return self.setup.plan.probes[step.cell.probe]

    @property
    def _crowded(self) -> bool:
        """Whether some probe has several clients, which take long to start."""
        probes = (self._probe(group[0]) for group in self.block.groups)
        return any(isinstance(probe, Sliced) and probe.clients > 1 for probe in probes)

    def _start_ahead(self, groups: Sequence[Sequence[Step]]) -> None:
        """Start the sessions of the first of these probes, and of those after it that are due."""
        due: list[Sequence[Step]] = []
        count = 0
        for number, group in enumerate(groups):
            probe = self._probe(group[0])
            count += len(group) * (probe.clients if isinstance(probe, Sliced) else 1)
            if isinstance(probe, Sliced) and group[0] not in self.started:
                few = number == 1 or count <= _AHEAD
                if number == 0 or (probe.pause > 0 and few):
                    due.append(group)
        # That the engine went away meanwhile is left to the group to record and to raise.
        with Pool(max_workers=_AT_ONCE) as pool:
            begun = {
                step: pool.submit(self._start_session, pair, step, len(group))
                for group in due
                for step in group
                if (pair := self._up(step)) is not None
            }
        self.started.update({step: None for group in due for step in group})
        self.started.update({step: future.result() for step, future in begun.items()})

    def _up(self, step: Step) -> LivePair | None:
        """Return the pair on which a step's tools can be started, None if they cannot."""
        pair = self.live.pairs.get(step.arm)
        with suppress(EngineLost):
            if isinstance(pair, LivePair) and self.feasibility.ruled_out(step, pair) is None:
                return pair
        return None

    def _start_session(self, pair: LivePair, step: Step, arms: int) -> _Started:
        try:
            return self.setup.prepare_session(pair, step, arms)
        except (TrialFailed, EngineError, FactError) as exc:
            return failure_of(exc)
        except EngineLost as exc:
            return exc

    def _sessions_of(
        self, group: Sequence[Step], probe: Sliced, later: Sequence[Step]
    ) -> Iterator[Event]:
        """Run the rounds of one probe; yield a record of every arm. `later` is the next probe's."""
        started = {step: self.started.pop(step) for step in group}
        # What is woken early must not wait until the many clients of the next probe are started.
        following = [] if self._crowded else _prepared(map(self.started.get, later))
        recordings = [self._recording(step) for step in group]
        arms = [step.arm for step in group]
        seed, place = self.setup.plan.seed, group[0].place
        rounds = round_order(seed, self.block.number, place, probe.rounds, arms)
        ready = [
            (recording, one)
            for recording in recordings
            if isinstance(one := started[recording.step], PreparedSession)
        ]

        def measured() -> list[Record]:
            done = SessionRunner(self.recorder).carry_out(ready, rounds, following)
            records = {record.number: record for record in done}
            return [
                records.get(one.number) or self._without(one, started[one.step])
                for one in recordings
            ]

        yield from self._recorded(recordings, measured)

    def _without(self, recording: Recording, found: _Started | None) -> Record:
        """Return the record of a session that could not be prepared; raises `EngineLost` if so."""
        if isinstance(found, EngineLost):
            raise found
        if not isinstance(found, Failure | Skip):
            pair = self.live.pairs.get(recording.step.arm)
            found = self.feasibility.ruled_out(recording.step, pair)
        return recording.record(found or _NOT_UP, 0.0)

    def _trials_of(self, group: Sequence[Step]) -> Iterator[Event]:
        """Run the trials of one probe, one after another, after a reading of the sentinel."""
        placement = group[0].cell.placement
        cpus = self.setup.plan.cpus.get(placement, _UNPINNED)
        window = self.recorder.window(placement, cpus)
        for step in group:
            recording = self._recording(step)
            yield from self._recorded([recording], partial(self._trial, recording, window))

    def _trial(self, recording: Recording, window: SentinelWindow) -> tuple[Record]:
        """Return the record of one trial."""
        step = recording.step
        pair, probe = self.live.pairs.get(step.arm), self._probe(step)
        ruled_out = self.feasibility.ruled_out(step, pair)
        if ruled_out is not None or not isinstance(pair, LivePair):
            return (recording.record(ruled_out or _NOT_UP),)
        if isinstance(probe, ControlPlane):
            return (run_lifecycle(recording, pair.driver, probe),)
        if isinstance(probe, Replacement):
            return (run_replacement(recording, pair.driver, probe),)
        if isinstance(probe, NameLookup):
            return (run_lookups(recording, pair, probe),)
        return (run_trial(recording, self.setup, pair, window),)

    def _recording(self, step: Step) -> Recording:
        self.state.number += 1
        return Recording(self.recorder, self.state.number, self.block.number, self._attempt, step)

    def _recorded(
        self, recordings: Sequence[Recording], measured: Callable[[], Sequence[Record]]
    ) -> Iterator[Event]:
        """Yield records with what is known of each pair; raises `EngineLost` after its records."""
        try:
            records = measured()
        except EngineLost as exc:
            lost = Failure("engine", f"the engine went away: {exc}", "")
            for one in recordings:
                yield TrialFinished(self._with_facts(one.record(lost, 0.0), one.step))
            raise
        for one, record in zip(recordings, records, strict=True):
            whole = self._with_facts(record, one.step)
            self.state.take(whole)
            yield TrialFinished(whole)

    def _with_facts(self, record: Record, step: Step) -> Record:
        """Add what is known of the pair to a record, where the trial itself read nothing."""
        pair = self.live.pairs.get(step.arm)
        if not isinstance(pair, LivePair):
            return record
        hops = pair.driver.hops(record.cell.path, pair.facts)
        endpoints = record.endpoints or trimmed(pair.facts, hops)
        return replace(record, promises=record.promises or pair.promises, endpoints=endpoints)


def _prepared(sessions: Iterable[object]) -> list[PreparedSession]:
    return [one for one in sessions if isinstance(one, PreparedSession)]
