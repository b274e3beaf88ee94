"""Each trial as a point, by driver in block order."""

from collections import defaultdict
from typing import Final

from netbench import units
from netbench.analysis.model import TrialPoint
from netbench.report.document import Json
from netbench.report.figures.base import (
    Figure,
    Scene,
    Spec,
    axis,
    figure,
    in_order,
    layout,
    placed,
    scaled,
    thinned,
)
from netbench.report.palette import QUIET
from netbench.report.sentences import finding, primaries
from netbench.report.words import CellKey, concerns, metric_title, plain
from netbench.spec import Arm

SYMBOLS: Final = {
    "near": "circle",
    "single": "circle",
    "far": "diamond-open",
    "mixed": "x",
    "unknown": "square-open",
}
WIDTH: Final = 0.7
"""Share of a driver's column that its blocks are spread over."""


def symbol(state: str) -> str:
    """Return the marker of a machine state."""
    return SYMBOLS.get(state, "square-open")


def trials(scene: Scene) -> tuple[Figure, ...]:
    """Return one figure for each primary metric of each cell."""
    groups: defaultdict[tuple[CellKey, str], list[TrialPoint]] = defaultdict(list)
    main = {(c.path, c.probe, c.placement, c.metric) for c in primaries(scene.analysis)}
    for point in scene.analysis.points:
        if (point.path, point.probe, point.placement, point.metric) in main:
            key = CellKey(point.path, point.probe, point.placement)
            groups[key, point.metric].append(point)
    return tuple(
        _trials(scene, key, points)
        for wanted in in_order(scene, dict.fromkeys(key for key, _ in groups))
        for (key, _), points in groups.items()
        if key == wanted
    )


def _trials(scene: Scene, key: CellKey, points: list[TrialPoint]) -> Figure:
    shown, note = thinned(points)
    arms = sorted(
        {Arm(point.driver, point.replica) for point in points},
        key=lambda arm: (arm.driver != scene.analysis.baseline, arm),
    )
    metric, unit = points[0].metric, points[0].unit
    scale, name = scaled((point.value for point in points), unit)
    data: list[Json] = []
    for number, arm in enumerate(arms):
        own = [p for p in shown if Arm(p.driver, p.replica) == arm]
        data += _traces(scene, own, number, scale, name)
    states = {point.state for point in points}
    if len(states) > 1:
        data += [_legend(state) for state in sorted(states)]
    spec = _layout(arms, f"{metric_title(metric)}, {name}", legend=len(states) > 1)
    spec["shapes"] = _medians(scene, key, metric, arms, scale)
    caption = (
        f"{placed(key)} Each point is one trial; within a driver, blocks run from left to right. "
        "The shape is the machine's state by the sentinel; the short line is the median in the "
        f"headline's state.{note}"
    )
    rows = [
        (
            str(Arm(p.driver, p.replica)),
            str(p.block),
            str(p.record),
            p.state,
            units.quantity(p.value, p.unit),
        )
        for p in points
    ]
    return figure(
        f"trials-{key.slug}-{metric}",
        title=finding(scene.analysis, key),
        caption=caption,
        spec={"data": data, "layout": spec},
        headers=("driver", "block", "record", "state", "value"),
        rows=rows,
    )


def _layout(arms: list[Arm], title: str, *, legend: bool) -> Spec:
    return layout(
        axis(
            "",
            tickvals=list(range(len(arms))),
            ticktext=[plain(str(arm)) for arm in arms],
            range=[-0.5, len(arms) - 0.5],
            showgrid=False,
            autotickangles=[0, -40],
        ),
        axis(title, rangemode="tozero"),
        showlegend=legend,
    )


def _traces(
    scene: Scene, points: list[TrialPoint], number: int, scale: float, name: str
) -> list[Spec]:
    last = max((point.block for point in points), default=1)
    states: defaultdict[str, list[TrialPoint]] = defaultdict(list)
    for point in points:
        states[point.state].append(point)
    return [
        {
            "type": "scatter",
            "mode": "markers",
            "name": plain(found[0].driver),
            "showlegend": False,
            "x": [number + ((p.block - 0.5) / last - 0.5) * WIDTH for p in found],
            "y": [p.value / scale for p in found],
            "text": [f"record {p.record}, block {p.block}, {p.state}" for p in found],
            "hovertemplate": f"%{{y:.4g}} {name}<br>%{{text}}<extra></extra>",
            "marker": {
                "symbol": symbol(state),
                "size": 9,
                "opacity": 0.85,
                "color": scene.colours[found[0].driver].light,
                "line": {"width": 1.5, "color": scene.colours[found[0].driver].light},
            },
        }
        for state, found in states.items()
    ]


def _legend(state: str) -> Spec:
    return {
        "type": "scatter",
        "mode": "markers",
        "name": f"state {state}",
        "x": [None],
        "y": [None],
        "marker": {
            "symbol": symbol(state),
            "size": 9,
            "color": QUIET.light,
            "line": {"width": 1.5, "color": QUIET.light},
        },
    }


def _medians(scene: Scene, key: CellKey, metric: str, arms: list[Arm], scale: float) -> list[Json]:
    found: dict[str, float | None] = {}
    for contrast in primaries(scene.analysis):
        if concerns(contrast, key, metric):
            found[contrast.driver] = contrast.driver_median
            found.setdefault(contrast.baseline, contrast.baseline_median)
    return [
        {
            "type": "line",
            "x0": number - WIDTH / 2,
            "x1": number + WIDTH / 2,
            "y0": median / scale,
            "y1": median / scale,
            "line": {"width": 2, "color": scene.colours[arm.driver].light},
        }
        for number, arm in enumerate(arms)
        if not arm.replica and (median := found.get(arm.driver)) is not None
    ]
