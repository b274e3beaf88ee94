"""The `--json` document of `trend`, schema 1; runs are numbered from 1."""

from typing import Any

from netbench.analysis.trend.model import Trend, TrendSeries
from netbench.documents import plain
from netbench.documents.trend import (
    BreakRow,
    DriftRow,
    LeftOutRow,
    ScatterRow,
    StepRow,
    TrendDocument,
    TrendPointRow,
    TrendRunRow,
    TrendSeriesRow,
)
from netbench.report.trend.labels import answer
from netbench.spec import Path


def document(trend: Trend, page: str, exit_code: int) -> dict[str, Any]:
    """Return a `TrendDocument`; fields may be added to it, never renamed."""
    return plain(
        TrendDocument(
            schema=1,
            page=page,
            exit=exit_code,
            accepted=list(trend.accept),
            alpha=trend.alpha,
            margin=trend.margin,
            answer=answer(trend),
            runs=[
                TrendRunRow(number, run.folder, run.info.created, run.info.engine, run.missing)
                for number, run in enumerate(trend.runs, 1)
            ],
            series=[_series(one) for one in trend.series],
            skipped=[LeftOutRow(one.folder, one.reason, one.damaged) for one in trend.skipped],
        )
    )


def _series(one: TrendSeries) -> TrendSeriesRow:
    return TrendSeriesRow(
        driver=one.driver,
        baseline=one.baseline,
        path=Path(one.path),
        probe=one.probe,
        placement=one.placement,
        metric=one.metric,
        unit=one.unit,
        primary=one.primary,
        points=[
            TrendPointRow(x.run + 1, x.ratio, x.low, x.high, x.verdict, x.blocks, x.expected)
            for x in one.points
        ],
        breaks=[BreakRow(x.run + 1, list(x.facts)) for x in one.breaks],
        steps=[
            StepRow(x.before + 1, x.run + 1, x.ratio, x.low, x.high, x.verdict) for x in one.steps
        ],
        drifts=[DriftRow(x.first + 1, x.last + 1, x.ratio, x.verdict) for x in one.drifts],
        scatter=ScatterRow.of(one.scatter),
        left_out=one.left_out,
    )
