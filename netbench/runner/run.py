"""The run: block after block, in each the rounds and the trials of every probe (METHOD §1)."""

from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Final

from netbench.engines.base import Engine
from netbench.errors import EngineError, EngineLost, FactError
from netbench.facts.base import Reader
from netbench.plan import BlockPlan, Plan, Step, round_order
from netbench.probes import Lifecycle, Sliced
from netbench.record import Absent, Failure, Record, Ruling, SentinelReading, SentinelWindow, Skip
from netbench.runner.course import Course
from netbench.runner.events import (
    BlockFinished,
    BlockStarted,
    Ended,
    Event,
    Judged,
    TrialFinished,
    TrialStarted,
)
from netbench.runner.judge import Judge
from netbench.runner.lifecycle import LifecycleRunner
from netbench.runner.machine import MachineMeter
from netbench.runner.possible import Possible
from netbench.runner.prepared import Prepared
from netbench.runner.recording import Recorder, SaveRaw, Where, failure_of, never_ran
from netbench.runner.sessions import SessionRunner
from netbench.runner.settle import Settler, TrialFailed
from netbench.runner.trial import TrialRunner
from netbench.sentinel.measure import Method, Sentinel, method_for
from netbench.spec import Cpus
from netbench.threads import Pool
from netbench.topology import LiveBlock, LivePair, NotUp, choose_sentinel, trimmed

_AT_ONCE: Final = 16
"""Sessions prepared at a time."""
_SPARE_PORTS: Final = 2
"""Published ports beyond one for each cell of a driver: one may wait for old connections."""
_UNPINNED: Final = Cpus(None, None)
_Started = Prepared | Failure | Skip | EngineLost
"""What came of starting a session's tools."""


class Runner:
    """Folds one plan over one engine."""

    def __init__(
        self,
        plan: Plan,
        engine: Engine,
        reader: Reader,
        *,
        save_raw: SaveRaw,
        run: str = "",
        keep: bool = False,
        judge: Judge | None = None,
        course: Course | None = None,
        sentinel: Sentinel | None = None,
        meter: MachineMeter | None = None,
    ) -> None:
        """Prepare; nothing is made yet.

        Args:
            plan: to fold.
            engine: makes what it needs.
            reader: reads facts.
            save_raw: keeps what tools print.
            run: id of the run, to tell others from it.
            keep: leave the last block's pairs up.
            judge: says which cells leave; None keeps all of them to the last block.
            course: of a run that goes on, instead of a judge.
            sentinel: for those who bring their own.
            meter: the same.
        """
        self._plan = plan
        self._engine = engine
        self._reader = reader
        self._run = run
        self._keep = keep
        self._sentinel = sentinel or choose_sentinel(engine)
        self._meter = meter or MachineMeter(engine)
        self._clock = self._meter.clock
        settler, recorder = (
            Settler(engine, plan, self._clock),
            Recorder(engine, reader, save_raw),
        )
        self._trials = TrialRunner(plan, settler, recorder, self._meter)
        self._sessions = SessionRunner(plan, settler, recorder, self._meter, self._sentinel)
        self._lifecycles = LifecycleRunner(engine, reader, save_raw)
        self._possible = Possible(plan, engine)
        self._course = course or Course(plan, judge)

    def __iter__(self) -> Generator[Event]:
        """Run the plan.

        Raises:
            EngineLost: after the record of the trial that saw it.
        """
        course = self._course
        began = self._clock.now() - course.spent
        with self._sentinel:
            for number in range(course.block + 1, self._plan.blocks + 1):
                block = course.plan(number)
                if not block.steps:
                    break
                if self._too_late(number, began, course.pace.longest(block.steps)):
                    yield Ended("out-of-time")
                    return
                started = self._clock.now()
                yield from self._block(block)
                ruling = course.close(block, self._clock.now() - started)
                if ruling is not None:
                    yield self._judged(ruling, number, began)
        yield Ended("complete")

    def _judged(self, ruling: Ruling, number: int, began: float) -> Judged:
        """Forecast what the cells take that are not settled."""
        trials, seconds = 0, 0.0
        for later in range(number + 1, self._plan.blocks + 1):
            gone = {c.cell for c in ruling.left if c.blocks is not None and c.blocks < later}
            steps = self._course.plan(later, gone).steps
            needed = seconds + self._course.pace.block(steps)
            if not steps or self._too_late(later, began, needed):
                break
            trials, seconds = trials + len(steps), needed
        return Judged(number, ruling, trials, seconds)

    def _too_late(self, number: int, began: float, needed: float) -> bool:
        limit = self._plan.max_time
        if limit is None or number <= self._plan.unhurried:
            return False
        return self._clock.now() - began + needed > limit

    def _block(self, block: BlockPlan) -> Iterator[Event]:
        started = self._clock.now()
        yield BlockStarted(block.number, self._plan.blocks, len(block.steps))
        live = LiveBlock(
            self._engine,
            self._reader,
            [(arm, self._plan.driver(arm.driver)) for arm in block.arms if self._possible.has(arm)],
            prefix=f"b{block.number}",
            cpus=self._plan.run_cpus,
            paths=self._possible.paths,
            ports=self._plan.servers + _SPARE_PORTS,
            protocols=self._plan.protocols,
            keep=self._keep,
        )
        with live:
            self._possible.learn(live)
            others = self._others()
            yield from self._groups(block, live)
            others |= self._others()
        left = tuple(live.left)
        yield BlockFinished(block.number, self._clock.now() - started, left, tuple(sorted(others)))

    def _others(self) -> set[str]:
        """Return the runs of other netbenches that are at work now."""
        with suppress(EngineError):
            everything = self._engine.owned()
            return {one.run for one in everything if one.live and one.run not in ("", self._run)}
        return set()

    def _groups(self, block: BlockPlan, live: LiveBlock) -> Iterator[Event]:
        """Run the block probe by probe; those whose clients pause are prepared before all."""
        early = [group for group in block.groups if self._pauses(group[0])]
        held = self._prepared([step for group in early for step in group], live, len(block.arms))
        try:
            self._meter.rest()  # while the clients are held in their pauses
            for group in block.groups:
                yield TrialStarted(group[0], self._course.attempts(block.number) + 1)
                if not self._sliced(group[0]):
                    yield from self._trials_of(block, group, live)
                    continue
                mine = {step: held.pop(step) for step in group if step in held}
                rest = [step for step in group if step not in mine]
                mine |= self._prepared(rest, live, len(group))
                yield from self._sessions_of(block, group, live, mine)
        finally:
            for left in held.values():
                if isinstance(left, Prepared):
                    left.end()

    def _sliced(self, step: Step) -> bool:
        return isinstance(self._plan.probes[step.cell.probe], Sliced)

    def _pauses(self, step: Step) -> bool:
        probe = self._plan.probes[step.cell.probe]
        return isinstance(probe, Sliced) and probe.pause > 0

    def _prepared(self, steps: Sequence[Step], live: LiveBlock, arms: int) -> dict[Step, _Started]:
        """Start server and held client of every session that can be had.

        That the engine went away meanwhile is left to the group to record and to raise.
        """
        found: dict[Step, _Started] = {}
        with Pool(max_workers=_AT_ONCE) as pool:
            begun = {
                step: pool.submit(self._prepare_session, pair, step, arms)
                for step in steps
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
            return pair if self._possible.ruled_out(step, pair) is None else None
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
        try:
            records = {one.number: one for one in self._sessions.carry_out(ready, rounds)}
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
            self._course.take(record)
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
        return self._possible.ruled_out(step, pair) or Failure("create", "the pair is not up", "")

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
                record = self._trial(where, pair)
            except EngineLost as exc:
                lost = Failure("engine", f"the engine went away: {exc}", "")
                yield TrialFinished(_with_facts(never_ran(where, lost), pair))
                raise
            if record.came_up and record.sentinel.method == "none" and not record.sentinel.note:
                record = replace(record, sentinel=window)
            record = _with_facts(record, pair)
            self._course.take(record)
            yield TrialFinished(record)

    def _trial(self, where: Where, pair: LivePair | NotUp | None) -> Record:
        """Return the record of one trial."""
        ruled_out = self._possible.ruled_out(where.step, pair)
        if ruled_out is not None:
            return never_ran(where, ruled_out)
        if not isinstance(pair, LivePair):
            return never_ran(where, Failure("create", "the pair is not up", ""))
        probe = self._plan.probes[where.step.cell.probe]
        if isinstance(probe, Lifecycle):
            driver = self._plan.driver(where.step.arm.driver)
            return self._lifecycles.carry_out(where, driver, probe)
        try:
            prepared = self._trials.prepare(pair, where.step)
        except (TrialFailed, EngineError, FactError) as exc:
            return never_ran(where, failure_of(exc))
        return self._trials.carry_out(where, prepared)

    def _where(self, block: BlockPlan, step: Step) -> Where:
        self._course.number += 1
        attempt = self._course.attempts(block.number) + 1
        return Where(self._course.number, block.number, attempt, step)


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
