"""A trend at a terminal: the answer, a table of all series, what was left out."""

from collections.abc import Sequence
from typing import Final

from rich.console import Group, RenderableType

from netbench import units
from netbench.analysis.model import Verdict
from netbench.analysis.trend.model import Trend, TrendSeries
from netbench.report.console_text import STYLES, GroupedTable, Row, paragraph, styled
from netbench.report.labels import capital, counted
from netbench.report.trend import labels

_BESIDE: Final = 6  # series that runs are not judged by, and that changed


def terminal(trend: Trend) -> Group:
    """Return everything, for people at a terminal."""
    primary = [one for one in trend.series if one.primary]
    beside = [one for one in trend.series if not one.primary and one.changed]
    more = len(beside) - _BESIDE
    parts: list[RenderableType] = [paragraph(labels.answer(trend), "bold")]
    if primary:
        parts += [*styled(["\nRatio to the baseline over time, changes first"], "bold")]
        parts.append(_table(trend, primary))
    if beside:
        parts += [*styled(["\nOther measures that changed"], "bold")]
        parts.append(_table(trend, beside[:_BESIDE]))
        parts += styled([f"and {more} more on the page"] if more > 0 else [], "dim")
    if trend.runs:
        first, last = labels.when(trend, 0), labels.when(trend, len(trend.runs) - 1)
        parts += styled([f"\n{counted(len(trend.runs), 'run')} from {first} to {last} UTC"], "dim")
    if said := labels.accepted_line(trend):
        parts += styled([said], "yellow")
    parts += styled((f"! {line}" for line in labels.problems(trend)), "yellow")
    return Group(*parts)


def _table(trend: Trend, found: Sequence[TrendSeries]) -> GroupedTable:
    return GroupedTable(
        heads=("", "runs", "latest ratio", "between runs", "what changed"),
        rows=tuple(_row(trend, one) for one in found),
        figures=range(1, 4),
        spare=1,
    )


def _row(trend: Trend, series: TrendSeries) -> Row:
    latest = units.ratio(series.points[-1].ratio)
    changed = labels.brief(trend, series)
    name = labels.subject(series)
    scatter = labels.scatter_text(series.scatter)
    return Row(
        group=capital(labels.measured(series)),
        cells=(name, str(len(series.points)), latest, scatter, changed),
        brief=f"{name}: {latest} in the latest of {counted(len(series.points), 'run')}",
        below=changed,
        style=_style(series),
    )


def _style(series: TrendSeries) -> str:
    steps, drifts = series.steps, series.drifts
    verdicts = {one.verdict for one in steps} | {one.verdict for one in drifts}
    if Verdict.SLOWER in verdicts:
        return STYLES[Verdict.SLOWER]
    return STYLES[Verdict.FASTER] if verdicts else ""
