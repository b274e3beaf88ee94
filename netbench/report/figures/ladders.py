"""Cells that differ in one thing alone: placement, message size, number of streams."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from netbench.analysis.cell_key import PATHS, PLACEMENTS, CellKey
from netbench.analysis.multiplicity import leading
from netbench.record import METRICS, FactValue, PlanSummary
from netbench.spec import Placement

PLACEMENT: Final = "placement"
STEPS: Final = {
    "size": ("message size", "{:,} B"),
    "length": ("datagram size", "{:,} B"),
    "streams": ("number of streams", "{}"),
    "endpoints": ("number of endpoints", "{}"),
}
"""Parameters of probes that make steps: their words, and how a step is written."""
_FREE: Final = frozenset(
    {"seconds", "omit", "interval", "trials", "lowest", "cap", "width", "volume"}
)
"""Parameters that change how long or how finely something is measured, not what."""


_Group = tuple[str, str, str, Placement, frozenset[tuple[str, FactValue]]]


@dataclass(frozen=True, slots=True)
class Ladder:
    """Cells of one path in an order, each one step from the one before it."""

    slug: str
    by: str
    """What differs, in words."""
    what: str
    """What is measured, in words."""
    metric: str
    steps: tuple[tuple[str, CellKey], ...]
    """(label, cell)."""

    def at(self, label: str) -> str:
        """Return a step as part of a sentence: `on one core`, `at 64 B`."""
        return label if self.by == PLACEMENT else f"at {label}"


def ladders(plan: PlanSummary, keys: Mapping[CellKey, None]) -> tuple[Ladder, ...]:
    """Return every ladder of at least two steps among the cells of a run."""
    return (*_by_placement(plan, keys), *_by_parameter(plan, keys))


def _by_placement(plan: PlanSummary, keys: Mapping[CellKey, None]) -> list[Ladder]:
    leads = leading(plan)
    order = list(Placement)
    groups: defaultdict[tuple[str, str], list[CellKey]] = defaultdict(list)
    for key in keys:
        groups[key.path, key.probe].append(key)
    return [
        Ladder(
            slug=f"placement-{cells[0].slug}",
            by=PLACEMENT,
            what=f"{_title(metric)} of {probe}{_where(path)}",
            metric=metric,
            steps=tuple(
                (PLACEMENTS[key.placement], key)
                for key in sorted(cells, key=lambda key: order.index(key.placement), reverse=True)
            ),
        )
        for (path, probe), cells in groups.items()
        if len(cells) > 1 and (metric := leads.get(probe)) is not None
    ]


def _by_parameter(plan: PlanSummary, keys: Mapping[CellKey, None]) -> list[Ladder]:
    leads = leading(plan)
    probes = {probe.name: probe for probe in plan.probes}
    groups: defaultdict[_Group, dict[int, CellKey]] = defaultdict(dict)
    for key in keys:
        probe = probes.get(key.probe)
        given = dict(probe.parameters) if probe else {}
        for step in STEPS.keys() & given.keys():
            value = given[step]
            rest = frozenset((n, v) for n, v in given.items() if n != step and n not in _FREE)
            if probe is not None and isinstance(value, int):
                groups[step, probe.kind, key.path, key.placement, rest].setdefault(value, key)
    found = []
    for (step, kind, path, placement, _), cells in groups.items():
        metric = leads.get(next(iter(cells.values())).probe)
        if len(cells) > 1 and metric is not None:
            words, label = STEPS[step]
            first = next(iter(cells.values()))
            found.append(
                Ladder(
                    slug=f"{step}-{first.slug}",
                    by=words,
                    what=f"{_title(metric)} of {kind} {PLACEMENTS[placement]}{_where(path)}",
                    metric=metric,
                    steps=tuple((label.format(value), cells[value]) for value in sorted(cells)),
                )
            )
    return found


def _title(metric: str) -> str:
    title = METRICS[metric].title
    return title if title[:3].isupper() else title[:1].lower() + title[1:]


def _where(path: str) -> str:
    words = PATHS.get(path, path)
    return f" {words}" if words else ""
