"""The rate searches of many trials, kept as they pass."""

from collections import defaultdict
from typing import Final

from netbench.analysis.cell_key import CellKey
from netbench.analysis.digest_model import Goal, Load, SearchTrial
from netbench.probes.iperf3.search import GOALS
from netbench.record import FactValue, Record, Sample

MOST: Final = 20
"""Searches of one driver in one cell that are drawn."""
_FIELDS: Final = 4
"""Of a load in a search's words: load, sent, received, loss."""


class Searches:
    """The first searches of every driver in every cell that has them."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self.kept: defaultdict[tuple[str, CellKey], list[SearchTrial]] = defaultdict(list)

    def add(self, record: Record, sample: Sample) -> None:
        """Keep one trial, unless it is no search or the baseline's second."""
        if record.replica:
            return
        details = dict(sample.details)
        tried = details.get("search.tried")
        if not isinstance(tried, tuple):
            return
        cell = record.cell
        key = CellKey(cell.path, cell.probe, cell.placement)
        kept = self.kept[cell.driver, key]
        if len(kept) == MOST:
            return
        kept.append(
            SearchTrial(
                driver=cell.driver,
                cell=key,
                record=record.number,
                block=record.block,
                loads=tuple(load for text in tried if (load := _load(text)) is not None),
                goals=tuple(_goal(name, sample, details) for name in GOALS),
            )
        )

    def found(self) -> tuple[SearchTrial, ...]:
        """Return the searches, one driver's of one cell together."""
        return tuple(search for kept in self.kept.values() for search in kept)


def _load(text: str) -> Load | None:
    """Return a load as the search told it; None where it is told in another way."""
    words = text.split()
    if len(words) != _FIELDS:
        return None
    try:
        load, _, received, loss = map(float, words)
    except ValueError:
        return None
    return Load(load, received, loss)


def _goal(name: str, sample: Sample, details: dict[str, FactValue]) -> Goal:
    upper, end = details.get(f"search.{name}_upper"), details.get(f"search.{name}_end")
    return Goal(
        metric=name,
        loss=GOALS[name],
        lower=sample.value(name),
        upper=upper if isinstance(upper, float) else None,
        end=end if isinstance(end, str) else "not told",
    )
