from collections.abc import Callable
from dataclasses import replace

import pytest
from support.campaign import Campaign, noisy, renumbered, window

from netbench.analysis import Analysis, QualityWarning, Verdict, analyse
from netbench.record import Absent, FactValue, Record
from netbench.spec import Placement

REMOTE = "the engine's CPUs are not this process's to measure on"
CLEAN = Campaign(noisy({"bridge": 0.78}))


def changed(change: Callable[[Record], Record], campaign: Campaign = CLEAN) -> Analysis:
    return analyse(campaign.info(), [change(record) for record in campaign.records()])


def with_fact(name: str, value: Callable[[Record], FactValue]) -> Analysis:
    return changed(lambda r: replace(r, facts=((name, value(r)),)))


def warning(analysis: Analysis, kind: str) -> QualityWarning:
    (found,) = [w for w in analysis.warnings if w.kind == kind]
    assert found.advice
    return found


def kinds(analysis: Analysis) -> list[str]:
    return [w.kind for w in analysis.warnings]


def test_a_neighbour_that_comes_half_way_is_named_with_its_blocks() -> None:
    analysis = with_fact("trial.idle_busy", lambda r: 0.98 if r.block > 4 else 0.01)

    assert kinds(analysis) == ["neighbour"]
    message = warning(analysis, "neighbour").message
    assert "up to 0.98 CPUs in blocks 5 to 8 of 8" in message
    assert "from 0.01 to 0.98 CPUs at block 5" in message


@pytest.mark.parametrize(
    ("busy", "told"),
    [
        ({1}, "in block 1 of 8"),
        ({1, 3, 4, 5, 8}, "in blocks 1, 3 to 5, 8 of 8"),
        (set(range(1, 9)), "in blocks 1 to 8 of 8"),
    ],
)
def test_busy_idle_windows_are_told_block_by_block(busy: set[int], told: str) -> None:
    analysis = with_fact("trial.idle_busy", lambda r: 0.2 if r.block in busy else 0.0)

    assert told in warning(analysis, "neighbour").message


def test_a_small_neighbour_shows_by_its_coming() -> None:
    analysis = with_fact("trial.idle_busy", lambda r: 0.045 if r.block > 5 else 0.0)

    assert "went from 0.00 to 0.04 CPUs at block 6" in warning(analysis, "neighbour").message
    assert "blocks" not in warning(analysis, "neighbour").message.partition("at block")[0]


def test_one_odd_idle_window_below_the_limit_is_no_neighbour() -> None:
    assert kinds(with_fact("trial.idle_busy", lambda r: 0.04 if r.block == 8 else 0.0)) == []


def test_an_idle_window_that_was_not_read_is_no_quiet_one_and_no_neighbour() -> None:
    assert kinds(with_fact("trial.idle_busy", lambda _: Absent("another machine"))) == []


def test_clocks_that_change_between_trials_are_told() -> None:
    analysis = with_fact("trial.frequency", lambda r: 3.4e9 if r.block < 5 else 2.1e9)

    assert "2.10 to 3.40 GHz" in warning(analysis, "frequency").message


@pytest.mark.parametrize("clock", [Absent("no cpufreq driver"), 2.8e9])
def test_a_steady_or_unreadable_clock_is_no_doubt(clock: FactValue) -> None:
    assert kinds(with_fact("trial.frequency", lambda _: clock)) == []


def remote(campaign: Campaign) -> Analysis:
    unread = replace(window(None, None), note=REMOTE)
    return changed(lambda r: replace(r, sentinel=unread), campaign)


def test_without_a_sentinel_contrasts_are_judged_all_the_same() -> None:
    analysis = remote(CLEAN)
    (contrast,) = analysis.contrasts

    assert contrast.verdict is Verdict.SLOWER
    assert contrast.warnings == ()
    assert REMOTE in warning(analysis, "no-sentinel").message
    assert "absolute figures" in warning(analysis, "no-sentinel").advice


def test_placements_are_never_pooled() -> None:
    cross = Campaign(noisy({"bridge": 0.7}, seed=1))
    same = Campaign(noisy({"bridge": 1.6}, seed=2), placement=Placement.SAME)
    none = Campaign(
        noisy({"bridge": 1.0}, seed=3), placement=Placement.NONE, sentinel=lambda *_: (None, None)
    )
    records = renumbered(r for one in (cross, same, none) for r in one.records())
    info = cross.info()
    plan = replace(info.plan, cells=tuple(dict.fromkeys(r.cell for r in records)))
    analysis = analyse(replace(info, plan=plan), records)

    found = {c.placement: (c.ratio, c.blocks) for c in analysis.contrasts}
    assert found == {
        Placement.CROSS: (pytest.approx(0.7, rel=0.02), 8),
        Placement.SAME: (pytest.approx(1.6, rel=0.02), 8),
        Placement.NONE: (pytest.approx(1.0, rel=0.02), 8),
    }
    assert {c.trials for c in analysis.cells} == {8}
