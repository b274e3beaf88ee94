"""The ratio of each block, the interval of their mean, and the noise floor around 1."""

import math
from collections import defaultdict
from collections.abc import Sequence
from typing import Final

import numpy as np

from netbench import units
from netbench.analysis.cell_key import CellKey
from netbench.analysis.model import Analysis, BlockDelta, Contrast, NullContrast
from netbench.analysis.stats import Floats
from netbench.report.document import Json
from netbench.report.figures.base import (
    Figure,
    FigureData,
    Spec,
    factors_axis,
    figure,
    layout,
    named,
    placed,
    rows_axis,
    thinned,
)
from netbench.report.labels import capital, interval, joined, key_of
from netbench.report.palette import BAND, QUIET, Colour
from netbench.report.sentences import NAMED, measure, primaries
from netbench.report.verdict_text import shared_by

DOTS: Final = 200
"""Blocks of one driver that are drawn and listed; beyond it every k-th is drawn."""

_Entry = tuple[str, Contrast | NullContrast, Colour]


def ratios(scene: FigureData) -> tuple[Figure, ...]:
    """Return one figure for each primary metric of each cell."""
    groups: defaultdict[tuple[CellKey, str], list[Contrast]] = defaultdict(list)
    for contrast in primaries(scene.analysis):
        key = key_of(contrast)
        groups[key, contrast.metric].append(contrast)
    return tuple(_ratios(scene, key, found) for (key, _), found in groups.items())


def _ratios(scene: FigureData, key: CellKey, contrasts: list[Contrast]) -> Figure:
    analysis = scene.analysis
    metric = contrasts[0].metric
    lines = _lines(scene, key, contrasts)
    data: list[Json] = []
    for number, (name, thing, colour) in enumerate(lines):
        data += _line(name, thing, colour, len(lines) - 1 - number)
    floor = contrasts[0].noise_floor
    width = f"{floor * 100:.1f} %" if floor is not None else "unbounded, so it is not drawn"
    return figure(
        f"ratios-{key.slug}-{metric}",
        title=f"{capital(measure(key, metric))} against {analysis.baseline}: {_sides(contrasts)}",
        caption=f"{placed(key)} Points are blocks; the bar is the interval of their mean ratio, "
        f"{shared_by(analysis)}, at every planned look. The grey band is the noise floor (the "
        f"interval of the baseline's two arms, which do not differ): {width}. Dotted lines: "
        f"the margin of {analysis.margin * 100:g} %.",
        spec={"data": data, "layout": _layout(analysis, lines, floor)},
        headers=("driver", "blocks", "ratio", "interval", "block ratios"),
        rows=[
            (
                name,
                str(thing.blocks),
                units.ratio(thing.ratio),
                interval(thing.low, thing.high),
                _listed(thing.deltas),
            )
            for name, thing, _ in lines
        ],
    )


def _lines(scene: FigureData, key: CellKey, contrasts: list[Contrast]) -> list[_Entry]:
    """Return the drivers of one cell, then the baseline's A/A contrast if there is one."""
    baseline = scene.analysis.baseline
    lines: list[_Entry] = [(c.driver, c, scene.colours[c.driver]) for c in contrasts]
    lines += [
        (f"{baseline} (A/A)", null, scene.colours[baseline])
        for null in scene.analysis.nulls
        if key_of(null) == key and null.metric == contrasts[0].metric
    ]
    return lines


def _layout(analysis: Analysis, lines: list[_Entry], floor: float | None) -> Spec:
    reach = _reach([thing for _, thing, _ in lines], floor, analysis.margin)
    return layout(
        factors_axis(f"ratio to {named(analysis.baseline)}, logarithmic", -reach, reach),
        rows_axis(name for name, _, _ in lines),
        height=130 + 52 * len(lines),
        showlegend=False,
        shapes=_bands(floor, analysis.margin),
    )


def _listed(deltas: Sequence[BlockDelta]) -> str:
    shown = ", ".join(f"{d.block}: {math.exp(d.log_ratio):.3f}" for d in deltas[:DOTS])
    return f"{shown}, and {len(deltas) - DOTS} more" if len(deltas) > DOTS else shown


def _logs(deltas: Sequence[BlockDelta]) -> Floats:
    return np.array([delta.log_ratio for delta in deltas], np.float64)


def _sides(contrasts: list[Contrast]) -> str:
    """Return in how many blocks each driver lay on the side of 1 where most of its blocks lie."""
    parts = []
    if len(contrasts) > NAMED:
        sides = [float(np.sum(_logs(c.deltas))) > 0 for c in contrasts if c.deltas]
        return f"{sum(sides)} of {len(sides)} drivers above it on average, the others below"
    for contrast in contrasts:
        logs = _logs(contrast.deltas)
        above, below = int(np.sum(logs > 0)), int(np.sum(logs < 0))
        side, count = ("above", above) if above > below else ("below", below)
        parts.append(f"{contrast.driver} {side} it in {count} of {len(contrast.deltas)} blocks")
    return joined(parts)


def _line(name: str, thing: Contrast | NullContrast, colour: Colour, row: int) -> list[Spec]:
    found: list[Spec] = [_blocks(name, thing.deltas, colour, row)]
    if thing.ratio is None:
        return found
    mean: Spec = {
        "type": "scatter",
        "mode": "markers",
        "name": named(name),
        "x": [thing.ratio],
        "y": [row],
        "marker": {"symbol": "line-ns", "size": 18, "line": {"width": 3, "color": colour.light}},
        "hovertemplate": f"{units.ratio(thing.ratio)} "
        f"{interval(thing.low, thing.high)}<extra></extra>",
    }
    if thing.low is not None and thing.high is not None:
        mean["error_x"] = {
            "type": "data",
            "symmetric": False,
            "array": [thing.high - thing.ratio],
            "arrayminus": [thing.ratio - thing.low],
            "color": colour.light,
            "thickness": 3,
            "width": 7,
        }
    return [*found, mean]


def _blocks(name: str, all_deltas: Sequence[BlockDelta], colour: Colour, row: int) -> Spec:
    deltas, _ = thinned(all_deltas, DOTS)
    return {
        "type": "scatter",
        "mode": "markers",
        "name": named(name),
        "x": [math.exp(delta.log_ratio) for delta in deltas],
        "y": [row + 0.25 for _ in deltas],
        "text": [f"block {delta.block}" for delta in deltas],
        "hovertemplate": "%{x:.3f}, %{text}<extra></extra>",
        "marker": {"size": 7, "opacity": 0.6, "color": colour.light},
    }


def _reach(things: list[Contrast | NullContrast], floor: float | None, margin: float) -> float:
    """Return how far, in log ratio, the axis goes on both sides of 1."""
    seen = [math.log1p(margin), math.log1p(floor or 0)]
    for thing in things:
        seen.append(float(np.max(np.abs(_logs(thing.deltas)), initial=0)))
        ends = (thing.low, thing.high)
        seen += [min(abs(math.log(end)), math.log(4)) for end in ends if end]
    return max(seen) * 1.15


def _bands(floor: float | None, margin: float) -> list[Json]:
    shapes: list[Json] = []
    if floor is not None:
        shapes.append(
            {
                "type": "rect",
                "yref": "paper",
                "x0": 1 / (1 + floor),
                "x1": 1 + floor,
                "y0": 0,
                "y1": 1,
                "layer": "between",
                "opacity": 0.3,
                "fillcolor": BAND.light,
                "line": {"width": 0},
            }
        )
    for at, dash, width in (
        (1.0, "solid", 1.5),
        (1 + margin, "dot", 1),
        (1 / (1 + margin), "dot", 1),
    ):
        shapes.append(
            {
                "type": "line",
                "yref": "paper",
                "x0": at,
                "x1": at,
                "y0": 0,
                "y1": 1,
                "layer": "between",
                "line": {"width": width, "dash": dash, "color": QUIET.light},
            }
        )
    return shapes
