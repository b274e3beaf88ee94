"""Each block's value as a point, by driver in block order, with the slices that it is made of."""

from dataclasses import dataclass
from typing import Final

from netbench import units
from netbench.analysis.block_pairs import grouped
from netbench.analysis.cell_key import CellKey
from netbench.analysis.model import TrialPoint
from netbench.analysis.multiplicity import leading
from netbench.record import Slice
from netbench.report.document import Json
from netbench.report.figures.base import (
    TABLE,
    Figure,
    FigureData,
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
from netbench.report.labels import concerns, metric_title
from netbench.report.sentences import finding, primaries
from netbench.spec import Arm

LABELS: Final = 24
"""Names below one figure; where there are more drivers, every k-th is named."""
WIDTH: Final = 0.7
"""Share of a driver's column that its blocks are spread over."""

_Part = tuple[int, float, Slice]
"""A slice with its block, and the place of its round within the session, 0 to 1."""


@dataclass(frozen=True, slots=True)
class _Frame:
    """One arm's column of the figure."""

    number: int
    blocks: int
    """The last block of the run."""
    scale: float
    """One of the axis' unit, in the metric's."""
    unit: str
    """Of the axis."""

    def place(self, block: int, within: float = 0.5) -> float:
        """Return where a block lies in the column; `within` is a place in the block, 0 to 1."""
        return self.number + ((block - 1 + within) / self.blocks - 0.5) * WIDTH


def trials(scene: FigureData) -> tuple[Figure, ...]:
    """Return one figure for each primary metric of each cell."""
    main = {(c.path, c.probe, c.placement, c.metric) for c in primaries(scene.analysis)}
    shown = (
        point
        for point in scene.analysis.points
        if (point.path, point.probe, point.placement, point.metric) in main
    )
    found = grouped(shown, lambda p: (CellKey(p.path, p.probe, p.placement), p.metric))
    return tuple(
        _trials(scene, key, points)
        for wanted in in_order(scene, dict.fromkeys(key for key, _ in found))
        for (key, _), points in found.items()
        if key == wanted
    )


def _trials(scene: FigureData, key: CellKey, points: list[TrialPoint]) -> Figure:
    shown, note = thinned(points)
    arms = sorted(
        {Arm(point.driver, point.replica) for point in points},
        key=lambda arm: (arm.driver != scene.analysis.baseline, arm),
    )
    metric, unit = points[0].metric, points[0].unit
    scale, name = scaled((point.value for point in points), unit)
    slices = _slices(scene, key, metric)
    last = max(point.block for point in points)
    data: list[Json] = []
    for number, arm in enumerate(arms):
        own = [p for p in shown if Arm(p.driver, p.replica) == arm]
        parts = [] if arm.replica else slices.get(arm.driver, [])
        data += _column(scene, own, parts, arm, _Frame(number, last, scale, name))
    spec = _layout(arms, f"{metric_title(metric)}, {name}")
    spec["shapes"] = _medians(scene, key, metric, arms, scale)
    caption = (
        f"{placed(key)} Each large point is the value of one block: of a session, or of a trial "
        f"that ran whole. Within a driver, blocks run from left to right.{_told(slices, last)} "
        f"The short line is the median.{note}"
    )
    return figure(
        f"trials-{key.slug}-{metric}",
        title=finding(scene.analysis, key),
        caption=caption,
        spec={"data": data, "layout": spec},
        headers=("driver", "block", "record", "value"),
        rows=[_row(point) for point in points[:TABLE]],
        more=max(0, len(points) - TABLE),
    )


def _row(p: TrialPoint) -> tuple[str, ...]:
    arm = str(Arm(p.driver, p.replica))
    return arm, str(p.block), str(p.record), units.quantity(p.value, p.unit)


def _column(
    scene: FigureData, points: list[TrialPoint], parts: list[_Part], arm: Arm, frame: _Frame
) -> list[Spec]:
    """Return the slices and the values of one arm."""
    colour = scene.colours[arm.driver].light
    values = _values(arm.driver, colour, points, frame)
    return [_parts(arm.driver, colour, parts, frame), values] if parts else [values]


def _layout(arms: list[Arm], title: str) -> Spec:
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
        showlegend=False,
    )


def _slices(scene: FigureData, key: CellKey, metric: str) -> dict[str, list[_Part]]:
    """Return the slices of the sessions that are kept whole, where they measure this metric."""
    if leading(scene.plan).get(key.probe) != metric:
        return {}
    found: dict[str, list[_Part]] = {}
    for line in scene.digest.lines:
        if line.cell == key:
            rounds = max((one.round for one in line.slices), default=1)
            found.setdefault(line.driver, []).extend(
                (line.block, (one.round - 0.5) / rounds, one)
                for one in line.slices
                if one.value is not None
            )
    return {driver: parts for driver, parts in found.items() if parts}


def _told(slices: dict[str, list[_Part]], last: int) -> str:
    if not slices:
        return ""
    most = max(len({block for block, *_ in parts}) for parts in slices.values())
    some = f", of {most} of the blocks" if most < last else ""
    return f" Small points are its slices, one for each round, from left to right{some}."


def _parts(driver: str, colour: str, found: list[_Part], frame: _Frame) -> Spec:
    """Return the slices of one driver."""
    return {
        "type": "scatter",
        "mode": "markers",
        "name": named(driver),
        "showlegend": False,
        "x": [frame.place(block, within) for block, within, _ in found],
        "y": [(one.value or 0.0) / frame.scale for *_, one in found],
        "text": [f"block {block}, round {one.round}, order {one.order}" for block, _, one in found],
        "hovertemplate": f"%{{y:.4g}} {frame.unit}<br>%{{text}}<extra></extra>",
        "marker": {"size": 3, "opacity": 0.55, "color": colour},
    }


def _values(driver: str, colour: str, points: list[TrialPoint], frame: _Frame) -> Spec:
    """Return the values of one arm."""
    return {
        "type": "scatter",
        "mode": "markers",
        "name": named(driver),
        "showlegend": False,
        "x": [frame.place(p.block) for p in points],
        "y": [p.value / frame.scale for p in points],
        "text": [f"record {p.record}, block {p.block}" for p in points],
        "hovertemplate": f"%{{y:.4g}} {frame.unit}<br>%{{text}}<extra></extra>",
        "marker": {"size": 9, "opacity": 0.85, "color": colour},
    }


def _medians(
    scene: FigureData, key: CellKey, metric: str, arms: list[Arm], scale: float
) -> list[Json]:
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
