"""Many runs over time: one series for each driver, cell and metric (docs/trend.md)."""

import math
from collections.abc import Iterator, Sequence
from itertools import pairwise

from netbench.analysis.compare.model import Basis
from netbench.analysis.contrasts import directed
from netbench.analysis.model import Verdict
from netbench.analysis.stats import ALPHA, RunScatter
from netbench.analysis.trend.history import History, SeriesRuns
from netbench.analysis.trend.model import (
    ConditionBreak,
    HistoryRun,
    LevelStep,
    SeriesKey,
    SkippedFolder,
    SlowDrift,
    Trend,
    TrendPoint,
    TrendSeries,
)
from netbench.analysis.trend.steps import Piece, Pieces
from netbench.record import METRICS


def trend(
    runs: Sequence[HistoryRun],
    accept: Sequence[str] = (),
    skipped: Sequence[SkippedFolder] = (),
) -> Trend:
    """Return every series of ratios to a baseline; all primary ones share the error rate of 5 %."""
    history = History(runs, accept)
    keys = {key: own for key, own in history.keys().items() if key.basis is Basis.RELATIVE}
    shared = sum(keys.values())
    alpha = ALPHA / max(shared, 1)
    made = [_series(history, key, alpha, primary=primary) for key, primary in keys.items()]
    return Trend(
        runs=history.runs,
        series=tuple(sorted((one for one in made if one.points), key=_rank)),
        skipped=tuple(skipped),
        accept=tuple(accept),
        alpha=alpha,
        shared=shared,
        margin=max((run.info.plan.margin for run in history.runs), default=0.0),
    )


def _rank(series: TrendSeries) -> tuple[object, ...]:
    """Sort what runs are judged by first, then what got slower, then the largest change first."""
    found = [(one.verdict, abs(math.log(one.ratio))) for one in series.steps]
    found += [(one.verdict, abs(math.log(one.ratio))) for one in series.drifts]
    slower = any(verdict is Verdict.SLOWER for verdict, _ in found)
    largest = max((size for _, size in found), default=0.0)
    return (not series.primary, not slower, not series.steps, -largest)


def _series(history: History, key: SeriesKey, alpha: float, *, primary: bool) -> TrendSeries:
    own = history.series(key)
    breaks = history.breaks(key, own.runs)
    found = own.cut(tuple(breaks), alpha)
    scatter = own.scatter(found)
    path, probe, placement, metric = key.key
    return TrendSeries(
        driver=key.driver,
        baseline=key.baseline,
        path=path,
        probe=probe,
        placement=placement,
        metric=metric,
        unit=METRICS[metric].unit,
        primary=primary,
        points=tuple(_points(own, found)),
        breaks=tuple(ConditionBreak(own.runs[at], facts) for at, facts in breaks.items()),
        steps=tuple(_steps(own, found, scatter, metric)),
        drifts=tuple(_drifts(own, found, metric)),
        scatter=scatter,
        left_out=own.left_out,
    )


def _points(own: SeriesRuns, found: Pieces) -> Iterator[TrendPoint]:
    for piece in found.pieces:
        for place in range(piece.start, piece.end):
            figure = own.figures[place]
            yield TrendPoint(
                run=own.runs[place],
                ratio=math.exp(figure.level),
                low=figure.low,
                high=figure.high,
                verdict=figure.verdict,
                blocks=figure.blocks,
                expected=math.exp(piece.at(place)),
            )


def _steps(
    own: SeriesRuns, found: Pieces, scatter: RunScatter | None, metric: str
) -> Iterator[LevelStep]:
    for left, right in pairwise(found.pieces):
        if right.start not in found.steps:
            continue
        place = right.start - 0.5
        jump = right.at(place) - left.at(place)
        half = _half_width(left, right, scatter)
        yield LevelStep(
            before=own.runs[left.end - 1],
            run=own.runs[right.start],
            ratio=math.exp(jump),
            low=None if half is None else math.exp(jump - half),
            high=None if half is None else math.exp(jump + half),
            verdict=_verdict(jump, metric),
        )


def _half_width(left: Piece, right: Piece, scatter: RunScatter | None) -> float | None:
    if scatter is None:
        return None
    from scipy import special  # noqa: PLC0415 -- slow to import

    place = right.start - 0.5
    variance = scatter.total * (left.variance(place) + right.variance(place))
    return float(special.stdtrit(scatter.freedom, 1 - ALPHA / 2)) * math.sqrt(variance)


def _drifts(own: SeriesRuns, found: Pieces, metric: str) -> Iterator[SlowDrift]:
    for piece in found.pieces:
        if piece.slope:
            change = piece.slope * (piece.size - 1)
            yield SlowDrift(
                first=own.runs[piece.start],
                last=own.runs[piece.end - 1],
                ratio=math.exp(change),
                verdict=_verdict(change, metric),
            )


def _verdict(change: float, metric: str) -> Verdict:
    return directed(1 if change > 0 else -1, METRICS[metric])
