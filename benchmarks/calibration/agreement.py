"""What do readings add to states? The same runs under several rules of what may be a pair.

    python benchmarks/calibration/agreement.py simulate [--campaigns 400] [--blocks 20]
    python benchmarks/calibration/agreement.py runs FOLDER...

A pair is two trials of one block in one state by the largest gap. Where a machine has many levels
the gap finds none, and all is one state; so the four readings of a pair must also lie within a
factor, which looks at readings only and needs no gap. `simulate` judges runs of `conditioning.py`
by the interval against the margin, without the other gates; `runs` gives the deviation of the log
ratio that each rule leaves in real run folders.
"""

import argparse
import math
from collections import defaultdict
from collections.abc import Iterable, Iterator
from itertools import combinations
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
from conditioning import WORLDS, World, records

from netbench.analysis.stats import ALPHA, MIN_BLOCKS, t_mixture
from netbench.record import Record, Sample
from netbench.sentinel.rule import SPLIT_RATIO, split, state_between, usable
from netbench.store import load

RULES: Final[dict[str, tuple[bool, float]]] = {
    "nothing": (False, math.inf),
    "one state": (True, math.inf),
    "one state, within 1.5": (True, SPLIT_RATIO),
    "one state, within 1.2": (True, 1.2),
    "within 1.5, any state": (False, SPLIT_RATIO),
    "within 1.2, any state": (False, 1.2),
}
"""Whether states must be the same, and the factor that all four readings lie within."""
MARGIN: Final = math.log(1.05)


class Trial(NamedTuple):
    """One trial with all that a rule may look at."""

    block: int
    attempt: int
    arm: tuple[str, int]
    cell: tuple[str, str, str]
    value: float
    before: float
    after: float
    state: str


def trials(found: Iterable[Record]) -> list[Trial]:
    """Return the samples that have both readings, with their state by METHOD's rule."""
    kept: list[tuple[Record, float, float, float]] = []
    readings: defaultdict[str, list[float]] = defaultdict(list)
    for record in found:
        around = [usable(one) for one in (record.sentinel.before, record.sentinel.after)]
        readings[record.cell.placement] += [one for one in around if one is not None]
        before, after = around
        if isinstance(record.outcome, Sample) and before is not None and after is not None:
            kept.append((record, record.outcome.measurements[0].value, before, after))
    limits = {placement: split(values) for placement, values in readings.items()}
    return [
        Trial(
            block=r.block,
            attempt=r.attempt,
            arm=(r.cell.driver, r.replica),
            cell=(r.cell.path, r.cell.probe, r.cell.placement),
            value=value,
            before=before,
            after=after,
            state=state_between(before, after, limits[r.cell.placement]),
        )
        for r, value, before, after in kept
    ]


def fit(one: Trial, other: Trial, rule: str) -> bool:
    """Tell whether two trials may be a pair."""
    same_state, factor = RULES[rule]
    around = (one.before, one.after, other.before, other.after)
    alike = one.state == other.state != "mixed"
    return max(around) <= factor * min(around) and (alike or not same_state)


def paired(found: list[Trial], rule: str) -> Iterator[tuple[Trial, Trial]]:
    """Yield, for each block, cell and two arms, the first pair that may be compared."""
    groups: defaultdict[tuple[object, ...], list[Trial]] = defaultdict(list)
    for trial in sorted(found, key=lambda t: t.attempt):
        groups[trial.cell, trial.block].append(trial)
    for group in groups.values():
        taken = set()
        for one, other in combinations(sorted(group, key=lambda t: (t.arm, t.attempt)), 2):
            arms = (one.arm, other.arm)
            if one.arm != other.arm and arms not in taken and fit(one, other, rule):
                taken.add(arms)
                yield one, other


def simulated(world: World, blocks: int, campaigns: int, rule: str) -> tuple[str, ...]:
    """Return a row: false and right verdicts, coverage, pairs and deviation."""
    truth = math.log(world.effect)
    decided, covered, counts, spreads = [], [], [], []
    for seed in range(campaigns):
        found = trials(records(world, blocks, np.random.default_rng(seed), split))
        own = [
            (a.state, math.log(a.value / b.value))
            for a, b in paired(found, rule)
            if (a.arm, b.arm) == (("bridge", 0), ("host", 0))
        ]
        near = [delta for state, delta in own if state == "near"]
        states = {state for state, _ in own if RULES[rule][0]}
        fullest = max(states, key=lambda s: sum(one == s for one, _ in own), default=None)
        kept = (
            near
            if fullest and len(near) >= MIN_BLOCKS
            else [delta for state, delta in own if fullest in {None, state}]
        )
        interval = t_mixture(np.array(kept), ALPHA)
        counts.append(len(kept))
        spreads.append(interval.deviation or math.nan)
        if (bounds := interval.bounds) is None:
            decided.append(0)
            continue
        decided.append(int(bounds[0] > MARGIN) - int(bounds[1] < -MARGIN))
        covered.append(bounds[0] <= truth <= bounds[1])
    return (
        world.name,
        rule,
        f"{np.mean(np.array(decided) == -1):.1%}",
        f"{np.mean(np.array(decided) == 1):.1%}",
        f"{np.mean(covered):.1%}" if covered else "-",
        f"{np.median(counts):.0f} of {blocks}",
        f"{np.nanmedian(spreads):.3f}",
    )


def in_runs(folders: Iterable[Path]) -> Iterator[tuple[str, ...]]:
    """Yield rows: cell, what must agree, pairs kept, deviation of the log ratio around its arms'.

    Every two arms count, each about their own mean over the run: a driver's effect is no noise.
    """
    found: defaultdict[tuple[str, str], list[float]] = defaultdict(list)
    for folder in folders:
        own = trials(load(folder).records())
        for rule, (same_state, _) in RULES.items():
            deltas: defaultdict[tuple[object, ...], list[float]] = defaultdict(list)
            for a, b in paired(own, rule):
                state = a.state if same_state else ""
                deltas[a.cell, state, a.arm, b.arm].append(math.log(a.value / b.value))
            for (cell, *_), values in deltas.items():
                if len(values) > 1:
                    scale = math.sqrt(len(values) / (len(values) - 1))
                    strays = [scale * float(v - np.mean(values)) for v in values]
                    found[", ".join(map(str, cell)), rule] += strays  # type: ignore[call-overload] # cells are texts
    order = list(RULES)
    for cell, rule in sorted(found, key=lambda key: (key[0], order.index(key[1]))):
        strays = found[cell, rule]
        yield cell, rule, f"{len(strays)}", f"{np.sqrt(np.mean(np.square(strays))):.3f}"


def show(rows: Iterable[tuple[str, ...]], *head: str) -> None:
    """Print a table in Markdown, row by row."""
    for line in (head, tuple("---" for _ in head)):
        print("| " + " | ".join(line) + " |")
    for row in rows:
        print("| " + " | ".join(row) + " |", flush=True)


def main() -> None:
    """Print one of the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    simulating = commands.add_parser("simulate")
    simulating.add_argument("--campaigns", type=int, default=400)
    simulating.add_argument("--blocks", type=int, default=20)
    reading = commands.add_parser("runs")
    reading.add_argument("folders", type=Path, nargs="+")
    given = parser.parse_args()
    if given.command == "runs":
        show(in_runs(given.folders), "cell", "what must agree", "pairs", "deviation")
        return
    worlds = [world for world in WORLDS if not world.blind and world.push == 1.0]
    rows = (
        simulated(world, given.blocks, given.campaigns, rule) for world in worlds for rule in RULES
    )
    show(rows, "world", "pairs", "slower", "faster", "covers", "pairs kept", "deviation")


if __name__ == "__main__":
    main()
