"""What do readings add to states? The same runs under several rules of what may be a pair.

    python benchmarks/calibration/agreement.py simulate [--campaigns 400] [--blocks 20]
    python benchmarks/calibration/agreement.py runs FOLDER...

A pair is two trials of one block in one state by the largest gap. Where a machine has many levels
the gap finds none, and all is one state; so the four readings of a pair should also lie within a
factor, which looks at readings only and needs no gap. `simulate` judges runs of `conditioning.py`
after every block from the sixth on, by the interval against the margin and without the other
gates, and stops at the first verdict; `runs` gives the deviation of the log ratio that each rule
leaves in real run folders.
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


class Rule(NamedTuple):
    """What two trials of one block must share to be a pair."""

    same_state: bool
    factor: float
    """That their four readings lie within."""
    if_enough: bool = False
    """Whether the factor holds only where as many pairs are left as a verdict needs."""


RULES: Final = {
    "nothing": Rule(same_state=False, factor=math.inf),
    "one state": Rule(same_state=True, factor=math.inf),
    "one state, within 1.5": Rule(same_state=True, factor=SPLIT_RATIO),
    "one state, within 1.5 if enough": Rule(same_state=True, factor=SPLIT_RATIO, if_enough=True),
    "one state, within 1.2": Rule(same_state=True, factor=1.2),
    "within 1.5, any state": Rule(same_state=False, factor=SPLIT_RATIO),
}
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


def steady(one: Trial, other: Trial, factor: float) -> bool:
    """Tell whether the four readings lie within a factor."""
    around = (one.before, one.after, other.before, other.after)
    return max(around) <= factor * min(around)


def paired(found: list[Trial], rule: Rule) -> Iterator[tuple[Trial, Trial]]:
    """Yield, for each block, cell and two arms, the first pair that may be compared."""
    groups: defaultdict[tuple[object, ...], list[Trial]] = defaultdict(list)
    for trial in sorted(found, key=lambda t: t.attempt):
        groups[trial.cell, trial.block].append(trial)
    for group in groups.values():
        taken = set()
        for one, other in combinations(sorted(group, key=lambda t: (t.arm, t.attempt)), 2):
            arms = (one.arm, other.arm)
            alike = one.state == other.state != "mixed" or not rule.same_state
            near = rule.if_enough or steady(one, other, rule.factor)
            if one.arm != other.arm and arms not in taken and alike and near:
                taken.add(arms)
                yield one, other


def judged(pairs: list[tuple[Trial, Trial]], rule: Rule) -> list[float]:
    """Return the log ratios that a contrast is made of: those of its headline's state."""
    states = {a.state for a, _ in pairs}
    counts = {state: sum(a.state == state for a, _ in pairs) for state in states}
    full = [state for state in ("near", "single", "far") if counts.get(state, 0) >= MIN_BLOCKS]
    head = full[0] if full else max(states, key=lambda s: counts[s], default=None)
    own = [pair for pair in pairs if head == pair[0].state or not rule.same_state]
    near = [pair for pair in own if steady(*pair, rule.factor)]
    kept = near if rule.if_enough and len(near) >= MIN_BLOCKS else own
    return [math.log(a.value / b.value) for a, b in kept]


def simulated(world: World, blocks: int, campaigns: int, name: str) -> tuple[str, ...]:
    """Return a row: verdicts, coverage at the stop, pairs and deviation at the end."""
    rule, truth = RULES[name], math.log(world.effect)
    verdicts, covered, stops, spreads = [], [], [], []
    for seed in range(campaigns):
        found = trials(records(world, blocks, np.random.default_rng(seed), split))
        arms = (("bridge", 0), ("host", 0))
        own = [(a, b) for a, b in paired(found, rule) if (a.arm, b.arm) == arms]
        verdict, stop = 0, blocks
        for stop in range(MIN_BLOCKS, blocks + 1):
            interval = t_mixture(
                np.array(judged([p for p in own if p[0].block <= stop], rule)), ALPHA
            )
            bounds = interval.bounds
            verdict = 0 if bounds is None else int(bounds[0] > MARGIN) - int(bounds[1] < -MARGIN)
            if verdict:
                break
        verdicts.append(verdict)
        stops.append(stop)
        spreads.append(interval.deviation or math.nan)
        if bounds is not None:
            covered.append(bounds[0] <= truth <= bounds[1])
    return (
        world.name,
        name,
        f"{np.mean(np.array(verdicts) == -1):.1%}",
        f"{np.mean(np.array(verdicts) == 1):.1%}",
        f"{np.mean(covered):.1%}" if covered else "-",
        f"{np.mean(stops):.1f}",
        f"{np.nanmedian(spreads):.3f}",
    )


def in_runs(folders: Iterable[Path]) -> Iterator[tuple[str, ...]]:
    """Yield rows: cell, what must agree, pairs kept, deviation of the log ratio around its arms'.

    Every two arms count, each about their own mean over the run: a driver's effect is no noise.
    """
    found: defaultdict[tuple[str, str], list[float]] = defaultdict(list)
    for folder in folders:
        own = trials(load(folder).records())
        for name, rule in RULES.items():
            groups: defaultdict[tuple[object, ...], list[tuple[Trial, Trial]]] = defaultdict(list)
            for a, b in paired(own, rule):
                groups[", ".join(a.cell), a.arm, b.arm].append((a, b))
            for (cell, *_), pairs in groups.items():
                values = judged(pairs, rule)
                if len(values) > 1:
                    scale = math.sqrt(len(values) / (len(values) - 1))
                    strays = [scale * float(v - np.mean(values)) for v in values]
                    found[str(cell), name] += strays
    order = list(RULES)
    for cell, name in sorted(found, key=lambda key: (key[0], order.index(key[1]))):
        strays = found[cell, name]
        yield cell, name, f"{len(strays)}", f"{np.sqrt(np.mean(np.square(strays))):.3f}"


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
    show(rows, "world", "pairs", "slower", "faster", "covers", "blocks", "deviation")


if __name__ == "__main__":
    main()
