import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from support.campaign import Campaign, Model, noisy, renumbered

from netbench.analysis import Analysis, BudgetResult, Standing, analyse, family
from netbench.analysis.budgets import awaited, judge_budgets
from netbench.analysis.ground import GroundSoFar
from netbench.analysis.stats import t_mixture
from netbench.plan import offered_by, read_budgets
from netbench.record import Failure, ProbeSummary, Record, RunInfo, Skip
from netbench.record.outcome import Outcome
from netbench.spec import Cell, Path, Placement

NEAR, FAR = 50e9, 17e9
LOSSY = ProbeSummary("tcp-throughput", "tcp-throughput", ("throughput", "loss"), ())


def required(info: RunInfo, *expressions: str) -> RunInfo:
    problems: list[str] = []
    budgets = read_budgets(expressions, offered_by(info.plan), problems)
    assert problems == []
    return replace(info, plan=replace(info.plan, require=budgets))


def judged(campaign: Campaign, *expressions: str) -> Analysis:
    return analyse(required(campaign.info(), *expressions), campaign.records())


def only(campaign: Campaign, expression: str) -> BudgetResult:
    (result,) = judged(campaign, expression).budgets
    return result


def rtt(effects: dict[str, float], **changes: object) -> Campaign:
    """A run of round trips of 20 us at 1 % deviation."""
    model = noisy(effects, level=20e-6)
    drivers = ("host", "bridge", "container")
    campaign = Campaign(model, drivers, blocks=10, metric="rtt_p50", probe="tcp-rr")
    return replace(campaign, **changes)  # type: ignore[arg-type] # fields by name, for tests


@pytest.mark.parametrize(
    ("expression", "standing"),
    [
        ("bridge.rtt_p50 <= 1.5 host", Standing.MET),
        ("bridge.rtt_p50 <= 1.1 host", Standing.NOT_MET),
        ("bridge.rtt_p50 <= 1.25 host", Standing.UNDECIDED),
        ("bridge.rtt_p50 >= 1.1 host", Standing.MET),
        ("bridge.rtt_p50 >= 1.5 host", Standing.NOT_MET),
        ("bridge.rtt_p50 <= host + 10us", Standing.MET),
        ("bridge.rtt_p50 <= host + 1us", Standing.NOT_MET),
        ("bridge.rtt_p50 <= host + 5us", Standing.UNDECIDED),
        ("bridge.rtt_p50 <= 2 host - 10us", Standing.MET),
        ("bridge.rtt_p50 <= 2 host - 20us", Standing.NOT_MET),
        ("bridge.rtt_p50 <= 30us", Standing.MET),
        ("bridge.rtt_p50 <= 20us", Standing.NOT_MET),
        ("bridge.rtt_p50 <= 25us", Standing.UNDECIDED),
        ("bridge.rtt_p50 >= 20us", Standing.MET),
        ("container.rtt_p50 <= 0.9 bridge", Standing.MET),
        ("host.rtt_p50 <= 0.9 bridge", Standing.MET),
        ("bridge.rtt_p50 <= 1.1 container", Standing.NOT_MET),
    ],
)
def test_the_whole_interval_must_be_on_one_side(expression: str, standing: Standing) -> None:
    result = only(rtt({"bridge": 1.25}), expression)

    assert result.standing is standing
    assert bool(result.reason) == (standing is Standing.UNDECIDED)
    assert result.low is not None
    assert result.high is not None
    sides = [result.low <= result.bound, result.high <= result.bound]
    assert len(set(sides)) == (2 if standing is Standing.UNDECIDED else 1)


def test_figures_are_those_of_the_pairs_and_of_the_budgets_own_share() -> None:
    """Three budgets share 5 %: the interval of METHOD §2 at a third of it."""
    campaign = rtt({"bridge": 1.25})
    records = campaign.records()
    expressions = ("bridge.rtt_p50 <= 1.3 host", "bridge.rtt_p50 <= 1.5 host - 1us")
    info = required(campaign.info(), *expressions, "bridge.rtt_p50 <= 30us")
    factor, offset, alone = analyse(info, records).budgets
    values = {
        (record.cell.driver, record.block): record.outcome.measurements[0].value
        for record in records
        if record.outcome.kind == "sample" and not record.replica
    }
    x, y = (np.array([values[d, b] for b in range(1, 11)]) for d in ("bridge", "host"))

    assert (factor.unit, factor.bound, factor.blocks) == ("ratio", 1.3, 10)
    for result, effects, scale in (
        (factor, np.log(x / y), math.exp),
        (offset, x - 1.5 * y, float),
        (alone, np.log(x), math.exp),
    ):
        interval = t_mixture(effects, 0.05 / 3)
        assert interval.mean is not None
        assert interval.bounds is not None
        expected = [scale(value) for value in (interval.mean, *interval.bounds)]
        assert [result.measured, result.low, result.high] == pytest.approx(expected)
    assert (offset.unit, offset.bound) == ("s", -1e-6)
    assert (alone.unit, alone.bound) == ("s", 30e-6)


def test_a_budget_stands_for_every_cell_that_fits() -> None:
    same = rtt({"bridge": 1.25}, placement=Placement.SAME)
    cross = rtt({"bridge": 1.02}, placement=Placement.CROSS)
    info = same.info()
    cells = (*info.plan.cells, *cross.info().plan.cells)
    info = replace(info, plan=replace(info.plan, cells=cells))
    records = renumbered((*same.records(), *cross.records()))

    both = analyse(required(info, "bridge.rtt_p50 <= 1.1 host"), records)
    one = analyse(required(info, "bridge.rtt_p50@cross <= 1.1 host"), records)

    assert [(r.placement, r.standing) for r in both.budgets] == [
        (Placement.SAME, Standing.NOT_MET),
        (Placement.CROSS, Standing.MET),
    ]
    assert [r.placement for r in one.budgets] == [Placement.CROSS]
    assert (both.budgets_kept, one.budgets_kept) == (False, True)


@pytest.mark.parametrize("blocks", [1, 5])
def test_too_few_blocks_decide_nothing_however_clear(blocks: int) -> None:
    result = only(rtt({"bridge": 5.0}, blocks=blocks), "bridge.rtt_p50 <= host")

    assert result.standing is Standing.UNDECIDED
    assert result.reason.startswith(f"{blocks} complete block")
    assert result.reason.endswith("; 6 are needed: run more with --blocks")


def with_pairs(model: Model, change: Callable[[str, int, int], float]) -> Model:
    def changed(driver: str, replica: int, block: int) -> float | Outcome:
        value = model(driver, replica, block)
        return value * change(driver, replica, block) if isinstance(value, float) else value

    return changed


@pytest.mark.parametrize("expression", ["bridge.rtt_p50 <= 3 host", "bridge.rtt_p50 <= 1ms"])
def test_a_baseline_that_differs_from_itself_decides_nothing(expression: str) -> None:
    model = with_pairs(noisy({}, level=20e-6), lambda _, replica, __: 1.2 if replica else 1.0)
    result = only(rtt({}, model=model), expression)

    assert result.standing is Standing.UNDECIDED
    assert result.reason.startswith("the baseline, host, differs from its own second pair")


@pytest.mark.parametrize("driver", ["host", "bridge"])
def test_values_in_strata_decide_nothing_but_what_every_block_says(driver: str) -> None:
    split = with_pairs(
        noisy({}, level=20e-6), lambda d, _, block: 2.0 if d == driver and block % 2 else 1.0
    )
    bound = 1.5 if driver == "bridge" else 0.7
    result = only(rtt({}, model=split), f"bridge.rtt_p50 <= {bound} host")
    wide = only(rtt({}, model=split), "bridge.rtt_p50 <= 90 host")

    assert result.standing is Standing.UNDECIDED
    assert result.reason.startswith(f"the values of {driver} fall apart between 20.")
    assert wide.standing is Standing.MET


def test_a_bound_within_the_noise_floor_is_not_decided() -> None:
    """A/A at 10 %, bridge tied to the first pair: clear of the bound, yet not of the noise."""
    noise = np.random.default_rng(3).normal(0, 0.05, (2, 20))
    model = with_pairs(
        lambda *_: 20e-6,
        lambda driver, replica, block: (
            math.exp(noise[replica, block])
            * (1.05 + block % 3 / 1000 if driver == "bridge" else 1.0)
        ),
    )
    near = only(rtt({}, model=model), "bridge.rtt_p50 <= 1.06 host")
    far = only(rtt({}, model=model), "bridge.rtt_p50 <= 1.5 host")

    assert near.high is not None
    assert near.high < 1.06
    assert near.standing is Standing.UNDECIDED
    assert "within the noise floor of " in near.reason
    assert far.standing is Standing.MET


def test_a_mean_that_the_median_does_not_share_is_not_decided() -> None:
    blocks = [1.115, 1.12, 1.11, 1.12, 1.115, 1.12, 1.11, 1.045]
    quiet = noisy({}, level=20e-6, deviation=0.001)
    model = with_pairs(quiet, lambda d, _, b: blocks[b - 1] if d == "bridge" else 1.0)
    result = only(rtt({}, model=model, blocks=8), "bridge.rtt_p50 >= 1.05 host")

    assert result.low is not None
    assert result.low > 1.05
    assert result.standing is Standing.UNDECIDED
    assert "the median says not decided" in result.reason


@pytest.mark.parametrize(
    ("outcome", "reason"),
    [
        (Failure("client", "connection refused", ""), "connection refused"),
        (Skip("the kernel has no macvlan"), "the kernel has no macvlan"),
    ],
)
@pytest.mark.parametrize("lost", ["bridge", "container"])
def test_a_cell_without_samples_is_not_decided_with_its_reasons(
    lost: str, outcome: Outcome, reason: str
) -> None:
    usual = noisy({}, level=20e-6)
    campaign = rtt({}, model=lambda d, r, b: outcome if d == lost else usual(d, r, b))
    result = only(campaign, "bridge.rtt_p50 <= container + 1s")

    assert result.standing is Standing.UNDECIDED
    assert result.reason == f"{lost} has no sample here: {reason}"
    assert (result.measured, result.low, result.high, result.blocks) == (None, None, None, 0)


def test_a_cell_that_was_never_reached_is_not_decided() -> None:
    campaign = rtt({})
    (result,) = analyse(required(campaign.info(), "bridge.rtt_p50 <= 1s"), ()).budgets

    assert result.standing is Standing.UNDECIDED
    assert "not reached" in result.reason


def test_a_path_that_a_driver_closes_by_design_is_no_cell_of_a_budget() -> None:
    def model(driver: str, replica: int, block: int) -> float | Outcome:
        if driver == "container":
            return Skip("no published port", by_design=True)
        return noisy({}, level=20e-6)(driver, replica, block)

    east, hairpin = rtt({}), rtt({}, model=model)
    info = east.info()
    outer = [replace(cell, path=Path.HAIRPIN) for cell in info.plan.cells]
    info = replace(info, plan=replace(info.plan, cells=(*info.plan.cells, *outer)))
    moved = [replace(r, cell=replace(r.cell, path=Path.HAIRPIN)) for r in hairpin.records()]
    records = renumbered((*east.records(), *moved))

    both = analyse(required(info, "bridge.rtt_p50 <= 2 host"), records)
    one = analyse(required(info, "bridge.rtt_p50 <= 2 container"), records)

    assert [r.path for r in both.budgets] == ["east-west", "hairpin"]
    assert [r.path for r in one.budgets] == ["east-west"]


@pytest.mark.parametrize(
    ("lost", "expression", "standing"),
    [
        ((0.0,) * 10, "bridge.loss <= 0.1%", Standing.MET),
        ((0.0,) * 10, "bridge.loss <= 0", Standing.MET),
        ((0.0, 0.0001) * 5, "bridge.loss <= 0.1%", Standing.MET),
        ((0.0, 0.0001) * 5, "bridge.loss <= 0", Standing.UNDECIDED),
        ((0.05, 0.052, 0.051, 0.053, 0.0515) * 2, "bridge.loss <= 0.1%", Standing.NOT_MET),
        ((0.05, 0.052, 0.051, 0.053, 0.0515) * 2, "bridge.loss <= host + 0.1%", Standing.NOT_MET),
        ((0.05, 0.052, 0.051, 0.053, 0.0515) * 2, "bridge.loss <= 2 host", Standing.NOT_MET),
    ],
)
def test_zero_is_a_value_of_metrics_that_may_be_zero(
    lost: tuple[float, ...], expression: str, standing: Standing
) -> None:
    campaign = Campaign(
        lambda driver, _, block: lost[block - 1] if driver == "bridge" else 0.0,
        blocks=10,
        metric="loss",
        probe="tcp-throughput",
    )
    info = campaign.info()
    info = replace(info, plan=replace(info.plan, probes=(LOSSY,)))
    (result,) = analyse(required(info, expression), campaign.records()).budgets

    assert result.standing is standing
    assert result.measured == pytest.approx(np.mean(lost))


@pytest.mark.parametrize(("near", "state"), [(8, "near"), (4, "far")])
def test_pairs_of_one_state_alone_judge_the_budget(near: int, state: str) -> None:
    """Half of the blocks run on far cores, at half the speed."""
    speed = {True: 20e9, False: 10e9}
    fast = noisy({"bridge": 0.8}, level=1.0)

    def at(block: int) -> bool:
        return block <= near

    campaign = Campaign(
        with_pairs(fast, lambda _, __, block: speed[at(block)]),
        blocks=14,
        sentinel=lambda block, *_: (NEAR, NEAR) if at(block) else (FAR, FAR),
    )
    result = only(campaign, "bridge.throughput >= 1Gbit/s")

    assert result.state == state
    assert result.blocks == (near if state == "near" else 14 - near)
    assert result.measured == pytest.approx(0.8 * speed[state == "near"], rel=0.02)
    assert result.standing is Standing.MET


@pytest.mark.parametrize(
    ("expressions", "allowed", "kept"),
    [
        ((), False, True),
        (("bridge.rtt_p50 <= 1.5 host",), False, True),
        (("bridge.rtt_p50 <= 1.1 host",), True, False),
        (("bridge.rtt_p50 <= 1.25 host",), False, False),
        (("bridge.rtt_p50 <= 1.25 host",), True, True),
        (("bridge.rtt_p50 <= 1.25 host", "bridge.rtt_p50 <= 1.1 host"), True, False),
    ],
)
def test_what_is_not_decided_is_kept_only_where_allowed(
    expressions: tuple[str, ...], *, allowed: bool, kept: bool
) -> None:
    campaign = rtt({"bridge": 1.25})
    info = required(campaign.info(), *expressions)
    info = replace(info, plan=replace(info.plan, allow_undecided=allowed))

    assert analyse(info, campaign.records()).budgets_kept is kept


def test_cells_are_awaited_until_the_budget_is_decided() -> None:
    expressions = ("bridge.rtt_p50 <= 2 container", "bridge.rtt_p50 <= 1.25 container")
    open_ = judged(rtt({"bridge": 1.25}), *expressions).budgets
    closed = judged(rtt({"bridge": 1.25}), *expressions[:1]).budgets

    assert awaited(open_, "host") == {
        Cell(driver, Path.EAST_WEST, "tcp-rr", Placement.CROSS)
        for driver in ("bridge", "container", "host")
    }
    assert awaited(closed, "host") == frozenset()


@pytest.mark.parametrize("blocks", [3, 10])
def test_a_run_that_goes_on_is_judged_as_it_will_be_at_its_end(blocks: int) -> None:
    """The same records, of two states and with a failure, one by one and as a whole."""
    usual = noisy({"bridge": 1.25}, level=20e-6)
    lost = Failure("client", "connection refused", "")
    campaign = rtt(
        {},
        model=lambda d, r, b: lost if (d, b) == ("bridge", 2) else usual(d, r, b),
        blocks=blocks,
        sentinel=lambda block, *_: (NEAR, NEAR) if block > 3 else (FAR, FAR),
    )
    records = campaign.records()
    expressions = ("bridge.rtt_p50 <= 1.5 host", "container.rtt_p50 <= bridge + 1us")
    info = required(campaign.info(), *expressions)
    so_far = GroundSoFar(info.plan, family.leading(info.plan))
    for record in records:
        so_far.take(record)

    assert judge_budgets(info.plan, so_far.ground()) == analyse(info, records).budgets


def false_calls(seed: int) -> tuple[int, int]:
    """Return in how many of 200 runs at its bound a budget is ever called met or not met."""
    random = np.random.default_rng(seed)
    met = lost = 0
    for _ in range(200):
        deltas = random.normal(0.0, 0.05, 30)
        seen = set()
        for n in range(6, 31):
            bounds = t_mixture(deltas[:n], 0.05).bounds
            if bounds is not None and not bounds[0] <= 0 <= bounds[1]:
                seen.add(bounds[1] < 0)
        met += True in seen
        lost += False in seen
    return met, lost


def test_a_driver_exactly_at_its_bound_is_rarely_called_either_way() -> None:
    met, lost = false_calls(7)

    assert met + lost <= 10


def test_no_record_is_changed_by_being_judged() -> None:
    campaign = rtt({"bridge": 1.25})
    records: list[Record] = campaign.records()
    first = analyse(required(campaign.info(), "bridge.rtt_p50 <= 1.5 host"), records)

    assert first == analyse(required(campaign.info(), "bridge.rtt_p50 <= 1.5 host"), records[::-1])
