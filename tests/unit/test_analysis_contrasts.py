import math
from dataclasses import replace
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.campaign import Campaign, noisy, renumbered, sample, window

from netbench.analysis import Analysis, Contrast, Verdict, analyse
from netbench.analysis.stats import t_mixture
from netbench.record import Failure, Record, RunInfo, Skip
from netbench.record.outcome import Outcome
from netbench.spec import Placement

NEAR, FAR = 50e9, 17e9


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
    assert (found.blocks, found.state, found.headline, found.primary) == (8, "single", True, True)


def test_figures_are_those_of_the_pairs() -> None:
    values = {"host": [10.0, 20.0, 40.0], "bridge": [5.0, 20.0, 10.0]}
    campaign = Campaign(lambda driver, _, block: values[driver][block - 1], blocks=3)
    found = only(judged(campaign))

    assert found.ratio == pytest.approx((0.5 * 1 * 0.25) ** (1 / 3))
    assert found.difference == -5.0
    assert (found.driver_median, found.baseline_median) == (10.0, 20.0)
    assert [d.log_ratio for d in found.deltas] == pytest.approx(
        [math.log(0.5), 0.0, math.log(0.25)]
    )
    assert (found.low, found.high, found.noise_floor) == (None, None, None)
    assert found.verdict is Verdict.UNDECIDED
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
    assert sum(c.primary and c.headline for c in analysis.contrasts) == m
    assert {c.driver for c in analysis.contrasts} == set(drivers) - {"host", "none"}


@pytest.mark.parametrize(
    ("drivers", "tau"),
    [(("host", "bridge"), 5.606449), (("host", "bridge", "container"), 6.747167)],
)
def test_intervals_have_the_width_of_the_shared_alpha(drivers: tuple[str, ...], tau: float) -> None:
    """tau from METHOD's formula at n = 8 with a = 0.05 / 3 and 0.05 / 6."""
    for found in analyse(*three_cells(drivers)).contrasts:
        deltas = [d.log_ratio for d in found.deltas]
        assert found.high is not None
        assert found.ratio is not None
        half = math.log(found.high / found.ratio)

        assert half == pytest.approx(tau * np.std(deltas, ddof=1) / math.sqrt(8), rel=1e-6)


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


def two_speeds(seed: int, blocks: int = 16) -> tuple[dict[int, bool], Campaign]:
    """Identical drivers on a machine that halves its speed in some blocks, or inside them."""
    draws = np.random.default_rng(seed)
    far = {block: bool(draws.random() < 0.4) for block in range(1, blocks + 1)}
    torn = {block: bool(draws.random() < 0.2) for block in range(1, blocks + 1)}
    noise = np.random.default_rng(seed + 1)

    def is_far(driver: str, replica: int, block: int) -> bool:
        return far[block] != (torn[block] and (driver, replica) == ("host", 0))

    def model(driver: str, replica: int, block: int) -> float:
        level = 11e9 if is_far(driver, replica, block) else 22e9
        return level * float(np.exp(noise.normal(0, 0.015)))

    def sentinel(block: int, driver: str, replica: int) -> tuple[float, float]:
        here = FAR if is_far(driver, replica, block) else NEAR
        return here * 1.02, here * 0.98

    return far, Campaign(model, blocks=blocks, sentinel=sentinel)


@pytest.mark.parametrize("seen", [True, False])
def test_identical_arms_are_never_called_different_under_state_switches(*, seen: bool) -> None:
    for seed in range(25):
        _, campaign = two_speeds(seed)
        if not seen:
            campaign = replace(campaign, sentinel=lambda *_: (None, None))
        analysis = judged(campaign)

        assert {c.verdict for c in analysis.contrasts} <= {Verdict.EQUIVALENT, Verdict.UNDECIDED}
        assert all(null.contains_one for null in analysis.nulls)


def test_the_sentinel_sharpens_what_the_machine_blurs() -> None:
    analysis = judged(two_speeds(4)[1])
    null = next(n for n in analysis.nulls if n.headline)
    assert null.deviation is not None
    assert null.pooled_deviation is not None

    assert null.state == "near"
    assert null.deviation < 0.03
    assert null.pooled_deviation > 0.2
    assert analysis.contrasts[0].verdict is Verdict.EQUIVALENT


def switching(near_blocks: int, blocks: int) -> Campaign:
    """Near until a block, far after it; bridge costs 20 % near and 40 % far."""
    costs = {True: noisy({"bridge": 0.8}), False: noisy({"bridge": 0.6}, level=10e9, seed=2)}
    return Campaign(
        lambda driver, replica, block: costs[block <= near_blocks](driver, replica, block),
        blocks=blocks,
        sentinel=lambda block, *_: (NEAR, NEAR) if block <= near_blocks else (FAR, FAR),
    )


@pytest.mark.parametrize(
    ("near_blocks", "blocks", "expected"),
    [
        (8, 16, [("near", 8, True), ("far", 8, False)]),
        (6, 16, [("near", 6, True), ("far", 10, False)]),
        (5, 16, [("far", 11, True)]),
        (5, 8, [("near", 5, True)]),
        (3, 8, [("far", 5, True)]),
    ],
)
def test_the_closer_state_heads_if_it_has_enough_blocks(
    near_blocks: int, blocks: int, expected: list[tuple[str, int, bool]]
) -> None:
    analysis = judged(switching(near_blocks, blocks))

    assert [(c.state, c.blocks, c.headline) for c in analysis.contrasts] == expected
    assert [(n.state, n.blocks, n.headline) for n in analysis.nulls] == expected
    for found in analysis.contrasts:
        assert found.ratio == pytest.approx(0.8 if found.state == "near" else 0.6, abs=0.02)


def test_the_second_baseline_stands_in_where_the_first_has_no_trial() -> None:
    base = noisy({"bridge": 0.78})

    def model(driver: str, replica: int, block: int) -> float | Outcome:
        if (driver, replica) == ("host", 0) and block <= 2:
            return Failure("client", "connection reset", "")
        return base(driver, replica, block)

    analysis = judged(Campaign(model))
    (null,) = analysis.nulls

    assert (only(analysis).blocks, null.blocks) == (8, 6)
    assert only(analysis).verdict is Verdict.SLOWER


def test_a_second_baseline_in_the_drivers_state_stands_in_for_a_first_in_another() -> None:
    campaign = Campaign(
        noisy({}),
        sentinel=lambda block, driver, replica: (
            (FAR, FAR) if (driver, replica) == ("host", 0) and block % 3 == 1 else (NEAR, NEAR)
        ),
    )
    analysis = judged(campaign)

    assert [(c.state, c.blocks) for c in analysis.contrasts] == [("near", 8)]
    assert [(n.state, n.blocks) for n in analysis.nulls] == [("near", 5)]


def test_a_mixed_trial_is_replaced_by_its_first_clean_attempt() -> None:
    campaign = Campaign(noisy({"bridge": 0.78}), sentinel=switching(4, 8).sentinel)
    records = campaign.records()
    at = next(i for i, r in enumerate(records) if r.cell.driver == "bridge" and r.block == 2)
    mixed = replace(records[at], sentinel=window(NEAR, FAR), outcome=sample("throughput", 1.0))
    again = [
        replace(records[at], number=910 - n, attempt=n, outcome=sample("throughput", n * 7e9))
        for n in (3, 2)
    ]
    found = analyse(campaign.info(), [*records[:at], mixed, *records[at + 1 :], *again])
    (near,) = [c for c in found.contrasts if c.state == "near"]
    host = next(r for r in records if r.block == 2 and (r.cell.driver, r.replica) == ("host", 0))

    assert near.blocks == 4
    assert near.deltas[1].log_ratio == pytest.approx(math.log(14e9 / (value(host) or 0)))
    assert {point.state for point in found.points if point.record == mixed.number} == {"mixed"}


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
    assert only(analysis).ratio == pytest.approx(0.5)
    assert kinds(only(analysis)) == ["null-differs"]


def test_an_empty_run_says_nothing() -> None:
    analysis = analyse(Campaign(noisy({})).info(), [])

    assert analysis.contrasts == ()
    assert analysis.points == ()
    assert {cell.reasons for cell in analysis.cells} == {("not reached before the run ended",)}
    assert all(cell.median is None for cell in analysis.cells)


def test_a_thousand_null_runs_are_rarely_called_different() -> None:
    """At one fixed look the t-mixture errs far less than its 5 % over all looks."""
    deltas = np.random.default_rng(5).normal(0, 0.05, (1000, 8))
    bounds = [t_mixture(row, 0.05).bounds for row in deltas]

    assert sum(b is not None and not b[0] <= 0 <= b[1] for b in bounds) <= 15
