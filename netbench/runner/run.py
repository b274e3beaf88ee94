"""The run: block after block, every arm of a probe back to back (METHOD §1)."""

import math
import time
from collections.abc import Container, Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace

from netbench.engines.base import Engine
from netbench.errors import EngineError, EngineLost, FactError
from netbench.facts.base import Reader
from netbench.plan import BlockPlan, Plan, Step
from netbench.probes import Lifecycle, Probe
from netbench.record import Failure, Record, Ruling, Sample, Skip
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
from netbench.runner.pace import Pace
from netbench.runner.possible import Possible
from netbench.runner.prepared import Prepared
from netbench.runner.settle import TrialFailed
from netbench.runner.trial import SaveRaw, TrialRunner, Where, never_ran
from netbench.sentinel.measure import Sentinel
from netbench.sentinel.rule import classify, split, usable
from netbench.spec import Cell, Placement
from netbench.topology import LiveBlock, LivePair, NotUp, trimmed

_ATTEMPTS = 3
"""A trial of mixed state is run again at most twice."""
_AT_ONCE = 3
"""Clients brought into their pause at a time."""
_SPARE_PORTS = 2
"""Published ports beyond one for each cell of a driver: a rerun may find the last one waiting."""
_RERUN_SHARE = 0.05
"""Reruns take at most this share of the trials so far."""
_LEAST_RERUNS = 2
"""A run may have so many whatever their share."""


class Runner:
    """Folds one plan over one engine."""

    def __init__(
        self,
        plan: Plan,
        engine: Engine,
        reader: Reader,
        *,
        save_raw: SaveRaw,
        keep: bool = False,
        judge: Judge | None = None,
        sentinel: Sentinel | None = None,
        meter: MachineMeter | None = None,
    ) -> None:
        """Prepare; nothing is made yet.

        Args:
            plan: to fold.
            engine: makes what it needs.
            reader: reads facts.
            save_raw: keeps what tools print.
            keep: leave the last block's pairs up.
            judge: says which cells leave; None keeps all of them to the last block.
            sentinel: for those who bring their own.
            meter: the same.
        """
        self._plan = plan
        self._engine = engine
        self._reader = reader
        self._keep = keep
        self._sentinel = sentinel or Sentinel()
        self._meter = meter or MachineMeter(engine)
        self._trials = TrialRunner(
            engine, reader, plan, self._sentinel, save_raw, meter=self._meter
        )
        self._lifecycles = LifecycleRunner(engine, reader, save_raw)
        self._possible = Possible(plan, engine)
        self._readings: dict[Placement, list[float]] = {}
        self._number = 0
        self._judge = judge
        self._settled: set[Cell] = set()
        self._pace = Pace()
        self._planned = self._reruns = 0
        """First attempts up to the block that runs, and reruns so far."""

    def __iter__(self) -> Iterator[Event]:
        """Run the plan.

        Raises:
            EngineLost: after the record of the trial that saw it.
        """
        began = time.monotonic()
        with self._sentinel:
            for number in range(1, self._plan.blocks + 1):
                block = self._block_of(number, self._settled)
                if not block.steps:
                    break
                if self._too_late(number, began, self._pace.longest(block.steps)):
                    yield Ended("out-of-time")
                    return
                started = time.monotonic()
                yield from self._block(block, began)
                self._pace.close(block.steps, time.monotonic() - started)
                if self._judge is not None:
                    yield self._judged(self._judge.rule(number), number, began)
        yield Ended("complete")

    def _block_of(self, number: int, settled: Container[Cell]) -> BlockPlan:
        return self._plan.block(number).without(settled, self._plan.baseline)

    def _judged(self, ruling: Ruling, number: int, began: float) -> Judged:
        """Take cells out that are settled, and forecast what the others take."""
        self._settled |= {settled.cell for settled in ruling.settled}
        trials, seconds = 0, 0.0
        for later in range(number + 1, self._plan.blocks + 1):
            gone = {c.cell for c in ruling.left if c.blocks is not None and c.blocks < later}
            steps = self._block_of(later, self._settled | gone).steps
            needed = seconds + self._pace.block(steps)
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
            self._meter.rest()
            yield from self._steps(block, live, began)
        yield BlockFinished(block.number, time.monotonic() - started, tuple(live.left))

    def _held(
        self, steps: Sequence[Step], live: LiveBlock
    ) -> dict[Step, Prepared | Failure | Skip]:
        """Start every client that pauses by its own design, so that all pauses pass together.

        An engine that goes away meanwhile is left to the first step, which sees and records it.
        """
        holdable = [(step, pair) for step in steps if (pair := self._holdable(step, live))]
        with ThreadPoolExecutor(max_workers=_AT_ONCE) as pool:
            begun = {step: pool.submit(self._prepare, pair, step) for step, pair in holdable}
        held: dict[Step, Prepared | Failure | Skip] = {}
        for step, future in begun.items():
            with suppress(EngineLost):
                held[step] = future.result()
        return held

    def _holdable(self, step: Step, live: LiveBlock) -> LivePair | None:
        """Return the pair on which a step's client can be held, None where it cannot."""
        pair = live.pairs.get(step.arm)
        probe = self._plan.probes[step.cell.probe]
        if not (isinstance(pair, LivePair) and isinstance(probe, Probe) and probe.holdable):
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
        self._planned += len(steps)
        for attempt in range(1, _ATTEMPTS + 1):
            if attempt > 1:
                allowed = max(_LEAST_RERUNS, math.ceil(_RERUN_SHARE * self._planned))
                steps = steps[: max(0, allowed - self._reruns)]
                if self._too_late(block.number, began, self._pace.trials(steps)):
                    return
                self._reruns += len(steps)
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
            for step in steps:
                yield TrialStarted(step, attempt)
                where = self._where(block, step, attempt)
                record = yield from self._step(where, live, held.pop(step, None))
                if self._is_mixed(record):
                    mixed.append(step)
        finally:
            for left in held.values():
                if isinstance(left, Prepared):
                    left.end()
        return mixed

    def _where(self, block: BlockPlan, step: Step, attempt: int) -> Where:
        self._number += 1
        return Where(self._number, block.number, attempt, step)

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
        self._note_readings(record)
        record = _with_facts(record, pair)
        self._pace.take(record)
        if self._judge is not None:
            self._judge.take(record)
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

    def _note_readings(self, record: Record) -> None:
        values = self._readings.setdefault(record.cell.placement, [])
        for reading in (record.sentinel.before, record.sentinel.after):
            value = usable(reading)
            if value is not None:
                values.append(value)

    def _is_mixed(self, record: Record) -> bool:
        if not isinstance(record.outcome, Sample):
            return False
        threshold = split(self._readings[record.cell.placement])
        return classify(record.sentinel, threshold) == "mixed"


def _with_facts(record: Record, pair: LivePair | NotUp | None) -> Record:
    """Add what is known of the pair to a record, where the trial itself read nothing."""
    if not isinstance(pair, LivePair):
        return record
    hops = pair.driver.hops(record.cell.path, pair.facts)
    endpoints = record.endpoints or trimmed(pair.facts, hops)
    return replace(record, promises=record.promises or pair.promises, endpoints=endpoints)
