import pytest
from support.several import run, scaled, taken, with_facts
from support.synthetic import Run

from netbench.analysis import BudgetResult, Standing
from netbench.analysis.compare import compare
from netbench.analysis.compare.model import RunComparison
from netbench.plan import read_budgets, scope_of_runs

ONE, TWO = run(1, blocks=12), run(2, blocks=12)


def judged(
    right: Run,
    *require: str,
    accept: tuple[str, ...] = (),
    allow: bool = False,
    again: Run | None = None,
) -> RunComparison:
    problems: list[str] = []
    plans = {"kept": ONE.info.plan, "today": right.info.plan}
    budgets = read_budgets(require, scope_of_runs(plans), problems)
    assert problems == []
    return compare(
        [taken(ONE, "kept"), taken(right, "today")],
        accept,
        budgets,
        allow_undecided=allow,
        again=taken(again, "today-again") if again else None,
    )


def only(right: Run, require: str, accept: tuple[str, ...] = ()) -> BudgetResult:
    (result,) = judged(right, require, accept=accept).budgets
    return result


@pytest.mark.parametrize(
    ("expression", "standing"),
    [
        ("bridge.rtt_p50@same <= 1.1 kept", Standing.MET),
        ("bridge/host.rtt_p50@same <= 1.1 kept", Standing.MET),
        ("bridge.rtt_p50@same <= kept + 2us", Standing.MET),
        ("bridge.rtt_p50@same <= 0.8 kept", Standing.NOT_MET),
        ("bridge.rtt_p50@same <= kept - 3us", Standing.NOT_MET),
        ("kept.bridge.rtt_p50@same >= 0.9 today", Standing.MET),
        ("bridge.rtt_p50@same <= 1 kept", Standing.UNDECIDED),
    ],
)
def test_two_clean_runs_keep_what_is_wide_enough(expression: str, standing: Standing) -> None:
    result = only(TWO, expression)

    assert (result.standing, bool(result.reason)) == (standing, standing is Standing.UNDECIDED)
    assert result.low is not None
    assert result.high is not None
    assert result.measured is not None
    assert result.low < result.measured < result.high


def test_a_regression_is_not_met() -> None:
    slower = scaled(TWO, 1.3, "bridge")

    assert only(slower, "bridge/host.rtt_p50@same <= 1.1 kept").standing is Standing.NOT_MET
    assert only(slower, "bridge.rtt_p50@same <= 1.1 kept").standing is Standing.NOT_MET


def test_a_machine_that_moved_decides_no_figure_and_every_ratio() -> None:
    slower = scaled(TWO, 1.25, machine=0.8)

    figure = only(slower, "bridge.rtt_p50@same <= 1.1 kept")
    assert figure.standing is Standing.UNDECIDED
    assert "the machine itself differs" in figure.reason
    assert only(slower, "bridge/host.rtt_p50@same <= 1.1 kept").standing is Standing.MET


def test_a_confounder_leaves_a_budget_open_until_it_is_accepted() -> None:
    other = with_facts(TWO, kernel__release="6.13.0")
    expression = "bridge.rtt_p50@same <= 1.1 kept"

    held = only(other, expression)
    assert held.standing is Standing.UNDECIDED
    assert "kernel.release: --accept" in held.reason
    assert only(other, expression, accept=("kernel.*",)).standing is Standing.MET


def test_what_is_not_decided_is_kept_only_where_that_is_allowed() -> None:
    undecided = "bridge.rtt_p50@same <= 1 kept"

    assert not judged(TWO, undecided).budgets_kept
    assert judged(TWO, undecided, allow=True).budgets_kept


def test_a_metric_that_may_be_0_is_bounded_by_its_difference() -> None:
    result = only(TWO, "bridge.retransmits <= kept + 100")

    assert (result.standing, result.unit, result.bound) == (Standing.MET, "count", 100)


LIMIT, WIDE = "bridge/host.rtt_p50@same <= 1.1 kept", "bridge/host.rtt_p50@same <= 3 kept"
THREE = run(3, blocks=12)


def test_another_run_of_the_last_one_confirms_a_miss_or_does_not() -> None:
    slower = scaled(TWO, 1.3, "bridge")
    once = judged(slower, LIMIT, WIDE, again=THREE)
    twice = judged(slower, LIMIT, again=scaled(THREE, 1.3, "bridge"))
    (missed, met), (both,) = once.budgets, twice.budgets

    assert missed.again is not None
    assert (missed.standing, missed.final) == (Standing.NOT_MET, Standing.MET)
    assert (missed.again.run, missed.again.seed) == ("today-again", 3)
    assert missed.again.result.standing is Standing.MET
    assert (met.standing, met.again) == (Standing.MET, None)
    assert once.budgets_kept
    assert (both.final, twice.budgets_kept) == (Standing.NOT_MET, False)


def test_what_is_missed_shares_the_error_rate_of_the_second_run_alone() -> None:
    """Many budgets that are met make the first interval wider, not that of the confirmation."""
    slower = scaled(TWO, 1.3, "bridge")
    many = [f"bridge/host.rtt_p50@same <= {3 + n} kept" for n in range(9)]
    few, found = judged(slower, LIMIT, again=THREE), judged(slower, LIMIT, *many, again=THREE)
    (one,), (other, *_) = few.budgets, found.budgets

    assert one.again is not None
    assert other.again is not None
    assert (one.low, one.again.result.low) < (one.measured, one.again.result.measured)
    assert other.low is not None
    assert one.low is not None
    assert other.low < one.low
    assert other.again.result == one.again.result


def test_a_bound_that_is_the_last_run_is_confirmed_too_and_other_runs_are_not() -> None:
    slower = scaled(TWO, 1.3, "bridge")
    (of_first,) = judged(slower, "kept.bridge.rtt_p50@same >= 1 today", again=THREE).budgets
    problems: list[str] = []
    labels = ("kept", "between", "today")
    scope = scope_of_runs(dict.fromkeys(labels, ONE.info.plan))
    budgets = read_budgets(["between.bridge/host.rtt_p50@same <= 1.1 kept"], scope, problems)
    runs = [taken(one, label) for one, label in zip((ONE, slower, TWO), labels, strict=True)]
    (of_others,) = compare(runs, (), budgets, again=taken(THREE, "today-again")).budgets

    assert problems == []
    assert of_first.again is not None
    assert (of_others.standing, of_others.again) == (Standing.NOT_MET, None)
