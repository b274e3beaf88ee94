"""Whole runs made of numbers: what a harness would record under conditions the test chooses."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from netbench.record import (
    METRICS,
    SCHEMA,
    Measurement,
    Pins,
    PlanSummary,
    Record,
    RunInfo,
    Sample,
    SentinelReading,
    SentinelWindow,
    TrialTimes,
)
from netbench.record.outcome import Outcome
from netbench.spec import Cell, Path, Placement

Model = Callable[[str, int, int], float | Outcome]
"""Driver, replica, block -> the trial's value, or an outcome without one."""


@dataclass(frozen=True)
class Campaign:
    """One probe on one placement for several drivers, block by block."""

    model: Model
    drivers: tuple[str, ...] = ("host", "bridge")
    blocks: int = 8
    metric: str = "throughput"
    probe: str = "tcp-throughput"
    placement: Placement = Placement.CROSS
    sentinel: Callable[[int, str, int], tuple[float | None, float | None]] = lambda *_: (50e9, 50e9)
    margin: float = 0.05
    baseline: str = "host"
    seed: int = 1
    adaptive: bool = False
    least: int = 6
    precision: float = 0.03
    cap: int | None = None
    """Blocks that were declared first; None for all of them."""

    def info(self) -> RunInfo:
        cells = tuple(
            Cell(driver, Path.EAST_WEST, self.probe, self.placement) for driver in self.drivers
        )
        return RunInfo(
            schema=SCHEMA,
            id="test",
            version="0",
            created="2025-01-01T00:00:00Z",
            command=("netbench", "run"),
            engine="netns",
            engine_why="asked for",
            plan=PlanSummary(
                suite="test",
                drivers=self.drivers,
                baseline=self.baseline,
                cells=cells,
                blocks=self.blocks,
                cap=self.cap or self.blocks,
                max_time=None,
                seed=self.seed,
                margin=self.margin,
                placements=(),
                congestion_control=None,
                adaptive=self.adaptive,
                least=self.least,
                precision=self.precision,
            ),
            tools=(),
            facts=(),
            status="complete",
            wall=1000.0,
        )

    def records(self) -> list[Record]:
        return list(self._records())

    def _records(self) -> Iterator[Record]:
        order = np.random.default_rng(self.seed)
        number = 0
        for block in range(1, self.blocks + 1):
            arms = [(driver, 0) for driver in self.drivers] + [(self.baseline, 1)]
            order.shuffle(arms)
            for position, (driver, replica) in enumerate(arms, start=1):
                number += 1
                yield self.record(number, block, position, driver, replica)

    def record(self, number: int, block: int, position: int, driver: str, replica: int) -> Record:
        given = self.model(driver, replica, block)
        before, after = self.sentinel(block, driver, replica)
        return Record(
            number=number,
            block=block,
            position=position,
            attempt=1,
            cell=Cell(driver, Path.EAST_WEST, self.probe, self.placement),
            replica=replica,
            outcome=sample(self.metric, given) if isinstance(given, float) else given,
            clock=TrialTimes("2025-01-01T00:00:00Z", 10.0 * number, 5.0, 2.0),
            pins=Pins(0, 1, "0", "1"),
            sentinel=window(before, after, at=10.0 * number),
            tools=(),
            endpoints=(),
            promises=(),
            path=None,
        )


def sample(metric: str, value: float, **more: float) -> Sample:
    """A sample of one metric or several; a throughput comes with its retransmits."""
    values = {metric: value, **({"retransmits": 0.0} if metric == "throughput" else {}), **more}
    return Sample(
        measurements=tuple(Measurement(m, v, METRICS[m].unit) for m, v in values.items()),
        received=1,
        details=(("congestion_control", "cubic"),),
    )


def window(before: float | None, after: float | None, at: float = 0.0) -> SentinelWindow:
    """The readings around a trial at that moment."""
    return SentinelWindow(
        method="none" if before is None and after is None else "stream",
        before=None if before is None else SentinelReading(before, at),
        after=None if after is None else SentinelReading(after, at + 3.0),
        note="" if before is not None and after is not None else "not possible here",
    )


def renumbered(records: Iterable[Record]) -> list[Record]:
    """The same records in this order, numbered anew: several campaigns as one run."""
    return [replace(record, number=number) for number, record in enumerate(records, start=1)]


def noisy(
    effects: dict[str, float], *, level: float = 20e9, deviation: float = 0.01, seed: int = 1
) -> Model:
    """Log-normal noise around `level` times each driver's effect, drawn trial by trial."""
    noise = np.random.default_rng(seed)
    return lambda driver, _replica, _block: (
        level * effects.get(driver, 1.0) * float(np.exp(noise.normal(0.0, deviation)))
    )
