"""The records of a run taken in once, by two processes where there are a great many."""

import gc
import os
import pickle
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from importlib import import_module
from typing import BinaryIO, Final

from netbench.analysis import Collector
from netbench.cli.aside import aside
from netbench.record import Record
from netbench.report import Gathering
from netbench.store import LoadedRun, Places

_NEEDED_LATER: Final = (
    *("scipy.special", "netbench.analysis.pipeline"),
    *("netbench.report.page", "netbench.report.console"),
)
"""What is slow to import."""


@dataclass(frozen=True, slots=True)
class CollectedRun:
    """What was kept of the records."""

    collector: Collector = field(default_factory=Collector)
    gathering: Gathering = field(default_factory=Gathering)
    places: Places = field(default_factory=Places)
    notes: list[str] = field(default_factory=list)
    """What could not be read."""

    def join(self, later: "CollectedRun") -> None:
        """Take what was kept of the records behind these."""
        self.collector.join(later.collector)
        self.gathering.join(later.gathering)
        self.places.numbers.extend(later.places.numbers)
        self.places.offsets.extend(later.places.offsets)
        self.notes.extend(later.notes)

    def whole(self, run: LoadedRun, numbers: frozenset[int]) -> Iterator[Record]:
        """Yield some of the records whole."""
        return run.again(self.places, numbers)


def take(run: LoadedRun, parts: tuple[range, ...] | None = None) -> CollectedRun:
    """Read every record of a run once; `parts` of its file, one or two, are those worth it."""
    first, *others = parts or run.parts()
    if not others:
        return _taken(run, first)
    (second,) = others
    with _another(run, second) as results:
        taken = _taken(run, first)
        for name in _NEEDED_LATER:  # while the other is still at it
            import_module(name)
        try:
            later = pickle.load(results)  # noqa: S301 -- our own
        except (EOFError, pickle.UnpicklingError):  # whatever became of it, its part is not lost
            later = _taken(run, second)
    taken.join(later)
    return taken


def _taken(run: LoadedRun, part: range) -> CollectedRun:
    taken = CollectedRun()
    gathered, collected = taken.gathering.take, taken.collector.take
    gc.disable()  # no record leaves a cycle, and every look for one goes through all that is kept
    try:
        for record in run.trials(taken.places, part):
            gathered(record)
            collected(record)
    finally:
        gc.enable()
    taken.notes.extend(run.notes)
    return taken


@contextmanager
def _another(run: LoadedRun, part: range) -> Iterator[BinaryIO]:
    """Have another process take a part; what it writes is whole, or nothing."""
    source, sink = os.pipe()
    with open(source, "rb") as results, aside(partial(_send, run, part, sink)):  # noqa: PTH123 -- no path
        os.close(sink)
        yield results


def _send(run: LoadedRun, part: range, sink: int) -> None:
    content = pickle.dumps(_taken(run, part), pickle.HIGHEST_PROTOCOL)
    with open(sink, "wb") as file:
        file.write(content)
