"""The plan by which missed budgets are measured again."""

from dataclasses import replace

from support.plans import plan_of

from netbench.plan import Plan, confirming, read_budgets
from netbench.plan.budget_scope import scope_of_cells
from netbench.record import Budget
from netbench.record.checks import plan_problem
from netbench.spec import Cell, Cpus, Path, Placement

SAME, CROSS = Placement.SAME, Placement.CROSS
KINDS = (("tcp-throughput", CROSS), ("tcp-rr", SAME), ("tcp-rr", CROSS))
PLAN = replace(
    plan_of("host", "bridge", "bridge:user", "container", kinds=KINDS, blocks=8),
    cpus={SAME: Cpus(1, 1), CROSS: Cpus(0, 1)},
    secondary=frozenset({("tcp-rr", CROSS)}),
    limits={("tcp-rr", CROSS): 3},
    max_time=600.0,
    cap=8,
)


def budget(expression: str) -> Budget:
    metrics = {name: PLAN.probes[name].metrics for name, _ in KINDS}
    problems: list[str] = []
    scope = scope_of_cells(PLAN.cells, metrics, PLAN.baseline, PLAN.drivers)
    (found,) = read_budgets([expression], scope, problems)
    assert problems == []
    return found


def rtt(driver: str, placement: Placement) -> Cell:
    return Cell(driver, Path.EAST_WEST, "tcp-rr", placement)


def again(*owed: tuple[Budget, Cell], blocks: int = 6) -> Plan:
    return confirming(PLAN, owed, blocks)


def test_it_has_the_drivers_and_cells_of_what_was_missed_and_the_baseline() -> None:
    missed = budget("bridge:user.rtt_p50@same <= 1.1 bridge")
    plan = again((missed, rtt("bridge:user", SAME)))

    assert [driver.name for driver in plan.drivers] == ["host", "bridge", "bridge:user"]
    assert plan.kinds == (("tcp-rr", Path.EAST_WEST, SAME),)
    assert plan.require == (missed,)
    assert (plan.cpus, plan.max_time, plan.baseline) == ({SAME: Cpus(1, 1)}, 600.0, "host")
    assert (plan.secondary, plan.limits) == (frozenset(), {})
    assert plan_problem(plan.summary()) == ""


def test_its_seed_is_another_one() -> None:
    missed = budget("bridge.rtt_p50@same <= 1.1 host"), rtt("bridge", SAME)

    assert PLAN.seed not in {again(missed).seed for _ in range(5)}


def test_what_was_met_elsewhere_shares_no_error_rate() -> None:
    """The budget covers two cells; one of them is measured again, for it or for another budget."""
    wide, other = budget("bridge.rtt_p50 <= 1.1 host"), budget("container.rtt_p50@cross <= 1 host")
    alone = again((wide, rtt("bridge", SAME)))
    both = again((wide, rtt("bridge", SAME)), (other, rtt("container", CROSS)))
    narrowed = replace(wide, words=("tcp-rr", "same", "east-west"))

    assert alone.require == (wide,)
    assert both.require == (narrowed, other)
    assert {cell for one in both.require for cell in both.cells if one.covers(cell)} == {
        rtt("bridge", SAME),
        rtt("container", CROSS),
    }
    assert both.secondary == {("tcp-rr", CROSS)}


def test_it_has_as_many_blocks_as_were_declared_or_the_budget_had() -> None:
    """A run that was extended had more than it declared."""
    missed = budget("bridge.rtt_p50@same <= 1.1 host"), rtt("bridge", SAME)
    few, many = again(missed, blocks=7), again(missed, blocks=30)

    assert (few.blocks, few.cap) == (8, 8)
    assert (many.blocks, many.cap) == (30, 30)
