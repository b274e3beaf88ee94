"""From options and suite to a frozen, seeded plan; every configuration error is found here."""

from netbench.plan.budget_scope import BudgetScope, scope_of, scope_of_runs
from netbench.plan.budgets import read_budgets
from netbench.plan.drivers import parse_drivers
from netbench.plan.extend import Extension, asks_to_extend, read_extension
from netbench.plan.model import Plan, restore
from netbench.plan.order import BlockPlan, Step, round_order
from netbench.plan.request import Options, build, parse
from netbench.plan.suite import load_suite

__all__ = [
    "BlockPlan",
    "BudgetScope",
    "Extension",
    "Options",
    "Plan",
    "Step",
    "asks_to_extend",
    "build",
    "load_suite",
    "parse",
    "parse_drivers",
    "read_budgets",
    "read_extension",
    "restore",
    "round_order",
    "scope_of",
    "scope_of_runs",
]
