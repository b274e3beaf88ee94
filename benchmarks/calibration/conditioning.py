"""Does conditioning on the sentinel's state favour an arm? Simulated runs, judged as real ones are.

    python benchmarks/calibration/conditioning.py [--campaigns 400] [--blocks 12] [--rule NAME]

A hidden machine switches between two states at random times; trials and readings see the state of
their own moment, each with noise of its own. Runs of host against bridge with the A/A arm, blocks
in random order, mixed trials run again as the runner does, are handed to `netbench.analysis` as
records. `--rule` puts another rule for the threshold between states in the place of METHOD's, to
see whether it would do better. Without an effect a verdict other than `equivalent` or `undecided`
is false; with one, the ratio must be the true one.
"""

import argparse
import math
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Final

import numpy as np
from studies import RULES, Rule

from netbench.analysis import Verdict, analyse, states
from netbench.record import (
    SCHEMA,
    Clock,
    Measurement,
    Pins,
    PlanSummary,
    Record,
    RunInfo,
    Sample,
    SentinelReading,
    SentinelWindow,
)
from netbench.sentinel.rule import classify, usable
from netbench.spec import Cell, Path, Placement

ARMS: Final = (("host", 0), ("host", 1), ("bridge", 0))
TRIAL, STEP = 1.5, 2.5
"""Seconds of a trial, and from one to the next."""
READ: Final = 0.1
"""Seconds before and after a trial at which the readings lie."""
NEAR, FAR = 50e9, 17e9
ATTEMPTS: Final = 3


@dataclass(frozen=True, slots=True)
class World:
    """The conditions of a simulated run."""

    name: str
    effect: float = 1.0
    """True ratio of bridge to host."""
    dwell: float = 30.0
    """Mean seconds in a state; infinite for one state."""
    fall: float = 0.5
    """Throughput of the far state to that of the near one."""
    noise: float = 0.03
    """Deviation of a trial's logarithm."""
    reading: float = 0.05
    """Deviation of a reading's logarithm."""
    blind: bool = False
    """Whether the run has no sentinel."""
    push: float = 1.0
    """Factor on the reading just after a trial of bridge: a sentinel that an arm disturbs."""
    between: bool = False
    """Whether each stay in the far state has a level of its own, anywhere between both."""


WORLDS: Final = (
    World("one state", dwell=math.inf),
    World("two states"),
    World("two states, 0.9", effect=0.9),
    World("two states, fast", dwell=8.0),
    World("two states, fast, 0.9", effect=0.9, dwell=8.0),
    World("two states, noisy sentinel", reading=0.15),
    World("two states, noisy sentinel, 0.9", effect=0.9, reading=0.15),
    World("noisy sentinel", reading=0.3),
    World("noisy sentinel, 0.9", effect=0.9, reading=0.3),
    World("useless sentinel", reading=1.0),
    World("useless sentinel, 0.9", effect=0.9, reading=1.0),
    World("levels in between", between=True),
    World("levels in between, 0.9", effect=0.9, between=True),
    World("no sentinel", blind=True),
    World("no sentinel, 0.9", effect=0.9, blind=True),
    World("bridge disturbs the sentinel", push=0.6),
    World("bridge disturbs the sentinel, 0.9", effect=0.9, push=0.6),
)


class Machine:
    """Two states in turn, each for an exponential time."""

    def __init__(self, world: World, random: np.random.Generator) -> None:
        """Start in either state."""
        self.world = world
        self._random = random
        self._near = bool(random.random() < 1 / 2)
        self._times = [0.0]
        self._depths = [1.0]

    def depth(self, at: float) -> float:
        """Return how far the machine is from the near state at a moment, 0 to 1."""
        while math.isfinite(self.world.dwell) and self._times[-1] <= at:
            self._times.append(self._times[-1] + self._random.exponential(self.world.dwell))
            self._depths.append(float(self._random.random()) if self.world.between else 1.0)
        stay = int(np.searchsorted(self._times, at, side="right")) - 1
        return 0.0 if self._near ^ bool(stay % 2) else self._depths[stay]

    def reading(self, at: float, push: float = 1.0) -> SentinelReading | None:
        """Return what the sentinel says at a moment."""
        if self.world.blind:
            return None
        level = NEAR * (FAR / NEAR) ** self.depth(at)
        return SentinelReading(level * push * self._noise(self.world.reading), at)

    def speed(self, at: float) -> float:
        """Return what a trial of host gives that begins then: the mean over its states."""
        moments = np.linspace(at, at + TRIAL, 16)
        level = np.mean([self.world.fall ** self.depth(float(t)) for t in moments])
        return 30e9 * float(level) * self._noise(self.world.noise)

    def _noise(self, deviation: float) -> float:
        return math.exp(self._random.normal(0, deviation))


def records(world: World, blocks: int, random: np.random.Generator, rule: Rule) -> Iterator[Record]:
    """Yield a run's records, mixed trials again at the end of their block."""
    machine, readings, number, now = Machine(world, random), [], 0, 1.0
    for block in range(1, blocks + 1):
        steps = [ARMS[i] for i in random.permutation(len(ARMS))]
        for attempt in range(1, ATTEMPTS + 1):
            again = []
            for position, arm in enumerate(steps, start=1):
                number += 1
                record = trial(machine, now, Place(number, block, position, attempt), arm=arm)
                now += STEP
                around = (record.sentinel.before, record.sentinel.after)
                readings += [v for one in around if (v := usable(one)) is not None]
                if classify(record.sentinel, rule(readings)) == "mixed":
                    again.append(arm)
                yield record
            steps = again
        now += STEP


@dataclass(frozen=True, slots=True)
class Place:
    """Which trial of a run it is."""

    number: int
    block: int
    position: int
    attempt: int


def trial(machine: Machine, now: float, place: Place, *, arm: tuple[str, int]) -> Record:
    """Return one trial of the machine at that moment."""
    driver, replica = arm
    world = machine.world
    ours = driver == "bridge"
    value = machine.speed(now) * (world.effect if ours else 1.0)
    before = machine.reading(now - READ)
    after = machine.reading(now + TRIAL + READ, world.push if ours else 1.0)
    return Record(
        number=place.number,
        block=place.block,
        position=place.position,
        attempt=place.attempt,
        cell=_cell(driver),
        replica=replica,
        outcome=Sample((Measurement("throughput", value, "bit/s"),), received=1),
        clock=Clock("2026-01-01T00:00:00Z", now, TRIAL, TRIAL),
        pins=Pins(0, 1, "0", "1"),
        sentinel=SentinelWindow("none" if world.blind else "stream", before, after),
        tools=(),
        endpoints=(),
        promises=(),
        path=None,
    )


def _cell(driver: str) -> Cell:
    return Cell(driver, Path.EAST_WEST, "tcp-throughput", Placement.CROSS)


def information(blocks: int) -> RunInfo:
    """Return what stands in `run.json` of a simulated run."""
    plan = PlanSummary(
        suite="simulated",
        drivers=("host", "bridge"),
        baseline="host",
        cells=(_cell("host"), _cell("bridge")),
        blocks=blocks,
        max_time=None,
        seed=0,
        margin=0.05,
        placements=(),
        congestion_control=None,
    )
    return RunInfo(
        schema=SCHEMA,
        id="simulated",
        version="0",
        created="2026-01-01T00:00:00Z",
        command=(),
        engine="netns",
        engine_why="simulated",
        plan=plan,
        tools=(),
        facts=(),
        status="complete",
        wall=1.0,
    )


@dataclass(frozen=True, slots=True)
class Judged:
    """What came of one run."""

    verdict: Verdict
    ratio: float | None
    covered: bool | None
    """Whether the interval holds the true ratio; None where it is unbounded."""
    warned: bool
    """Whether a warning says that the sentinel follows the driver."""


def campaign(world: World, blocks: int, rule: str, seed: int) -> Judged:
    """Simulate one run and judge it."""
    states.split = RULES[rule]  # type: ignore[assignment] # both turn values into a threshold
    found = records(world, blocks, np.random.default_rng(seed), RULES[rule])
    analysis = analyse(information(blocks), found)
    contrast = next(c for c in analysis.contrasts if c.headline and c.metric == "throughput")
    bounded = contrast.low is not None and contrast.high is not None
    return Judged(
        verdict=contrast.verdict,
        ratio=contrast.ratio,
        covered=contrast.low <= world.effect <= contrast.high if bounded else None,
        warned=any(w.kind == "sentinel-follows-driver" for w in analysis.warnings),
    )


def row(world: World, blocks: int, campaigns: int, rule: str, pool: ProcessPoolExecutor) -> str:
    """Return one line of the table."""
    judge = partial(campaign, world, blocks, rule)
    judged = list(pool.map(judge, range(campaigns), chunksize=8))
    counts = {v: sum(one.verdict is v for one in judged) / campaigns for v in Verdict}
    logs = [math.log(one.ratio) for one in judged if one.ratio is not None]
    covered = [one.covered for one in judged if one.covered is not None]
    cells = (
        world.name,
        f"{world.effect:g}",
        *(f"{counts[v]:.1%}" for v in Verdict),
        f"{math.exp(float(np.mean(logs))):.3f}",
        f"{np.std(logs, ddof=1):.3f}",
        f"{np.mean(covered):.1%}" if covered else "-",
        f"{sum(one.warned for one in judged) / campaigns:.1%}",
    )
    return "| " + " | ".join(cells) + " |"


def table(blocks: int, campaigns: int, rule: str) -> Iterator[str]:
    """Yield the table's lines in Markdown as worlds are done."""
    head = ("world", "true ratio", *(v.value for v in Verdict), "mean ratio", "its deviation")
    names = (*head, "interval holds the truth", "sentinel follows driver")
    yield "| " + " | ".join(names) + " |"
    yield "|" + "---|" * len(names)
    with ProcessPoolExecutor(max_workers=1) as pool:
        for world in WORLDS:
            yield row(world, blocks, campaigns, rule, pool)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--campaigns", type=int, default=400)
    parser.add_argument("--blocks", type=int, default=12)
    parser.add_argument("--rule", choices=tuple(RULES), default=next(iter(RULES)))
    given = parser.parse_args()
    for line in table(given.blocks, given.campaigns, given.rule):
        print(line, flush=True)


if __name__ == "__main__":
    main()
