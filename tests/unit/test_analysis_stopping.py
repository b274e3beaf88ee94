"""When contrasts are settled: the rule, and the judge of a run in progress."""

import math
from dataclasses import replace

import numpy as np
import pytest
from msgspec.structs import replace as changed
from support.campaign import Campaign, noisy, renumbered
from support.judged import adaptively, ruled, settled

from netbench.analysis import Stopped, Verdict, analyse
from netbench.analysis.boundary import Looks, multiplier
from netbench.analysis.stopping import FARTHEST, blocks_needed
from netbench.plan import read_budgets, scope_of
from netbench.record import Failure, Left, RunInfo, Settled, Skip
from netbench.record.outcome import Outcome
from netbench.spec import Cell, Path, Placement

BRIDGE, CONTAINER, HOST = (
    Cell(driver, Path.EAST_WEST, "tcp-throughput", Placement.CROSS)
    for driver in ("bridge", "container", "host")
)


def test_a_large_effect_is_decided_with_the_least_blocks() -> None:
    campaign = Campaign(noisy({"bridge": 0.7}), blocks=12)

    assert settled(campaign) == {BRIDGE: (6, "decided")}
    assert settled(replace(campaign, least=8)) == {BRIDGE: (8, "decided")}


def test_an_effect_at_the_margin_is_settled_once_its_sign_is_known_precisely() -> None:
    campaign = Campaign(noisy({"bridge": 1 / 1.05}, deviation=0.008), blocks=12)

    assert settled(campaign) == {BRIDGE: (6, "precise")}
    assert settled(replace(campaign, precision=0.0001)) == {}


def test_equivalence_settles() -> None:
    assert settled(Campaign(noisy({}), blocks=12)) == {BRIDGE: (6, "decided")}


def test_a_narrow_interval_whose_sign_is_open_settles_nothing() -> None:
    """It holds 1 and reaches beyond a margin that is narrower than the precision asked for."""
    model = noisy({}, deviation=0.008)

    assert settled(Campaign(model, blocks=12, margin=0.001)) == {}


def budgeted(campaign: Campaign, *expressions: str) -> RunInfo:
    """The campaign's run with these budgets."""
    info, problems = campaign.info(), list[str]()
    budgets = read_budgets(expressions, scope_of(info.plan), problems)
    assert problems == []
    return replace(info, plan=replace(info.plan, require=budgets))


LARGE = Campaign(noisy({"bridge": 0.7}), drivers=("host", "bridge", "container"), blocks=9)


@pytest.mark.parametrize(
    ("expression", "stay"),
    [
        ("bridge.throughput >= 0.5 host", set()),
        ("bridge.throughput >= 0.7 host", {BRIDGE}),
        ("bridge.throughput >= 0.7 container", {BRIDGE, CONTAINER}),
        ("host.throughput >= 1.4286 bridge", {BRIDGE}),
        ("container.throughput >= 20Gbit/s", {CONTAINER}),
        ("host.throughput >= 20Gbit/s", {BRIDGE, CONTAINER}),
    ],
)
def test_a_cell_that_a_budget_needs_stays_until_it_is_decided(
    expression: str, stay: set[Cell]
) -> None:
    records = LARGE.records()
    gone = {one.cell for r in ruled(budgeted(LARGE, expression), records) for one in r.settled}

    assert {one.cell for r in ruled(LARGE.info(), records) for one in r.settled} == {
        BRIDGE,
        CONTAINER,
    }
    assert gone == {BRIDGE, CONTAINER} - stay


def test_a_budget_on_what_never_gives_a_number_keeps_nothing() -> None:
    base = noisy({"bridge": 0.7})
    lost = Failure("client", "refused", "")
    campaign = replace(
        LARGE, model=lambda driver, *more: lost if driver == "container" else base(driver, *more)
    )
    info = budgeted(campaign, "container.throughput >= 0.9 host")
    found = {s.cell: s.block for r in ruled(info, campaign.records()) for s in r.settled}

    assert found == {BRIDGE: 6, CONTAINER: 6}


def test_a_contrast_kept_for_a_budget_is_told_as_settled() -> None:
    info = budgeted(LARGE, "bridge.throughput >= 0.7 host")
    info = replace(info, plan=replace(info.plan, adaptive=True))
    contrasts = {c.driver: c for c in analyse(info, LARGE.records()).contrasts}

    assert contrasts["bridge"].stopped is Stopped.FOR_BUDGET
    assert contrasts["bridge"].forecast is None


def test_what_a_gate_takes_back_is_not_decided() -> None:
    """The second baseline differs from the first by more than the driver does."""
    base = noisy({"bridge": 1.1}, deviation=0.02)

    def model(driver: str, replica: int, block: int) -> float:
        return base(driver, replica, block) * (1.5 if replica else 1.0)

    assert settled(Campaign(model, blocks=12)) == {}


def test_noise_without_end_is_never_settled_and_its_forecast_says_so() -> None:
    campaign = Campaign(noisy({}, deviation=0.4), blocks=9)
    rulings = ruled(campaign.info(), campaign.records())

    assert [r.left[0].blocks for r in rulings[:5]] == [None] * 5
    assert all((r.left[0].blocks or 0) > 30 for r in rulings[5:])


def test_settled_cells_are_told_once_and_stay_settled() -> None:
    sharp, vague = noisy({"bridge": 0.7}), noisy({}, deviation=0.2)
    campaign = Campaign(
        lambda driver, *more: (vague if driver == "container" else sharp)(driver, *more),
        drivers=("host", "bridge", "container"),
        blocks=9,
    )
    rulings = ruled(campaign.info(), campaign.records())
    told = [one.cell for ruling in rulings for one in ruling.settled]

    assert told == [BRIDGE]
    assert [left.cell for left in rulings[-1].left] == [CONTAINER]


@pytest.mark.parametrize(
    "outcome", [Failure("client", "refused", ""), Skip("isolated by design", by_design=True)]
)
@pytest.mark.parametrize("mute", ["bridge", "host"])
def test_a_side_that_never_gives_a_number_leaves_with_the_least_blocks(
    outcome: Outcome, mute: str
) -> None:
    base = noisy({})
    campaign = Campaign(lambda driver, *more: outcome if driver == mute else base(driver, *more))

    assert settled(campaign) == {BRIDGE: (6, "no-contrast")}


def test_a_baseline_on_its_own_is_settled_with_the_least_blocks() -> None:
    assert settled(Campaign(noisy({}), drivers=("host",))) == {HOST: (6, "no-contrast")}


def test_the_shares_are_those_of_the_plan_though_others_have_left() -> None:
    """Container leaves at once; bridge is judged at half the error rate to the end."""
    drivers = ("host", "bridge", "container")
    bridge, container = noisy({"bridge": 0.9}, deviation=0.06), noisy({"container": 0.2})
    campaign = Campaign(
        lambda driver, *more: (container if driver == "container" else bridge)(driver, *more),
        drivers=drivers,
        blocks=20,
        adaptive=True,
    )
    analysis = adaptively(campaign)
    by_driver = {c.driver: c for c in analysis.contrasts}

    assert analysis.primary_contrasts == 2
    assert by_driver["container"].blocks < by_driver["bridge"].blocks
    for found in by_driver.values():
        assert found.low is not None
        assert found.high is not None
        width = multiplier(found.blocks, Looks(6, 20), 0.025)
        assert width is not None
        logs = [d.log_ratio for d in found.deltas]
        half = width * float(np.std(logs, ddof=1)) / math.sqrt(found.blocks)
        assert math.log(found.high / found.low) / 2 == pytest.approx(half)


@pytest.mark.parametrize("seed", range(8))
def test_the_judge_agrees_with_the_report_at_every_block(seed: int) -> None:
    """What settles a contrast during a run is what the analysis of the same records says."""
    campaign = Campaign(
        noisy({"bridge": 0.9}, deviation=0.03, seed=seed), blocks=14, seed=seed, adaptive=True
    )
    records = campaign.records()
    for number, ruling in enumerate(ruled(campaign.info(), records), start=1):
        so_far = [record for record in records if record.block <= number]
        (contrast,) = analyse(campaign.info(), so_far).contrasts
        wanted = False
        if contrast.verdict is not Verdict.UNDECIDED and contrast.blocks >= 6:
            assert contrast.low is not None
            assert contrast.high is not None
            narrow = math.log(contrast.high / contrast.low) / 2 <= math.log(1.03)
            beyond = contrast.high < 1 / 1.05 or contrast.low > 1.05
            wanted = narrow or beyond or contrast.verdict is Verdict.EQUIVALENT
        if wanted:
            assert [one.cell for one in ruling.settled] == [BRIDGE]
            return
        assert ruling.settled == ()
        assert ruling.left == (Left(BRIDGE, contrast.forecast),)


PLAN = replace(Campaign(noisy({}), blocks=20).info().plan, adaptive=True)


@pytest.mark.parametrize("deviation", [0.02, 0.05, 0.2])
@pytest.mark.parametrize("alpha", [0.05, 0.05 / 8])
def test_a_forecast_is_where_the_interval_becomes_narrow_enough(
    deviation: float, alpha: float
) -> None:
    """Up to the cap by the planned looks, beyond it by what is left for an extended run."""
    needed = blocks_needed(deviation, math.log(1.03), alpha, PLAN)

    def half(n: int) -> float:
        width = multiplier(n, Looks(6, 20), alpha)
        return math.inf if width is None else width * deviation / math.sqrt(n)

    assert half(needed) <= math.log(1.03) < half(needed - 1)


def test_a_forecast_ends_somewhere() -> None:
    assert blocks_needed(50.0, 1e-9, 0.05, PLAN) == FARTHEST


def test_what_is_undecided_forecasts_its_verdict_before_its_precision() -> None:
    campaign = Campaign(noisy({"bridge": 0.93}, deviation=0.12), blocks=12, adaptive=True)
    (contrast,) = analyse(campaign.info(), campaign.records()).contrasts

    assert contrast.verdict is Verdict.UNDECIDED
    assert contrast.forecast is not None
    assert contrast.forecast_verdict is not None
    assert 12 < contrast.forecast_verdict < contrast.forecast


def test_what_is_settled_forecasts_nothing() -> None:
    campaign = Campaign(noisy({"bridge": 0.7}), blocks=12, adaptive=True)
    (contrast,) = analyse(campaign.info(), campaign.records()).contrasts

    assert (contrast.forecast, contrast.forecast_verdict) == (None, None)


def test_every_contrast_says_why_it_stopped() -> None:
    drivers = ("host", "bridge", "container")
    noise = {"container": noisy({}, deviation=0.4), "bridge": noisy({"bridge": 0.7})}
    campaign = Campaign(
        lambda driver, *more: noise.get(driver, noise["bridge"])(driver, *more),
        drivers=drivers,
        blocks=12,
        adaptive=True,
        least=8,
    )
    analysis = adaptively(campaign)
    found = {c.driver: c for c in analysis.contrasts}

    bridge, container = found["bridge"], found["container"]
    assert (bridge.stopped, bridge.stopped_after, bridge.blocks) == (Stopped.DECIDED, 8, 8)
    assert bridge.verdict is Verdict.SLOWER
    assert [w.kind for w in bridge.warnings] == []
    assert (container.stopped, container.stopped_after) == (Stopped.OUT_OF_BLOCKS, None)
    assert container.blocks == 12
    assert (container.forecast or 0) > 100
    assert container.reason.endswith("holds 1")


@pytest.mark.parametrize(
    ("status", "adaptive", "word"),
    [
        ("complete", True, Stopped.OUT_OF_BLOCKS),
        ("complete", False, Stopped.FIXED_PLAN),
        ("out-of-time", True, Stopped.OUT_OF_TIME),
        ("out-of-time", False, Stopped.OUT_OF_TIME),
        ("interrupted", True, Stopped.INTERRUPTED),
        ("engine-lost", False, Stopped.ENGINE_LOST),
        ("running", True, Stopped.UNFINISHED),
    ],
)
def test_what_had_not_left_stopped_with_the_run(status: str, adaptive: bool, word: Stopped) -> None:
    campaign = Campaign(noisy({}, deviation=0.3), adaptive=adaptive)
    info = replace(campaign.info(), status=status)

    assert {c.stopped for c in analyse(info, campaign.records()).contrasts} == {word}


def test_other_metrics_of_a_cell_leave_with_its_leading_one() -> None:
    campaign = Campaign(noisy({"bridge": 1.3}), metric="rtt_p50", probe="tcp-rr", adaptive=True)
    records = [
        replace(r, outcome=changed(r.outcome, measurements=(m, replace(m, metric="rtt_p99"))))
        for r in campaign.records()
        for m in r.outcome.measurements[:1]
    ]
    cell = replace(BRIDGE, probe="tcp-rr")
    info = replace(campaign.info(), settled=(Settled(cell, 8, "decided"),))
    found = {c.metric: (c.stopped, c.stopped_after) for c in analyse(info, records).contrasts}

    assert found == {"rtt_p50": (Stopped.DECIDED, 8), "rtt_p99": (Stopped.LEADING, 8)}


def test_a_verdict_that_later_blocks_take_back_is_told() -> None:
    campaign = Campaign(noisy({}, deviation=0.3), adaptive=True)
    info = replace(campaign.info(), settled=(Settled(BRIDGE, 8, "decided"),))
    (contrast,) = analyse(info, campaign.records()).contrasts

    assert contrast.verdict is Verdict.UNDECIDED
    assert "verdict-taken-back" in [warning.kind for warning in contrast.warnings]


def test_blocks_after_a_cell_has_left_are_not_missed() -> None:
    drivers = ("host", "bridge", "container")
    campaign = Campaign(noisy({"bridge": 0.7}), drivers=drivers, blocks=12, adaptive=True)
    kept = [r for r in campaign.records() if r.cell != BRIDGE or r.block <= 8]
    info = replace(campaign.info(), settled=(Settled(BRIDGE, 8, "decided"),))
    analysis = analyse(info, renumbered(kept))

    assert {c.driver: c.blocks for c in analysis.contrasts} == {"bridge": 8, "container": 12}
    assert [w for c in analysis.contrasts for w in c.warnings] == []


def test_secondary_cells_share_no_error_rate_and_are_judged_at_the_same() -> None:
    campaign = Campaign(noisy({"bridge": 0.9}), adaptive=True)
    plan = replace(campaign.info().plan, secondary=(("tcp-throughput", "cross"),))
    analysis = analyse(replace(campaign.info(), plan=plan), campaign.records())

    assert (analysis.primary_contrasts, analysis.alpha) == (0, 0.05)
    assert [c.primary for c in analysis.contrasts] == [False]
