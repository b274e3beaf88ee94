"""From options and suite to a frozen, seeded plan; every configuration error is found here."""

from netbench.plan.budget_scope import Offer, offered, offered_by
from netbench.plan.budgets import read_budgets
from netbench.plan.build import Plan, build
from netbench.plan.drivers import parse_drivers
from netbench.plan.extend import Extension, asks_to_extend, read_extension
from netbench.plan.order import BlockPlan, Place, Step, round_order
from netbench.plan.request import Options, Request, parse
from netbench.plan.restore import restore
from netbench.plan.run_budget_scope import RunsOffer, offered_by_runs
from netbench.plan.suite import load_suite

__all__ = [
    "BlockPlan",
    "Extension",
    "Offer",
    "Options",
    "Place",
    "Plan",
    "Request",
    "RunsOffer",
    "Step",
    "asks_to_extend",
    "build",
    "load_suite",
    "offered",
    "offered_by",
    "offered_by_runs",
    "parse",
    "parse_drivers",
    "read_budgets",
    "read_extension",
    "restore",
    "round_order",
]
