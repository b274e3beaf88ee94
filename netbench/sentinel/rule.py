"""The rule that turns sentinel readings into machine states, fixed before any run (METHOD §1b).

It looks at sentinel readings only, never at what a trial measured, so that conditioning on the
state cannot favour an arm. Runner and analysis use the same functions: the runner on the readings
so far, the analysis on those of the whole run.
"""

import itertools
import math
import operator
from collections.abc import Iterable, Sequence
from typing import Final, Literal

from netbench.record import SentinelReading, SentinelWindow

ReadingState = Literal["single", "near", "far"]
TrialState = Literal["single", "near", "far", "mixed", "unknown"]

SPLIT_RATIO: Final = 1.5
"""Two states differ by more than this factor between their nearest readings."""
SMALLEST_SHARE: Final = 0.1
"""Each state holds at least this share of the readings."""


def usable(reading: SentinelReading | None) -> float | None:
    """Return a reading's value, None where there is none or it is no positive number."""
    if reading is None or not math.isfinite(reading.value) or reading.value <= 0:
        return None
    return reading.value


def split(values: Iterable[float]) -> float | None:
    """Return the value that separates two states, None where all readings are one state.

    The sorted logarithms are split at their largest gap if that gap exceeds ln 1.5 and each side
    holds at least a tenth of the readings. The threshold is the geometric middle of the gap.

    Raises:
        ValueError: a value is not positive.
    """
    return split_logs(sorted(map(math.log, values)))


def split_logs(logs: Sequence[float]) -> float | None:
    """Return the same by the ascending logarithms of the readings, for who keeps those."""
    gaps = list(map(operator.sub, itertools.islice(logs, 1, None), logs))
    if not gaps:
        return None
    widest = max(gaps)
    below = gaps.index(widest) + 1
    smaller_side = min(below, len(logs) - below)
    if widest <= math.log(SPLIT_RATIO) or smaller_side < SMALLEST_SHARE * len(logs):
        return None
    return math.exp((logs[below - 1] + logs[below]) / 2)


def state_of(value: float, threshold: float | None) -> ReadingState:
    """Return the state of one reading: `near` is the higher value, the closer cores."""
    if threshold is None:
        return "single"
    return "near" if value >= threshold else "far"


def agree(readings: Iterable[float | None]) -> bool:
    """Tell whether usable readings may be of one machine: none above `SPLIT_RATIO` times another.

    A reading that is missing tells nothing.
    """
    known = [reading for reading in readings if reading is not None]
    return not known or max(known) <= SPLIT_RATIO * min(known)


def state_between(before: float | None, after: float | None, threshold: float | None) -> TrialState:
    """Return the state of a trial from the usable readings around it.

    Readings that differ by more than `SPLIT_RATIO` are `mixed` whatever states the run has: the
    machine moved while the trial ran, be it into a state too rare to hold a tenth of the readings.
    """
    if before is None or after is None:
        return "unknown"
    if not agree((before, after)):
        return "mixed"
    first, last = state_of(before, threshold), state_of(after, threshold)
    return first if first == last else "mixed"


def classify(window: SentinelWindow, threshold: float | None) -> TrialState:
    """Return the state of a trial: that of both its readings, `mixed` where they differ.

    `unknown` where one of the two is missing.
    """
    return state_between(usable(window.before), usable(window.after), threshold)
