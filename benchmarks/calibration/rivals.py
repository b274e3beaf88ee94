"""What else one might do, and how often it calls two identical drivers different. Simulated.

Two habits, each beside what netbench does in its place: looking at a 95 % t-interval after every
block until it leaves out the truth, and running all of one driver before all of the other.
"""

import argparse
import json
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import stats
from simulate import MOST
from worlds import BASE, DRIVER, WORLDS, World, draw

from netbench.analysis.stats import ALPHA, MIN_BLOCKS, tau

RESULTS = Path(__file__).parent / "results" / "rivals.jsonl"
Floats = NDArray[np.float64]
TRIALS = 10
"""Of each driver, where the order is in question."""
LOOKED_AT = ("normal", "t3", "dips", "bimodal")
ORDERED = ("normal", "drift", "step", "walk")


@dataclass(frozen=True, slots=True)
class Rival:
    """How often one way of doing it was wrong on one machine."""

    question: str
    """`looks` or `order`."""
    way: str
    world: str
    campaigns: int
    wrong: int


def looks(width: Callable[[int], float | None], least: int) -> Callable[[Floats], bool]:
    """Return whether an interval of so many standard errors ever leaves out no effect."""
    widths = {n: w for n in range(least, MOST + 1) if (w := width(n)) is not None}

    def wrong(deltas: Floats) -> bool:
        return any(
            abs(deltas[:n].mean()) > w * deltas[:n].std(ddof=1) / np.sqrt(n)
            for n, w in widths.items()
        )

    return wrong


def naive(n: int) -> float:
    """Return the 95 % quantile of Student's t that every textbook gives."""
    return float(stats.t.ppf(1 - ALPHA / 2, n - 1))


LOOKS: dict[str, Callable[[Floats], bool]] = {
    "95 % t-interval, looked at from the 3rd block on": looks(naive, 3),
    "95 % t-interval, looked at from the 6th block on": looks(naive, MIN_BLOCKS),
    "netbench's interval, from the 6th block on": looks(lambda n: tau(n, ALPHA), MIN_BLOCKS),
}


def batches(world: World, random: np.random.Generator) -> bool:
    """All of one, then all of the other, Welch's test."""
    logs = world.stray(random, 2 * TRIALS)
    return bool(stats.ttest_ind(logs[:TRIALS], logs[TRIALS:], equal_var=False).pvalue < ALPHA)


def alternating(world: World, random: np.random.Generator) -> bool:
    """In turn, always in the same order, paired t-test."""
    logs = world.stray(random, 2 * TRIALS)
    return bool(stats.ttest_rel(logs[::2], logs[1::2]).pvalue < ALPHA)


def shuffled(world: World, random: np.random.Generator) -> bool:
    """In blocks of random order, paired t-test."""
    logs = draw(world, random, TRIALS, 1.0).logs
    return bool(stats.ttest_rel(logs[:, DRIVER], logs[:, BASE]).pvalue < ALPHA)


ORDERS: dict[str, Callable[[World, np.random.Generator], bool]] = {
    "all of A, then all of B": batches,
    "A and B in turn, paired": alternating,
    "random order within blocks, paired": shuffled,
}


def every(campaigns: int) -> Iterator[Rival]:
    """Yield every way on every machine that its question is about."""
    for name in LOOKED_AT:
        random = np.random.default_rng(1)
        found = [draw(WORLDS[name], random, MOST, 1.0).logs for _ in range(campaigns)]
        for way, test in LOOKS.items():
            wrong = sum(test(logs[:, DRIVER] - logs[:, BASE]) for logs in found)
            yield Rival("looks", way, name, campaigns, wrong)
    for name in ORDERED:
        for way, go in ORDERS.items():
            random = np.random.default_rng(2)
            wrong = sum(go(WORLDS[name], random) for _ in range(campaigns))
            yield Rival("order", way, name, campaigns, wrong)


def load(path: Path = RESULTS) -> list[Rival]:
    """Return what was simulated."""
    return [Rival(**json.loads(line)) for line in path.read_text().splitlines()]


def main() -> None:
    """Simulate and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--campaigns", type=int, default=4000, help="of each way and machine")
    found = list(every(parser.parse_args().campaigns))
    RESULTS.write_text("".join(json.dumps(asdict(one)) + "\n" for one in found))


if __name__ == "__main__":
    main()
