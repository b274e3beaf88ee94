"""What a byte or a transaction costs in CPU time, and who spent it."""

from collections import defaultdict
from typing import Final

from netbench import units
from netbench.analysis.cell_key import CellKey
from netbench.analysis.cpu_sums import REST
from netbench.analysis.digest_model import CostSplit
from netbench.report.document import Json
from netbench.report.figures.base import (
    Figure,
    FigureData,
    Spec,
    axis,
    figure,
    in_order,
    layout,
    placed,
    rows_axis,
    scaled,
    spans,
)
from netbench.report.labels import joined, key_of
from netbench.report.palette import PAPER, QUIET
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
_LEFT: Final = "Drawn are cells that the run is judged by and those of a fixed rate."
_SOFTIRQ: Final = "of all this, in softirq"


def cpu_split(scene: FigureData) -> tuple[Figure, ...]:
    """Return one figure for each cell whose cost can be split."""
    groups: defaultdict[tuple[CellKey, str], list[CostSplit]] = defaultdict(list)
    for split in scene.digest.splits:
        groups[split.cell, split.per].append(split)
    every = in_order(scene, dict.fromkeys(key for key, _ in groups))
    keys = [key for key in every if _wanted(scene, key)] or every
    note = "" if len(keys) == len(every) else f" {_LEFT}"
    return tuple(
        _figure(scene, key, per, _sorted(scene, splits), note)
        for wanted in keys
        for (key, per), splits in groups.items()
        if key == wanted
    )


def _wanted(scene: FigureData, key: CellKey) -> bool:
    """Tell whether the run is judged by a cell, or its rate is fixed: then like meets like."""
    rates = {probe.name for probe in scene.plan.probes if "rate" in dict(probe.parameters)}
    return key in {key_of(c) for c in primaries(scene.analysis)} or key.probe in rates


def _sorted(scene: FigureData, splits: list[CostSplit]) -> list[CostSplit]:
    order = list(scene.colours)
    return sorted(splits, key=lambda split: order.index(split.driver))


def _figure(
    scene: FigureData, key: CellKey, per: str, splits: list[CostSplit], note: str
) -> Figure:
    costs = {split.driver: sum(seconds for _, seconds in split.parts) for split in splits}
    scale, unit = scaled(costs.values(), units.SECONDS)
    names = [part for part in PARTS if any(part in dict(split.parts) for split in splits)]
    places: list[Json] = [len(splits) - 1 - number for number in range(len(splits))]
    data: list[Json] = [_part(scene, name, splits, places, scale) for name in names]
    softirq = [(s.softirq, y) for s, y in zip(splits, places, strict=True) if s.softirq is not None]
    if softirq:
        data.append(_softirq([(value / scale, y) for value, y in softirq]))
    data += [_legend(name) for name in names]
    return figure(
        f"cpu-split-{key.slug}-{per}",
        title=f"CPU time per {per}, {key.probe} {key.place}: "
        f"{spans(costs, units.SECONDS)}{_below(splits)}",
        caption=f"{placed(key)} Each bar adds up to the mean cost of the driver's records, in its "
        "colour: the client's time strong, the server's weaker, and the rest, which no end "
        "accounts for, faint. What is below zero stands left of the line: ticks are coarse, and "
        "softirq is charged to whom it interrupts. The diamond is the whole machine's softirq, "
        f"wherever it was charged. A shorter bar is cheaper.{note}",
        spec={
            "data": data,
            "layout": layout(
                axis(f"CPU time per {per}, {unit}", zeroline=True, zerolinecolor=QUIET.light),
                rows_axis(split.driver for split in splits),
                barmode="relative",
                bargap=0.35,
                height=150 + 34 * len(splits),
            ),
        },
        headers=("driver", "records", f"CPU time per {per}", *names, _SOFTIRQ),
        rows=[_row(split, costs[split.driver], names) for split in splits],
    )


def _below(splits: list[CostSplit]) -> str:
    """Return which drivers' rest is negative, for the title."""
    below = [split.driver for split in splits if dict(split.parts).get(REST, 0.0) < 0]
    if not below:
        return ""
    who = joined(below) if len(below) < 4 else f"{len(below)} drivers"  # noqa: PLR2004 - readable
    return f"; less than both ends' time was seen on the machine for {who}"


def _row(split: CostSplit, cost: float, names: list[str]) -> tuple[str, ...]:
    parts = dict(split.parts)
    return (
        split.driver,
        str(split.trials),
        units.quantity(cost, units.SECONDS),
        *(_share(parts.get(name), cost) for name in names),
        _share(split.softirq, cost),
    )


def _share(seconds: float | None, cost: float) -> str:
    """Return a part as time and as a share of the whole, with its sign."""
    if seconds is None:
        return units.MISSING
    return f"{units.quantity(seconds, units.SECONDS)} ({seconds / cost * 100:.0f} %)"


def _part(
    scene: FigureData, name: str, splits: list[CostSplit], places: list[Json], scale: float
) -> Spec:
    values: list[Json] = []
    for split in splits:
        seconds = dict(split.parts).get(name)
        values.append(None if seconds is None else seconds / scale)
    return {
        "type": "bar",
        "orientation": "h",
        "name": name,
        "showlegend": False,
        "x": values,
        "y": places,
        "marker": {
            "color": [scene.colours[split.driver].light for split in splits],
            "opacity": PARTS[name],
            "line": {"width": 1, "color": PAPER.light},
        },
        "hovertemplate": f"{name}: %{{x:.4g}}<extra></extra>",
    }


def _softirq(points: list[tuple[float, Json]]) -> Spec:
    return {
        "type": "scatter",
        "mode": "markers",
        "name": _SOFTIRQ,
        "x": [value for value, _ in points],
        "y": [place for _, place in points],
        "marker": {
            "symbol": "diamond",
            "size": 11,
            "color": PAPER.light,
            "line": {"width": 1.5, "color": QUIET.light},
        },
        "hovertemplate": "softirq: %{x:.4g}<extra></extra>",
    }


def _legend(name: str) -> Spec:
    """Return an empty bar that shows in the legend how a part is drawn, whatever the driver."""
    return {
        "type": "bar",
        "orientation": "h",
        "name": name,
        "x": [None],
        "y": [0],
        "opacity": PARTS[name],
        "marker": {"color": QUIET.light},
    }
