"""What a trend says, in words that terminal and page share."""

from collections.abc import Iterator
from typing import Final

from netbench import units
from netbench.analysis.cell_key import plain
from netbench.analysis.model import Verdict
from netbench.analysis.stats import RunScatter
from netbench.analysis.trend.model import (
    ConditionBreak,
    LevelStep,
    SlowDrift,
    Trend,
    TrendSeries,
    between,
)
from netbench.report import labels
from netbench.report.sentences import SUBJECTS, measure

FEW: Final = 6  # runs without which nothing can be found
_FACTS: Final = 3  # facts that one line names
_MOST: Final = 3  # changes that the answer names


def when(trend: Trend, run: int) -> str:
    """Return the time of a run: `2026-01-14 10:15`."""
    return plain(trend.runs[run].info.created[:16].replace("T", " "))


def numbered(trend: Trend, run: int) -> str:
    """Return `run 21 (2026-01-14 10:15)`; the oldest is run 1."""
    return f"run {run + 1} ({when(trend, run)})"


def subject(series: TrendSeries) -> str:
    """Return `bridge / host`."""
    return plain(f"{series.driver} / {series.baseline}")


def measured(series: TrendSeries) -> str:
    """Return the measure within a sentence."""
    key = labels.key_of(series)
    if series.metric in SUBJECTS:
        return measure(key, series.metric)
    return f"{labels.metric_title(series.metric)} of {key.probe} {key.place}"


def answer(trend: Trend) -> str:
    """Return what became of all measures that runs are judged by, in a sentence."""
    found = [one for one in trend.series if one.primary]
    runs = labels.counted(len(trend.runs), "run")
    if not found:
        return f"{runs}: no ratio to a baseline that runs are judged by."
    series = labels.counted(len(found), "series")
    if len(found) > 1:
        series = f"{len(found)} series"
    most = max(len(one.points) for one in found)
    if most < FEW:
        return f"{runs}, {series}: too few to find a change, which takes {FEW} runs at least."
    changes = [change for one in found for change in _changes(trend, one)]
    if not changes:
        return f"{runs}, {series}: no step and no drift found."
    kinds = (
        (sum(len(one.steps) for one in found), "step"),
        (sum(len(one.drifts) for one in found), "drift"),
    )
    counts = labels.joined([labels.counted(n, noun) for n, noun in kinds if n])
    more = len(changes) - _MOST
    named = "; ".join(changes[:_MOST]) + (f"; and {more} more" if more > 0 else "")
    return f"{runs}, {series}: {counts} found. {labels.capital(named)}."


def _changes(trend: Trend, series: TrendSeries) -> Iterator[str]:
    opening = f"{plain(series.driver)}: {measured(series)}"
    for step in series.steps:
        yield f"{opening} {labels.sized(step)} since {numbered(trend, step.run)}"
    for drift in series.drifts:
        yield f"{opening} drifts {_size(drift)}, {_span(trend, drift)}"


def step_line(trend: Trend, step: LevelStep) -> str:
    """Return a step in a sentence."""
    size = labels.sized(step)
    ratio = f"{units.ratio(step.ratio)} {labels.interval(step.low, step.high)}"
    return f"Step at {numbered(trend, step.run)}: {size} than before, ratio {ratio}"


def drift_line(trend: Trend, drift: SlowDrift) -> str:
    """Return a drift in a sentence."""
    return f"Drift over {_span(trend, drift)}: {_size(drift)} in all, no step"


def _span(trend: Trend, drift: SlowDrift) -> str:
    return f"runs {drift.first + 1} to {drift.last + 1} (until {when(trend, drift.last)})"


def _size(drift: SlowDrift) -> str:
    """Return `+3.1 % (slower)`."""
    return f"{units.percent(drift.ratio)} ({drift.verdict})"


def break_line(trend: Trend, one: ConditionBreak) -> str:
    """Return a break in a sentence."""
    facts = labels.few(one.facts, _FACTS)
    verb = "differs" if len(one.facts) == 1 else "differ"
    return f"Break before {numbered(trend, one.run)}: {facts} {verb}"


def events(trend: Trend, series: TrendSeries) -> tuple[tuple[Verdict | None, str], ...]:
    """Return breaks, steps and drifts of a series in the order of time, with their verdicts."""
    found: list[tuple[int, Verdict | None, str]] = [
        *((one.run, None, break_line(trend, one)) for one in series.breaks),
        *((one.run, one.verdict, step_line(trend, one)) for one in series.steps),
        *((one.first, one.verdict, drift_line(trend, one)) for one in series.drifts),
    ]
    ordered = sorted(found, key=lambda event: event[0])
    return tuple((verdict, line) for _, verdict, line in ordered)


def brief(trend: Trend, series: TrendSeries) -> str:
    """Return what became of a series, for a cell of a table."""
    parts = [f"{labels.sized(one)} since {numbered(trend, one.run)}" for one in series.steps]
    parts += [f"drifts {_size(one)}, {_span(trend, one)}" for one in series.drifts]
    parts += [
        f"break before run {one.run + 1}: {labels.few(one.facts, _FACTS)}" for one in series.breaks
    ]
    nothing = "no change found" if len(series.points) >= FEW else "too few runs"
    if not series.changed:
        parts = [nothing, *parts]
    return "; ".join(parts)


def scatter_text(scatter: RunScatter | None) -> str:
    """Return the deviation of a run's level: `1.2 %`; a dash where it is not known."""
    return units.MISSING if scatter is None else units.share(between(scatter), 1)


def scatter_line(series: TrendSeries) -> str:
    """Return the scatter between runs in a sentence."""
    found = series.scatter
    if found is None:
        return "Scatter between runs: not known, with fewer than six runs at one level"
    return (
        f"Scatter between runs: {scatter_text(found)} beyond the noise of their blocks "
        f"(standard deviation, {found.runs} runs, {found.freedom} degrees of freedom)"
    )


def left_out_line(series: TrendSeries) -> str:
    """Return how many runs have too few blocks here; empty for none."""
    if not series.left_out:
        return ""
    few = labels.counted(series.left_out, "run")
    return f"{few} with less than half of the usual blocks left out"


def accepted_line(trend: Trend) -> str:
    """Return what the user let differ; empty where nothing."""
    asked = " ".join(f"--accept {name}" for name in trend.accept)
    return plain(f"{asked}: a change of these makes no break.") if asked else ""


def problems(trend: Trend) -> tuple[str, ...]:
    """Return which folders were left out, and which runs lack records."""
    return (
        *(plain(f"{one.folder} left out: {one.reason}") for one in trend.skipped),
        *(plain(f"{run.folder}: {run.missing}") for run in trend.runs if run.missing),
    )
