"""The run: block after block, in each the rounds and the trials of every probe (METHOD §1)."""

from collections.abc import Generator, Iterator
from contextlib import suppress
from typing import Final

from netbench.engines.base import Engine
from netbench.errors import ENGINE_FAILURES
from netbench.facts.base import Reader
from netbench.plan import BlockPlan, Plan
from netbench.record import Ruling
from netbench.runner.blocks import BlockRunner
from netbench.runner.events import BlockFinished, BlockJudged, BlockStarted, Ended, Event
from netbench.runner.feasibility import Feasibility
from netbench.runner.lifecycle import LifecycleRunner
from netbench.runner.machine import MachineMeter
from netbench.runner.recording import Recorder, SaveRaw
from netbench.runner.run_state import Judge, RunState
from netbench.runner.sessions import SessionRunner
from netbench.runner.setup import TrialSetup
from netbench.runner.trial import TrialRunner
from netbench.sentinel.measure import Sentinel
from netbench.topology import LiveBlock, choose_sentinel

_SPARE_PORTS: Final = 2
"""Published ports beyond one for each cell of a driver: one may wait for old connections."""


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
        state: RunState | None = None,
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
            state: of a run that goes on, instead of a judge.
            sentinel: for those who bring their own.
            meter: the same.
        """
        self._plan = plan
        self._engine = engine
        self._reader = reader
        self._run = run
        self._keep = keep
        self._sentinel = sentinel or choose_sentinel(engine)
        meter = meter or MachineMeter(engine)
        self._clock = meter.clock
        self._feasibility = Feasibility(plan, engine)
        self._state = state or RunState(plan, judge)
        setup = TrialSetup(engine, plan, self._clock)
        recorder = Recorder(engine, reader, save_raw)
        self._blocks = BlockRunner(
            plan,
            self._feasibility,
            self._state,
            sessions=SessionRunner(plan, setup, recorder, meter, self._sentinel),
            trials=TrialRunner(plan, setup, recorder, meter),
            lifecycles=LifecycleRunner(engine, reader, save_raw),
            meter=meter,
            sentinel=self._sentinel,
        )

    def __iter__(self) -> Generator[Event]:
        """Run the plan.

        Raises:
            EngineLost: after the record of the trial that saw it.
        """
        state = self._state
        began = self._clock.now() - state.spent
        with self._sentinel:
            for number in range(state.block + 1, self._plan.blocks + 1):
                block = state.plan(number)
                if not block.steps:
                    break
                if self._too_late(number, began, state.eta.longest(block.steps)):
                    yield Ended("out-of-time")
                    return
                started = self._clock.now()
                yield from self._block(block)
                ruling = state.close(block, self._clock.now() - started)
                if ruling is not None:
                    yield self._judged(ruling, number, began)
        yield Ended("complete")

    def _judged(self, ruling: Ruling, number: int, began: float) -> BlockJudged:
        """Forecast what the cells take that are not settled."""
        trials, seconds = 0, 0.0
        for later in range(number + 1, self._plan.blocks + 1):
            gone = {c.cell for c in ruling.left if c.blocks is not None and c.blocks < later}
            steps = self._state.plan(later, gone).steps
            needed = seconds + self._state.eta.block(steps)
            if not steps or self._too_late(later, began, needed):
                break
            trials, seconds = trials + len(steps), needed
        return BlockJudged(number, ruling, trials, seconds)

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
            [
                (arm, self._plan.driver(arm.driver))
                for arm in block.arms
                if self._feasibility.has(arm)
            ],
            prefix=f"b{block.number}",
            cpus=self._plan.run_cpus,
            paths=self._feasibility.paths,
            ports=self._plan.servers + _SPARE_PORTS,
            protocols=self._plan.protocols,
            keep=self._keep,
        )
        with live:
            self._feasibility.learn(live)
            others = self._others()
            yield from self._blocks.run(block, live)
            others |= self._others()
        left = tuple(live.left)
        yield BlockFinished(block.number, self._clock.now() - started, left, tuple(sorted(others)))

    def _others(self) -> set[str]:
        """Return the runs of other netbenches that are at work now."""
        with suppress(*ENGINE_FAILURES):
            everything = self._engine.owned()
            return {one.run for one in everything if one.live and one.run not in ("", self._run)}
        return set()
