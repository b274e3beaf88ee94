import pytest
from support.several import run, scaled, taken, with_facts
from support.synthetic import Run

from netbench.analysis import BudgetResult, Standing
from netbench.analysis.compare import compare
from netbench.analysis.compare.model import RunComparison
from netbench.plan import read_budgets, scope_of_runs

ONE, TWO = run(1, blocks=12), run(2, blocks=12)


def judged(
    right: Run, *require: str, accept: tuple[str, ...] = (), allow: bool = False
) -> RunComparison:
    problems: list[str] = []
    plans = {"kept": ONE.info.plan, "today": right.info.plan}
    budgets = read_budgets(require, scope_of_runs(plans), problems)
    assert problems == []
    return compare(
        [taken(ONE, "kept"), taken(right, "today")], accept, budgets, allow_undecided=allow
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
