"""How often does `compare` call two runs of the same thing different? Simulated, and real.

Real: the A/A campaigns of the archives, each held against the next of its kind and against the one
half of them later. Both runs have the same two drivers: every `faster` or `slower` is false.
Simulated: two runs with a machine of their own day each, which moves all arms of a run alike, and
with a ratio that is not quite the same on another day. Results are lines of JSON.
"""

import argparse
import json
import math
import tarfile
import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from multiprocessing import Pool
from pathlib import Path
from zlib import crc32

import numpy as np
from campaigns import RESULTS as ARCHIVES
from campaigns import SUFFIX
from kinds import DRIVER as KIND_DRIVER
from kinds import KINDS
from simulate import EVERY, MARGIN, METRIC, PRECISION
from worlds import BASE, DRIVER, SECOND, Floats, World, draw

from netbench.analysis import Verdict, family
from netbench.analysis.across.compare import compare, measured
from netbench.analysis.across.gates import Terms as Judged
from netbench.analysis.across.gates import evidence_of, judge
from netbench.analysis.across.model import Basis
from netbench.analysis.across.samples import Drawn, Measured, drawn
from netbench.analysis.stats import ALPHA, MIN_BLOCKS, t_mixture
from netbench.analysis.verdicts import read
from netbench.store import load

RESULTS = Path(__file__).parent / "results" / "across.jsonl"
DAYS = RESULTS.with_name("days.jsonl")
MOST = 40
FIXED = 12
READINGS = 24
"""Of the sentinel in a simulated run."""
FALSE = (Verdict.FASTER, Verdict.SLOWER)


@dataclass(frozen=True, slots=True)
class Terms:
    """What a row's pairs of runs are like."""

    world: str
    """Of the trials; `real` for campaigns of the archives."""
    basis: str
    machine: float = 0.0
    """Deviation of a run's level, all arms alike: of its machine's day."""
    ratio: float = 0.0
    """Deviation of a run's own ratio from the truth: of its driver's day."""
    seen: bool = True
    """Whether the sentinel moves with the machine."""
    adaptive: bool = False
    """Whether each run stops by itself; else both have 12 blocks."""
    effect: float = 1.0
    """The truth: the right run's ratio over the left one's."""


@dataclass(frozen=True, slots=True)
class Row:
    """What became of the pairs of one row."""

    terms: Terms
    pairs: int
    verdicts: dict[str, int]
    covered: int
    """Pairs whose interval holds the truth; an unbounded one does."""


@dataclass(frozen=True, slots=True)
class _Run:
    """One simulated run."""

    logs: Floats
    readings: Floats


def simulated(terms: Terms, pairs: int) -> Row:
    """Return what becomes of so many pairs; their seed follows from the terms."""
    random = np.random.default_rng(crc32(json.dumps(asdict(terms), sort_keys=True).encode()))
    verdicts: Counter[str] = Counter()
    covered = 0
    for _ in range(pairs):
        left, right = (_run(terms, random, effect) for effect in (1.0, terms.effect))
        verdict, holds = _judged(terms, left, right)
        verdicts[str(verdict)] += 1
        covered += holds
    return Row(terms, pairs, dict(sorted(verdicts.items())), covered)


def _run(terms: Terms, random: np.random.Generator, effect: float) -> _Run:
    world: World = EVERY[terms.world]
    made = draw(world, random, MOST if terms.adaptive else FIXED, effect)
    level = random.normal(0, terms.machine)
    logs = made.logs + level
    logs[:, DRIVER] += random.normal(0, terms.ratio)
    blocks = _stop(logs[:, DRIVER] - logs[:, BASE]) if terms.adaptive else FIXED
    readings = random.normal(level if terms.seen else 0.0, 0.03, READINGS)
    return _Run(logs[:blocks], np.exp(readings))


def _stop(deltas: Floats) -> int:
    """Return the block after which a run that stops by itself has stopped (METHOD §2)."""
    for n in range(MIN_BLOCKS, MOST):
        interval = t_mixture(deltas[:n], ALPHA)
        precise = interval.half_width is not None and interval.half_width <= math.log1p(PRECISION)
        if precise or read(interval.bounds, MARGIN, METRIC) is not Verdict.UNDECIDED:
            return n
    return MOST


def _judged(terms: Terms, left: _Run, right: _Run) -> tuple[Verdict, bool]:
    basis = Basis(terms.basis)
    samples = tuple(_drawn(one, basis) for one in (left, right))
    evidence = evidence_of(
        METRIC, basis, ("left", "right"), (samples[0], samples[1]), Judged(ALPHA, MARGIN)
    )
    bounds = evidence.interval.bounds
    truth = math.log(terms.effect)
    holds = bounds is None or bounds[0] <= truth <= bounds[1]
    return judge(evidence)[0], holds


def _drawn(run: _Run, basis: Basis) -> Drawn:
    relative = basis is Basis.RELATIVE
    own = run.logs[:, DRIVER]
    return Drawn(
        state="single",
        effects=own - run.logs[:, BASE] if relative else own,
        values=np.exp(own),
        nulls=run.logs[:, SECOND] - run.logs[:, BASE],
        readings=run.readings,
    )


def real() -> tuple[list[Row], list["Day"]]:
    """Return what becomes of the A/A campaigns, and how far they lie apart.

    A row for each kind, distance of the two runs, and basis.
    """
    rows, found = [], []
    for kind in KINDS:
        archive = ARCHIVES / f"{kind.name}{SUFFIX}"
        if not kind.name.startswith("aa-") or not archive.exists():
            continue
        taken = list(_taken(archive, kind.name))
        half = len(taken) // 2
        for distance, pairs in (
            ("the next", list(zip(taken[::2], taken[1::2], strict=False))),
            ("half the series later", list(zip(taken[:half], taken[half:], strict=False))),
        ):
            rows += _rows(f"real: {kind.title}; {distance}", pairs)
        found += [_day(kind.title, taken, basis) for basis in Basis]
    return rows, found


@dataclass(frozen=True, slots=True)
class Day:
    """How far runs of the very same thing lie apart."""

    title: str
    basis: str
    runs: int
    """Those with blocks enough for a verdict in one state."""
    deviation: float
    """Of the runs' means, on logarithms."""
    expected: float
    """What their blocks alone would give."""


def _day(title: str, taken: list[Measured], basis: Basis) -> Day:
    found = []
    for one in taken:
        (name,) = {family.leading(one.run.info.plan)[p.name] for p in one.run.info.plan.probes}
        (key,) = (key for key in one.numbers if key.metric == name)
        samples = drawn(one, key, KIND_DRIVER, basis).values()
        fullest = max(samples, key=lambda sample: sample.blocks, default=Drawn())
        if fullest.blocks >= MIN_BLOCKS:
            found.append(fullest.effects)
    means = np.array([effects.mean() for effects in found])
    errors = np.array([effects.var(ddof=1) / len(effects) for effects in found])
    return Day(
        title, str(basis), len(found), float(means.std(ddof=1)), math.sqrt(float(errors.mean()))
    )


def _taken(archive: Path, name: str) -> Iterator[Measured]:
    with tempfile.TemporaryDirectory(prefix="netbench-calibration-") as place:
        with tarfile.open(archive) as packed:
            packed.extractall(place, filter="data")
        for folder in sorted(Path(place, name).iterdir()):
            run = load(folder)
            yield measured(folder.name, folder.name, run.info, run.records())


def _rows(title: str, pairs: list[tuple[Measured, Measured]]) -> Iterator[Row]:
    found: dict[Basis, list[tuple[str, bool]]] = {basis: [] for basis in Basis}
    for left, right in pairs:
        (pairing,) = compare([left, right]).pairings
        plan = left.run.info.plan
        leading = {family.leading(plan)[probe.name] for probe in plan.probes}
        for one in pairing.contrasts:
            if one.metric in leading:
                holds = one.low is None or one.high is None or one.low <= 1 <= one.high
                word = "withheld" if one.withheld else str(one.verdict)
                found[one.basis].append((word, holds))
    for basis, ends in found.items():
        verdicts = Counter(word for word, _ in ends)
        terms = Terms(title, str(basis))
        yield Row(terms, len(ends), dict(sorted(verdicts.items())), sum(h for _, h in ends))


def every() -> Iterator[Terms]:
    """Yield the terms of every simulated row."""
    for basis in map(str, Basis):
        for world in ("normal", "t3", "dips", "drift", "walk"):
            for adaptive in (False, True):
                yield Terms(world, basis, adaptive=adaptive)
        plain = Terms("normal", basis)
        yield replace(plain, machine=0.1)
        yield replace(plain, machine=0.1, seen=False)
        for ratio in (0.01, 0.02, 0.05):
            yield replace(plain, ratio=ratio)
        yield replace(plain, effect=0.9)
        yield replace(plain, effect=0.8)
        yield replace(plain, effect=0.8, machine=0.1)


def load_rows(path: Path = RESULTS) -> list[Row]:
    """Return the rows that were kept."""
    found = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
    return [Row(**{**one, "terms": Terms(**one["terms"])}) for one in found]


def load_days(path: Path = DAYS) -> list[Day]:
    """Return the deviations that were kept."""
    return [Day(**json.loads(line)) for line in path.read_text().splitlines()]


def _row(given: tuple[Terms, int]) -> Row:
    return simulated(*given)


def main() -> None:
    """Hold the real runs against each other, simulate every row, and write them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=500, help="of each simulated row")
    parser.add_argument("--processes", type=int, default=1)
    given = parser.parse_args()
    rows, days = real()
    with Pool(given.processes) as pool:
        rows += pool.imap(_row, ((terms, given.pairs) for terms in every()))
    for row in rows:
        print(row.terms, row.verdicts, f"covered {row.covered} of {row.pairs}", flush=True)
    RESULTS.write_text("".join(json.dumps(asdict(one)) + "\n" for one in rows))
    DAYS.write_text("".join(json.dumps(asdict(one)) + "\n" for one in days))


if __name__ == "__main__":
    main()
