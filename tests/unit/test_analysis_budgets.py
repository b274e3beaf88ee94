import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from support.campaign import Campaign, Model, noisy, renumbered

from netbench.analysis import Analysis, BudgetResult, Collector, Standing, analyse
from netbench.analysis.boundary import Looks, interval
from netbench.analysis.budgets import BudgetCriteria, awaited, judge_budgets
from netbench.analysis.frame import Frames
from netbench.analysis.gates import Evidence
from netbench.analysis.stats import Interval, order_statistics
from netbench.plan import read_budgets, scope_of
from netbench.record import Failure, ProbeSummary, Record, RunInfo, Skip
from netbench.record.outcome import Outcome
from netbench.spec import Cell, Path, Placement

LOSSY = ProbeSummary("tcp-throughput", "tcp-throughput", ("throughput", "loss"), ())


def required(info: RunInfo, *expressions: str) -> RunInfo:
    problems: list[str] = []
    budgets = read_budgets(expressions, scope_of(info.plan), problems)
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


def test_figures_are_those_of_the_blocks_and_of_the_budgets_own_share() -> None:
    """Three budgets share 5 %: the interval of METHOD §2 at a third of it."""
    campaign = rtt({"bridge": 1.25})
    records = campaign.records()
    expressions = ("bridge.rtt_p50 <= 1.3 host", "bridge.rtt_p50 <= 1.5 host - 1us")
    info = required(campaign.info(), *expressions, "bridge.rtt_p50 <= 30us")
    factor, offset, alone = analyse(info, records).budgets
    values = {
        (record.cell.driver, record.replica, record.block): record.outcome.measurements[0].value
        for record in records
        if record.outcome.kind == "sample"
    }
    x, one, two = (
        np.array([values[*arm, b] for b in range(1, 11)])
        for arm in (("bridge", 0), ("host", 0), ("host", 1))
    )
    both = np.sqrt(one * two)

    assert (factor.unit, factor.bound, factor.blocks) == ("ratio", 1.3, 10)
    for result, effects, scale in (
        (factor, np.log(x / both), math.exp),
        (offset, x - 1.5 * (one + two) / 2, float),
        (alone, np.log(x), math.exp),
    ):
        own = interval(effects, Looks(10, 10), 0.05 / 3)
        assert own.mean is not None
        assert own.bounds is not None
        expected = [scale(value) for value in (own.mean, *own.bounds)]
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


@pytest.mark.parametrize(("blocks", "usable"), [(1, "1 usable block"), (5, "5 usable blocks")])
def test_too_few_blocks_decide_nothing_however_clear(blocks: int, usable: str) -> None:
    result = only(rtt({"bridge": 5.0}, blocks=blocks), "bridge.rtt_p50 <= host")

    assert result.standing is Standing.UNDECIDED
    assert result.reason == f"{usable}, at least 6 needed: run more with --blocks"


def with_pairs(model: Model, change: Callable[[str, int, int], float]) -> Model:
    def changed(driver: str, replica: int, block: int) -> float | Outcome:
        value = model(driver, replica, block)
        return value * change(driver, replica, block) if isinstance(value, float) else value

    return changed


@pytest.mark.parametrize(
    ("expression", "standing"),
    [
        ("bridge.rtt_p50 <= 1.05 host", Standing.UNDECIDED),
        ("bridge.rtt_p50 <= 1.5 host", Standing.MET),
        ("bridge.rtt_p50 <= 21us", Standing.UNDECIDED),
        ("bridge.rtt_p50 <= 1ms", Standing.MET),
    ],
)
def test_a_baseline_that_differs_from_itself_leaves_what_is_not_clear_of_it(
    expression: str, standing: Standing
) -> None:
    model = with_pairs(noisy({}, level=20e-6), lambda _, replica, __: 1.2 if replica else 1.0)
    result = only(rtt({}, model=model), expression)

    assert result.standing is standing
    assert ("host-vs-host differs by 19.8 %" in result.reason) == (standing is Standing.UNDECIDED)


def halves(driver: str) -> Campaign:
    """Twice the round trips of one driver in every other block; of all drivers with `all`."""
    model = with_pairs(
        noisy({"bridge": 0.9}, level=20e-6),
        lambda d, _, block: 2.0 if driver in {d, "all"} and block % 2 else 1.0,
    )
    return rtt({}, model=model, blocks=24)


def test_values_in_two_groups_leave_what_the_blocks_do_not_agree_on() -> None:
    result = only(halves("bridge"), "bridge.rtt_p50 <= 1.7 host")
    wide = only(halves("bridge"), "bridge.rtt_p50 <= 90 host")

    assert result.standing is Standing.UNDECIDED
    assert result.reason.startswith("the values fall in two groups")
    assert wide.standing is Standing.MET


def test_two_levels_of_the_machine_cancel_in_a_relative_budget() -> None:
    assert only(halves("all"), "bridge.rtt_p50 <= 0.95 host").standing is Standing.MET


def test_a_wide_noise_floor_withholds_nothing() -> None:
    """A/A at 10 %, the driver steady against the mean of both arms."""
    noise = np.random.default_rng(3).normal(0, 0.05, 20)
    model = with_pairs(
        lambda *_: 20e-6,
        lambda driver, replica, block: (
            1.02 + block % 3 / 1000
            if driver == "bridge"
            else math.exp(noise[block] * (1 if replica else -1))
        ),
    )

    assert only(rtt({}, model=model), "bridge.rtt_p50 <= 1.04 host").standing is Standing.MET


def test_a_median_on_the_other_side_of_the_bound_leaves_it_open() -> None:
    effects = 0.03 + np.resize([0.001, -0.001, 0.0005], 24)
    effects[[2, 7, 12, 17, 22]] = -0.3, -0.6, -0.9, -1.2, -0.45
    evidence = Evidence(
        baseline="host",
        interval=Interval(24, -0.12, 0.3, 0.08),
        twin=order_statistics(effects),
        gap=0.0,
        agreed=False,
        null=Interval(0, None, None, None),
        null_reach=0.0,
        counts=(24,),
        needed=6,
    )
    budget = read_budgets(["bridge.rtt_p50 <= 1 host"], scope_of(rtt({}).info().plan), [])[0]
    terms = BudgetCriteria(budget, rtt({}).info().plan.cells[1], "host", 0.05, 0.05)
    result = terms.result(evidence, absent="")

    assert terms.stand(evidence.interval.bounds) is Standing.MET
    assert result.standing is Standing.UNDECIDED
    assert result.reason == "mean and median lie on different sides of the bound"


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
        ((0.0, 0.0001) * 5, "bridge.loss <= 0", Standing.NOT_MET),
        ((0.0,) * 9 + (0.0001,), "bridge.loss <= 0", Standing.UNDECIDED),
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
def test_a_run_in_progress_is_judged_as_it_will_be_at_its_end(blocks: int) -> None:
    """The same records, with a failure, one by one and as a whole."""
    usual = noisy({"bridge": 1.25}, level=20e-6)
    lost = Failure("client", "connection refused", "")
    campaign = rtt(
        {},
        model=lambda d, r, b: lost if (d, b) == ("bridge", 2) else usual(d, r, b),
        blocks=blocks,
    )
    records = campaign.records()
    expressions = ("bridge.rtt_p50 <= 1.5 host", "container.rtt_p50 <= bridge + 1us")
    info = required(campaign.info(), *expressions)
    so_far = Collector()
    for record in records:
        so_far.take(record)
    frames = Frames(so_far.trials, so_far.values)

    assert judge_budgets(info.plan, frames) == analyse(info, records).budgets


def test_a_driver_exactly_at_its_bound_is_rarely_called_either_way() -> None:
    random, looks = np.random.default_rng(7), Looks(6, 30)
    wrong = 0
    for _ in range(200):
        effects = random.normal(0.0, 0.05, 30)
        every = (interval(effects[:n], looks, 0.05).bounds for n in range(6, 31))
        wrong += any(bounds is not None and not bounds[0] <= 0 <= bounds[1] for bounds in every)

    assert wrong <= 16


def test_no_record_is_changed_by_being_judged() -> None:
    campaign = rtt({"bridge": 1.25})
    records: list[Record] = campaign.records()
    first = analyse(required(campaign.info(), "bridge.rtt_p50 <= 1.5 host"), records)

    assert first == analyse(required(campaign.info(), "bridge.rtt_p50 <= 1.5 host"), records[::-1])
