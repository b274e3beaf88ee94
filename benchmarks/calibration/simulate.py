"""Campaigns on simulated machines, judged by the code of `netbench.analysis` itself.

Each campaign is looked at after every block, as a run that stops by itself is: from the sixth block
on it ends once its interval is precise or its verdict is out, and at the latest after 40 blocks.
Everything comes from a seed; the results are lines of JSON, from which the tables are built.
"""

import argparse
import json
import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from multiprocessing import Pool
from pathlib import Path
from zlib import crc32

import numpy as np
from worlds import BASE, DRIVER, OF_EACH_ARM, OF_THE_RATIO, SECOND, WORLDS, World, draw

from netbench.analysis import Verdict
from netbench.analysis.stats import ALPHA, MIN_BLOCKS, t_mixture
from netbench.analysis.verdicts import Evidence, judge, read
from netbench.record import METRICS

RESULTS = Path(__file__).parent / "results" / "simulated.jsonl"
MOST = 40
MARGIN = 0.05
PRECISION = 0.03
METRIC = METRICS["throughput"]
EVERY = {world.name: world for world in (*WORLDS.values(), OF_EACH_ARM, OF_THE_RATIO)}


@dataclass(frozen=True, slots=True)
class Terms:
    """What campaigns of a row are judged by."""

    world: str
    ratio: float
    """The truth: driver / baseline."""
    margin: float = MARGIN
    precision: float = PRECISION
    """0 to look on until there is a verdict."""
    contrasts: int = 1
    """Primary ones of a run, which share the error rate; each on trials of its own."""
    gates: bool = True
    """Whether a verdict must pass netbench's gates, or the interval alone decides."""


@dataclass(frozen=True, slots=True)
class Row:
    """What became of the campaigns of one row."""

    terms: Terms
    campaigns: int
    verdicts: dict[str, int]
    """Of the first contrast, by word."""
    wrong: int
    """Campaigns with at least one verdict that the truth contradicts."""
    covered: int
    """Campaigns whose first contrast's interval holds the truth where they stop."""
    always: int
    """The same at every look from the first on."""
    blocks: float
    """Mean of the blocks to the first contrast's end."""
    median: float
    p90: float


@dataclass(frozen=True, slots=True)
class End:
    """Where one contrast stopped."""

    blocks: int
    verdict: Verdict
    covered: bool
    always: bool


def wrong(verdict: Verdict, terms: Terms) -> bool:
    """Tell whether the truth contradicts a verdict (for a metric of which more is better)."""
    limit, truth = math.log1p(terms.margin), math.log(terms.ratio)
    match verdict:
        case Verdict.FASTER:
            return truth <= limit
        case Verdict.SLOWER:
            return truth >= -limit
        case Verdict.EQUIVALENT:
            return abs(truth) >= limit
        case Verdict.UNDECIDED:
            return False


def follow(world: World, terms: Terms, random: np.random.Generator) -> End:
    """Return where one contrast stops."""
    drawn = draw(world, random, MOST, terms.ratio)
    deltas = drawn.logs[:, DRIVER] - drawn.logs[:, BASE]
    nulls = drawn.logs[:, SECOND] - drawn.logs[:, BASE]
    shifts = drawn.positions[:, DRIVER] - drawn.positions[:, BASE]
    alpha, truth, always = ALPHA / terms.contrasts, math.log(terms.ratio), True
    least = MIN_BLOCKS if terms.contrasts == 1 else 8
    end = End(0, Verdict.UNDECIDED, covered=True, always=True)
    for n in range(2, MOST + 1):
        interval = t_mixture(deltas[:n], alpha)
        bounds = interval.bounds
        covered = bounds is None or bounds[0] <= truth <= bounds[1]
        always &= covered
        if n < least:
            continue
        verdict = read(bounds, terms.margin, METRIC)
        # Gates only take verdicts back: where the interval gives none, there is none to take.
        if terms.gates and verdict is not Verdict.UNDECIDED:
            evidence = Evidence(
                metric=METRIC,
                interval=interval,
                deltas=deltas[:n],
                driver=np.exp(drawn.logs[:n, DRIVER]),
                baseline=np.exp(drawn.logs[:n, BASE]),
                shifts=shifts[:n],
                null=t_mixture(nulls[:n], alpha),
                alpha=alpha,
                margin=terms.margin,
            )
            verdict, _ = judge(evidence)
        end = End(n, verdict, covered, always)
        half = interval.half_width
        precise = half is not None and half <= math.log1p(terms.precision)
        if precise or verdict is not Verdict.UNDECIDED:
            break
    return end


def row(terms: Terms, campaigns: int) -> Row:
    """Return the outcome of so many campaigns; their seed follows from the terms."""
    seed = crc32(json.dumps(asdict(terms), sort_keys=True).encode())
    random, world = np.random.default_rng(seed), EVERY[terms.world]
    runs = [
        [follow(world, terms, random) for _ in range(terms.contrasts)] for _ in range(campaigns)
    ]
    first = [ends[0] for ends in runs]
    blocks = np.array([end.blocks for end in first])
    return Row(
        terms=terms,
        campaigns=campaigns,
        verdicts=dict(sorted(Counter(str(end.verdict) for end in first).items())),
        wrong=sum(any(wrong(end.verdict, terms) for end in ends) for ends in runs),
        covered=sum(end.covered for end in first),
        always=sum(end.always for end in first),
        blocks=float(blocks.mean()),
        median=float(np.median(blocks)),
        p90=float(np.quantile(blocks, 0.9)),
    )


def every() -> Iterator[Terms]:
    """Yield the terms of every row."""
    for world in WORLDS:
        bare = Terms(world, 1.0, margin=0.0, precision=0.0)
        yield bare
        yield replace(bare, gates=False)
        for ratio in (1.0, 0.97, 1 / (1 + MARGIN), 0.9):
            yield Terms(world, ratio)
    yield Terms("normal", 1.0, margin=0.0, precision=0.0, contrasts=3)
    yield Terms("normal", 1.0, contrasts=3)
    for world in (OF_THE_RATIO, OF_EACH_ARM):
        for margin in (MARGIN, 0.0):
            yield Terms(world.name, 0.9, margin=margin)
            yield Terms(world.name, 0.9, margin=margin, precision=0.0, gates=False)


def _row(given: tuple[Terms, int]) -> Row:
    return row(*given)


def load(path: Path = RESULTS) -> list[Row]:
    """Return the rows that were simulated."""
    found = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
    return [Row(**{**one, "terms": Terms(**one["terms"])}) for one in found]


def main() -> None:
    """Simulate every row and write them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--campaigns", type=int, default=4000, help="of each row")
    parser.add_argument("--processes", type=int, default=1)
    given = parser.parse_args()
    rows = []
    with Pool(given.processes) as pool:
        for one in pool.imap(_row, ((terms, given.campaigns) for terms in every())):
            rows.append(one)
            print(f"{one.terms} wrong {one.wrong} blocks {one.blocks:.1f}", flush=True)
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text("".join(json.dumps(asdict(one)) + "\n" for one in rows))


if __name__ == "__main__":
    main()
