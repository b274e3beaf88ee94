"""The run: block after block, in each the rounds or the trials of every probe (METHOD §1)."""

from collections.abc import Generator, Iterator
from contextlib import suppress
from dataclasses import dataclass

from netbench.errors import ENGINE_FAILURES
from netbench.plan import BlockPlan, Plan
from netbench.record import Ruling
from netbench.runner.block import BlockRunner
from netbench.runner.feasibility import Feasibility
from netbench.runner.recording import Recorder
from netbench.runner.run_state import (
    BlockFinished,
    BlockJudged,
    BlockStarted,
    Ended,
    Event,
    RunState,
)
from netbench.runner.setup import TrialSetup
from netbench.spec import SPARE_PORTS
from netbench.topology.pairs import LiveBlock


@dataclass
class Runner:
    """Folds one plan over one engine; iterating runs it."""

    plan: Plan
    recorder: Recorder
    state: RunState
    run: str = ""  # id of the run, to tell others from it
    keep: bool = False  # whether the last block's pairs are left up

    def __post_init__(self) -> None:
        """Ask the engine what it can do; nothing is made yet."""
        engine, self._clock = self.recorder.engine, self.recorder.meter.clock
        self._feasibility = Feasibility(self.plan, engine)
        self._setup = TrialSetup(engine, self.plan, self._clock)
        self.kept: LiveBlock | None = None  # the last block that came up, with `keep`

    def __iter__(self) -> Generator[Event]:
        """Run the plan; raises `EngineLost` after the record of the trial that saw it."""
        state = self.state
        began = self._clock.now() - state.spent
        with self.recorder.sentinel:
            for number in state.upcoming(self.plan.blocks):
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
        for later in range(number + 1, self.plan.blocks + 1):
            gone = {c.cell for c in ruling.left if c.blocks is not None and c.blocks < later}
            steps = self.state.plan(later, gone).steps
            needed = seconds + self.state.eta.block(steps)
            if not steps or self._too_late(later, began, needed):
                break
            trials, seconds = trials + len(steps), needed
        return BlockJudged(number, ruling, trials, seconds)

    def _too_late(self, number: int, began: float, needed: float) -> bool:
        limit = self.plan.max_time
        if limit is None or number <= max(self.plan.unhurried, self.state.owed):
            return False
        return self._clock.now() - began + needed > limit

    def _block(self, block: BlockPlan) -> Iterator[Event]:
        started = self._clock.now()
        self.recorder.engine.turn(block.number)
        yield BlockStarted(block.number, self.plan.blocks, len(block.steps))
        left = self._remove_kept()
        arms = [one for one in block.arms if self._feasibility.has(one)]
        live = LiveBlock(
            self.recorder.engine,
            self.recorder.reader,
            [(one, self.plan.driver(one.driver)) for one in arms],
            prefix=f"b{block.number}",
            cpus=self.plan.run_cpus,
            paths=self._feasibility.paths,
            ports=self.plan.servers + SPARE_PORTS,
            protocols=self.plan.protocols,
            fixed=self.plan.second_ports,
            keep=self.keep,
        )
        with live:
            self.kept = live if self.keep else None
            self._feasibility.learn(live)
            others = self._others()
            shared = self._feasibility, self.state, self._setup, self.recorder
            yield from BlockRunner(*shared, block, live).run()
            others |= self._others()
        left += live.left
        seconds = self._clock.now() - started
        yield BlockFinished(block.number, seconds, tuple(left), tuple(sorted(others)))

    def _remove_kept(self) -> list[str]:
        """Remove the pairs of the block before; return what stays, in words."""
        kept, self.kept = self.kept, None
        if kept is None:
            return []
        kept.remove()
        return kept.left

    def _others(self) -> set[str]:
        """Return the runs of other netbenches that are at work now."""
        with suppress(*ENGINE_FAILURES):
            everything = self.recorder.engine.owned()
            return {one.run for one in everything if one.live and one.run not in ("", self.run)}
        return set()
