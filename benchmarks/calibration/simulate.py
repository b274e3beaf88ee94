"""How often is a run wrong, on simulated machines? Writes results/simulated.jsonl.

Runs are looked at after every block from the sixth on, judged by the boundary of
`netbench.analysis`, and stopped by METHOD's rule. Gates are left out: they only take verdicts back.
Every row has a seed of its own, made from its terms.
"""

import argparse
import json
import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from multiprocessing import Pool
from pathlib import Path
from zlib import crc32

import numpy as np
from worlds import WORLDS, Floats, World, deltas, draw

from netbench.analysis import Verdict
from netbench.analysis.boundary import Looks, decided_sign, interval
from netbench.analysis.contrasts import directed, read
from netbench.analysis.stats import ALPHA, Interval
from netbench.record import METRICS

RESULTS = Path(__file__).parent / "results" / "simulated.jsonl"
LEAST, CAP = 6, 20
MARGIN, PRECISION = 0.05, 0.03
METRIC = METRICS["throughput"]


@dataclass(frozen=True, slots=True)
class Terms:
    """What the runs of a row are like."""

    world: str
    ratio: float = 1.0
    """True driver / baseline, the world's own offset aside."""
    contrasts: int = 1
    """Primary ones of a run, which share the error rate; each on sessions of its own."""
    extension: int = 0
    """Blocks by which a run that is undecided at its cap is extended."""


@dataclass(frozen=True, slots=True)
class Row:
    """What became of the runs of one row."""

    terms: Terms
    runs: int
    verdicts: dict[str, int]
    """Of each run's first contrast, by word."""
    false: int
    """Runs that end with a verdict, of any contrast, that the truth contradicts."""
    ever_false: int
    """Runs with a false `faster` or `slower` at any look, had they gone on to the last block."""
    covered: int
    """Runs whose first contrast's interval holds the mean log ratio where they stop."""
    median_covered: int
    """The same of the median log ratio."""
    naive: int
    """Runs in which a 95 % t-interval leaves out the truth at any look."""
    blocks: float
    """Mean number of blocks."""
    half_width: float
    """Median half-width where they stop, on logarithms."""


@dataclass(frozen=True, slots=True)
class End:
    """Where one contrast stopped."""

    blocks: int
    verdict: Verdict
    interval: Interval


def judge(found: Interval, sign: int) -> Verdict:
    """Return the verdict of METHOD §2, gates aside."""
    verdict = read(found.bounds, MARGIN, METRIC)
    return directed(sign, METRIC) if verdict is Verdict.UNDECIDED else verdict


def settled(found: Interval, verdict: Verdict) -> bool:
    """Tell whether a contrast needs no more blocks (METHOD §2)."""
    if verdict in (Verdict.EQUIVALENT, Verdict.UNDECIDED) or found.bounds is None:
        return verdict is Verdict.EQUIVALENT
    beyond = min(abs(end) for end in found.bounds) > math.log1p(MARGIN)
    precise = found.half_width is not None and found.half_width <= math.log1p(PRECISION)
    return precise or (beyond and found.bounds[0] * found.bounds[1] > 0)


def wrong(verdict: Verdict, truth: float) -> bool:
    """Tell whether a true log ratio contradicts a verdict."""
    match verdict:
        case Verdict.FASTER:
            return truth <= 0
        case Verdict.SLOWER:
            return truth >= 0
        case Verdict.EQUIVALENT:
            return abs(truth) > math.log1p(MARGIN)
        case Verdict.UNDECIDED:
            return False


def follow(run: Floats, terms: Terms, truth: float) -> tuple[End, bool]:
    """Return where a contrast stops, and whether it is falsely `faster` or `slower` at any look."""
    looks, share = Looks(LEAST, CAP), ALPHA / terms.contrasts
    end, ever = None, False
    for n in range(LEAST, len(run) + 1):
        found = interval(run[:n], looks, share)
        verdict = judge(found, decided_sign(run[:n], looks, share))
        ever |= verdict is not Verdict.EQUIVALENT and wrong(verdict, truth)
        stops = settled(found, verdict) or (n >= CAP and verdict is not Verdict.UNDECIDED)
        if end is None and (stops or n == len(run)):
            end = End(n, verdict, found)
    assert end is not None
    return end, ever


def row(terms: Terms, runs: int) -> Row:
    """Return the outcome of so many runs."""
    random = np.random.default_rng(crc32(json.dumps(asdict(terms), sort_keys=True).encode()))
    world: World = WORLDS[terms.world]
    median = math.log(terms.ratio)
    truth = median + world.offset()
    made = [
        deltas(draw(world, random, runs, CAP + terms.extension, terms.ratio))
        for _ in range(terms.contrasts)
    ]
    ends = [[follow(drawn[at], terms, truth) for drawn in made] for at in range(runs)]
    first = [found[0][0] for found in ends]
    return Row(
        terms=terms,
        runs=runs,
        verdicts=dict(sorted(Counter(str(end.verdict) for end in first).items())),
        false=sum(any(wrong(end.verdict, truth) for end, _ in found) for found in ends),
        ever_false=sum(any(ever for _, ever in found) for found in ends),
        covered=sum(holds(end.interval, truth) for end in first),
        median_covered=sum(holds(end.interval, median) for end in first),
        naive=naive(made[0][:, :CAP], truth),
        blocks=float(np.mean([end.blocks for end in first])),
        half_width=float(np.median([end.interval.half_width or math.inf for end in first])),
    )


def holds(found: Interval, truth: float) -> bool:
    """Tell whether an interval holds a log ratio; an unbounded one does."""
    return found.bounds is None or found.bounds[0] <= truth <= found.bounds[1]


def naive(runs: Floats, truth: float) -> int:
    """Return the runs in which a 95 % t-interval leaves out the truth at any look."""
    from scipy import special  # noqa: PLC0415 -- only here

    counts = np.arange(1, runs.shape[1] + 1)
    means = np.cumsum(runs, axis=1) / counts
    squares = np.cumsum(runs**2, axis=1) - counts * means**2
    at = counts >= LEAST
    errors = np.sqrt(squares[:, at] / (counts[at] - 1) / counts[at])
    limits = special.stdtrit(counts[at] - 1, 0.975)
    return int(np.sum(np.any(np.abs(means[:, at] - truth) > limits * errors, axis=1)))


def every() -> Iterator[Terms]:
    """Yield the terms of every row."""
    for world in WORLDS:
        for ratio in (1.0, 0.97, 0.9):
            yield Terms(world, ratio)
    for world in ("normal", "flip-2", "t3"):
        yield Terms(world, contrasts=3)
        for ratio in (1.0, 0.97):
            yield Terms(world, ratio, extension=20)


def _row(given: tuple[Terms, int]) -> Row:
    return row(*given)


def load(path: Path = RESULTS) -> list[Row]:
    """Return the rows that were simulated."""
    found = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
    return [Row(**{**one, "terms": Terms(**one["terms"])}) for one in found]


def main() -> None:
    """Simulate every row and write them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=4000, help="of each row")
    parser.add_argument("--processes", type=int, default=1)
    given = parser.parse_args()
    rows = []
    with Pool(given.processes) as pool:
        for one in pool.imap(_row, ((terms, given.runs) for terms in every())):
            rows.append(one)
            print(
                f"{one.terms}: {one.verdicts}, false {one.false}, ever {one.ever_false}, holds "
                f"{one.covered}, blocks {one.blocks:.1f}",
                flush=True,
            )
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text("".join(json.dumps(asdict(one)) + "\n" for one in rows))


if __name__ == "__main__":
    main()
