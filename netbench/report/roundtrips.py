"""Round-trip times of many trials, counted together as they pass."""

import math
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from netbench.record import Sample, SentinelWindow, Trial
from netbench.report.views import MergedTimes
from netbench.report.words import CellKey
from netbench.sentinel.rule import SPLIT_RATIO, agree, usable

_STEP: Final = math.log(SPLIT_RATIO) / 2
"""Width of a class of readings: two machine states lie further apart, so it holds only one."""

_Class = tuple[int, int] | None
"""Where the readings around a trial lie; None where one is missing or they do not agree."""


@dataclass(slots=True)
class _Times:
    """What is counted of one driver in one cell, of trials whose readings lie together."""

    record: int
    """One of them; they all have one state of the machine."""
    trials: int = 0
    counts: defaultdict[int, int] = field(default_factory=lambda: defaultdict(int))
    largest: float = 0.0

    def add(self, other: "_Times") -> None:
        """Count what the other one counts."""
        self.trials += other.trials
        for bucket, count in other.counts.items():
            self.counts[bucket] += count
        self.largest = max(self.largest, other.largest)


class RoundTrips:
    """The merged histograms of every driver in every cell that has them.

    Of one machine state each, the headline's; the baseline's second arm is left out. States are
    known only when all readings are: until then trials are counted by where theirs lie.
    """

    def __init__(self) -> None:
        """Begin with nothing."""
        self.times: dict[tuple[str, CellKey, _Class, bool], _Times] = {}

    def add(self, record: Trial, sample: Sample) -> None:
        """Count one trial, unless its tool did not tell every time."""
        if not sample.histogram or record.replica:
            return
        cell = record.cell
        key = CellKey(cell.path, cell.probe, cell.placement)
        times = self.times.setdefault(
            (cell.driver, key, *_class_of(record.sentinel)), _Times(record.number)
        )
        times.trials += 1
        counts = times.counts
        for bucket, count in sample.histogram:
            counts[bucket] += count
        times.largest = max(times.largest, sample.value("rtt_max") or 0.0)

    def join(self, other: "RoundTrips") -> None:
        """Count what another one has of later trials."""
        for where, times in other.times.items():
            self.times.setdefault(where, _Times(times.record)).add(times)

    @property
    def records(self) -> list[int]:
        """The records whose states are needed."""
        return [times.record for times in self.times.values()]

    def merged(
        self, headlines: Mapping[CellKey, str], states: Mapping[int, str]
    ) -> tuple[MergedTimes, ...]:
        """Return the histograms, in the order of the records.

        Args:
            headlines: the state that each cell is judged in, of those that have one.
            states: of the machine, by record.
        """
        found: defaultdict[tuple[str, CellKey], _Times] = defaultdict(lambda: _Times(0))
        for (driver, key, *_), times in self.times.items():
            state = states.get(times.record, "")
            if headlines.get(key, state) == state:
                found[driver, key].add(times)
        return tuple(
            MergedTimes(
                driver=driver,
                cell=key,
                trials=times.trials,
                state=headlines.get(key, ""),
                times=tuple(sorted(times.counts.items())),
                largest=times.largest or None,
            )
            for (driver, key), times in found.items()
        )


def _class_of(window: SentinelWindow) -> tuple[_Class, bool]:
    """Return where the readings lie, and whether both are there."""
    before, after = usable(window.before), usable(window.after)
    if before is None or after is None:
        return None, False
    if not agree((before, after)):
        return None, True
    first, last = (math.floor(math.log(reading) / _STEP) for reading in (before, after))
    return (first, last), True
