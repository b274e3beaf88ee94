"""Rounds of `benchmarks/harness/fidelity.py`: netbench's trial beside the same tool by hand."""

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from netbench.analysis.stats import ALPHA, t_mixture
from netbench.sentinel.rule import SPLIT_RATIO

RESULTS = Path(__file__).parent / "results" / "fidelity.jsonl"
OTHERS = {"by_hand": "by hand, after a reading too", "plain": "by hand, nothing before it"}


@dataclass(frozen=True, slots=True)
class Fidelity:
    """netbench's figure over the one by hand, in one cell."""

    engine: str
    cell: str
    other: str
    """Key of `OTHERS`."""
    rounds: int
    agreeing: int
    """Rounds whose four readings lie within the factor that tells states apart."""
    ratio: float | None
    """Geometric mean over those."""
    low: float | None
    high: float | None


def every(path: Path = RESULTS) -> Iterator[Fidelity]:
    """Yield what was measured, nothing where there is no file."""
    if not path.exists():
        return
    found = [json.loads(line) for line in path.read_text().splitlines()]
    cells = dict.fromkeys((one["engine"], one["cell"]) for one in found)
    for engine, cell in cells:
        rounds = [one for one in found if (one["engine"], one["cell"]) == (engine, cell)]
        for other in OTHERS:
            logs = [_log(one, other) for one in rounds if _agree(one, other)]
            interval = t_mixture(np.array(logs, np.float64), ALPHA)
            low, high = interval.bounds or (None, None)
            yield Fidelity(
                engine,
                cell,
                other,
                len(rounds),
                len(logs),
                None if interval.mean is None else math.exp(interval.mean),
                None if low is None else math.exp(low),
                None if high is None else math.exp(high),
            )


def _log(one: dict[str, Any], other: str) -> float:
    return math.log(one["netbench"]["value"] / one[other]["value"])


def _agree(one: dict[str, Any], other: str) -> bool:
    values = [one[arm][when] for arm in ("netbench", other) for when in ("before", "after")]
    return None not in values and max(values) <= SPLIT_RATIO * min(values)
