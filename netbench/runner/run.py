"""The run: block after block, every arm of a probe back to back (METHOD §1)."""

import time
from collections.abc import Generator, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace

from netbench.engines.base import Engine
from netbench.errors import EngineError, EngineLost, FactError
from netbench.facts.base import Reader
from netbench.plan import BlockPlan, Plan, Step
from netbench.probes import Lifecycle, Probe
from netbench.record import Failure, Record, Ruling, Skip
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
from netbench.runner.settle import TrialFailed
from netbench.runner.trial import SaveRaw, TrialRunner, Where, never_ran
from netbench.sentinel.measure import Sentinel
from netbench.threads import Pool
from netbench.topology import LiveBlock, LivePair, NotUp, choose_sentinel, trimmed

_ATTEMPTS = 3
"""A trial of mixed state is run again at most twice."""
_AT_ONCE = 16
"""Trials made ready at a time."""
_EARLY = 64
"""Trials whose server is up from the block's beginning although no client of theirs pauses."""
_SPARE_PORTS = 2
"""Published ports beyond one for each cell of a driver: a rerun may find the last one waiting."""


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
        self._trials = TrialRunner(
            engine, reader, plan, self._sentinel, save_raw, meter=self._meter
        )
        self._lifecycles = LifecycleRunner(engine, reader, save_raw)
        self._possible = Possible(plan, engine)
        self._course = course or Course(plan, judge)

    def __iter__(self) -> Generator[Event]:
        """Run the plan.

        Raises:
            EngineLost: after the record of the trial that saw it.
        """
        course = self._course
        began = time.monotonic() - course.spent
        with self._sentinel:
            for number in range(course.block + 1, self._plan.blocks + 1):
                block = course.plan(number)
                if not block.steps:
                    break
                if self._too_late(number, began, course.pace.longest(block.steps)):
                    yield Ended("out-of-time")
                    return
                started = time.monotonic()
                yield from self._block(block, began)
                ruling = course.close(block, time.monotonic() - started)
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
        return time.monotonic() - began + needed > limit

    def _block(self, block: BlockPlan, began: float) -> Iterator[Event]:
        started = time.monotonic()
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
            yield from self._steps(block, live, began)
            others |= self._others()
        left = tuple(live.left)
        yield BlockFinished(block.number, time.monotonic() - started, left, tuple(sorted(others)))

    def _others(self) -> set[str]:
        """Return the runs of other netbenches that are at work now."""
        with suppress(EngineError):
            everything = self._engine.owned()
            return {one.run for one in everything if one.live and one.run not in ("", self._run)}
        return set()

    def _held(
        self, steps: Sequence[Step], live: LiveBlock
    ) -> dict[Step, Prepared | Failure | Skip]:
        """Start servers, and every client that pauses by its own design: all pauses pass together.

        A server without a client only listens. An engine that goes away meanwhile is left to the
        first step, which sees and records it.
        """
        possible = [(step, pair) for step in steps if (pair := self._up(step, live))]
        early = [step for step, _ in possible if not self._holdable(step)][:_EARLY]
        chosen = [(step, pair) for step, pair in possible if self._holdable(step) or step in early]
        with Pool(max_workers=_AT_ONCE) as pool:
            begun = {step: pool.submit(self._prepare, pair, step) for step, pair in chosen}
        held: dict[Step, Prepared | Failure | Skip] = {}
        for step, future in begun.items():
            with suppress(EngineLost):
                held[step] = future.result()
        return held

    def _holdable(self, step: Step) -> bool:
        probe = self._plan.probes[step.cell.probe]
        return isinstance(probe, Probe) and probe.holdable > 0

    def _up(self, step: Step, live: LiveBlock) -> LivePair | None:
        """Return the pair on which a step's tools can be started, None where they cannot."""
        pair = live.pairs.get(step.arm)
        probe = self._plan.probes[step.cell.probe]
        if isinstance(probe, Lifecycle) or not isinstance(pair, LivePair):
            return None
        with suppress(EngineLost):
            return pair if self._possible.ruled_out(step, pair) is None else None
        return None

    def _prepare(self, pair: LivePair, step: Step) -> Prepared | Failure | Skip:
        try:
            return self._trials.prepare(pair, step)
        except TrialFailed as exc:
            return exc.outcome
        except EngineLost:
            raise
        except (EngineError, FactError) as exc:
            return Failure("engine", str(exc), "")

    def _steps(self, block: BlockPlan, live: LiveBlock, began: float) -> Iterator[Event]:
        """Run every step, then again those whose machine state was mixed, within the budget."""
        steps: Sequence[Step] = block.steps
        self._course.begin(steps)
        for attempt in range(1, _ATTEMPTS + 1):
            if attempt > 1:
                steps = self._course.again(steps)
                if self._too_late(block.number, began, self._course.pace.trials(steps)):
                    return
                self._course.rerun(steps)
            if not steps:
                return
            steps = yield from self._attempt(block, live, steps, attempt)

    def _attempt(
        self, block: BlockPlan, live: LiveBlock, steps: Sequence[Step], attempt: int
    ) -> Generator[Event, None, list[Step]]:
        """Run steps one after another; return those of mixed state."""
        mixed: list[Step] = []
        held = self._held(steps, live)
        try:
            if attempt == 1:
                self._meter.rest()  # while held clients' pauses pass: all of them are stopped
            for step in steps:
                where = self._where(block, step, attempt)
                yield TrialStarted(step, where.attempt)
                record = yield from self._step(where, live, held.pop(step, None))
                if self._course.mixed(record):
                    mixed.append(step)
        finally:
            for left in held.values():
                if isinstance(left, Prepared):
                    left.end()
        return mixed

    def _where(self, block: BlockPlan, step: Step, attempt: int) -> Where:
        self._course.number += 1
        before = self._course.attempts(block.number)
        return Where(self._course.number, block.number, before + attempt, step)

    def _step(
        self, where: Where, live: LiveBlock, prepared: Prepared | Failure | Skip | None
    ) -> Generator[Event, None, Record]:
        """Run one step, yield its record, return it."""
        pair = live.pairs.get(where.step.arm)
        try:
            record = self._record(where, pair, prepared)
        except EngineLost as exc:
            lost = Failure("engine", f"the engine went away: {exc}", "")
            yield TrialFinished(_with_facts(never_ran(where, lost), pair))
            raise
        record = _with_facts(record, pair)
        self._course.take(record)
        yield TrialFinished(record)
        return record

    def _record(
        self,
        where: Where,
        pair: LivePair | NotUp | None,
        prepared: Prepared | Failure | Skip | None,
    ) -> Record:
        ready = prepared or self._ready(where.step, pair)
        if isinstance(ready, Failure | Skip):
            return never_ran(where, ready)
        if isinstance(ready, Prepared):
            return self._trials.carry_out(where, ready)
        return self._lifecycles.carry_out(where, self._plan.driver(where.step.arm.driver), ready)

    def _ready(
        self, step: Step, pair: LivePair | NotUp | None
    ) -> Prepared | Lifecycle | Failure | Skip:
        """Return a step's trial, or the outcome of a step that has none."""
        ruled_out = self._possible.ruled_out(step, pair)
        if ruled_out is not None:
            return ruled_out
        if not isinstance(pair, LivePair):
            return Failure("create", "the pair is not up", "")
        probe = self._plan.probes[step.cell.probe]
        return probe if isinstance(probe, Lifecycle) else self._prepare(pair, step)


def _with_facts(record: Record, pair: LivePair | NotUp | None) -> Record:
    """Add what is known of the pair to a record, where the trial itself read nothing."""
    if not isinstance(pair, LivePair):
        return record
    hops = pair.driver.hops(record.cell.path, pair.facts)
    endpoints = record.endpoints or trimmed(pair.facts, hops)
    return replace(record, promises=record.promises or pair.promises, endpoints=endpoints)
