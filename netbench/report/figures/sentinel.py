"""The machine's state over the run, with every trial on it."""

from collections import defaultdict

from netbench import units
from netbench.analysis.columns import Rows, groups
from netbench.analysis.model import State
from netbench.analysis.points import SentinelPoint, in_columns
from netbench.report.document import Json
from netbench.report.figures.base import (
    TABLE,
    Figure,
    Scene,
    Spec,
    axis,
    figure,
    layout,
    named,
    scaled,
    thinned,
)
from netbench.report.palette import BAND
from netbench.report.words import PLACEMENTS
from netbench.spec import Placement


def sentinel(scene: Scene) -> tuple[Figure, ...]:
    """Return one figure for each placement with sentinel readings."""
    if not scene.analysis.sentinel:
        return ()
    points = in_columns(scene.analysis.sentinel, SentinelPoint)
    found = sorted(groups(points.words("placement")), key=lambda group: group[1][0])
    return tuple(_sentinel(scene, placement, points.at(rows)) for (placement,), rows in found)


def _sentinel(scene: Scene, placement: Placement, points: Rows[SentinelPoint]) -> Figure:
    shown, note = thinned(points)
    unit = units.PER_SECOND if placement is Placement.SAME else units.BITS_PER_SECOND
    scale, name = scaled(points.numbers("value").tolist(), unit)
    states = [state for state in scene.analysis.states if state.placement is placement]
    grouped: defaultdict[str, list[SentinelPoint]] = defaultdict(list)
    for point in shown:
        grouped[point.driver].append(point)
    data: list[Json] = [
        _trace(driver, colour.light, grouped[driver], scale, name)
        for driver, colour in scene.colours.items()
        if grouped[driver]
    ]
    spec = layout(
        axis("seconds since the first reading"),
        axis(f"sentinel, {name}", rangemode="tozero"),
        shapes=_bands(states, scale),
    )
    return figure(
        f"sentinel-{placement}",
        title=_title(placement, states, unit),
        caption=f"Readings {PLACEMENTS[placement]}, just before and just after each trial; a line "
        "joins the two of one trial, in its driver's colour. Bands are the machine's states. The "
        f"sentinel uses no network and never looks at what a trial measured.{note}",
        spec={"data": data, "layout": spec},
        headers=("seconds", "record", "driver", "when", "value", "state"),
        rows=[
            (
                f"{p.at:.1f}",
                str(p.record),
                p.driver,
                p.when,
                units.quantity(p.value, unit),
                p.state,
            )
            for p in points[:TABLE]
        ],
        more=max(0, len(points) - TABLE),
    )


def _title(placement: Placement, states: list[State], unit: str) -> str:
    where = PLACEMENTS[placement]
    if len(states) > 1:
        trials = " and ".join(f"{state.name} ({state.trials} trials)" for state in states)
        return f"The machine {where} had {len(states)} states: {trials}"
    spans = [(units.quantity(s.low, unit), units.quantity(s.high, unit)) for s in states]
    seen = f", readings from {spans[0][0]} to {spans[0][1]}" if spans else ""
    return f"The machine {where} showed one state{seen}"


def _trace(driver: str, colour: str, points: list[SentinelPoint], scale: float, name: str) -> Spec:
    x: list[Json] = []
    y: list[Json] = []
    text: list[Json] = []
    last = None
    for point in points:
        if last is not None and point.record != last:
            x.append(None)
            y.append(None)
            text.append(None)
        last = point.record
        x.append(point.at)
        y.append(point.value / scale)
        text.append(f"record {point.record} {point.when}")
    return {
        "type": "scatter",
        "mode": "lines+markers",
        "name": named(driver),
        "x": x,
        "y": y,
        "text": text,
        "hovertemplate": f"%{{y:.4g}} {name}<br>%{{text}}",
        "line": {"width": 1, "color": colour},
        "marker": {"size": 6, "color": colour},
    }


def _bands(states: list[State], scale: float) -> list[Json]:
    return [
        {
            "type": "rect",
            "xref": "paper",
            "x0": 0,
            "x1": 1,
            "y0": state.low / scale,
            "y1": state.high / scale,
            "layer": "below",
            "opacity": 0.22,
            "fillcolor": BAND.light,
            "line": {"width": 0},
            "label": {"text": state.name, "textposition": "middle right"},
        }
        for state in states
    ]
