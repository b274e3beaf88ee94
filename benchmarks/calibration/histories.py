"""How often is a history read wrong? Made-up histories; writes results/histories.jsonl.

A history has 40 runs of one ratio, with two steps, a slow drift and a change of kernel, each at a
place of its own. It goes the way of `netbench trend`: breaks by what the runs recorded, then steps
and drifts. The second part holds two runs against each other, as `compare --history` does, beside
histories of a known scatter.
"""

import argparse
import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from multiprocessing import Pool
from pathlib import Path
from typing import Final
from zlib import crc32

import numpy as np

from netbench.analysis.block_pairs import Key
from netbench.analysis.compare.differences import Scope
from netbench.analysis.compare.model import Basis
from netbench.analysis.stats import ALPHA, Floats, welch
from netbench.analysis.trend import trend
from netbench.analysis.trend.history import SeriesRuns
from netbench.analysis.trend.model import HistoryRun, RunFigure, SeriesKey, TrendSeries
from netbench.record import SCHEMA, PlanSummary, RunInfo
from netbench.spec import Cell, Placement
from netbench.spec import Path as Way

RESULTS: Final = Path(__file__).parent / "results" / "histories.jsonl"
RUNS: Final = 40
BETWEEN: Final = 0.01
"""Standard deviation between runs, of logarithms."""
BLOCKS: Final = 12
BLOCK: Final = 0.02
"""Standard deviation between blocks, of logarithms."""
APART: Final = 5
"""Runs between two changes, or a change and an end, at least."""
NEAR: Final = 1
"""Runs by which a step may be told too early or too late."""
CELL: Final = Cell("bridge", Way.EAST_WEST, "tcp-rr", Placement.SAME)
KEY: Final = SeriesKey("bridge", "host", Key.of(CELL, "rtt_p50"), Basis.RELATIVE)
PLAN: Final = PlanSummary(
    suite="made up",
    drivers=("host", "bridge"),
    baseline="host",
    cells=(CELL,),
    blocks=BLOCKS,
    cap=BLOCKS,
    max_time=None,
    seed=1,
    margin=0.05,
    placements=(),
    congestion_control=None,
)
INFO: Final = RunInfo(
    schema=SCHEMA,
    id="made up",
    version="made up",
    created="",
    command=(),
    engine="netns",
    engine_why="made up",
    plan=PLAN,
    tools=(),
    facts=(),
)


@dataclass(frozen=True, slots=True)
class Story:
    """What happens in the histories of a row."""

    steps: float
    """Size of both, as a ratio less 1; each goes up or down."""
    drift: float
    """Its whole change, over 12 to 20 runs; 0 for none."""
    kernel: float
    """What the other kernel changes; 0 for nothing but its name."""
    odd: bool = False
    """Whether runs have the heavy tails of Student's t with 3 degrees of freedom."""


@dataclass(frozen=True, slots=True)
class Told:
    """How the histories of a row were read."""

    story: Story
    histories: int
    known: int
    """Steps that there are."""
    found: int
    """Those told, within one run."""
    false: int
    """Steps told where there is none, within one run."""
    spoiled: int
    """Histories with any of them."""
    at_kernel: int
    """Steps told at the change of kernel."""
    breaks: int
    """Histories in which that change, and nothing else, is told as a break."""
    drifts: int
    """Histories whose drift is told: a drift of the same direction that lies half within it."""
    other_drifts: int
    """Drifts told that lie elsewhere."""


@dataclass(frozen=True, slots=True)
class Made:
    """A made-up history."""

    runs: tuple[HistoryRun, ...]
    steps: tuple[int, ...]
    drift: tuple[int, int, float]
    """First, last and change."""
    kernel: int


def noise(random: np.random.Generator, count: int, *, odd: bool) -> Floats:
    """Return what runs differ by when nothing has changed, with unit variance."""
    found: Floats = random.normal(0, 1, count)
    return random.standard_t(3, count) / math.sqrt(3) if odd else found


def make(story: Story, random: np.random.Generator) -> Made:
    """Return one history; its places are drawn anew."""
    while True:
        places = np.sort(random.choice(np.arange(APART, RUNS - APART + 1), 3, replace=False))
        if np.all(np.diff(places) >= APART):
            break
    first, second, kernel = map(int, random.permutation(places))
    at = np.arange(RUNS)
    levels = np.log1p(story.kernel) * random.choice([-1, 1]) * (at >= kernel)
    for step in (first, second) if story.steps else ():
        levels = levels + np.log1p(story.steps) * random.choice([-1, 1]) * (at >= step)
    length = int(random.integers(12, 21))
    begin = int(random.integers(0, RUNS - length + 1))
    change = np.log1p(story.drift) * random.choice([-1, 1])
    levels = levels + change * np.clip((at - begin) / (length - 1), 0, 1)
    levels = levels + BETWEEN * noise(random, RUNS, odd=story.odd)
    levels = levels + random.normal(0, BLOCK / math.sqrt(BLOCKS), RUNS)
    variances = BLOCK**2 * random.chisquare(BLOCKS - 1, RUNS) / (BLOCKS - 1) / BLOCKS
    return Made(
        runs=tuple(
            _run(n, RunFigure(float(levels[n]), float(variances[n]), BLOCKS), n >= kernel)
            for n in range(RUNS)
        ),
        steps=tuple(sorted((first, second))) if story.steps else (),
        drift=(begin, begin + length - 1, float(change)),
        kernel=kernel,
    )


def _run(number: int, figure: RunFigure, newer: bool) -> HistoryRun:
    release = "6.13.0" if newer else "6.12.41"
    return HistoryRun(
        folder=f"{number:02d}",
        info=replace(INFO, created=f"{number:02d}"),
        conditions={("kernel.release", Scope()): release},
        figures={KEY: figure},
        primary=frozenset([KEY]),
    )


def tell(story: Story, histories: int) -> Told:
    """Return how so many histories of a story are read."""
    random = np.random.default_rng(crc32(json.dumps(asdict(story)).encode()))
    made = [make(story, random) for _ in range(histories)]
    read = [(one, trend(one.runs).series[0]) for one in made]
    false = [_false(one, found) for one, found in read]
    return Told(
        story=story,
        histories=histories,
        known=sum(len(one.steps) for one in made),
        found=sum(any(_near(step, x.run) for x in s.steps) for m, s in read for step in m.steps),
        false=sum(false),
        spoiled=sum(map(bool, false)),
        at_kernel=sum(x.run == m.kernel for m, s in read for x in s.steps),
        breaks=sum([x.run for x in s.breaks] == [m.kernel] for m, s in read),
        drifts=sum(any(_within(m, x) for x in _drifts(s)) for m, s in read if story.drift),
        other_drifts=sum(not (story.drift and _within(m, x)) for m, s in read for x in _drifts(s)),
    )


def _false(made: Made, found: TrendSeries) -> int:
    return sum(not any(_near(step, x.run) for step in made.steps) for x in found.steps)


def _near(step: int, told: int) -> bool:
    return abs(step - told) <= NEAR


def _drifts(series: TrendSeries) -> list[tuple[int, int, float]]:
    return [(x.first, x.last, math.log(x.ratio)) for x in series.drifts]


def _within(made: Made, told: tuple[int, int, float]) -> bool:
    first, last, change = made.drift
    shared = min(last, told[1]) - max(first, told[0]) + 1
    return shared >= (told[1] - told[0] + 1) / 2 and change * told[2] > 0


@dataclass(frozen=True, slots=True)
class Compared:
    """Two runs held against each other, beside a history or not."""

    history: int
    """Its runs; 0 for none."""
    change: float
    """What there is, as a ratio less 1."""
    pairs: int
    differs: int
    """Pairs whose interval leaves out 1."""
    covered: int
    """Pairs whose interval holds the truth."""
    half_width: float
    """Median half-width, on logarithms; of bounded intervals."""


def hold(history: int, change: float, pairs: int) -> Compared:
    """Return what comes of so many pairs; each has a history of its own."""
    random = np.random.default_rng(crc32(f"{history} {change}".encode()))
    truth = math.log1p(change)
    ends = []
    for _ in range(pairs):
        scatter = None
        if history:
            past = [_blocks(random) for _ in range(history)]
            figures = [
                RunFigure(float(np.mean(x)), float(np.var(x, ddof=1)) / BLOCKS, BLOCKS)
                for x in past
            ]
            own = SeriesRuns(tuple(range(history)), tuple(figures), 0)
            scatter = own.scatter(own.cut((), ALPHA))
        left, right = _blocks(random), _blocks(random) + truth
        ends.append(welch(left, right, ALPHA, scatter=scatter).bounds or (-math.inf, math.inf))
    return Compared(
        history=history,
        change=change,
        pairs=pairs,
        differs=sum(low > 0 or high < 0 for low, high in ends),
        covered=sum(low <= truth <= high for low, high in ends),
        half_width=float(np.median([(high - low) / 2 for low, high in ends])),
    )


def _blocks(random: np.random.Generator) -> Floats:
    found: Floats = random.normal(0, BETWEEN) + random.normal(0, BLOCK, BLOCKS)
    return found


STORIES: Final = (
    Story(0, 0, 0),
    Story(0, 0, 0.05),
    Story(0, 0, 0.05, odd=True),
    Story(0, 0.06, 0.05),
    *(Story(size, 0, 0.05) for size in (0.04, 0.06, 0.1)),
    *(Story(size, 0.06, 0.05) for size in (0.04, 0.06, 0.1)),
    Story(0.06, 0.06, 0.05, odd=True),
)
HISTORIES: Final = (0, 6, 10, 20, 40)
Row = Told | Compared


def _row(given: tuple[Story, int] | tuple[int, float, int]) -> Row:
    return tell(*given) if len(given) == 2 else hold(*given)  # noqa: PLR2004 -- a story, a count


def load(path: Path = RESULTS) -> list[Row]:
    """Return the rows that were simulated."""
    read = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
    return [
        Told(**{**one, "story": Story(**one["story"])}) if "story" in one else Compared(**one)
        for one in read
    ]


def every(histories: int, pairs: int) -> Iterator[tuple[Story, int] | tuple[int, float, int]]:
    """Yield what each row is made of."""
    for story in STORIES:
        yield story, histories
    for count in HISTORIES:
        for change in (0.0, 0.06):
            yield count, change, pairs


def write(rows: Sequence[Row], path: Path = RESULTS) -> None:
    """Write the rows."""
    path.parent.mkdir(exist_ok=True)
    path.write_text("".join(json.dumps(asdict(one)) + "\n" for one in rows))


def main() -> None:
    """Simulate every row and write them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--histories", type=int, default=200, help="of each row")
    parser.add_argument("--pairs", type=int, default=2000, help="of each row")
    parser.add_argument("--processes", type=int, default=1)
    given = parser.parse_args()
    rows = []
    with Pool(given.processes) as pool:
        for one in pool.imap(_row, every(given.histories, given.pairs)):
            rows.append(one)
            print(one, flush=True)
    write(rows)


if __name__ == "__main__":
    main()
