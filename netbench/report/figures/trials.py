"""Each trial as a point, by driver in block order."""

from collections import defaultdict
from typing import Final

from netbench import units
from netbench.analysis.columns import Rows, groups
from netbench.analysis.points import TrialPoint, by_place, in_columns
from netbench.report.document import Json
from netbench.report.figures.base import (
    TABLE,
    Figure,
    Scene,
    Spec,
    axis,
    figure,
    in_order,
    layout,
    named,
    placed,
    scaled,
    thinned,
)
from netbench.report.palette import QUIET
from netbench.report.sentences import finding, primaries
from netbench.report.words import CellKey, concerns, metric_title
from netbench.spec import Arm

SYMBOLS: Final = {
    "near": "circle",
    "single": "circle",
    "far": "diamond-open",
    "mixed": "x",
    "unknown": "square-open",
}
LABELS: Final = 24
"""Names below one figure; where there are more drivers, every k-th is named."""
WIDTH: Final = 0.7
"""Share of a driver's column that its blocks are spread over."""


def symbol(state: str) -> str:
    """Return the marker of a machine state."""
    return SYMBOLS.get(state, "square-open")


def trials(scene: Scene) -> tuple[Figure, ...]:
    """Return one figure for each primary metric of each cell."""
    main = {(c.path, c.probe, c.placement, c.metric) for c in primaries(scene.analysis)}
    points = in_columns(scene.analysis.points, TrialPoint)
    found = [(CellKey(*name[:3]), rows) for name, rows in by_place(points) if name in main]
    return tuple(
        _trials(scene, key, points.at(rows))
        for wanted in in_order(scene, dict.fromkeys(key for key, _ in found))
        for key, rows in found
        if key == wanted
    )


def _trials(scene: Scene, key: CellKey, points: Rows[TrialPoint]) -> Figure:
    shown, note = thinned(points)
    arms = sorted(
        (Arm(*name) for name, _ in groups(points.words("driver"), points.numbers("replica"))),
        key=lambda arm: (arm.driver != scene.analysis.baseline, arm),
    )
    metric, unit = points[0].metric, points[0].unit
    scale, name = scaled(points.numbers("value").tolist(), unit)
    data: list[Json] = []
    for number, arm in enumerate(arms):
        own = [p for p in shown if Arm(p.driver, p.replica) == arm]
        data += _traces(scene, own, number, scale, name)
    states = points.words("state").seen
    if len(states) > 1:
        data += [_legend(state) for state in states]
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
        for p in points[:TABLE]
    ]
    return figure(
        f"trials-{key.slug}-{metric}",
        title=finding(scene.analysis, key),
        caption=caption,
        spec={"data": data, "layout": spec},
        headers=("driver", "block", "record", "state", "value"),
        rows=rows,
        more=len(points) - len(rows),
    )


def _layout(arms: list[Arm], title: str, *, legend: bool) -> Spec:
    step = -(-len(arms) // LABELS)
    return layout(
        axis(
            "",
            tickvals=list(range(0, len(arms), step)),
            ticktext=[named(str(arm)) for arm in arms[::step]],
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
            "name": named(found[0].driver),
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
