from dataclasses import replace

import pytest
from support.several import run

from netbench.plan import read_budgets, scope_of_runs
from netbench.plan.budget_scope import BudgetSubject
from netbench.record import Budget

PLAN = run(1).info.plan
SCOPE = scope_of_runs({"kept": PLAN, "today": PLAN})


def read(expression: str) -> tuple[tuple[Budget, ...], list[str]]:
    problems: list[str] = []
    return read_budgets([expression], SCOPE, problems), problems


@pytest.mark.parametrize(
    ("expression", "expected", "subject"),
    [
        (
            "bridge.throughput >= 0.95 kept",
            Budget("bridge", "throughput", (), ">=", "kept", 0.95, 0.0),
            BudgetSubject("today", "bridge", relative=False),
        ),
        (
            "bridge/host.rtt_p50@same <= 1.05 kept",
            Budget("bridge/host", "rtt_p50", ("same",), "<=", "kept", 1.05, 0.0),
            BudgetSubject("today", "bridge", relative=True),
        ),
        (
            "kept.bridge.rtt_p99 <= today+20us",
            Budget("kept.bridge", "rtt_p99", (), "<=", "today", 1.0, 2e-05),
            BudgetSubject("kept", "bridge", relative=False),
        ),
        (
            "today.bridge/host.throughput@tcp-throughput@cross >= kept",
            Budget(
                "today.bridge/host",
                "throughput",
                ("tcp-throughput", "cross"),
                ">=",
                "kept",
                1.0,
                0.0,
            ),
            BudgetSubject("today", "bridge", relative=True),
        ),
    ],
)
def test_what_an_expression_means(
    expression: str, expected: Budget, subject: BudgetSubject
) -> None:
    found, problems = read(expression)

    assert problems == []
    assert found == (expected,)
    assert SCOPE.subjects[expected.driver] == subject
    assert read(str(expected)) == (found, [])


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("bridge.throughput >= 0.95 yesterday", "or a run (kept, today), not 'yesterday'"),
        ("bridge.throughput >= 0.95 host", "or a run (kept, today), not 'host'"),
        ("bridge.throughput >= 5Gbit/s", "the bound must name a run (kept), as in 0.95 kept"),
        ("bridge.throughput >= today", "run today cannot be its own bound: name another run"),
        ("macvlan.throughput >= kept", "no driver 'macvlan': the run has host, bridge"),
        ("host/host.throughput >= kept", "no driver 'host/host'"),
        ("bridge/host.rtt_p99 <= kept + 20us", "bounded by a factor of the other run's alone"),
        ("bridge.jitter <= kept", "no probe of this run measures jitter"),
        ("bridge.throughput@same >= kept", "no cell fits"),
    ],
)
def test_what_is_wrong_is_told_with_its_place(expression: str, message: str) -> None:
    found, problems = read(expression)

    assert found == ()
    assert len(problems) == 1
    assert message in problems[0]
    assert problems[0].endswith("^")


def test_runs_with_two_baselines_have_no_ratio_in_common() -> None:
    scope = scope_of_runs({"kept": PLAN, "today": replace(PLAN, baseline="bridge")})

    assert not any(subject.relative for subject in scope.subjects.values())
