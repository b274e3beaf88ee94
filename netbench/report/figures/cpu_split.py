"""What a byte or a transaction costs in CPU time, and who spent it."""

from functools import partial
from typing import Final

from netbench import units
from netbench.analysis.block_pairs import grouped
from netbench.analysis.cell_key import CellKey
from netbench.analysis.cpu_sums import REST
from netbench.analysis.digest_model import CostSplit
from netbench.report.figures import base
from netbench.report.figures.base import Figure, FigureData
from netbench.report.figures.picture import Axis, Picture, Trace
from netbench.report.labels import joined, key_of
from netbench.report.palette import QUIET
from netbench.report.sentences import primaries

PARTS: Final = {
    "client": 1.0,
    "client, user": 1.0,
    "client, kernel": 0.72,
    "server": 0.48,
    "server, user": 0.48,
    "server, kernel": 0.3,
    REST: 0.14,
}
"""Whose time, in the order of the stack, and how strongly it is drawn."""
MISLEADING: Final = 0.2
"""Share of the whole from which on a negative rest makes a bar that cannot be read."""
_LEFT: Final = "Drawn are cells that the run is judged by and those of a fixed rate."
_HOW: Final = (
    "Each bar adds up to the mean cost of the driver's records, in its colour: the client's time "
    "strong, the server's weaker, and the rest, which no end accounts for, faint. What is below "
    "zero stands left of the line: ticks are coarse, and softirq is charged to whom it interrupts. "
    "The diamond is the whole machine's softirq, wherever it was charged. A shorter bar is cheaper."
)
_SOFTIRQ: Final = "of all this, in softirq"


def cpu_split(source: FigureData) -> tuple[Figure, ...]:
    """Return one figure for each cell whose cost can be split."""
    groups = grouped((split.cell, split) for split in source.digest.splits)
    every = source.in_order(groups)
    keys = [key for key in every if _wanted(source, key)] or every
    note = "" if len(keys) == len(every) else f" {_LEFT}"
    return tuple(
        _figure(source, key, splits, note)
        for key in keys
        for splits in grouped((split.per, split) for split in groups[key]).values()
    )


def _wanted(source: FigureData, key: CellKey) -> bool:
    """Return whether the run is judged by a cell, or its rate is fixed: then like meets like."""
    rates = {probe.name for probe in source.plan.probes if "rate" in dict(probe.parameters)}
    return key in {key_of(c) for c in primaries(source.analysis)} or key.probe in rates


def _figure(source: FigureData, key: CellKey, found: list[CostSplit], note: str) -> Figure:
    splits = list(source.by_driver({split.driver: split for split in found}).values())
    per = splits[0].per
    costs = {split.driver: _cost(split) for split in splits}
    names = [part for part in PARTS if any(part in dict(split.parts) for split in splits)]
    drawn = [split for split in splits if not _misleads(split)]
    left = [split.driver for split in splits if _misleads(split)]
    if left:
        note += (
            f" {joined(left)} {'has' if len(left) == 1 else 'have'} no bar: a negative rest of "
            f"more than {MISLEADING * 100:.0f} % leaves nothing to read; the table has the parts."
        )
    return base.figure(
        f"cpu-split-{key.slug}-{per}",
        ("driver", lambda split: split.driver),
        ("records", lambda split: str(split.trials)),
        (f"CPU time per {per}", lambda split: units.quantity(_cost(split), units.SECONDS)),
        *((name, partial(_share, name)) for name in (*names, _SOFTIRQ)),
        title=f"CPU time per {per}, {key.probe} {key.place}: "
        f"{base.spans(costs, units.SECONDS)}{_below(splits)}",
        caption=f"{base.placed(key)}{f' {_HOW}' if drawn else ''}{note}",
        picture=_picture(source, per, drawn, names) if drawn else None,
        things=splits,
    )


def _cost(split: CostSplit) -> float:
    return sum(seconds for _, seconds in split.parts)


def _misleads(split: CostSplit) -> bool:
    """Return whether the rest of a cost is so far below zero that no bar can show it."""
    return dict(split.parts).get(REST, 0.0) < -MISLEADING * _cost(split)


def _below(splits: list[CostSplit]) -> str:
    """Return which drivers' rest is negative, for the title."""
    below = [split.driver for split in splits if dict(split.parts).get(REST, 0.0) < 0]
    if not below:
        return ""
    who = joined(below) if len(below) < 4 else f"{len(below)} drivers"  # noqa: PLR2004 - readable
    return f"; less than both ends' time was seen on the machine for {who}"


def _share(part: str, split: CostSplit) -> str:
    """Return a part as time and as a share of the whole, with its sign."""
    seconds = split.softirq if part == _SOFTIRQ else dict(split.parts).get(part)
    if seconds is None:
        return units.MISSING
    return f"{units.quantity(seconds, units.SECONDS)} ({seconds / _cost(split) * 100:.0f} %)"


def _picture(source: FigureData, per: str, splits: list[CostSplit], names: list[str]) -> Picture:
    scale, unit = base.scaled(map(_cost, splits), units.SECONDS)
    drivers = [split.driver for split in splits]
    parts = [
        Trace(
            name=name,
            mode="bars",
            colour=QUIET.light,
            colours=tuple(map(source.colour, drivers)),
            opacity=PARTS[name],
            x=[None if (s := dict(one.parts).get(name)) is None else s / scale for one in splits],
            y=[base.row_of(drivers, driver) for driver in drivers],
            hover=f"{name}: %{{x:.4g}}<extra></extra>",
        )
        for name in names
    ]
    known = [split for split in splits if split.softirq is not None]
    softirq = Trace(
        name=_SOFTIRQ,
        legend=True,
        symbol="diamond-open",
        size=11,
        colour=QUIET.light,
        x=[(split.softirq or 0.0) / scale for split in known],
        y=[base.row_of(drivers, split.driver) for split in known],
        hover="softirq: %{x:.4g}<extra></extra>",
    )
    legend = [base.in_legend(part.name, part) for part in parts]
    return Picture(
        Axis(f"CPU time per {per}, {unit}", to_zero=True),
        base.rows_axis(drivers),
        (*parts, *([softirq] if known else []), *legend),
        height=150 + 34 * len(splits),
    )
