"""Histories of synthetic runs: breaks, steps, scatter, and what `compare` makes of it."""

import math
from dataclasses import replace

import numpy as np
import pytest
from support.history import SCATTER, history
from support.several import scaled, taken
from support.synthetic import Run

from netbench.analysis.compare import compare
from netbench.analysis.compare.differences import Scope
from netbench.analysis.compare.model import Basis, Measured, RunComparison
from netbench.analysis.model import Verdict
from netbench.analysis.stats import RunScatter, welch
from netbench.analysis.trend import trend
from netbench.analysis.trend.history import History, KnownScatter, history_run
from netbench.analysis.trend.model import HistoryRun, Trend, TrendSeries
from netbench.record import Absent, FactValue

NEWER: dict[str, FactValue] = {"kernel__release": "6.13.0"}
FLAT = [1.0] * 8


def read(made: list[Run]) -> list[HistoryRun]:
    return [history_run(taken(one, f"{day}")) for day, one in enumerate(made)]


@pytest.fixture(scope="module")
def flat() -> list[HistoryRun]:
    return read(history([1.0] * 12))


@pytest.fixture(scope="module")
def upgraded() -> list[HistoryRun]:
    """Eight runs, a step of 20 %, and after eight more another kernel that costs as much."""
    facts: list[dict[str, FactValue]] = [{}] * 16 + [NEWER] * 8
    return read(history([1.0] * 8 + [1.2] * 8 + [1.44] * 8, facts))


def primary(found: Trend) -> list[TrendSeries]:
    return [one for one in found.series if one.primary]


def test_every_primary_ratio_of_every_run_stands_in_a_series(flat: list[HistoryRun]) -> None:
    found = trend(flat)
    series = primary(found)

    assert {(one.driver, one.baseline) for one in series} == {("bridge", "host")}
    assert {(one.metric, str(one.placement)) for one in series} == {
        *(("throughput", "cross"), ("rtt_p50", "cross"), ("rtt_p50", "same")),
    }
    assert all(len(one.points) == 12 and not one.changed and not one.breaks for one in series)
    point = series[0].points[3]
    assert point.low is not None
    assert point.high is not None
    assert point.low < point.ratio < point.high
    assert found.shared == 3
    assert found.alpha == pytest.approx(0.05 / 3)


def test_runs_are_ordered_by_time_whatever_their_order(flat: list[HistoryRun]) -> None:
    created = [run.info.created for run in trend(flat[::-1]).runs]

    assert created == sorted(created)
    assert trend(flat[::-1]).series == trend(flat).series


def test_a_step_is_told_and_a_change_of_kernel_is_a_break(upgraded: list[HistoryRun]) -> None:
    for series in primary(trend(upgraded)):
        (step,) = series.steps
        (stop,) = series.breaks
        worse = series.metric != "throughput"
        assert (step.before, step.run) == (7, 8)
        assert step.ratio == pytest.approx(1.2, rel=0.03)
        assert step.low is not None
        assert step.high is not None
        assert step.low < 1.2 < step.high
        assert step.verdict == ("slower" if worse else "faster")
        assert (stop.run, stop.facts) == (16, ("kernel.release",))


def test_a_change_that_is_accepted_is_no_break_and_its_cost_a_step(
    upgraded: list[HistoryRun],
) -> None:
    for series in primary(trend(upgraded, ["kernel.*"])):
        assert series.breaks == ()
        assert [step.run for step in series.steps] == [8, 16]


def test_what_one_run_did_not_record_does_not_hide_a_change(flat: list[HistoryRun]) -> None:
    """The turbo of the middle run is unknown: the last one is held against the first one, too."""

    def turbo(run: HistoryRun, value: FactValue) -> HistoryRun:
        conditions = dict(run.conditions) | {("host.turbo", Scope()): value}
        return replace(run, conditions=conditions)

    values: tuple[FactValue, ...] = (True, Absent("not readable"), False)
    found = trend([turbo(run, value) for run, value in zip(flat, values, strict=False)])

    assert {tuple(x.run for x in one.breaks) for one in found.series} == {(2,)}


def test_a_run_with_few_blocks_is_left_out(flat: list[HistoryRun]) -> None:
    short = replace(
        flat[5], figures={key: replace(x, blocks=2) for key, x in flat[5].figures.items()}
    )
    found = trend([*flat[:5], short, *flat[6:]])

    assert {(one.left_out, len(one.points)) for one in found.series} == {(1, 11)}


def test_the_scatter_is_that_of_the_runs_steps_aside(
    flat: list[HistoryRun], upgraded: list[HistoryRun]
) -> None:
    """Whatever level runs are at, they scatter alike; each piece takes one degree of freedom."""
    made = float(np.std(np.log1p(SCATTER), ddof=1))
    still = primary(trend(flat))[0].scatter
    moved = primary(trend(upgraded))[0].scatter

    assert still is not None
    assert moved is not None
    assert math.sqrt(still.total) == pytest.approx(made, rel=0.05)
    assert math.sqrt(moved.total) == pytest.approx(made, rel=0.2)
    assert (still.runs, still.freedom) == (12, 11)
    assert (moved.runs, moved.freedom) == (24, 21)


@pytest.mark.parametrize(("count", "known"), [(5, False), (6, True)])
def test_six_runs_tell_a_scatter(flat: list[HistoryRun], count: int, *, known: bool) -> None:
    assert all((one.scatter is not None) is known for one in trend(flat[:count]).series)


def test_nothing_is_a_trend_of_nothing() -> None:
    found = trend([])

    assert (found.runs, found.series, found.shared) == ((), (), 0)


def test_an_interval_with_a_history_holds_the_scatter_of_both_runs() -> None:
    random = np.random.default_rng(1)
    left, right = random.normal(0, 0.01, 12), random.normal(0, 0.01, 12)
    bare = welch(left, right, 0.05)
    scatter = RunScatter(total=4e-4, within=1e-5, freedom=9, runs=10)
    wide = welch(left, right, 0.05, scatter=scatter)

    assert bare.half_width is not None
    assert wide.half_width is not None
    # Nearly all variance is the history's: Student's quantile of 9 degrees.
    assert wide.half_width == pytest.approx(2.262 * math.sqrt(2 * 4e-4), rel=0.02)
    assert wide.mean == bare.mean


@pytest.mark.parametrize("total", [0.0, 2e-6])
def test_a_history_makes_no_run_more_certain_than_its_blocks(total: float) -> None:
    random = np.random.default_rng(1)
    left, right = random.normal(0, 0.01, 12), random.normal(0, 0.01, 12)
    bare = welch(left, right, 0.05).half_width
    still = RunScatter(total=total, within=1e-6, freedom=9, runs=10)
    found = welch(left, right, 0.05, scatter=still).half_width

    assert bare is not None
    assert found is not None
    assert 0.98 * bare < found < 1.4 * bare


def test_a_history_of_noisier_runs_leaves_its_degrees_of_freedom() -> None:
    random = np.random.default_rng(1)
    left, right = random.normal(0, 0.01, 12), random.normal(0, 0.01, 12)
    loud = RunScatter(total=1.2e-2, within=1.1e-2, freedom=10, runs=11)
    found = welch(left, right, 0.01, scatter=loud).half_width

    assert found == pytest.approx(3.169 * math.sqrt(2 * 1.2e-2), rel=0.01)


def test_a_history_takes_the_place_of_what_is_assumed_of_days() -> None:
    random = np.random.default_rng(2)
    left, right = random.normal(0, 0.01, 12), random.normal(0, 0.01, 12)
    still = RunScatter(total=1e-5, within=1e-5, freedom=9, runs=10)

    assumed = welch(left, right, 0.05, day=1.0).half_width
    known = welch(left, right, 0.05, day=1.0, scatter=still).half_width
    assert known == welch(left, right, 0.05, scatter=still).half_width
    assert assumed is not None
    assert known is not None
    assert known < assumed


def test_compare_says_by_how_many_runs_and_warns_where_there_are_too_few(
    flat: list[HistoryRun],
) -> None:
    made = history(FLAT)
    runs = [taken(one, f"{day}") for day, one in enumerate(made)]
    left, right = replace_label(runs[0], "A"), replace_label(runs[3], "B")
    wild = [
        replace(
            run,
            figures={
                key: replace(x, level=x.level + 5 * math.log1p(SCATTER[day]))
                for key, x in run.figures.items()
            },
        )
        for day, run in enumerate(flat)
    ]
    known = KnownScatter(History(wild), ())
    short = KnownScatter(History(flat[:5]), ())
    with_it = compare([left, right], scatter_of=known).pairings[0].contrasts
    without = compare([left, right]).pairings[0].contrasts
    lacking = compare([left, right], scatter_of=short).pairings[0].contrasts

    relative = [one for one in with_it if one.basis is Basis.RELATIVE and one.primary]
    assert relative
    assert all(one.history is not None and one.history.runs == 12 for one in relative)
    widths = {
        (one.driver, one.probe, one.placement, one.metric): width(one.low, one.high)
        for one in without
        if one.basis is Basis.RELATIVE
    }
    for one in relative:
        key = (one.driver, one.probe, one.placement, one.metric)
        assert width(one.low, one.high) > widths[key]
    assert all(one.history is None for one in lacking)
    kinds = {warning.kind for one in lacking for warning in one.warnings}
    assert "short-history" in kinds


@pytest.mark.parametrize("met", [True, False])
def test_a_history_that_met_both_conditions_of_the_machine_lets_ratios_decide(*, met: bool) -> None:
    """Its scatter holds what they do to a ratio, and a figure of its own is as doubtful as ever."""
    days = history([1.0] * 12)
    runs = [scaled(one, 1, machine=0.5 if met and day % 2 else 1) for day, one in enumerate(days)]
    before, after = history([1.0, 1.3])
    left, right = taken(before, "A"), taken(scaled(after, 1, machine=0.5), "B")
    found = compare([left, right], scatter_of=KnownScatter(History(read(runs)), ()))

    of_bridge = [
        one for one in found.pairings[0].contrasts if one.primary and one.driver == "bridge"
    ]
    for one in of_bridge:
        moved = "machine-moved" in {warning.kind for warning in one.warnings}
        if one.basis is Basis.RELATIVE:
            assert (one.verdict is Verdict.UNDECIDED, moved) == (not met, not met), one.reason
        else:
            assert moved
    assert {one.basis for one in of_bridge} == set(Basis)


def test_the_scatter_is_of_runs_that_may_be_compared_with_either(
    upgraded: list[HistoryRun],
) -> None:
    made = history([1.0, 1.0], [{}, NEWER])
    old, new = (
        replace_label(taken(one, "x"), label) for one, label in zip(made, "AB", strict=True)
    )
    history_of = History(upgraded)
    both = compare([old, new], ("kernel.*",), scatter_of=KnownScatter(history_of, ("kernel.*",)))
    alike = compare([old, old], scatter_of=KnownScatter(history_of, ()))

    def runs(found: RunComparison) -> set[int]:
        every = (one for pairing in found.pairings for one in pairing.contrasts)
        return {one.history.runs for one in every if one.history and one.driver == "bridge"}

    assert runs(both) == {24}
    assert runs(alike) == {16}


def width(low: float | None, high: float | None) -> float:
    return math.log((high or math.inf) / (low or 1.0))


def replace_label(run: Measured, label: str) -> Measured:
    return replace(run, run=replace(run.run, label=label))
