"""Whether the order of drivers holds from one placement, size or number of streams to the next."""

import math
from dataclasses import dataclass
from itertools import permutations
from typing import Final

from netbench import units
from netbench.analysis.cell_key import CellKey
from netbench.analysis.model import CellSummary, Contrast, Verdict
from netbench.record import METRICS
from netbench.report.document import Json
from netbench.report.figures.base import (
    Figure,
    FigureData,
    Spec,
    axis,
    chosen,
    factors_axis,
    figure,
    layout,
    named,
    scaled,
)
from netbench.report.figures.ladders import Ladder, ladders
from netbench.report.forest import CLIP
from netbench.report.labels import capital, counted, interval, key_of
from netbench.report.palette import QUIET

SPREAD: Final = 0.5
"""Share of a step that the drivers' marks are spread over."""


@dataclass(frozen=True, slots=True)
class _Flip:
    """Two drivers that are apart one way at one step and the other way at another."""

    one: str
    other: str
    here: str
    """Step at which `one` is better."""
    there: str
    """Step at which `other` is better."""


def ranking(scene: FigureData) -> tuple[Figure, ...]:
    """Return one figure for each thing alone by which cells differ."""
    keys = dict.fromkeys(
        CellKey(cell.path, cell.probe, cell.placement)
        for cell in scene.analysis.cells
        if cell.trials
    )
    made = (_figure(scene, ladder) for ladder in ladders(scene.plan, keys))
    return tuple(found for found in made if found is not None)


def _figure(scene: FigureData, ladder: Ladder) -> Figure | None:
    cells = {key for _, key in ladder.steps}
    contrasts = {
        (c.driver, key_of(c)): c
        for c in scene.analysis.contrasts
        if c.metric == ladder.metric and key_of(c) in cells and c.ratio
    }
    medians = {
        (cell.driver, CellKey(cell.path, cell.probe, cell.placement)): cell
        for cell in scene.analysis.cells
        if cell.metric == ladder.metric and not cell.replica and cell.median is not None
    }
    if not any((driver, key) in medians for driver in scene.colours for key in cells):
        return None
    return (
        _relative(scene, ladder, contrasts, medians)
        if contrasts
        else _absolute(scene, ladder, medians)
    )


_Contrasts = dict[tuple[str, CellKey], Contrast]
_Cells = dict[tuple[str, CellKey], CellSummary]


def _relative(scene: FigureData, ladder: Ladder, contrasts: _Contrasts, medians: _Cells) -> Figure:
    baseline = scene.analysis.baseline
    drivers = [d for d in scene.colours if any(driver == d for driver, _ in contrasts)]
    means = {
        driver: max(c.ratio or 0.0 for (d, _), c in contrasts.items() if d == driver)
        for driver in drivers
    }
    drawn, note = chosen(means, baseline)
    data: list[Json] = [
        _ratios(scene, ladder, driver, contrasts, (number + 0.5) / len(drawn) - 0.5)
        for number, driver in enumerate(drawn)
    ]
    better = "up" if METRICS[ladder.metric].better == "higher" else "down"
    return figure(
        f"ranking-{ladder.slug}",
        title=_title(ladder, baseline, [baseline, *drivers], contrasts),
        caption=f"Each mark is a driver's ratio to {baseline}, which lies on the line at 1, with "
        f"its interval, where there are blocks enough for one; better is {better}. Two drivers are "
        f"called apart only where their intervals do not overlap, and a driver and {baseline} only "
        f"by a verdict.{note}",
        spec={
            "data": data,
            "layout": layout(
                _steps(ladder),
                _ratio_axis(baseline, contrasts),
                shapes=[_one()],
                showlegend=True,
                height=320,
            ),
        },
        headers=("driver", ladder.by, "median", "ratio", "interval", "verdict"),
        rows=[
            _row(driver, label, medians.get((driver, key)), contrasts.get((driver, key)))
            for driver in (baseline, *drivers)
            for label, key in ladder.steps
        ],
    )


def _absolute(scene: FigureData, ladder: Ladder, medians: _Cells) -> Figure:
    drivers = [d for d in scene.colours if any((d, key) in medians for _, key in ladder.steps)]
    found = [medians[d, key] for d in drivers for _, key in ladder.steps if (d, key) in medians]
    unit = METRICS[ladder.metric].unit
    scale, name = scaled([cell.median for cell in found if cell.median], unit)
    data: list[Json] = []
    for driver in drivers:
        own = [
            (place, medians[driver, key])
            for place, (_, key) in enumerate(ladder.steps)
            if (driver, key) in medians
        ]
        data.append(_values(scene, driver, own, scale))
    return figure(
        f"ranking-{ladder.slug}",
        title=capital(f"{ladder.what} by {ladder.by}; there is nothing to compare it with"),
        caption="Each mark is the median over the blocks, its bar runs from quartile to quartile.",
        spec={
            "data": data,
            "layout": layout(_steps(ladder), axis(name, rangemode="tozero"), height=320),
        },
        headers=("driver", ladder.by, "median", "ratio", "interval", "verdict"),
        rows=[
            _row(driver, label, medians.get((driver, key)), None)
            for driver in drivers
            for label, key in ladder.steps
        ],
    )


def _title(ladder: Ladder, baseline: str, drivers: list[str], contrasts: _Contrasts) -> str:
    pairs, flips = _flips(ladder, baseline, drivers, contrasts)
    what = f"{ladder.what} by {ladder.by}"
    if flips:
        first = flips[0]
        more = f", and so for {counted(len(flips) - 1, 'more pair')}" if len(flips) > 1 else ""
        return capital(
            f"{what}: the order flips. {first.one} is better than {first.other} "
            f"{ladder.at(first.here)}, worse {ladder.at(first.there)}{more}"
        )
    if not pairs:
        return capital(f"{what}: no two drivers are clearly apart, so no order can be told")
    return capital(f"{what}: the order does not flip where drivers are clearly apart")


def _flips(
    ladder: Ladder, baseline: str, drivers: list[str], contrasts: _Contrasts
) -> tuple[int, list[_Flip]]:
    """Return how many pairs of drivers are apart somewhere, and those whose order turns."""
    apart: dict[tuple[str, str], str] = {}
    for label, key in ladder.steps:
        here = [driver for driver in drivers if driver == baseline or (driver, key) in contrasts]
        for one, other in permutations(here, 2):
            if _better(contrasts.get((one, key)), contrasts.get((other, key))):
                apart.setdefault((one, other), label)
    flips = [
        _Flip(one, other, here, apart[other, one])
        for (one, other), here in apart.items()
        if (other, one) in apart and drivers.index(one) < drivers.index(other)
    ]
    return len(apart), flips


def _better(mine: Contrast | None, others: Contrast | None) -> bool:
    """Tell whether one driver is certainly better than another; None stands for the baseline."""
    if mine is None or others is None:
        verdict = mine.verdict if mine else others.verdict if others else None
        return verdict is (Verdict.FASTER if mine else Verdict.SLOWER)
    low, high = (mine, others) if METRICS[mine.metric].better == "lower" else (others, mine)
    return low.high is not None and high.low is not None and low.high < high.low


def _steps(ladder: Ladder) -> Spec:
    return axis(
        ladder.by,
        tickvals=list(range(len(ladder.steps))),
        ticktext=[label for label, _ in ladder.steps],
        range=[-0.5, len(ladder.steps) - 0.5],
        showgrid=False,
    )


def _ratio_axis(baseline: str, contrasts: _Contrasts) -> Spec:
    """Return an axis that holds every ratio, and every interval as far as it can be read."""
    seen = [0.0]
    for contrast in contrasts.values():
        ends = (contrast.low, contrast.ratio, contrast.high)
        seen += [min(max(math.log(end), -CLIP), CLIP) for end in ends if end]
    pad = (max(seen) - min(seen)) * 0.06 or math.log(1.1)
    low, high = min(seen) - pad, max(seen) + pad
    return factors_axis(f"ratio to {named(baseline)}, logarithmic", low, high)


def _one() -> Spec:
    return {
        "type": "line",
        "xref": "paper",
        "x0": 0,
        "x1": 1,
        "y0": 1,
        "y1": 1,
        "layer": "below",
        "line": {"width": 1.5, "color": QUIET.light},
    }


def _ratios(
    scene: FigureData, ladder: Ladder, driver: str, contrasts: _Contrasts, offset: float
) -> Spec:
    own = [
        (place + offset * SPREAD, contrasts[driver, key])
        for place, (_, key) in enumerate(ladder.steps)
        if (driver, key) in contrasts
    ]
    ratios = [c.ratio or 1.0 for _, c in own]
    spec = _line(scene, driver, [place for place, _ in own], ratios)
    spec["error_y"] = _bars(
        [(c.high or ratio) - ratio for (_, c), ratio in zip(own, ratios, strict=True)],
        [ratio - (c.low or ratio) for (_, c), ratio in zip(own, ratios, strict=True)],
        scene.colours[driver].light,
    )
    spec["hovertemplate"] = "%{y:.3f}"
    return spec


def _values(
    scene: FigureData, driver: str, own: list[tuple[int, CellSummary]], scale: float
) -> Spec:
    middles = [(cell.median or 0.0) / scale for _, cell in own]
    spec = _line(scene, driver, [float(place) for place, _ in own], middles)
    uppers = [(cell.p75 or 0.0) / scale for _, cell in own]
    lowers = [(cell.p25 or 0.0) / scale for _, cell in own]
    spec["error_y"] = _bars(
        [upper - middle for upper, middle in zip(uppers, middles, strict=True)],
        [middle - lower for lower, middle in zip(lowers, middles, strict=True)],
        scene.colours[driver].light,
    )
    return spec


def _line(scene: FigureData, driver: str, x: list[float], y: list[float]) -> Spec:
    colour = scene.colours[driver].light
    return {
        "type": "scatter",
        "mode": "lines+markers",
        "name": named(driver),
        "x": list(x),
        "y": list(y),
        "line": {"width": 1.5, "color": colour},
        "marker": {"size": 9, "color": colour},
    }


def _bars(plus: list[float], minus: list[float], colour: str) -> Spec:
    return {
        "type": "data",
        "symmetric": False,
        "array": list(plus),
        "arrayminus": list(minus),
        "color": colour,
        "thickness": 2,
        "width": 4,
    }


def _row(
    driver: str, label: str, cell: CellSummary | None, contrast: Contrast | None
) -> tuple[str, ...]:
    return (
        driver,
        label,
        units.quantity(cell.median, cell.unit) if cell else units.MISSING,
        units.ratio(contrast.ratio) if contrast else units.MISSING,
        interval(contrast.low, contrast.high) if contrast else units.MISSING,
        str(contrast.verdict) if contrast else units.MISSING,
    )
