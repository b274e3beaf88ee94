import math
from dataclasses import replace
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import special
from support.campaign import Campaign, noisy, renumbered, sample

from netbench.analysis import Analysis, Contrast, Verdict, analyse
from netbench.analysis.boundary import Looks
from netbench.analysis.multiplicity import looks
from netbench.record import Failure, Record, RunInfo, Skip
from netbench.record.outcome import Outcome
from netbench.spec import Placement


def judged(campaign: Campaign) -> Analysis:
    return analyse(campaign.info(), campaign.records())


def only(analysis: Analysis) -> Contrast:
    (contrast,) = analysis.contrasts
    return contrast


def kinds(contrast: Contrast) -> list[str]:
    return [warning.kind for warning in contrast.warnings]


@pytest.mark.parametrize(
    ("metric", "probe", "effect", "verdict"),
    [
        ("throughput", "tcp-throughput", 0.78, Verdict.SLOWER),
        ("throughput", "tcp-throughput", 1.30, Verdict.FASTER),
        ("rtt_p50", "tcp-rr", 1.24, Verdict.SLOWER),
        ("rtt_p50", "tcp-rr", 0.80, Verdict.FASTER),
        ("throughput", "tcp-throughput", 1.00, Verdict.EQUIVALENT),
    ],
)
def test_a_clean_run_gives_a_clean_verdict(
    metric: str, probe: str, effect: float, verdict: Verdict
) -> None:
    found = only(judged(Campaign(noisy({"bridge": effect}), metric=metric, probe=probe)))

    assert found.verdict is verdict
    assert found.warnings == ()
    assert found.low is not None
    assert found.high is not None
    assert found.low < effect < found.high
    assert (found.blocks, found.primary, found.by_sign, found.reason) == (8, True, False, "")


def test_figures_are_those_of_the_blocks() -> None:
    values = {"host": [10.0, 20.0, 40.0], "bridge": [5.0, 20.0, 10.0]}
    campaign = Campaign(lambda driver, _, block: values[driver][block - 1], blocks=3)
    found = only(judged(campaign))

    assert found.ratio == pytest.approx((0.5 * 1 * 0.25) ** (1 / 3))
    assert found.difference == pytest.approx(-5.0)
    assert (found.driver_median, found.baseline_median) == pytest.approx((10.0, 20.0))
    assert [d.log_ratio for d in found.deltas] == pytest.approx(
        [math.log(0.5), 0.0, math.log(0.25)]
    )
    assert (found.low, found.high, found.noise_floor) == (None, None, None)
    assert found.median_ratio == pytest.approx(0.5)
    assert found.unshared is None
    assert (found.verdict, found.reason) == (
        Verdict.UNDECIDED,
        "3 usable blocks, at least 6 needed",
    )
    assert "too-few-blocks" in kinds(found)


def three_cells(drivers: tuple[str, ...], blocks: int = 8) -> tuple[RunInfo, list[Record]]:
    """The quick suite: throughput across cores, round trips on one core and across."""
    without_none = noisy({"bridge": 0.78, "container": 1.0})

    def model(driver: str, replica: int, block: int) -> float | Outcome:
        isolated = Skip("isolated by design", by_design=True)
        return isolated if driver == "none" else without_none(driver, replica, block)

    parts = [
        Campaign(model, drivers, blocks, metric, probe, placement)
        for metric, probe, placement in (
            ("throughput", "tcp-throughput", Placement.CROSS),
            ("rtt_p50", "tcp-rr", Placement.SAME),
            ("rtt_p50", "tcp-rr", Placement.CROSS),
        )
    ]
    info = parts[0].info()
    cells = tuple(cell for part in parts for cell in part.info().plan.cells)
    records = [
        replace(record, outcome=sample("rtt_p50", v, rtt_p99=2 * v, transactions=1 / v))
        if part.metric == "rtt_p50" and (v := value(record)) is not None
        else record
        for part in parts
        for record in part.records()
    ]
    return replace(info, plan=replace(info.plan, cells=cells)), renumbered(records)


def value(record: Record) -> float | None:
    return record.outcome.measurements[0].value if record.outcome.kind == "sample" else None


@pytest.mark.parametrize(
    ("drivers", "m"),
    [(("host", "bridge"), 3), (("none", "host", "bridge", "container"), 6), (("host",), 0)],
)
def test_alpha_is_shared_by_the_primary_contrasts_of_drivers_that_give_samples(
    drivers: tuple[str, ...], m: int
) -> None:
    analysis = analyse(*three_cells(drivers))

    assert analysis.primary_contrasts == m
    assert analysis.alpha == 0.05 / max(m, 1)
    assert sum(c.primary for c in analysis.contrasts) == m
    assert {c.driver for c in analysis.contrasts} == set(drivers) - {"host", "none"}


@pytest.mark.parametrize("drivers", [("host", "bridge"), ("host", "bridge", "container")])
def test_a_fixed_number_of_blocks_gets_students_interval_of_the_shared_alpha(
    drivers: tuple[str, ...],
) -> None:
    analysis = analyse(*three_cells(drivers))
    for found in analysis.contrasts:
        deltas = [d.log_ratio for d in found.deltas]
        assert found.high is not None
        assert found.ratio is not None
        assert found.unshared is not None
        half = math.log(found.high / found.ratio) / np.std(deltas, ddof=1) * math.sqrt(8)
        alone = math.log(found.unshared[1] / found.ratio) / np.std(deltas, ddof=1) * math.sqrt(8)

        assert half == pytest.approx(students(8, 0.8 * analysis.alpha), rel=1e-6)
        assert students(8, 0.8 * 0.05) <= alone < half


@pytest.mark.parametrize(
    ("adaptive", "blocks", "expected"),
    [
        (True, 4, Looks(6, 12)),
        (True, 30, Looks(6, 12)),
        (False, 4, Looks(6, 6)),
        (False, 10, Looks(10, 10)),
        (False, 30, Looks(12, 12)),
    ],
)
def test_the_looks_are_those_that_the_plan_declared(
    *, adaptive: bool, blocks: int, expected: Looks
) -> None:
    plan = Campaign(noisy({}), blocks=30, cap=12, adaptive=adaptive).info().plan

    assert looks(plan, blocks) == expected


def students(n: int, alpha: float) -> float:
    return float(special.stdtrit(n - 1, 1 - alpha / 2))


def test_a_run_that_stops_early_pays_for_its_looks() -> None:
    fixed, adaptive = (
        only(judged(Campaign(noisy({"bridge": 0.9}), blocks=12, adaptive=adaptive)))
        for adaptive in (False, True)
    )
    assert fixed.low is not None
    assert adaptive.low is not None
    assert adaptive.low < fixed.low


def test_secondary_metrics_are_judged_and_not_counted() -> None:
    analysis = analyse(*three_cells(("host", "bridge")))
    shown = {(c.metric, c.primary) for c in analysis.contrasts}

    assert shown == {
        ("throughput", True),
        ("rtt_p50", True),
        ("rtt_p99", False),
        ("transactions", False),
    }


def test_retransmits_have_cells_and_no_ratio() -> None:
    analysis = judged(Campaign(noisy({})))

    assert "retransmits" in {cell.metric for cell in analysis.cells}
    assert {c.metric for c in analysis.contrasts} == {"throughput"}
    assert {null.metric for null in analysis.nulls} == {"throughput"}


@settings(max_examples=6, deadline=None)
@given(st.randoms(use_true_random=False))
def test_the_order_of_records_changes_nothing(random: Random) -> None:
    info, records = three_cells(("none", "host", "bridge"), blocks=6)
    shuffled = list(records)
    random.shuffle(shuffled)

    assert analyse(info, iter(shuffled)) == analyse(info, records)


@settings(max_examples=15, deadline=None)
@given(st.floats(1e-6, 1e6), st.floats(0.3, 3.0), st.integers(0, 100))
def test_the_unit_of_a_metric_changes_no_ratio(factor: float, effect: float, seed: int) -> None:
    here, there = (
        only(judged(Campaign(noisy({"bridge": effect}, level=level, seed=seed, deviation=0.03))))
        for level in (20e9, 20e9 * factor)
    )
    assert here.ratio is not None
    assert here.low is not None
    assert here.difference is not None

    assert there.ratio == pytest.approx(here.ratio)
    assert there.low == pytest.approx(here.low)
    assert there.difference == pytest.approx(here.difference * factor)


def two_speeds(seed: int, blocks: int = 16) -> Campaign:
    """Identical drivers on a machine that halves its speed in some blocks, for all arms alike."""
    draws, noise = np.random.default_rng(seed), np.random.default_rng(seed + 1)
    level = {block: 11e9 if draws.random() < 0.4 else 22e9 for block in range(1, blocks + 1)}
    return Campaign(
        lambda _driver, _replica, block: level[block] * float(np.exp(noise.normal(0, 0.015))),
        blocks=blocks,
    )


def test_what_all_arms_of_a_block_share_cancels() -> None:
    for seed in range(10):
        analysis = judged(two_speeds(seed))
        (null,) = analysis.nulls
        assert null.deviation is not None

        assert only(analysis).verdict is Verdict.EQUIVALENT
        assert kinds(only(analysis)) == []
        assert null.contains_one
        assert null.deviation < 0.04


def test_connections_with_a_character_of_their_own_give_no_false_verdict() -> None:
    """Each arm of each block is fast or slow by chance: identical drivers stay undecided."""
    wrong = 0
    for seed in range(40):
        noise = np.random.default_rng(seed)
        campaign = Campaign(
            lambda *_, noise=noise: float(
                noise.choice([40e9, 26e9]) * np.exp(noise.normal(0, 0.02))
            ),
            blocks=12,
            adaptive=True,
        )
        wrong += only(judged(campaign)).verdict in {Verdict.FASTER, Verdict.SLOWER}

    assert wrong <= 4


def test_the_denominator_is_the_mean_of_both_baseline_arms() -> None:
    arms = {("host", 0): 10e9, ("host", 1): 40e9, ("bridge", 0): 10e9}
    found = only(judged(Campaign(lambda driver, replica, _: arms[driver, replica])))

    assert found.ratio == pytest.approx(0.5)
    assert found.baseline_median == pytest.approx(20e9)
    assert found.difference == pytest.approx(-10e9)


def test_one_baseline_arm_is_enough_for_a_block() -> None:
    base = noisy({"bridge": 0.78})

    def model(driver: str, replica: int, block: int) -> float | Outcome:
        if (driver, replica) == ("host", 0) and block <= 2:
            return Failure("client", "connection reset", "")
        return base(driver, replica, block)

    analysis = judged(Campaign(model))
    (null,) = analysis.nulls

    assert (only(analysis).blocks, null.blocks) == (8, 6)
    assert only(analysis).verdict is Verdict.SLOWER


def test_a_block_that_was_cut_off_gives_the_values_of_one_attempt() -> None:
    """The first attempt has no value of the baseline: all of the second one counts."""
    campaign = Campaign(noisy({"bridge": 0.78}))
    records = campaign.records()
    cut = [r for r in records if r.block == 2]
    driver = next(r for r in cut if r.cell.driver == "bridge")
    again = [
        replace(record, number=900 + record.number, attempt=2, outcome=sample("throughput", value))
        for record in cut
        for value in [14e9 if record is driver else 20e9]
    ]
    kept = [r for r in records if r.block != 2 or r is driver]
    found = only(analyse(campaign.info(), [*kept, *again]))

    assert found.blocks == 8
    assert found.deltas[1].log_ratio == pytest.approx(math.log(14 / 20))


def test_of_two_whole_attempts_at_a_block_the_first_counts() -> None:
    campaign = Campaign(noisy({"bridge": 0.78}))
    records = campaign.records()
    again = [
        replace(record, number=900 + record.number, attempt=2, outcome=sample("throughput", 1e9))
        for record in records
        if record.block == 2
    ]

    assert (
        only(analyse(campaign.info(), [*records, *again])).deltas
        == only(analyse(campaign.info(), records)).deltas
    )


def test_what_every_block_agrees_on_is_decided_by_sign() -> None:
    """Always behind, in two blocks of sixteen far behind: the interval of the mean holds 1."""
    noise = np.random.default_rng(3)

    def model(driver: str, _replica: int, block: int) -> float:
        behind = (3.0 if block in {5, 11} else 0.02) if driver == "bridge" else 0.0
        return 20e9 * math.exp(-behind) * float(np.exp(noise.normal(0, 0.001)))

    found = only(judged(Campaign(model, blocks=16, adaptive=True)))

    assert found.high is not None
    assert found.ratio is not None
    assert found.high > 1 > found.ratio
    assert found.median_ratio == pytest.approx(math.exp(-0.02), rel=0.01)
    assert (found.verdict, found.by_sign, found.reason) == (Verdict.SLOWER, True, "")


def test_an_extended_run_never_widens_what_its_cap_had_shown() -> None:
    campaign = Campaign(noisy({"bridge": 0.9}), blocks=12, adaptive=True)
    more = replace(campaign, blocks=16, cap=12)
    short, long = only(judged(campaign)), only(judged(more))
    assert short.low is not None
    assert short.high is not None
    assert long.low is not None
    assert long.high is not None

    assert long.blocks == 16
    assert short.low <= long.low < long.high <= short.high


def test_nothing_but_failures_still_owes_its_contrast() -> None:
    info, records = three_cells(("host", "bridge"))
    broken = Failure("client", "timed out", "")
    records = [
        replace(r, outcome=broken)
        if r.cell.driver == "bridge" and r.cell.placement is Placement.SAME
        else r
        for r in records
    ]
    analysis = analyse(info, records)
    lost = [c for c in analysis.contrasts if c.placement is Placement.SAME and c.primary]

    assert analysis.primary_contrasts == 3
    assert [(c.blocks, c.ratio, c.low, c.difference) for c in lost] == [(0, None, None, None)]
    assert lost[0].verdict is Verdict.UNDECIDED
    assert kinds(lost[0]) == ["too-few-blocks", "incomplete-blocks"]
    assert "bridge failed: timed out (8)" in lost[0].warnings[1].message


def test_a_metric_that_does_not_apply_to_an_arm_owes_no_contrast() -> None:
    """As no network is made for `host`, so that it has no time to create one."""

    def lived(driver: str, _replica: int, block: int) -> Outcome:
        more = {} if driver == "host" else {"create_time": 0.1 + block / 1000}
        return sample("start_time", 0.3 + block / 1000, **more)

    campaign = Campaign(lived, probe="control-plane", drivers=("host", "bridge:user", "macvlan"))
    against_host = analyse(campaign.info(), campaign.records())
    campaign = replace(campaign, baseline="macvlan")
    against_macvlan = analyse(campaign.info(), campaign.records())

    assert {(c.driver, c.metric) for c in against_host.contrasts} == {
        ("bridge:user", "start_time"),
        ("macvlan", "start_time"),
    }
    assert {(c.driver, c.metric) for c in against_macvlan.contrasts} == {
        ("bridge:user", "start_time"),
        ("bridge:user", "create_time"),
        ("host", "start_time"),
    }
    assert {c.driver for c in against_host.cells if c.metric == "create_time"} >= {"bridge:user"}


def test_a_cell_that_a_driver_skips_owes_no_contrast() -> None:
    info, records = three_cells(("host", "bridge"))
    skip = Skip("one CPU only", by_design=True)
    records = [
        replace(r, outcome=skip)
        if r.cell.driver == "bridge" and r.cell.placement is Placement.SAME
        else r
        for r in records
    ]
    analysis = analyse(info, records)

    assert analysis.primary_contrasts == 2
    assert {c.placement for c in analysis.contrasts} == {Placement.CROSS}


def test_the_null_is_the_second_baseline_over_the_first() -> None:
    arms = {("host", 0): 20e9, ("host", 1): 22e9, ("bridge", 0): 10e9}
    analysis = judged(Campaign(lambda driver, replica, _: arms[driver, replica]))
    (null,) = analysis.nulls

    assert null.ratio == pytest.approx(1.1)
    assert not null.contains_one
    assert only(analysis).verdict is Verdict.SLOWER
    assert kinds(only(analysis)) == ["null-differs"]
    assert "1.100" in only(analysis).warnings[0].message


def test_an_empty_run_says_nothing() -> None:
    analysis = analyse(Campaign(noisy({})).info(), [])

    assert analysis.contrasts == ()
    assert analysis.points == ()
    assert {cell.reasons for cell in analysis.cells} == {("not reached before the run ended",)}
    assert all(cell.median is None for cell in analysis.cells)
