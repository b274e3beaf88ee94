"""What each driver isolates, as it was seen, beside what it costs."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import groupby
from typing import Final

from netbench import units
from netbench.analysis.cell_key import PATHS, CellKey, plain
from netbench.analysis.model import Contrast, Verdict
from netbench.record import METRICS
from netbench.report.document import Json
from netbench.report.figures.base import (
    Figure,
    FigureData,
    Spec,
    axis,
    factors_axis,
    figure,
    layout,
    named,
)
from netbench.report.labels import capital, interval, joined, key_of
from netbench.report.palette import BAND, INK, QUIET
from netbench.report.sentences import measure, primaries
from netbench.report.sharing import LEVELS, NOTHING, level, namespaces
from netbench.report.verdict_text import brief

SYMBOLS: Final = ("circle", "square", "diamond", "triangle-up", "cross", "triangle-down")
"""Markers of the measures, in their order."""
HEADS: Final = {"one network namespace for the pair": "Shared by the pair"}
"""What stands above a group where its own words are too long for a narrow screen."""
FARTHEST: Final = math.log(8)
"""Log of the cost beyond which an interval is cut."""


@dataclass(frozen=True, slots=True)
class _Line:
    """One driver on one path."""

    driver: str
    level: str
    """One of `LEVELS`."""
    detail: str
    """Whose namespaces, and what was tried in vain."""
    contrasts: tuple[Contrast, ...]


def tradeoff(scene: FigureData) -> tuple[Figure, ...]:
    """Return one figure for each path on which drivers were compared."""
    paths = dict.fromkeys(contrast.path for contrast in primaries(scene.analysis))
    return tuple(_figure(scene, path) for path in paths)


def _figure(scene: FigureData, path: str) -> Figure:
    baseline = scene.analysis.baseline
    found = [c for c in primaries(scene.analysis) if c.path == path]
    measures = list(dict.fromkeys((key_of(c), c.metric) for c in found))
    lines = _lines(scene, path, found)
    rows = _rows(lines)
    data: list[Json] = [
        _trace(scene, line, measures, rows[line.driver]) for line in lines if line.contrasts
    ]
    data += [_legend(key, metric, number) for number, (key, metric) in enumerate(measures)]
    where = PATHS.get(path, path) or "from container to container"
    return figure(
        f"tradeoff-{path}",
        title=f"{capital(where)}: {_title(lines, baseline)}",
        caption="Drivers stand in groups by what separates their ends, as the namespaces that were "
        f"read tell it, the most separated on top. To the right is dearer than {baseline}: the "
        "factor by which throughput falls or a time grows, with its interval; each marker is a "
        "measure. The grey band is the margin, in which nothing counts as a cost. "
        "A namespace of one's own separates ports, addresses, routes and firewall; it does not "
        "encrypt and sets no limit.",
        spec={"data": data, "layout": _layout(scene, lines, rows)},
        headers=("driver", "what separates its ends", "namespaces of its own", "costs"),
        rows=[(line.driver, line.level, line.detail, _costs(line)) for line in lines],
    )


def _lines(scene: FigureData, path: str, found: list[Contrast]) -> list[_Line]:
    """Return the drivers, the most separated first, within a group the cheapest first."""
    lines = []
    for driver in scene.colours:
        view = scene.digest.view(driver)
        own = tuple(c for c in found if c.driver == driver)
        lines.append(_Line(driver, level(view, path), namespaces(view), own))
    return sorted(lines, key=lambda line: (LEVELS.index(line.level), _burden(line.contrasts)))


def _burden(contrasts: Iterable[Contrast]) -> float:
    costs = [math.log(cost) for c in contrasts if (cost := dearness(c, c.ratio)) is not None]
    return sum(costs) / len(costs) if costs else 0.0


def dearness(contrast: Contrast, ratio: float | None) -> float | None:
    """Return by which factor a ratio is dearer than the baseline; below 1 it is cheaper."""
    if not ratio:
        return None
    return ratio if METRICS[contrast.metric].better == "lower" else 1 / ratio


def _costs(line: _Line) -> str:
    shown = [
        f"{measure(key_of(c), c.metric)} {units.ratio(c.ratio)} {interval(c.low, c.high)} "
        f"({c.verdict})"
        for c in line.contrasts
    ]
    return "; ".join(shown) or units.MISSING


def _title(lines: list[_Line], baseline: str) -> str:
    """Return what is certain of the cost of the drivers that are separated the most."""
    others = [line for line in lines if line.contrasts and line.driver != baseline]
    level, group = next(groupby(others, key=lambda line: line.level))
    costs = {line.driver: _worst(line) for line in group}
    if len(costs) <= 2:  # noqa: PLR2004 - what one title can hold
        told = joined([f"{driver} costs {words}" for driver, (_, words) in costs.items()])
        return f"with {_whose(level, len(costs))}, {told}"
    low, high = min(costs, key=costs.__getitem__), max(costs, key=costs.__getitem__)
    if low == high:  # all say the same
        return f"{len(costs)} drivers with {_whose(level, len(costs))} cost {costs[low][1]}"
    return (
        f"of {len(costs)} drivers with {_whose(level, len(costs))}, {low} costs {costs[low][1]}, "
        f"{high} {costs[high][1]}"
    )


def _whose(level: str, drivers: int) -> str:
    """Return `a network namespace of their own`."""
    what = level.removeprefix("own ")
    if what == level:
        return f"the {level}"
    return f"a {what} of {'its' if drivers == 1 else 'their'} own"


def _worst(line: _Line) -> tuple[float, str]:
    """Return the largest cost of a driver that is certain, as a factor and in words."""
    slower = [
        (cost, c)
        for c in line.contrasts
        if c.verdict is Verdict.SLOWER and (cost := dearness(c, c.ratio)) is not None
    ]
    if slower:
        cost, worst = max(slower, key=lambda found: found[0])
        return (
            cost,
            f"{brief(worst)} in {measure(key_of(worst), worst.metric)}",
        )
    if any(c.verdict is Verdict.UNDECIDED for c in line.contrasts):
        return 1.0, "nothing that is decided yet"
    return 1.0, "nothing beyond the margin"


def _rows(lines: list[_Line]) -> dict[str, float]:
    """Return the height at which each driver stands, with room above each group for its name."""
    rows: dict[str, float] = {}
    at = 0.0
    for line, before in zip(reversed(lines), [None, *reversed(lines)], strict=False):
        at += 1.0 + (before is not None and before.level != line.level) * 0.9
        rows[line.driver] = at
    return rows


def _layout(scene: FigureData, lines: list[_Line], rows: dict[str, float]) -> Spec:
    low, high = _reach(lines, scene.analysis.margin)
    top = max(rows.values()) + 1.5
    notes: list[Json] = []
    for name, group in groupby(lines, key=lambda line: line.level):
        first = next(iter(group))
        notes.append(
            _note(
                HEADS.get(name, capital(name)), 0, rows[first.driver] + 0.72, INK.light, paper=True
            )
        )
    notes += [
        _note(_why(scene, line), 1, rows[line.driver], QUIET.light, paper=False)
        for line in lines
        if not line.contrasts
    ]
    return layout(
        factors_axis(f"times as dear as {named(scene.analysis.baseline)}, logarithmic", low, high),
        axis(
            "",
            tickvals=[rows[line.driver] for line in lines],
            ticktext=[named(line.driver) for line in lines],
            range=[0.3, top],
            showgrid=False,
        ),
        height=round(130 + 38 * top),
        annotations=notes,
        shapes=_margin(scene.analysis.margin),
    )


def _why(scene: FigureData, line: _Line) -> str:
    if line.driver == scene.analysis.baseline:
        return "the baseline"
    return "closed by design" if line.level == NOTHING else "no figure to compare"


def _note(text: str, x: float, y: float, colour: str, *, paper: bool) -> Spec:
    note: Spec = {
        "text": f"<b>{text}</b>" if paper else text,
        "x": x if paper else math.log10(x),
        "y": y,
        "xanchor": "left",
        "yanchor": "middle",
        "xshift": 2 if paper else 8,
        "showarrow": False,
        "font": {"size": 12, "color": colour},
    }
    return note | ({"xref": "paper"} if paper else {})


def _margin(margin: float) -> list[Json]:
    band: Spec = {
        "type": "rect",
        "yref": "paper",
        "x0": 1 / (1 + margin),
        "x1": 1 + margin,
        "y0": 0,
        "y1": 1,
        "layer": "below",
        "opacity": 0.22,
        "fillcolor": BAND.light,
        "line": {"width": 0},
    }
    one: Spec = {
        "type": "line",
        "yref": "paper",
        "x0": 1,
        "x1": 1,
        "y0": 0,
        "y1": 1,
        "layer": "below",
        "line": {"width": 1.5, "color": QUIET.light},
    }
    return [band, one]


def _reach(lines: list[_Line], margin: float) -> tuple[float, float]:
    """Return the ends of the axis, in log factors."""
    seen = [-math.log1p(margin), math.log1p(margin) * 2]
    for line in lines:
        for contrast in line.contrasts:
            ratios = (contrast.low, contrast.ratio, contrast.high)
            ends = [end for ratio in ratios if (end := dearness(contrast, ratio))]
            seen += [max(-FARTHEST, min(math.log(end), FARTHEST)) for end in ends]
    pad = (max(seen) - min(seen)) * 0.08
    return min(seen) - pad, max(seen) + pad


def _trace(scene: FigureData, line: _Line, measures: list[tuple[CellKey, str]], row: float) -> Spec:
    colour = scene.colours[line.driver].light
    found = [c for c in line.contrasts if c.ratio]
    places = [measures.index((key_of(c), c.metric)) for c in found]
    costs = [dearness(c, c.ratio) or 1.0 for c in found]
    ends = [_ends(c, cost) for c, cost in zip(found, costs, strict=True)]
    return {
        "type": "scatter",
        "mode": "markers",
        "name": named(line.driver),
        "showlegend": False,
        "x": list(costs),
        "y": [row + lift(place, len(measures)) for place in places],
        "text": [
            f"{named(measure(key_of(c), c.metric))}, ratio {units.ratio(c.ratio)} "
            f"{interval(c.low, c.high)}, {c.verdict}"
            for c in found
        ],
        "hovertemplate": "%{text}",
        "error_x": {
            "type": "data",
            "symmetric": False,
            "array": [high - cost for (_, high), cost in zip(ends, costs, strict=True)],
            "arrayminus": [cost - low for (low, _), cost in zip(ends, costs, strict=True)],
            "color": colour,
            "thickness": 2,
            "width": 4,
        },
        "marker": {
            "symbol": [SYMBOLS[place % len(SYMBOLS)] for place in places],
            "size": 10,
            "color": colour,
        },
    }


def _ends(contrast: Contrast, cost: float) -> tuple[float, float]:
    """Return the interval of a cost; without bounds it is as long as the axis may be."""
    sides = [dearness(contrast, end) for end in (contrast.low, contrast.high)]
    known = sorted(side for side in sides if side is not None)
    if len(known) == len(sides):
        return known[0], known[1]
    return min([*known, math.exp(-FARTHEST), cost]), max([*known, math.exp(FARTHEST), cost])


def lift(place: int, count: int) -> float:
    """Return how far above its row the mark of one of several measures stands."""
    return 0.0 if count == 1 else 0.26 - 0.52 * place / (count - 1)


def _legend(key: CellKey, metric: str, number: int) -> Spec:
    return {
        "type": "scatter",
        "mode": "markers",
        "name": plain(measure(key, metric)),
        "x": [None],
        "y": [None],
        "marker": {"symbol": SYMBOLS[number % len(SYMBOLS)], "size": 10, "color": QUIET.light},
    }
