"""Each block's value as a point, by driver in block order, with the slices that it is made of."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from netbench import units
from netbench.analysis.block_pairs import grouped
from netbench.analysis.cell_key import CellKey
from netbench.analysis.model import TrialPoint
from netbench.analysis.multiplicity import leading
from netbench.report.figures import base
from netbench.report.figures.base import Figure, FigureData
from netbench.report.figures.picture import Axis, LevelLine, Picture, Trace
from netbench.report.labels import concerns, key_of, metric_title
from netbench.report.sentences import finding, primaries
from netbench.spec import Arm

LABELS: Final = 24  # names below one figure; where there are more drivers, every k-th is named
WIDTH: Final = 0.7  # share of a driver's column that its blocks are spread over

_Part = tuple[int, float, float, str]
"""Block of a slice, the place of its round within the session, 0 to 1, value, and words."""


@dataclass(frozen=True, slots=True)
class _Frame:
    """One arm's column of the figure."""

    arm: Arm
    colour: str
    number: int
    blocks: int  # the last block of the run
    scale: float  # one of the axis' unit, in the metric's
    unit: str  # of the axis

    def place(self, block: int, within: float = 0.5) -> float:
        """Return where a block lies in the column; `within` is a place in the block, 0 to 1."""
        return self.number + ((block - 1 + within) / self.blocks - 0.5) * WIDTH

    def trace(
        self, points: Sequence[tuple[float, float, str]], size: float, opacity: float
    ) -> Trace:
        """Return points in the column, from (x, value, words)."""
        return Trace(
            name=self.arm.driver,
            colour=self.colour,
            x=[x for x, *_ in points],
            y=[value / self.scale for _, value, _ in points],
            texts=[words for *_, words in points],
            hover=f"%{{y:.4g}} {self.unit}<br>%{{text}}<extra></extra>",
            size=size,
            opacity=opacity,
        )


def trials(source: FigureData) -> tuple[Figure, ...]:
    """Return one figure for each primary metric of each cell."""
    main = {(c.path, c.probe, c.placement, c.metric) for c in primaries(source.analysis)}
    shown = (
        point
        for point in source.analysis.points
        if (point.path, point.probe, point.placement, point.metric) in main
    )
    found = grouped(((key_of(p), p.metric), p) for p in shown)
    return tuple(
        _trials(source, key, points)
        for wanted in source.in_order(dict.fromkeys(key for key, _ in found))
        for (key, _), points in found.items()
        if key == wanted
    )


def _trials(source: FigureData, key: CellKey, points: list[TrialPoint]) -> Figure:
    metric, last = points[0].metric, max(point.block for point in points)
    slices = _slices(source, key, metric)
    shown, note = base.thinned(points)
    return base.figure(
        f"trials-{key.slug}-{metric}",
        ("driver", lambda point: str(Arm(point.driver, point.replica))),
        ("block", lambda point: str(point.block)),
        ("record", lambda point: str(point.record)),
        ("value", lambda point: units.quantity(point.value, point.unit)),
        title=finding(source.analysis, key),
        caption=f"{base.placed(key)} "
        "Each large point is the value of one block: of a session, or of a "
        "trial that ran whole. Within a driver, blocks run from left to right."
        f"{_note(slices, last)} The short line is the median.{note}",
        picture=_picture(source, _frames(source, points, last), shown, slices, key),
        things=points,
    )


def _frames(source: FigureData, points: list[TrialPoint], last: int) -> list[_Frame]:
    arms = sorted(
        {Arm(point.driver, point.replica) for point in points},
        key=lambda arm: (arm.driver != source.analysis.baseline, arm),
    )
    scale, unit = base.scaled([point.value for point in points], points[0].unit)
    return [
        _Frame(arm, source.colour(arm.driver), number, last, scale, unit)
        for number, arm in enumerate(arms)
    ]


def _picture(
    source: FigureData,
    frames: list[_Frame],
    points: list[TrialPoint],
    slices: dict[str, list[_Part]],
    key: CellKey,
) -> Picture:
    metric = points[0].metric
    traces: list[Trace] = []
    for frame in frames:
        parts = [] if frame.arm.replica else slices.get(frame.arm.driver, [])
        drawn = [(frame.place(block, at), value, words) for block, at, value, words in parts]
        traces += [frame.trace(drawn, size=3, opacity=0.55)] if parts else []
        values = [
            (frame.place(p.block), p.value, f"record {p.record}, block {p.block}")
            for p in points
            if (p.driver, p.replica) == (frame.arm.driver, frame.arm.replica)
        ]
        traces.append(frame.trace(values, size=9, opacity=0.85))
    named = frames[:: -(-len(frames) // LABELS)]
    return Picture(
        Axis(
            "",
            limits=(-0.5, len(frames) - 0.5),
            ticks=tuple((float(frame.number), str(frame.arm)) for frame in named),
            grid=False,
        ),
        Axis(f"{metric_title(metric)}, {frames[0].unit}", to_zero=True),
        tuple(traces),
        tuple(_medians(source, key, metric, frames)),
    )


def _slices(source: FigureData, key: CellKey, metric: str) -> dict[str, list[_Part]]:
    """Return the slices of the sessions that are kept whole, where they measure this metric."""
    if leading(source.plan).get(key.probe) != metric:
        return {}
    found: dict[str, list[_Part]] = {}
    for line in source.digest.lines:
        if line.cell == key:
            rounds = max((one.round for one in line.slices), default=1)
            for one in line.slices:
                if one.value is not None:
                    words = f"block {line.block}, round {one.round}, order {one.order}"
                    part = (line.block, (one.round - 0.5) / rounds, one.value, words)
                    found.setdefault(line.driver, []).append(part)
    return found


def _note(slices: dict[str, list[_Part]], last: int) -> str:
    if not slices:
        return ""
    most = max(len({block for block, *_ in parts}) for parts in slices.values())
    some = f", of {most} of the blocks" if most < last else ""
    return f" Small points are its slices, one for each round, from left to right{some}."


def _medians(
    source: FigureData, key: CellKey, metric: str, frames: list[_Frame]
) -> list[LevelLine]:
    found: dict[str, float | None] = {}
    for contrast in primaries(source.analysis):
        if concerns(contrast, key, metric):
            found[contrast.driver] = contrast.driver_median
            found.setdefault(contrast.baseline, contrast.baseline_median)
    ends = WIDTH / 2
    return [
        LevelLine(y=median / f.scale, x=(f.number - ends, f.number + ends), colour=f.colour)
        for f in frames
        if not f.arm.replica and (median := found.get(f.arm.driver)) is not None
    ]
